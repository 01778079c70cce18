/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain-def.h"

/* <genid>: a number by which a guest notices that it was brought back to an earlier state. It stays the
   same as long as the guest goes on, and changes with every revert */

gboolean qs_genid_is_asked_for (const QsDomainDef *def);
char *qs_genid_get (const QsDomainDef *def);
QsDomainDef *qs_genid_set (const QsDomainDef *def, const char *genid, GError **error);
void qs_genid_complete (xmlNode *root, const QsDomainDef *previous);
