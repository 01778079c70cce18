/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-qed.h"

/**
 * qs_planning_mode:
 *
 * Returns: the rights of a new file beside @base: its owner's, and the group's where QEMU gets at the
 *   base only through it; never anybody else's
 */
guint32
qs_planning_mode (const QsImage *base, guint32 owner)
{
  return base->uid == owner ? 0600 : 0600 | (base->mode & 0060);
}

/* that of the base, as far as the format can have it; a base of raw has none */
static guint
overlay_cluster_size (const QsOverlay *overlay, const char *format)
{
  guint base = overlay->base_image->cluster_size;

  if (base == 0)
    return 64 * 1024;
  if (g_str_equal (format, "qed"))
    return CLAMP (base, QS_QED_MIN_CLUSTER, QS_QED_MAX_CLUSTER);
  return CLAMP (base, 1u << QS_QCOW2_MIN_CLUSTER_BITS, 1u << QS_QCOW2_MAX_CLUSTER_BITS);
}

/* where the overlay goes to; of the base it keeps the subclusters, which qed has not */
static void
add_layout (GVariantBuilder *arguments, const QsOverlay *overlay)
{
  const char *format = overlay->format != NULL ? overlay->format : "qcow2";
  gboolean is_qcow2 = g_str_equal (format, "qcow2");

  g_variant_builder_add_parsed (arguments, "{'target', <%s>}", overlay->target);
  g_variant_builder_add_parsed (arguments, "{'path', <%s>}", overlay->path);
  g_variant_builder_add_parsed (arguments, "{'format', <%s>}", format);
  g_variant_builder_add_parsed (arguments, "{'size', <%t>}", overlay->virtual_size);
  g_variant_builder_add_parsed (arguments, "{'cluster-size', <%u>}",
                                overlay_cluster_size (overlay, format));
  g_variant_builder_add_parsed (arguments, "{'extended-l2', <%b>}",
                                is_qcow2 && overlay->base_image->extended_l2);
}

static void
add_taken (GVariantBuilder *arguments, const QsTarget *taken)
{
  g_variant_builder_add_parsed (arguments, "{'dev', <%t>}", taken->dev);
  g_variant_builder_add_parsed (arguments, "{'ino', <%t>}", taken->ino);
  g_variant_builder_add_parsed (arguments, "{'rdev', <%t>}", taken->rdev);
  g_variant_builder_add_parsed (arguments, "{'diskseq', <%t>}", taken->diskseq);
}

/**
 * qs_planning_image_create:
 *
 * Adds the step that makes an empty overlay. The cluster size of the base is kept.
 */
void
qs_planning_image_create (QsPlan *plan, const QsOverlay *overlay)
{
  const QsImage *base = overlay->base_image;
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_layout (&arguments, overlay);
  if (!overlay->no_backing)
    {
      g_variant_builder_add_parsed (&arguments, "{'backing', <%s>}", overlay->base);
      g_variant_builder_add_parsed (&arguments, "{'backing-format', <%s>}", overlay->base_format);
    }
  g_variant_builder_add_parsed (&arguments, "{'mode', <%u>}",
                                qs_planning_mode (base, overlay->owner));
  g_variant_builder_add_parsed (&arguments, "{'gid', <%u>}", base->gid);
  if (overlay->taken != NULL)
    add_taken (&arguments, overlay->taken);
  qs_plan_add (plan, overlay->taken != NULL ? QS_STEP_IMAGE_TAKE : QS_STEP_IMAGE_CREATE,
               QS_PHASE_PREPARE, overlay->target, g_variant_builder_end (&arguments));
}

/**
 * qs_planning_record_chain:
 *
 * Writes down the files of a disk's chain that the store does not know yet, deepest first, and those
 * that somebody has put in the place of others. They are somebody else's: never unlinked.
 */
void
qs_planning_record_chain (QsChangeList *changes, const QsFacts *facts, const QsDiskFacts *disk)
{
  const char *backing = "";

  for (guint i = disk->chain->len; i > 0; i--)
    {
      const QsImage *image = g_ptr_array_index (disk->chain, i - 1);
      const QsFile *file = qs_facts_find_file (facts, image->path);
      guint64 dev, ino;

      qs_image_identity (image, &dev, &ino);
      if (file == NULL || !qs_file_is (file, image))
        qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", image->path, "format", "s",
                        image->format, "role", "s", "disk", "backing", "s", backing, "ours", "b",
                        FALSE, "dev", "t", dev, "ino", "t", ino, "btime", "x", image->btime, NULL);
      backing = image->path;
    }
}

/**
 * qs_planning_record_overlay:
 * @step: index of the image-create step, whose result tells the identity of the file
 */
void
qs_planning_record_overlay (QsChangeList *changes, const char *path, const char *base, guint step)
{
  qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", path, "format", "s", "qcow2", "role",
                  "s", "disk", "backing", "s", base, "ours", "b", TRUE, "step", "u", step, NULL);
}

/**
 * qs_planning_unlink:
 *
 * Adds the step that removes the recorded file from @path, where it is now.
 */
void
qs_planning_unlink (QsPlan *plan, const char *path, const QsFile *file)
{
  qs_plan_add (plan, QS_STEP_FILE_UNLINK, QS_PHASE_FINISH, path,
               g_variant_new_parsed ("{'path': <%s>, 'dev': <%t>, 'ino': <%t>, 'btime': <%x>}",
                                     path, file->dev, file->ino, file->btime));
}

/**
 * qs_planning_unlink_if:
 * @step: index of one; nothing is removed if that says it was not done; G_MAXUINT: there is none
 */
void
qs_planning_unlink_if (QsPlan *plan, const char *path, const QsFile *file, guint step)
{
  if (step == G_MAXUINT)
    qs_planning_unlink (plan, path, file);
  else
    qs_plan_add (plan, QS_STEP_FILE_UNLINK, QS_PHASE_FINISH, path,
                 g_variant_new_parsed ("{'path': <%s>, 'dev': <%t>, 'ino': <%t>, 'btime': <%x>,"
                                       " 'if-done': <%u>}",
                                       path, file->dev, file->ino, file->btime, (guint32)step));
}

void
qs_planning_add_record (QsPlan *plan, QsPhase phase, const char *target, QsChangeList *changes)
{
  qs_plan_add (plan, QS_STEP_RECORD, phase, target,
               g_variant_new_parsed ("{'changes': <%@a(sa{sv})>}", qs_changes_end (changes)));
}

/**
 * qs_planning_add_chain:
 * @overlay: (nullable): a qcow2 file that will stand on top of @chain
 */
void
qs_planning_add_chain (GVariantBuilder *builder, const char *target, const char *overlay,
                       const GPtrArray *chain)
{
  g_variant_builder_open (builder, G_VARIANT_TYPE ("(sa(ss))"));
  g_variant_builder_add (builder, "s", target);
  g_variant_builder_open (builder, G_VARIANT_TYPE ("a(ss)"));
  if (overlay != NULL)
    g_variant_builder_add (builder, "(ss)", overlay, "qcow2");
  for (guint i = 0; i < chain->len; i++)
    {
      const QsImage *image = g_ptr_array_index (chain, i);

      g_variant_builder_add (builder, "(ss)", image->path, image->format);
    }
  g_variant_builder_close (builder);
  g_variant_builder_close (builder);
}

/**
 * qs_planning_chains:
 *
 * Returns: (transfer floating): a(sa(ss)), the files of each disk with their formats, active first,
 *   as a new QEMU is to open them; NULL if one of them cannot be used
 */
GVariant *
qs_planning_chains (const QsDomain *domain, const QsFacts *facts, GError **error)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sa(ss))"));

  for (guint i = 0; i < facts->disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (facts->disks, i);

      if (disk->error != NULL)
        {
          g_set_error (error, disk->error->domain, disk->error->code, "disk ‘%s’: %s", disk->target,
                       disk->error->message);
          return NULL;
        }
      qs_planning_add_chain (&builder, disk->target, NULL, disk->chain);
    }
  return g_variant_builder_end (&builder);
}

/**
 * qs_planning_snapshot:
 *
 * Returns: (transfer none): the snapshot that the request is about
 */
QsSnapshot *
qs_planning_snapshot (const QsDomain *domain, const QsRequest *request, GError **error)
{
  QsSnapshot *snapshot = qs_tree_lookup (domain->tree, request->snapshot);

  if (snapshot == NULL)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT,
                         "the snapshot is not there any more");
  return snapshot;
}

/**
 * qs_planning_snapshot_image:
 *
 * Returns: (transfer none): the file in which a disk of the request's snapshot lies, as it was seen
 */
const QsImage *
qs_planning_snapshot_image (const QsFacts *facts, const char *target, GError **error)
{
  const QsDiskFacts *disk = qs_facts_find_snapshot_disk (facts, target);

  if (disk == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "disk ‘%s’: its file is not recorded",
                   target);
      return NULL;
    }
  if (disk->error != NULL)
    {
      g_set_error (error, disk->error->domain, disk->error->code, "disk ‘%s’: %s", target,
                   disk->error->message);
      return NULL;
    }
  return g_ptr_array_index (disk->chain, 0);
}

/**
 * qs_planning_is_foreign:
 *
 * Whether another domain uses the image, as far as it was asked.
 */
gboolean
qs_planning_is_foreign (const QsFacts *facts, const char *path)
{
  return g_ptr_array_find_with_equal_func (facts->foreign_images, path, g_str_equal, NULL);
}

/* QEMU has given up the images of such a guest, or has not taken them yet */
static const char *const away[] = { "postmigrate", "finish-migrate", "inmigrate",
                                    "restore-vm",  "save-vm",        NULL };

static gboolean
check_home (const QsFacts *facts, GError **error)
{
  if (facts->run_state == NULL || !g_strv_contains (away, facts->run_state))
    return TRUE;
  g_set_error (
      error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
      "the guest is in QEMU’s state ‘%s’: it may have been migrated, and run elsewhere on the "
      "same images; end this QEMU if it does, and if not, resume the guest first",
      facts->run_state);
  return FALSE;
}

/**
 * qs_planning_check_block_jobs:
 *
 * Nothing is done beside a block job or a migration that somebody else has started, nor after such a
 * migration.
 */
gboolean
qs_planning_check_block_jobs (const QsFacts *facts, GError **error)
{
  if (!check_home (facts, error))
    return FALSE;
  if (facts->migration != NULL)
    {
      g_set_error (
          error, QS_ERROR, QS_ERROR_DOMAIN_BUSY,
          "a migration that is not ours is under way, QEMU calls it ‘%s’; wait until it is "
          "over, or cancel it",
          facts->migration);
      return FALSE;
    }
  if (facts->block_jobs == NULL || facts->block_jobs[0] == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_BUSY, "block job ‘%s’ is running on the domain",
               facts->block_jobs[0]);
  return FALSE;
}
