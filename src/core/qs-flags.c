/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-flags.h"

#include "qs-error.h"

/* LIVE without external memory is no row here: what the memory is, the document says */
static const QsFlagRule create_rules[] = {
  { .when = QS_CREATE_REDEFINE,
    .excludes = QS_CREATE_NO_METADATA | QS_CREATE_HALT | QS_CREATE_LIVE | QS_CREATE_BRANCH
                | QS_CREATE_QUIESCE },
  { .when = QS_CREATE_BRANCH,
    .excludes = QS_CREATE_LIVE | QS_CREATE_QUIESCE | QS_CREATE_NO_METADATA },
  { .when = QS_CREATE_CURRENT, .needs = QS_CREATE_REDEFINE | QS_CREATE_BRANCH },
  { .when = QS_CREATE_QUIESCE, .needs = QS_CREATE_DISK_ONLY },
  { .when = QS_CREATE_BRANCH | QS_CREATE_HALT, .needs = QS_CREATE_CURRENT },
  { 0 },
};

static const QsFlagRule delete_rules[] = {
  { .when = QS_DELETE_CHILDREN, .excludes = QS_DELETE_CHILDREN_ONLY },
  { .when = QS_DELETE_REOPEN_MIRROR, .excludes = QS_DELETE_ALL & ~QS_DELETE_REOPEN_MIRROR },
  { .when = QS_DELETE_REMOVE_MIRROR, .excludes = QS_DELETE_ALL & ~QS_DELETE_REMOVE_MIRROR },
  { 0 },
};

static const QsFlagRule revert_rules[] = {
  { .when = QS_REVERT_RUNNING, .excludes = QS_REVERT_PAUSED },
  { .when = QS_REVERT_DISCARD, .excludes = QS_REVERT_COMMIT | QS_REVERT_TIP },
  { .when = QS_REVERT_COMMIT, .excludes = QS_REVERT_TIP },
  { .when = QS_REVERT_RESET_NVRAM, .excludes = QS_REVERT_COMMIT | QS_REVERT_TIP },
  { 0 },
};

static const QsFlagRule undefine_rules[] = {
  { .when = QS_UNDEFINE_SNAPSHOTS_METADATA, .excludes = QS_UNDEFINE_SNAPSHOTS_FULL },
  { 0 },
};

/* what is copied of a chain has to stand on the rest of it */
static const QsFlagRule block_copy_rules[] = {
  { .when = QS_BLOCK_COPY_CREATE_RAW, .excludes = QS_BLOCK_COPY_SHALLOW },
  { 0 },
};

/* a pull has no destination */
static const QsFlagRule block_rebase_rules[] = {
  { .when = QS_BLOCK_REBASE_COPY, .excludes = QS_BLOCK_REBASE_RELATIVE },
  { .when = QS_BLOCK_REBASE_SHALLOW, .needs = QS_BLOCK_REBASE_COPY },
  { .when = QS_BLOCK_REBASE_REUSE_EXT, .needs = QS_BLOCK_REBASE_COPY },
  { .when = QS_BLOCK_REBASE_COPY_RAW, .needs = QS_BLOCK_REBASE_COPY },
  { .when = QS_BLOCK_REBASE_COPY_DEV, .needs = QS_BLOCK_REBASE_COPY },
  { 0 },
};

static const QsFlagRule no_rules[] = { { 0 } };

static const char *const create_bits[QS_FLAG_BITS] = { "REDEFINE", "CURRENT",   "NO_METADATA",
                                                       "HALT",     "DISK_ONLY", "REUSE_EXT",
                                                       "QUIESCE",  "ATOMIC",    "LIVE",
                                                       "BRANCH",   "VALIDATE" };

/* of children lists bit 0 is DESCENDANTS; no rule names it */
static const char *const list_bits[QS_FLAG_BITS] = { "ROOTS",     "METADATA",    "LEAVES",
                                                     "NO_LEAVES", "NO_METADATA", "INACTIVE",
                                                     "ACTIVE",    "DISK_ONLY",   "INTERNAL",
                                                     "EXTERNAL",  "TOPOLOGICAL", "MIXED" };

static const char *const delete_bits[QS_FLAG_BITS] = { "CHILDREN", "METADATA_ONLY", "CHILDREN_ONLY",
                                                       "REOPEN_MIRROR", "REMOVE_MIRROR" };

static const char *const revert_bits[QS_FLAG_BITS] = { "RUNNING", "PAUSED", "FORCE", "RESET_NVRAM",
                                                       "DISCARD", "COMMIT", "TIP" };

static const char *const xml_bits[QS_FLAG_BITS] = { "SECURE" };

static const char *const undefine_bits[QS_FLAG_BITS] = {
  [1] = "SNAPSHOTS_METADATA",
  [16] = "SNAPSHOTS_FULL",
};

static const char *const verify_bits[QS_FLAG_BITS] = { "DATA" };

static const char *const domains_bits[QS_FLAG_BITS] = {
  "ACTIVE", "INACTIVE", "DEFINED", "ATTACHED", "WITH_SNAPSHOTS", "ALL_OWNERS"
};

static const char *const block_copy_bits[QS_FLAG_BITS] = {
  "SHALLOW", "REUSE_EXT", "TRANSIENT_JOB", "SYNCHRONOUS_WRITES", [16] = "CREATE_RAW",
};

static const char *const block_job_abort_bits[QS_FLAG_BITS] = { "ASYNC", "PIVOT" };

static const char *const block_job_speed_bits[QS_FLAG_BITS] = { "BANDWIDTH_BYTES" };

static const char *const block_rebase_bits[QS_FLAG_BITS] = {
  "SHALLOW", "REUSE_EXT", "COPY_RAW", "COPY", "RELATIVE", "COPY_DEV", "BANDWIDTH_BYTES",
};

static const char *const block_pull_bits[QS_FLAG_BITS] = { [6] = "BANDWIDTH_BYTES" };

static const char *const block_commit_bits[QS_FLAG_BITS] = {
  "SHALLOW", "DELETE", "ACTIVE", "RELATIVE", "BANDWIDTH_BYTES", [16] = "FORCE",
};

const QsFlagSet qs_create_flag_set = { "create", QS_CREATE_ALL, create_bits, create_rules };
const QsFlagSet qs_list_flag_set = { "list", QS_LIST_ALL, list_bits, no_rules };
const QsFlagSet qs_delete_flag_set = { "delete", QS_DELETE_ALL, delete_bits, delete_rules };
const QsFlagSet qs_revert_flag_set = { "revert", QS_REVERT_ALL, revert_bits, revert_rules };
const QsFlagSet qs_xml_flag_set = { "document", QS_XML_ALL, xml_bits, no_rules };
const QsFlagSet qs_verify_flag_set = { "verify", QS_VERIFY_ALL, verify_bits, no_rules };
const QsFlagSet qs_undefine_flag_set = { "undefine", QS_UNDEFINE_ALL, undefine_bits,
                                         undefine_rules };
const QsFlagSet qs_domains_flag_set = { "domain list", QS_DOMAINS_ALL, domains_bits, no_rules };
const QsFlagSet qs_block_copy_flag_set = { "block copy", QS_BLOCK_COPY_ALL, block_copy_bits,
                                           block_copy_rules };
const QsFlagSet qs_block_job_abort_flag_set = { "block job abort", QS_BLOCK_JOB_ABORT_ALL,
                                                block_job_abort_bits, no_rules };
const QsFlagSet qs_block_job_speed_flag_set = { "block job speed", QS_BLOCK_JOB_SPEED_ALL,
                                                block_job_speed_bits, no_rules };
const QsFlagSet qs_block_rebase_flag_set = { "block rebase", QS_BLOCK_REBASE_ALL, block_rebase_bits,
                                             block_rebase_rules };
const QsFlagSet qs_block_pull_flag_set = { "block pull", QS_BLOCK_PULL_ALL, block_pull_bits,
                                           no_rules };
const QsFlagSet qs_block_commit_flag_set = { "block commit", QS_BLOCK_COMMIT_ALL, block_commit_bits,
                                             no_rules };

static char *
join_names (const QsFlagSet *set, guint flags, const char *separator)
{
  GString *names = g_string_new (NULL);

  for (guint i = 0; i < QS_FLAG_BITS; i++)
    if ((flags & (1u << i)) != 0)
      g_string_append_printf (names, "%s%s", names->len > 0 ? separator : "", set->bits[i]);
  return g_string_free (names, FALSE);
}

static gboolean
check_exclusions (const QsFlagSet *set, guint flags, GError **error)
{
  for (const QsFlagRule *rule = set->rules; rule->when != 0; rule++)
    {
      g_autofree char *when = NULL;
      g_autofree char *excluded = NULL;

      if ((flags & rule->when) != rule->when || (flags & rule->excludes) == 0)
        continue;
      when = join_names (set, rule->when, " with ");
      excluded = join_names (set, flags & rule->excludes, ", ");
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "%s flag %s excludes %s", set->name,
                   when, excluded);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_needs (const QsFlagSet *set, guint flags, GError **error)
{
  for (const QsFlagRule *rule = set->rules; rule->when != 0; rule++)
    {
      g_autofree char *when = NULL;
      g_autofree char *needs = NULL;

      if ((flags & rule->when) != rule->when || rule->needs == 0 || (flags & rule->needs) != 0)
        continue;
      when = join_names (set, rule->when, " with ");
      needs = join_names (set, rule->needs, " or ");
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "%s flag %s needs %s", set->name,
                   when, needs);
      return FALSE;
    }
  return TRUE;
}

/**
 * qs_flags_check:
 *
 * Refuses unknown bits, then flags that exclude each other, then those without what they need.
 */
gboolean
qs_flags_check (const QsFlagSet *set, guint flags, GError **error)
{
  if ((flags & ~set->all) != 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "unknown %s flags 0x%x", set->name,
                   flags & ~set->all);
      return FALSE;
    }
  return check_exclusions (set, flags, error) && check_needs (set, flags, error);
}
