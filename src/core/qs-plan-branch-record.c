/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-branch.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <string.h>

static const QsSelected *
find_selected (const QsBranch *branch, const char *target)
{
  for (guint i = 0; i < branch->selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (branch->selection->disks, i);

      if (selected->choice == QS_LOCATION_EXTERNAL && g_str_equal (selected->disk->target, target))
        return selected;
    }
  return NULL;
}

/* of the element that is copied nothing is kept: it says how the other overlay is to be opened */
static void
describe_overlay (QsSnapshotDisk *disk, const QsSelected *selected)
{
  g_clear_pointer (&disk->document_name, g_free);
  g_clear_pointer (&disk->mirror, g_free);
  g_free (disk->source);
  g_free (disk->driver);
  disk->source_type = selected->is_device ? QS_SOURCE_BLOCK : QS_SOURCE_FILE;
  disk->source = g_strdup (selected->path);
  disk->driver = g_strdup (selected->format);
  disk->mode =
      selected->mode != QS_DISK_MODE_ABSOLUTE_PATHS ? selected->mode : QS_DISK_MODE_DEFAULT;
}

/* the same point in time: of the snapshot that is branched all but labels and overlays is copied */
static char *
make_document (const QsBranch *branch)
{
  g_autoptr (QsSnapshotDef) def = qs_snapshot_def_copy (branch->document);

  g_free (def->name);
  g_free (def->description);
  def->name = g_strdup (branch->selection->name);
  def->description = g_strdup (branch->create.request->def->description);
  def->has_creation_time = TRUE;
  def->creation_time = branch->create.facts->now / G_USEC_PER_SEC;
  for (guint i = 0; i < def->disks->len; i++)
    {
      QsSnapshotDisk *disk = g_ptr_array_index (def->disks, i);
      const QsSelected *selected = find_selected (branch, disk->name);

      if (selected != NULL)
        describe_overlay (disk, selected);
    }
  return qs_snapshot_def_format (def, TRUE);
}

static gboolean
record_snapshot (const QsBranch *branch, QsChangeList *changes, GError **error)
{
  const QsSnapshot *point = branch->point;
  const char *uuid = branch->create.facts->fresh_uuid;
  const char *description = branch->create.request->def->description;
  g_autofree char *document = make_document (branch);

  if (strlen (document) > QS_MAX_RECORD_BYTES)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                           "the document of the snapshot would be too large");
      return FALSE;
    }
  qs_changes_add (
      changes, QS_CHANGE_SNAPSHOT_PUT, "uuid", "s", uuid, "name", "s", branch->selection->name,
      "parent", "s", point->uuid, "description", "s", description != NULL ? description : "",
      "state", "s", qs_enum_to_string (QS_ENUM_SNAPSHOT_STATE, point->state), "kind", "s",
      qs_enum_to_string (QS_ENUM_KIND, point->kind), "memory", "s",
      qs_enum_to_string (QS_ENUM_LOCATION, point->memory), "origin", "s", "user", "created", "x",
      branch->create.facts->now, "document", "s", document, "unverified", "b", FALSE, NULL);
  /* what holds of the data then, not how long the guest waited for it */
  if (point->quiesced)
    qs_changes_add (changes, QS_CHANGE_SNAPSHOT_QUIESCE, "uuid", "s", uuid, "freeze-time", "t",
                    (guint64)0, "quiesced", "b", TRUE, NULL);
  return TRUE;
}

/* where the other one lies this one lies, too; memory and firmware variables are not copied either */
static void
record_shared (const QsBranch *branch, QsChangeList *changes)
{
  const GPtrArray *rows = branch->create.facts->snapshot_files;

  for (guint i = 0; i < rows->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (rows, i);

      qs_changes_add (changes, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s",
                      branch->create.facts->fresh_uuid, "target", "s", row->target, "path", "s",
                      row->path, "tag", "s", row->tag != NULL ? row->tag : "", NULL);
    }
}

static void
record_overlay (const QsBranch *branch, QsChangeList *changes, const QsSelected *selected)
{
  const QsFacts *facts = branch->create.facts;
  const char *target = selected->disk->target;

  qs_planning_record_chain (changes, facts, qs_facts_find_snapshot_disk (facts, target));
  qs_create_record_file (&branch->create, changes, selected, selected->path);
  qs_changes_add (changes, QS_CHANGE_TIP, "uuid", "s", facts->fresh_uuid, "target", "s", target,
                  "path", "s", selected->path, NULL);
}

/**
 * qs_branch_add_record:
 *
 * Adds the step that writes the branch down, which is its commit: no guest has to know of it.
 */
gboolean
qs_branch_add_record (QsBranch *branch, QsPlan *plan, GError **error)
{
  QsChangeList changes;

  qs_changes_init (&changes);
  if (!record_snapshot (branch, &changes, error))
    {
      g_variant_builder_clear (&changes);
      return FALSE;
    }
  for (guint i = 0; i < branch->selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (branch->selection->disks, i);

      if (selected->choice == QS_LOCATION_EXTERNAL)
        record_overlay (branch, &changes, selected);
    }
  record_shared (branch, &changes);
  qs_planning_add_record (plan, QS_PHASE_COMMIT, branch->selection->name, &changes);
  return TRUE;
}
