/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain-def.h"

/* one <disk> of a domain document; for qs-domain-def.c */
QsDiskDef *qs_disk_def_new (const xmlNode *disk, GError **error);
void qs_disk_def_free (QsDiskDef *disk);
char *qs_disk_def_node_target (const xmlNode *disk);
void qs_disk_def_patch_node (xmlNode *disk, const QsDiskPatch *patch);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsDiskDef, qs_disk_def_free)
