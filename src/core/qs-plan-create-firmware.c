/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

/**
 * qs_create_copies_firmware:
 *
 * Whether the firmware variables of the running guest are copied at the disks' point in time. What
 * saves memory saves them too.
 */
gboolean
qs_create_copies_firmware (const QsCreate *create)
{
  return FALSE;
}
