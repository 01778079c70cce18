/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "attach-fixture.h"

#include "worker-fixture.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_CAPABILITIES 64
#define PATIENCE (30 * G_USEC_PER_SEC)

static void
on_changed (const QsDomain *before, QsDomain *after, gpointer user_data)
{
  Bench *bench = user_data;

  if (after == NULL)
    g_hash_table_remove (bench->domains, before->id);
  else
    g_hash_table_replace (bench->domains, g_strdup (after->id), qs_domain_ref (after));
}

static void
on_appeared (const char *domain, gpointer user_data)
{
  Bench *bench = user_data;

  g_ptr_array_add (bench->appeared, g_strdup (domain));
}

void
bench_start (Bench *bench)
{
  static const QsEngineSink sink = { on_changed, on_appeared };
  g_autoptr (GError) error = NULL;

  bench->domains =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)qs_domain_unref);
  bench->appeared = g_ptr_array_new_with_free_func (g_free);
  bench->engine = qs_engine_new (&bench->config, &sink, bench, &error);
  g_assert_no_error (error);
}

void
bench_stop (Bench *bench)
{
  g_clear_pointer (&bench->engine, qs_engine_free);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_clear_pointer (&bench->domains, g_hash_table_unref);
  g_clear_pointer (&bench->appeared, g_ptr_array_unref);
}

void
bench_set_up (Bench *bench, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  bench->folder = g_dir_make_tmp ("attach-XXXXXX", &error);
  g_assert_no_error (error);
  bench->socket = bench_path (bench, "qmp.sock");
  bench->config = (QsConfig){ .state_folder = bench_path (bench, "state"),
                              .runtime_folder = bench_path (bench, "run"),
                              .worker_program = g_strdup (worker_program ()),
                              .snapshots_per_domain = 100 };
  g_assert_no_errno (mkdir (bench->config.state_folder, 0700));
  /* as the main thread of the daemon has it */
  g_assert_true (g_main_context_acquire (NULL));
  bench_start (bench);
}

void
bench_restart (Bench *bench)
{
  bench_stop (bench);
  bench_start (bench);
}

void
bench_tear_down (Bench *bench, gconstpointer data)
{
  bench_end_qemu (bench);
  bench_stop (bench);
  g_main_context_release (NULL);
  run_tool ("rm", "-r", bench->folder, NULL);
  g_free (bench->config.state_folder);
  g_free (bench->config.runtime_folder);
  g_free (bench->config.worker_program);
  g_free (bench->socket);
  g_free (bench->folder);
}

char *
bench_path (Bench *bench, const char *name)
{
  return g_build_filename (bench->folder, name, NULL);
}

void
bench_make_image (Bench *bench, const char *name, const char *backing)
{
  g_autofree char *path = bench_path (bench, name);

  if (backing == NULL)
    run_tool ("qemu-img", "create", "-q", "-f", "qcow2", path, "16M", NULL);
  else
    run_tool ("qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", "qcow2", path, NULL);
}

/* a root's QEMU without capabilities is as any other user's: its worker, which has none, may look
   at it */
static void
set_up_child (gpointer data)
{
  const Bench *bench = data;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 0; !bench->privileged && i < MAX_CAPABILITIES; i++)
    prctl (PR_CAPBSET_DROP, i);
}

static gboolean
is_listening (Bench *bench, gconstpointer data)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean connected;

  g_strlcpy (address.sun_path, bench->socket, sizeof address.sun_path);
  connected = connect (fd, (struct sockaddr *)&address, sizeof address) == 0;
  close (fd);
  return connected;
}

void
bench_start_qemu (Bench *bench, const char *words)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autofree char *line = g_strdup_printf (
      "qemu-system-x86_64 -accel tcg -m 64 -S -display none -qmp unix:%s,server=on,wait=off %s",
      bench->socket, words);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) argv = NULL;

  g_shell_parse_argv (line, NULL, &argv, &error);
  g_assert_no_error (error);
  g_subprocess_launcher_set_cwd (launcher, bench->folder);
  g_subprocess_launcher_set_child_setup (launcher, set_up_child, bench, NULL);
  bench->qemu = g_subprocess_launcher_spawnv (launcher, (const char *const *)argv, &error);
  g_assert_no_error (error);
  bench_wait (bench, is_listening, NULL);
}

void
bench_end_qemu (Bench *bench)
{
  if (bench->qemu == NULL)
    return;
  g_subprocess_send_signal (bench->qemu, SIGTERM);
  g_subprocess_wait (bench->qemu, NULL, NULL);
  g_clear_object (&bench->qemu);
}

static gboolean
wake (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

void
bench_wait (Bench *bench, BenchFunc done, gconstpointer data)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE;
  guint timer = g_timeout_add (20, wake, NULL);

  while (!done (bench, data))
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_main_context_iteration (NULL, TRUE);
    }
  g_source_remove (timer);
}

typedef struct
{
  Bench *bench;
  const QsVisit *visit;
  QsCandidate *candidate;
  QsDomain *domain;
  QsRequest *request;
  GPtrArray **notes;
  GError **error;
  gboolean result;
  int ended; /* atomic */
} Work;

static gboolean
has_ended (Bench *bench, gconstpointer data)
{
  return g_atomic_int_get (&((Work *)data)->ended);
}

static void
run_in_thread (Work *work, GThreadFunc func)
{
  GThread *thread = g_thread_new ("work", func, work);

  bench_wait (work->bench, has_ended, work);
  g_thread_join (thread);
}

static gpointer
discover (gpointer data)
{
  Work *work = data;

  work->candidate = qs_engine_discover (work->bench->engine, work->visit, work->error);
  g_atomic_int_set (&work->ended, TRUE);
  return NULL;
}

QsVisit
bench_visit (Bench *bench)
{
  return (
      QsVisit){ .socket = bench->socket, .fd = -1, .owner = getuid (), .has_stable_path = TRUE };
}

QsCandidate *
bench_discover (Bench *bench, const QsVisit *visit, GError **error)
{
  Work work = { .bench = bench, .visit = visit, .error = error };

  run_in_thread (&work, discover);
  return work.candidate;
}

static gpointer
do_request (gpointer data)
{
  Work *work = data;
  g_autoptr (QsTask) task =
      qs_engine_prepare (work->bench->engine, work->domain, work->request, work->error);
  g_autoptr (GVariant) result = NULL;

  if (task != NULL && work->notes != NULL)
    *work->notes = g_ptr_array_ref (qs_task_get_notes (task));
  work->result = task != NULL && qs_task_run (task, NULL, NULL, NULL, &result, work->error);
  g_atomic_int_set (&work->ended, TRUE);
  return NULL;
}

gboolean
bench_do (Bench *bench, const char *domain, QsRequest *request, GPtrArray **notes, GError **error)
{
  g_autoptr (QsDomain) before =
      domain != NULL ? qs_domain_ref (bench_domain (bench, domain)) : NULL;
  Work work = {
    .bench = bench, .domain = before, .request = request, .notes = notes, .error = error
  };

  request->caller = getuid ();
  request->caller_is_owner = TRUE;
  run_in_thread (&work, do_request);
  return work.result;
}

QsDomain *
bench_domain (Bench *bench, const char *id)
{
  QsDomain *domain = g_hash_table_lookup (bench->domains, id);

  g_assert_nonnull (domain);
  return domain;
}

static gboolean
has_uuid (gpointer id, gpointer domain, gpointer uuid)
{
  return g_strcmp0 (((QsDomain *)domain)->uuid, uuid) == 0;
}

QsDomain *
bench_attach (Bench *bench, const QsVisit *visit, GError **error)
{
  g_autoptr (QsCandidate) candidate = bench_discover (bench, visit, error);
  g_autoptr (QsRequest) request = NULL;

  if (candidate == NULL)
    return NULL;
  request = qs_candidate_make_request (candidate);
  if (!bench_do (bench, qs_candidate_get_domain (candidate), request, NULL, error))
    return NULL;
  return g_hash_table_find (bench->domains, has_uuid, request->domain_def->uuid);
}

gboolean
bench_snapshot (Bench *bench, const char *domain, const char *xml, guint flags, GError **error)
{
  g_autoptr (QsRequest) request = qs_request_new (QS_VERB_SNAPSHOT_CREATE, flags);

  request->def = qs_snapshot_def_parse (xml, error);
  g_assert_nonnull (request->def);
  return bench_do (bench, domain, request, NULL, error);
}

gboolean
bench_detach (Bench *bench, const char *domain, GError **error)
{
  g_autoptr (QsRequest) request = qs_request_new (QS_VERB_DETACH, 0);

  return bench_do (bench, domain, request, NULL, error);
}
