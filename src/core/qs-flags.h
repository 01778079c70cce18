/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/* numbers are libvirt's, those marked (ours) excepted; the meaning of each bit: org.example.Snapshot(5) */

typedef enum
{
  QS_CREATE_REDEFINE = 1 << 0,
  QS_CREATE_CURRENT = 1 << 1,
  QS_CREATE_NO_METADATA = 1 << 2,
  QS_CREATE_HALT = 1 << 3,
  QS_CREATE_DISK_ONLY = 1 << 4,
  QS_CREATE_REUSE_EXT = 1 << 5,
  QS_CREATE_QUIESCE = 1 << 6,
  QS_CREATE_ATOMIC = 1 << 7,
  QS_CREATE_LIVE = 1 << 8,
  QS_CREATE_BRANCH = 1 << 9,    /* the number of the design seed */
  QS_CREATE_VALIDATE = 1 << 10, /* ours */
} QsCreateFlags;
#define QS_CREATE_ALL ((1u << 11) - 1)

typedef enum
{
  QS_LIST_ROOTS = 1 << 0,       /* lists of a domain */
  QS_LIST_DESCENDANTS = 1 << 0, /* lists of children */
  QS_LIST_METADATA = 1 << 1,
  QS_LIST_LEAVES = 1 << 2,
  QS_LIST_NO_LEAVES = 1 << 3,
  QS_LIST_NO_METADATA = 1 << 4,
  QS_LIST_INACTIVE = 1 << 5,
  QS_LIST_ACTIVE = 1 << 6,
  QS_LIST_DISK_ONLY = 1 << 7,
  QS_LIST_INTERNAL = 1 << 8,
  QS_LIST_EXTERNAL = 1 << 9,
  QS_LIST_TOPOLOGICAL = 1 << 10,
  QS_LIST_MIXED = 1 << 11, /* ours */
} QsListFlags;
#define QS_LIST_ALL ((1u << 12) - 1)

typedef enum
{
  QS_DELETE_CHILDREN = 1 << 0,
  QS_DELETE_METADATA_ONLY = 1 << 1,
  QS_DELETE_CHILDREN_ONLY = 1 << 2,
  QS_DELETE_REOPEN_MIRROR = 1 << 3, /* ours, from the design seed */
  QS_DELETE_REMOVE_MIRROR = 1 << 4, /* ours, from the design seed */
} QsDeleteFlags;
#define QS_DELETE_ALL ((1u << 5) - 1)

typedef enum
{
  QS_REVERT_RUNNING = 1 << 0,
  QS_REVERT_PAUSED = 1 << 1,
  QS_REVERT_FORCE = 1 << 2,
  QS_REVERT_RESET_NVRAM = 1 << 3,
  QS_REVERT_DISCARD = 1 << 4, /* ours */
  QS_REVERT_COMMIT = 1 << 5,  /* ours */
  QS_REVERT_TIP = 1 << 6,     /* ours */
} QsRevertFlags;
#define QS_REVERT_ALL ((1u << 7) - 1)

typedef enum
{
  QS_XML_SECURE = 1 << 0,
} QsXMLFlags;
#define QS_XML_ALL 1u

typedef enum
{
  QS_UNDEFINE_SNAPSHOTS_METADATA = 1 << 1,
  QS_UNDEFINE_SNAPSHOTS_FULL = 1 << 16, /* ours */
} QsUndefineFlags;
#define QS_UNDEFINE_ALL (QS_UNDEFINE_SNAPSHOTS_METADATA | QS_UNDEFINE_SNAPSHOTS_FULL)

typedef enum
{
  QS_DOMAINS_ACTIVE = 1 << 0,
  QS_DOMAINS_INACTIVE = 1 << 1,
  QS_DOMAINS_DEFINED = 1 << 2,
  QS_DOMAINS_ATTACHED = 1 << 3,
  QS_DOMAINS_WITH_SNAPSHOTS = 1 << 4,
  QS_DOMAINS_ALL_OWNERS = 1 << 5,
} QsDomainsFlags;
#define QS_DOMAINS_ALL ((1u << 6) - 1)

typedef enum
{
  QS_VERIFY_DATA = 1 << 0,
} QsVerifyFlags;
#define QS_VERIFY_ALL 1u

typedef enum
{
  QS_BLOCK_COPY_SHALLOW = 1 << 0,
  QS_BLOCK_COPY_REUSE_EXT = 1 << 1,
  QS_BLOCK_COPY_TRANSIENT_JOB = 1 << 2,
  QS_BLOCK_COPY_SYNCHRONOUS_WRITES = 1 << 3,
  QS_BLOCK_COPY_CREATE_RAW = 1 << 16, /* ours */
} QsBlockCopyFlags;
#define QS_BLOCK_COPY_ALL (((1u << 4) - 1) | QS_BLOCK_COPY_CREATE_RAW)

typedef enum
{
  QS_BLOCK_JOB_ABORT_ASYNC = 1 << 0,
  QS_BLOCK_JOB_ABORT_PIVOT = 1 << 1,
} QsBlockJobAbortFlags;
#define QS_BLOCK_JOB_ABORT_ALL ((1u << 2) - 1)

typedef enum
{
  QS_BLOCK_JOB_SPEED_BANDWIDTH_BYTES = 1 << 0,
} QsBlockJobSpeedFlags;
#define QS_BLOCK_JOB_SPEED_ALL 1u

typedef enum
{
  QS_BLOCK_REBASE_SHALLOW = 1 << 0,
  QS_BLOCK_REBASE_REUSE_EXT = 1 << 1,
  QS_BLOCK_REBASE_COPY_RAW = 1 << 2,
  QS_BLOCK_REBASE_COPY = 1 << 3,
  QS_BLOCK_REBASE_RELATIVE = 1 << 4,
  QS_BLOCK_REBASE_COPY_DEV = 1 << 5,
  QS_BLOCK_REBASE_BANDWIDTH_BYTES = 1 << 6,
} QsBlockRebaseFlags;
#define QS_BLOCK_REBASE_ALL ((1u << 7) - 1)

typedef enum
{
  QS_BLOCK_PULL_BANDWIDTH_BYTES = 1 << 6,
} QsBlockPullFlags;
#define QS_BLOCK_PULL_ALL (1u << 6)

typedef enum
{
  QS_BLOCK_COMMIT_SHALLOW = 1 << 0,
  QS_BLOCK_COMMIT_DELETE = 1 << 1,
  QS_BLOCK_COMMIT_ACTIVE = 1 << 2,
  QS_BLOCK_COMMIT_RELATIVE = 1 << 3,
  QS_BLOCK_COMMIT_BANDWIDTH_BYTES = 1 << 4,
  QS_BLOCK_COMMIT_FORCE = 1 << 16, /* ours */
} QsBlockCommitFlags;
#define QS_BLOCK_COMMIT_ALL (((1u << 5) - 1) | QS_BLOCK_COMMIT_FORCE)

/**
 * QsFlagRule:
 *
 * If all bits of @when are set, none of @excludes may be and, where not 0, one of @needs must be.
 * The last row of a table has @when 0.
 */
typedef struct
{
  guint when;
  guint excludes;
  guint needs;
} QsFlagRule;

/**
 * QsFlagSet:
 *
 * One set of flags as a caller sees it: the names of its bits, for messages, and its rules.
 */
typedef struct
{
  const char *name;
  guint all;
  const char *const *bits; /* by bit number, NULL where there is none; QS_FLAG_BITS of them */
  const QsFlagRule *rules;
} QsFlagSet;

#define QS_FLAG_BITS 17

extern const QsFlagSet qs_create_flag_set;
extern const QsFlagSet qs_list_flag_set;
extern const QsFlagSet qs_delete_flag_set;
extern const QsFlagSet qs_revert_flag_set;
extern const QsFlagSet qs_xml_flag_set;
extern const QsFlagSet qs_undefine_flag_set;
extern const QsFlagSet qs_verify_flag_set;
extern const QsFlagSet qs_domains_flag_set;
extern const QsFlagSet qs_block_copy_flag_set;
extern const QsFlagSet qs_block_job_abort_flag_set;
extern const QsFlagSet qs_block_job_speed_flag_set;
extern const QsFlagSet qs_block_rebase_flag_set;
extern const QsFlagSet qs_block_pull_flag_set;
extern const QsFlagSet qs_block_commit_flag_set;

gboolean qs_flags_check (const QsFlagSet *set, guint flags, GError **error);
