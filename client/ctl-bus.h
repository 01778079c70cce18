/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <gio/gio.h>

#include "ctl-agent.h"
#include "ctl-command.h"

typedef enum
{
  QS_CTL_BUS_AUTO, /* the system bus if the service is there, else the session bus */
  QS_CTL_BUS_SYSTEM,
  QS_CTL_BUS_SESSION,
} QsCtlBus;

/**
 * QsCtl:
 * @bus: %NULL until the first call
 * @may_prompt: somebody sits at a terminal, who may be asked for a password
 * @interrupts: how often Ctrl-C was pressed since the command began
 *
 * What all commands of one run share.
 */
struct QsCtl
{
  QsCtlBus choice;
  gboolean quiet;
  gboolean may_prompt;
  guint interrupts;
  GDBusConnection *bus;
  QsCtlAgent *agent;
};

/* what a call does at Ctrl-C */
typedef enum
{
  QS_CTL_LEAVE, /* it is left at once */
  QS_CTL_STAY,  /* at the second one: the answer names the job to cancel */
} QsCtlPatience;

gboolean qs_ctl_connect (QsCtl *ctl, GError **error);
void qs_ctl_clear (QsCtl *ctl);

GVariant *qs_ctl_call (QsCtl *ctl, const char *path, const char *member, GVariant *arguments,
                       GError **error);
GVariant *qs_ctl_call_patiently (QsCtl *ctl, const char *path, const char *member,
                                 GVariant *arguments, GError **error);
GVariant *qs_ctl_get_properties (QsCtl *ctl, const char *path, const char *interface,
                                 GError **error);
GVariant *qs_ctl_get_property (QsCtl *ctl, const char *path, const char *member, GError **error);
char *qs_ctl_get_string (QsCtl *ctl, const char *path, const char *member, GError **error);
GVariant *qs_ctl_get_managed_objects (QsCtl *ctl, const char *path, GError **error);
void qs_ctl_fold_error (GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsCtl, qs_ctl_clear)
