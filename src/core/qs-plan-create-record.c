/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-safety.h"

/* where the overlay of a disk is in the end */
static const char *
overlay_path (const QsCreate *create, const QsSelected *selected)
{
  return qs_create_is_exchanged (create, selected) ? selected->active : selected->path;
}

static void
add_snapshot_disks (QsCreate *create, QsSnapshotDef *def)
{
  for (guint i = 0; i < create->selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (create->selection->disks, i);
      QsSnapshotDisk *disk =
          qs_snapshot_def_add_disk (def, selected->disk->target, selected->choice);

      if (selected->choice == QS_LOCATION_INTERNAL)
        disk->tag = g_strdup (create->tag);
      if (selected->choice != QS_LOCATION_EXTERNAL)
        continue;
      disk->source_type = selected->is_device ? QS_SOURCE_BLOCK : QS_SOURCE_FILE;
      disk->source = g_strdup (overlay_path (create, selected));
      disk->driver = g_strdup (selected->format);
      if (selected->mode != QS_DISK_MODE_ABSOLUTE_PATHS)
        disk->mode = selected->mode;
      if (selected->request != NULL)
        disk->mirror = g_strdup (selected->request->mirror);
    }
}

static QsSnapshotState
recorded_state (const QsCreate *create)
{
  if (create->facts->state == QS_DOMAIN_SHUTOFF)
    return QS_STATE_SHUTOFF;
  if (create->selection->save == QS_SAVE_NONE)
    return QS_STATE_DISK_SNAPSHOT;
  return create->facts->state == QS_DOMAIN_RUNNING ? QS_STATE_RUNNING : QS_STATE_PAUSED;
}

/* what the next start would use, where that is not what runs */
static QsDomainDef *
other_inactive_def (const QsDomain *domain, const QsDomainDef *live)
{
  g_autoptr (QsDomainDef) inactive = qs_domain_true_def (domain, TRUE, NULL);
  g_autofree char *inactive_text = inactive != NULL ? qs_domain_def_format (inactive, TRUE) : NULL;
  g_autofree char *live_text = qs_domain_def_format (live, TRUE);

  return g_strcmp0 (inactive_text, live_text) == 0 ? NULL : g_steal_pointer (&inactive);
}

/* the document as it is kept: parent, name and description are the record's and may change */
static char *
make_document (QsCreate *create, GError **error)
{
  g_autoptr (QsSnapshotDef) def = qs_snapshot_def_new ();

  def->name = g_strdup (create->selection->name);
  def->description = g_strdup (create->request->def->description);
  def->state = recorded_state (create);
  def->has_creation_time = TRUE;
  def->creation_time = create->facts->now / G_USEC_PER_SEC;
  qs_create_describe_memory (create, def);
  def->has_disks = TRUE;
  add_snapshot_disks (create, def);

  def->domain = qs_domain_true_def (create->domain, FALSE, error);
  if (def->domain == NULL)
    return NULL;
  def->inactive_domain = other_inactive_def (create->domain, def->domain);
  return qs_snapshot_def_format (def, TRUE);
}

static QsKind
snapshot_kind (const QsSelection *selection)
{
  gboolean internal = selection->n_internal > 0 || selection->memory == QS_LOCATION_INTERNAL;
  gboolean external = selection->n_external > 0 || selection->memory == QS_LOCATION_EXTERNAL;

  if (internal && external)
    return QS_KIND_MIXED;
  return external ? QS_KIND_EXTERNAL : QS_KIND_INTERNAL;
}

/**
 * qs_create_condition:
 * @target: (nullable): NULL: of all disks
 *
 * Where disks are switched one by one, only what was reached is recorded.
 *
 * Returns: (transfer floating) (nullable): the `if-done` of a change; NULL: none
 */
GVariant *
qs_create_condition (const QsCreate *create, const char *target)
{
  g_auto (GVariantBuilder) steps = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("au"));
  gpointer step;

  if (g_hash_table_size (create->syncs) == 0)
    return NULL;
  for (guint i = 0; i < create->selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (create->selection->disks, i);
      const char *name = selected->disk->target;

      if ((target == NULL || g_str_equal (target, name))
          && g_hash_table_lookup_extended (create->syncs, name, NULL, &step))
        g_variant_builder_add (&steps, "u", GPOINTER_TO_UINT (step));
    }
  return g_variant_builder_end (&steps);
}

static QsOrigin
origin_of (const QsCreate *create)
{
  return qs_safety_is_create (create->request) ? QS_ORIGIN_SAFETY : QS_ORIGIN_USER;
}

static gboolean
record_snapshot (QsCreate *create, QsChangeList *changes, GError **error)
{
  const QsSnapshot *parent = qs_tree_get_current (create->domain->tree);
  const char *description = create->request->def->description;
  g_autofree char *document = make_document (create, error);

  if (document == NULL)
    return FALSE;
  if (strlen (document) > QS_MAX_RECORD_BYTES)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                           "the document of the snapshot would be too large");
      return FALSE;
    }
  qs_changes_add (changes, QS_CHANGE_SNAPSHOT_PUT, "uuid", "s", create->facts->fresh_uuid, "name",
                  "s", create->selection->name, "parent", "s", parent != NULL ? parent->uuid : "",
                  "description", "s", description != NULL ? description : "", "state", "s",
                  qs_enum_to_string (QS_ENUM_SNAPSHOT_STATE, recorded_state (create)), "kind", "s",
                  qs_enum_to_string (QS_ENUM_KIND, snapshot_kind (create->selection)), "memory",
                  "s", qs_enum_to_string (QS_ENUM_LOCATION, create->selection->memory), "origin",
                  "s", qs_enum_to_string (QS_ENUM_ORIGIN, origin_of (create)), "created", "x",
                  create->facts->now, "document", "s", document, "unverified", "b", FALSE,
                  "if-done", "au", qs_create_condition (create, NULL), NULL);
  qs_create_record_quiesce (create, changes);
  return TRUE;
}

/* ours is what we have made; what was lent is never unlinked. A file that a step has written has its
   identity from there */
void
qs_create_record_file (const QsCreate *create, QsChangeList *changes, const QsSelected *selected,
                       const char *path)
{
  const char *target = selected->disk->target;
  const QsDiskFacts *reused = qs_facts_find_reused (create->facts, selected->path);
  const QsTarget *found = qs_facts_find_target (create->facts, selected->path);
  guint step = GPOINTER_TO_UINT (g_hash_table_lookup (create->steps, target));
  const char *base = qs_create_is_exchanged (create, selected) ? selected->path : selected->active;
  const QsImage *image;
  guint64 dev, ino;

  if (reused == NULL)
    {
      qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", path, "format", "s",
                      selected->format, "role", "s", "disk", "backing", "s", base, "ours", "b",
                      found->type == QS_TARGET_ABSENT, "step", "u", step, "if-done", "au",
                      qs_create_condition (create, target), NULL);
      return;
    }
  image = g_ptr_array_index (reused->chain, 0);
  qs_image_identity (image, &dev, &ino);
  qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", path, "format", "s", selected->format,
                  "role", "s", "disk", "backing", "s", base, "ours", "b", FALSE, "dev", "t", dev,
                  "ino", "t", ino, "btime", "x", image->btime, "if-done", "au",
                  qs_create_condition (create, target), NULL);
}

/* the file that QEMU goes over to */
static void
record_overlay (QsCreate *create, QsChangeList *changes, const QsSelected *selected)
{
  const char *target = selected->disk->target;
  const char *path = overlay_path (create, selected);

  qs_create_record_file (create, changes, selected, path);
  qs_changes_add (changes, QS_CHANGE_ACTIVE, "target", "s", target, "path", "s", path, "format",
                  "s", selected->format, "stem", "s", selected->stem, "if-done", "au",
                  qs_create_condition (create, target), NULL);
}

static void
record_disk (QsCreate *create, QsChangeList *changes, const QsSelected *selected, gboolean metadata)
{
  gboolean external = selected->choice == QS_LOCATION_EXTERNAL;
  const char *target = selected->disk->target;

  qs_planning_record_chain (changes, create->facts, qs_facts_find_disk (create->facts, target));
  if (metadata)
    qs_changes_add (changes, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", create->facts->fresh_uuid,
                    "target", "s", target, "path", "s", selected->active, "tag", "s",
                    external ? "" : create->tag, "if-done", "au",
                    qs_create_condition (create, NULL), NULL);
  if (!external)
    return;
  qs_create_record_exchange (create, changes, selected);
  record_overlay (create, changes, selected);
}

/**
 * qs_create_add_record:
 *
 * Adds the step that writes the snapshot down: the commit of an offline one, a finish step where
 * QEMU has switched already.
 */
gboolean
qs_create_add_record (QsCreate *create, QsPlan *plan, GError **error)
{
  QsPhase phase = create->committed ? QS_PHASE_FINISH : QS_PHASE_COMMIT;
  gboolean metadata = !(create->request->flags & QS_CREATE_NO_METADATA);
  QsChangeList changes;

  qs_changes_init (&changes);
  if (metadata && !record_snapshot (create, &changes, error))
    {
      g_variant_builder_clear (&changes);
      return FALSE;
    }
  for (guint i = 0; i < create->selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (create->selection->disks, i);

      if (selected->choice == QS_LOCATION_INTERNAL || selected->choice == QS_LOCATION_EXTERNAL)
        record_disk (create, &changes, selected, metadata);
      qs_create_record_mirror (create, plan, selected, &changes);
    }
  qs_create_record_memory (create, &changes, metadata);
  qs_create_record_firmware (create, &changes, metadata);
  /* after a safety snapshot the domain is to go elsewhere, and the revert says where */
  if (metadata && origin_of (create) == QS_ORIGIN_USER)
    qs_changes_add (&changes, QS_CHANGE_CURRENT, "uuid", "s", create->facts->fresh_uuid, "if-done",
                    "au", qs_create_condition (create, NULL), NULL);
  qs_planning_add_record (plan, phase, create->selection->name, &changes);
  create->committed = TRUE;
  create->recorded = TRUE;
  return TRUE;
}
