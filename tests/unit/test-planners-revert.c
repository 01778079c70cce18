/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-fixture.h"
#include "plan-golden.h"

#include "qs-align.h"
#include "qs-error.h"
#include "qs-xml.h"

#include <string.h>

/* every way of a revert: where memory is, what runs, and what becomes of the process */

#define TAG "s-" FIXTURE_SNAPSHOT
#define OTHER "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee"

typedef struct
{
  const char *name;
  gboolean on;
  gboolean attached;
  QsKind kind;
  QsMemorySave save;
  guint flags;
  gboolean elsewhere; /* another snapshot is current */
} Case;

static const Case cases[] = {
  { "revert-memory-in-disk-on", TRUE, FALSE, QS_KIND_INTERNAL, QS_SAVE_IN_DISK, 0, FALSE },
  { "revert-memory-in-disk-off", FALSE, FALSE, QS_KIND_INTERNAL, QS_SAVE_IN_DISK, 0, FALSE },
  { "revert-memory-in-file-on", TRUE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_IN_FILE, 0, FALSE },
  { "revert-memory-in-file-off", FALSE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_IN_FILE, QS_REVERT_PAUSED,
    FALSE },
  { "revert-memory-stream-on", TRUE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_STREAM, 0, FALSE },
  { "revert-memory-stream-off", FALSE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_STREAM, 0, FALSE },
  { "revert-memory-stream-tags", TRUE, FALSE, QS_KIND_INTERNAL, QS_SAVE_STREAM, QS_REVERT_PAUSED,
    FALSE },
  { "revert-left-on", TRUE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_NONE, QS_REVERT_RUNNING, TRUE },
  { "revert-left-off", FALSE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_NONE, 0, TRUE },
  { "revert-tip-off", FALSE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_NONE, QS_REVERT_TIP, TRUE },
  { "revert-tip-running", TRUE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_NONE,
    QS_REVERT_TIP | QS_REVERT_RUNNING, TRUE },
  { "revert-tip-there", TRUE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_NONE, QS_REVERT_TIP, FALSE },
  { "attached-revert-memory-in-disk", TRUE, TRUE, QS_KIND_INTERNAL, QS_SAVE_IN_DISK, 0, FALSE },
  { "attached-revert-tags", TRUE, TRUE, QS_KIND_INTERNAL, QS_SAVE_NONE, QS_REVERT_RUNNING, FALSE },
  { "attached-revert-tip-no-links", FALSE, TRUE, QS_KIND_EXTERNAL, QS_SAVE_NONE, QS_REVERT_TIP,
    TRUE },
  { "attached-revert-memory-off", FALSE, TRUE, QS_KIND_INTERNAL, QS_SAVE_IN_DISK, 0, FALSE },
};

static void
set_snapshot (QsDomain *domain, const Case *test)
{
  QsSnapshot *snapshot = qs_tree_lookup (domain->tree, FIXTURE_SNAPSHOT);

  if (test->save == QS_SAVE_NONE)
    return;
  snapshot->state = QS_STATE_RUNNING;
  snapshot->memory = test->save == QS_SAVE_STREAM ? QS_LOCATION_EXTERNAL : QS_LOCATION_INTERNAL;
}

static QsDomain *
make_domain (const Case *test)
{
  QsDomain *domain = test->on ? fixture_running_domain (2) : fixture_domain (2);
  g_autoptr (QsSnapshot) other = NULL;
  const QsSnapshot *snapshot;
  QsSnapshot values;

  domain = fixture_with_snapshot (domain, "s1", test->kind);
  if (test->attached)
    domain = fixture_attached (domain, TRUE);
  set_snapshot (domain, test);
  if (!test->elsewhere)
    return domain;

  snapshot = qs_tree_lookup (domain->tree, FIXTURE_SNAPSHOT);
  values = *snapshot;
  values.uuid = OTHER;
  values.name = "s2";
  other = qs_snapshot_new (&values);
  ((QsSnapshot *)snapshot)->has_tip = TRUE;
  domain->tree = qs_tree_put (domain->tree, other);
  domain->tree = qs_tree_set_current (domain->tree, OTHER);
  return domain;
}

static QsDiskFacts *
make_disk (const char *target, const char *path)
{
  QsDiskFacts *disk = g_new0 (QsDiskFacts, 1);
  QsImage *image = qs_image_new ();

  disk->target = g_strdup (target);
  disk->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  image->path = g_strdup (path);
  image->format = g_strdup ("qcow2");
  image->dev = 2049;
  image->ino = 900;
  image->btime = 5;
  image->mode = 0600;
  image->uid = 1000;
  image->n_links = 1;
  g_ptr_array_add (disk->chain, image);
  return disk;
}

static QsFile *
add_file (QsFacts *facts, const char *path, const char *role)
{
  QsFile *file = qs_file_new (path, "qcow2");

  file->role = g_strdup (role);
  file->dev = 2049;
  file->ino = 900;
  file->btime = 5;
  file->ours = TRUE;
  g_ptr_array_add (facts->files, file);
  return file;
}

static void
add_memory (QsFacts *facts, const char *path, const char *tag)
{
  QsSnapshotFile *row = g_new0 (QsSnapshotFile, 1);
  QsFile *file = add_file (facts, path, "memory");

  row->target = g_strdup (QS_MEMORY_TARGET);
  row->path = g_strdup (path);
  row->format = g_strdup (tag != NULL ? "qcow2" : "migrate");
  row->tag = g_strdup (tag);
  g_ptr_array_add (facts->snapshot_files, row);
  g_ptr_array_add (tag != NULL ? file->tag_of : file->state_of, g_strdup (FIXTURE_SNAPSHOT));
}

static void
add_side_car (QsFacts *facts)
{
  QsDiskFacts *disk = make_disk (QS_MEMORY_TARGET, "/images/vda.s1.vmstate");
  QsTag *tag = g_new0 (QsTag, 1);

  tag->id = g_strdup ("1");
  tag->name = g_strdup (TAG);
  tag->vm_state_size = 4096;
  g_ptr_array_add (((QsImage *)g_ptr_array_index (disk->chain, 0))->tags, tag);
  g_ptr_array_add (facts->snapshot_disks, disk);
  add_memory (facts, "/images/vda.s1.vmstate", TAG);
}

static void
add_stream (QsFacts *facts)
{
  QsTarget *target = qs_target_new ("/images/memory");

  target->type = QS_TARGET_REGULAR;
  target->dev = 2049;
  target->ino = 900;
  target->size = 4096;
  g_ptr_array_add (facts->targets, target);
  add_memory (facts, "/images/memory", NULL);
}

static void
add_state (QsFacts *facts)
{
  const QsDiskFacts *disk = g_ptr_array_index (facts->snapshot_disks, 0);
  const QsImage *image = g_ptr_array_index (disk->chain, 0);

  ((QsTag *)g_ptr_array_index (image->tags, 0))->vm_state_size = 4096;
}

static void
add_tips (QsFacts *facts)
{
  for (guint i = 0; i < 2; i++)
    {
      QsTip *tip = g_new0 (QsTip, 1);
      QsFile *file;

      tip->snapshot = g_strdup (FIXTURE_SNAPSHOT);
      tip->target = g_strdup_printf ("vd%c", 'a' + i);
      tip->path = g_strdup_printf ("/images/vd%c.tip", 'a' + i);
      g_ptr_array_add (facts->tips, tip);
      file = add_file (facts, tip->path, "disk");
      file->backing = g_strdup_printf ("/images/vd%c.qcow2", 'a' + i);
      g_ptr_array_add (file->tip_of, g_strdup (FIXTURE_SNAPSHOT));
      g_ptr_array_add (facts->tip_disks, make_disk (tip->target, tip->path));
    }
}

/* the current one is what the disks come from */
static void
come_from_other (QsFacts *facts)
{
  for (guint i = 0; i < facts->files->len; i++)
    {
      QsFile *file = g_ptr_array_index (facts->files, i);

      if (g_str_has_suffix (file->path, ".qcow2"))
        g_ptr_array_add (file->state_of, g_strdup (OTHER));
    }
}

static void
set_document (QsFacts *facts, const QsDomain *domain, const Case *test)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsSnapshotDef) def = qs_snapshot_def_parse_record (facts->snapshot_document, &error);
  g_autoptr (QsSnapshotDef) copy = NULL;

  g_assert_no_error (error);
  copy = qs_snapshot_def_copy (def);
  copy->memory = test->save == QS_SAVE_STREAM ? QS_LOCATION_EXTERNAL : QS_LOCATION_INTERNAL;
  if (test->save == QS_SAVE_IN_DISK)
    copy->memory_disk = g_strdup ("vda");
  if (test->save == QS_SAVE_STREAM)
    copy->memory_file = g_strdup ("/images/memory");
  g_free (facts->snapshot_document);
  facts->snapshot_document = qs_snapshot_def_format (copy, TRUE);
}

static void
set_facts (QsFacts *facts, const QsDomain *domain, const Case *test)
{
  if (test->save != QS_SAVE_NONE)
    set_document (facts, domain, test);
  if (test->save == QS_SAVE_IN_FILE)
    add_side_car (facts);
  else if (test->save == QS_SAVE_STREAM)
    add_stream (facts);
  else if (test->save == QS_SAVE_IN_DISK)
    add_state (facts);
  if (test->elsewhere)
    {
      add_tips (facts);
      come_from_other (facts);
    }
}

static QsPlan *
make_plan (const Case *test, void (*spoil) (QsFacts *facts), GError **error)
{
  g_autoptr (QsDomain) domain = make_domain (test);
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_REVERT, test->flags, FIXTURE_SNAPSHOT);
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, error);

  if (facts == NULL)
    return NULL;
  set_facts (facts, domain, test);
  if (spoil != NULL)
    spoil (facts);
  return qs_operation_get (request->verb)->plan (domain, request, facts, error);
}

static void
test_plan (gconstpointer data)
{
  const Case *test = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = make_plan (test, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (qs_plan_check (plan, &error));
  plan_golden_check (test->name, plan);
  fake_world_exercise (plan);
}

static void
make_linkable (QsFacts *facts)
{
  const GPtrArray *lists[] = { facts->disks, facts->tip_disks };

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    for (guint k = 0; k < lists[i]->len; k++)
      {
        const QsDiskFacts *disk = g_ptr_array_index (lists[i], k);

        ((QsImage *)g_ptr_array_index (disk->chain, 0))->linkable = TRUE;
      }
}

/* what waits takes over the name that a start script knows */
static void
test_tip_exchange (void)
{
  const Case test = { "attached-revert-tip", FALSE,         TRUE, QS_KIND_EXTERNAL,
                      QS_SAVE_NONE,          QS_REVERT_TIP, TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = make_plan (&test, make_linkable, &error);

  g_assert_no_error (error);
  g_assert_true (qs_plan_check (plan, &error));
  plan_golden_check (test.name, plan);
  fake_world_exercise (plan);
}

static void
lose_memory (QsFacts *facts)
{
  ((QsTarget *)g_ptr_array_index (facts->targets, facts->targets->len - 1))->type =
      QS_TARGET_ABSENT;
}

static void
change_memory (QsFacts *facts)
{
  ((QsTarget *)g_ptr_array_index (facts->targets, facts->targets->len - 1))->ino = 901;
}

static void
empty_side_car (QsFacts *facts)
{
  const QsDiskFacts *disk = qs_facts_find_snapshot_disk (facts, QS_MEMORY_TARGET);
  const QsImage *image = g_ptr_array_index (disk->chain, 0);

  ((QsTag *)g_ptr_array_index (image->tags, 0))->vm_state_size = 0;
}

static void
add_bitmap (QsFacts *facts)
{
  ((QsNode *)g_ptr_array_index (facts->nodes, 0))->bitmap = g_strdup ("backup");
}

static void
give_io_threads (QsFacts *facts)
{
  facts->has_io_threads = TRUE;
}

static const struct
{
  const char *name;
  guint row;
  void (*spoil) (QsFacts *facts);
  QsError code;
  const char *text;
} refusals[] = {
  { "missing", 4, lose_memory, QS_ERROR_IMAGE_FAILED, "‘/images/memory’ is missing" },
  { "altered", 4, change_memory, QS_ERROR_IMAGE_FAILED, "is not the file" },
  { "empty", 2, empty_side_car, QS_ERROR_IMAGE_FAILED, "does not hold the memory" },
  { "bitmap", 0, add_bitmap, QS_ERROR_OPERATION_INVALID, "dirty bitmap ‘backup’" },
};

static void
test_refused (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;

  g_assert_null (make_plan (&cases[refusals[i].row], refusals[i].spoil, &error));
  g_assert_error (error, QS_ERROR, (gint)refusals[i].code);
  if (strstr (error->message, refusals[i].text) == NULL)
    g_error ("the refusal says ‘%s’", error->message);
}

static void
add_other_tip (QsFacts *facts)
{
  QsTip *tip = g_new0 (QsTip, 1);

  tip->snapshot = g_strdup (FIXTURE_SNAPSHOT);
  tip->target = g_strdup ("vdz");
  tip->path = g_strdup ("/images/vdz.tip");
  g_ptr_array_add (facts->tips, tip);
}

static void
make_image_wait (QsFacts *facts)
{
  for (guint i = 0; i < facts->files->len; i++)
    g_clear_pointer (&((QsFile *)g_ptr_array_index (facts->files, i))->backing, g_free);
  g_ptr_array_add (((QsFile *)g_ptr_array_index (facts->files, 0))->tip_of, g_strdup (OTHER));
}

static void
lock_tip (QsFacts *facts)
{
  const QsDiskFacts *disk = g_ptr_array_index (facts->tip_disks, 0);

  ((QsImage *)g_ptr_array_index (disk->chain, 0))->in_use = TRUE;
}

static const Case to_external = {
  "external", FALSE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_NONE, 0, TRUE
};
static const Case to_image = { "image", FALSE, FALSE, QS_KIND_INTERNAL, QS_SAVE_NONE, 0, TRUE };

static const struct
{
  const char *name;
  const Case *test;
  void (*spoil) (QsFacts *facts);
  QsError code;
  const char *text;
} losses[] = {
  { "tip-of-another-disk", &to_external, add_other_tip, QS_ERROR_REVERT_RISKY,
    "‘/images/vdz.tip’" },
  { "image-that-waits", &to_image, make_image_wait, QS_ERROR_REVERT_RISKY, "snapshot ‘s2’" },
  { "tip-in-use", &to_external, lock_tip, QS_ERROR_OPERATION_INVALID, "in use" },
};

/* what would be lost with it */
static void
test_loss (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;

  g_assert_null (make_plan (losses[i].test, losses[i].spoil, &error));
  if (!g_error_matches (error, QS_ERROR, (gint)losses[i].code)
      || strstr (error->message, losses[i].text) == NULL)
    g_error ("the refusal says ‘%s’", error->message);
}

/* a record that was written again has made one current that has kept later changes before */
static void
test_two_lines (void)
{
  g_autoptr (QsDomain) domain = make_domain (&to_external);
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_SNAPSHOT_REVERT, 0, FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);

  g_assert_no_error (error);
  qs_tree_get_current (domain->tree)->has_tip = TRUE;
  set_facts (facts, domain, &to_external);
  g_assert_null (qs_operation_get (request->verb)->plan (domain, request, facts, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY);
  g_assert_nonnull (strstr (error->message, "‘s2’ is current, and has kept"));
}

/* another domain was defined on what would be dropped */
static void
test_used_elsewhere (void)
{
  g_autoptr (QsDomain) domain = make_domain (&to_external);
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_SNAPSHOT_REVERT, 0, FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  set_facts (facts, domain, &to_external);
  g_hash_table_insert (facts->used_elsewhere, g_strdup ("/images/vda.tip"), g_strdup ("other"));
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  text = qs_plan_describe (plan);
  g_assert_null (strstr (text, "file-unlink /images/vda.tip"));
  g_assert_nonnull (strstr (text, "file-unlink /images/vdb.tip"));
}

/* what QEMU cannot do in place is done in a new process, and the caller is told why */
static void
test_reason (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = make_plan (&cases[2], give_io_threads, &error);
  const char *reason = NULL;
  gboolean in_place = TRUE;

  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (plan->result, "in-place", "b", &in_place));
  g_assert_false (in_place);
  g_assert_true (g_variant_lookup (plan->result, "reason", "&s", &reason));
  g_assert_nonnull (strstr (reason, "I/O threads"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  qs_xml_init ();
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-revert/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_plan);
    }
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-revert/refused-", refusals[i].name, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_refused);
    }
  g_test_add_func ("/planners-revert/tip-exchange", test_tip_exchange);
  for (guint i = 0; i < G_N_ELEMENTS (losses); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-revert/loss-", losses[i].name, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_loss);
    }
  g_test_add_func ("/planners-revert/two-lines", test_two_lines);
  g_test_add_func ("/planners-revert/used-elsewhere", test_used_elsewhere);
  g_test_add_func ("/planners-revert/reason", test_reason);
  return g_test_run ();
}
