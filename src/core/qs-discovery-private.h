/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-discovery.h"

/* shared by the files that read what a QEMU says of itself */

gboolean qs_discovery_is_file_driver (const char *driver);
gboolean qs_discovery_read_source (QsDiscovery *discovery, QsFoundDisk *disk, const char *file);
