/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-align.h"

QsSelection *qs_selection_new (void);

/* the disk of the domain that a request names by target, or by the path or device of exactly one */
const QsDiskDef *qs_align_resolve_disk (const QsDomain *domain, const char *name, GError **error);

/* (transfer full): lays each requested disk beside the domain's: target -> QsSnapshotDisk */
GHashTable *qs_align_requests (const QsDomain *domain, const QsSnapshotDef *def, GError **error);

gboolean qs_align_name (QsSelection *selection, const QsDomain *domain, const QsSnapshotDef *def,
                        gint64 now, GError **error);

gboolean qs_align_firmware (QsSelection *selection, const QsDomain *domain, GError **error);
gboolean qs_align_memory (QsSelection *selection, const QsDomain *domain, const QsSnapshotDef *def,
                          guint flags, GError **error);
