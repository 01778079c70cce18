/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsPassage:
 *
 * The way past an operation. While it waits for QEMU, and holds nothing of the guest still, one other
 * call may change whether the guest runs. That one enters, in any thread, and leaves afterwards; the
 * operation opens, and closes before it goes on, which waits for whoever is inside.
 */
typedef struct QsPassage QsPassage;

QsPassage *qs_passage_new (void);
void qs_passage_free (QsPassage *passage);

/* FALSE: nobody may pass now */
gboolean qs_passage_enter (QsPassage *passage);
void qs_passage_leave (QsPassage *passage);

/* all below: in the thread of the operation. @may: FALSE: qs_passage_open() does nothing */
void qs_passage_allow (QsPassage *passage, gboolean may);
void qs_passage_open (QsPassage *passage);
void qs_passage_close (QsPassage *passage);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsPassage, qs_passage_free)
