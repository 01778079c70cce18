/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-job.h"
#include "qs-work.h"

/**
 * QsReservations:
 *
 * Who works on what: a key is the id of a domain, or stands for defining new ones. Those who wait
 * for a key are woken all at its release, in order, and look again.
 */
typedef struct QsReservations QsReservations;

QsReservations *qs_reservations_new (void);
void qs_reservations_free (QsReservations *self);
QsJob *qs_reservations_get (QsReservations *self, const char *key);
void qs_reservations_put (QsReservations *self, const char *key, QsJob *job);
void qs_reservations_release (QsReservations *self, const char *key, QsJob *job);
void qs_reservations_wait (QsReservations *self, const char *key, guint seconds, QsWorkFunc func,
                           gpointer data);
void qs_reservations_wake (QsReservations *self, const char *key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsReservations, qs_reservations_free)
