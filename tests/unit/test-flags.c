/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-flags.h"

#include <string.h>

typedef struct
{
  const QsFlagSet *set;
  guint flags;
  const char *message; /* NULL: accepted */
} Case;

static const Case cases[] = {
  { &qs_create_flag_set, 0, NULL },
  { &qs_create_flag_set, 1 << 11, "unknown create flags 0x800" },
  { &qs_create_flag_set, 0xffffffff, "unknown create flags 0xfffff800" },
  { &qs_create_flag_set, QS_CREATE_REDEFINE, NULL },
  { &qs_create_flag_set, QS_CREATE_REDEFINE | QS_CREATE_CURRENT, NULL },
  { &qs_create_flag_set, QS_CREATE_BRANCH | QS_CREATE_CURRENT, NULL },
  { &qs_create_flag_set, QS_CREATE_CURRENT, "create flag CURRENT needs REDEFINE or BRANCH" },
  { &qs_create_flag_set, QS_CREATE_REDEFINE | QS_CREATE_NO_METADATA,
    "create flag REDEFINE excludes NO_METADATA" },
  { &qs_create_flag_set, QS_CREATE_REDEFINE | QS_CREATE_HALT,
    "create flag REDEFINE excludes HALT" },
  { &qs_create_flag_set, QS_CREATE_REDEFINE | QS_CREATE_LIVE,
    "create flag REDEFINE excludes LIVE" },
  { &qs_create_flag_set, QS_CREATE_REDEFINE | QS_CREATE_BRANCH,
    "create flag REDEFINE excludes BRANCH" },
  { &qs_create_flag_set, QS_CREATE_REDEFINE | QS_CREATE_QUIESCE | QS_CREATE_DISK_ONLY,
    "create flag REDEFINE excludes QUIESCE" },
  { &qs_create_flag_set, QS_CREATE_REDEFINE | QS_CREATE_ATOMIC | QS_CREATE_REUSE_EXT, NULL },
  { &qs_create_flag_set, QS_CREATE_QUIESCE, "create flag QUIESCE needs DISK_ONLY" },
  { &qs_create_flag_set, QS_CREATE_QUIESCE | QS_CREATE_DISK_ONLY, NULL },
  { &qs_create_flag_set, QS_CREATE_BRANCH | QS_CREATE_QUIESCE | QS_CREATE_DISK_ONLY,
    "create flag BRANCH excludes QUIESCE" },
  { &qs_create_flag_set, QS_CREATE_BRANCH | QS_CREATE_LIVE, "create flag BRANCH excludes LIVE" },
  { &qs_create_flag_set, QS_CREATE_BRANCH | QS_CREATE_NO_METADATA,
    "create flag BRANCH excludes NO_METADATA" },
  { &qs_create_flag_set, QS_CREATE_BRANCH | QS_CREATE_HALT,
    "create flag HALT with BRANCH needs CURRENT" },
  { &qs_create_flag_set, QS_CREATE_BRANCH | QS_CREATE_HALT | QS_CREATE_CURRENT, NULL },
  { &qs_create_flag_set, QS_CREATE_HALT | QS_CREATE_DISK_ONLY | QS_CREATE_VALIDATE, NULL },
  /* unknown bits come before exclusions, exclusions before needs */
  { &qs_create_flag_set, 1 << 20 | QS_CREATE_REDEFINE | QS_CREATE_LIVE,
    "unknown create flags 0x100000" },
  { &qs_create_flag_set, QS_CREATE_QUIESCE | QS_CREATE_BRANCH,
    "create flag BRANCH excludes QUIESCE" },

  { &qs_list_flag_set, QS_LIST_ALL, NULL },
  { &qs_list_flag_set, 1 << 12, "unknown list flags 0x1000" },

  { &qs_delete_flag_set, QS_DELETE_CHILDREN | QS_DELETE_METADATA_ONLY, NULL },
  { &qs_delete_flag_set, QS_DELETE_CHILDREN | QS_DELETE_CHILDREN_ONLY,
    "delete flag CHILDREN excludes CHILDREN_ONLY" },
  { &qs_delete_flag_set, QS_DELETE_REOPEN_MIRROR, NULL },
  { &qs_delete_flag_set, QS_DELETE_REOPEN_MIRROR | QS_DELETE_REMOVE_MIRROR,
    "delete flag REOPEN_MIRROR excludes REMOVE_MIRROR" },
  { &qs_delete_flag_set, QS_DELETE_REMOVE_MIRROR | QS_DELETE_METADATA_ONLY,
    "delete flag REMOVE_MIRROR excludes METADATA_ONLY" },
  { &qs_delete_flag_set, 32, "unknown delete flags 0x20" },

  { &qs_revert_flag_set, QS_REVERT_RUNNING | QS_REVERT_FORCE | QS_REVERT_DISCARD, NULL },
  { &qs_revert_flag_set, QS_REVERT_RUNNING | QS_REVERT_PAUSED,
    "revert flag RUNNING excludes PAUSED" },
  { &qs_revert_flag_set, QS_REVERT_DISCARD | QS_REVERT_COMMIT | QS_REVERT_TIP,
    "revert flag DISCARD excludes COMMIT, TIP" },
  { &qs_revert_flag_set, QS_REVERT_COMMIT | QS_REVERT_TIP, "revert flag COMMIT excludes TIP" },
  { &qs_revert_flag_set, QS_REVERT_RESET_NVRAM | QS_REVERT_TIP,
    "revert flag RESET_NVRAM excludes TIP" },
  { &qs_revert_flag_set, QS_REVERT_RESET_NVRAM | QS_REVERT_DISCARD, NULL },
  { &qs_revert_flag_set, 128, "unknown revert flags 0x80" },

  { &qs_xml_flag_set, QS_XML_SECURE, NULL },
  { &qs_xml_flag_set, 2, "unknown document flags 0x2" },

  { &qs_undefine_flag_set, QS_UNDEFINE_SNAPSHOTS_METADATA, NULL },
  { &qs_undefine_flag_set, QS_UNDEFINE_SNAPSHOTS_FULL, NULL },
  { &qs_undefine_flag_set, QS_UNDEFINE_ALL,
    "undefine flag SNAPSHOTS_METADATA excludes SNAPSHOTS_FULL" },
  /* libvirt's others */
  { &qs_undefine_flag_set, 1 | 4 | 64, "unknown undefine flags 0x45" },

  { &qs_domains_flag_set, QS_DOMAINS_ALL, NULL },
  { &qs_domains_flag_set, 64, "unknown domain list flags 0x40" },

  { &qs_block_copy_flag_set, QS_BLOCK_COPY_ALL & ~(guint)QS_BLOCK_COPY_SHALLOW, NULL },
  { &qs_block_copy_flag_set, 1 << 4, "unknown block copy flags 0x10" },
  { &qs_block_copy_flag_set, QS_BLOCK_COPY_CREATE_RAW | QS_BLOCK_COPY_SHALLOW,
    "block copy flag CREATE_RAW excludes SHALLOW" },

  { &qs_block_job_abort_flag_set, QS_BLOCK_JOB_ABORT_ASYNC | QS_BLOCK_JOB_ABORT_PIVOT, NULL },
  { &qs_block_job_abort_flag_set, 4, "unknown block job abort flags 0x4" },

  { &qs_block_job_speed_flag_set, QS_BLOCK_JOB_SPEED_BANDWIDTH_BYTES, NULL },
  { &qs_block_job_speed_flag_set, 2, "unknown block job speed flags 0x2" },

  { &qs_block_rebase_flag_set, QS_BLOCK_REBASE_ALL & ~(guint)QS_BLOCK_REBASE_RELATIVE, NULL },
  { &qs_block_rebase_flag_set, QS_BLOCK_REBASE_RELATIVE, NULL },
  { &qs_block_rebase_flag_set, 128, "unknown block rebase flags 0x80" },
  { &qs_block_rebase_flag_set, QS_BLOCK_REBASE_COPY | QS_BLOCK_REBASE_RELATIVE,
    "block rebase flag COPY excludes RELATIVE" },
  { &qs_block_rebase_flag_set, QS_BLOCK_REBASE_COPY_DEV, "block rebase flag COPY_DEV needs COPY" },

  { &qs_block_pull_flag_set, QS_BLOCK_PULL_BANDWIDTH_BYTES, NULL },
  { &qs_block_pull_flag_set, 1, "unknown block pull flags 0x1" },

  { &qs_block_commit_flag_set, QS_BLOCK_COMMIT_ALL, NULL },
  { &qs_block_commit_flag_set, 32, "unknown block commit flags 0x20" },
};

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      gboolean ok = qs_flags_check (cases[i].set, cases[i].flags, &error);

      if (cases[i].message == NULL)
        {
          g_assert_no_error (error);
          g_assert_true (ok);
          continue;
        }
      g_assert_false (ok);
      g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
      g_assert_cmpstr (error->message, ==, cases[i].message);
    }
}

/* each bit of a set has a name, and nothing else has one */
static void
test_names (void)
{
  const QsFlagSet *sets[] = {
    &qs_create_flag_set,          &qs_list_flag_set,         &qs_delete_flag_set,
    &qs_revert_flag_set,          &qs_xml_flag_set,          &qs_undefine_flag_set,
    &qs_domains_flag_set,         &qs_block_copy_flag_set,   &qs_block_job_abort_flag_set,
    &qs_block_job_speed_flag_set, &qs_block_rebase_flag_set, &qs_block_pull_flag_set,
    &qs_block_commit_flag_set
  };

  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    for (guint bit = 0; bit < QS_FLAG_BITS; bit++)
      g_assert_cmpint (sets[i]->bits[bit] != NULL, ==, (sets[i]->all & (1u << bit)) != 0);
  g_assert_cmpstr (qs_create_flag_set.bits[9], ==, "BRANCH");
  g_assert_cmpstr (qs_list_flag_set.bits[11], ==, "MIXED");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/flags/cases", test_cases);
  g_test_add_func ("/flags/names", test_names);
  return g_test_run ();
}
