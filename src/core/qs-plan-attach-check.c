/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-attach.h"

#include "qs-error.h"
#include "qs-limits.h"

/* whether the files that a QEMU writes to are those that the records say */

static gboolean
is_device (const QsFile *file)
{
  return file->dev == 0 && file->ino != 0;
}

/**
 * qs_attach_is_same:
 *
 * Whether the image is the recorded file. What was recorded before anybody looked at it has a name
 * only; and of a device only the name lasts over a reboot.
 */
gboolean
qs_attach_is_same (const QsFile *file, const QsImage *image)
{
  if (file->ino != 0 && qs_file_is (file, image))
    return TRUE;
  return (file->ino == 0 || (is_device (file) && image->rdev != 0))
         && g_str_equal (file->path, image->path);
}

/**
 * qs_attach_find_file:
 *
 * Returns: (nullable): the recorded file that the image is. The number of a device may be that of
 *   another one by now: its name counts first
 */
const QsFile *
qs_attach_find_file (const QsFacts *facts, const QsImage *image)
{
  const QsFile *named = qs_facts_find_file (facts, image->path);

  if (named != NULL && image->rdev != 0 && qs_attach_is_same (named, image))
    return named;
  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);

      if (file->ino != 0 && qs_file_is (file, image))
        return file;
    }
  return named != NULL && qs_attach_is_same (named, image) ? named : NULL;
}

static const char *
snapshot_name (const QsDomain *domain, const QsFile *file)
{
  const QsSnapshot *snapshot =
      file->state_of->len > 0 ? qs_tree_lookup (domain->tree, g_ptr_array_index (file->state_of, 0))
                              : NULL;

  return snapshot != NULL ? snapshot->name : NULL;
}

/* whether @top is @file, or leads to it */
static gboolean
stands_on (const QsFacts *facts, const QsFile *top, const QsFile *file)
{
  for (guint i = 0; top != NULL && i <= facts->files->len; i++)
    {
      if (top == file)
        return TRUE;
      top = top->backing != NULL ? qs_facts_find_file (facts, top->backing) : NULL;
    }
  return FALSE;
}

/* the snapshot whose state is lost if somebody writes to @file: its own, or one above it */
static const char *
find_victim (const QsDomain *domain, const QsFacts *facts, const QsFile *file)
{
  if (snapshot_name (domain, file) != NULL)
    return snapshot_name (domain, file);
  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *above = g_ptr_array_index (facts->files, i);

      if (snapshot_name (domain, above) != NULL && stands_on (facts, above, file))
        return snapshot_name (domain, above);
    }
  return NULL;
}

/* @target: (nullable) */
static char *
describe_way_out (const QsDomain *domain, const char *target)
{
  const QsActive *active = target != NULL ? qs_domain_find_active (domain, target) : NULL;
  g_autofree char *name = g_shell_quote (domain->name);

  if (active == NULL)
    return g_strdup_printf ("end it and start QEMU without this file, then run ‘snapshotctl repair "
                            "%s --accept’",
                            name);
  return g_strdup_printf (
      "end it and start QEMU with ‘%s’ (%s) on this disk, then run ‘snapshotctl "
      "repair %s --accept’",
      active->path, active->format, name);
}

/* @target: (nullable): the disk, as far as that is known */
static char *
describe_fault (const QsDomain *domain, const char *target, const QsFacts *facts,
                const QsFile *file, const char *path)
{
  const char *victim = find_victim (domain, facts, file);
  g_autofree char *way_out = describe_way_out (domain, target);
  g_autofree char *place =
      target != NULL ? g_strdup_printf (" on disk ‘%s’,", target) : g_strdup ("");

  if (file->state_of->len > 0 && victim != NULL)
    return g_strdup_printf ("the guest was started from the state file of snapshot ‘%s’, ‘%s’,%s "
                            "and spoils what was written since; %s",
                            victim, path, place, way_out);
  if (victim != NULL)
    return g_strdup_printf ("the guest was started from ‘%s’, a file below the state of snapshot "
                            "‘%s’,%s and spoils that; %s",
                            path, victim, place, way_out);
  return g_strdup_printf ("the guest was started from ‘%s’%s which is recorded, but not as the "
                          "file of this disk; %s",
                          path, place, way_out);
}

static char *
describe_stranger (const QsDomain *domain, const QsDiskDef *disk, const QsImage *image)
{
  g_autofree char *way_out = describe_way_out (domain, disk->target);

  return g_strdup_printf (
      "the guest was started from ‘%s’ on disk ‘%s’, which is not the file that "
      "its snapshots lead to; %s",
      image->path, disk->target, way_out);
}

/* below the active file nobody may have put another one */
static char *
check_chain (const QsDiskDef *disk, const QsFacts *facts, const QsFile *active,
             const QsDiskFacts *seen)
{
  const QsFile *file = active;

  for (guint i = 1; i < seen->chain->len || file->backing != NULL; i++)
    {
      const QsImage *image = i < seen->chain->len ? g_ptr_array_index (seen->chain, i) : NULL;

      file = file->backing != NULL ? qs_facts_find_file (facts, file->backing) : NULL;
      if (file != NULL && image != NULL && qs_attach_is_same (file, image))
        continue;
      return g_strdup_printf ("the files below ‘%s’ on disk ‘%s’ are not those that were recorded: "
                              "‘%s’ %s",
                              active->path, disk->target,
                              image != NULL ? image->path : active->path,
                              image != NULL ? "was put there" : "has nothing below it");
    }
  return NULL;
}

/* only what has no content that the service sees is left out */
gboolean
qs_attach_is_watched (const QsDiskDef *disk)
{
  return (disk->source_type == QS_SOURCE_FILE || disk->source_type == QS_SOURCE_BLOCK)
         && disk->source != NULL && !disk->readonly && !disk->transient;
}

/**
 * qs_attach_is_bound:
 *
 * Whether something is lost if the disk goes on with another file than @recorded.
 */
gboolean
qs_attach_is_bound (const QsDomain *domain, const QsFile *recorded)
{
  return qs_tree_size (domain->tree) > 0 || (recorded != NULL && recorded->ours);
}

/**
 * qs_attach_fault:
 * @disk: a disk that the QEMU writes to, whose chain is among the facts
 *
 * Returns: (transfer full) (nullable): why this must not go on: the file is not what the records
 *   have for the disk
 */
char *
qs_attach_fault (const QsDomain *domain, const QsDiskDef *disk, const QsFacts *facts)
{
  const QsDiskFacts *seen = qs_facts_find_disk (facts, disk->target);
  const QsActive *active = qs_domain_find_active (domain, disk->target);
  const QsFile *recorded = active != NULL ? qs_facts_find_file (facts, active->path) : NULL;
  const QsImage *image;
  const QsFile *file;

  if (seen == NULL || seen->chain->len == 0 || !qs_attach_is_bound (domain, recorded))
    return NULL;
  image = g_ptr_array_index (seen->chain, 0);
  file = qs_attach_find_file (facts, image);
  if (file != NULL && file != recorded)
    return describe_fault (domain, disk->target, facts, file, image->path);
  if (recorded == NULL)
    return NULL;
  /* the file has another name now, which was that of another one */
  if (file == NULL
      || (!g_str_equal (recorded->path, image->path)
          && qs_facts_find_file (facts, image->path) != NULL))
    return describe_stranger (domain, disk, image);
  return check_chain (disk, facts, recorded, seen);
}

static gboolean
is_active (const QsDomain *domain, const QsFile *file)
{
  for (guint i = 0; i < domain->actives->len; i++)
    if (g_str_equal (((QsActive *)g_ptr_array_index (domain->actives, i))->path, file->path))
      return TRUE;
  return FALSE;
}

static gboolean
is_written (const QsFacts *facts, const QsFile *file)
{
  for (guint i = 0; i < facts->open_files->len; i++)
    {
      const QsOpenFile *open = g_ptr_array_index (facts->open_files, i);

      if (open->writable && open->dev == file->dev && open->ino == file->ino)
        return TRUE;
    }
  return FALSE;
}

/* the disk whose active file leads to @file */
static const QsActive *
find_disk (const QsDomain *domain, const QsFacts *facts, const QsFile *file)
{
  for (guint i = 0; i < domain->actives->len; i++)
    {
      const QsActive *active = g_ptr_array_index (domain->actives, i);

      if (stands_on (facts, qs_facts_find_file (facts, active->path), file))
        return active;
    }
  return NULL;
}

/* QEMU may keep open for writing what it was started with, below the overlays that came since */
static gboolean
is_below_written (const QsDomain *domain, const QsFacts *facts, const QsFile *file)
{
  for (guint i = 0; i < domain->actives->len; i++)
    {
      const QsActive *active = g_ptr_array_index (domain->actives, i);
      const QsFile *top = qs_facts_find_file (facts, active->path);

      if (top != NULL && is_written (facts, top) && stands_on (facts, top, file))
        return TRUE;
    }
  return FALSE;
}

/* a device has another number after a reboot: where it is a disk's, that disk tells more */
static gboolean
is_on_top (const QsFacts *facts, const QsFile *file)
{
  for (guint i = 0; i < facts->disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (facts->disks, i);

      if (disk->chain->len > 0 && qs_file_is (file, g_ptr_array_index (disk->chain, 0)))
        return TRUE;
    }
  return FALSE;
}

/**
 * qs_attach_misuse:
 *
 * What a QEMU has open tells more than the names it gives, which may be those of other files by now.
 *
 * Returns: (transfer full) (nullable): why this must not go on: it writes to a file that a snapshot
 *   needs, and to no file that stands on it
 */
char *
qs_attach_misuse (const QsDomain *domain, const QsFacts *facts)
{
  for (guint i = 0; facts->open_files != NULL && i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);
      const QsActive *active;

      if (file->ino == 0 || !is_written (facts, file) || is_active (domain, file)
          || find_victim (domain, facts, file) == NULL || is_below_written (domain, facts, file)
          || (is_device (file) && is_on_top (facts, file)))
        continue;
      active = find_disk (domain, facts, file);
      return describe_fault (domain, active != NULL ? active->target : NULL, facts, file,
                             file->path);
    }
  return NULL;
}
