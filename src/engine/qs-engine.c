/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-thaw.h"
#include "qs-xml.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* threads for errands to guests, and as many for what a crash has left */
#define THREADS 8
#define LOOK_THREADS 4
#define THAW_THREADS 16

/* how long the start of the service waits for guests; the others are found later */
#define FIND_SECONDS 10
#define FIND_PAUSE_SECONDS 15

typedef struct
{
  QsEngine *engine;
  char *domain; /* id */
} Finding;

static void
on_changed (const QsDomain *before, QsDomain *after, gpointer user_data)
{
  QsEngine *engine = user_data;

  qs_follow_changed (engine, before != NULL ? before->id : after->id, after);
  /* who listens is on the way out too */
  if (!qs_errands_is_closed (engine->errands))
    engine->sink.domain_changed (before, after, engine->user_data);
}

/* a qemu-img that can be led astray by an image is not given any */
static void
test_tool (gpointer data)
{
  QsEngine *engine = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (QsWorker) worker = qs_worker_pool_acquire (engine->workers, getuid (), &error);

  if (worker != NULL && qs_worker_self_test (worker, &error))
    return;
  g_warning ("nothing will be changed: %s", error->message);
  engine->tool_refusal = g_strdup (error->message);
}

static void
free_finding (gpointer data)
{
  Finding *finding = data;

  g_free (finding->domain);
  g_free (finding);
}

static Finding *
new_finding (QsEngine *engine, const char *domain)
{
  Finding *finding = g_new0 (Finding, 1);

  finding->engine = engine;
  finding->domain = g_strdup (domain);
  return finding;
}

/* one that does not answer is shown as it was recorded */
static void
find_guest (gpointer data)
{
  Finding *finding = data;
  g_autoptr (QsDomain) domain = qs_registry_get (finding->engine->registry, finding->domain);
  g_autoptr (GError) error = NULL;

  if (domain == NULL || qs_watch_find (finding->engine, domain, &error))
    return;
  if (g_error_matches (error, QS_ERROR, QS_ERROR_OPERATION_INVALID))
    return;
  g_message ("%s, trying again", error->message);
  qs_errands_push_later (finding->engine->errands, FIND_PAUSE_SECONDS, find_guest,
                         new_finding (finding->engine, finding->domain), free_finding);
}

/* guests that went on while nobody looked; with the main loop turning for the registry */
static gboolean
load_domains (QsEngine *engine, GError **error)
{
  g_autoptr (GPtrArray) domains = qs_store_load_domains (engine->store, error);

  if (domains == NULL)
    return FALSE;
  for (guint i = 0; i < domains->len; i++)
    qs_registry_put (engine->registry, g_ptr_array_index (domains, i));

  qs_errands_push (engine->recoveries, test_tool, engine, NULL);
  for (guint i = 0; i < domains->len; i++)
    {
      const QsDomain *domain = g_ptr_array_index (domains, i);

      qs_errands_push (engine->errands, find_guest, new_finding (engine, domain->id), free_finding);
    }
  qs_errands_wait (engine->errands, FIND_SECONDS);
  qs_errands_wait (engine->recoveries, QS_TOOL_QUERY_SECONDS + 2 * QS_CALL_SECONDS);
  return TRUE;
}

static void
copy_config (QsConfig *to, const QsConfig *from)
{
  *to = *from;
  to->state_folder = g_strdup (from->state_folder);
  to->runtime_folder = g_strdup (from->runtime_folder);
  to->worker_program = g_strdup (from->worker_program);
  to->image_roots = g_strdupv (from->image_roots);
}

static gboolean
make_folder (const char *path, guint mode, GError **error)
{
  if ((mkdir (path, 0700) == 0 || errno == EEXIST) && chmod (path, mode) == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot make the folder ‘%s’: %s", path,
               g_strerror (errno));
  return FALSE;
}

/* where QEMU's sockets lie when systemd makes no folder for them. On the system bus every owner's
   worker makes one of its own in `vm`, which nobody can list */
static gboolean
make_runtime_folder (const QsConfig *config, GError **error)
{
  g_autofree char *guests = g_build_filename (config->runtime_folder, "vm", NULL);

  if (!config->system_mode)
    return make_folder (config->runtime_folder, 0700, error);
  return make_folder (config->runtime_folder, 0711, error) && make_folder (guests, 01733, error);
}

QsEngine *
qs_engine_new (const QsConfig *config, const QsEngineSink *sink, gpointer user_data, GError **error)
{
  g_autoptr (QsEngine) engine = g_new0 (QsEngine, 1);

  qs_xml_init ();
  copy_config (&engine->config, config);
  engine->sink = *sink;
  engine->user_data = user_data;
  engine->errands = qs_errands_new (THREADS);
  engine->looks = qs_errands_new (LOOK_THREADS);
  engine->recoveries = qs_errands_new (THREADS);
  engine->thawing = qs_errands_new (THAW_THREADS);
  engine->ending = g_cancellable_new ();
  engine->candidates = g_ptr_array_new ();
  engine->registry = qs_registry_new (on_changed, engine);
  engine->store = qs_store_open (config->state_folder, error);
  if (engine->store == NULL || !make_runtime_folder (config, error))
    return NULL;
  engine->workers = qs_worker_pool_new (config->worker_program, config->system_mode);
  engine->launcher = qs_launcher_new (engine->workers, config->system_mode, config->runtime_folder);

  g_main_context_acquire (NULL);
  if (!qs_thaw_begin (engine, error) || !load_domains (engine, error)
      || !qs_recovery_run (engine, error))
    {
      g_main_context_release (NULL);
      return NULL;
    }
  qs_follow_begin (engine);
  g_main_context_release (NULL);
  return g_steal_pointer (&engine);
}

void
qs_engine_free (QsEngine *engine)
{
  if (engine == NULL)
    return;
  if (engine->ending != NULL)
    g_cancellable_cancel (engine->ending);
  qs_errands_close (engine->recoveries);
  qs_errands_close (engine->thawing);
  qs_errands_close (engine->looks);
  qs_errands_close (engine->errands);
  qs_follow_end (engine);
  g_clear_pointer (&engine->registry, qs_registry_free);
  g_clear_pointer (&engine->launcher, qs_launcher_free);
  g_clear_pointer (&engine->workers, qs_worker_pool_free);
  g_clear_pointer (&engine->store, qs_store_free);
  g_clear_pointer (&engine->recoveries, qs_errands_unref);
  g_clear_pointer (&engine->thawing, qs_errands_unref);
  g_clear_pointer (&engine->thaws, g_hash_table_unref);
  g_clear_object (&engine->ending);
  g_clear_pointer (&engine->errands, qs_errands_unref);
  g_clear_pointer (&engine->looks, qs_errands_unref);
  g_clear_pointer (&engine->candidates, g_ptr_array_unref);
  g_free (engine->tool_refusal);
  g_free (engine->config.state_folder);
  g_free (engine->config.runtime_folder);
  g_free (engine->config.worker_program);
  g_strfreev (engine->config.image_roots);
  g_free (engine);
}

gboolean
qs_engine_is_looking (QsEngine *engine)
{
  return qs_errands_is_busy (engine->looks);
}

char *
qs_engine_degraded (QsEngine *engine)
{
  return qs_store_get_degraded (engine->store);
}
