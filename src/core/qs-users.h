/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-facts.h"

/**
 * qs_users_add:
 * @users: path -> @who
 *
 * Every file that the definitions of a domain name, and what its disks are on: a file that QEMU has
 * open is none that may be deleted, whoever has made it.
 */
void qs_users_add (GHashTable *users, const QsDomain *domain, const char *who);

/**
 * qs_users_add_chain:
 * @facts: with the recorded files, and what there is at the targets
 * @chain: (element-type QsImage): what a disk of @who stands on, by the headers of the files
 *
 * Those of the files and targets that are in @chain are used elsewhere.
 */
void qs_users_add_chain (QsFacts *facts, const GPtrArray *chain, const char *who);

/**
 * qs_users_describe:
 *
 * Returns: (transfer full) (nullable): who uses @path, besides this domain; NULL: nobody
 */
char *qs_users_describe (const QsFacts *facts, const char *path);

/**
 * qs_users_is_here:
 *
 * Whether a definition of this domain names @path.
 */
gboolean qs_users_is_here (const QsFacts *facts, const char *path);
