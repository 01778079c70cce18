/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-error.h"

/* what else is in a saved state: video memory, tables, devices; and what the guest may come to write
   between the look and the save */
#define DEVICE_BYTES (64 * 1024 * 1024)
#define GROWTH 16 /* one part in so many */

static gboolean
check_blockers (const QsFacts *facts, GError **error)
{
  g_autofree char *reasons = NULL;

  if (facts->migration_blockers == NULL || facts->migration_blockers[0] == NULL)
    return TRUE;
  reasons = g_strjoinv ("; ", facts->migration_blockers);
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "the memory of this guest cannot be saved, QEMU says: %s; take a disk-only snapshot "
               "(DISK_ONLY), or unplug the device",
               reasons);
  return FALSE;
}

/**
 * qs_check_memory:
 *
 * What forbids saving the memory of a guest, whichever way it would go.
 */
gboolean
qs_check_memory (const QsFacts *facts, GError **error)
{
  if (facts->state != QS_DOMAIN_PMSUSPENDED)
    return check_blockers (facts, error);
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                       "the guest is suspended to memory: saving its memory would lose the "
                       "suspend; take a disk-only snapshot or wake it first");
  return FALSE;
}

/**
 * qs_check_memory_bytes:
 *
 * Returns: how many bytes a file with the memory of the guest may come to have
 */
guint64
qs_check_memory_bytes (const QsFacts *facts)
{
  return facts->memory_bytes + facts->memory_bytes / GROWTH + DEVICE_BYTES;
}

/**
 * qs_check_memory_room:
 * @path: one of the targets that were asked for
 *
 * Whether the memory of the guest fits into a new file, as far as it can be known beforehand.
 */
gboolean
qs_check_memory_room (const QsFacts *facts, const char *path, GError **error)
{
  const QsTarget *target = qs_facts_find_target (facts, path);
  guint64 wanted = qs_check_memory_bytes (facts);

  g_return_val_if_fail (target != NULL, FALSE);
  if (target->error != NULL || target->free_bytes >= wanted)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_NO_SPACE,
               "the memory of the guest may take %" G_GUINT64_FORMAT
               " bytes, and only %" G_GUINT64_FORMAT " are free for ‘%s’",
               wanted, target->free_bytes, path);
  return FALSE;
}
