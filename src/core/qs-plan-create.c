/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-scope.h"

typedef struct
{
  gboolean (*build) (QsCreate *create, QsPlan *plan, GError **error); /* NULL: not supported yet */
  const char *reason;
} RecipeBuilder;

/* flags that are understood, but whose work is not there yet */
static const struct
{
  guint flag;
  const char *what;
} later_flags[] = {
  { QS_CREATE_REDEFINE, "redefining a snapshot (REDEFINE)" },
  { QS_CREATE_HALT, "halting the guest (HALT)" },
  { QS_CREATE_QUIESCE, "freezing the guest's file systems (QUIESCE)" },
  { QS_CREATE_LIVE, "saving memory while the guest runs (LIVE)" },
  { QS_CREATE_BRANCH, "branching (BRANCH)" },
};

static gboolean
check_flags (const QsDomain *domain, const QsRequest *request, GError **error)
{
  if (request->def->branch != NULL && !(request->flags & QS_CREATE_BRANCH))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                           "<branch> needs flag BRANCH");
      return FALSE;
    }
  if (request->def->branch == NULL && (request->flags & QS_CREATE_BRANCH))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_XML_INVALID, "flag BRANCH needs <branch>");
      return FALSE;
    }
  if ((request->flags & QS_CREATE_QUIESCE) && domain->state != QS_DOMAIN_RUNNING)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                           "flag QUIESCE needs a running guest");
      return FALSE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (later_flags); i++)
    if (request->flags & later_flags[i].flag)
      {
        g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                     "%s is not supported by this version", later_flags[i].what);
        return FALSE;
      }
  return TRUE;
}

static gboolean build_image (QsCreate *create, QsPlan *plan, GError **error);
static gboolean build_transaction (QsCreate *create, QsPlan *plan, GError **error);

static const RecipeBuilder recipe_builders[] = {
  [QS_RECIPE_IMG_INT] = { build_image, NULL },
  [QS_RECIPE_IMG_EXT] = { build_image, NULL },
  [QS_RECIPE_IMG_MIX] = { build_image, NULL },
  [QS_RECIPE_TRANS] = { build_transaction, NULL },
  [QS_RECIPE_SAVEVM] = { NULL, "a snapshot with the memory of a running guest is not supported by "
                               "this version; take a "
                               "disk-only one (DISK_ONLY), or shut the guest down" },
  [QS_RECIPE_SC] = { NULL, "saving memory is not supported by this version" },
  [QS_RECIPE_SC_TRANS] = { NULL, "saving memory is not supported by this version; take a disk-only "
                                 "snapshot (DISK_ONLY)" },
  [QS_RECIPE_MIG] = { NULL, "saving memory to a file is not supported by this version" },
  [QS_RECIPE_TRANS_MIG] = { NULL, "saving memory to a file is not supported by this version; take "
                                  "a disk-only snapshot "
                                  "(DISK_ONLY)" },
};
G_STATIC_ASSERT (G_N_ELEMENTS (recipe_builders) == QS_RECIPE_TRANS_MIG + 1);

static gboolean
check_recipe (const QsSelection *selection, GError **error)
{
  const RecipeBuilder *builder = &recipe_builders[selection->recipe];
  const char *reason = builder->reason;

  if (selection->recipe == QS_RECIPE_TRANS && selection->n_internal > 0)
    reason = "a disk-only internal snapshot of a running guest is not supported by this version; "
             "choose snapshot='external', or shut the guest down";
  if (reason == NULL)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED, reason);
  return FALSE;
}

static QsSelection *
align (const QsDomain *domain, const QsRequest *request, gint64 now, GError **error)
{
  g_autoptr (QsSelection) selection = NULL;

  if (!qs_description_check (request->def->description != NULL ? request->def->description : "",
                             error))
    return NULL;
  selection = qs_align (domain, request->def, request->flags, now, error);
  if (selection == NULL)
    return NULL;
  for (guint i = 0; i < selection->disks->len; i++)
    if (!qs_check_disk_snapshot (g_ptr_array_index (selection->disks, i), error))
      return NULL;
  if (!check_recipe (selection, error))
    return NULL;
  return g_steal_pointer (&selection);
}

/* systemd keeps QEMU from all devices but those it was told of at the start */
static gboolean
check_reach (const QsDomain *domain, const QsQuestions *questions, const QsSelected *selected,
             GError **error)
{
  const char *unit = domain->process != NULL ? domain->process->unit : NULL;

  if (!selected->is_device || !questions->system_mode || unit == NULL || *unit == '\0')
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "disk ‘%s’: the running QEMU may open no other block devices than it was started "
               "with, and ‘%s’ is none of them; shut the guest down first, or choose a file",
               selected->disk->target, selected->path);
  return FALSE;
}

static gboolean
ask_overlay (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
             const QsSelected *selected, GError **error)
{
  if (!qs_scope_check_path (domain, request, questions, selected->path, error))
    {
      g_prefix_error (error, "disk ‘%s’: ", selected->disk->target);
      return FALSE;
    }
  if (!check_reach (domain, questions, selected, error))
    return FALSE;
  g_ptr_array_add (questions->targets, g_strdup (selected->path));
  if (selected->mode == QS_DISK_MODE_EXISTING)
    qs_questions_add_reused (questions, selected->path, selected->format, selected->active);
  return TRUE;
}

static gboolean
is_lent (const QsSelected *selected)
{
  return selected->choice == QS_LOCATION_EXTERNAL
         && (selected->mode == QS_DISK_MODE_EXISTING
             || (selected->request != NULL && selected->request->source != NULL));
}

/* a file that the caller names may be an image of the domain by another name: then also of the
   disks that are left out it has to be known what they use */
static void
ask_disks (const QsSelection *selection, QsQuestions *questions)
{
  gboolean all = FALSE;

  for (guint i = 0; i < selection->disks->len; i++)
    all |= is_lent (g_ptr_array_index (selection->disks, i));
  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (selected->choice == QS_LOCATION_INTERNAL || selected->choice == QS_LOCATION_EXTERNAL
          || (all && selected->active != NULL))
        g_ptr_array_add (questions->disks, (gpointer)selected->disk);
    }
}

gboolean
qs_ask_create (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  g_autoptr (QsSelection) selection = NULL;

  if (!qs_flags_check (&qs_create_flag_set, request->flags, error)
      || !check_flags (domain, request, error))
    return FALSE;
  selection = align (domain, request, questions->now, error);
  if (selection == NULL)
    return FALSE;

  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (selected->choice == QS_LOCATION_EXTERNAL
          && !ask_overlay (domain, request, questions, selected, error))
        return FALSE;
    }
  ask_disks (selection, questions);
  questions->monitor = qs_domain_is_active (domain);
  questions->open_files = domain->attachment != NULL;
  questions->files = TRUE;
  return TRUE;
}

static gboolean
plan_tag (QsCreate *create, QsPlan *plan, const QsSelected *selected, GError **error)
{
  const QsImage *image = qs_check_disk_image (selected, create->facts, error);

  if (image == NULL)
    return FALSE;
  qs_plan_add (plan, QS_STEP_IMAGE_SNAPSHOT, QS_PHASE_PREPARE, selected->disk->target,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'format': <'qcow2'>,"
                                     " 'tag': <%s>, 'dev': <%t>, 'ino': <%t>}",
                                     selected->disk->target, image->path, create->tag, image->dev,
                                     image->ino));
  return TRUE;
}

/**
 * qs_create_each:
 *
 * Calls @func for every disk for which @choice was chosen, until one is refused.
 */
gboolean
qs_create_each (QsCreate *create, QsPlan *plan, QsLocation choice, QsCreateFunc func,
                GError **error)
{
  for (guint i = 0; i < create->selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (create->selection->disks, i);

      if (selected->choice == choice && !func (create, plan, selected, error))
        return FALSE;
    }
  return TRUE;
}

/* the overlays, unused as yet */
static gboolean
add_files (QsCreate *create, QsPlan *plan, GError **error)
{
  static const QsCreateFunc funcs[] = { qs_create_settle_exchange, qs_create_add_link,
                                        qs_create_add_file };

  for (guint i = 0; i < G_N_ELEMENTS (funcs); i++)
    if (!qs_create_each (create, plan, QS_LOCATION_EXTERNAL, funcs[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
build_image (QsCreate *create, QsPlan *plan, GError **error)
{
  gboolean exchanges;

  if (!add_files (create, plan, error)
      || !qs_create_each (create, plan, QS_LOCATION_INTERNAL, plan_tag, error)
      || !qs_create_each (create, plan, QS_LOCATION_EXTERNAL, qs_create_add_protection, error))
    return FALSE;
  exchanges = g_hash_table_size (create->exchanged) > 0;
  qs_create_add_exchange (create, plan, TRUE);
  return qs_create_add_record (create, plan, exchanges ? QS_PHASE_FINISH : QS_PHASE_COMMIT, error);
}

static gboolean
build_transaction (QsCreate *create, QsPlan *plan, GError **error)
{
  gboolean at_once = qs_create_switches_at_once (create);

  if (!add_files (create, plan, error)
      || (at_once
          && !qs_create_each (create, plan, QS_LOCATION_EXTERNAL, qs_create_add_protection, error))
      || !qs_create_add_switch (create, plan, error)
      || (!at_once
          && !qs_create_each (create, plan, QS_LOCATION_EXTERNAL, qs_create_add_protection, error)))
    return FALSE;
  qs_create_add_exchange (create, plan, FALSE);
  return qs_create_add_record (create, plan, QS_PHASE_FINISH, error);
}

/* the files that the disks use from now on, whoever has made them */
static GPtrArray *
list_overlays (const QsCreate *create)
{
  const QsSelection *selection = create->selection;
  GPtrArray *paths = g_ptr_array_new ();

  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (selected->choice == QS_LOCATION_EXTERNAL)
        g_ptr_array_add (paths, qs_create_is_exchanged (create, selected)
                                    ? (gpointer)selected->active
                                    : selected->path);
    }
  return paths;
}

static void
add_result (QsCreate *create, QsPlan *plan)
{
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GPtrArray) files = list_overlays (create);
  const QsSelection *selection = create->selection;

  if (selection->n_internal > 0)
    g_variant_dict_insert (&result, "tag", "s", create->tag);
  g_variant_dict_insert_value (&result, "files",
                               g_variant_new_strv ((const char *const *)files->pdata, files->len));
  g_variant_dict_insert_value (&result, "uncovered-disks",
                               g_variant_new_strv ((const char *const *)selection->uncovered->pdata,
                                                   selection->uncovered->len));
  qs_plan_set_result (plan, g_variant_dict_end (&result));

  for (guint i = 0; i < create->facts->disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (create->facts->disks, i);

      if (disk->chain != NULL && disk->chain->len >= QS_WARN_CHAIN_FILES)
        qs_plan_note (plan, "disk ‘%s’ has a chain of %u files; delete snapshots to shorten it",
                      disk->target, disk->chain->len);
    }
  if (qs_domain_get_def (create->domain)->nvram != NULL)
    qs_plan_note (plan, "the firmware variables are not part of this snapshot");
}

/* the state may have changed between the call and the survey */
static gboolean
check_state (const QsDomain *domain, const QsFacts *facts, GError **error)
{
  if (qs_domain_is_active (domain) == (facts->state != QS_DOMAIN_SHUTOFF))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "the guest has become %s meanwhile; try again",
               qs_enum_to_string (QS_ENUM_DOMAIN_STATE, facts->state));
  return FALSE;
}

QsPlan *
qs_plan_create (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                GError **error)
{
  g_autoptr (QsSelection) selection = align (domain, request, facts->now, error);
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autofree char *tag = g_strconcat ("s-", facts->fresh_uuid, NULL);
  g_autoptr (GHashTable) steps = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) exchanged = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  g_autoptr (GHashTable) syncs = g_hash_table_new (g_str_hash, g_str_equal);

  if (selection == NULL || !check_state (domain, facts, error))
    return NULL;

  QsCreate create = { domain, request, facts, selection, tag, steps, exchanged, syncs };
  if (!recipe_builders[selection->recipe].build (&create, plan, error))
    return NULL;
  add_result (&create, plan);
  return g_steal_pointer (&plan);
}
