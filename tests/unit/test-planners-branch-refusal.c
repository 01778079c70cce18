/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "branch-fixture.h"
#include "qs-error.h"

#include <string.h>

/* branches that are refused, and why */

/* what is wrong with the world */
typedef enum
{
  SOUND,
  INTERNAL,
  MIXED,
  UNVERIFIED,
  REPLACED, /* another file has the name of the state file */
  REPLACED_BELOW,
  WRITTEN, /* the state file is active */
  DIRTY,
  MISSING,
  ELSEWHERE, /* another domain names the state file */
  IN_USE,    /* somebody else has it open */
  JOB,
  GONE,     /* the domain has one of the disks no more */
  HALF,     /* the snapshot has one disk only */
  NONE,     /* … or none */
  TAKEN,    /* there is a file at the name of an overlay */
  BASELESS, /* a lent overlay stands on something else */
  LONG_CHAIN,
} Trouble;

typedef struct
{
  const char *name;
  BranchDomain kind;
  BranchMemory memory;
  const char *xml;
  guint flags;
  Trouble trouble;
  QsError code;
  const char *text;
} Refusal;

#define UNKNOWN "<domainsnapshot><branch>s0</branch></domainsnapshot>"
#define MIRRORED DISKS ("<disk name='vda' snapshot='external'><mirror file='/mirror/a'/></disk>")
#define OTHER_MEMORY BRANCH ("<memory snapshot='external' file='/memory/other'/>")
#define NO_MEMORY BRANCH ("<memory snapshot='no'/>")
#define WITH_SOURCE DISKS ("<disk name='vda'><source file='/elsewhere/a'/></disk>")

static const Refusal refusals[] = {
  { "unknown", OFF, DISKS_ONLY, UNKNOWN, 0, SOUND, QS_ERROR_NO_SNAPSHOT, "‘s0’" },
  { "no element", OFF, DISKS_ONLY, "<domainsnapshot/>", 0, SOUND, QS_ERROR_XML_INVALID,
    "<branch>" },
  { "internal", OFF, DISKS_ONLY, BRANCH (""), 0, INTERNAL, QS_ERROR_OPERATION_UNSUPPORTED,
    "‘s1’ is internal" },
  { "mixed", OFF, DISKS_ONLY, BRANCH (""), 0, MIXED, QS_ERROR_OPERATION_UNSUPPORTED, "mixed" },
  { "unverified", OFF, DISKS_ONLY, BRANCH (""), 0, UNVERIFIED, QS_ERROR_IMAGE_FAILED, "‘s1’" },
  { "name taken", OFF, DISKS_ONLY,
    "<domainsnapshot><name>s1</name><branch>s1</branch></domainsnapshot>", 0, SOUND,
    QS_ERROR_SNAPSHOT_EXISTS, "‘s1’" },
  { "bad name", OFF, DISKS_ONLY,
    "<domainsnapshot><name>a/b</name><branch>s1</branch></domainsnapshot>", 0, SOUND,
    QS_ERROR_INVALID_ARGUMENT, "a/b" },
  { "live", RUNNING, STREAM, BRANCH (""), QS_CREATE_LIVE, SOUND, QS_ERROR_INVALID_ARGUMENT,
    "LIVE" },
  { "halt", OFF, DISKS_ONLY, BRANCH (""), QS_CREATE_HALT, SOUND, QS_ERROR_INVALID_ARGUMENT,
    "CURRENT" },
  { "disk-only of memory", OFF, STREAM, BRANCH (""), QS_CREATE_DISK_ONLY, SOUND,
    QS_ERROR_INVALID_ARGUMENT, "DISK_ONLY" },
  { "other memory", OFF, STREAM, OTHER_MEMORY, 0, SOUND, QS_ERROR_INVALID_ARGUMENT,
    "‘" MEMORY "’" },
  { "no memory", OFF, STREAM, NO_MEMORY, 0, SOUND, QS_ERROR_INVALID_ARGUMENT, "‘external’" },
  { "memory of none", RUNNING, DISKS_ONLY, OTHER_MEMORY, 0, SOUND, QS_ERROR_INVALID_ARGUMENT,
    "‘no’" },
  { "memory in a disk", RUNNING, DISKS_ONLY, BRANCH ("<memory disk='vda'/>"), 0, SOUND,
    QS_ERROR_INVALID_ARGUMENT, "<memory>" },
  { "mirror", RUNNING, DISKS_ONLY, MIRRORED, 0, SOUND, QS_ERROR_INVALID_ARGUMENT, "<mirror>" },
  { "internal disk", OFF, DISKS_ONLY, DISKS ("<disk name='vdb' snapshot='internal'/>"), 0, SOUND,
    QS_ERROR_CONFIG_UNSUPPORTED, "disk ‘vdb’" },
  { "disk left out", OFF, DISKS_ONLY, DISKS ("<disk name='vdb' snapshot='no'/>"), 0, SOUND,
    QS_ERROR_CONFIG_UNSUPPORTED, "disk ‘vdb’: it is part of" },
  { "disk by hand", OFF, DISKS_ONLY, DISKS ("<disk name='vdb' snapshot='manual'/>"), 0, SOUND,
    QS_ERROR_CONFIG_UNSUPPORTED, "disk ‘vdb’: it is part of" },
  { "disk too many", OFF, DISKS_ONLY, DISKS ("<disk name='vdb' snapshot='external'/>"), 0, HALF,
    QS_ERROR_CONFIG_UNSUPPORTED, "disk ‘vdb’: it is no part of" },
  { "no disk", OFF, STREAM, BRANCH (""), 0, NONE, QS_ERROR_CONFIG_UNSUPPORTED, "has no disks" },
  { "disk gone", OFF, DISKS_ONLY, BRANCH (""), 0, GONE, QS_ERROR_CONFIG_UNSUPPORTED,
    "has it no more" },
  { "unknown disk", OFF, DISKS_ONLY, DISKS ("<disk name='vdz'/>"), 0, SOUND,
    QS_ERROR_CONFIG_UNSUPPORTED, "‘vdz’" },
  { "replaced", OFF, DISKS_ONLY, BRANCH (""), 0, REPLACED, QS_ERROR_IMAGE_FAILED,
    "is not the file that the snapshot was taken with" },
  { "replaced below", OFF, DISKS_ONLY, BRANCH (""), 0, REPLACED_BELOW, QS_ERROR_IMAGE_FAILED,
    "/images/below" },
  { "written", RUNNING, DISKS_ONLY, BRANCH (""), 0, WRITTEN, QS_ERROR_IMAGE_FAILED,
    "what the guest writes to" },
  { "dirty", RUNNING, DISKS_ONLY, BRANCH (""), 0, DIRTY, QS_ERROR_IMAGE_FAILED, "dirty" },
  { "missing", RUNNING, DISKS_ONLY, BRANCH (""), 0, MISSING, QS_ERROR_IMAGE_FAILED, "is gone" },
  { "elsewhere", OFF, DISKS_ONLY, BRANCH (""), 0, ELSEWHERE, QS_ERROR_CONFIG_UNSUPPORTED,
    "domain ‘web’" },
  { "in use", OFF, DISKS_ONLY, BRANCH (""), 0, IN_USE, QS_ERROR_OPERATION_INVALID, "in use" },
  { "block job", RUNNING, DISKS_ONLY, BRANCH (""), 0, JOB, QS_ERROR_DOMAIN_BUSY, "commit-1" },
  { "taken", OFF, DISKS_ONLY, BRANCH (""), 0, TAKEN, QS_ERROR_CONFIG_UNSUPPORTED,
    "‘/images/vda.b1’ exists already" },
  { "nothing to reuse", OFF, DISKS_ONLY, BRANCH (""), QS_CREATE_REUSE_EXT, BASELESS,
    QS_ERROR_IMAGE_FAILED, "than the one it is to stand on" },
  { "long chain", OFF, DISKS_ONLY, BRANCH (""), 0, LONG_CHAIN, QS_ERROR_LIMIT_EXCEEDED, "200" },
  { "stable path source", ATTACHED, DISKS_ONLY, WITH_SOURCE, 0, SOUND, QS_ERROR_CONFIG_UNSUPPORTED,
    "stable-path" },
  { "stable path reuse", ATTACHED, DISKS_ONLY, BRANCH (""), QS_CREATE_REUSE_EXT, SOUND,
    QS_ERROR_CONFIG_UNSUPPORTED, "stable-path" },
  { "attached no-backing", FREE, DISKS_ONLY, DISKS ("<disk name='vda' mode='no-backing-file'/>"), 0,
    SOUND, QS_ERROR_CONFIG_UNSUPPORTED, "no-backing-file" },
};

static void
trouble_domain (QsDomain *domain, Trouble trouble)
{
  QsSnapshot *point = qs_tree_lookup (domain->tree, FIXTURE_SNAPSHOT);

  point->kind = trouble == INTERNAL ? QS_KIND_INTERNAL
                : trouble == MIXED  ? QS_KIND_MIXED
                                    : QS_KIND_EXTERNAL;
  point->unverified = trouble == UNVERIFIED;
}

static void
add_link (QsDiskFacts *disk, const char *path, guint64 ino)
{
  QsImage *image = qs_image_new ();

  image->path = g_strdup (path);
  image->format = g_strdup ("qcow2");
  image->ino = ino;
  g_ptr_array_add (disk->chain, image);
}

static void
replace_below (QsFacts *facts, QsDiskFacts *disk)
{
  QsFile *below = qs_file_new ("/images/below", "qcow2");

  below->ino = 70;
  g_ptr_array_add (below->state_of, g_strdup ("somebody"));
  g_ptr_array_add (facts->files, below);
  add_link (disk, below->path, 71);
}

static void
trouble_chain (QsFacts *facts, QsDiskFacts *disk, Trouble trouble)
{
  QsImage *state = g_ptr_array_index (disk->chain, 0);

  state->ino += trouble == REPLACED;
  state->dirty = trouble == DIRTY;
  state->in_use = trouble == IN_USE;
  if (trouble == REPLACED_BELOW)
    replace_below (facts, disk);
  if (trouble == MISSING)
    disk->error = g_error_new (QS_ERROR, QS_ERROR_IMAGE_FAILED, "it is gone");
  for (guint i = 0; trouble == LONG_CHAIN && i < 199; i++)
    add_link (disk, "/images/deep", 1000 + i);
}

static void
trouble_facts (QsFacts *facts, Trouble trouble)
{
  static const char *const jobs[] = { "commit-1", NULL };
  const QsSnapshotFile *row = g_ptr_array_index (facts->snapshot_files, 0);
  QsFile *file = (QsFile *)qs_facts_find_file (facts, row->path);

  trouble_chain (facts, g_ptr_array_index (facts->snapshot_disks, 0), trouble);
  if (trouble == WRITTEN)
    file->active_of = g_strdup ("vda");
  if (trouble == ELSEWHERE)
    g_hash_table_insert (facts->used_elsewhere, g_strdup (row->path), g_strdup ("web"));
  if (trouble == JOB)
    facts->block_jobs = g_strdupv ((char **)jobs);
  if (trouble == GONE)
    branch_fixture_add_row (facts, "vdc", "/images/vdc.qcow2", NULL);
  if (trouble == HALF || trouble == NONE)
    g_ptr_array_remove_index (facts->snapshot_files, 1);
  if (trouble == NONE)
    g_ptr_array_remove_index (facts->snapshot_files, 0);
  if (trouble == TAKEN)
    ((QsTarget *)qs_facts_find_target (facts, "/images/vda.b1"))->type = QS_TARGET_REGULAR;
  if (trouble != BASELESS)
    return;
  branch_fixture_lend (facts);
  ((QsImage *)g_ptr_array_index (((QsDiskFacts *)g_ptr_array_index (facts->reused, 0))->chain, 1))
      ->ino++;
}

static void
test_refusal (gconstpointer data)
{
  const Refusal *test = data;
  g_autoptr (QsDomain) domain = branch_fixture_domain (test->kind, test->memory);
  g_autoptr (QsRequest) request = fixture_create (test->xml, test->flags | QS_CREATE_BRANCH);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = NULL;
  g_autoptr (QsPlan) made = NULL;

  trouble_domain (domain, test->trouble);
  facts = branch_fixture_facts (domain, request, test->memory, &error);
  if (facts != NULL && facts->snapshot_disks->len > 0)
    trouble_facts (facts, test->trouble);
  if (facts != NULL)
    made = branch_fixture_plan (domain, request, facts, &error);
  g_assert_null (made);
  g_assert_error (error, QS_ERROR, (int)test->code);
  if (strstr (error->message, test->text) == NULL)
    g_error ("‘%s’ is not said by: %s", test->text, error->message);
}

/* what others write beside it is no trouble while the guest runs: it has the state file open, too */
static void
test_shared (void)
{
  g_autoptr (QsDomain) domain = branch_fixture_domain (RUNNING, DISKS_ONLY);
  g_autoptr (QsRequest) request = fixture_create (BRANCH (""), QS_CREATE_BRANCH);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = branch_fixture_facts (domain, request, DISKS_ONLY, &error);
  g_autoptr (QsPlan) made = NULL;

  g_assert_no_error (error);
  trouble_facts (facts, IN_USE);
  made = branch_fixture_plan (domain, request, facts, &error);
  g_assert_no_error (error);
  g_assert_nonnull (made);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-branch-refusal/", refusals[i].name, NULL);

      g_test_add_data_func (path, &refusals[i], test_refusal);
    }
  g_test_add_func ("/planners-branch-refusal/shared", test_shared);
  return g_test_run ();
}
