/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsErrands:
 *
 * What the engine does besides its jobs, in a few threads. Atomically reference-counted, for it
 * outlives the engine where something is still to be heard; nothing is run after qs_errands_close().
 */
typedef struct QsErrands QsErrands;
typedef void (*QsErrandFunc) (gpointer data);

QsErrands *qs_errands_new (guint n_threads);
QsErrands *qs_errands_ref (QsErrands *errands);
void qs_errands_unref (QsErrands *errands);

/* any thread. @destroy follows @func, and also comes if that is not run */
void qs_errands_push (QsErrands *errands, QsErrandFunc func, gpointer data, GDestroyNotify destroy);
void qs_errands_push_later (QsErrands *errands, guint seconds, QsErrandFunc func, gpointer data,
                            GDestroyNotify destroy);

/* on the main context, which turns meanwhile: until all that were pushed have ended */
void qs_errands_wait (QsErrands *errands, guint seconds);
void qs_errands_close (QsErrands *errands);
gboolean qs_errands_is_busy (QsErrands *errands); /* not counting what is to be done later */
gboolean qs_errands_is_closed (QsErrands *errands);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsErrands, qs_errands_unref)
