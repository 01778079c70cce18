/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsAmount:
 * @done: bytes
 * @total: bytes, as far as it is known; 0: unknown
 * @speed: bytes a second; 0: unknown
 *
 * How far a step that moves a lot has come.
 */
typedef struct
{
  guint64 done;
  guint64 total;
  guint64 speed;
} QsAmount;
