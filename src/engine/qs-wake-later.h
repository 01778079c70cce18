/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-engine-private.h"
#include "qs-wake.h"

/**
 * qs_wake_later:
 *
 * The operation is at rest and stays open, which keeps all others out, and has left a guest standing
 * that it has stopped itself: it is continued in the background as soon as QEMU allows it.
 */
void qs_wake_later (QsEngine *engine, QsGuest *guest, QsWakeFrom from);
