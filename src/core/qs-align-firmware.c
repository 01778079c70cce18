/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-align-private.h"

#include "qs-error.h"
#include "qs-name.h"

static gboolean
refuse (const QsSelection *selection, const char *is, const char *target, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "the firmware variables would be copied to ‘%s’, which is %s disk ‘%s’; give the "
               "snapshot another name, or that disk a <source>",
               selection->firmware_path, is, target);
  return FALSE;
}

static gboolean
check_distinct (const QsSelection *selection, GError **error)
{
  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (g_strcmp0 (selected->active, selection->firmware_path) == 0)
        return refuse (selection, "the file of", selected->disk->target, error);
      if (g_strcmp0 (selected->path, selection->firmware_path) == 0)
        return refuse (selection, "the new file of", selected->disk->target, error);
    }
  return TRUE;
}

/**
 * qs_align_firmware:
 *
 * Decides where the firmware variables are copied to: beside their file, as an overlay of it would be
 * called. What saves memory saves them too, for the flash chip is part of it.
 */
gboolean
qs_align_firmware (QsSelection *selection, const QsDomain *domain, GError **error)
{
  const char *path = qs_domain_get_def (domain)->nvram;

  if (path == NULL || selection->memory != QS_LOCATION_NO)
    return TRUE;
  if (qs_path_is_device (path))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "the firmware variables lie on ‘%s’, and only those in a file are copied; move "
                   "them into one",
                   path);
      return FALSE;
    }
  selection->firmware_path = qs_overlay_path (path, NULL, selection->name, error);
  if (selection->firmware_path != NULL)
    return check_distinct (selection, error);
  g_prefix_error (error, "firmware variables: ");
  return FALSE;
}
