/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-error.h"
#include "qs-verify.h"

/* an image that is read through, and one that gets rid of what nobody refers to */

gboolean
qs_run_image_check (QsStepCall *call, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autoptr (GVariant) files = qs_step_value (call->step, "files");
  const char *path = qs_step_string (call->step, "target");
  g_autoptr (GError) failure = NULL;
  GVariant *findings = NULL;
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  QsImageCheck check = { 0 };

  if (worker == NULL)
    return FALSE;
  if (qs_worker_check (worker, files, &check, call->cancellable, &failure))
    findings = qs_verify_check_findings (path, &check);
  else
    findings = qs_verify_unchecked (path, failure);
  if (findings == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  g_variant_builder_add (&builder, "{sv}", "findings", findings);
  *result = g_variant_new ("a{sv}", &builder);
  return TRUE;
}

gboolean
qs_run_image_repair (QsStepCall *call, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autoptr (GVariant) files = qs_step_value (call->step, "files");

  return worker != NULL && qs_worker_repair_leaks (worker, files, error);
}

/* nobody can tell, and it does not matter: it may be asked for again */
QsProbe
qs_probe_image_repair (QsStepCall *call, GError **error)
{
  return QS_PROBE_NOT_DONE;
}
