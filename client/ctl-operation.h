/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "ctl-arguments.h"
#include "ctl-bus.h"

/**
 * QsCtlOperation:
 * @member: the method, as "Domain.Undefine"
 * @plan: its twin that only plans, or %NULL
 * @arguments: (nullable): for both
 */
typedef struct
{
  const char *path;
  const char *member;
  const char *plan;
  GVariant *arguments;
} QsCtlOperation;

/**
 * QsCtlOutcome:
 * @snapshot: path of the snapshot that was made, or %NULL
 * @result: a{sv}, of the job
 * @is_told: a plan or JSON was printed, and nothing more is to be
 */
typedef struct
{
  char *snapshot;
  GVariant *result;
  gboolean is_told;
} QsCtlOutcome;

char *qs_ctl_operate_start (QsCtl *ctl, const QsCtlArguments *arguments,
                            const QsCtlOperation *operation, QsCtlOutcome *outcome, GError **error);
void qs_ctl_operate_end (QsCtl *ctl, const QsCtlArguments *arguments, const char *job,
                         QsCtlOutcome *outcome);
gboolean qs_ctl_operate (QsCtl *ctl, const QsCtlArguments *arguments,
                         const QsCtlOperation *operation, QsCtlOutcome *outcome, GError **error);
void qs_ctl_outcome_clear (QsCtlOutcome *outcome);
void qs_ctl_outcome_tell (const QsCtl *ctl, const QsCtlOutcome *outcome, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

char *qs_ctl_find_domain (QsCtl *ctl, const QsCtlArguments *arguments, GError **error);
char *qs_ctl_find_snapshot (QsCtl *ctl, const QsCtlArguments *arguments, const char *domain,
                            GError **error);
char *qs_ctl_find_current (QsCtl *ctl, const char *domain, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsCtlOutcome, qs_ctl_outcome_clear)
