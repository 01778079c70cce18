/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "revert-fixture.h"

#define TAG "s-" FIXTURE_SNAPSHOT

static void
set_snapshot (QsDomain *domain, const RevertCase *test)
{
  QsSnapshot *snapshot = qs_tree_lookup (domain->tree, FIXTURE_SNAPSHOT);

  if (test->save == QS_SAVE_NONE)
    return;
  snapshot->state = QS_STATE_RUNNING;
  snapshot->memory = test->save == QS_SAVE_STREAM ? QS_LOCATION_EXTERNAL : QS_LOCATION_INTERNAL;
}

QsDomain *
revert_domain (const RevertCase *test)
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
  values.uuid = REVERT_OTHER;
  values.name = "s2";
  other = qs_snapshot_new (&values);
  ((QsSnapshot *)snapshot)->has_tip = TRUE;
  domain->tree = qs_tree_put (domain->tree, other);
  domain->tree = qs_tree_set_current (domain->tree, REVERT_OTHER);
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
        g_ptr_array_add (file->state_of, g_strdup (REVERT_OTHER));
    }
}

static void
set_document (QsFacts *facts, const QsDomain *domain, const RevertCase *test)
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

void
revert_set_facts (QsFacts *facts, const QsDomain *domain, const RevertCase *test)
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

QsPlan *
revert_plan (const RevertCase *test, void (*spoil) (QsFacts *facts), GError **error)
{
  g_autoptr (QsDomain) domain = revert_domain (test);
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_REVERT, test->flags, FIXTURE_SNAPSHOT);
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, error);

  if (facts == NULL)
    return NULL;
  revert_set_facts (facts, domain, test);
  if (spoil != NULL)
    spoil (facts);
  return qs_operation_get (request->verb)->plan (domain, request, facts, error);
}
