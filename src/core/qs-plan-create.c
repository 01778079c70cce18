/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-plan-branch.h"
#include "qs-plan-redefine.h"
#include "qs-safety.h"

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
add_tags (QsCreate *create, QsPlan *plan, GError **error)
{
  return qs_create_each (create, plan, QS_LOCATION_INTERNAL, plan_tag, error);
}

/* write bits go before QEMU goes over, so that a start in between fails; only where disks are switched
   one by one they go with each that was */
static gboolean
add_protection (QsCreate *create, QsPlan *plan, GError **error)
{
  if (qs_domain_is_active (create->domain) && !qs_create_switches_at_once (create))
    return TRUE;
  return qs_create_each (create, plan, QS_LOCATION_EXTERNAL, qs_create_add_protection, error);
}

static gboolean
add_late_protection (QsCreate *create, QsPlan *plan, GError **error)
{
  return g_hash_table_size (create->syncs) == 0
         || qs_create_each (create, plan, QS_LOCATION_EXTERNAL, qs_create_add_protection, error);
}

/* disks and memory of one instant: the guest stands still while they are saved one after the other. A
   frozen guest is not stopped, for it has to be thawed, nor one that runs while its memory is
   written; both are halted all the same */
static gboolean
needs_stop (const QsCreate *create)
{
  QsMemorySave save = create->selection->save;
  gboolean halts = (create->request->flags & QS_CREATE_HALT) != 0;
  gboolean together = create->selection->recipe == QS_RECIPE_SC_TRANS
                      || (create->selection->recipe == QS_RECIPE_SC && save == QS_SAVE_IN_DISK)
                      || create->selection->memory == QS_LOCATION_EXTERNAL;

  if ((create->request->flags & QS_CREATE_QUIESCE) || save == QS_SAVE_STREAM_LIVE)
    return FALSE;
  return halts || together || qs_create_has_mirrors (create);
}

static gboolean
add_stop (QsCreate *create, QsPlan *plan, GError **error)
{
  if (!needs_stop (create))
    return TRUE;
  create->stop = plan->steps->len;
  qs_plan_add (plan, QS_STEP_STOP, QS_PHASE_PREPARE, create->domain->name, NULL);
  return TRUE;
}

/* what is saved while the guest runs stops it by itself in the end */
static gboolean
add_cont (QsCreate *create, QsPlan *plan, GError **error)
{
  gboolean live = create->selection->save == QS_SAVE_STREAM_LIVE;

  if (!(create->request->flags & QS_CREATE_HALT) && (live || needs_stop (create)))
    qs_plan_add (plan, QS_STEP_CONT, QS_PHASE_FINISH, create->domain->name,
                 g_variant_new_parsed ("{'stop': <%u>}", live ? create->migrate : create->stop));
  return TRUE;
}

static gboolean
add_commit (QsCreate *create, QsPlan *plan, GError **error)
{
  return create->committed || qs_create_add_record (create, plan, error);
}

static gboolean
add_exchange_off (QsCreate *create, QsPlan *plan, GError **error)
{
  qs_create_add_exchange (create, plan, TRUE);
  return TRUE;
}

static gboolean
add_exchange_on (QsCreate *create, QsPlan *plan, GError **error)
{
  qs_create_add_exchange (create, plan, FALSE);
  return TRUE;
}

static gboolean
add_record (QsCreate *create, QsPlan *plan, GError **error)
{
  return create->recorded || qs_create_add_record (create, plan, error);
}

static gboolean
add_halt (QsCreate *create, QsPlan *plan, GError **error)
{
  QsChangeList changes;

  if (!(create->request->flags & QS_CREATE_HALT))
    return TRUE;
  qs_planning_quit (plan, QS_PHASE_FINISH, create->domain);
  qs_changes_init (&changes);
  qs_changes_add_end_of_process (&changes);
  qs_planning_add_record (plan, QS_PHASE_FINISH, create->domain->name, &changes);
  return TRUE;
}

typedef gboolean (*Stage) (QsCreate *create, QsPlan *plan, GError **error);

/* each adds what it takes of the steps, for some requests none */
static const Stage off_stages[] = {
  add_files, qs_create_add_firmware_file, add_tags, add_protection, add_exchange_off, add_record,
};

static const Stage on_stages[] = {
  /* what the guest does not notice */
  add_files,
  qs_create_add_mirror_files,
  qs_create_add_memory_file,
  qs_create_add_firmware_file,
  add_protection,
  qs_create_add_nodes,
  qs_create_add_mirror_nodes,
  qs_create_add_memory_node,
  qs_create_add_firmware_node,
  /* one point in time */
  qs_create_add_freeze,
  add_stop,
  qs_create_add_save,
  qs_create_add_switch,
  qs_create_add_thaw,
  qs_create_add_stream,
  qs_create_add_mirrors,
  add_commit,
  /* the guest goes on */
  add_cont,
  add_late_protection,
  add_exchange_on,
  add_record,
  qs_create_add_memory_release,
  qs_create_add_memory_rename,
  add_halt,
};

static gboolean
build (QsCreate *create, QsPlan *plan, GError **error)
{
  gboolean on = qs_domain_is_active (create->domain);
  const Stage *stages = on ? on_stages : off_stages;
  gsize n_stages = on ? G_N_ELEMENTS (on_stages) : G_N_ELEMENTS (off_stages);

  for (gsize i = 0; i < n_stages; i++)
    if (!stages[i](create, plan, error))
      return FALSE;
  return TRUE;
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
  if (selection->memory_path != NULL)
    g_ptr_array_add (paths, selection->memory_path);
  if (create->has_firmware_file)
    g_ptr_array_add (paths, selection->firmware_path);
  return paths;
}

/* what a backup program relies on */
static void
note_bitmaps (QsCreate *create, QsPlan *plan)
{
  for (guint i = 0; i < create->selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (create->selection->disks, i);
      const QsNode *node = qs_facts_find_node (create->facts, selected->disk->target);

      if (selected->choice == QS_LOCATION_EXTERNAL && node != NULL && node->bitmap != NULL)
        qs_plan_note (plan,
                      "disk ‘%s’: its dirty bitmap ‘%s’ stays with ‘%s’ and knows nothing of what "
                      "is written from now on; let the next incremental backup be a full one",
                      selected->disk->target, node->bitmap, selected->active);
    }
}

/* of a safety snapshot the caller of the revert is told which it is, and what it lacks */
static void
describe_safety (QsCreate *create, QsPlan *plan)
{
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);
  const QsSelection *selection = create->selection;

  g_variant_dict_insert (&result, "safety-snapshot", "s", create->facts->fresh_uuid);
  qs_plan_set_result (plan, g_variant_dict_end (&result));
  for (guint i = 0; i < selection->uncovered->len; i++)
    qs_plan_note (plan,
                  "disk ‘%s’ is not in the safety snapshot ‘%s’: its definition leaves it out",
                  (const char *)g_ptr_array_index (selection->uncovered, i), selection->name);
}

static void
describe_create (QsCreate *create, QsPlan *plan)
{
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GPtrArray) files = list_overlays (create);
  const QsSelection *selection = create->selection;

  if (selection->n_internal > 0 || selection->save == QS_SAVE_IN_FILE)
    g_variant_dict_insert (&result, "tag", "s", create->tag);
  g_variant_dict_insert_value (&result, "files",
                               g_variant_new_strv ((const char *const *)files->pdata, files->len));
  g_variant_dict_insert_value (&result, "uncovered-disks",
                               g_variant_new_strv ((const char *const *)selection->uncovered->pdata,
                                                   selection->uncovered->len));
  qs_plan_set_result (plan, g_variant_dict_end (&result));
}

static void
add_result (QsCreate *create, QsPlan *plan)
{
  if (qs_safety_is_create (create->request))
    describe_safety (create, plan);
  else
    describe_create (create, plan);

  for (guint i = 0; i < create->facts->disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (create->facts->disks, i);

      if (disk->chain != NULL && disk->chain->len >= QS_WARN_CHAIN_FILES)
        qs_plan_note (plan, "disk ‘%s’ has a chain of %u files; delete snapshots to shorten it",
                      disk->target, disk->chain->len);
    }
  note_bitmaps (create, plan);
  if (create->facts->has_tpm)
    qs_plan_note (plan, "TPM state not covered: no snapshot holds the state of the guest's TPM");
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
  g_autoptr (QsSelection) selection = NULL;
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autofree char *tag = g_strconcat ("s-", facts->fresh_uuid, NULL);
  g_autoptr (GHashTable) steps = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) exchanged = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  g_autoptr (GHashTable) syncs = g_hash_table_new (g_str_hash, g_str_equal);

  if (request->flags & QS_CREATE_REDEFINE)
    return qs_plan_redefine (domain, request, facts, error);
  if (request->flags & QS_CREATE_BRANCH)
    return qs_plan_branch (domain, request, facts, error);
  selection = qs_create_select (domain, request, facts->now, error);
  if (selection == NULL || !check_state (domain, facts, error)
      || !qs_check_manual (selection, facts->state, error))
    return NULL;

  QsCreate create = { .domain = domain,
                      .request = request,
                      .facts = facts,
                      .selection = selection,
                      .tag = tag,
                      .steps = steps,
                      .exchanged = exchanged,
                      .syncs = syncs };
  if (!qs_create_check_thawed (&create, error) || !build (&create, plan, error))
    return NULL;
  if (selection->save != QS_SAVE_NONE)
    plan->memory_bytes = qs_check_memory_bytes (facts);
  if (selection->save != QS_SAVE_NONE && facts->state == QS_DOMAIN_RUNNING)
    qs_plan_set_pause (plan, selection->save == QS_SAVE_STREAM_LIVE ? "short" : "memory");
  add_result (&create, plan);
  return g_steal_pointer (&plan);
}
