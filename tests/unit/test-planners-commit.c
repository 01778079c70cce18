/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "commit-fixture.h"
#include "fake-world.h"
#include "plan-golden.h"
#include "qs-error.h"
#include "qs-flags.h"

#include <string.h>

/* reverts with COMMIT: s1, s2 … of all disks, each current in turn, and what has been done since */

static void
check_golden (CommitWorld *world, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = commit_world_plan (world, &error);

  g_assert_no_error (error);
  plan_golden_check (name, plan);
  fake_world_exercise (plan);
}

static void
test_on (void)
{
  g_auto (CommitWorld) world = { 0 };

  commit_world_open (&world, fixture_running_domain (1), 1, 1, 0);
  check_golden (&world, "commit-on");
}

/* the first one of all goes, and what is between */
static void
test_deep (void)
{
  g_auto (CommitWorld) on = { 0 };
  g_auto (CommitWorld) off = { 0 };

  commit_world_open (&on, fixture_running_domain (2), 3, 2, 0);
  check_golden (&on, "commit-on-deep");
  commit_world_open (&off, fixture_domain (2), 3, 1, 0);
  check_golden (&off, "commit-off-deep");
}

static void
test_run_state (void)
{
  g_auto (CommitWorld) boots = { 0 };
  g_auto (CommitWorld) goes_on = { 0 };
  g_auto (CommitWorld) stops = { 0 };

  commit_world_open (&boots, fixture_domain (1), 1, 1, QS_REVERT_RUNNING);
  check_golden (&boots, "commit-off-running");
  commit_world_open (&goes_on, fixture_running_domain (1), 1, 1, QS_REVERT_RUNNING);
  goes_on.facts->state = QS_DOMAIN_PAUSED;
  check_golden (&goes_on, "commit-paused-running");
  commit_world_open (&stops, fixture_running_domain (1), 1, 1, QS_REVERT_PAUSED);
  check_golden (&stops, "commit-on-paused");
}

/* without stable-path; the service has taken the write bits off */
static void
test_attached (void)
{
  g_auto (CommitWorld) world = { 0 };

  commit_world_open (&world, fixture_attached (fixture_running_domain (1), FALSE), 1, 1, 0);
  commit_image (&world, 0)->mode = 0400;
  commit_image (&world, 0)->writable = FALSE;
  commit_file (&world, 0)->mode = 0600;
  world.facts->open_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  for (guint layer = 0; layer < 2; layer++)
    g_ptr_array_add (world.facts->open_files,
                     qs_open_file_new (commit_image (&world, layer)->path, 2049,
                                       commit_image (&world, layer)->ino, layer == 1));
  check_golden (&world, "commit-attached");
}

static void
add_extra (CommitWorld *world, const char *path, const char *role, gboolean ours, const char *other)
{
  QsFile *file = g_new0 (QsFile, 1);

  file->path = g_strdup (path);
  file->format = g_strdup ("raw");
  file->role = g_strdup (role);
  file->ino = 77;
  file->ours = ours;
  file->state_of = g_ptr_array_new_with_free_func (g_free);
  file->tags = g_ptr_array_new_with_free_func (g_free);
  file->tag_of = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (file->state_of, commit_uuid (1));
  if (other != NULL)
    g_ptr_array_add (file->state_of, g_strdup (other));
  g_ptr_array_add (world->facts->files, file);
}

/* memory and firmware variables go along unless a branch or somebody else has them, too */
static void
test_extras (void)
{
  g_auto (CommitWorld) world = { 0 };

  commit_world_open (&world, fixture_domain (1), 2, 1, 0);
  add_extra (&world, "/memory/own", "memory", TRUE, NULL);
  add_extra (&world, "/memory/shared", "memory", TRUE, FIXTURE_SNAPSHOT);
  add_extra (&world, "/memory/lent", "memory", FALSE, NULL);
  add_extra (&world, "/images/demo_VARS.s1", "nvram", TRUE, NULL);
  g_free (commit_file (&world, 1)->role);
  commit_file (&world, 1)->role = g_strdup ("disk");
  commit_file (&world, 2)->ours = FALSE;
  check_golden (&world, "commit-extras");
}

typedef struct
{
  const char *name;
  gboolean on;
  void (*change) (CommitWorld *world);
  gint code;
  const char *text;
} Refusal;

/* nobody's, or another snapshot's */
static QsFile *
stand_on_it (CommitWorld *world)
{
  QsFile *file;

  commit_add_file (world, "vdz", 1);
  file = g_ptr_array_index (world->facts->files, world->facts->files->len - 1);
  g_ptr_array_set_size (file->state_of, 0);
  g_free (file->backing);
  file->backing = commit_path ("vda", 1);
  return file;
}

static void
in_nothing (CommitWorld *world)
{
  stand_on_it (world);
}

static void
in_tip (CommitWorld *world)
{
  QsFile *file = stand_on_it (world);

  file->tip_of = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (file->tip_of, commit_uuid (2));
}

static void
in_branch (CommitWorld *world)
{
  g_ptr_array_add (stand_on_it (world)->state_of, g_strdup (FIXTURE_SNAPSHOT));
}

static void
in_other_state (CommitWorld *world)
{
  g_ptr_array_add (commit_file (world, 0)->state_of, g_strdup (FIXTURE_SNAPSHOT));
}

static void
in_other_tag (CommitWorld *world)
{
  g_ptr_array_add (commit_file (world, 1)->tag_of, g_strdup (FIXTURE_SNAPSHOT));
}

static void
internal (CommitWorld *world)
{
  g_ptr_array_add (commit_file (world, 1)->tag_of, commit_uuid (2));
}

static void
in_other_domain (CommitWorld *world)
{
  g_ptr_array_add (world->facts->foreign_images, commit_path ("vda", 0));
}

static void
not_below (CommitWorld *world)
{
  QsFile *file = commit_file (world, 0);

  g_ptr_array_set_size (file->state_of, 0);
  commit_add_file (world, "vdz", 0);
}

static void
not_current (CommitWorld *world)
{
  QsDomain *domain = qs_domain_copy (world->domain);

  qs_tree_unref (domain->tree);
  domain->tree = qs_tree_set_current (world->domain->tree, "");
  qs_domain_unref (world->domain);
  world->domain = domain;
}

static void
between_unverified (CommitWorld *world)
{
  g_autofree char *uuid = commit_uuid (2);

  qs_tree_lookup (world->domain->tree, uuid)->unverified = TRUE;
}

static void
replaced (CommitWorld *world)
{
  commit_image (world, 0)->btime++;
}

static void
read_only (CommitWorld *world)
{
  commit_image (world, 0)->writable = FALSE;
}

static void
with_unknown_tag (CommitWorld *world)
{
  QsTag *tag = g_new0 (QsTag, 1);

  g_ptr_array_add (commit_image (world, 1)->tags, tag);
}

static void
smaller (CommitWorld *world)
{
  commit_image (world, 1)->virtual_size = COMMIT_SIZE / 2;
}

static void
grown_device (CommitWorld *world)
{
  QsImage *base = commit_image (world, 0);

  base->rdev = 7;
  commit_file (world, 0)->ino = 7;
  commit_file (world, 0)->dev = 0;
  for (guint layer = 1; layer <= world->n_snapshots; layer++)
    commit_image (world, layer)->virtual_size = 2 * COMMIT_SIZE;
}

static void
no_room (CommitWorld *world)
{
  ((QsTarget *)qs_facts_find_target (world->facts, commit_image (world, 0)->path))->free_bytes =
      1024;
}

static void
two_names (CommitWorld *world)
{
  commit_image (world, 0)->n_links = 2;
}

static void
dirty (CommitWorld *world)
{
  commit_image (world, 1)->dirty = TRUE;
}

static void
used_by_another (CommitWorld *world)
{
  commit_image (world, 1)->in_use = TRUE;
}

static void
with_block_job (CommitWorld *world)
{
  world->facts->block_jobs = g_strsplit ("backup", " ", -1);
}

static void
with_bitmap (CommitWorld *world)
{
  ((QsNode *)qs_facts_find_node (world->facts, "vda"))->bitmap = g_strdup ("b0");
}

static void
other_chain (CommitWorld *world)
{
  QsNode *node = (QsNode *)qs_facts_find_node (world->facts, "vda");

  g_clear_pointer (&node->below[1], g_free);
}

static void
old_qemu (CommitWorld *world)
{
  g_strfreev (world->facts->commands);
  world->facts->commands = g_strsplit ("stop cont", " ", -1);
}

static const Refusal refusals[] = {
  { "branch", TRUE, in_branch, QS_ERROR_OPERATION_INVALID, "’ needs ‘/images/vda.s1’" },
  { "tip", TRUE, in_tip, QS_ERROR_OPERATION_INVALID, "the tip of snapshot ‘s2’ needs" },
  { "nothing", TRUE, in_nothing, QS_ERROR_OPERATION_INVALID,
    "‘/images/vdz.s1’, which stands on it" },
  { "other-state", FALSE, in_other_state, QS_ERROR_OPERATION_INVALID, FIXTURE_SNAPSHOT },
  { "other-tag", FALSE, in_other_tag, QS_ERROR_OPERATION_INVALID, FIXTURE_SNAPSHOT },
  { "internal", FALSE, internal, QS_ERROR_OPERATION_INVALID, "internal" },
  { "other-domain", TRUE, in_other_domain, QS_ERROR_OPERATION_INVALID, "another domain" },
  { "not-below", FALSE, not_below, QS_ERROR_OPERATION_INVALID, "/images/vdz.qcow2" },
  { "not-current", FALSE, not_current, QS_ERROR_OPERATION_INVALID, "neither the current one" },
  { "unverified", FALSE, between_unverified, QS_ERROR_OPERATION_INVALID, "‘s2’ is unverified" },
  { "replaced", FALSE, replaced, QS_ERROR_IMAGE_FAILED, "not the file that is recorded" },
  { "read-only", TRUE, read_only, QS_ERROR_OPERATION_INVALID, "cannot be written" },
  { "unknown-tag", TRUE, with_unknown_tag, QS_ERROR_OPERATION_INVALID, "internal snapshots" },
  { "smaller", TRUE, smaller, QS_ERROR_OPERATION_INVALID, "smaller" },
  { "grown-device", TRUE, grown_device, QS_ERROR_OPERATION_INVALID, "block device" },
  { "no-room", TRUE, no_room, QS_ERROR_NO_SPACE, "1024 are free" },
  { "two-names", TRUE, two_names, QS_ERROR_OPERATION_INVALID, "other names" },
  { "dirty", FALSE, dirty, QS_ERROR_IMAGE_FAILED, "dirty" },
  { "in-use", FALSE, used_by_another, QS_ERROR_OPERATION_INVALID, "another program" },
  { "block-job", TRUE, with_block_job, QS_ERROR_DOMAIN_BUSY, "‘backup’" },
  { "bitmap", TRUE, with_bitmap, QS_ERROR_OPERATION_INVALID, "‘b0’" },
  { "other-chain", TRUE, other_chain, QS_ERROR_OPERATION_INVALID, "shut the guest down" },
  { "old-qemu", TRUE, old_qemu, QS_ERROR_OPERATION_UNSUPPORTED, "too old" },
};

static void
test_refused (gconstpointer data)
{
  const Refusal *refusal = data;
  g_auto (CommitWorld) world = { 0 };
  g_autoptr (GError) error = NULL;

  commit_world_open (&world, refusal->on ? fixture_running_domain (1) : fixture_domain (1), 2, 1,
                     0);
  refusal->change (&world);
  g_assert_null (commit_world_plan (&world, &error));
  g_assert_error (error, QS_ERROR, refusal->code);
  g_assert_nonnull (strstr (error->message, refusal->text));
}

/* what is refused before anything is looked at, and what an owner's script would not find again */
static void
test_refused_attached (void)
{
  g_auto (CommitWorld) world = { 0 };
  g_autoptr (QsDomain) off = fixture_attached (commit_domain (fixture_domain (1), 1), TRUE);
  g_autofree char *uuid = commit_uuid (1);
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_REVERT, QS_REVERT_COMMIT | QS_REVERT_RUNNING, uuid);
  g_autoptr (GError) early = NULL;
  g_autoptr (GError) late = NULL;
  QsDiskDef *disk;

  g_assert_null (fixture_facts (off, request, &early));
  g_assert_error (early, QS_ERROR, QS_ERROR_OPERATION_INVALID);
  commit_world_open (&world, fixture_attached (fixture_running_domain (1), TRUE), 1, 1, 0);
  disk = g_ptr_array_index (world.domain->def->disks, 0);
  g_free (disk->source);
  disk->source = commit_path ("vda", 1);
  g_assert_null (commit_world_plan (&world, &late));
  g_assert_error (late, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/planners-commit/on", test_on);
  g_test_add_func ("/planners-commit/deep", test_deep);
  g_test_add_func ("/planners-commit/run-state", test_run_state);
  g_test_add_func ("/planners-commit/attached", test_attached);
  g_test_add_func ("/planners-commit/extras", test_extras);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autofree char *name = g_strconcat ("/planners-commit/refused/", refusals[i].name, NULL);

      g_test_add_data_func (name, &refusals[i], test_refused);
    }
  g_test_add_func ("/planners-commit/refused/attached", test_refused_attached);
  return g_test_run ();
}
