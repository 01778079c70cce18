/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-step-process.h"

#include "qs-auto-fd.h"
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-migration.h"
#include "qs-process.h"

/* memory is loaded from a file into a QEMU that was started for it. From the first byte to the last it
   answers nobody; how far it has come tells the file, of which we have the same open description */

/* it is not asked for long: it may be busy */
#define ASK_SECONDS 2

typedef struct
{
  QsStepCall *call;
  QsGuest *guest;
  const char *path;
  int fd;
  guint64 size;
  guint64 at;      /* in the file, when it was looked at last */
  gint64 moved_at; /* monotonic: when that was more than before */
} Load;

static gboolean
fail_load (const Load *load, const char *why, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "the memory in ‘%s’ cannot be loaded: %s; the file may be damaged or incomplete, or "
               "be of another machine",
               load->path, why);
  return FALSE;
}

/* it says on stderr what it does not like, and ends */
static gboolean
fail_ended (const Load *load, GError **error)
{
  g_autofree char *text = qs_beside_last_words (load->call->world);
  g_autofree char *why = g_strdup_printf ("QEMU has ended: %s", text);

  return fail_load (load, why, error);
}

/* whether it has got on since the last time */
static gboolean
look_at_file (Load *load)
{
  off_t at = lseek (load->fd, 0, SEEK_CUR);
  QsAmount amount = { 0 };
  gboolean moved = at >= 0 && (guint64)at != load->at;

  if (moved)
    {
      load->at = (guint64)at;
      load->moved_at = g_get_monotonic_time ();
    }
  amount.done = MIN (load->at, load->size);
  amount.total = load->size;
  qs_step_call_tell (load->call, &amount);
  return moved;
}

static gboolean
check_time (const Load *load, GError **error)
{
  if (g_get_monotonic_time () - load->moved_at <= QS_MIGRATE_STALL_SECONDS * G_TIME_SPAN_SECOND)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
               "nothing was read from ‘%s’ for %d seconds; loading the memory is given up",
               load->path, QS_MIGRATE_STALL_SECONDS);
  return FALSE;
}

static gboolean
has_ended (const Load *load)
{
  const QsProcess *process = qs_guest_get_process (load->guest);

  return !qs_guest_is_open (load->guest) && qs_process_wait (process, QS_QUIT_SECONDS);
}

/* @over: (out): nothing is left to be loaded. One that is busy does not answer, which is no failure */
static gboolean
ask (const Load *load, gboolean *over, GError **error)
{
  g_auto (QsMigrationState) state = { 0 };
  g_autoptr (GError) problem = NULL;

  if (!qs_migration_query_within (load->guest, ASK_SECONDS, &state, &problem))
    {
      if (g_error_matches (problem, QS_ERROR, QS_ERROR_TIMEOUT))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (state.phase == QS_MIGRATION_FAILED)
    return fail_load (load, state.problem != NULL ? state.problem : "QEMU does not say why", error);
  *over = state.phase == QS_MIGRATION_COMPLETED;
  return TRUE;
}

static gboolean
wait_for_end (Load *load, GError **error)
{
  QsQmp *qmp = qs_guest_get_qmp (load->guest);
  gboolean over = FALSE;

  while (!over)
    {
      gboolean moved = look_at_file (load);

      if (g_cancellable_set_error_if_cancelled (load->call->cancellable, error)
          || !check_time (load, error))
        return FALSE;
      if (has_ended (load))
        return fail_ended (load, error);
      if (!moved && !ask (load, &over, error))
        return FALSE;
      if (!over)
        qs_qmp_wait_news (qmp, moved ? QS_PROGRESS_MILLISECONDS * G_TIME_SPAN_MILLISECOND / 10
                                     : QS_PROGRESS_MILLISECONDS * G_TIME_SPAN_MILLISECOND);
    }
  return TRUE;
}

/* the run state follows a moment later; with -S it is `paused`, whatever it was when it was saved */
static gboolean
check_paused (const Load *load, GError **error)
{
  g_autofree char *word = NULL;

  if (!qs_migration_settle (load->guest, &word, error))
    return FALSE;
  if (g_str_equal (word, "paused"))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "the memory in ‘%s’ is loaded, but the guest is ‘%s’ and not paused", load->path,
               word);
  return FALSE;
}

static gboolean
open_file (Load *load, GError **error)
{
  const QsStep *step = load->call->step;
  QsWorker *worker = qs_real_world_worker (load->call->world, error);
  guint64 recorded = qs_step_uint64 (step, "size");
  QsFileId id = { .dev = qs_step_uint64 (step, "dev"), .ino = qs_step_uint64 (step, "ino") };

  g_variant_lookup (step->arguments, "btime", "x", &id.btime);
  if (worker == NULL)
    return FALSE;
  load->fd = qs_worker_read_stream (worker, load->path, &id, &load->size, error);
  if (load->fd < 0)
    return FALSE;
  if (recorded == 0 || recorded == load->size)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "‘%s’ has %" G_GUINT64_FORMAT " bytes, and not the %" G_GUINT64_FORMAT
               " of the memory that was saved to it",
               load->path, load->size, recorded);
  return FALSE;
}

static gboolean
run (Load *load, GError **error)
{
  gboolean late = qs_step_boolean (load->call->step, "late");
  g_autoptr (GError) problem = NULL;

  if (!open_file (load, error))
    return FALSE;
  load->moved_at = g_get_monotonic_time ();
  if (!qs_migration_load (load->guest, load->fd, late, &problem)
      && !g_error_matches (problem, QS_ERROR, QS_ERROR_TIMEOUT))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  return wait_for_end (load, error) && check_paused (load, error);
}

gboolean
qs_run_migrate_incoming (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = qs_beside_guest (call, error);
  Load load = {
    .call = call, .guest = guest, .path = qs_step_string (call->step, "path"), .fd = -1
  };
  gboolean loaded = guest != NULL && run (&load, error);

  qs_fd_clear (&load.fd);
  return loaded;
}

/* the end of the process takes all of it back */
gboolean
qs_undo_with_process (QsStepCall *call, GError **error)
{
  return TRUE;
}
