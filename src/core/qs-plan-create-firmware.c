/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"
#include "qs-limits.h"

/* UEFI variables lie in a file that QEMU writes for the flash chip of the guest. They are no disk, and
   what is raw holds no snapshot: each snapshot has a copy, of the disks' point in time */

#define WHAT "firmware variables"

/* what makes a copy at one point in time with the disks */
static const char *const commands[] = { "transaction", "blockdev-add", "blockdev-del",
                                        "blockdev-backup", NULL };

static gboolean
refuse (QsError code, const char *path, const char *why, GError **error)
{
  g_set_error (error, QS_ERROR, code, WHAT " ‘%s’: %s", path, why);
  return FALSE;
}

/* the file as it was seen */
static const QsImage *
find_image (const QsCreate *create)
{
  const QsDiskFacts *firmware = create->facts->firmware;

  return firmware != NULL && firmware->chain->len > 0 ? g_ptr_array_index (firmware->chain, 0)
                                                      : NULL;
}

static gboolean
check_image (const QsCreate *create, GError **error)
{
  const QsDiskFacts *firmware = create->facts->firmware;
  const QsImage *image = find_image (create);

  if (firmware->error != NULL)
    {
      g_set_error (error, QS_ERROR, firmware->error->code, WHAT ": %s", firmware->error->message);
      return FALSE;
    }
  if (image == NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                           WHAT ": their file could not be looked at");
      return FALSE;
    }
  if (image->encrypted)
    return refuse (QS_ERROR_CONFIG_UNSUPPORTED, image->path, "are encrypted and cannot be copied",
                   error);
  if (image->size <= QS_MAX_NVRAM_BYTES && image->virtual_size <= QS_MAX_NVRAM_BYTES)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
               WHAT " ‘%s’: are larger than %d bytes and not copied", image->path,
               QS_MAX_NVRAM_BYTES);
  return FALSE;
}

/* nothing that is there already is written to, whatever it is */
static gboolean
check_absent (const QsCreate *create, const char *path, GError **error)
{
  const QsTarget *target = qs_facts_find_target (create->facts, path);
  const char *why = qs_check_target_known (create->facts, target);

  if (target->error != NULL)
    {
      g_set_error (error, target->error->domain, target->error->code,
                   "copy of the " WHAT " ‘%s’: %s", path, target->error->message);
      return FALSE;
    }
  if (why == NULL && target->type != QS_TARGET_ABSENT)
    why = "exists already and is not overwritten; choose another name, or remove it first";
  if (why == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, "copy of the " WHAT ": ‘%s’ %s", path,
               why);
  return FALSE;
}

/* the file stands still, for its guest is off */
static gboolean
plan_copy (QsCreate *create, QsPlan *plan, GError **error)
{
  const QsImage *image = find_image (create);

  if (image->in_use)
    return refuse (QS_ERROR_OPERATION_INVALID, image->path,
                   "are in use by another program, although the domain is shut off; end that "
                   "program, or attach it if it is the domain’s QEMU",
                   error);
  qs_plan_add (plan, QS_STEP_FILE_COPY, QS_PHASE_PREPARE, QS_NVRAM_TARGET,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'from': <%s>, 'dev': <%t>,"
                                     " 'ino': <%t>, 'mode': <%u>, 'gid': <%u>}",
                                     QS_NVRAM_TARGET, create->selection->firmware_path, image->path,
                                     image->dev, image->ino,
                                     qs_planning_mode (image, create->domain->owner), image->gid));
  return TRUE;
}

/* QEMU fills it when the disks are snapshotted */
static void
plan_image (QsCreate *create, QsPlan *plan)
{
  const QsImage *image = find_image (create);

  qs_plan_add (plan, QS_STEP_IMAGE_CREATE, QS_PHASE_PREPARE, QS_NVRAM_TARGET,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'format': <%s>, 'size': <%t>,"
                                     " 'cluster-size': <%u>, 'mode': <%u>, 'gid': <%u>}",
                                     QS_NVRAM_TARGET, create->selection->firmware_path,
                                     image->format, create->flash->virtual_size, 64u * 1024u,
                                     qs_planning_mode (image, create->domain->owner), image->gid));
}

/* the flash chip that has the file, by what QEMU says; of several none else will do */
static const QsNode *
find_flash (const QsCreate *create)
{
  const GPtrArray *chips = create->facts->flash;
  const char *path = qs_domain_get_def (create->domain)->nvram;

  for (guint i = 0; i < chips->len; i++)
    if (g_strcmp0 (((QsNode *)g_ptr_array_index (chips, i))->path, path) == 0)
      return g_ptr_array_index (chips, i);
  return chips->len == 1 ? g_ptr_array_index (chips, 0) : NULL;
}

/* a name that was given to another file since would lead to the wrong variables */
static gboolean
check_flash (const QsCreate *create, GError **error)
{
  const char *path = qs_domain_get_def (create->domain)->nvram;
  const QsImage *image = find_image (create);

  if (image == NULL || !qs_facts_has_open (create->facts, image)
      || (create->facts->open_files == NULL && *create->flash->path == '/'
          && !g_str_equal (create->flash->path, path)))
    return refuse (QS_ERROR_OPERATION_INVALID, path,
                   "QEMU does not write to the file that is there now; was it moved, or replaced "
                   "by another one?",
                   error);
  if (g_strcmp0 (create->flash->format, image->format) != 0)
    return refuse (QS_ERROR_OPERATION_INVALID, path, "QEMU uses them in another format", error);
  return TRUE;
}

static gboolean
add_running (QsCreate *create, QsPlan *plan, GError **error)
{
  create->flash = find_flash (create);
  if (create->flash == NULL)
    {
      qs_plan_note (plan, "the " WHAT " are not part of this snapshot: no flash chip of this QEMU "
                          "can be told to hold them");
      return TRUE;
    }
  if (!qs_facts_has_commands (create->facts, commands))
    {
      create->flash = NULL;
      qs_plan_note (plan, "the " WHAT " are not part of this snapshot: this QEMU cannot copy them "
                          "at one point in time with the disks");
      return TRUE;
    }
  if (create->facts->firmware != NULL && !check_image (create, error))
    return FALSE;
  if (!check_flash (create, error))
    return FALSE;
  create->firmware_file = plan->steps->len;
  create->has_firmware_file = TRUE;
  plan_image (create, plan);
  return TRUE;
}

static gboolean
add_off (QsCreate *create, QsPlan *plan, GError **error)
{
  if (create->facts->firmware == NULL)
    {
      qs_plan_note (plan, "the domain has no " WHAT " yet, and the snapshot none of them");
      return TRUE;
    }
  if (!check_image (create, error))
    return FALSE;
  create->firmware_file = plan->steps->len;
  create->has_firmware_file = TRUE;
  return plan_copy (create, plan, error);
}

/**
 * qs_create_add_firmware_file:
 *
 * Adds the step that makes the file for the firmware variables: with the guest off a copy of them.
 */
gboolean
qs_create_add_firmware_file (QsCreate *create, QsPlan *plan, GError **error)
{
  const char *path = create->selection->firmware_path;

  if (path == NULL)
    {
      if (create->facts->flash->len > 0 && create->selection->memory == QS_LOCATION_NO)
        qs_plan_note (plan, "the " WHAT " are not part of this snapshot: it is not known in which "
                            "file they lie");
      return TRUE;
    }
  if (!check_absent (create, path, error))
    return FALSE;
  return qs_domain_is_active (create->domain) ? add_running (create, plan, error)
                                              : add_off (create, plan, error);
}

static char *
copy_node (const QsCreate *create)
{
  return g_strdup_printf ("snapd-%s-n", create->facts->op);
}

/**
 * qs_create_add_firmware_node:
 *
 * Adds the step by which QEMU opens the file for the firmware variables.
 */
gboolean
qs_create_add_firmware_node (QsCreate *create, QsPlan *plan, GError **error)
{
  g_autofree char *node = copy_node (create);

  if (create->flash != NULL)
    qs_plan_add (plan, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, QS_NVRAM_TARGET,
                 g_variant_new_parsed ("{'target': <%s>, 'node': <%s>, 'path': <%s>,"
                                       " 'format': <%s>, 'direct': <false>, 'no-flush': <false>}",
                                       QS_NVRAM_TARGET, node, create->selection->firmware_path,
                                       create->flash->format));
  return TRUE;
}

/**
 * qs_create_copies_firmware:
 *
 * Whether the firmware variables of the running guest are copied at the disks' point in time. What
 * saves memory saves them too.
 */
gboolean
qs_create_copies_firmware (const QsCreate *create)
{
  return create->flash != NULL;
}

/**
 * qs_create_add_firmware_row:
 *
 * Adds the row of the `transaction` that copies them.
 */
void
qs_create_add_firmware_row (const QsCreate *create, const QsPlan *plan, GVariantBuilder *disks)
{
  g_autofree char *node = copy_node (create);

  if (create->flash != NULL)
    g_variant_builder_add_parsed (disks,
                                  "{'target': <%s>, 'node': <%s>, 'backup': <%s>, 'job': <%s>,"
                                  " 'path': <%s>}",
                                  QS_NVRAM_TARGET, create->flash->node_name, node, node,
                                  create->selection->firmware_path);
}

/**
 * qs_create_record_firmware:
 *
 * The copy of the firmware variables, and that the snapshot uses it.
 */
void
qs_create_record_firmware (const QsCreate *create, QsChangeList *changes, gboolean metadata)
{
  const char *path = create->selection->firmware_path;

  if (!create->has_firmware_file || !metadata)
    return;
  qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", path, "format", "s",
                  find_image (create)->format, "role", "s", "nvram", "backing", "s", "", "ours",
                  "b", TRUE, "step", "u", create->firmware_file, NULL);
  qs_changes_add (changes, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", create->facts->fresh_uuid,
                  "target", "s", QS_NVRAM_TARGET, "path", "s", path, "tag", "s", "", NULL);
}
