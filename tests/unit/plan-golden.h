/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-plan.h"

/* compares a plan with tests/data/plans/NAME.plan; SNAPSHOTD_GOLDEN=write makes them anew */
void plan_golden_check (const char *name, const QsPlan *plan);
