/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"

static void
add_files (QsRevertBuild *build, QsChangeList *changes)
{
  for (guint i = 0; i < build->dropped->len; i++)
    qs_changes_add (changes, QS_CHANGE_FILE_TOMBSTONE, "path", "s",
                    ((const QsDropped *)g_ptr_array_index (build->dropped, i))->path, NULL);
  for (guint i = 0; i < build->given_up->len; i++)
    qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s",
                    g_ptr_array_index (build->given_up, i), NULL);
}

static void
add_record_changes (QsRevertBuild *build, QsChangeList *changes)
{
  const QsRevert *revert = build->revert;
  const char *definition = revert->renewed != NULL ? revert->renewed : revert->definition;

  if (definition != NULL)
    qs_changes_add (changes, QS_CHANGE_DOMAIN_PUT, "definition", "s", definition, "owner", "u",
                    revert->domain->owner, "name", "s", revert->domain->name, "uuid", "s",
                    revert->domain->uuid, NULL);
  qs_changes_add (changes, QS_CHANGE_CURRENT, "uuid", "s", revert->holder->uuid, NULL);
  add_files (build, changes);
}

/**
 * qs_revert_add_tags:
 * @load: the step that has done it already if QEMU lived to the end of it; G_MAXUINT: none
 *
 * Adds the steps that apply the snapshots inside of images which no QEMU has open.
 */
void
qs_revert_add_tags (QsRevertBuild *build, QsPhase phase, guint load)
{
  const QsRevert *revert = build->revert;

  for (guint i = 0; i < revert->disks->len; i++)
    {
      const QsRevertDisk *disk = qs_revert_disk (revert, i);
      g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

      if (disk->kind != QS_REVERT_DISK_TAG)
        continue;
      g_variant_builder_add_parsed (&arguments, "{'target', <%s>}", disk->target);
      g_variant_builder_add_parsed (&arguments, "{'path', <%s>}", disk->path);
      g_variant_builder_add_parsed (&arguments, "{'format', <%s>}", "qcow2");
      g_variant_builder_add_parsed (&arguments, "{'tag', <%s>}", disk->tag);
      g_variant_builder_add_parsed (&arguments, "{'dev', <%t>}", disk->image->dev);
      g_variant_builder_add_parsed (&arguments, "{'ino', <%t>}", disk->image->ino);
      if (load != G_MAXUINT)
        g_variant_builder_add_parsed (&arguments, "{'load', <%u>}", load);
      qs_plan_add (build->plan, QS_STEP_IMAGE_SNAPSHOT_APPLY, phase, disk->target,
                   g_variant_builder_end (&arguments));
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

static void
add_result (QsRevertBuild *build)
{
  const QsRevert *revert = build->revert;
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GPtrArray) restored = g_ptr_array_new ();
  g_autoptr (GPtrArray) dropped = g_ptr_array_new ();
  g_autoptr (GPtrArray) not_restored = g_ptr_array_new ();

  for (guint i = 0; i < revert->disks->len; i++)
    g_ptr_array_add (restored, (gpointer)qs_revert_disk (revert, i)->target);
  if (revert->loads)
    g_ptr_array_add (restored, (gpointer) "memory");
  else if (revert->save != QS_SAVE_NONE)
    {
      g_ptr_array_add (not_restored, (gpointer) "memory");
      qs_plan_note (build->plan, "the memory of snapshot ‘%s’ is not loaded: the guest will boot",
                    revert->snapshot->name);
    }
  if (revert->definition != NULL)
    g_ptr_array_add (restored, (gpointer) "definition");
  if (qs_domain_get_def (revert->domain)->nvram != NULL)
    g_ptr_array_add (build->has_firmware || revert->loads ? restored : not_restored,
                     (gpointer) "nvram");
  /* a name that the fresh overlay has taken over is not gone */
  for (guint i = 0; i < build->dropped->len; i++)
    {
      const QsDropped *file = g_ptr_array_index (build->dropped, i);

      if (g_str_equal (file->path, file->file->path))
        g_ptr_array_add (dropped, file->path);
    }

  g_variant_dict_insert (&result, "in-place", "b", revert->in_place);
  g_variant_dict_insert (&result, "reason", "s", revert->reason != NULL ? revert->reason : "");
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

  if (!qs_revert_plan_disks (build, changes, error))
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

/* a domain that is where it is to go stays as it is, unless it is to be started */
static gboolean
plan_nothing (QsRevertBuild *build, QsChangeList *changes)
{
  qs_planning_add_record (build->plan, QS_PHASE_COMMIT, build->revert->holder->name, changes);
  qs_plan_note (build->plan, "the domain is at the latest state of snapshot ‘%s’ already",
                build->revert->holder->name);
  return TRUE;
}

/* the commit, and what becomes of the process. @changes are used up */
static gboolean
plan_guest (QsRevertBuild *build, QsChangeList *changes, GError **error)
{
  if (qs_revert_is_there (build->revert) && (build->was_active || !build->revert->runs))
    return plan_nothing (build, changes);
  if (build->revert->in_place)
    return qs_revert_plan_in_place (build, changes, error);
  return qs_revert_plan_process (build, changes, error);
}

/**
 * qs_revert_build:
 *
 * A state file is never written: external disks get a fresh overlay on it. Nothing stops the guest
 * before the overlays are there and the memory is loaded, or a trial start of the new command line has
 * succeeded.
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
  if (!plan_guest (&build, &changes, error))
    return NULL;
  qs_revert_plan_old_names (&build);
  plan_unlinks (&build);
  add_result (&build);
  return g_steal_pointer (&plan);
}
