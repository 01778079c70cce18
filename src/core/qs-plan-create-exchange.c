/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"
#include "qs-exchange.h"

static const QsImage *
active_image (const QsCreate *create, const QsSelected *selected)
{
  const QsDiskFacts *disk = qs_facts_find_disk (create->facts, selected->disk->target);

  return disk != NULL && disk->chain->len > 0 ? g_ptr_array_index (disk->chain, 0) : NULL;
}

/* its place among the disks makes its name */
static guint
disk_index (const QsCreate *create, const QsSelected *selected)
{
  guint index = 0;

  g_ptr_array_find (create->selection->disks, selected, &index);
  return index;
}

gboolean
qs_create_is_exchanged (const QsCreate *create, const QsSelected *selected)
{
  return g_hash_table_contains (create->exchanged, selected->disk->target);
}

/**
 * qs_create_file_path:
 *
 * Returns: (transfer none): where the overlay of a disk is made: under its own name, or aside until
 *   it takes over that of the active file
 */
const char *
qs_create_file_path (const QsCreate *create, const QsSelected *selected)
{
  const char *aside = g_hash_table_lookup (create->exchanged, selected->disk->target);

  return aside != NULL ? aside : selected->path;
}

/* a file that may be taken as an overlay is no place for the old file */
static gboolean
check_kept_name (const QsCreate *create, const QsSelected *selected, GError **error)
{
  const QsTarget *target = qs_facts_find_target (create->facts, selected->path);

  if (target == NULL || target->type == QS_TARGET_ABSENT)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "disk ‘%s’: ‘%s’, which the file of today shall be called, exists already; remove "
               "it or choose another name for the snapshot",
               selected->disk->target, selected->path);
  return FALSE;
}

/**
 * qs_create_settle_exchange:
 *
 * Decides of a disk of an attached domain whether its overlay takes over the name that the owner's
 * start script knows. Where it cannot, the owner is told what to start from.
 */
gboolean
qs_create_settle_exchange (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                           GError **error)
{
  const QsImage *image = active_image (create, selected);
  const char *obstacle;

  if (create->domain->attachment == NULL || image == NULL)
    return TRUE;
  obstacle = qs_exchange_obstacle (create->domain, create->facts, image);
  if (obstacle == NULL && !check_kept_name (create, selected, error))
    return FALSE;
  if (obstacle == NULL && selected->request != NULL
      && (selected->request->source != NULL || selected->request->mode == QS_DISK_MODE_EXISTING
          || g_strcmp0 (selected->request->driver, "qed") == 0))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: the overlay takes over the name ‘%s’ that QEMU is started with; "
                   "<source>, mode existing and qed need a domain attached without stable-path",
                   selected->disk->target, selected->active);
      return FALSE;
    }
  if (obstacle == NULL)
    g_hash_table_insert (
        create->exchanged, selected->disk->target,
        qs_exchange_aside (selected->active, create->facts->op, disk_index (create, selected)));
  else
    qs_plan_note (
        plan, "disk ‘%s’: start QEMU with ‘%s’ (format %s) from now on, not with ‘%s’: %s",
        selected->disk->target, selected->path, selected->format, selected->active, obstacle);
  return TRUE;
}

static QsExchange
make_exchange (const QsCreate *create, const QsSelected *selected)
{
  return (QsExchange){
    .target = selected->disk->target,
    .active = selected->active,
    .kept = selected->path,
    .aside = g_hash_table_lookup (create->exchanged, selected->disk->target),
    .image = active_image (create, selected),
  };
}

/* the second name of the old file, to which the overlay refers */
gboolean
qs_create_add_link (QsCreate *create, QsPlan *plan, const QsSelected *selected, GError **error)
{
  QsExchange exchange = make_exchange (create, selected);

  if (qs_create_is_exchanged (create, selected))
    qs_exchange_add_link (plan, &exchange);
  return TRUE;
}

/**
 * qs_create_add_protection:
 *
 * A state file of a domain that somebody else starts must not be started from again: that fails
 * without the write bits, for all but root. Where disks are switched one by one, they go when the
 * switch was made.
 */
gboolean
qs_create_add_protection (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                          GError **error)
{
  const QsProtection file = { selected->disk->target, selected->active,
                              active_image (create, selected) };
  guint32 owner = create->domain->owner;
  gpointer step;
  gboolean protected;

  if (create->domain->attachment == NULL || file.image == NULL)
    return TRUE;
  if (g_hash_table_lookup_extended (create->syncs, file.target, NULL, &step))
  protected = qs_exchange_add_late_protection (plan, &file, owner, GPOINTER_TO_UINT (step));
  else protected = qs_exchange_add_protection (plan, &file, owner);
  if (!protected)
    qs_plan_note (plan, "disk ‘%s’: ‘%s’ cannot be write-protected; never start QEMU with it again",
                  file.target,
                  qs_create_is_exchanged (create, selected) ? selected->path : selected->active);
  return TRUE;
}

/* a node of ours under the old file's new name: QEMU opens files by name again when they become
   writable, and the name that the old node knows is the overlay's by then */
static void
add_rebase (const QsCreate *create, QsPlan *plan, const QsSelected *selected, const QsStep *added)
{
  const QsNode *node = qs_facts_find_node (create->facts, selected->disk->target);
  const char *overlay = qs_step_string (added, "node");
  g_autofree char *backing = g_strconcat (overlay, "-b", NULL);

  qs_plan_add (plan, QS_STEP_NODE_REBASE, QS_PHASE_FINISH, selected->disk->target,
               g_variant_new_parsed (
                   "{'target': <%s>, 'node': <%s>, 'format': <%s>, 'backing': <%s>, 'path': <%s>,"
                   " 'backing-format': <%s>, 'old': <%s>, 'direct': <%b>, 'no-flush': <%b>,"
                   " 'detect-zeroes': <%s>}",
                   selected->disk->target, overlay, qs_step_string (added, "format"), backing,
                   selected->path, selected->active_format, node->node_name, node->direct,
                   node->no_flush, qs_step_string (added, "detect-zeroes")));
}

/**
 * qs_create_find_added:
 *
 * Returns: (transfer none) (nullable): the step by which QEMU opens the overlay of a disk
 */
const QsStep *
qs_create_find_added (const QsPlan *plan, const char *target)
{
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const QsStep *step = qs_plan_step (plan, i);

      if (step->kind == QS_STEP_NODE_ADD && g_str_equal (step->target, target))
        return step;
    }
  return NULL;
}

/**
 * qs_create_add_exchange:
 * @off: no QEMU runs that has gone over before: the first exchange is the commit
 *
 * Adds the steps by which overlays take over the active names, and by which a running QEMU learns
 * the new names of the old files, at once.
 */
void
qs_create_add_exchange (QsCreate *create, QsPlan *plan, gboolean off)
{
  QsPhase phase = off ? QS_PHASE_COMMIT : QS_PHASE_FINISH;

  for (guint i = 0; i < create->selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (create->selection->disks, i);
      QsExchange exchange = make_exchange (create, selected);

      if (!qs_create_is_exchanged (create, selected))
        continue;
      qs_exchange_add_rename (
          plan, phase, &exchange,
          GPOINTER_TO_UINT (g_hash_table_lookup (create->steps, selected->disk->target)), off);
      phase = QS_PHASE_FINISH;
      create->committed = TRUE;
    }

  for (guint i = 0; i < create->selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (create->selection->disks, i);
      const QsStep *added = qs_create_find_added (plan, selected->disk->target);

      if (added != NULL && qs_create_is_exchanged (create, selected))
        add_rebase (create, plan, selected, added);
    }
}

/**
 * qs_create_record_exchange:
 *
 * The old file by its new name, and what its mode was: a merge into it will need that.
 */
void
qs_create_record_exchange (const QsCreate *create, QsChangeList *changes,
                           const QsSelected *selected)
{
  const QsImage *image = active_image (create, selected);
  const char *path = selected->active;

  if (create->domain->attachment == NULL || image == NULL)
    return;
  if (qs_create_is_exchanged (create, selected))
    {
      qs_changes_add (changes, QS_CHANGE_FILE_RENAME, "path", "s", selected->active, "to", "s",
                      selected->path, NULL);
      path = selected->path;
    }
  if (qs_exchange_is_protected (image, create->domain->owner))
    qs_changes_add (changes, QS_CHANGE_FILE_MODE, "path", "s", path, "mode", "u",
                    image->mode & 07777u, "if-done", "au",
                    qs_create_condition (create, selected->disk->target), NULL);
}
