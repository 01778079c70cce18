/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-error.h"
#include "qs-limits.h"

#include <glib.h>

/**
 * QsWork:
 *
 * The state of a worker process. It has one thread and serves one call at a time.
 */
typedef struct
{
  int socket;
  gboolean system_mode;
  gboolean is_launcher;
  GArray *in_fds;   /* of int: came with the request */
  GArray *out_fds;  /* of int: go with the reply */
  GArray *late_fds; /* of int: closed after the reply */
  GArray *unnamed;  /* of QsUnnamed: files made and not linked yet */
} QsWork;

/**
 * QsMethod:
 * @arguments: type of the tuple; a request with another one is not served
 * @handle: returns a tuple, floating, or NULL
 */
typedef struct
{
  const char *name;
  const char *arguments;
  GVariant *(*handle) (QsWork *work, GVariant *arguments, GError **error);
} QsMethod;

const QsMethod *qs_find_image_method (const char *name);
const QsMethod *qs_find_create_method (const char *name);
const QsMethod *qs_find_wipe_method (const char *name);
const QsMethod *qs_find_file_method (const char *name);
const QsMethod *qs_find_exchange_method (const char *name);
const QsMethod *qs_find_snapshot_method (const char *name);
const QsMethod *qs_find_merge_method (const char *name);
const QsMethod *qs_find_sight_method (const char *name);
const QsMethod *qs_find_covers_method (const char *name);
const QsMethod *qs_find_self_test_method (const char *name);
const QsMethod *qs_find_runtime_method (const char *name);
const QsMethod *qs_find_process_method (const char *name);
const QsMethod *qs_find_copy_method (const char *name);
const QsMethod *qs_find_stream_method (const char *name);
const QsMethod *qs_find_launch_method (const char *name);
const QsMethod *qs_method_lookup (const QsMethod *methods, guint n_methods, const char *name);

GArray *qs_unnamed_new (void);

GVariant *qs_work_done (void);
void qs_work_return_fd (QsWork *work, int fd);
void qs_work_close_late (QsWork *work, int fd);
