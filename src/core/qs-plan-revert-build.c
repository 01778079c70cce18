/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"

typedef struct
{
  QsRevert *revert;
  QsPlan *plan;
  GHashTable *overlays; /* target -> path of the fresh overlay */
  GPtrArray *dropped;   /* of const QsFile */
  QsDomain *after;      /* the domain as it will be, for the definition that is started */
  gboolean was_active;
  guint n_tags;
} Build;

static void
clear_build (Build *build)
{
  g_hash_table_unref (build->overlays);
  g_ptr_array_unref (build->dropped);
  qs_domain_unref (build->after);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Build, clear_build)

static gboolean
wants_run (const Build *build)
{
  return (build->revert->request->flags & (QS_REVERT_RUNNING | QS_REVERT_PAUSED)) != 0;
}

static gboolean
is_unused (const QsFacts *facts, const QsFile *file)
{
  if (qs_planning_is_foreign (facts, file->path))
    return FALSE;
  if ((file->state_of != NULL && file->state_of->len > 0)
      || (file->tag_of != NULL && file->tag_of->len > 0))
    return FALSE;
  for (guint i = 0; i < facts->files->len; i++)
    if (g_strcmp0 (((QsFile *)g_ptr_array_index (facts->files, i))->backing, file->path) == 0)
      return FALSE;
  return TRUE;
}

/* the changes since the snapshot are what a revert to it drops */
static void
drop_active (Build *build, const QsSnapshotFile *file)
{
  const QsActive *active = qs_domain_find_active (build->revert->domain, file->target);
  const QsFile *record =
      active != NULL ? qs_facts_find_file (build->revert->facts, active->path) : NULL;

  if (record != NULL && record->ours && !g_str_equal (record->path, file->path)
      && is_unused (build->revert->facts, record))
    g_ptr_array_add (build->dropped, (gpointer)record);
}

static gboolean
check_overlay_target (Build *build, const char *target, const char *path, GError **error)
{
  const QsDiskDef *disk = qs_domain_def_find_disk (build->revert->domain->def, target);
  QsSelected selected = { .disk = disk, .path = (char *)path };

  return qs_check_target (&selected, build->revert->facts, error);
}

static gboolean
plan_overlay (Build *build, QsChangeList *changes, const QsSnapshotFile *file, GError **error)
{
  QsRevert *revert = build->revert;
  const QsImage *image = qs_planning_snapshot_image (revert->facts, file->target, error);
  g_autofree char *stem = NULL;
  g_autofree char *path = NULL;

  if (image == NULL)
    return FALSE;
  path = qs_revert_overlay_path (revert->domain, file->target, revert->facts->now, &stem, error);
  if (path == NULL || !check_overlay_target (build, file->target, path, error))
    return FALSE;

  QsOverlay overlay = {
    .target = file->target,
    .path = path,
    .base = file->path,
    .base_format = image->format,
    .base_image = image,
    .virtual_size = image->virtual_size,
    .owner = revert->domain->owner,
  };
  qs_planning_record_overlay (changes, path, file->path, build->plan->steps->len);
  qs_planning_image_create (build->plan, &overlay);
  qs_changes_add (changes, QS_CHANGE_ACTIVE, "target", "s", file->target, "path", "s", path,
                  "format", "s", "qcow2", "stem", "s", stem, NULL);
  drop_active (build, file);
  g_hash_table_insert (build->overlays, file->target, g_steal_pointer (&path));
  return TRUE;
}

static gboolean
plan_overlays (Build *build, QsChangeList *changes, GError **error)
{
  const GPtrArray *files = build->revert->facts->snapshot_files;

  for (guint i = 0; i < files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (files, i);

      if (file->tag != NULL)
        build->n_tags++;
      else if (!plan_overlay (build, changes, file, error))
        return FALSE;
    }
  return TRUE;
}

static void
add_record_changes (Build *build, QsChangeList *changes)
{
  const QsRevert *revert = build->revert;

  if (revert->definition != NULL)
    qs_changes_add (changes, QS_CHANGE_DOMAIN_PUT, "definition", "s", revert->definition, "owner",
                    "u", revert->domain->owner, "name", "s", revert->domain->name, "uuid", "s",
                    revert->domain->uuid, NULL);
  if (build->was_active)
    {
      qs_changes_add_end_of_process (changes);
    }
  qs_changes_add (changes, QS_CHANGE_CURRENT, "uuid", "s", revert->snapshot->uuid, NULL);
  for (guint i = 0; i < build->dropped->len; i++)
    qs_changes_add (changes, QS_CHANGE_FILE_TOMBSTONE, "path", "s",
                    ((const QsFile *)g_ptr_array_index (build->dropped, i))->path, NULL);
}

static const GPtrArray *
chain_below (const Build *build, const char *target, GError **error)
{
  const QsFacts *facts = build->revert->facts;
  const QsDiskFacts *disk = qs_facts_find_snapshot_disk (facts, target);

  if (disk == NULL)
    disk = qs_facts_find_disk (facts, target);
  if (disk == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                 "disk ‘%s’ is in the snapshot's definition only and was not looked at", target);
  else if (disk->error != NULL)
    g_set_error (error, disk->error->domain, disk->error->code, "disk ‘%s’: %s", target,
                 disk->error->message);
  else
    return disk->chain;
  return NULL;
}

/* the files of each disk as they will be after the revert */
static GVariant *
chains_after (const Build *build, GError **error)
{
  const GPtrArray *disks = build->after->def->disks;
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sa(ss))"));

  for (guint i = 0; i < disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (disks, i);
      const char *overlay = g_hash_table_lookup (build->overlays, disk->target);
      const GPtrArray *chain;

      if (disk->source_type != QS_SOURCE_FILE || disk->source == NULL)
        continue;
      chain = chain_below (build, disk->target, error);
      if (chain == NULL)
        return NULL;
      qs_planning_add_chain (&builder, disk->target, overlay, chain);
    }
  return g_variant_builder_end (&builder);
}

static gboolean
plan_spawn (Build *build, QsStepKind kind, QsPhase phase, GError **error)
{
  GVariant *chains = chains_after (build, error);

  return chains != NULL
         && qs_planning_spawn (build->plan, kind, phase, build->after, chains, error);
}

static void
plan_tags (Build *build)
{
  const QsFacts *facts = build->revert->facts;
  QsPhase phase = build->was_active ? QS_PHASE_FINISH : QS_PHASE_COMMIT;

  for (guint i = 0; i < facts->snapshot_files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (facts->snapshot_files, i);
      const QsImage *image = qs_planning_snapshot_image (facts, file->target, NULL);

      if (file->tag == NULL)
        continue;
      qs_plan_add (
          build->plan, QS_STEP_IMAGE_SNAPSHOT_APPLY, phase, file->target,
          g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'format': <'qcow2'>, 'tag': <%s>,"
                                " 'dev': <%t>, 'ino': <%t>}",
                                file->target, file->path, file->tag, image->dev, image->ino));
      phase = QS_PHASE_FINISH;
    }
}

/* external files only: the record is the commit, and until then the old guest is merely stopped.
   With tags, the first thing that cannot be taken back is: the end of the guest, or, when it is off,
   the first `snapshot -a` */
static void
plan_switch (Build *build, QsChangeList *changes)
{
  const QsRevert *revert = build->revert;
  QsPlan *plan = build->plan;

  if (build->n_tags == 0)
    {
      if (build->was_active)
        qs_plan_add (plan, QS_STEP_STOP, QS_PHASE_PREPARE, revert->domain->name,
                     g_variant_new ("a{sv}", NULL));
      qs_planning_add_record (plan, QS_PHASE_COMMIT, revert->snapshot->name, changes);
      if (build->was_active)
        qs_planning_quit (plan, QS_PHASE_FINISH, revert->domain);
      return;
    }
  if (build->was_active)
    qs_planning_quit (plan, QS_PHASE_COMMIT, revert->domain);
  plan_tags (build);
  qs_planning_add_record (plan, QS_PHASE_FINISH, revert->snapshot->name, changes);
}

static void
plan_unlinks (Build *build)
{
  QsChangeList forget;

  if (build->dropped->len == 0)
    return;
  qs_changes_init (&forget);
  for (guint i = 0; i < build->dropped->len; i++)
    {
      const QsFile *file = g_ptr_array_index (build->dropped, i);

      qs_plan_add (build->plan, QS_STEP_FILE_UNLINK, QS_PHASE_FINISH, file->path,
                   g_variant_new_parsed ("{'path': <%s>, 'dev': <%t>, 'ino': <%t>, 'btime': <%x>}",
                                         file->path, file->dev, file->ino, file->btime));
      qs_changes_add (&forget, QS_CHANGE_FILE_FORGET, "path", "s", file->path, NULL);
    }
  qs_planning_add_record (build->plan, QS_PHASE_FINISH, build->revert->snapshot->name, &forget);
}

static gboolean
plan_start (Build *build, GError **error)
{
  guint spawn = build->plan->steps->len;

  if (!wants_run (build))
    return TRUE;
  if (!plan_spawn (build, QS_STEP_SPAWN, QS_PHASE_FINISH, error))
    return FALSE;
  qs_planning_record_start (build->plan, QS_PHASE_FINISH, build->after, spawn);
  if (build->revert->request->flags & QS_REVERT_RUNNING)
    qs_plan_add (build->plan, QS_STEP_CONT, QS_PHASE_FINISH, build->revert->domain->name,
                 g_variant_new ("a{sv}", NULL));
  return TRUE;
}

static void
add_result (Build *build)
{
  const QsRevert *revert = build->revert;
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GPtrArray) restored = g_ptr_array_new ();
  g_autoptr (GPtrArray) dropped = g_ptr_array_new ();
  const char *not_restored[] = { "nvram", NULL };
  gboolean has_nvram = qs_domain_get_def (revert->domain)->nvram != NULL;

  for (guint i = 0; i < revert->facts->snapshot_files->len; i++)
    g_ptr_array_add (
        restored, ((QsSnapshotFile *)g_ptr_array_index (revert->facts->snapshot_files, i))->target);
  if (revert->definition != NULL)
    g_ptr_array_add (restored, (gpointer) "definition");
  for (guint i = 0; i < build->dropped->len; i++)
    g_ptr_array_add (dropped, ((QsFile *)g_ptr_array_index (build->dropped, i))->path);

  g_variant_dict_insert (&result, "in-place", "b", FALSE);
  g_variant_dict_insert (&result, "reason", "s", "the snapshot has no memory");
  g_variant_dict_insert_value (
      &result, "restored",
      g_variant_new_strv ((const char *const *)restored->pdata, restored->len));
  g_variant_dict_insert_value (&result, "not-restored",
                               g_variant_new_strv (not_restored, has_nvram ? 1 : 0));
  g_variant_dict_insert_value (
      &result, "dropped-files",
      g_variant_new_strv ((const char *const *)dropped->pdata, dropped->len));
  build->plan->result = g_variant_ref_sink (g_variant_dict_end (&result));
}

/* the domain with the files and the definition it will have: what a new QEMU is started with */
static QsDomain *
domain_after (Build *build, GVariant *changes, GError **error)
{
  g_auto (GVariantBuilder) seen = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sa{sv})"));
  g_autoptr (GVariant) list = NULL;
  GVariantIter iter;
  GVariant *arguments;
  const char *name;

  /* files get their identity only when they are made; they do not show in the value */
  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_loop (&iter, "(&s@a{sv})", &name, &arguments))
    if (g_strcmp0 (name, qs_change_name (QS_CHANGE_FILE_PUT)) != 0)
      g_variant_builder_add (&seen, "(s@a{sv})", name, arguments);
  list = g_variant_ref_sink (g_variant_builder_end (&seen));
  return qs_domain_apply (build->revert->domain, list, error);
}

static gboolean
build_changes (Build *build, QsChangeList *changes, GError **error)
{
  g_autoptr (GVariant) list = NULL;
  GVariantIter iter;
  GVariant *change;

  if (!plan_overlays (build, changes, error))
    {
      g_variant_builder_clear (changes);
      return FALSE;
    }
  add_record_changes (build, changes);
  list = g_variant_ref_sink (qs_changes_end (changes));
  build->after = domain_after (build, list, error);

  qs_changes_init (changes);
  g_variant_iter_init (&iter, list);
  while ((change = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_variant_builder_add_value (changes, change);
      g_variant_unref (change);
    }
  if (build->after == NULL)
    g_variant_builder_clear (changes);
  return build->after != NULL;
}

/**
 * qs_revert_build:
 *
 * A state file is never written: external disks get a fresh overlay on it. Nothing stops the guest
 * before the overlays are there and a trial start of the new command line has succeeded.
 */
QsPlan *
qs_revert_build (QsRevert *revert, GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_auto (Build) build = {
    .revert = revert,
    .plan = plan,
    .overlays = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free),
    .dropped = g_ptr_array_new (),
    .was_active = revert->facts->state != QS_DOMAIN_SHUTOFF,
  };
  QsChangeList changes;

  qs_changes_init (&changes);
  if (!build_changes (&build, &changes, error))
    return NULL;
  if ((build.was_active || wants_run (&build))
      && !plan_spawn (&build, QS_STEP_PROOF_START, QS_PHASE_PREPARE, error))
    {
      g_variant_builder_clear (&changes);
      return NULL;
    }
  plan_switch (&build, &changes);
  if (!plan_start (&build, error))
    return NULL;
  plan_unlinks (&build);
  add_result (&build);
  return g_steal_pointer (&plan);
}
