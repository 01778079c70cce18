/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-error.h"

gboolean
qs_run_storage (QsStepCall *call, GVariant **result, GError **error)
{
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                       "files of a domain that is off are not merged yet");
  return FALSE;
}

gboolean
qs_undo_storage (QsStepCall *call, GError **error)
{
  return TRUE;
}

gboolean
qs_run_storage_quit (QsStepCall *call, GVariant **result, GError **error)
{
  return TRUE;
}
