/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

/* the schemas of data/, made into strings by tools/embed-schema */
extern const char qs_schema_domain[];
extern const char qs_schema_domainsnapshot[];
