/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-work.h"

typedef enum
{
  QS_TOOL_QUERY,  /* looks, or writes an empty image: seconds */
  QS_TOOL_CHANGE, /* goes through a whole image: as long as it gets on */
} QsToolClass;

/**
 * QsTool:
 *
 * One run of qemu-img.
 */
typedef struct
{
  QsToolClass class;
  const char *const *argv; /* behind the program's name */
  int fd;                  /* of the image, which is handed down */
  const GArray *more;      /* (nullable): of QsFd, of further images, handed down too */
  const char *path;        /* for messages */
  GString *out;            /* (nullable): gets what the tool prints */
  guint answers;           /* exit statuses beside 0 that are no failure: bit by number */
} QsTool;

gboolean qs_tool_run (const QsWork *work, const QsTool *tool, GError **error);
char *qs_tool_qcow2_spec (int fd);
