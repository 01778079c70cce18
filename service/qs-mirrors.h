/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-service.h"

/**
 * QsMirrors:
 *
 * Disks that are written to a second file: no operation holds them, so that the service notices by
 * itself when one has ended.
 */
QsMirrors *qs_mirrors_new (QsService *service);
void qs_mirrors_free (QsMirrors *mirrors);
void qs_mirrors_doubt (QsMirrors *mirrors, const char *domain);
void qs_mirrors_changed (QsMirrors *mirrors, const QsDomain *before, const QsDomain *after);
gboolean qs_mirrors_is_busy (QsMirrors *mirrors);
