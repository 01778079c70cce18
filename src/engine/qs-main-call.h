/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

typedef void (*QsMainFunc) (gpointer data);

void qs_main_call (QsMainFunc func, gpointer data);
void qs_main_post (QsMainFunc func, gpointer data, GDestroyNotify destroy);
