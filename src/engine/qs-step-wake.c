/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-migration.h"
#include "qs-wake.h"

/* whose a migration is: QEMU does not tell where it goes, and there is one at a time */

/**
 * qs_step_stream_file:
 *
 * The file that an earlier step has made for the memory.
 */
gboolean
qs_step_stream_file (const QsStepCall *call, QsFileId *id, GError **error)
{
  guint64 made = qs_step_uint64 (call->step, "file");
  GVariant *learnt = made < call->results->len ? g_ptr_array_index (call->results, made) : NULL;

  if (learnt != NULL && g_variant_lookup (learnt, "dev", "t", &id->dev)
      && g_variant_lookup (learnt, "ino", "t", &id->ino)
      && g_variant_lookup (learnt, "btime", "x", &id->btime))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the identity of ‘%s’ is not recorded",
               qs_step_string (call->step, "path"));
  return FALSE;
}

/* one that is not there any more, or is another one now, got nothing that counts */
static guint64
stream_size (QsStepCall *call)
{
  QsWorker *worker = qs_real_world_worker (call->world, NULL);
  guint64 size = 0;
  QsFileId id = { 0 };

  if (worker == NULL || !qs_step_stream_file (call, &id, NULL)
      || !qs_worker_sync_stream (worker, qs_step_string (call->step, "path"), &id, &size, NULL))
    return 0;
  return size;
}

static gboolean
has_open (const GPtrArray *files, const QsFileId *id)
{
  for (guint i = 0; i < files->len; i++)
    {
      const QsOpenFile *file = g_ptr_array_index (files, i);

      if (file->dev == id->dev && file->ino == id->ino)
        return TRUE;
    }
  return FALSE;
}

/* a migration has its file open, and takes the descriptor from where it was passed to. Where that may
   not be looked at, what has come to the file tells */
static gboolean
is_writing (QsStepCall *call, QsGuest *guest)
{
  QsWorker *worker = qs_real_world_worker (call->world, NULL);
  g_autoptr (QsProcessFiles) files = NULL;
  QsFileId id = { 0 };

  qs_migration_forget_fd (guest);
  if (worker == NULL || !qs_step_stream_file (call, &id, NULL))
    return FALSE;
  files = qs_worker_process_files (worker, qs_guest_get_process (guest)->pid, NULL);
  return files != NULL && files->files != NULL ? has_open (files->files, &id)
                                               : stream_size (call) > 0;
}

/* what was counted when it was complete, by this step or the one that went on with it */
static gboolean
find_count (const QsStepCall *call, guint64 *transferred)
{
  for (guint i = 0; i < call->results->len; i++)
    {
      GVariant *result = g_ptr_array_index (call->results, i);

      if (result != NULL && g_variant_lookup (result, QS_STEP_TRANSFERRED, "t", transferred))
        return TRUE;
    }
  return FALSE;
}

/* the file was empty before, and holds all of the memory that was counted, and more */
static gboolean
was_written (QsStepCall *call, const QsMigrationState *state)
{
  guint64 transferred;
  guint64 size;

  if (find_count (call, &transferred))
    return transferred == state->done;
  size = stream_size (call);
  return size > 0 && size >= state->done;
}

/**
 * qs_step_stream_is_ours:
 * @ours: (out): the migration that is under way, or that was the last one, goes to our file
 *
 * One that was cancelled, or that has failed, has left the guest here, whosoever it was.
 */
gboolean
qs_step_stream_is_ours (QsStepCall *call, QsGuest *guest, gboolean *ours, GError **error)
{
  g_auto (QsMigrationState) state = { 0 };

  if (!qs_migration_query (guest, &state, error))
    return FALSE;
  switch (state.phase)
    {
    case QS_MIGRATION_UNDERWAY:
    case QS_MIGRATION_WAITING:
      *ours = is_writing (call, guest);
      return TRUE;
    case QS_MIGRATION_COMPLETED:
      *ours = was_written (call, &state);
      return TRUE;
    case QS_MIGRATION_NONE:
    case QS_MIGRATION_FAILED:
      *ours = TRUE;
      return TRUE;
    }
  g_return_val_if_reached (FALSE);
}

/* @stream: (out): @call for the step that has begun to save memory as a stream. FALSE: none has */
static gboolean
find_stream (const QsStepCall *call, QsStepCall *stream)
{
  *stream = *call;
  for (guint i = 0; i < call->plan->steps->len && i < call->results->len; i++)
    if (qs_plan_step (call->plan, i)->kind == QS_STEP_MIGRATE
        && g_ptr_array_index (call->results, i) != NULL)
      {
        stream->step = qs_plan_step (call->plan, i);
        stream->index = i;
        return TRUE;
      }
  return FALSE;
}

static gboolean
wake (QsStepCall *call, QsGuest *guest, QsWakeFrom from, QsDomainState *state, GError **error)
{
  QsStepCall stream;
  g_autofree char *run_state = NULL;
  gboolean ours = FALSE;

  if (find_stream (call, &stream))
    {
      if (!qs_step_stream_is_ours (&stream, guest, &ours, error)
          || (ours && !qs_migration_settle (guest, &run_state, error)))
        return FALSE;
      if (ours && from == QS_WAKE_PAUSED)
        from = QS_WAKE_MIGRATED;
    }
  call->world->owed = from;
  return qs_wake (guest, from, QS_WAKE_SECONDS, state, error);
}

/**
 * qs_step_wake:
 *
 * Lets the guest go on that this operation has stopped. Where QEMU refuses that for too long, it is
 * tried in the background once the operation has come to rest: see qs_wake_later().
 */
gboolean
qs_step_wake (QsStepCall *call, QsGuest *guest, QsWakeFrom from, QsDomainState *state,
              GError **error)
{
  g_autoptr (GError) failure = NULL;

  if (wake (call, guest, from, state, &failure))
    {
      call->world->owes_wake = FALSE;
      return TRUE;
    }
  call->world->owes_wake = qs_wake_is_refusal (failure);
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

/**
 * qs_step_wake_migrated:
 *
 * A guest that a migration of ours has left standing, its images given up, gets them back and goes on;
 * any other is left as it is.
 */
gboolean
qs_step_wake_migrated (QsStepCall *call, QsGuest *guest, GError **error)
{
  g_autofree char *run_state = NULL;

  if (!qs_migration_settle (guest, &run_state, error))
    return FALSE;
  return !g_str_equal (run_state, "postmigrate")
         || qs_step_wake (call, guest, QS_WAKE_PAUSED, NULL, error);
}
