/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-safety.h"

#include "qs-align.h"
#include "qs-enums.h"
#include "qs-error.h"
#include "qs-flags.h"
#include "qs-limits.h"

/* these lose nothing: the disks keep what they hold, or it is merged into the snapshot */
#define LOSES_NOTHING (QS_REVERT_COMMIT | QS_REVERT_TIP)

static gboolean
has_option (const QsRequest *request, const char *key)
{
  gboolean value = FALSE;

  if (request->options != NULL)
    g_variant_lookup (request->options, key, "b", &value);
  return value;
}

/**
 * qs_safety_is_wanted:
 *
 * Returns: whether a safety snapshot is the first part of @revert
 */
gboolean
qs_safety_is_wanted (const QsRequest *revert)
{
  return has_option (revert, "safety-snapshot") && (revert->flags & LOSES_NOTHING) == 0;
}

/**
 * qs_safety_check:
 *
 * Refuses options that contradict each other or the flags.
 */
gboolean
qs_safety_check (const QsRequest *revert, GError **error)
{
  const char *name = NULL;

  if (revert->options != NULL)
    g_variant_lookup (revert->options, "safety-name", "&s", &name);
  if (has_option (revert, "safety-snapshot") && (revert->flags & QS_REVERT_DISCARD))
    g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                         "option ‘safety-snapshot’ and flag DISCARD exclude each other: what is "
                         "discarded is not kept");
  else if (name != NULL && !has_option (revert, "safety-snapshot"))
    g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                         "option ‘safety-name’ needs ‘safety-snapshot’");
  else
    return TRUE;
  return FALSE;
}

/* an overlay would make the image that is to be changed in place a backing file */
static gboolean
has_tag_in (const GPtrArray *rows, const char *target, const char *path)
{
  for (guint i = 0; rows != NULL && i < rows->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (rows, i);

      if (row->tag != NULL && g_str_equal (row->target, target) && g_str_equal (row->path, path))
        return TRUE;
    }
  return FALSE;
}

static gboolean
goes_back (const GPtrArray *rows, const char *target)
{
  for (guint i = 0; rows != NULL && i < rows->len; i++)
    if (g_str_equal (((const QsSnapshotFile *)g_ptr_array_index (rows, i))->target, target))
      return TRUE;
  return FALSE;
}

/* a snapshot inside the image where what is gone to is one, too; an overlay where the disk is on
   overlays already, or can hold no snapshot inside; else a snapshot inside its image, which leaves
   the name of the disk's file as it is */
static QsLocation
choose_location (const QsDomain *domain, const QsDiskDef *disk, const GPtrArray *rows)
{
  const QsSnapshot *current = qs_tree_get_current (domain->tree);
  const QsActive *active = qs_domain_find_active (domain, disk->target);
  const char *path = qs_domain_disk_path (domain, disk);

  if (path == NULL)
    return QS_LOCATION_NO;
  /* what the definition of today leaves out of snapshots is left out of this one, unless the revert would
     take it away all the same */
  if ((disk->readonly || disk->snapshot == QS_LOCATION_NO || disk->snapshot == QS_LOCATION_MANUAL)
      && !goes_back (rows, disk->target))
    return QS_LOCATION_NO;
  if (has_tag_in (rows, disk->target, path))
    return QS_LOCATION_INTERNAL;
  if (active != NULL && active->stem != NULL && active->stem[0] != '\0')
    return QS_LOCATION_EXTERNAL;
  if (current != NULL && current->kind != QS_KIND_INTERNAL)
    return QS_LOCATION_EXTERNAL;
  return g_strcmp0 (qs_domain_disk_format (domain, disk), "qcow2") == 0 ? QS_LOCATION_INTERNAL
                                                                        : QS_LOCATION_EXTERNAL;
}

/* of a guest that is neither running nor paused memory cannot be saved */
static guint
create_flags (const QsDomain *domain)
{
  gboolean lives = domain->state == QS_DOMAIN_RUNNING || domain->state == QS_DOMAIN_PAUSED;

  return qs_domain_is_active (domain) && !lives ? QS_CREATE_DISK_ONLY : 0;
}

static QsSnapshotDef *
make_def (const QsDomain *domain, const QsRequest *revert, const QsSnapshot *target,
          const QsQuestions *given)
{
  const QsDomainDef *domain_def = qs_domain_get_def (domain);
  QsSnapshotDef *def = qs_snapshot_def_new ();

  if (!g_variant_lookup (revert->options, "safety-name", "s", &def->name))
    def->name = qs_align_make_name (domain, "before-revert-", given->now);
  def->description = g_strdup_printf ("before the revert to ‘%s’", target->name);
  def->has_disks = TRUE;
  for (guint i = 0; i < domain_def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (domain_def->disks, i);

      qs_snapshot_def_add_disk (def, disk->target, choose_location (domain, disk, given->rows));
    }
  return def;
}

static QsRequest *
new_part (const QsRequest *revert, QsVerb verb, guint flags)
{
  QsRequest *part = qs_request_new (verb, flags);

  part->caller = revert->caller;
  part->caller_is_owner = revert->caller_is_owner;
  return part;
}

static GVariant *
one_option (const char *key)
{
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&options, key, "b", TRUE);
  return g_variant_ref_sink (g_variant_dict_end (&options));
}

/**
 * qs_safety_make_create:
 * @target: the snapshot that @revert goes to
 * @given: clock, chance, and where @target lies
 *
 * Returns: (transfer full): the part of @revert that takes a snapshot of the state now. It does not
 *   become current: where the disks go next is up to the revert
 */
QsRequest *
qs_safety_make_create (const QsDomain *domain, const QsRequest *revert, const QsSnapshot *target,
                       const QsQuestions *given)
{
  QsRequest *part = new_part (revert, QS_VERB_SNAPSHOT_CREATE, create_flags (domain));

  part->options = one_option ("origin-safety");
  part->def = make_def (domain, revert, target, given);
  part->snapshot = g_strdup (given->fresh_uuid);
  return part;
}

/**
 * qs_safety_make_revert:
 *
 * Returns: (transfer full): the part of @revert that comes after the safety snapshot, and knows it
 */
QsRequest *
qs_safety_make_revert (const QsRequest *revert, const QsQuestions *given)
{
  QsRequest *part = new_part (revert, QS_VERB_SNAPSHOT_REVERT, revert->flags);
  GVariantDict options = G_VARIANT_DICT_INIT (revert->options);

  part->snapshot = g_strdup (revert->snapshot);
  g_variant_dict_insert (&options, "safety", "s", given->fresh_uuid);
  part->options = g_variant_ref_sink (g_variant_dict_end (&options));
  return part;
}

static gint
compare_age (gconstpointer a, gconstpointer b)
{
  const QsSnapshot *const *left = a;
  const QsSnapshot *const *right = b;

  return ((*left)->rev > (*right)->rev) - ((*left)->rev < (*right)->rev);
}

/* oldest first: those that stand for nothing but themselves, and that nothing waits for: a tip is work
   done after the domain went back to it, which no other snapshot has */
static GPtrArray *
list_removable (const QsDomain *domain, const QsRequest *revert, guint *n_safety)
{
  g_autoptr (GPtrArray) all = qs_tree_list (domain->tree, "", 0);
  GPtrArray *removable = g_ptr_array_new ();
  const QsSnapshot *current = qs_tree_get_current (domain->tree);

  *n_safety = 0;
  for (guint i = 0; i < all->len; i++)
    {
      QsSnapshot *snapshot = g_ptr_array_index (all, i);

      if (snapshot->origin != QS_ORIGIN_SAFETY)
        continue;
      (*n_safety)++;
      /* one that was gone back to is not a thing of the past, and the new one is the child of the
         current one */
      if (snapshot != current && !snapshot->has_tip
          && g_strcmp0 (snapshot->uuid, revert->snapshot) != 0
          && qs_tree_n_children (domain->tree, snapshot->uuid) == 0)
        g_ptr_array_add (removable, snapshot);
    }
  g_ptr_array_sort (removable, compare_age);
  return removable;
}

/**
 * qs_safety_add_deletes:
 *
 * Adds the parts that delete the oldest safety snapshots, so that with the new one there are no more
 * than the configuration allows.
 */
void
qs_safety_add_deletes (const QsDomain *domain, const QsRequest *revert, GPtrArray *parts)
{
  guint n_safety;
  g_autoptr (GPtrArray) removable = list_removable (domain, revert, &n_safety);
  guint keep = QS_DEFAULT_SAFETY_KEEP;

  g_variant_lookup (revert->options, "safety-keep", "u", &keep);
  for (guint i = 0; i < removable->len && n_safety + 1 > MAX (keep, 1); i++, n_safety--)
    {
      const QsSnapshot *snapshot = g_ptr_array_index (removable, i);
      QsRequest *part = new_part (revert, QS_VERB_SNAPSHOT_DELETE, 0);

      part->options = one_option ("optional");
      part->snapshot = g_strdup (snapshot->uuid);
      g_ptr_array_add (parts, part);
    }
}

/**
 * qs_safety_is_create:
 *
 * Returns: whether @request takes a safety snapshot. No caller can ask for that by itself
 */
gboolean
qs_safety_is_create (const QsRequest *request)
{
  return request->verb == QS_VERB_SNAPSHOT_CREATE && has_option (request, "origin-safety");
}

/**
 * qs_safety_is_optional:
 *
 * Returns: whether an operation is complete without this part of it
 */
gboolean
qs_safety_is_optional (const QsRequest *part)
{
  return has_option (part, "optional");
}

/* the file that the active one of @target stands on */
static const QsFile *
find_below (const QsDomain *domain, const QsFacts *facts, const char *target)
{
  const QsActive *active = qs_domain_find_active (domain, target);
  const QsFile *file = active != NULL ? qs_facts_find_file (facts, active->path) : NULL;

  return file != NULL && file->backing != NULL ? qs_facts_find_file (facts, file->backing) : NULL;
}

/**
 * qs_safety_has_all:
 *
 * Returns: whether the file that disk @target uses now holds nothing that the safety snapshot of
 *   @revert, which has just been taken, does not
 */
gboolean
qs_safety_has_all (const QsDomain *domain, const QsRequest *revert, const QsFacts *facts,
                   const char *target)
{
  const QsFile *below = find_below (domain, facts, target);
  const char *uuid = NULL;

  if (revert->options != NULL)
    g_variant_lookup (revert->options, "safety", "&s", &uuid);
  return uuid != NULL && below != NULL
         && g_ptr_array_find_with_equal_func (below->state_of, uuid, g_str_equal, NULL);
}

/**
 * qs_safety_without:
 *
 * Returns: (transfer full) (nullable): what @part, that of a revert after its safety snapshot, would be
 *   had none been asked for; NULL: it is another part
 */
QsRequest *
qs_safety_without (const QsRequest *part)
{
  GVariantDict options = G_VARIANT_DICT_INIT (part->options);
  QsRequest *bare = NULL;

  if (part->verb == QS_VERB_SNAPSHOT_REVERT && g_variant_dict_remove (&options, "safety"))
    {
      g_variant_dict_remove (&options, "safety-snapshot");
      g_variant_dict_remove (&options, "safety-name");
      bare = new_part (part, QS_VERB_SNAPSHOT_REVERT, part->flags);
      bare->snapshot = g_strdup (part->snapshot);
      bare->options = g_variant_ref_sink (g_variant_dict_end (&options));
    }
  g_variant_dict_clear (&options);
  return bare;
}

/**
 * qs_safety_prefix_revert:
 *
 * Says of the refusal of a revert that only its safety snapshot stands in its way.
 */
void
qs_safety_prefix_revert (GError **error)
{
  g_prefix_error (error,
                  "the safety snapshot that would be taken beforehand stands in the way of the "
                  "revert, which is possible without it (--no-safety-snapshot, option "
                  "‘safety-snapshot’ false; what the domain holds now may be lost then): ");
}

/**
 * qs_safety_prefix:
 *
 * Says of the refusal of @part what it is that cannot be done.
 */
void
qs_safety_prefix (const QsRequest *part, GError **error)
{
  if (error != NULL && *error != NULL && qs_safety_is_create (part))
    g_prefix_error (error, "nothing was done, for no safety snapshot can be taken (without option "
                           "‘safety-snapshot’ what the domain holds now is lost): ");
}
