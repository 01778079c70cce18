/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert-commit.h"

#include "qs-error.h"
#include "qs-merge.h"
#include "qs-users.h"

typedef struct
{
  const QsRevertCommit *commit;
  QsPlan *plan;
  GPtrArray *goners; /* of const QsFile: that are unlinked when all is merged */
  GStrvBuilder *removed;
  GStrvBuilder *kept;
} Build;

void
qs_revert_commit_clear (QsRevertCommit *commit)
{
  g_clear_pointer (&commit->leaving, g_ptr_array_unref);
  g_clear_pointer (&commit->uuids, g_strfreev);
  g_clear_pointer (&commit->merges, g_array_unref);
}

/**
 * qs_revert_commit_is_of:
 * @uuids: (nullable)
 *
 * Whether one of the snapshots that go is among them.
 */
gboolean
qs_revert_commit_is_of (const QsRevertCommit *commit, const GPtrArray *uuids)
{
  for (guint i = 0; uuids != NULL && i < uuids->len; i++)
    if (g_strv_contains ((const char *const *)commit->uuids, g_ptr_array_index (uuids, i)))
      return TRUE;
  return FALSE;
}

static gboolean
wants_run (const QsRequest *request)
{
  return (request->flags & (QS_REVERT_RUNNING | QS_REVERT_PAUSED)) != 0;
}

gboolean
qs_ask_revert_commit (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                      GError **error)
{
  const QsSnapshot *snapshot = qs_planning_snapshot (domain, request, error);

  if (snapshot == NULL || !qs_flags_check (&qs_revert_flag_set, request->flags, error))
    return FALSE;
  if (domain->attachment != NULL && !qs_domain_is_active (domain) && wants_run (request))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                           "this QEMU is started by its owner, not by the service; commit without "
                           "RUNNING or PAUSED, then start it");
      return FALSE;
    }
  questions->document = snapshot->unverified;
  questions->snapshot_rows = snapshot->unverified;
  if (snapshot->unverified)
    return TRUE;
  qs_merging_ask (domain, questions);
  if (wants_run (request))
    {
      g_ptr_array_set_size (questions->disks, 0);
      qs_planning_ask_start (domain, questions);
    }
  return TRUE;
}

/* the name that the owner's start script knows is that of the overlay, and would go with it */
static gboolean
check_stable_path (const QsRevertCommit *commit, const QsMerging *merge, GError **error)
{
  const QsDomain *domain = commit->domain;
  const QsDiskDef *disk = qs_domain_def_find_disk (domain->def, merge->target);

  if (domain->attachment == NULL || !domain->attachment->stable_path || disk == NULL
      || g_strcmp0 (disk->source, qs_merging_image (merge, 0)->path) != 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "disk ‘%s’: overlays take over the name ‘%s’ that the start script knows, and this "
               "version cannot give it back to ‘%s’; attach the domain anew with stable-path off, "
               "and let the script name that file afterwards",
               merge->target, disk->source, qs_merging_base (merge)->path);
  return FALSE;
}

/* a guest that has crashed or sleeps does not run because it is continued */
static gboolean
check_run_state (const QsRevertCommit *commit, GError **error)
{
  QsDomainState state = commit->facts->state;

  if (!wants_run (commit->request) || state == QS_DOMAIN_SHUTOFF || state == QS_DOMAIN_RUNNING
      || state == QS_DOMAIN_PAUSED)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "the domain is %s, which RUNNING and PAUSED do not change; commit without them",
               qs_enum_to_string (QS_ENUM_DOMAIN_STATE, state));
  return FALSE;
}

static gboolean
check_node (const QsRevertCommit *commit, const QsMerging *merge, GError **error)
{
  if (commit->facts->state == QS_DOMAIN_SHUTOFF || merge->node != NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "disk ‘%s’: the running QEMU has no such disk", merge->target);
  return FALSE;
}

static gboolean
check_merges (const QsRevertCommit *commit, GError **error)
{
  for (guint i = 0; i < commit->merges->len; i++)
    {
      const QsMerging *merge = &g_array_index (commit->merges, QsMerging, i);

      if (!check_stable_path (commit, merge, error) || !check_node (commit, merge, error)
          || !qs_merging_check (merge, commit->domain, commit->facts, error))
        return FALSE;
    }
  return TRUE;
}

static void
keep (Build *build, const char *path, const char *why)
{
  g_strv_builder_add (build->kept, path);
  qs_plan_note (build->plan, "‘%s’ stays: %s", path, why);
}

static void
forget (QsChangeList *changes, const char *path)
{
  qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", path, NULL);
}

static void
bury (Build *build, const QsFile *file, QsChangeList *changes)
{
  g_ptr_array_add (build->goners, (gpointer)file);
  g_strv_builder_add (build->removed, file->path);
  qs_changes_add (changes, QS_CHANGE_FILE_TOMBSTONE, "path", "s", file->path, NULL);
}

/* branches share a file with memory: the last one that uses it takes it along */
static void
settle_extra (Build *build, const QsFile *file, QsChangeList *changes)
{
  const QsFacts *facts = build->commit->facts;
  const QsFileBook book = { .files = facts->files,
                            .leaving = (const char *const *)build->commit->uuids,
                            .foreign = facts->foreign_images };
  QsFileFate fate = qs_file_book_fate (&book, file);
  g_autofree char *user = qs_users_describe (facts, file->path);

  if (fate == QS_FILE_UNLINK && user == NULL && !qs_users_is_here (facts, file->path))
    {
      bury (build, file, changes);
      return;
    }
  keep (build, file->path,
        fate == QS_FILE_LEAVE ? "it was not made here" : "something else uses it, too");
  if (fate == QS_FILE_LEAVE || fate == QS_FILE_UNLINK)
    forget (changes, file->path);
}

/* what the disk was on is a chain that looks sound, and is not */
static void
settle_layer (Build *build, const QsImage *image, QsChangeList *changes)
{
  const QsFile *file = qs_facts_find_file (build->commit->facts, image->path);

  if (file != NULL && file->ours && image->n_links == 1)
    {
      bury (build, file, changes);
      return;
    }
  keep (build, image->path,
        file != NULL && file->ours ? "it has other names; do not use it any more"
                                   : "it was not made here; do not use it any more");
  if (file != NULL)
    forget (changes, file->path);
}

/* the snapshots go with the first byte that is merged, so they go before */
static void
add_commit (Build *build, QsChangeList *changes)
{
  const QsRevertCommit *commit = build->commit;

  for (guint i = 0; i < commit->leaving->len; i++)
    qs_changes_add (changes, QS_CHANGE_SNAPSHOT_DELETE, "uuid", "s", commit->uuids[i], NULL);
  qs_changes_add (changes, QS_CHANGE_CURRENT, "uuid", "s", commit->snapshot->parent, NULL);
  for (guint i = 0; i < commit->facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (commit->facts->files, i);

      if (!qs_file_is_disk (file)
          && (qs_revert_commit_is_of (commit, file->state_of)
              || qs_revert_commit_is_of (commit, file->tag_of)))
        settle_extra (build, file, changes);
    }
  qs_planning_add_record (build->plan, QS_PHASE_COMMIT, commit->snapshot->name, changes);
}

static void
add_active (const QsRevertCommit *commit, const QsMerging *merge, QsChangeList *changes)
{
  const QsActive *active = qs_domain_find_active (commit->domain, merge->target);
  const QsImage *base = qs_merging_base (merge);

  qs_changes_add (changes, QS_CHANGE_ACTIVE, "target", "s", merge->target, "path", "s", base->path,
                  "format", "s", base->format, "stem", "s", active != NULL ? active->stem : NULL,
                  NULL);
}

static void
add_merge (Build *build, QsMerging *merge)
{
  QsChangeList changes;

  qs_changes_init (&changes);
  add_active (build->commit, merge, &changes);
  for (guint i = 0; i < merge->layers; i++)
    settle_layer (build, qs_merging_image (merge, i), &changes);
  qs_merging_plan_down (merge, build->commit->facts, build->plan, &changes);
  if (build->commit->domain->attachment != NULL)
    qs_plan_note (build->plan, "disk ‘%s’: start QEMU from ‘%s’ from now on", merge->target,
                  qs_merging_base (merge)->path);
}

static void
add_unlinks (Build *build)
{
  QsChangeList changes;

  if (build->goners->len == 0)
    return;
  qs_changes_init (&changes);
  for (guint i = 0; i < build->goners->len; i++)
    {
      const QsFile *file = g_ptr_array_index (build->goners, i);

      qs_planning_unlink (build->plan, file->path, file);
      forget (&changes, file->path);
    }
  qs_planning_add_record (build->plan, QS_PHASE_FINISH, build->commit->snapshot->name, &changes);
}

static guint
count_layers (const QsRevertCommit *commit, const char *target)
{
  for (guint i = 0; i < commit->merges->len; i++)
    {
      const QsMerging *merge = &g_array_index (commit->merges, QsMerging, i);

      if (g_str_equal (merge->target, target))
        return merge->layers;
    }
  return 0;
}

/* the files of each disk as they will be */
static GVariant *
chains_after (const QsRevertCommit *commit, GError **error)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sa(ss))"));

  for (guint i = 0; i < commit->facts->disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (commit->facts->disks, i);
      g_autoptr (GPtrArray) chain = g_ptr_array_new ();

      if (disk->error != NULL)
        {
          g_set_error (error, disk->error->domain, disk->error->code, "disk ‘%s’: %s", disk->target,
                       disk->error->message);
          return NULL;
        }
      for (guint n = count_layers (commit, disk->target); n < disk->chain->len; n++)
        g_ptr_array_add (chain, g_ptr_array_index (disk->chain, n));
      qs_planning_add_chain (&builder, disk->target, NULL, chain);
    }
  return g_variant_builder_end (&builder);
}

static QsDomain *
domain_after (const QsRevertCommit *commit, GError **error)
{
  g_autoptr (GVariant) list = NULL;
  QsChangeList changes;

  qs_changes_init (&changes);
  for (guint i = 0; i < commit->merges->len; i++)
    add_active (commit, &g_array_index (commit->merges, QsMerging, i), &changes);
  list = g_variant_ref_sink (qs_changes_end (&changes));
  return qs_domain_apply (commit->domain, list, error);
}

static gboolean
add_spawn (Build *build, QsStepKind kind, QsPhase phase, GError **error)
{
  g_autoptr (QsDomain) after = domain_after (build->commit, error);
  GVariant *chains = after != NULL ? chains_after (build->commit, error) : NULL;
  guint spawn = build->plan->steps->len;

  if (chains == NULL || !qs_planning_spawn (build->plan, kind, phase, after, chains, error))
    return FALSE;
  if (kind == QS_STEP_SPAWN)
    qs_planning_record_start (build->plan, phase, after, spawn);
  return TRUE;
}

/* RUNNING and PAUSED are about the guest's state alone, whose data are the same */
static gboolean
add_run_state (Build *build, GError **error)
{
  const QsRevertCommit *commit = build->commit;
  QsDomainState state = commit->facts->state;
  const char *name = commit->domain->name;

  if (state == QS_DOMAIN_SHUTOFF && wants_run (commit->request)
      && !add_spawn (build, QS_STEP_SPAWN, QS_PHASE_FINISH, error))
    return FALSE;
  if ((commit->request->flags & QS_REVERT_RUNNING) && state != QS_DOMAIN_RUNNING)
    qs_plan_add (build->plan, QS_STEP_CONT, QS_PHASE_FINISH, name, NULL);
  if ((commit->request->flags & QS_REVERT_PAUSED) && state == QS_DOMAIN_RUNNING)
    qs_plan_add (build->plan, QS_STEP_STOP, QS_PHASE_FINISH, name, NULL);
  return TRUE;
}

static void
add_result (Build *build)
{
  g_auto (GStrv) removed = g_strv_builder_end (build->removed);
  g_auto (GStrv) kept = g_strv_builder_end (build->kept);
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);
  const char *const nothing[] = { NULL };
  gboolean is_on = build->commit->facts->state != QS_DOMAIN_SHUTOFF;
  guint64 bytes = 0;

  for (guint i = 0; i < build->commit->merges->len; i++)
    bytes += qs_merging_bytes (&g_array_index (build->commit->merges, QsMerging, i));
  g_variant_dict_insert (&result, "in-place", "b", is_on);
  g_variant_dict_insert (&result, "reason", "s", is_on ? "" : "the guest was off");
  g_variant_dict_insert (&result, "direction", "s", qs_merge_direction_name (QS_MERGE_DOWN));
  g_variant_dict_insert (&result, "merged-bytes", "t", bytes);
  g_variant_dict_insert (&result, "removed", "^as", removed);
  g_variant_dict_insert (&result, "kept", "^as", kept);
  g_variant_dict_insert (&result, "restored", "^as", nothing);
  g_variant_dict_insert (&result, "not-restored", "^as", nothing);
  qs_plan_set_result (build->plan, g_variant_dict_end (&result));
}

/* all that can fail is tried before the commit; what comes after it is repeated until it is done */
static gboolean
build_plan (Build *build, GError **error)
{
  const QsRevertCommit *commit = build->commit;
  gboolean starts = commit->facts->state == QS_DOMAIN_SHUTOFF && wants_run (commit->request);
  QsChangeList changes;

  qs_changes_init (&changes);
  for (guint i = 0; i < commit->merges->len; i++)
    qs_merging_plan_modes (&g_array_index (commit->merges, QsMerging, i), commit->facts,
                           build->plan, &changes);
  if (starts && !add_spawn (build, QS_STEP_PROOF_START, QS_PHASE_PREPARE, error))
    {
      g_variant_builder_clear (&changes);
      return FALSE;
    }
  add_commit (build, &changes);
  for (guint i = 0; i < commit->merges->len; i++)
    add_merge (build, &g_array_index (commit->merges, QsMerging, i));
  if (!add_run_state (build, error))
    return FALSE;
  add_unlinks (build);
  add_result (build);
  return TRUE;
}

static QsPlan *
make_plan (const QsRevertCommit *commit, GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GPtrArray) goners = g_ptr_array_new ();
  g_autoptr (GStrvBuilder) removed = g_strv_builder_new ();
  g_autoptr (GStrvBuilder) kept = g_strv_builder_new ();
  Build build = { commit, plan, goners, removed, kept };

  return build_plan (&build, error) ? g_steal_pointer (&plan) : NULL;
}

QsPlan *
qs_plan_revert_commit (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                       GError **error)
{
  g_auto (QsRevertCommit) commit = {
    .domain = domain,
    .request = request,
    .facts = facts,
    .snapshot = qs_planning_snapshot (domain, request, error),
    .leaving = g_ptr_array_new (),
    .merges = g_array_new (FALSE, FALSE, sizeof (QsMerging)),
  };

  if (commit.snapshot == NULL || !qs_redefine_check_verified (domain, commit.snapshot, facts, error)
      || !qs_revert_commit_find_leaving (&commit, error)
      || !qs_planning_check_block_jobs (facts, error) || !check_run_state (&commit, error)
      || !qs_revert_commit_find_merges (&commit, error)
      || !qs_revert_commit_check_users (&commit, error) || !check_merges (&commit, error))
    return NULL;
  return make_plan (&commit, error);
}
