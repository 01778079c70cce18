/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"

static gboolean
wants_run (const QsRevertBuild *build)
{
  return (build->revert->request->flags & (QS_REVERT_RUNNING | QS_REVERT_PAUSED)) != 0;
}

static void
add_record_changes (QsRevertBuild *build, QsChangeList *changes)
{
  const QsRevert *revert = build->revert;

  if (revert->definition != NULL)
    qs_changes_add (changes, QS_CHANGE_DOMAIN_PUT, "definition", "s", revert->definition, "owner",
                    "u", revert->domain->owner, "name", "s", revert->domain->name, "uuid", "s",
                    revert->domain->uuid, NULL);
  if (build->was_active && !build->in_place)
    qs_changes_add_end_of_process (changes);
  qs_changes_add (changes, QS_CHANGE_CURRENT, "uuid", "s", revert->snapshot->uuid, NULL);
  for (guint i = 0; i < build->dropped->len; i++)
    qs_changes_add (changes, QS_CHANGE_FILE_TOMBSTONE, "path", "s",
                    ((const QsDropped *)g_ptr_array_index (build->dropped, i))->path, NULL);
  for (guint i = 0; i < build->given_up->len; i++)
    qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s",
                    g_ptr_array_index (build->given_up, i), NULL);
}

static const GPtrArray *
chain_below (const QsRevertBuild *build, const char *target, GError **error)
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
chains_after (const QsRevertBuild *build, GError **error)
{
  const GPtrArray *disks = build->after->def->disks;
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sa(ss))"));

  for (guint i = 0; i < disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (disks, i);
      const char *overlay = g_hash_table_lookup (build->overlays, disk->target);
      const GPtrArray *chain;

      if (disk->source == NULL)
        continue;
      chain = chain_below (build, disk->target, error);
      if (chain == NULL)
        return NULL;
      qs_planning_add_chain (&builder, disk->target, overlay, chain);
    }
  return g_variant_builder_end (&builder);
}

static gboolean
plan_spawn (QsRevertBuild *build, QsStepKind kind, QsPhase phase, GError **error)
{
  GVariant *chains = chains_after (build, error);

  return chains != NULL
         && qs_planning_spawn (build->plan, kind, phase, build->after, chains, error);
}

static void
plan_tags (QsRevertBuild *build)
{
  const QsFacts *facts = build->revert->facts;
  QsPhase phase = build->was_active ? QS_PHASE_FINISH : QS_PHASE_COMMIT;

  for (guint i = 0; i < facts->snapshot_files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (facts->snapshot_files, i);
      const QsImage *image = qs_planning_snapshot_image (facts, file->target, NULL);

      if (file->tag == NULL || !qs_snapshot_file_is_disk (file))
        continue;
      qs_plan_add (
          build->plan, QS_STEP_IMAGE_SNAPSHOT_APPLY, phase, file->target,
          g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'format': <'qcow2'>, 'tag': <%s>,"
                                " 'dev': <%t>, 'ino': <%t>}",
                                file->target, file->path, file->tag, image->dev, image->ino));
      phase = QS_PHASE_FINISH;
    }
}

/**
 * qs_revert_plan_exchanges:
 * @phase: of the first one
 * @off: no QEMU runs
 *
 * Of an attached domain: the first exchange of names decides what its owner will start, unless a tag
 * does.
 *
 * Returns: the phase of what follows
 */
QsPhase
qs_revert_plan_exchanges (QsRevertBuild *build, QsPhase phase, gboolean off)
{
  for (guint i = 0; i < build->exchanges->len; i++)
    {
      const QsRevertExchange *exchange = g_ptr_array_index (build->exchanges, i);

      qs_exchange_add_rename (build->plan, phase, &exchange->names, exchange->step, off);
      phase = QS_PHASE_FINISH;
    }
  return phase;
}

/* external files only: the record is the commit, and until then the old guest is merely stopped.
   With tags, the first thing that cannot be taken back is: the end of the guest, or, when it is off,
   the first `snapshot -a` */
static void
plan_switch (QsRevertBuild *build, QsChangeList *changes)
{
  const QsRevert *revert = build->revert;
  QsPlan *plan = build->plan;

  if (build->n_tags == 0)
    {
      if (build->was_active)
        qs_plan_add (plan, QS_STEP_STOP, QS_PHASE_PREPARE, revert->domain->name,
                     g_variant_new ("a{sv}", NULL));
      qs_planning_add_record (plan, qs_revert_plan_exchanges (build, QS_PHASE_COMMIT, TRUE),
                              revert->snapshot->name, changes);
      if (build->was_active)
        qs_planning_quit (plan, QS_PHASE_FINISH, revert->domain);
      return;
    }
  if (build->was_active)
    qs_planning_quit (plan, QS_PHASE_COMMIT, revert->domain);
  plan_tags (build);
  qs_revert_plan_exchanges (build, QS_PHASE_FINISH, TRUE);
  qs_planning_add_record (plan, QS_PHASE_FINISH, revert->snapshot->name, changes);
}

static void
plan_unlinks (QsRevertBuild *build)
{
  QsChangeList forget;

  if (build->dropped->len == 0)
    return;
  qs_changes_init (&forget);
  for (guint i = 0; i < build->dropped->len; i++)
    {
      const QsDropped *dropped = g_ptr_array_index (build->dropped, i);

      qs_planning_unlink (build->plan, dropped->path, dropped->file);
      qs_changes_add (&forget, QS_CHANGE_FILE_FORGET, "path", "s", dropped->path, NULL);
    }
  qs_planning_add_record (build->plan, QS_PHASE_FINISH, build->revert->snapshot->name, &forget);
}

static gboolean
plan_start (QsRevertBuild *build, GError **error)
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
add_result (QsRevertBuild *build)
{
  const QsRevert *revert = build->revert;
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GPtrArray) restored = g_ptr_array_new ();
  g_autoptr (GPtrArray) dropped = g_ptr_array_new ();
  g_autoptr (GPtrArray) not_restored = g_ptr_array_new ();

  for (guint i = 0; i < revert->facts->snapshot_files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (revert->facts->snapshot_files, i);

      if (qs_snapshot_file_is_disk (file))
        g_ptr_array_add (restored, file->target);
      else
        qs_plan_note (build->plan,
                      "the firmware variables stay as they are; those of the "
                      "snapshot are in ‘%s’",
                      file->path);
    }
  if (revert->definition != NULL)
    g_ptr_array_add (restored, (gpointer) "definition");
  if (qs_domain_get_def (revert->domain)->nvram != NULL)
    g_ptr_array_add (not_restored, (gpointer) "nvram");
  /* a name that the fresh overlay has taken over is not gone */
  for (guint i = 0; i < build->dropped->len; i++)
    {
      const QsDropped *file = g_ptr_array_index (build->dropped, i);

      if (g_str_equal (file->path, file->file->path))
        g_ptr_array_add (dropped, file->path);
    }

  g_variant_dict_insert (&result, "in-place", "b", build->in_place);
  g_variant_dict_insert (&result, "reason", "s",
                         build->in_place ? "" : "the snapshot has no memory");
  g_variant_dict_insert_value (
      &result, "restored",
      g_variant_new_strv ((const char *const *)restored->pdata, restored->len));
  g_variant_dict_insert_value (
      &result, "not-restored",
      g_variant_new_strv ((const char *const *)not_restored->pdata, not_restored->len));
  g_variant_dict_insert_value (
      &result, "dropped-files",
      g_variant_new_strv ((const char *const *)dropped->pdata, dropped->len));
  for (guint i = 0; i < build->given_up->len; i++)
    qs_plan_note (build->plan, "‘%s’ is not used any more; it was not made here and stays",
                  (const char *)g_ptr_array_index (build->given_up, i));
  qs_plan_set_result (build->plan, g_variant_dict_end (&result));
}

/* the domain with the files and the definition it will have: what a new QEMU is started with */
static QsDomain *
domain_after (QsRevertBuild *build, GVariant *changes, GError **error)
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
build_changes (QsRevertBuild *build, QsChangeList *changes, GError **error)
{
  g_autoptr (GVariant) list = NULL;
  GVariantIter iter;
  GVariant *change;

  if (!qs_revert_plan_overlays (build, changes, error))
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

/* the commit, and what becomes of the process. @changes are used up */
static gboolean
plan_process (QsRevertBuild *build, QsChangeList *changes, GError **error)
{
  if (build->in_place)
    {
      qs_revert_plan_in_place (build, changes);
      return TRUE;
    }
  if ((build->was_active || wants_run (build))
      && !plan_spawn (build, QS_STEP_PROOF_START, QS_PHASE_PREPARE, error))
    {
      g_variant_builder_clear (changes);
      return FALSE;
    }
  plan_switch (build, changes);
  return plan_start (build, error);
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
  g_auto (QsRevertBuild) build = { 0 };
  QsChangeList changes;

  qs_revert_build_init (&build, revert, plan);
  qs_changes_init (&changes);
  if (!build_changes (&build, &changes, error))
    return NULL;
  if (!plan_process (&build, &changes, error))
    return NULL;
  plan_unlinks (&build);
  add_result (&build);
  return g_steal_pointer (&plan);
}
