/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-command-line.h"
#include "qs-error.h"

/* the guest gets another process, or none */

static const GPtrArray *
chain_below (const QsRevertBuild *build, const char *target, GError **error)
{
  const QsRevertDisk *moved = qs_revert_find_disk (build->revert, target);
  const QsDiskFacts *disk =
      moved != NULL ? moved->facts : qs_facts_find_disk (build->revert->facts, target);

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

/* memory belongs to the machine that ran, which may not be the one of the next start */
static char *
format_machine (const QsRevertBuild *build, GError **error)
{
  const QsRevert *revert = build->revert;
  g_autoptr (QsDomainDef) def = NULL;

  if (revert->loads && revert->def->inactive_domain != NULL)
    return qs_revert_comparable (build->after, revert->def->domain, error);
  def = qs_domain_true_def (build->after, TRUE, error);
  return def != NULL ? qs_domain_def_format (def, TRUE) : NULL;
}

/* another process must not take away, end or empty what the one that runs serves */
static gboolean
check_sharing (const QsRevertBuild *build, QsStepKind kind, const char *machine, GError **error)
{
  static const char *const commands[] = { "display-update", NULL };
  QsSharing sharing = kind == QS_STEP_PROOF_START ? QS_SHARING_PROOF : QS_SHARING_BESIDE;
  g_autoptr (QsDomainDef) def = qs_domain_def_new_record (machine, error);
  g_autoptr (GError) problem = NULL;

  if (def == NULL)
    return FALSE;
  if (sharing == QS_SHARING_BESIDE && qs_command_line_has_display (def)
      && !qs_facts_has_commands (build->revert->facts, commands))
    g_set_error_literal (&problem, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                         "this version of QEMU cannot hand its display over");
  else if (qs_command_line_check_sharing (def, sharing, &problem))
    return TRUE;
  g_set_error (
      error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
      "a second QEMU is needed beside the one that runs, and %s; shut the guest down first",
      problem->message);
  return FALSE;
}

static gboolean
plan_spawn (QsRevertBuild *build, QsStepKind kind, QsPhase phase, GError **error)
{
  const QsRevert *revert = build->revert;
  g_autofree char *machine = format_machine (build, error);
  GVariant *chains = machine != NULL ? chains_after (build, error) : NULL;
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  gboolean aside = build->beside && kind == QS_STEP_SPAWN;

  if (chains == NULL)
    return FALSE;
  if (build->was_active && phase == QS_PHASE_PREPARE
      && !check_sharing (build, kind, machine, error))
    {
      g_variant_unref (g_variant_ref_sink (chains));
      return FALSE;
    }
  g_variant_builder_add_parsed (&arguments, "{'id', <%s>}", build->after->id);
  g_variant_builder_add_parsed (&arguments, "{'definition', <%s>}", machine);
  g_variant_builder_add (&arguments, "{sv}", "chains", chains);
  if (aside)
    g_variant_builder_add_parsed (&arguments, "{'beside', <%b>}", TRUE);
  if (aside && revert->save == QS_SAVE_STREAM)
    g_variant_builder_add_parsed (&arguments, "{'incoming', <%b>}", TRUE);
  build->spawn = build->plan->steps->len;
  qs_plan_add (build->plan, kind, phase, revert->domain->name, g_variant_builder_end (&arguments));
  return TRUE;
}

static gboolean
plan_incoming (QsRevertBuild *build)
{
  const QsRevert *revert = build->revert;
  const QsTarget *file = qs_facts_find_target (revert->facts, revert->memory->path);
  const QsFile *record = qs_facts_find_file (revert->facts, revert->memory->path);

  qs_plan_add (build->plan, QS_STEP_MIGRATE_INCOMING, QS_PHASE_PREPARE, QS_MEMORY_TARGET,
               g_variant_new_parsed ("{'spawn': <%u>, 'path': <%s>, 'dev': <%t>, 'ino': <%t>,"
                                     " 'btime': <%x>, 'late': <%b>}",
                                     build->spawn, revert->memory->path, file->dev, file->ino,
                                     record != NULL ? record->btime : (gint64)0, build->late));
  return TRUE;
}

/* what both processes write to, the old one until it ends */
static gboolean
shares_files (const QsRevert *revert)
{
  return qs_revert_uncovered (revert) != NULL || qs_domain_get_def (revert->domain)->nvram != NULL;
}

/* the memory is loaded before the guest is stopped where the new process needs nothing that the old one
   has, or can wait for it */
static gboolean
loads_first (const QsRevertBuild *build)
{
  const QsRevert *revert = build->revert;

  if (!revert->loads)
    return FALSE;
  return revert->save == QS_SAVE_STREAM
         || (build->n_tags == 0 && (!build->was_active || !shares_files (revert)));
}

/* what can fail is done while the guest still runs */
static gboolean
plan_proof (QsRevertBuild *build, gboolean first, GError **error)
{
  const QsRevert *revert = build->revert;

  if (!build->was_active && !revert->runs)
    return TRUE;
  if (!first && (build->was_active || !revert->loads))
    return plan_spawn (build, QS_STEP_PROOF_START, QS_PHASE_PREPARE, error);
  if (!plan_spawn (build, QS_STEP_SPAWN, QS_PHASE_PREPARE, error))
    return FALSE;
  if (revert->save == QS_SAVE_STREAM)
    return plan_incoming (build);
  return !first || qs_revert_add_load (build, QS_PHASE_PREPARE, error);
}

static void
add_end (QsRevertBuild *build, QsChangeList *changes)
{
  if (build->beside)
    qs_planning_add_start (changes, build->plan, build->spawn);
  else if (build->was_active)
    qs_changes_add_end_of_process (changes);
}

/* external files only: the record is the commit, and until then the old guest is merely stopped */
static void
plan_record_first (QsRevertBuild *build, QsChangeList *changes)
{
  const QsRevert *revert = build->revert;
  QsPlan *plan = build->plan;

  if (build->was_active)
    qs_plan_add (plan, QS_STEP_STOP, QS_PHASE_PREPARE, revert->domain->name, NULL);
  add_end (build, changes);
  qs_planning_add_record (plan, qs_revert_plan_exchanges (build, QS_PHASE_COMMIT, TRUE),
                          revert->holder->name, changes);
  if (build->was_active)
    qs_planning_quit (plan, QS_PHASE_FINISH, revert->domain);
}

/* with tags, the first thing that cannot be taken back is: the end of the guest, or, when it is off, the
   first image that goes back */
static gboolean
plan_record_last (QsRevertBuild *build, gboolean first, QsChangeList *changes, GError **error)
{
  const QsRevert *revert = build->revert;
  QsPlan *plan = build->plan;
  QsPhase phase = build->was_active ? QS_PHASE_FINISH : QS_PHASE_COMMIT;
  guint load = G_MAXUINT;

  if (build->was_active)
    {
      qs_plan_add (plan, QS_STEP_STOP, QS_PHASE_PREPARE, revert->domain->name, NULL);
      qs_planning_quit (plan, QS_PHASE_COMMIT, revert->domain);
    }
  if (revert->loads && !first)
    {
      if (build->was_active && !plan_spawn (build, QS_STEP_SPAWN, QS_PHASE_FINISH, error))
        return FALSE;
      load = plan->steps->len;
      if (!qs_revert_add_load (build, phase, error))
        return FALSE;
      phase = QS_PHASE_FINISH;
    }
  qs_revert_add_tags (build, phase, load);
  qs_revert_plan_exchanges (build, QS_PHASE_FINISH, TRUE);
  add_end (build, changes);
  qs_planning_add_record (plan, QS_PHASE_FINISH, revert->holder->name, changes);
  return TRUE;
}

static gboolean
plan_switch (QsRevertBuild *build, gboolean first, QsChangeList *changes, GError **error)
{
  if (build->n_tags == 0 && first == build->revert->loads)
    {
      plan_record_first (build, changes);
      return TRUE;
    }
  if (plan_record_last (build, first, changes, error))
    return TRUE;
  g_variant_builder_clear (changes);
  return FALSE;
}

static gboolean
plan_guest (QsRevertBuild *build, GError **error)
{
  const QsRevert *revert = build->revert;

  if (!revert->runs)
    return TRUE;
  if (build->beside)
    qs_plan_add (build->plan, QS_STEP_CONNECT, QS_PHASE_FINISH, revert->domain->name,
                 g_variant_new_parsed ("{'spawn': <%u>}", build->spawn));
  else if (!plan_spawn (build, QS_STEP_SPAWN, QS_PHASE_FINISH, error))
    return FALSE;
  else
    qs_planning_record_start (build->plan, QS_PHASE_FINISH, build->after, build->spawn);
  if (build->late && revert->save == QS_SAVE_STREAM && !revert->resumes)
    qs_plan_add (build->plan, QS_STEP_ACTIVATE, QS_PHASE_FINISH, revert->domain->name, NULL);
  if (revert->resumes)
    qs_plan_add (build->plan, QS_STEP_CONT, QS_PHASE_FINISH, revert->domain->name, NULL);
  return TRUE;
}

/**
 * qs_revert_plan_process:
 *
 * Ends the process that runs, and starts another if there is to be one. @changes are used up.
 */
gboolean
qs_revert_plan_process (QsRevertBuild *build, QsChangeList *changes, GError **error)
{
  gboolean first = loads_first (build);

  build->beside = build->revert->loads;
  build->late =
      build->n_tags > 0 || (build->was_active && qs_revert_uncovered (build->revert) != NULL);
  qs_plan_set_pause (build->plan, build->was_active ? (first ? "short" : "long") : "none");
  if (!qs_revert_plan_firmware_prepare (build, error) || !plan_proof (build, first, error))
    {
      g_variant_builder_clear (changes);
      return FALSE;
    }
  if (!plan_switch (build, first, changes, error))
    return FALSE;
  qs_revert_plan_firmware_finish (build);
  return plan_guest (build, error);
}
