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

static gboolean
load (QsStepCall *call, QsGuest *guest, GError **error)
{
  return qs_snapshot_load_check (guest, call->step, error)
         && qs_qmp_run_job (qs_guest_get_qmp (guest), "snapshot-load",
                            qs_step_string (call->step, "job"),
                            qs_snapshot_load_arguments (call->step), QS_SAVE_SECONDS, error);
}

/* what cannot be loaded is to be looked for in the file, not in QEMU; and of the reason its monitor
   tells a number */
static gboolean
fail_load (const QsStepCall *call, GError *why, GError **error)
{
  g_autofree char *words = qs_beside_last_words (call->world);
  g_autoptr (GError) reason = why;
  const char *path = qs_step_string (call->step, "file");
  gboolean unknown = g_error_matches (reason, QS_ERROR, QS_ERROR_TIMEOUT);

  g_set_error (error, QS_ERROR, unknown ? QS_ERROR_TIMEOUT : QS_ERROR_IMAGE_FAILED,
               "the memory in ‘%s’ cannot be loaded: %s (on its stderr: %s)",
               path != NULL ? path : qs_step_string (call->step, "vmstate"), reason->message,
               words);
  return FALSE;
}

gboolean
qs_run_load_beside (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  GError *why = NULL;

  if (!check_file (call, error))
    return FALSE;
  guest = qs_beside_guest (call, error);
  if (guest == NULL)
    return FALSE;
  if (!add_node (call->step, guest, &why) || !load (call, guest, &why))
    return fail_load (call, why, error);
  drop_node (call->step, guest);
  return TRUE;
}
