/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-attach.h"

/* what is written down of the disks of a QEMU that is attached */

static void
put_file (QsChangeList *changes, const QsFile *before, const QsImage *image, const char *backing)
{
  guint64 dev, ino;

  qs_image_identity (image, &dev, &ino);
  /* what somebody else has put in the place of a file of ours is his */
  qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", image->path, "format", "s",
                  image->format, "role", "s", "disk", "backing", "s", backing, "ours", "b",
                  before != NULL && before->ours && qs_attach_is_same (before, image), "dev", "t",
                  dev, "ino", "t", ino, "btime", "x", image->btime, NULL);
}

/* who it is, as long as nothing holds on to another one of that name; else the file that is known
   may have got another name since, and everything that leads to it follows */
static void
record_image (QsChangeList *changes, const QsFacts *facts, const QsImage *image,
              const char *backing, gboolean bound)
{
  const QsFile *named = qs_facts_find_file (facts, image->path);
  const QsFile *known = bound ? qs_attach_find_file (facts, image) : NULL;

  if (known != NULL && known->ino != 0 && named == NULL)
    qs_changes_add (changes, QS_CHANGE_FILE_RENAME, "path", "s", known->path, "to", "s",
                    image->path, NULL);
  else if (named == NULL || named->ino == 0 || !bound)
    put_file (changes, named, image, backing);
}

static void
record_chain (QsChangeList *changes, const QsFacts *facts, const QsDiskFacts *seen, gboolean bound)
{
  const char *backing = "";

  for (guint i = seen->error == NULL ? seen->chain->len : 0; i > 0; i--)
    {
      const QsImage *image = g_ptr_array_index (seen->chain, i - 1);

      record_image (changes, facts, image, backing, bound);
      backing = image->path;
    }
}

static void
record_active (QsChangeList *changes, const QsDomain *domain, const QsFacts *facts,
               const QsDiskDef *disk)
{
  const QsDiskFacts *seen = qs_facts_find_disk (facts, disk->target);
  const QsActive *before = domain != NULL ? qs_domain_find_active (domain, disk->target) : NULL;
  const QsFile *recorded = before != NULL ? qs_facts_find_file (facts, before->path) : NULL;
  gboolean bound = domain != NULL && qs_attach_is_bound (domain, recorded);

  /* nobody knows what file it is */
  if (bound && seen->chain->len == 0)
    return;
  record_chain (changes, facts, seen, bound);
  qs_changes_add (changes, QS_CHANGE_ACTIVE, "target", "s", disk->target, "path", "s", disk->source,
                  "format", "s", disk->format, "stem", "s",
                  before != NULL && before->stem != NULL ? before->stem : "", NULL);
}

static gboolean
is_seen (const QsFacts *facts, const QsFile *file)
{
  for (guint i = 0; i < facts->disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (facts->disks, i);

      for (guint n = 0; n < disk->chain->len; n++)
        if (g_str_equal (((QsImage *)g_ptr_array_index (disk->chain, n))->path, file->path))
          return TRUE;
    }
  return FALSE;
}

/* as long as the service has made nothing, what this QEMU does not use any more is free for other
   domains */
static void
forget_unused (QsChangeList *changes, const QsFacts *facts)
{
  for (guint i = 0; i < facts->files->len; i++)
    if (((QsFile *)g_ptr_array_index (facts->files, i))->ours)
      return;
  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);

      /* a disk that this QEMU lacks, or could not be looked at, keeps its file */
      if (!is_seen (facts, file)
          && (file->active_of == NULL || qs_facts_find_disk (facts, file->active_of) != NULL))
        qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", file->path, NULL);
    }
}

void
qs_attach_record_fault (QsPlan *plan, QsChangeList *changes, const char *reason)
{
  qs_changes_add (changes, QS_CHANGE_QUARANTINE, "reason", "s", reason, NULL);
  qs_plan_note (plan, "%s", reason);
}

/**
 * qs_attach_record_disks:
 *
 * The disks of this QEMU are on these files from now on; or why the domain must be left alone.
 */
void
qs_attach_record_disks (QsPlan *plan, QsChangeList *changes, const QsDomain *domain,
                        const QsRequest *request, const QsFacts *facts)
{
  g_autofree char *reason = NULL;

  for (guint i = 0; i < request->domain_def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (request->domain_def->disks, i);
      g_autofree char *fault = NULL;

      if (!qs_attach_is_watched (disk))
        continue;
      fault = domain != NULL ? qs_attach_fault (domain, disk, facts) : NULL;
      if (fault == NULL)
        record_active (changes, domain, facts, disk);
      else if (reason == NULL)
        reason = g_steal_pointer (&fault);
    }
  if (reason == NULL && domain != NULL && qs_tree_size (domain->tree) == 0)
    forget_unused (changes, facts);
  if (reason != NULL)
    qs_attach_record_fault (plan, changes, reason);
}
