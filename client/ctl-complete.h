/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "ctl-bus.h"

GStrv qs_ctl_complete (QsCtl *ctl, const GPtrArray *words);
