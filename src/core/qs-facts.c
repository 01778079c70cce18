/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-facts.h"

void
qs_tag_free (QsTag *tag)
{
  g_free (tag->id);
  g_free (tag->name);
  g_free (tag);
}

QsImage *
qs_image_new (void)
{
  QsImage *image = g_new0 (QsImage, 1);

  image->tags = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_tag_free);
  return image;
}

void
qs_image_free (QsImage *image)
{
  if (image == NULL)
    return;
  g_free (image->path);
  g_free (image->format);
  g_free (image->backing_name);
  g_free (image->backing_format);
  g_ptr_array_unref (image->tags);
  g_free (image);
}

/**
 * qs_image_count_tag:
 *
 * Returns: how many snapshots inside the image have the name @tag; more than one is possible in a
 *   file that other programs have written
 */
guint
qs_image_count_tag (const QsImage *image, const char *tag)
{
  guint n = 0;

  for (guint i = 0; i < image->tags->len; i++)
    n += g_strcmp0 (((QsTag *)g_ptr_array_index (image->tags, i))->name, tag) == 0;
  return n;
}

/**
 * qs_image_find_tag:
 *
 * Returns: (nullable): the first of the snapshots inside the image with the name @tag
 */
const QsTag *
qs_image_find_tag (const QsImage *image, const char *tag)
{
  for (guint i = 0; i < image->tags->len; i++)
    {
      const QsTag *found = g_ptr_array_index (image->tags, i);

      if (g_strcmp0 (found->name, tag) == 0)
        return found;
    }
  return NULL;
}

/**
 * qs_image_identity:
 * @dev: (out): 0 for a block device, which no file system has
 * @ino: (out): of a block device what its nodes stand for: two nodes are the same image
 *
 * By what the image is recorded and found again.
 */
void
qs_image_identity (const QsImage *image, guint64 *dev, guint64 *ino)
{
  *dev = image->rdev != 0 ? 0 : image->dev;
  *ino = image->rdev != 0 ? image->rdev : image->ino;
}

/**
 * qs_image_is_same:
 *
 * Whether the two are one file, or two nodes of one block device.
 */
gboolean
qs_image_is_same (const QsImage *a, const QsImage *b)
{
  guint64 devs[2];
  guint64 inos[2];

  qs_image_identity (a, &devs[0], &inos[0]);
  qs_image_identity (b, &devs[1], &inos[1]);
  return devs[0] == devs[1] && inos[0] == inos[1];
}

QsTarget *
qs_target_new (const char *path)
{
  QsTarget *target = g_new0 (QsTarget, 1);

  target->path = g_strdup (path);
  return target;
}

void
qs_target_free (QsTarget *target)
{
  if (target == NULL)
    return;
  g_free (target->path);
  g_clear_error (&target->error);
  g_free (target);
}

void
qs_node_free (QsNode *node)
{
  if (node == NULL)
    return;
  g_free (node->target);
  g_free (node->node_name);
  g_free (node->path);
  g_free (node->format);
  g_free (node->device);
  g_free (node->detect_zeroes);
  g_free (node->bitmap);
  g_strfreev (node->below);
  g_free (node);
}

/**
 * qs_open_file_new:
 * @path: (nullable):
 */
QsOpenFile *
qs_open_file_new (const char *path, guint64 dev, guint64 ino, gboolean writable)
{
  QsOpenFile *file = g_new0 (QsOpenFile, 1);

  file->path = g_strdup (path);
  file->dev = dev;
  file->ino = ino;
  file->writable = writable;
  return file;
}

void
qs_open_file_free (QsOpenFile *file)
{
  if (file == NULL)
    return;
  g_free (file->path);
  g_free (file);
}

void
qs_disk_facts_free (QsDiskFacts *facts)
{
  if (facts == NULL)
    return;
  g_free (facts->other_name);
  g_free (facts->target);
  g_clear_pointer (&facts->chain, g_ptr_array_unref);
  g_clear_error (&facts->error);
  g_free (facts->tag_of);
  g_free (facts);
}

QsFacts *
qs_facts_new (void)
{
  QsFacts *facts = g_atomic_rc_box_new0 (QsFacts);

  facts->disks = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_disk_facts_free);
  facts->images = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  facts->targets = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_target_free);
  facts->reused = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_disk_facts_free);
  facts->nodes = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_node_free);
  facts->foreign_images = g_ptr_array_new_with_free_func (g_free);
  facts->files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_file_free);
  facts->tips = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_tip_free);
  facts->merged = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_merged_free);
  facts->snapshot_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_file_free);
  facts->flash = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_node_free);
  facts->snapshot_disks = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_disk_facts_free);
  facts->tip_disks = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_disk_facts_free);
  facts->above = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_disk_facts_free);
  facts->claims = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_disk_facts_free);
  facts->sights = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_sight_free);
  facts->strays = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_sight_free);
  facts->used_here = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  facts->mirror_ends = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  facts->used_elsewhere = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return facts;
}

QsFacts *
qs_facts_ref (QsFacts *facts)
{
  return g_atomic_rc_box_acquire (facts);
}

static void
clear_facts (QsFacts *facts)
{
  g_free (facts->fresh_uuid);
  g_free (facts->op);
  g_free (facts->run_state);
  g_free (facts->agent);
  g_ptr_array_unref (facts->disks);
  g_ptr_array_unref (facts->images);
  g_ptr_array_unref (facts->targets);
  g_ptr_array_unref (facts->reused);
  g_ptr_array_unref (facts->nodes);
  g_ptr_array_unref (facts->foreign_images);
  g_ptr_array_unref (facts->files);
  g_ptr_array_unref (facts->tips);
  g_ptr_array_unref (facts->snapshot_files);
  g_ptr_array_unref (facts->snapshot_disks);
  g_ptr_array_unref (facts->tip_disks);
  g_ptr_array_unref (facts->merged);
  g_ptr_array_unref (facts->above);
  g_ptr_array_unref (facts->claims);
  g_ptr_array_unref (facts->sights);
  g_ptr_array_unref (facts->strays);
  g_hash_table_unref (facts->used_here);
  g_hash_table_unref (facts->used_elsewhere);
  g_hash_table_unref (facts->mirror_ends);
  g_clear_pointer (&facts->open_files, g_ptr_array_unref);
  g_strfreev (facts->commands);
  g_strfreev (facts->migration_blockers);
  g_free (facts->migration);
  qs_disk_facts_free (facts->firmware);
  g_ptr_array_unref (facts->flash);
  g_strfreev (facts->block_jobs);
  g_free (facts->snapshot_document);
}

void
qs_facts_unref (QsFacts *facts)
{
  if (facts != NULL)
    g_atomic_rc_box_release_full (facts, (GDestroyNotify)clear_facts);
}

/* every element of these arrays begins with its key */
static gconstpointer
find_by_key (const GPtrArray *array, const char *key)
{
  for (guint i = 0; i < array->len; i++)
    if (g_strcmp0 (*(char *const *)g_ptr_array_index (array, i), key) == 0)
      return g_ptr_array_index (array, i);
  return NULL;
}

const QsDiskFacts *
qs_facts_find_disk (const QsFacts *facts, const char *target)
{
  return find_by_key (facts->disks, target);
}

const QsDiskFacts *
qs_facts_find_snapshot_disk (const QsFacts *facts, const char *target)
{
  return find_by_key (facts->snapshot_disks, target);
}

const QsDiskFacts *
qs_facts_find_tip_disk (const QsFacts *facts, const char *target)
{
  return find_by_key (facts->tip_disks, target);
}

/**
 * qs_facts_find_above:
 *
 * Returns: (nullable): the chain from @path down, of those that were asked for with `above`
 */
const QsDiskFacts *
qs_facts_find_above (const QsFacts *facts, const char *path)
{
  return find_by_key (facts->above, path);
}

const QsDiskFacts *
qs_facts_find_claim (const QsFacts *facts, const char *target)
{
  return find_by_key (facts->claims, target);
}

const QsImage *
qs_facts_find_image (const QsFacts *facts, const char *path)
{
  return find_by_key (facts->images, path);
}

const QsTarget *
qs_facts_find_target (const QsFacts *facts, const char *path)
{
  return find_by_key (facts->targets, path);
}

const QsDiskFacts *
qs_facts_find_reused (const QsFacts *facts, const char *path)
{
  return find_by_key (facts->reused, path);
}

const QsNode *
qs_facts_find_node (const QsFacts *facts, const char *target)
{
  return find_by_key (facts->nodes, target);
}

const QsFile *
qs_facts_find_file (const QsFacts *facts, const char *path)
{
  return find_by_key (facts->files, path);
}

/**
 * qs_facts_is_backed_by:
 * @file: (nullable)
 *
 * Returns: TRUE if, by the records, @file stands on the file @path
 */
gboolean
qs_facts_is_backed_by (const QsFacts *facts, const QsFile *file, const char *path)
{
  /* records cannot loop, but a bound costs nothing */
  for (guint n = 0; file != NULL && file->backing != NULL && n < facts->files->len; n++)
    {
      if (g_str_equal (file->backing, path))
        return TRUE;
      file = qs_facts_find_file (facts, file->backing);
    }
  return FALSE;
}

static gboolean
sees_open (const QsFacts *facts, const QsImage *image, gboolean for_writing)
{
  guint64 dev, ino;

  qs_image_identity (image, &dev, &ino);
  for (guint i = 0; facts->open_files != NULL && i < facts->open_files->len; i++)
    {
      const QsOpenFile *file = g_ptr_array_index (facts->open_files, i);

      if (file->dev == dev && file->ino == ino && (file->writable || !for_writing))
        return TRUE;
    }
  return FALSE;
}

/**
 * qs_facts_has_open:
 *
 * Returns: FALSE if the domain's process is known not to write to this very file
 */
gboolean
qs_facts_has_open (const QsFacts *facts, const QsImage *image)
{
  return facts->open_files == NULL || sees_open (facts, image, TRUE);
}

/**
 * qs_facts_sees_open:
 *
 * Returns: TRUE if the domain's process is known to have this very file open
 */
gboolean
qs_facts_sees_open (const QsFacts *facts, const QsImage *image)
{
  return sees_open (facts, image, FALSE);
}

gboolean
qs_facts_has_command (const QsFacts *facts, const char *command)
{
  return facts->commands != NULL && g_strv_contains ((const char *const *)facts->commands, command);
}

/**
 * qs_facts_has_commands:
 * @commands: NULL-terminated
 */
gboolean
qs_facts_has_commands (const QsFacts *facts, const char *const *commands)
{
  for (guint i = 0; commands[i] != NULL; i++)
    if (!qs_facts_has_command (facts, commands[i]))
      return FALSE;
  return TRUE;
}

QsQuestions *
qs_questions_new (void)
{
  QsQuestions *questions = g_new0 (QsQuestions, 1);

  questions->disks = g_ptr_array_new ();
  questions->images = g_ptr_array_new_with_free_func (g_free);
  questions->formats = g_ptr_array_new_with_free_func (g_free);
  questions->targets = g_ptr_array_new_with_free_func (g_free);
  questions->reused = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_file_free);
  questions->claims = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_file_free);
  return questions;
}

void
qs_questions_free (QsQuestions *questions)
{
  if (questions == NULL)
    return;
  g_ptr_array_unref (questions->disks);
  g_ptr_array_unref (questions->images);
  g_ptr_array_unref (questions->formats);
  g_ptr_array_unref (questions->targets);
  g_ptr_array_unref (questions->reused);
  g_ptr_array_unref (questions->claims);
  g_clear_pointer (&questions->rows, g_ptr_array_unref);
  g_free (questions->snapshot);
  g_free (questions->tip_of);
  g_free (questions->fresh_uuid);
  g_free (questions->op);
  g_free (questions);
}

void
qs_questions_add_image (QsQuestions *questions, const char *path, const char *format)
{
  g_ptr_array_add (questions->images, g_strdup (path));
  g_ptr_array_add (questions->formats, g_strdup (format));
}

/**
 * qs_questions_add_reused:
 * @backing: what it would be recorded to stand on; tells the format that a header of qed cannot
 */
void
qs_questions_add_reused (QsQuestions *questions, const char *path, const char *format,
                         const char *backing)
{
  QsFile *file = qs_file_new (path, format);

  file->backing = g_strdup (backing);
  g_ptr_array_add (questions->reused, file);
}

/**
 * qs_questions_add_claim:
 * @target: of a disk, or another key by which the answer is found
 * @tag: (nullable): NULL: the file as a whole
 */
void
qs_questions_add_claim (QsQuestions *questions, const char *target, const char *path,
                        const char *format, const char *tag)
{
  QsSnapshotFile *claim = g_new0 (QsSnapshotFile, 1);

  claim->target = g_strdup (target);
  claim->path = g_strdup (path);
  claim->format = g_strdup (format);
  claim->tag = g_strdup (tag);
  g_ptr_array_add (questions->claims, claim);
}
