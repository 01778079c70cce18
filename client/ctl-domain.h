/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "ctl-operation.h"

/* what commands that make domains known, or work on one, have in common */

gboolean qs_ctl_domain_add_owner (const QsCtlArguments *arguments, GVariantDict *options,
                                  GError **error);
gboolean qs_ctl_domain_operate (QsCtl *ctl, const QsCtlArguments *arguments,
                                QsCtlOperation *operation, const char *told, GError **error);
