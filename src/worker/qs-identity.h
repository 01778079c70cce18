/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef enum
{
  QS_PROFILE_TOOL,
  QS_PROFILE_LAUNCH,
} QsProfile;

/**
 * QsIdentity:
 *
 * Whom a worker works for, and what it may do. @keep: a session's worker has the right ids from
 * birth.
 */
typedef struct
{
  QsProfile profile;
  gboolean keep;
  uid_t uid;
  gid_t gid;
  GArray *groups; /* of gid_t */
  pid_t parent;
} QsIdentity;

gboolean qs_identity_assume (const QsIdentity *identity, GError **error);
gboolean qs_filter_load (GError **error);
gboolean qs_filter_load_processes (GError **error);

/* the one program that the filter lets be executed, by the address of this string */
extern const char qs_tool_path[];
