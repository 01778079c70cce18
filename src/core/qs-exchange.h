/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain.h"
#include "qs-facts.h"
#include "qs-plan.h"

/* stable-path: a new overlay takes over the name that the start script of an attached domain knows.
   The old file gets a second name first, and loses its write bits: whoever starts QEMU from it in
   the moment before the exchange fails, instead of writing below the overlay */

/**
 * QsExchange:
 *
 * One disk whose overlay takes over the name of its file.
 */
typedef struct
{
  const char *target;
  const char *active;     /* the name that stays the one to start from */
  const char *kept;       /* the name that the old file gets */
  const char *aside;      /* where the overlay is made */
  const QsImage *image;   /* the old file */
  const QsImage *waiting; /* what takes the name over and was there before; NULL: a new overlay */
} QsExchange;

/* a file of disk @target that becomes a state file */
typedef struct
{
  const char *target;
  const char *path;
  const QsImage *image;
} QsProtection;

const char *qs_exchange_obstacle (const QsDomain *domain, const QsFacts *facts,
                                  const QsImage *image);
char *qs_exchange_aside (const char *active, const char *op, guint n);
gboolean qs_exchange_is_aside (const char *path);
void qs_exchange_add_link (QsPlan *plan, const QsExchange *exchange);
gboolean qs_exchange_add_protection (QsPlan *plan, const QsProtection *file, guint32 owner);
gboolean qs_exchange_add_late_protection (QsPlan *plan, const QsProtection *file, guint32 owner,
                                          guint step);
void qs_exchange_add_protection_if (QsPlan *plan, const QsProtection *file, guint step);
void qs_exchange_add_rename (QsPlan *plan, QsPhase phase, const QsExchange *exchange, guint step,
                             gboolean off);
gboolean qs_exchange_is_protectable (const QsImage *image, guint32 owner);
gboolean qs_exchange_is_protected (const QsImage *image, guint32 owner);
