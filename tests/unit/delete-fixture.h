/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "plan-fixture.h"

/* trees of snapshots and files, and what is found of them, for deletes */

#define DELETE_MAX_FILES 10

/* snapshots: `NAME` or `NAME<PARENT`. Files: `PATH<BACKING`, then `!` not ours, `*T` active of a disk,
   `=S` or `=S:T` state of, `#S` tag of, `^S` or `^S:T` tip of; T is vda where it is left out.
   `@N`: N bytes are allocated; `+T`: a tag that no snapshot
   knows; `~`: kept as a layer. @is_on: the guest runs */
typedef struct
{
  const char *name;
  const char *snapshots[5];
  const char *current;
  const char *deleted;
  const char *files[DELETE_MAX_FILES];
  gboolean is_on;
} DeleteWorld;

typedef struct
{
  QsDomain *domain;
  QsFacts *facts;
  QsRequest *request;
} DeleteScene;

void delete_scene_init (DeleteScene *scene, const DeleteWorld *world);
void delete_scene_clear (DeleteScene *scene);
QsPlan *delete_plan (const DeleteScene *scene, GError **error);

QsImage *delete_image (const QsFile *file);
QsDiskFacts *delete_walk (const QsFacts *facts, const char *target, const char *path);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DeleteScene, delete_scene_clear)
