/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-block-copy.h"

#include "qs-error.h"
#include "qs-name.h"

#include <string.h>

/* an empty image has four clusters and grows at once */
#define MIN_FREE_BYTES (4 * 1024 * 1024)

static const char *const commands[] = { "blockdev-mirror",
                                        "job-complete",
                                        "job-finalize",
                                        "job-dismiss",
                                        "blockdev-add",
                                        "blockdev-del",
                                        "blockdev-reopen",
                                        "x-debug-query-block-graph",
                                        NULL };

static gboolean
refuse (const QsBlockCopy *copy, QsError code, const char *why, GError **error)
{
  g_set_error (error, QS_ERROR, code, "disk ‘%s’: %s", copy->block->disk->target, why);
  return FALSE;
}

static gboolean
refuse_dest (const QsBlockCopy *copy, QsError code, const char *why, GError **error)
{
  g_set_error (error, QS_ERROR, code, "disk ‘%s’: destination ‘%s’ %s", copy->block->disk->target,
               copy->dest, why);
  return FALSE;
}

static const char *
find_disk_obstacle (const QsBlockCopy *copy)
{
  const QsDiskDef *disk = copy->def;

  if (disk->readonly)
    return "it is read-only, so that nobody writes to it; copy its file";
  if (disk->device == QS_DEVICE_LUN)
    return "it is passed through to the guest, and cannot go over to a file";
  if (disk->transient)
    return "it is transient, so that a copy would not be used by the next start";
  if (disk->shareable)
    return "it is shareable: others that write to it would not go over";
  return copy->source->encrypted ? "it is encrypted, which a copy would not be" : NULL;
}

static gboolean
check_source (const QsBlockCopy *copy, GError **error)
{
  const QsBlock *block = copy->block;
  const char *why = find_disk_obstacle (copy);

  if (why != NULL)
    return refuse (copy, QS_ERROR_CONFIG_UNSUPPORTED, why, error);
  if (!qs_facts_has_commands (block->facts, commands))
    return refuse (copy, QS_ERROR_OPERATION_UNSUPPORTED,
                   "this QEMU is too old to copy what the guest writes to", error);
  if (!qs_merging_is_chain (&block->merging, block->domain, block->facts))
    return refuse (copy, QS_ERROR_OPERATION_INVALID,
                   "the running QEMU does not have the files open that are recorded, or it cannot "
                   "be seen which",
                   error);
  if (block->merging.node->bitmap != NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "disk ‘%s’ has the dirty bitmap ‘%s’, which its copy would not have; remove it "
                   "first",
                   block->disk->target, block->merging.node->bitmap);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_type (const QsBlockCopy *copy, GError **error)
{
  QsTargetType type = copy->target->type;

  if (type == QS_TARGET_OTHER)
    return refuse_dest (copy, QS_ERROR_CONFIG_UNSUPPORTED,
                        "exists and is neither a regular file nor a block device; symbolic links "
                        "are not followed",
                        error);
  if (copy->reused == NULL && type != QS_TARGET_ABSENT)
    return refuse_dest (copy, QS_ERROR_CONFIG_UNSUPPORTED,
                        "exists already and is not overwritten; choose another name, or give it "
                        "to be overwritten with REUSE_EXT",
                        error);
  if (copy->reused == NULL && qs_path_is_device (copy->dest))
    return refuse_dest (copy, QS_ERROR_CONFIG_UNSUPPORTED,
                        "would have to be a block device, which is not made here", error);
  if (copy->reused != NULL && type == QS_TARGET_ABSENT)
    return refuse_dest (copy, QS_ERROR_CONFIG_UNSUPPORTED,
                        "does not exist; make it first, or leave out REUSE_EXT", error);
  if ((type == QS_TARGET_BLOCK) != (copy->reused != NULL && qs_path_is_device (copy->dest)))
    return refuse_dest (copy, QS_ERROR_CONFIG_UNSUPPORTED,
                        "is a block device by its name or by what it is, and not by both", error);
  return TRUE;
}

static gboolean
check_target (const QsBlockCopy *copy, GError **error)
{
  const QsTarget *target = copy->target;
  const char *known = qs_check_target_known (copy->block->facts, target);

  if (target->error != NULL)
    {
      g_set_error (error, target->error->domain, target->error->code, "disk ‘%s’: destination: %s",
                   copy->block->disk->target, target->error->message);
      return FALSE;
    }
  if (!check_type (copy, error))
    return FALSE;
  if (known != NULL)
    return refuse_dest (copy, QS_ERROR_CONFIG_UNSUPPORTED, known, error);
  return !target->in_use
         || refuse_dest (copy,
                         copy->reused != NULL ? QS_ERROR_IMAGE_FAILED : QS_ERROR_CONFIG_UNSUPPORTED,
                         "is in use by another program", error);
}

/* zeros are not written where a file stands on nothing, so that it must not say that it does */
static const char *
find_header_fault (const QsBlockCopy *copy, const QsImage *image)
{
  gboolean stands = image->backing_name != NULL;

  if (stands && qs_block_copy_below (copy) == NULL)
    return "names a backing file, and a copy of all of the disk stands on nothing; make it without "
           "one";
  if (!stands && qs_block_copy_below (copy) != NULL)
    return "names no backing file, so that what is not copied would be lost; make it with one";
  return NULL;
}

static const char *
find_fault (const QsBlockCopy *copy, const QsImage *image)
{
  const char *fault = find_header_fault (copy, image);

  if (fault != NULL)
    return fault;
  if (image->dirty)
    return "is marked dirty or corrupt; repair it first with qemu-img check -r all";
  if (image->encrypted)
    return "is encrypted, which the disk is not";
  if (image->n_links > 1 && image->rdev == 0)
    return "has more than one name; a file with another name is not written";
  if (!image->writable)
    return "cannot be written to by the owner of the domain";
  return image->tags->len > 0 ? "holds internal snapshots; make a new one" : NULL;
}

static gboolean
check_size (const QsBlockCopy *copy, const QsImage *image, guint64 wanted, GError **error)
{
  if (image->virtual_size == wanted)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "disk ‘%s’: ‘%s’ has a virtual size of %" G_GUINT64_FORMAT
               " bytes, and %" G_GUINT64_FORMAT " are needed; make it of exactly that size",
               copy->block->disk->target, image->path, image->virtual_size, wanted);
  return FALSE;
}

static gboolean
is_in_chain (const QsBlockCopy *copy, const QsImage *image)
{
  const GPtrArray *chain = copy->block->disk->chain;

  for (guint i = 0; i < chain->len; i++)
    if (qs_image_is_same (g_ptr_array_index (chain, i), image))
      return TRUE;
  return FALSE;
}

/* what it stands on is a copy of what the disk stands on, which nobody can compare; but what lies further
   below is none */
static gboolean
check_own_chain (const QsBlockCopy *copy, GError **error)
{
  const GPtrArray *own = copy->reused->chain;

  if (!copy->waits)
    return refuse_dest (copy, QS_ERROR_IMAGE_FAILED,
                        "stands on another file than the disk; with a base it has to stand on the "
                        "same one",
                        error);
  if (is_in_chain (copy, g_ptr_array_index (own, 1)))
    return refuse_dest (copy, QS_ERROR_IMAGE_FAILED,
                        "stands on a file of the disk, but not on the one below the topmost: what "
                        "lies between would be lost",
                        error);
  for (guint i = 2; i < own->len; i++)
    if (qs_image_is_same (g_ptr_array_index (own, i), copy->source))
      return refuse_dest (copy, QS_ERROR_IMAGE_FAILED, "stands on the very file that is copied",
                          error);
  return check_size (copy, g_ptr_array_index (own, 1), qs_block_copy_below (copy)->virtual_size,
                     error);
}

static gboolean
check_reused (const QsBlockCopy *copy, GError **error)
{
  const QsDiskFacts *reused = copy->reused;
  const QsImage *image = reused->chain->len > 0 ? g_ptr_array_index (reused->chain, 0) : NULL;
  const char *fault;

  if (reused->error != NULL)
    {
      g_set_error (error, reused->error->domain, reused->error->code,
                   "disk ‘%s’: destination ‘%s’: %s", copy->block->disk->target, copy->dest,
                   reused->error->message);
      return FALSE;
    }
  if (image == NULL)
    return refuse_dest (copy, QS_ERROR_IMAGE_FAILED, "is no image", error);
  fault = find_fault (copy, image);
  if (fault != NULL)
    return refuse_dest (copy, QS_ERROR_IMAGE_FAILED, fault, error);
  return check_size (copy, image, copy->block->merging.node->virtual_size, error)
         && (!qs_block_copy_has_own_chain (copy) || check_own_chain (copy, error));
}

/* of what the caller's file has already, nothing is needed once more */
static gboolean
check_room (const QsBlockCopy *copy, GError **error)
{
  guint64 there = copy->reused != NULL
                      ? ((const QsImage *)g_ptr_array_index (copy->reused->chain, 0))->allocated
                      : 0;
  guint64 bytes = qs_block_copy_bytes (copy);
  guint64 needed = MAX (bytes > there ? bytes - there : 0, MIN_FREE_BYTES);

  if (copy->target->type == QS_TARGET_BLOCK || needed <= copy->target->free_bytes)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_NO_SPACE,
               "disk ‘%s’: ‘%s’ may have to take %" G_GUINT64_FORMAT
               " bytes, and %" G_GUINT64_FORMAT " are free",
               copy->block->disk->target, copy->dest, needed, copy->target->free_bytes);
  return FALSE;
}

/**
 * qs_block_copy_check:
 *
 * Whether the disk can be copied, and the destination take it. QEMU looks at nothing that is in that.
 */
gboolean
qs_block_copy_check (const QsBlockCopy *copy, GError **error)
{
  return check_source (copy, error) && check_target (copy, error)
         && (copy->reused == NULL || check_reused (copy, error)) && check_room (copy, error);
}
