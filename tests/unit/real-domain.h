/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-real-world.h"
#include "qs-runner.h"
#include "real-qemu.h"
#include "store-fixture.h"

/**
 * RealDomain:
 *
 * A QEMU with all of an engine that steps are carried out by: store, registry, workers. Plans of the
 * test's own run on it, and stop in their middle as if the daemon had been killed.
 */
typedef struct
{
  RealQemu *qemu;
  StoreFixture store;
  QsEngine engine;
  guint64 op;
  GCancellable *cancellable; /* (nullable): of what runs next */
  QsControl *control;        /* (nullable): whom what runs next listens to */
  void (*tell) (const QsAmount *amount, gpointer user_data);
  void (*tell_ready) (gboolean ready, gpointer user_data);
  gpointer user_data;
} RealDomain;

typedef enum
{
  REAL_BEFORE, /* the step is written down, and not begun */
  REAL_AFTER,  /* done, and that is not written down */
} RealPoint;

RealDomain *real_domain_new (const RealQemuOptions *options);
void real_domain_free (RealDomain *domain);
void real_domain_kill_qemu (RealDomain *domain);
char *real_domain_path (const RealDomain *domain, const char *name);

QsOutcome real_domain_run (RealDomain *domain, const QsPlan *plan, GPtrArray **results,
                           GError **error);
void real_domain_run_until (RealDomain *domain, const QsPlan *plan, guint index, RealPoint point);

/* what the next start of the daemon makes of it */
QsOutcome real_domain_resume (RealDomain *domain, GPtrArray **results, GError **error);

/* @arguments: text form of an a{sv} */
void real_plan_add (QsPlan *plan, QsStepKind kind, QsPhase phase, const char *arguments);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RealDomain, real_domain_free)
