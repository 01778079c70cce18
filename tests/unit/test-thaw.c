/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-process.h"
#include "qs-thaw.h"
#include "store-fixture.h"
#include "worker-fixture.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* a guest agent in a thread. It speaks to one client after the other, as QEMU lets it */
typedef struct
{
  char *path;
  int listener;
  GThread *thread;
  guint n_hung_up; /* this many connections end as soon as something is asked */
  gboolean deaf;
  int frozen; /* atomic */
} Agent;

static void
answer (Agent *agent, int fd, const char *line)
{
  const char *id = strstr (line, "\"id\":");
  g_autofree char *text = NULL;

  if (id != NULL)
    text = g_strdup_printf ("\xff{\"return\": %" G_GINT64_FORMAT "}\n",
                            g_ascii_strtoll (id + strlen ("\"id\":"), NULL, 10));
  else if (strstr (line, "status") != NULL)
    text = g_strdup_printf ("{\"return\": \"%s\"}\n",
                            g_atomic_int_get (&agent->frozen) ? "frozen" : "thawed");
  else
    {
      g_assert_nonnull (strstr (line, "guest-fsfreeze-thaw"));
      g_atomic_int_set (&agent->frozen, FALSE);
      text = g_strdup ("{\"return\": 1}\n");
    }
  g_assert_cmpint (send (fd, text, strlen (text), MSG_NOSIGNAL), ==, (gssize)strlen (text));
}

static void
talk (Agent *agent, int fd)
{
  char line[256];
  gssize n;

  while ((n = recv (fd, line, sizeof line - 1, 0)) > 0)
    {
      line[n] = '\0';
      if (agent->n_hung_up > 0)
        {
          agent->n_hung_up--;
          return;
        }
      if (!agent->deaf)
        answer (agent, fd, line);
    }
}

static gpointer
serve (gpointer data)
{
  Agent *agent = data;
  int fd;

  while ((fd = accept (agent->listener, NULL, NULL)) >= 0)
    {
      talk (agent, fd);
      close (fd);
    }
  return NULL;
}

static void
agent_start (Agent *agent, Fixture *f, const char *name)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  agent->path = in_folder (f, name);
  agent->frozen = TRUE;
  g_strlcpy (address.sun_path, agent->path, sizeof address.sun_path);
  agent->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno (bind (agent->listener, (struct sockaddr *)&address, sizeof address));
  g_assert_no_errno (listen (agent->listener, 4));
  agent->thread = g_thread_new (name, serve, agent);
}

static void
agent_clear (Agent *agent)
{
  if (agent->thread == NULL)
    return;
  shutdown (agent->listener, SHUT_RDWR);
  g_thread_join (agent->thread);
  close (agent->listener);
  g_free (agent->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Agent, agent_clear)

/* as much of an engine as thawing takes */
typedef struct
{
  QsEngine engine;
  StoreFixture store;
} Bench;

static void
bench_open (Bench *bench, Fixture *f)
{
  g_assert_true (g_main_context_acquire (NULL));
  store_fixture_open (&bench->store);
  bench->engine.store = bench->store.store;
  bench->engine.workers = f->pool;
  bench->engine.thawing = qs_errands_new (1);
  bench->engine.ending = g_cancellable_new ();
}

static void
bench_clear (Bench *bench)
{
  g_cancellable_cancel (bench->engine.ending);
  qs_errands_close (bench->engine.thawing);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_hash_table_unref (bench->engine.thaws);
  qs_errands_unref (bench->engine.thawing);
  g_object_unref (bench->engine.ending);
  store_fixture_clear (&bench->store);
  g_main_context_release (NULL);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

/* @pid stands for QEMU, in the domain "d" */
static QsFreeze *
make_freeze (guint64 op, const char *socket, gint64 pid)
{
  QsFreeze *freeze = g_new0 (QsFreeze, 1);

  freeze->domain = g_strdup ("d");
  freeze->op = op;
  freeze->owner = getuid ();
  freeze->process = qs_process_identify (pid, getuid (), socket, "");
  freeze->since = g_get_monotonic_time ();
  g_assert_nonnull (freeze->process);
  return freeze;
}

static void
owe (Bench *bench, const QsFreeze *freeze)
{
  g_autoptr (GError) error = NULL;

  qs_thaw_owe (&bench->engine, freeze, &error);
  g_assert_no_error (error);
}

static void
assert_owed (Bench *bench, const QsProcess *process, gboolean expected)
{
  g_autoptr (QsProcess) copy = qs_process_copy (process);
  const QsDomain domain = { .process = copy };

  g_assert_cmpint (qs_thaw_is_owed (&bench->engine, &domain), ==, expected);
}

static guint
count_rows (Bench *bench)
{
  g_autoptr (GPtrArray) freezes = qs_store_load_freezes (bench->engine.store, NULL);

  return freezes->len;
}

/* one domain, two QEMUs: the first was detached while it was frozen, the second attached */
static void
test_two (Fixture *f, gconstpointer data)
{
  g_auto (Agent) first = { 0 };
  g_auto (Agent) second = { 0 };
  g_auto (Bench) bench = { 0 };
  g_autoptr (QsFreeze) one = NULL;
  g_autoptr (QsFreeze) two = NULL;
  QsThawed thawed;

  bench_open (&bench, f);
  agent_start (&first, f, "first");
  agent_start (&second, f, "second");
  one = make_freeze (7, first.path, getpid ());
  two = make_freeze (8, second.path, f->worker->pid);
  owe (&bench, one);
  assert_owed (&bench, two->process, FALSE);
  owe (&bench, two);
  g_assert_cmpuint (count_rows (&bench), ==, 2);
  g_assert_true (qs_thaw_settle (&bench.engine, 8, 20, &thawed));
  g_assert_true (thawed.is_thawed);
  assert_owed (&bench, two->process, FALSE);
  assert_owed (&bench, one->process, TRUE);
  g_assert_true (qs_engine_is_thawing (&bench.engine));
  one->process->start_time++;
  assert_owed (&bench, one->process, FALSE);

  g_assert_true (qs_thaw_settle (&bench.engine, 7, 20, &thawed));
  g_assert_false (g_atomic_int_get (&first.frozen) || g_atomic_int_get (&second.frozen));
  g_assert_false (qs_engine_is_thawing (&bench.engine));
  g_assert_cmpuint (count_rows (&bench), ==, 0);
}

/* the connection over which it was frozen ends: at once it is asked over another one */
static void
test_hung_up (Fixture *f, gconstpointer data)
{
  g_auto (Agent) agent = { .n_hung_up = 1 };
  g_auto (Bench) bench = { 0 };
  g_autoptr (QsFreeze) freeze = NULL;
  g_autoptr (GError) error = NULL;
  QsThawed thawed;
  QsAgent *connection;

  bench_open (&bench, f);
  agent_start (&agent, f, "agent");
  freeze = make_freeze (7, agent.path, getpid ());
  connection = qs_thaw_connect (&bench.engine, freeze, &error);
  g_assert_no_error (error);
  owe (&bench, freeze);
  qs_thaw_keep (&bench.engine, 7, connection);
  g_assert_true (qs_thaw_settle (&bench.engine, 7, 20, &thawed));
  g_assert_true (thawed.is_thawed && thawed.was_held);
  g_assert_false (g_atomic_int_get (&agent.frozen));
}

/* whoever else listens at a socket that QEMU has made is not believed, also by the next start */
static void
test_other_peer (Fixture *f, gconstpointer data)
{
  g_auto (Agent) agent = { 0 };
  g_auto (Bench) bench = { 0 };
  g_autoptr (QsFreeze) freeze = NULL;
  g_autoptr (GPtrArray) kept = NULL;
  g_autoptr (GError) error = NULL;
  QsThawed thawed;

  bench_open (&bench, f);
  agent_start (&agent, f, "agent");
  freeze = make_freeze (7, agent.path, f->worker->pid);
  freeze->ours = TRUE;
  owe (&bench, freeze);
  g_assert_true (qs_thaw_settle (&bench.engine, 7, 1, &thawed));
  g_assert_false (thawed.is_thawed);
  g_assert_true (agent.frozen);
  kept = qs_store_load_freezes (bench.engine.store, NULL);
  assert_refused (qs_thaw_connect (&bench.engine, g_ptr_array_index (kept, 0), &error) != NULL,
                  error, QS_ERROR_AGENT_UNRESPONSIVE, "another process than QEMU");
}

static gboolean
on_timeout (gpointer data)
{
  *(gboolean *)data = TRUE;
  return G_SOURCE_REMOVE;
}

/* silent agents keep the threads from one that answers for a moment only */
static void
test_silent (Fixture *f, gconstpointer data)
{
  g_auto (Agent) silent = { .deaf = TRUE };
  g_auto (Agent) good = { 0 };
  g_auto (Bench) bench = { 0 };
  g_autoptr (QsFreeze) one = NULL;
  g_autoptr (QsFreeze) two = NULL;
  gboolean late = FALSE;
  guint timer = g_timeout_add_seconds (QS_AGENT_PROBE_SECONDS + 4, on_timeout, &late);

  bench_open (&bench, f);
  agent_start (&silent, f, "silent");
  agent_start (&good, f, "good");
  one = make_freeze (7, silent.path, getpid ());
  two = make_freeze (8, good.path, getpid ());
  owe (&bench, one);
  owe (&bench, two);
  qs_thaw_release (&bench.engine, 7);
  qs_thaw_release (&bench.engine, 8);
  while (!late && g_atomic_int_get (&good.frozen))
    g_main_context_iteration (NULL, TRUE);
  g_assert_false (late);
  g_source_remove (timer);
  assert_owed (&bench, one->process, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  qs_xml_init ();
  add_worker_test ("/thaw/two", test_two);
  add_worker_test ("/thaw/hung-up", test_hung_up);
  add_worker_test ("/thaw/other-peer", test_other_peer);
  add_worker_test ("/thaw/silent", test_silent);
  return g_test_run ();
}
