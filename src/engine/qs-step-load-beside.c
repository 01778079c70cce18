/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-step-process.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-step-qmp-private.h"

/* snapshot-load into a QEMU that was started for it and has no memory to lose: whatever fails, it is
   ended, and the domain's own guest goes on */

/* the image that no device uses gets the name that the step has for it */
static gboolean
add_node (const QsStep *step, QsGuest *guest, GError **error)
{
  const char *path = qs_step_string (step, "file");

  return path == NULL
         || qs_qmp_run (
             qs_guest_get_qmp (guest), "blockdev-add",
             g_variant_new_parsed ("{'driver': <'qcow2'>, 'node-name': <%s>, 'backing': <%@mv>,"
                                   " 'file': <{'driver': <%s>, 'filename': <%s>}>}",
                                   qs_step_string (step, "vmstate"), g_variant_new ("mv", NULL),
                                   qs_path_is_device (path) ? "host_device" : "file", path),
             QS_QMP_COMMAND_SECONDS, error);
}

/* nobody needs the image any more, and another guest may */
static void
drop_node (const QsStep *step, QsGuest *guest)
{
  g_autoptr (GError) error = NULL;

  if (qs_step_string (step, "file") != NULL
      && !qs_qmp_run (
          qs_guest_get_qmp (guest), "blockdev-del",
          g_variant_new_parsed ("{'node-name': <%s>}", qs_step_string (step, "vmstate")),
          QS_QMP_COMMAND_SECONDS, &error))
    g_message ("%s, ignoring", error->message);
}

/* QEMU opens it by its name */
static gboolean
check_file (QsStepCall *call, GError **error)
{
  const char *path = qs_step_string (call->step, "file");
  QsWorker *worker = qs_real_world_worker (call->world, error);
  guint64 ino = qs_step_uint64 (call->step, "file-ino");
  QsFileId found = { 0 };
  gboolean exists = FALSE;

  if (path == NULL)
    return TRUE;
  if (worker == NULL || !qs_worker_identify (worker, path, &found, &exists, error))
    return FALSE;
  if (exists
      && (ino == 0 || (found.ino == ino && found.dev == qs_step_uint64 (call->step, "file-dev"))))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "‘%s’ %s", path,
               exists ? "is no longer the file that was recorded" : "is gone");
  return FALSE;
}

/* all that can be seen to before anything is changed */
static gboolean
begin (QsStepCall *call, QsGuest **guest, GError **error)
{
  *guest = check_file (call, error) ? qs_beside_guest (call, error) : NULL;
  return *guest != NULL && add_node (call->step, *guest, error)
         && qs_snapshot_load_check (*guest, call->step, error)
         /* after the commit, of a try before this one */
         && (call->step->phase != QS_PHASE_FINISH
             || qs_qmp_end_job (qs_guest_get_qmp (*guest), qs_step_string (call->step, "job"),
                                QS_SAVE_SECONDS, error));
}

/* @begun: (out): the job is known to QEMU, whatever came of it */
static gboolean
settle_job (QsStepCall *call, QsGuest *guest, gboolean *begun, GError **error)
{
  g_autofree char *problem = NULL;

  if (!qs_qmp_await_job (qs_guest_get_qmp (guest), qs_step_string (call->step, "job"),
                         QS_SAVE_SECONDS, begun, &problem, error))
    return FALSE;
  if (*begun && problem == NULL)
    {
      qs_step_load_note (call, guest);
      return TRUE;
    }
  g_set_error_literal (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                       *begun ? problem : "QEMU does not know what came of it");
  return FALSE;
}

static gboolean
load (QsStepCall *call, QsGuest *guest, GError **error)
{
  gboolean begun = FALSE;

  return qs_qmp_run (qs_guest_get_qmp (guest), "snapshot-load",
                     qs_snapshot_load_arguments (call->step), QS_SAVE_SECONDS, error)
         && settle_job (call, guest, &begun, error);
}

/* what cannot be loaded is to be looked for in the file, not in QEMU; and of the reason its monitor
   tells a number */
static char *
tell (const QsStepCall *call, const GError *why)
{
  g_autofree char *words = qs_beside_last_words (call->world);
  const char *path = qs_step_string (call->step, "file");

  return g_strdup_printf ("the memory in ‘%s’ cannot be loaded: %s (on its stderr: %s)",
                          path != NULL ? path : qs_step_string (call->step, "vmstate"),
                          why->message, words);
}

/* it gives the images back. What of them it has brought back already is done again without it */
static gboolean
end (QsStepCall *call, GError **error)
{
  g_autoptr (QsProcess) process = qs_step_process_of (call, qs_step_uint64 (call->step, "spawn"));

  qs_beside_end (call->world);
  return process == NULL || qs_step_end_process (call, process, error);
}

static gboolean
give_up (QsStepCall *call, const char *words, GError **error)
{
  g_autofree char *why = g_strconcat (words, "; the domain is off", NULL);
  g_autoptr (GVariant) lost = g_variant_ref_sink (qs_step_load_lost (why, TRUE));

  qs_step_load_learn (call, lost);
  return end (call, error);
}

/* of a commit: @refused: nothing was tried, else it is to be looked into. After the commit the domain
   goes on to where it was to go, without a guest */
static gboolean
fail (QsStepCall *call, GError *why, gboolean refused, GError **error)
{
  g_autofree char *words = tell (call, why);
  g_autoptr (GError) reason = why;
  gboolean unknown = g_error_matches (reason, QS_ERROR, QS_ERROR_TIMEOUT);

  if (call->step->phase == QS_PHASE_FINISH)
    return give_up (call, words, error);
  if (call->step->phase == QS_PHASE_COMMIT && refused)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, words);
  else
    g_set_error_literal (error, QS_ERROR, unknown ? QS_ERROR_TIMEOUT : QS_ERROR_IMAGE_FAILED,
                         words);
  return FALSE;
}

gboolean
qs_run_load_beside (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  GError *why = NULL;

  if (!begin (call, &guest, &why))
    return fail (call, why, TRUE, error);
  if (!load (call, guest, &why))
    return fail (call, why, FALSE, error);
  drop_node (call->step, guest);
  return TRUE;
}

/* as a commit it brings disks back, which no other one was on. A process that lives knows whether it
   has begun; of one that has ended nobody does, and going on is safe */
QsProbe
qs_probe_load_beside (QsStepCall *call, GError **error)
{
  g_autoptr (QsProcess) process = qs_step_process_of (call, qs_step_uint64 (call->step, "spawn"));
  g_autoptr (QsGuest) guest = NULL;
  g_autoptr (GError) why = NULL;
  g_autofree char *words = NULL;
  gboolean begun = TRUE;

  if (qs_step_load_is_done (call))
    return QS_PROBE_DONE;
  if (process != NULL && qs_process_is_alive (process))
    guest = qs_beside_guest (call, &why);
  if (guest != NULL && settle_job (call, guest, &begun, &why))
    return QS_PROBE_DONE;
  if (!begun || qs_step_load_count (call->step) == 0)
    return QS_PROBE_NOT_DONE;
  if (why == NULL)
    g_set_error_literal (&why, QS_ERROR, QS_ERROR_FAILED, "its QEMU has ended");
  words = tell (call, why);
  return give_up (call, words, error) ? QS_PROBE_DONE : QS_PROBE_UNKNOWN;
}
