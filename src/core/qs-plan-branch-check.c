/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-branch.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-users.h"

/* how a request with BRANCH and the snapshot that it names fit each other */

static gboolean
check_no_mirror (const QsSnapshotDef *def, GError **error)
{
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsSnapshotDisk *disk = g_ptr_array_index (def->disks, i);

      if (disk->mirror == NULL)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "disk ‘%s’: <mirror> and flag BRANCH exclude each other", disk->name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_memory_kind (const QsSnapshot *point, const QsSnapshotDef *def, guint flags, GError **error)
{
  gboolean same = def->memory == QS_LOCATION_DEFAULT || def->memory == point->memory;

  if ((flags & QS_CREATE_DISK_ONLY) && point->memory != QS_LOCATION_NO)
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 "flag DISK_ONLY: snapshot ‘%s’ has memory, which a branch from it shares",
                 point->name);
  else if (!same || def->memory_disk != NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 "the memory of a branch is that of snapshot ‘%s’, which is ‘%s’; leave <memory> "
                 "out",
                 point->name, qs_enum_to_string (QS_ENUM_LOCATION, point->memory));
  else
    return TRUE;
  return FALSE;
}

/**
 * qs_branch_check_point:
 *
 * Returns: (transfer none): the snapshot that is branched; NULL with the refusal, as far as nothing
 *   has to be looked at for it
 */
const QsSnapshot *
qs_branch_check_point (const QsDomain *domain, const QsRequest *request, GError **error)
{
  const QsSnapshotDef *def = request->def;
  const QsSnapshot *point;

  if (!check_no_mirror (def, error))
    return NULL;
  point = qs_tree_lookup_name (domain->tree, def->branch);
  if (point == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT,
                   "<branch>: the domain has no snapshot ‘%s’", def->branch);
      return NULL;
    }
  if (point->kind != QS_KIND_EXTERNAL)
    {
      g_set_error (
          error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
          "snapshot ‘%s’ is %s, and only an external one leaves files behind that a branch "
          "can stand on; revert to it and take a snapshot there instead",
          point->name, qs_enum_to_string (QS_ENUM_KIND, point->kind));
      return NULL;
    }
  return check_memory_kind (point, def, request->flags, error) ? point : NULL;
}

static gboolean
check_stable_path (const QsDomain *domain, const QsSelected *selected, GError **error)
{
  const QsSnapshotDisk *request = selected->request;

  if (domain->attachment == NULL || !domain->attachment->stable_path
      || (selected->mode != QS_DISK_MODE_EXISTING && (request == NULL || request->source == NULL)
          && g_strcmp0 (selected->format, "qed") != 0))
    return TRUE;
  g_set_error (
      error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
      "disk ‘%s’: an overlay takes over the name that QEMU is started with when the domain "
      "goes to it; <source>, mode existing and qed need a domain attached without "
      "stable-path",
      selected->disk->target);
  return FALSE;
}

static gboolean
check_asked (const QsDomain *domain, const QsSelected *selected, GError **error)
{
  if (selected->choice == QS_LOCATION_INTERNAL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: a branch has external snapshots only, of the same disks as the one "
                   "that it branches from",
                   selected->disk->target);
      return FALSE;
    }
  if (selected->choice == QS_LOCATION_DEFAULT)
    return TRUE;
  return qs_check_disk_snapshot (selected, error)
         && (selected->choice != QS_LOCATION_EXTERNAL
             || check_stable_path (domain, selected, error));
}

/**
 * qs_branch_check_asked:
 *
 * Whether the request itself can be asked of each disk that it names.
 */
gboolean
qs_branch_check_asked (const QsDomain *domain, const QsSelection *selection, GError **error)
{
  for (guint i = 0; i < selection->disks->len; i++)
    if (!check_asked (domain, g_ptr_array_index (selection->disks, i), error))
      return FALSE;
  return TRUE;
}

/**
 * qs_branch_check_memory:
 *
 * Whether the memory file that the request names, if it does, is that of the snapshot.
 */
gboolean
qs_branch_check_memory (const QsBranch *branch, GError **error)
{
  const char *asked = branch->create.request->def->memory_file;

  if (asked == NULL || g_strcmp0 (asked, branch->document->memory_file) == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "the memory of a branch is that of snapshot ‘%s’, which lies in ‘%s’, not in ‘%s’; "
               "leave <memory> out",
               branch->point->name,
               branch->document->memory_file != NULL ? branch->document->memory_file : "", asked);
  return FALSE;
}

static const QsSnapshotFile *
find_row (const QsBranch *branch, const char *target)
{
  const GPtrArray *rows = branch->create.facts->snapshot_files;

  for (guint i = 0; i < rows->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (rows, i);

      if (qs_snapshot_file_is_disk (row) && g_str_equal (row->target, target))
        return row;
    }
  return NULL;
}

static gboolean
refuse_set (const QsBranch *branch, const QsSelected *selected, const char *is, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "disk ‘%s’: it is %s of snapshot ‘%s’, and a branch from that has the same set of "
               "disks; leave <disk> out to have it so",
               selected->disk->target, is, branch->point->name);
  return FALSE;
}

/* what the caller copies himself he copies of a branch, too */
static gboolean
settle_left_out (QsBranch *branch, QsSelected *selected, GError **error)
{
  const QsSnapshotDisk *then = qs_snapshot_def_find_disk (branch->document, selected->disk->target);
  gboolean manual = then != NULL && then->snapshot == QS_LOCATION_MANUAL;

  if (selected->choice == QS_LOCATION_EXTERNAL
      || (selected->choice == QS_LOCATION_MANUAL && !manual))
    return refuse_set (branch, selected, "no part", error);
  selected->choice = manual ? QS_LOCATION_MANUAL : QS_LOCATION_NO;
  g_clear_pointer (&selected->path, g_free);
  if (!manual && !selected->disk->readonly && selected->active != NULL)
    g_ptr_array_add (branch->selection->uncovered, selected->disk->target);
  return TRUE;
}

static gboolean
settle_taken (QsBranch *branch, QsSelected *selected, GError **error)
{
  const QsDomain *domain = branch->create.domain;
  const QsSelection *selection = branch->selection;

  if (selected->choice != QS_LOCATION_DEFAULT && selected->choice != QS_LOCATION_EXTERNAL)
    return refuse_set (branch, selected, "part", error);
  selected->choice = QS_LOCATION_EXTERNAL;
  branch->selection->n_external++;
  return (selected->path != NULL
          || qs_align_overlay (selected, domain, selection->name, branch->create.request->flags,
                               error))
         && qs_check_disk_snapshot (selected, error) && check_stable_path (domain, selected, error);
}

/* a disk that the domain has no more has no place for an overlay, nor a guest that would use it */
static gboolean
check_found (const QsBranch *branch, GError **error)
{
  const GPtrArray *rows = branch->create.facts->snapshot_files;
  const QsDomainDef *def = qs_domain_get_def (branch->create.domain);

  for (guint i = 0; i < rows->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (rows, i);

      if (!qs_snapshot_file_is_disk (row) || qs_domain_def_find_disk (def, row->target) != NULL)
        continue;
      g_set_error (
          error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
          "disk ‘%s’ is part of snapshot ‘%s’, and the domain has it no more; a branch has "
          "the same set of disks",
          row->target, branch->point->name);
      return FALSE;
    }
  return TRUE;
}

/* from here on a disk stands on its state file, whatever the guest uses now */
static void
put_on_state_files (QsBranch *branch)
{
  for (guint i = 0; i < branch->selection->disks->len; i++)
    {
      QsSelected *selected = g_ptr_array_index (branch->selection->disks, i);
      const QsSnapshotFile *row = find_row (branch, selected->disk->target);

      if (row == NULL)
        continue;
      selected->active = row->path;
      selected->active_format = row->format;
    }
}

/**
 * qs_branch_settle_disks:
 *
 * Lays the request beside the disks of the snapshot: all of those, and no others.
 */
gboolean
qs_branch_settle_disks (QsBranch *branch, GError **error)
{
  if (!check_found (branch, error))
    return FALSE;
  for (guint i = 0; i < branch->selection->disks->len; i++)
    {
      QsSelected *selected = g_ptr_array_index (branch->selection->disks, i);

      if (find_row (branch, selected->disk->target) != NULL
              ? !settle_taken (branch, selected, error)
              : !settle_left_out (branch, selected, error))
        return FALSE;
    }
  if (branch->selection->n_external == 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "snapshot ‘%s’ has no disks, so that nothing can branch off from it",
                   branch->point->name);
      return FALSE;
    }
  if (!qs_align_check_overlays (branch->selection, error))
    return FALSE;
  put_on_state_files (branch);
  return TRUE;
}

static gboolean
check_untouched (const QsBranch *branch, const char *target, const QsImage *image, GError **error)
{
  const QsFacts *facts = branch->create.facts;
  const QsFile *record = qs_facts_find_file (facts, image->path);
  const char *fault = NULL;

  /* of a device only its name lasts over a reboot */
  if (record != NULL && image->rdev == 0 && !qs_file_is (record, image))
    fault = "is not the file that the snapshot was taken with; bring that one back";
  else if (record != NULL && record->active_of != NULL)
    fault = "is what the guest writes to now";
  else if (image->dirty)
    fault = "is marked dirty or corrupt; repair it first with qemu-img check -r all";
  if (fault == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "disk ‘%s’: state file ‘%s’ of snapshot ‘%s’ %s", target, image->path,
               branch->point->name, fault);
  return FALSE;
}

static gboolean
check_others (const QsBranch *branch, const char *target, const QsImage *image, GError **error)
{
  g_autofree char *user = qs_users_describe (branch->create.facts, image->path);

  if (user == NULL)
    return qs_check_unused (branch->create.facts, target, image, error);
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "disk ‘%s’: state file ‘%s’ of snapshot ‘%s’ is already used by %s", target,
               image->path, branch->point->name, user);
  return FALSE;
}

/**
 * qs_branch_check_state_file:
 *
 * Returns: (transfer none): the file that a disk was on when the snapshot was taken, seen to be that
 *   one still; NULL with the refusal
 */
const QsImage *
qs_branch_check_state_file (const QsBranch *branch, const QsSelected *selected, GError **error)
{
  const char *target = selected->disk->target;
  const QsFacts *facts = branch->create.facts;
  const QsImage *image = qs_planning_snapshot_image (facts, target, error);
  const QsDiskFacts *disk = qs_facts_find_snapshot_disk (facts, target);

  if (image == NULL || !check_untouched (branch, target, image, error)
      || !qs_check_recorded (disk, facts, error) || !check_others (branch, target, image, error))
    return NULL;
  if (disk->chain->len < QS_MAX_CHAIN_FILES)
    return image;
  g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
               "disk ‘%s’: its chain has %u files already", target, disk->chain->len);
  return NULL;
}
