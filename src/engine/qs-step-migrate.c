/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-auto-fd.h"
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-migration.h"

#include <string.h>

/* memory goes to a file as the stream of a migration */

/* so much may be in the kernel's memory alone */
#define FLUSH_BYTES ((guint64)64 * 1024 * 1024)

typedef struct
{
  QsStepCall *call;
  QsGuest *guest;
  const char *path;
  gint64 deadline; /* monotonic; 0: as long as it gets on */
  guint64 done;    /* when it was looked at last */
  gint64 moved_at; /* when that was more than before */
  guint64 flushed; /* what is on its way to the disk */
} Watch;

/* @transferred: by QEMU's count, which tells this migration from others */
typedef struct
{
  guint64 size;
  guint64 transferred;
} Written;

static Watch
start_watch (QsStepCall *call, QsGuest *guest, guint64 seconds)
{
  gint64 now = g_get_monotonic_time ();

  return (Watch){ .call = call,
                  .guest = guest,
                  .path = qs_step_string (call->step, "path"),
                  .deadline = seconds > 0 ? now + (gint64)seconds * G_TIME_SPAN_SECOND : 0,
                  .moved_at = now };
}

static gboolean
fail_migration (const Watch *watch, const QsMigrationState *state, GError **error)
{
  const char *problem = state->problem != NULL ? state->problem : "QEMU does not say why";
  gboolean full =
      strstr (problem, "No space left") != NULL || strstr (problem, "quota exceeded") != NULL;

  g_set_error (error, QS_ERROR, full ? QS_ERROR_NO_SPACE : QS_ERROR_MONITOR_FAILED,
               "saving memory to ‘%s’ failed: %s", watch->path,
               state->phase == QS_MIGRATION_NONE ? "somebody else has cancelled it" : problem);
  qs_step_call_explain_full (watch->call, watch->path, error);
  return FALSE;
}

static gboolean
fail_slow (const Watch *watch, const QsMigrationState *state, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "memory cannot be saved to ‘%s’ while the guest runs: it changes %" G_GUINT64_FORMAT
               " MiB a second, and %" G_GUINT64_FORMAT
               " MiB a second are written; leave out LIVE, save to a faster disk, or try again "
               "when the guest does less",
               watch->path, state->dirty_rate >> 20, state->speed >> 20);
  return FALSE;
}

/* time alone says nothing: a large memory takes long */
static gboolean
check_time (Watch *watch, const QsMigrationState *state, GError **error)
{
  gint64 now = g_get_monotonic_time ();

  if (state->done != watch->done)
    watch->moved_at = now;
  watch->done = state->done;
  if (watch->deadline > 0 && now > watch->deadline)
    return fail_slow (watch, state, error);
  if (now - watch->moved_at <= QS_MIGRATE_STALL_SECONDS * G_TIME_SPAN_SECOND)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
               "nothing was written to ‘%s’ for %d seconds; saving memory is given up", watch->path,
               QS_MIGRATE_STALL_SECONDS);
  return FALSE;
}

/* a guest that was to run, and that somebody, or the guest itself, has stopped meanwhile: nobody
   could tell later that it was not to go on */
static gboolean
check_running (const Watch *watch, GError **error)
{
  g_autofree char *word = NULL;
  QsDomainState state;

  if (watch->deadline == 0)
    return TRUE;
  if (!qs_guest_query_state (watch->guest, &state, &word, error))
    return FALSE;
  if (state == QS_DOMAIN_RUNNING || g_str_equal (word, "finish-migrate"))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "the guest was stopped (%s) while its memory was being saved", word);
  return FALSE;
}

static void
tell (const Watch *watch, const QsMigrationState *state)
{
  const QsAmount amount = { .done = state->done,
                            .total = state->done + state->remaining,
                            .speed = state->speed };

  qs_step_call_tell (watch->call, &amount);
}

/* the guest stands still while the rest is made durable: that shall not be much */
static void
flush (Watch *watch, const QsMigrationState *state)
{
  QsStepCall *call = watch->call;
  QsWorker *worker = NULL;
  QsFileId id = { 0 };

  if (state->done - MIN (watch->flushed, state->done) < FLUSH_BYTES)
    return;
  watch->flushed = state->done;
  worker = qs_real_world_worker (call->world, NULL);
  if (worker != NULL && qs_step_stream_file (call, &id, NULL))
    qs_worker_flush_stream (worker, watch->path, &id, NULL);
}

/* until the migration has come to @wanted */
static gboolean
wait_for (Watch *watch, QsMigrationPhase wanted, QsMigrationState *state, GError **error)
{
  QsQmp *qmp = qs_guest_get_qmp (watch->guest);

  while (qs_migration_query (watch->guest, state, error))
    {
      tell (watch, state);
      if (state->phase == wanted)
        return TRUE;
      if (state->phase != QS_MIGRATION_UNDERWAY && state->phase != QS_MIGRATION_WAITING)
        return fail_migration (watch, state, error);
      if (g_cancellable_set_error_if_cancelled (watch->call->cancellable, error)
          || !check_time (watch, state, error) || !check_running (watch, error))
        return FALSE;
      flush (watch, state);
      qs_qmp_wait_news (qmp, QS_PROGRESS_MILLISECONDS * G_TIME_SPAN_MILLISECOND);
    }
  return FALSE;
}

/* all is in the file, and on the disk: QEMU's word for it is not enough. What it counts is memory
   alone, which a stream without it could not hold */
static gboolean
sync_file (QsStepCall *call, const QsMigrationState *state, guint64 *size, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const char *path = qs_step_string (call->step, "path");
  QsFileId id = { 0 };

  if (worker == NULL || !qs_step_stream_file (call, &id, error)
      || !qs_worker_sync_stream (worker, path, &id, size, error))
    return FALSE;
  if (*size > 0 && *size >= state->done)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "‘%s’ has %" G_GUINT64_FORMAT " bytes, less than the memory that was written to it",
               path, *size);
  return FALSE;
}

/* the settings can wait, the memory cannot be lost by them */
static void
put_settings_back (QsGuest *guest, GVariant *learnt)
{
  g_auto (QsMigrationState) state = { 0 };
  g_autoptr (GError) error = NULL;

  /* while somebody else's is under way QEMU takes none */
  if (qs_migration_query (guest, &state, NULL)
      && (state.phase == QS_MIGRATION_UNDERWAY || state.phase == QS_MIGRATION_WAITING))
    {
      g_message ("QEMU keeps settings of a migration that were not its own: another is under way");
      return;
    }

  if (learnt != NULL && !qs_migration_restore (guest, learnt, &error))
    g_warning ("QEMU keeps settings of a migration that were not its own: %s, ignoring",
               error->message);
}

static gboolean
finish (Watch *watch, GVariant *learnt, Written *written, GError **error)
{
  g_auto (QsMigrationState) state = { 0 };
  g_autofree char *run_state = NULL;

  if (!wait_for (watch, QS_MIGRATION_COMPLETED, &state, error)
      || !qs_migration_settle (watch->guest, &run_state, error)
      || !qs_step_call_check_still (watch->call, watch->guest, error)
      || !sync_file (watch->call, &state, &written->size, error))
    return FALSE;
  written->transferred = state.done;
  put_settings_back (watch->guest, learnt);
  return TRUE;
}

static gboolean
check_free (QsGuest *guest, GError **error)
{
  g_auto (QsMigrationState) state = { 0 };

  if (!qs_migration_query (guest, &state, error))
    return FALSE;
  if (state.phase != QS_MIGRATION_UNDERWAY && state.phase != QS_MIGRATION_WAITING)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_DOMAIN_BUSY,
                       "a migration that somebody else has begun is under way; wait for its end, "
                       "or cancel it");
  return FALSE;
}

/* only a guest that will be continued may be migrated: there is no other way for it to get its
   images back */
static gboolean
check_state (const QsStepCall *call, QsGuest *guest, GError **error)
{
  gboolean live = qs_step_boolean (call->step, "live");
  gboolean paused_by_us = FALSE;
  QsDomainState state;

  if (!qs_guest_query_state (guest, &state, NULL, error))
    return FALSE;
  for (guint i = 0; i < call->index; i++)
    {
      GVariant *learnt = g_ptr_array_index (call->results, i);

      if (qs_plan_step (call->plan, i)->kind == QS_STEP_STOP && learnt != NULL)
        g_variant_lookup (learnt, "changed", "b", &paused_by_us);
    }
  if (live ? state == QS_DOMAIN_RUNNING : state == QS_DOMAIN_PAUSED && paused_by_us)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "the guest was %s by somebody else meanwhile; try again",
               state == QS_DOMAIN_RUNNING ? "continued" : "paused");
  return FALSE;
}

/* `changed`: that the guest will stand still is our doing, as with the step stop */
static GVariant *
make_note (GVariant *settings, gboolean live)
{
  GVariantDict note;

  g_variant_dict_init (&note, settings);
  g_variant_dict_insert (&note, "changed", "b", live);
  return g_variant_ref_sink (g_variant_dict_end (&note));
}

static gboolean
begin (QsStepCall *call, QsGuest *guest, QsMigrateWay way, GVariant *learnt, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_auto (QsFd) fd = -1;
  QsFileId id = { 0 };

  if (worker == NULL || !qs_step_stream_file (call, &id, error))
    return FALSE;
  fd = qs_worker_open_stream (worker, qs_step_string (call->step, "path"), &id, error);
  return fd >= 0 && qs_migration_set (guest, learnt, way, error)
         && qs_migration_start (guest, fd, error);
}

static gboolean
add_size (GVariant **result, const Written *written)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, *result);
  g_variant_dict_insert (&dict, "memory-bytes", "t", written->size);
  g_variant_dict_insert (&dict, QS_STEP_TRANSFERRED, "t", written->transferred);
  g_clear_pointer (result, g_variant_unref);
  *result = g_variant_ref_sink (g_variant_dict_end (&dict));
  return TRUE;
}

static gboolean
migrate (QsStepCall *call, GVariant **result, GError **error)
{
  gboolean live = qs_step_boolean (call->step, "live");
  g_autoptr (QsGuest) guest = qs_step_call_need_guest (call, error);
  g_autoptr (GVariant) settings = NULL;
  g_auto (QsMigrationState) state = { 0 };
  Written written = { 0 };
  guint64 resumes;
  Watch watch;

  if (guest == NULL || !check_free (guest, error) || !check_state (call, guest, error))
    return FALSE;
  resumes = qs_qmp_get_resumes (qs_guest_get_qmp (guest));
  settings = qs_migration_learn (guest, error);
  if (settings == NULL)
    return FALSE;
  *result = make_note (settings, live);
  if (live)
    *result = qs_step_add_resumes (*result, resumes);
  if (!qs_step_call_note (call, *result, error)
      || !begin (call, guest, live ? QS_MIGRATE_LIVE : QS_MIGRATE_STOPPED, settings, error))
    return FALSE;
  watch = start_watch (call, guest, live ? MAX (qs_step_uint64 (call->step, "timeout"), 1) : 0);
  if (live)
    return wait_for (&watch, QS_MIGRATION_WAITING, &state, error);
  return finish (&watch, settings, &written, error) && add_size (result, &written);
}

gboolean
qs_run_migrate (QsStepCall *call, GVariant **result, GError **error)
{
  if (migrate (call, result, error))
    return TRUE;
  qs_step_call_explain_end (call, error);
  return FALSE;
}

/* one that somebody else has begun, before ours or after it, is left to him */
static gboolean
cancel (QsStepCall *call, QsGuest *guest, GError **error)
{
  gboolean ours = FALSE;

  if (!qs_step_stream_is_ours (call, guest, &ours, error))
    return FALSE;
  if (!ours)
    return qs_wake_check_home (guest, error);
  return qs_migration_cancel (guest, error) && qs_step_wake_migrated (call, guest, error);
}

/* the file goes by the undo of the step that made it, which comes last: the room is needed before, to
   merge what the guest has written to its overlays. That it cannot be had is for the merge to tell */
static void
give_room_back (QsStepCall *call)
{
  QsWorker *worker = qs_real_world_worker (call->world, NULL);
  QsFileId id = { 0 };

  if (worker != NULL && qs_step_stream_file (call, &id, NULL))
    qs_worker_empty_stream (worker, qs_step_string (call->step, "path"), &id, NULL);
}

/* where nothing was learnt, nothing was begun */
static gboolean
end_migration (QsStepCall *call, GVariant *learnt, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;

  if (learnt == NULL)
    return TRUE;
  if (!qs_step_call_find_guest (call, &guest, error))
    return FALSE;
  if (guest != NULL && !cancel (call, guest, error))
    return FALSE;
  give_room_back (call);
  if (guest != NULL)
    put_settings_back (guest, learnt);
  return TRUE;
}

gboolean
qs_undo_migrate (QsStepCall *call, GError **error)
{
  return end_migration (call, qs_step_call_result (call), error);
}

static GVariant *
begun_by (const QsStepCall *call)
{
  guint64 index = qs_step_uint64 (call->step, "migrate");

  return index < call->results->len ? g_ptr_array_index (call->results, index) : NULL;
}

gboolean
qs_run_migrate_continue (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = qs_step_call_need_guest (call, error);
  Written written = { 0 };
  Watch watch;

  if (guest == NULL
      || !qs_qmp_run (qs_guest_get_qmp (guest), "migrate-continue",
                      g_variant_new_parsed ("{'state': <'pre-switchover'>}"),
                      QS_QMP_COMMAND_SECONDS, error))
    return FALSE;
  watch = start_watch (call, guest, 0);
  if (finish (&watch, begun_by (call), &written, error))
    return add_size (result, &written);
  qs_step_call_explain_end (call, error);
  return FALSE;
}

gboolean
qs_undo_migrate_continue (QsStepCall *call, GError **error)
{
  return end_migration (call, begun_by (call), error);
}
