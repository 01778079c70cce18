/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-command-line.h"
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-scope.h"

/* a disk that a revert has taken out of the definition still has the file of then */
static gboolean
check_known_targets (const QsDomain *domain, const QsDomainDef *def, GError **error)
{
  for (guint i = 0; i < domain->actives->len; i++)
    {
      const QsActive *active = g_ptr_array_index (domain->actives, i);
      const QsDiskDef *disk = qs_domain_def_find_disk (def, active->target);

      if (disk == NULL || qs_domain_def_find_disk (domain->def, active->target) != NULL
          || g_strcmp0 (disk->source, active->path) == 0)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’ was there before, with ‘%s’, which snapshots know; define it with "
                   "that file, or choose another target",
                   active->target, active->path);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_same_sources (const QsDomain *domain, const QsDomainDef *def, GError **error)
{
  if (qs_tree_size (domain->tree) == 0)
    return TRUE;
  for (guint i = 0; i < domain->def->disks->len; i++)
    {
      const QsDiskDef *before = g_ptr_array_index (domain->def->disks, i);
      const QsDiskDef *after = qs_domain_def_find_disk (def, before->target);
      const char *path = qs_domain_disk_path (domain, before);

      if (after == NULL
          || (g_strcmp0 (after->source, path) != 0
              && g_strcmp0 (after->source, before->source) != 0))
        {
          g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                       "disk ‘%s’: its source cannot be changed while the domain has snapshots; "
                       "keep ‘%s’",
                       before->target, path != NULL ? path : "");
          return FALSE;
        }
    }
  return check_known_targets (domain, def, error);
}

/* a running QEMU keeps the files that it has open */
static gboolean
check_running_sources (const QsDomain *domain, const QsDomainDef *def, GError **error)
{
  for (guint i = 0; qs_domain_is_active (domain) && i < domain->actives->len; i++)
    {
      const QsActive *active = g_ptr_array_index (domain->actives, i);
      const QsDiskDef *disk = qs_domain_def_find_disk (def, active->target);

      if (disk != NULL && g_strcmp0 (disk->source, active->path) == 0)
        continue;
      g_set_error (
          error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
          "disk ‘%s’: its source ‘%s’ cannot be changed while the guest runs; shut it down "
          "first",
          active->target, active->path);
      return FALSE;
    }
  return TRUE;
}

gboolean
qs_ask_define (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  const QsDomainDef *def = request->domain_def;

  if (!qs_name_check (def->name, error))
    return FALSE;
  if (domain != NULL && !g_str_equal (domain->name, def->name))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS,
                   "a domain with uuid %s is defined already, with the name ‘%s’", domain->uuid,
                   domain->name);
      return FALSE;
    }
  if (domain != NULL && domain->attachment != NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS,
                   "domain ‘%s’ has this uuid and is attached, somebody else starts it; give the "
                   "document another uuid, or detach and undefine that domain first",
                   domain->name);
      return FALSE;
    }
  if (!qs_scope_check_definition (domain, request, questions, def, error))
    return FALSE;
  return domain == NULL
         || (check_same_sources (domain, def, error) && check_running_sources (domain, def, error));
}

/* the store keeps which file is active; a definition that names a disk's file anew must win where
   no snapshot holds on to the old one */
static void
record_actives (QsChangeList *changes, const QsDomain *domain, const QsDomainDef *def)
{
  for (guint i = 0; domain != NULL && i < domain->actives->len; i++)
    {
      const QsActive *active = g_ptr_array_index (domain->actives, i);
      const QsDiskDef *disk = qs_domain_def_find_disk (def, active->target);

      if (qs_tree_size (domain->tree) == 0 && disk != NULL && disk->source != NULL
          && !g_str_equal (disk->source, active->path))
        qs_changes_add (changes, QS_CHANGE_ACTIVE, "target", "s", active->target, "path", "s",
                        disk->source, "format", "s", disk->format, "stem", "s", "", NULL);
    }
}

/* machine and PCI addresses are settled once, so that later changes never move a device. A document
   that is not translated is kept all the same; its start will say what stands in the way */
static QsDomainDef *
settle_definition (const QsDomain *domain, const QsDomainDef *given, const char *uuid,
                   GError **error)
{
  g_autoptr (QsDomainDef) def = qs_domain_def_patch (given, uuid, NULL, 0, error);
  g_autoptr (QsDomainDef) settled = NULL;
  g_autoptr (GError) refusal = NULL;

  if (def == NULL)
    return NULL;
  settled =
      qs_domain_def_assign_addresses (def, domain != NULL ? domain->def : NULL, NULL, &refusal);
  if (settled != NULL)
    return g_steal_pointer (&settled);
  if (g_error_matches (refusal, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED))
    return g_steal_pointer (&def);
  g_propagate_error (error, g_steal_pointer (&refusal));
  return NULL;
}

/* the caller, unless one who may has named another */
static guint32
new_owner (const QsRequest *request)
{
  guint32 owner = request->caller;

  if (request->options != NULL)
    g_variant_lookup (request->options, "owner", "u", &owner);
  return owner;
}

QsPlan *
qs_plan_define (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (QsDomainDef) def = NULL;
  g_autofree char *xml = NULL;
  QsChangeList changes;

  def = settle_definition (domain, request->domain_def, facts->fresh_uuid, error);
  if (def == NULL)
    return NULL;
  xml = qs_domain_def_format (def, TRUE);

  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_DOMAIN_PUT, "definition", "s", xml, "owner", "u",
                  domain != NULL ? domain->owner : new_owner (request), "name", "s", def->name,
                  "uuid", "s", def->uuid, NULL);
  record_actives (&changes, domain, def);
  qs_planning_add_record (plan, QS_PHASE_COMMIT, def->name, &changes);
  return g_steal_pointer (&plan);
}

static GPtrArray *
undefine_parts (const QsDomain *domain, const QsRequest *request)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_request_unref);
  g_autoptr (GPtrArray) snapshots = qs_tree_list (domain->tree, "", QS_LIST_TOPOLOGICAL);
  QsRequest *last = qs_request_new (QS_VERB_UNDEFINE, 0);

  for (guint i = snapshots->len; i > 0; i--)
    {
      const QsSnapshot *snapshot = g_ptr_array_index (snapshots, i - 1);
      QsRequest *part = qs_request_new (QS_VERB_SNAPSHOT_DELETE, 0);

      part->snapshot = g_strdup (snapshot->uuid);
      part->caller = request->caller;
      part->caller_is_owner = request->caller_is_owner;
      g_ptr_array_add (parts, part);
    }
  last->caller = request->caller;
  last->caller_is_owner = request->caller_is_owner;
  g_ptr_array_add (parts, last);
  return g_steal_pointer (&parts);
}

/**
 * qs_parts_undefine:
 *
 * With SNAPSHOTS_FULL each snapshot is deleted, leaves first, then the domain goes.
 */
GPtrArray *
qs_parts_undefine (const QsDomain *domain, const QsRequest *request, const QsQuestions *given,
                   GError **error)
{
  if (!(request->flags & QS_UNDEFINE_SNAPSHOTS_FULL) || qs_domain_is_active (domain)
      || !qs_flags_check (&qs_undefine_flag_set, request->flags, error))
    return NULL;
  return undefine_parts (domain, request);
}

gboolean
qs_ask_undefine (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                 GError **error)
{
  guint n = qs_tree_size (domain->tree);

  if (!qs_flags_check (&qs_undefine_flag_set, request->flags, error))
    return FALSE;
  if (n > 0 && request->flags == 0)
    {
      g_set_error (
          error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
          "domain ‘%s’ has %u snapshot%s; undefine it with SNAPSHOTS_METADATA to keep their "
          "files, or with SNAPSHOTS_FULL to delete them",
          domain->name, n, n == 1 ? "" : "s");
      return FALSE;
    }
  if (qs_domain_is_active (domain))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "domain ‘%s’ is %s; shut it down first", domain->name,
                   qs_enum_to_string (QS_ENUM_DOMAIN_STATE, domain->state));
      return FALSE;
    }
  qs_planning_ask_disks (domain, questions);
  questions->files = TRUE;
  return TRUE;
}

/* what stands below a file of mode no-backing-file is written down here and nowhere else */
static gboolean
check_chain (const QsDiskFacts *disk, GError **error)
{
  for (guint i = 0; i + 1 < disk->chain->len; i++)
    {
      const QsImage *image = g_ptr_array_index (disk->chain, i);
      const QsImage *below = g_ptr_array_index (disk->chain, i + 1);

      g_autofree char *base = g_shell_quote (below->path);
      g_autofree char *file = g_shell_quote (image->path);

      if (image->backing_name != NULL && *image->backing_name != '\0')
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "disk ‘%s’: ‘%s’ does not name its backing file, and nobody else would know it "
                   "any more; write it down first: qemu-img rebase -u -f %s -b %s -F %s %s",
                   disk->target, image->path, image->format, base, below->format, file);
      return FALSE;
    }
  return TRUE;
}

static void
note_protected (QsPlan *plan, const QsFacts *facts)
{
  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);

      if (file->mode != 0)
        qs_plan_note (plan,
                      "‘%s’ stays write-protected, for other files stand on it; its mode was "
                      "%04o",
                      file->path, file->mode);
    }
}

/* nothing would tell later what they are */
static void
note_left (QsPlan *plan, const QsFacts *facts)
{
  guint n = 0;

  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);

      if (!qs_file_is_disk (file) && ++n <= QS_MAX_NAMED_FILES)
        qs_plan_note (plan, "‘%s’ stays, with the %s of a snapshot", file->path,
                      g_str_equal (file->role, "memory") ? "memory" : "firmware variables");
    }
  if (n > QS_MAX_NAMED_FILES)
    qs_plan_note (plan, "%u more such files stay", n - QS_MAX_NAMED_FILES);
}

QsPlan *
qs_plan_undefine (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                  GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GPtrArray) snapshots = qs_tree_list (domain->tree, "", QS_LIST_TOPOLOGICAL);
  QsChangeList changes;

  for (guint i = 0; i < facts->disks->len; i++)
    if (!check_chain (g_ptr_array_index (facts->disks, i), error))
      return NULL;
  note_protected (plan, facts);
  note_left (plan, facts);

  qs_changes_init (&changes);
  for (guint i = snapshots->len; i > 0; i--)
    qs_changes_add (&changes, QS_CHANGE_SNAPSHOT_DELETE, "uuid", "s",
                    ((QsSnapshot *)g_ptr_array_index (snapshots, i - 1))->uuid, NULL);
  qs_changes_add (&changes, QS_CHANGE_DOMAIN_DELETE, NULL);
  qs_planning_add_record (plan, QS_PHASE_COMMIT, domain->name, &changes);
  return g_steal_pointer (&plan);
}
