/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsSettings:
 *
 * What the configuration file may change; the table in qs-settings.c has keys and bounds.
 */
typedef struct
{
  guint snapshots_per_domain;
  guint snapshots_per_uid;
  guint mutations_per_second; /* of one uid; 0: any number */
  guint idle_exit_seconds;    /* 0: never */
  guint live_seconds;         /* until memory that is saved of a running guest must be there */
  guint mirrors_per_domain;   /* disks that may be mirrored at once */
  guint safety_keep;          /* safety snapshots of a domain */
  GStrv image_roots;          /* where callers may name files of domains that are not theirs */
} QsSettings;

void qs_settings_init (QsSettings *settings);
void qs_settings_clear (QsSettings *settings);
gboolean qs_settings_read (QsSettings *settings, const char *path, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsSettings, qs_settings_clear)
