/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

char *qs_ctl_plan_format (GVariant *plan);
GVariant *qs_ctl_plan_to_json (GVariant *plan);
gboolean qs_ctl_plan_check (GVariant *plan, GError **error);
