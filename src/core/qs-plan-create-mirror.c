/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"
#include "qs-name.h"
#include "qs-plan-mirror.h"
#include "qs-scope.h"

/* a second file for what the guest writes from the snapshot on: QEMU's `transaction` knows no mirror, so
   that the overlay comes first, and is mirrored before the guest goes on */

static const char *
mirror_path (const QsSelected *selected)
{
  return selected->request != NULL ? selected->request->mirror : NULL;
}

/* (nullable) (transfer none): the first disk that is to have one */
static const QsSelected *
find_mirrored (const QsSelection *selection, guint *n)
{
  const QsSelected *first = NULL;

  *n = 0;
  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (mirror_path (selected) == NULL)
        continue;
      first = first != NULL ? first : selected;
      ++*n;
    }
  return first;
}

/**
 * qs_create_has_mirrors:
 *
 * Whether a disk is to be written to a second file.
 */
gboolean
qs_create_has_mirrors (const QsCreate *create)
{
  guint n;

  return find_mirrored (create->selection, &n) != NULL;
}

static const struct
{
  guint flag;
  const char *name;
} no_flags[] = {
  { QS_CREATE_HALT, "HALT" },
  { QS_CREATE_NO_METADATA, "NO_METADATA" },
};

static gboolean
check_flags (const QsSelected *selected, guint flags, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (no_flags); i++)
    if (flags & no_flags[i].flag)
      {
        g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                     "disk ‘%s’: <mirror> and flag %s exclude each other", selected->disk->target,
                     no_flags[i].name);
        return FALSE;
      }
  return TRUE;
}

static gboolean
refuse (GError **error, const QsSelected *selected, QsError code, const char *why)
{
  g_set_error (error, QS_ERROR, code, "disk ‘%s’: mirror ‘%s’ %s", selected->disk->target,
               mirror_path (selected), why);
  return FALSE;
}

/* that no other file is to be made there, either */
static gboolean
check_own_name (const QsSelection *selection, const QsSelected *mirrored, GError **error)
{
  const char *path = mirror_path (mirrored);
  gboolean taken = g_strcmp0 (path, selection->memory_path) == 0
                   || g_strcmp0 (path, selection->firmware_path) == 0;

  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      taken |= g_strcmp0 (path, selected->path) == 0 || g_strcmp0 (path, selected->active) == 0
               || (selected != mirrored && g_strcmp0 (path, mirror_path (selected)) == 0);
    }
  return !taken
         || refuse (error, mirrored, QS_ERROR_CONFIG_UNSUPPORTED,
                    "is the file of another disk or of the snapshot, too; give one of its own");
}

static gboolean
check_disk (const QsSelection *selection, const QsSelected *selected, GError **error)
{
  if (qs_path_is_device (mirror_path (selected)))
    return refuse (error, selected, QS_ERROR_CONFIG_UNSUPPORTED,
                   "lies below /dev; a mirror has to be a regular file");
  if (!g_str_equal (selected->format, "qcow2"))
    return refuse (error, selected, QS_ERROR_CONFIG_UNSUPPORTED,
                   "has the format of the overlay, which must be qcow2 then");
  return check_own_name (selection, selected, error);
}

static gboolean
check_selection (const QsSelection *selection, GError **error)
{
  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (mirror_path (selected) != NULL && !check_disk (selection, selected, error))
        return FALSE;
    }
  return TRUE;
}

/**
 * qs_create_check_mirrors:
 * @limit: how many disks may have one
 *
 * What can be said of them before anything is looked at.
 */
gboolean
qs_create_check_mirrors (const QsDomain *domain, const QsSelection *selection, guint flags,
                         guint limit, GError **error)
{
  guint n;
  const QsSelected *first = find_mirrored (selection, &n);

  if (first == NULL)
    return TRUE;
  if (!check_flags (first, flags, error))
    return FALSE;
  if (!qs_domain_is_active (domain))
    return refuse (error, first, QS_ERROR_OPERATION_INVALID,
                   "needs a guest that runs; start it first, or leave <mirror> out");
  if (n > limit)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "%u disks are to be mirrored, and mirrors-per-domain in the configuration "
                   "allows %u",
                   n, limit);
      return FALSE;
    }
  if (selection->save == QS_SAVE_STREAM || selection->save == QS_SAVE_STREAM_LIVE)
    return refuse (error, first, QS_ERROR_OPERATION_UNSUPPORTED,
                   "cannot be kept beside memory in a file of its own, for QEMU gives up its "
                   "images for that; leave the memory out (DISK_ONLY)");
  return check_selection (selection, error);
}

/**
 * qs_create_ask_mirror:
 *
 * As of the target of an overlay. What an existing one stands on need not be there yet: @selected's
 * own backing file does not count for it.
 */
gboolean
qs_create_ask_mirror (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                      const QsSelected *selected, GError **error)
{
  const char *path = mirror_path (selected);

  if (path == NULL)
    return TRUE;
  if (!qs_scope_check_path (domain, request, questions, path, error))
    {
      g_prefix_error (error, "disk ‘%s’: ", selected->disk->target);
      return FALSE;
    }
  g_ptr_array_add (questions->targets, g_strdup (path));
  if (selected->mode == QS_DISK_MODE_EXISTING)
    qs_questions_add_reused (questions, path, selected->format, NULL);
  return TRUE;
}

/* @selected with the mirror in place of the overlay */
static QsSelected
as_target (const QsSelected *selected)
{
  QsSelected target = *selected;

  target.path = (char *)mirror_path (selected);
  target.is_device = FALSE;
  if (target.mode == QS_DISK_MODE_DEFAULT)
    target.mode = QS_DISK_MODE_ABSOLUTE_PATHS;
  return target;
}

static void
make_image (QsCreate *create, QsPlan *plan, const QsSelected *selected, const QsImage *active,
            guint64 size)
{
  const QsTarget *found = qs_facts_find_target (create->facts, mirror_path (selected));
  const QsOverlay overlay = {
    .target = selected->disk->target,
    .path = mirror_path (selected),
    .base = qs_create_is_exchanged (create, selected) ? selected->path : selected->active,
    .base_format = selected->active_format,
    .base_image = active,
    .virtual_size = size,
    .owner = create->domain->owner,
    .format = selected->format,
    .no_backing = selected->mode == QS_DISK_MODE_NO_BACKING_FILE,
    .taken = found->type == QS_TARGET_ABSENT ? NULL : found,
  };

  qs_planning_image_create (plan, &overlay);
}

/* of one that the caller has made, with whatever chain it is to have one day */
static const char *
find_fault (const QsDiskFacts *reused, const QsImage *image)
{
  if (image->backing_name == NULL)
    return "names no backing file, so that all that the guest has written before would be missing "
           "in it; write the name with qemu-img rebase -u";
  if (reused->has_data)
    return "holds data already, which would hide what it stands on; give one that is empty";
  if (image->dirty)
    return "is marked dirty or corrupt; repair it first with qemu-img check -r all";
  if (image->n_links > 1)
    return "has more than one name; a file with another name is not written";
  if (image->in_use)
    return "is in use by another program";
  return image->writable ? NULL : "cannot be written to by its owner";
}

static gboolean
check_reused (const QsCreate *create, const QsSelected *selected, guint64 size, GError **error)
{
  const QsDiskFacts *reused = qs_facts_find_reused (create->facts, mirror_path (selected));
  const QsImage *image = reused->chain->len > 0 ? g_ptr_array_index (reused->chain, 0) : NULL;
  const char *fault;

  if (image == NULL)
    {
      g_set_error (error, reused->error->domain, reused->error->code, "disk ‘%s’: mirror ‘%s’: %s",
                   selected->disk->target, mirror_path (selected), reused->error->message);
      return FALSE;
    }
  fault = find_fault (reused, image);
  if (fault != NULL)
    return refuse (error, selected, QS_ERROR_IMAGE_FAILED, fault);
  if (image->virtual_size == size)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "disk ‘%s’: mirror ‘%s’ has a virtual size of %" G_GUINT64_FORMAT
               " bytes, and the disk one of %" G_GUINT64_FORMAT "; make it of the same size",
               selected->disk->target, mirror_path (selected), image->virtual_size, size);
  return FALSE;
}

static gboolean
add_file (QsCreate *create, QsPlan *plan, const QsSelected *selected, GError **error)
{
  const QsNode *node = qs_facts_find_node (create->facts, selected->disk->target);
  QsSelected target;
  const QsImage *active;

  if (mirror_path (selected) == NULL)
    return TRUE;
  target = as_target (selected);
  active = qs_check_disk_image (selected, create->facts, error);
  if (active == NULL || node == NULL || !qs_check_target (&target, create->facts, error))
    return active != NULL && node == NULL
           && refuse (error, selected, QS_ERROR_CONFIG_UNSUPPORTED,
                      "cannot be used: the running QEMU has no such disk");
  if (selected->mode == QS_DISK_MODE_EXISTING)
    return check_reused (create, selected, node->virtual_size, error);
  make_image (create, plan, selected, active, node->virtual_size);
  return TRUE;
}

static gboolean
check_commands (const QsCreate *create, GError **error)
{
  static const char *const commands[] = { "blockdev-mirror", "blockdev-reopen", "job-complete",
                                          NULL };

  if (qs_create_switches_at_once (create) && qs_facts_has_commands (create->facts, commands))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                       "this QEMU is too old for <mirror>: it lacks ‘transaction’, "
                       "‘blockdev-mirror’ or ‘blockdev-reopen’");
  return FALSE;
}

/**
 * qs_create_add_mirror_files:
 *
 * Adds what it takes for the files to be there, and open in QEMU.
 */
gboolean
qs_create_add_mirror_files (QsCreate *create, QsPlan *plan, GError **error)
{
  return !qs_create_has_mirrors (create)
         || (check_commands (create, error)
             && qs_create_each (create, plan, QS_LOCATION_EXTERNAL, add_file, error));
}

/* (nullable): the step of that kind which works on the file of a mirror */
static const QsStep *
find_step (const QsPlan *plan, QsStepKind kind, const char *path, guint *index)
{
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const QsStep *step = qs_plan_step (plan, i);

      if (step->kind == kind && g_strcmp0 (qs_step_string (step, "path"), path) == 0)
        {
          *index = i;
          return step;
        }
    }
  return NULL;
}

static gboolean
find_made (const QsPlan *plan, const QsSelected *selected, guint *index)
{
  return find_step (plan, QS_STEP_IMAGE_CREATE, mirror_path (selected), index) != NULL
         || find_step (plan, QS_STEP_IMAGE_TAKE, mirror_path (selected), index) != NULL;
}

static gboolean
add_node (QsCreate *create, QsPlan *plan, const QsSelected *selected, GError **error)
{
  const QsNode *node = qs_facts_find_node (create->facts, selected->disk->target);
  g_autofree char *name = g_strdup_printf ("snapd-%s-%u", create->facts->op, plan->steps->len);

  if (mirror_path (selected) != NULL)
    qs_plan_add (
        plan, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, selected->disk->target,
        g_variant_new_parsed ("{'target': <%s>, 'node': <%s>, 'path': <%s>, 'format': <%s>,"
                              " 'direct': <%b>, 'no-flush': <%b>, 'detect-zeroes': <%s>}",
                              selected->disk->target, name, mirror_path (selected),
                              selected->format, node->direct, node->no_flush,
                              node->detect_zeroes != NULL ? node->detect_zeroes : "off"));
  return TRUE;
}

/**
 * qs_create_add_mirror_nodes:
 *
 * After those of the overlays.
 */
gboolean
qs_create_add_mirror_nodes (QsCreate *create, QsPlan *plan, GError **error)
{
  return qs_create_each (create, plan, QS_LOCATION_EXTERNAL, add_node, error);
}

/* of a file that the caller has made: which it is */
static void
add_file_row (const QsCreate *create, const QsSelected *selected, GVariantBuilder *arguments)
{
  const QsDiskFacts *reused = qs_facts_find_reused (create->facts, mirror_path (selected));
  const QsImage *image = g_ptr_array_index (reused->chain, 0);
  guint64 dev, ino;

  qs_image_identity (image, &dev, &ino);
  g_variant_builder_add_parsed (arguments, "{'file', <(%s, %s, %t, %t, %x)>}", image->path,
                                selected->format, dev, ino, image->btime);
}

static gboolean
add_mirror (QsCreate *create, QsPlan *plan, const QsSelected *selected, GError **error)
{
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  const char *path = mirror_path (selected);
  g_autofree char *job = g_strdup_printf ("snapd-%s-m%u", create->facts->op, plan->steps->len);
  const QsStep *overlay, *node;
  guint index;

  if (path == NULL)
    return TRUE;
  overlay = qs_create_find_added (plan, selected->disk->target);
  node = find_step (plan, QS_STEP_NODE_ADD, path, &index);
  g_variant_builder_add_parsed (&arguments, "{'target', <%s>}", selected->disk->target);
  g_variant_builder_add_parsed (&arguments, "{'job', <%s>}", job);
  g_variant_builder_add_parsed (&arguments, "{'device', <%s>}", qs_step_string (overlay, "node"));
  g_variant_builder_add_parsed (&arguments, "{'node', <%s>}", qs_step_string (node, "node"));
  g_variant_builder_add_parsed (&arguments, "{'path', <%s>}", path);
  if (find_made (plan, selected, &index))
    g_variant_builder_add_parsed (&arguments, "{'image', <%u>}", index);
  else
    add_file_row (create, selected, &arguments);
  g_variant_builder_add_parsed (&arguments, "{'sync', <'top'>}");
  g_variant_builder_add_parsed (&arguments, "{'copy-mode', <'background'>}");
  g_variant_builder_add_parsed (&arguments, "{'until-ready', <false>}");
  g_variant_builder_add_parsed (&arguments, "{'drop', <@as []>}");
  g_variant_builder_add_parsed (&arguments, "{'added', <@as []>}");
  qs_plan_add (plan, QS_STEP_MIRROR, QS_PHASE_PREPARE, selected->disk->target,
               g_variant_builder_end (&arguments));
  return TRUE;
}

/**
 * qs_create_add_mirrors:
 *
 * Adds the steps that begin them. Nobody waits for what the overlays have got until then: they are
 * empty, or nearly so.
 */
gboolean
qs_create_add_mirrors (QsCreate *create, QsPlan *plan, GError **error)
{
  return qs_create_each (create, plan, QS_LOCATION_EXTERNAL, add_mirror, error);
}

static void
record_file (const QsCreate *create, const QsPlan *plan, const QsSelected *selected,
             QsChangeList *changes)
{
  const QsTarget *found = qs_facts_find_target (create->facts, mirror_path (selected));
  const QsDiskFacts *reused = qs_facts_find_reused (create->facts, mirror_path (selected));
  const QsImage *image;
  guint64 dev, ino;
  guint index;

  if (find_made (plan, selected, &index))
    {
      qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", found->path, "format", "s",
                      selected->format, "role", "s", QS_MIRROR_ROLE, "backing", "s", "", "ours",
                      "b", found->type == QS_TARGET_ABSENT, "step", "u", index, NULL);
      return;
    }
  image = g_ptr_array_index (reused->chain, 0);
  qs_image_identity (image, &dev, &ino);
  qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", found->path, "format", "s",
                  selected->format, "role", "s", QS_MIRROR_ROLE, "backing", "s", "", "ours", "b",
                  FALSE, "dev", "t", dev, "ino", "t", ino, "btime", "x", image->btime, NULL);
}

/**
 * qs_create_record_mirror:
 *
 * Of one disk, if it has one.
 */
void
qs_create_record_mirror (const QsCreate *create, const QsPlan *plan, const QsSelected *selected,
                         QsChangeList *changes)
{
  const char *path = mirror_path (selected);
  const QsStep *step;
  guint index;

  if (path == NULL)
    return;
  step = find_step (plan, QS_STEP_MIRROR, path, &index);
  record_file (create, plan, selected, changes);
  qs_changes_add (changes, QS_CHANGE_MIRROR, "target", "s", selected->disk->target, "path", "s",
                  path, "format", "s", selected->format, "snapshot", "s", create->facts->fresh_uuid,
                  "job", "s", qs_step_string (step, "job"), "node", "s",
                  qs_step_string (step, "node"), NULL);
}
