/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-merge-step.h"
#include "qs-name.h"
#include "qs-step-process.h"
#include "qs-storage.h"

#include <string.h>

/* what QEMU's programs say of an image that is locked */
#define IN_USE "Is another process using the image ["

/* (transfer full): QS_WORKER_FILES of all files as they are now */
static GVariant *
find_files (QsStepCall *call, GError **error)
{
  g_autoptr (GVariant) rows = qs_step_value (call->step, "files");
  g_auto (GVariantBuilder) files = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE (QS_WORKER_FILES));

  for (gsize i = 0; i < g_variant_n_children (rows); i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (rows, i);
      GVariant *file = qs_merge_find_file (call, row, error);

      if (file == NULL)
        return NULL;
      g_variant_builder_add_value (&files, file);
    }
  return g_variant_ref_sink (g_variant_builder_end (&files));
}

static gboolean
is_for (const QsStep *step, guint storage)
{
  g_autoptr (GVariant) value = qs_step_value (step, "storage");

  return value != NULL && g_variant_get_uint32 (value) == storage;
}

/* how many files from the first on nobody else may use: a stream writes to the first, a commit to the
   one below those that it copies */
static guint
count_ours (const QsStepCall *call)
{
  guint n = 1;

  for (guint i = call->index + 1; i < call->plan->steps->len; i++)
    {
      const QsStep *step = qs_plan_step (call->plan, i);

      if (step->kind == QS_STEP_BLOCK_COMMIT && is_for (step, call->index))
        n = MAX (n, MAX (qs_step_uint64 (step, "layers"), 1) + 1);
    }
  return n;
}

/* a unit may open only the block devices that are named when it is started */
static GStrv
list_devices (GVariant *files)
{
  g_autoptr (GStrvBuilder) devices = g_strv_builder_new ();

  for (gsize i = 0; i < g_variant_n_children (files); i++)
    {
      const char *path;

      g_variant_get_child (files, i, "(&s&stt)", &path, NULL, NULL, NULL);
      if (qs_path_is_device (path))
        g_strv_builder_add (devices, path);
    }
  return g_strv_builder_end (devices);
}

/* the part for people of what it said when it ended */
static void
explain (GError **error)
{
  const char *in_use = strstr ((*error)->message, IN_USE);
  const char *path = in_use != NULL ? in_use + strlen (IN_USE) : "";
  const char *end = strrchr (path, ']');
  const char *reason = g_strrstr ((*error)->message, "}: ");
  g_autoptr (GError) plain = g_steal_pointer (error);

  if (end != NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "‘%.*s’ is in use: another process has it locked as an image", (int)(end - path),
                 path);
  else if (reason != NULL)
    g_set_error (error, plain->domain, plain->code, "the files cannot be opened: %s",
                 reason + strlen ("}: "));
  else
    g_set_error (error, plain->domain, plain->code,
                 "qemu-storage-daemon, which merges files without a guest: %s", plain->message);
}

static QsProcess *
launch (QsStepCall *call, GVariant *files, GError **error)
{
  QsLauncher *launcher = call->world->engine->launcher;
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const char *id = qs_step_string (call->step, "id");
  g_autofree char *folder =
      worker != NULL ? qs_launcher_folder (launcher, worker, id, error) : NULL;
  g_autofree char *socket = folder != NULL ? g_build_filename (folder, "qmp.sock", NULL) : NULL;
  g_auto (GStrv) argv = socket != NULL ? qs_storage_argv (files, socket) : NULL;
  g_auto (GStrv) devices = list_devices (files);
  QsProcess *process;

  if (argv == NULL)
    return NULL;
  process = qs_launcher_start (launcher, worker,
                               &(QsLaunch){ .uid = call->world->owner,
                                            .id = id,
                                            .argv = (const char *const *)argv,
                                            .socket = socket,
                                            .devices = (const char *const *)devices,
                                            .started = qs_step_note_process,
                                            .user_data = call },
                               error);
  if (process == NULL && error != NULL)
    explain (error);
  return process;
}

/* one whose files are in another's hands will not get them a moment later */
static gboolean
is_final (const GError *problem)
{
  return g_error_matches (problem, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
}

/* that of QEMU 7.2 may crash or hang where a client is accepted as its main loop begins, before its
   monitor has settled in a thread of its own: about one start of some hundred. It has written nothing
   by then, and one that has answered is past that */
static QsProcess *
start (QsStepCall *call, GVariant *files, GError **error)
{
  g_autoptr (GError) problem = NULL;

  for (guint i = 0; i < QS_STORAGE_STARTS && !is_final (problem); i++)
    {
      g_autoptr (QsProcess) process = NULL;

      g_clear_error (&problem);
      process = launch (call, files, &problem);
      if (process != NULL && qs_storage_meet (call, process, &problem))
        return g_steal_pointer (&process);
      g_message ("the storage daemon does not answer (try %u): %s", i + 1, problem->message);
      if (process != NULL && !qs_step_end_process (call, process, error))
        return NULL;
    }
  g_propagate_error (error, g_steal_pointer (&problem));
  return NULL;
}

/* after the commit files are merged in any case, by qemu-img where this does not work */
static gboolean
do_without (const QsStepCall *call, GError *why, GVariant **result, GError **error)
{
  g_autoptr (GError) reason = why;

  if (call->step->phase != QS_PHASE_FINISH)
    {
      g_propagate_error (error, g_steal_pointer (&reason));
      return FALSE;
    }
  g_message ("%s; qemu-img is used", reason->message);
  *result = g_variant_ref_sink (g_variant_new_parsed ("{'error': <%s>}", reason->message));
  return TRUE;
}

gboolean
qs_run_storage (QsStepCall *call, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autoptr (GVariant) files = worker != NULL ? find_files (call, error) : NULL;
  const char *id = qs_step_string (call->step, "id");
  g_autoptr (QsProcess) process = NULL;
  GError *problem = NULL;

  if (files == NULL
      || (call->step->phase == QS_PHASE_FINISH && !qs_step_undo_start (call, id, error))
      || !qs_worker_check_merge (worker, files, count_ours (call), error))
    return FALSE;
  process = start (call, files, &problem);
  if (process == NULL)
    return do_without (call, problem, result, error);
  *result = qs_step_process_result (process);
  return qs_storage_check (call, process, files, error);
}

gboolean
qs_undo_storage (QsStepCall *call, GError **error)
{
  const char *id = qs_step_string (call->step, "id");

  qs_storage_forget (call->world);
  return qs_step_undo_start (call, id, error);
}

/* asked nicely first: it then closes its files in order */
gboolean
qs_run_storage_quit (QsStepCall *call, GVariant **result, GError **error)
{
  guint64 step = qs_step_uint64 (call->step, "storage");
  g_autoptr (QsProcess) process = qs_step_process_of (call, step);
  g_autoptr (QsGuest) guest = NULL;

  if (process == NULL)
    return TRUE;
  if (qs_storage_find (call, step, &guest, NULL) && guest != NULL)
    {
      qs_qmp_run (qs_guest_get_qmp (guest), "quit", NULL, QS_QUIT_SECONDS, NULL);
      qs_process_wait (process, QS_QUIT_SECONDS);
    }
  qs_storage_forget (call->world);
  return qs_step_end_process (call, process, error);
}
