/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"
#include "qs-exchange.h"
#include "qs-flags.h"

/* the file in which memory is saved, be it a side-car or for a stream */

/* of an image for memory alone: what the guest could see of it says nothing about what it holds */
#define SIDE_CAR_BYTES (1024 * 1024)

/* of hidden names; those of disks have their place among the disks */
#define MEMORY_INDEX 9000
#define KEPT_INDEX 9001

/**
 * qs_create_is_stream:
 *
 * Whether memory goes to a file as a `migrate` writes it, not into an image.
 */
gboolean
qs_create_is_stream (const QsCreate *create)
{
  QsMemorySave save = create->selection->save;

  return save == QS_SAVE_STREAM || save == QS_SAVE_STREAM_LIVE;
}

/**
 * qs_create_memory_path:
 *
 * Returns: (transfer none): where the file is made: under its own name, or aside until it replaces
 *   another
 */
const char *
qs_create_memory_path (const QsCreate *create)
{
  const char *aside = g_hash_table_lookup (create->exchanged, QS_MEMORY_TARGET);

  return aside != NULL ? aside : create->selection->memory_path;
}

static gboolean
refuse_target (const QsTarget *target, QsError code, const char *why, GError **error)
{
  g_set_error (error, QS_ERROR, code, "memory file ‘%s’ %s", target->path, why);
  return FALSE;
}

/* the caller's own file of that name may be replaced if he says so; what the service has named itself
   is lent by nobody */
static gboolean
may_replace (const QsCreate *create, const QsTarget *target)
{
  return (create->request->flags & QS_CREATE_REUSE_EXT) != 0
         && create->selection->memory == QS_LOCATION_EXTERNAL
         && (target->type == QS_TARGET_REGULAR || target->type == QS_TARGET_EMPTY);
}

static gboolean
check_target (const QsCreate *create, const QsTarget *target, GError **error)
{
  const char *known = qs_check_target_known (create->facts, target);

  if (target->error != NULL)
    {
      g_set_error (error, target->error->domain, target->error->code, "memory file ‘%s’: %s",
                   target->path, target->error->message);
      return FALSE;
    }
  if (known != NULL)
    return refuse_target (target, QS_ERROR_CONFIG_UNSUPPORTED, known, error);
  if (target->in_use)
    return refuse_target (target, QS_ERROR_CONFIG_UNSUPPORTED, "is in use by another program",
                          error);
  if (target->type != QS_TARGET_ABSENT && !may_replace (create, target))
    return refuse_target (target, QS_ERROR_CONFIG_UNSUPPORTED,
                          "exists already and is not overwritten; choose another name, or remove "
                          "it first",
                          error);
  return TRUE;
}

static gboolean
check_commands (const QsCreate *create, GError **error)
{
  static const char *const save[] = { "snapshot-save", "snapshot-delete", NULL };
  static const char *const stream[] = { "migrate", "getfd", "migrate_cancel", NULL };
  const char *const *commands = qs_create_is_stream (create) ? stream : save;

  if (qs_facts_has_commands (create->facts, commands))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "this QEMU has no ‘%s’ and cannot save memory so; take a disk-only snapshot "
               "(DISK_ONLY)",
               commands[0]);
  return FALSE;
}

/* whoever may use the images may use it */
static void
add_rights (const QsCreate *create, GVariantBuilder *arguments)
{
  guint32 mode = 0600;
  guint32 gid = G_MAXUINT32;

  for (guint i = 0; i < create->facts->disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (create->facts->disks, i);
      const QsImage *image = disk->chain->len > 0 ? g_ptr_array_index (disk->chain, 0) : NULL;

      if (image == NULL || gid != G_MAXUINT32)
        continue;
      mode = qs_planning_mode (image, create->domain->owner);
      gid = image->gid;
    }
  g_variant_builder_add_parsed (arguments, "{'mode', <%u>}", mode);
  g_variant_builder_add_parsed (arguments, "{'gid', <%u>}", gid);
}

/* the file of that name stays as it is until the snapshot is there: it gets a second name, to be
   replaced under its first one in the end */
static void
set_aside (QsCreate *create, QsPlan *plan, const QsTarget *target)
{
  g_autofree char *kept = qs_exchange_aside (target->path, create->facts->op, KEPT_INDEX);

  g_hash_table_insert (create->exchanged, (gpointer)QS_MEMORY_TARGET,
                       qs_exchange_aside (target->path, create->facts->op, MEMORY_INDEX));
  qs_plan_add (plan, QS_STEP_FILE_LINK, QS_PHASE_PREPARE, QS_MEMORY_TARGET,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'from': <%s>, 'dev': <%t>,"
                                     " 'ino': <%t>, 'btime': <%x>}",
                                     QS_MEMORY_TARGET, kept, target->path, target->dev, target->ino,
                                     (gint64)0));
}

/**
 * qs_create_add_memory_rename:
 *
 * Adds the steps by which the file with the memory takes the place of one that was to be replaced.
 */
gboolean
qs_create_add_memory_rename (QsCreate *create, QsPlan *plan, GError **error)
{
  const char *path = create->selection->memory_path;
  const char *aside = g_hash_table_lookup (create->exchanged, QS_MEMORY_TARGET);
  const QsTarget *target;
  g_autofree char *kept = NULL;

  if (aside == NULL)
    return TRUE;
  kept = qs_exchange_aside (path, create->facts->op, KEPT_INDEX);
  target = qs_facts_find_target (create->facts, path);
  qs_plan_add (plan, QS_STEP_FILE_RENAME, QS_PHASE_FINISH, QS_MEMORY_TARGET,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'over': <%s>, 'kept': <%s>,"
                                     " 'image': <%u>, 'dev': <%t>, 'ino': <%t>, 'btime': <%x>,"
                                     " 'off': <false>}",
                                     QS_MEMORY_TARGET, aside, path, kept, create->memory_file,
                                     target->dev, target->ino, (gint64)0));
  qs_plan_add (plan, QS_STEP_FILE_UNLINK, QS_PHASE_FINISH, QS_MEMORY_TARGET,
               g_variant_new_parsed ("{'path': <%s>, 'dev': <%t>, 'ino': <%t>, 'btime': <%x>}",
                                     kept, target->dev, target->ino, (gint64)0));
  return TRUE;
}

/* @selection: with memory in the image of a disk */
static const char *
find_memory_image (const QsSelection *selection)
{
  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (g_strcmp0 (selected->disk->target, selection->memory_disk) == 0)
        return selected->active;
    }
  return NULL;
}

/**
 * qs_create_ask_memory_room:
 *
 * An image that gets the memory of the guest grows by it.
 */
void
qs_create_ask_memory_room (const QsSelection *selection, QsQuestions *questions)
{
  const char *path = find_memory_image (selection);

  if (selection->save == QS_SAVE_IN_DISK && path != NULL)
    g_ptr_array_add (questions->targets, g_strdup (path));
}

/* a block device is as large as it is, and may hold free clusters or not: QEMU tells */
static gboolean
check_image_room (const QsCreate *create, GError **error)
{
  const char *path = find_memory_image (create->selection);
  const QsTarget *target = path != NULL ? qs_facts_find_target (create->facts, path) : NULL;

  return create->selection->save != QS_SAVE_IN_DISK || target == NULL
         || target->type == QS_TARGET_BLOCK || qs_check_memory_room (create->facts, path, error);
}

/**
 * qs_create_add_memory_file:
 *
 * Adds the step that makes the file in which memory will be saved, unless that is a disk's image.
 */
gboolean
qs_create_add_memory_file (QsCreate *create, QsPlan *plan, GError **error)
{
  const QsSelection *selection = create->selection;
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  const QsTarget *target;

  if (selection->save == QS_SAVE_NONE)
    return TRUE;
  if (!qs_check_memory (create->facts, error) || !check_commands (create, error))
    return FALSE;
  if (selection->memory_path == NULL)
    return check_image_room (create, error);
  target = qs_facts_find_target (create->facts, selection->memory_path);
  if (!check_target (create, target, error)
      || !qs_check_memory_room (create->facts, selection->memory_path, error))
    return FALSE;
  if (target->type == QS_TARGET_REGULAR || target->type == QS_TARGET_EMPTY)
    set_aside (create, plan, target);

  create->memory_file = plan->steps->len;
  g_variant_builder_add_parsed (&arguments, "{'target', <%s>}", QS_MEMORY_TARGET);
  g_variant_builder_add_parsed (&arguments, "{'path', <%s>}", qs_create_memory_path (create));
  if (!qs_create_is_stream (create))
    {
      g_variant_builder_add_parsed (&arguments, "{'format', <'qcow2'>}");
      g_variant_builder_add_parsed (&arguments, "{'size', <%t>}", (guint64)SIDE_CAR_BYTES);
      g_variant_builder_add_parsed (&arguments, "{'cluster-size', <%u>}", 64u * 1024u);
    }
  add_rights (create, &arguments);
  qs_plan_add (plan, qs_create_is_stream (create) ? QS_STEP_FILE_CREATE : QS_STEP_IMAGE_CREATE,
               QS_PHASE_PREPARE, QS_MEMORY_TARGET, g_variant_builder_end (&arguments));
  return TRUE;
}
