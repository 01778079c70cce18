/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-planners.h"

/* what other operations have to know of mirrors */

/**
 * qs_mirror_check_none:
 * @target: (nullable): NULL: of all disks
 *
 * While a disk is mirrored, nothing else may be done with its chain: DOMAIN_BUSY.
 */
gboolean qs_mirror_check_none (const QsDomain *domain, const char *target, GError **error);

/* adds the finish step after which nothing is written to it, and QEMU has closed it */
void qs_mirror_plan_end (const QsMirror *mirror, QsPlan *plan);
