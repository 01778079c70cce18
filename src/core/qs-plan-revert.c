/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-error.h"
#include "qs-name.h"
#include "qs-plan-revert-commit.h"
#include "qs-plan-revert.h"

static gboolean
check_supported (const QsDomain *domain, const QsSnapshot *snapshot, guint flags, GError **error)
{
  g_autofree char *text = NULL;

  if (flags & (QS_REVERT_DISCARD | QS_REVERT_TIP))
    text = g_strdup ("DISCARD and TIP are not supported by this version");
  else if ((flags & QS_REVERT_RESET_NVRAM) && qs_domain_get_def (domain)->nvram != NULL)
    text = g_strdup ("RESET_NVRAM is not supported by this version");
  else if (snapshot->state == QS_STATE_PMSUSPENDED)
    text = g_strdup_printf ("snapshot ‘%s’ is of a guest suspended to memory", snapshot->name);
  else if (snapshot->memory != QS_LOCATION_NO)
    text = g_strdup_printf (
        "snapshot ‘%s’ has memory; reverting to such a one is not supported by this version",
        snapshot->name);
  if (text == NULL)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED, text);
  return FALSE;
}

/* a QEMU that somebody else has started is not ended, and none is started in its place */
static gboolean
check_attached (const QsDomain *domain, guint flags, GError **error)
{
  gboolean wants_run = (flags & (QS_REVERT_RUNNING | QS_REVERT_PAUSED)) != 0;

  if (domain->attachment == NULL || qs_domain_is_active (domain) == wants_run)
    return TRUE;
  if (wants_run)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                         "this QEMU is started by its owner, not by the service; revert without "
                         "RUNNING or PAUSED, then start it");
  else
    g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                         "this would end a QEMU that is not ours; add RUNNING or PAUSED, or shut "
                         "it down first");
  return FALSE;
}

gboolean
qs_ask_revert (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  const QsSnapshot *snapshot;

  if (request->flags & QS_REVERT_COMMIT)
    return qs_ask_revert_commit (domain, request, questions, error);
  snapshot = qs_planning_snapshot (domain, request, error);
  if (snapshot == NULL || !qs_flags_check (&qs_revert_flag_set, request->flags, error))
    return FALSE;
  if ((request->flags & QS_REVERT_RESET_NVRAM) && qs_domain_get_def (domain)->nvram == NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                           "the domain has no firmware variables to reset");
      return FALSE;
    }
  if (!check_supported (domain, snapshot, request->flags, error)
      || !check_attached (domain, request->flags, error))
    return FALSE;
  questions->document = TRUE;
  if (snapshot->unverified)
    {
      questions->snapshot_rows = TRUE;
      return TRUE;
    }
  questions->users = (request->flags & QS_REVERT_FORCE) != 0;
  questions->files = TRUE;
  questions->snapshot_files = TRUE;
  questions->monitor = qs_domain_is_active (domain);
  questions->open_files = qs_revert_is_in_place (domain);
  questions->io_threads = qs_revert_is_in_place (domain);
  qs_planning_ask_start (domain, questions);
  qs_revert_ask_targets (domain, questions);
  return TRUE;
}

/**
 * qs_revert_ask_targets:
 *
 * A revert makes a fresh overlay `<stem>.<milliseconds>` beside the file each disk uses now. Which
 * disks need one is known only with the snapshot's files, so all are asked, and one that can have
 * none is refused then.
 */
void
qs_revert_ask_targets (const QsDomain *domain, QsQuestions *questions)
{
  for (guint i = 0; i < questions->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (questions->disks, i);
      char *path = qs_revert_overlay_path (domain, disk->target, questions->now, NULL, NULL);

      if (path != NULL)
        g_ptr_array_add (questions->targets, path);
    }
}

/* beside what a fresh overlay is made: no file is made below /dev, but beside the file with which a
   disk began that has gone over to a device */
static const char *
find_neighbour (const QsDomain *domain, const char *target, GError **error)
{
  const QsActive *active = qs_domain_find_active (domain, target);
  const QsDiskDef *disk = qs_domain_def_find_disk (domain->def, target);
  const char *first = disk != NULL ? disk->source : NULL;
  const char *path = active != NULL ? active->path : first;

  if (path != NULL && qs_path_is_device (path))
    path = first;
  if (path == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                 "disk ‘%s’ has no file in today's definition", target);
  else if (qs_path_is_device (path))
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "disk ‘%s’ lies on block devices only, and a revert makes a file: no name can be "
                 "made for it",
                 target);
  else
    return path;
  return NULL;
}

/**
 * qs_revert_overlay_path:
 * @stem: (out) (optional) (transfer full): what the next generated name begins with
 */
char *
qs_revert_overlay_path (const QsDomain *domain, const char *target, gint64 now, char **stem,
                        GError **error)
{
  const QsActive *active = qs_domain_find_active (domain, target);
  const char *path = find_neighbour (domain, target, error);
  g_autofree char *name = g_strdup_printf ("%" G_GINT64_FORMAT, now / 1000);
  g_autofree char *own_stem = NULL;
  char *overlay;

  if (path == NULL)
    return NULL;
  own_stem = active != NULL && active->stem != NULL && active->stem[0] != '\0'
                 ? g_strdup (active->stem)
                 : qs_overlay_stem (path);
  overlay = qs_overlay_path (path, own_stem, name, error);
  if (overlay != NULL && stem != NULL)
    *stem = g_steal_pointer (&own_stem);
  return overlay;
}

static gboolean
is_backed_by (const QsFacts *facts, const QsFile *file, const char *path)
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
has_uuid (const GPtrArray *uuids, const char *uuid)
{
  return uuids != NULL
         && g_ptr_array_find_with_equal_func ((GPtrArray *)uuids, uuid, g_str_equal, NULL);
}

static gboolean
depends_on (const QsFacts *facts, const char *descendant, const char *state_file)
{
  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);

      if ((has_uuid (file->state_of, descendant) || has_uuid (file->tag_of, descendant))
          && is_backed_by (facts, file, state_file))
        return TRUE;
    }
  return FALSE;
}

/* the rule of the branch proposal: descendants that stand on the target's state files would be
   mixed up by a revert that does not say what becomes of them */
static gboolean
check_descendants (const QsDomain *domain, const QsSnapshot *snapshot, const QsFacts *facts,
                   GError **error)
{
  g_autoptr (GPtrArray) below = qs_tree_list (domain->tree, snapshot->uuid, QS_LIST_DESCENDANTS);

  for (guint i = 0; i < facts->snapshot_files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (facts->snapshot_files, i);

      if (!qs_snapshot_file_is_disk (file))
        continue;
      for (guint n = 0; file->tag == NULL && n < below->len; n++)
        {
          const QsSnapshot *child = g_ptr_array_index (below, n);

          if (!depends_on (facts, child->uuid, file->path))
            continue;
          g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                       "snapshot ‘%s’ stands on the files of ‘%s’; discard what came after it "
                       "(DISCARD), commit the "
                       "later changes into it (COMMIT), or create a branch from it (BRANCH with "
                       "CURRENT); to go to "
                       "the latest state of another branch use TIP",
                       child->name, snapshot->name);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
check_left_overlay (const QsDomain *domain, const QsSnapshot *snapshot, GError **error)
{
  const QsSnapshot *current = qs_tree_get_current (domain->tree);

  if (snapshot->kind == QS_KIND_INTERNAL || current == snapshot)
    return TRUE;
  if (current == NULL)
    {
      g_set_error_literal (
          error, QS_ERROR, QS_ERROR_REVERT_RISKY,
          "the changes made since would belong to no snapshot: the domain has no current one; "
          "take a snapshot of them first");
      return FALSE;
    }
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "keeping the changes since snapshot ‘%s’ while the domain goes to another one is "
               "not supported by "
               "this version",
               current->name);
  return FALSE;
}

static gboolean
check_tag (const QsDomain *domain, const QsFacts *facts, const QsSnapshotFile *file,
           const QsImage *image, GError **error)
{
  const QsActive *active = qs_domain_find_active (domain, file->target);
  const QsDiskDef *disk = qs_domain_def_find_disk (domain->def, file->target);
  const char *path = active != NULL ? active->path : disk != NULL ? disk->source : NULL;
  guint n = qs_image_count_tag (image, file->tag);

  if (qs_planning_is_foreign (facts, file->path))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: its image is already used by another domain", file->target);
      return FALSE;
    }
  if (n != 1)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                   "disk ‘%s’: ‘%s’ holds %u snapshots with the tag ‘%s’", file->target, file->path,
                   n, file->tag);
      return FALSE;
    }
  if (g_strcmp0 (path, file->path) != 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                   "disk ‘%s’: the snapshot lies in ‘%s’, which is a backing file now; discard "
                   "what came after it "
                   "(DISCARD)",
                   file->target, file->path);
      return FALSE;
    }
  return TRUE;
}

static gboolean
stands_on (const QsFacts *facts, const QsDiskFacts *active, const char *state_file)
{
  const QsImage *top = g_ptr_array_index (active->chain, 0);

  for (guint i = 0; i < active->chain->len; i++)
    if (g_str_equal (((QsImage *)g_ptr_array_index (active->chain, i))->path, state_file))
      return TRUE;
  return is_backed_by (facts, qs_facts_find_file (facts, top->path), state_file);
}

/* a redefine may have made one current that the disks do not come from: what they hold is then no
   later change of it, to be dropped with a revert */
static gboolean
check_own_changes (const QsFacts *facts, const QsSnapshot *snapshot, GError **error)
{
  for (guint i = 0; i < facts->snapshot_files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (facts->snapshot_files, i);
      const QsDiskFacts *active = qs_facts_find_disk (facts, file->target);

      if (file->tag != NULL || active == NULL || active->chain->len == 0
          || stands_on (facts, active, file->path))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                   "disk ‘%s’: what it holds now would belong to no snapshot: snapshot ‘%s’ is "
                   "current, but the disk does not stand on its file ‘%s’; take a snapshot first",
                   file->target, snapshot->name, file->path);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_identity (const QsFacts *facts, const QsSnapshotFile *file, const QsImage *image,
                GError **error)
{
  const QsFile *record = qs_facts_find_file (facts, file->path);

  /* of a device only its name lasts over a reboot */
  if (record == NULL || image->rdev != 0 || qs_file_is (record, image))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "disk ‘%s’: ‘%s’ is not the file that the snapshot was taken with", file->target,
               file->path);
  return FALSE;
}

/* neither what is written by the revert nor what it drops is in another's hands; a state file may be,
   for it is only read */
static gboolean
check_nobody (const QsFacts *facts, const QsSnapshotFile *file, const QsImage *image,
              GError **error)
{
  const QsDiskFacts *active = qs_facts_find_disk (facts, file->target);

  if (file->tag != NULL
      && (!qs_check_unused (facts, file->target, image, error)
          || !qs_check_one_name (facts, file->target, image, error)))
    return FALSE;
  return active == NULL || active->chain->len == 0
         || qs_check_unused (facts, file->target, g_ptr_array_index (active->chain, 0), error);
}

static gboolean
check_files (const QsDomain *domain, const QsFacts *facts, GError **error)
{
  for (guint i = 0; i < facts->snapshot_files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (facts->snapshot_files, i);
      const QsImage *image;

      if (!qs_snapshot_file_is_disk (file))
        continue;
      image = qs_planning_snapshot_image (facts, file->target, error);
      if (image == NULL || !check_identity (facts, file, image, error)
          || !check_nobody (facts, file, image, error))
        return FALSE;
      if (file->tag != NULL && !check_tag (domain, facts, file, image, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_document (QsRevert *revert, GError **error)
{
  if (revert->facts->snapshot_document == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "snapshot ‘%s’ has no document",
                   revert->snapshot->name);
      return FALSE;
    }
  revert->def = qs_snapshot_def_parse_record (revert->facts->snapshot_document, error);
  return revert->def != NULL;
}

QsPlan *
qs_plan_revert (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                GError **error)
{
  g_auto (QsRevert) revert = { .domain = domain, .request = request, .facts = facts };

  if (request->flags & QS_REVERT_COMMIT)
    return qs_plan_revert_commit (domain, request, facts, error);
  revert.snapshot = qs_planning_snapshot (domain, request, error);
  if (revert.snapshot == NULL || !qs_redefine_check_verified (domain, revert.snapshot, facts, error)
      || !read_document (&revert, error))
    return NULL;
  if (revert.snapshot->kind != QS_KIND_INTERNAL
      && (!check_descendants (domain, revert.snapshot, facts, error)
          || !check_left_overlay (domain, revert.snapshot, error)
          || !check_own_changes (facts, revert.snapshot, error)))
    return NULL;
  if (qs_revert_is_in_place (domain) && !qs_revert_check_in_place (&revert, error))
    return NULL;
  if (!qs_planning_check_block_jobs (facts, error) || !check_files (domain, facts, error)
      || !qs_revert_check_definition (&revert, error))
    return NULL;
  return qs_revert_build (&revert, error);
}
