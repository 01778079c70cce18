/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "plan-fixture.h"

/* a domain with snapshots s1, s2 … of all disks that stand on each other, and a request to commit
   what was done since one of them */

#define COMMIT_SIZE (G_GUINT64_CONSTANT (64) * 1024 * 1024)

typedef struct
{
  QsDomain *domain;
  QsFacts *facts;
  QsRequest *request;
  guint n_snapshots;
} CommitWorld;

/* layer 0 is what the disk began with, layer n what snapshot n left it on */
char *commit_path (const char *target, guint layer);
char *commit_uuid (guint n);

/* @domain: (transfer full) */
QsDomain *commit_domain (QsDomain *domain, guint n_snapshots);
void commit_world_open (CommitWorld *world, QsDomain *domain, guint n_snapshots, guint target,
                        guint flags);
void commit_world_clear (CommitWorld *world);
QsPlan *commit_world_plan (CommitWorld *world, GError **error);
void commit_add_file (CommitWorld *world, const char *target, guint layer);

/* of disk vda */
QsImage *commit_image (const CommitWorld *world, guint layer);
QsFile *commit_file (const CommitWorld *world, guint layer);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CommitWorld, commit_world_clear)
