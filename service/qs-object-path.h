/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsObjectKind:
 *
 * What an object path names, by its shape alone: nothing is looked up, so that a path that is
 * missing and one that is invisible are treated alike.
 */
typedef enum
{
  QS_OBJECT_NONE,
  QS_OBJECT_MANAGER,
  QS_OBJECT_DOMAIN_FOLDER,
  QS_OBJECT_DOMAIN,
  QS_OBJECT_SNAPSHOT_FOLDER,
  QS_OBJECT_SNAPSHOT,
  QS_OBJECT_JOB_FOLDER,
  QS_OBJECT_JOB,
} QsObjectKind;
#define QS_N_OBJECT_KINDS (QS_OBJECT_JOB + 1)

typedef struct
{
  QsObjectKind kind;
  char *domain;   /* id */
  char *snapshot; /* uuid */
  guint64 job;    /* 0: a job that there cannot be */
} QsObjectPath;

void qs_object_path_parse (QsObjectPath *path, const char *text);
void qs_object_path_clear (QsObjectPath *path);

char *qs_object_path_domain (const char *id);
char *qs_object_path_snapshot (const char *id, const char *uuid);
char *qs_object_path_job (guint64 job);
GVariant *qs_object_path_to_variant (char *path);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsObjectPath, qs_object_path_clear)
