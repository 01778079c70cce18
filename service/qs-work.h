/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/* work that may wait is done in a thread of this pool, its end is told on the main context */

typedef struct QsWork QsWork;
typedef void (*QsWorkFunc) (gpointer data);

QsWork *qs_work_new (void);
void qs_work_free (QsWork *work);
void qs_work_push (QsWork *work, QsWorkFunc func, QsWorkFunc done, gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsWork, qs_work_free)
