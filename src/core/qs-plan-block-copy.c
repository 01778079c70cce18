/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-block-copy.h"

#include "qs-align-private.h"
#include "qs-error.h"
#include "qs-name.h"
#include "qs-scope.h"

/* a disk is copied while the guest writes to it, until its caller says that the guest goes over to the
   copy. Up to then all can be taken back; while the job is pending both are equal, and from the record
   on the copy is the true one */

static const QsDiskDef *
find_disk (const QsDomain *domain, const QsRequest *request, GError **error)
{
  const char *name = qs_block_option (request, "disk");

  return qs_align_resolve_disk (domain, name != NULL ? name : "", error);
}

/* that of the disk, and nothing that is found at the destination, says what format is meant */
static const char *
find_format (const QsDomain *domain, const QsDiskDef *disk, guint flags)
{
  return (flags & QS_BLOCK_COPY_CREATE_RAW) != 0 ? "raw" : qs_domain_disk_format (domain, disk);
}

/* a unit lets its QEMU open the devices that it was started with */
static gboolean
check_reach (const QsDomain *domain, const QsQuestions *questions, const char *dest, GError **error)
{
  const char *unit = domain->process != NULL ? domain->process->unit : NULL;

  if (!qs_path_is_device (dest) || !questions->system_mode || unit == NULL || *unit == '\0')
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "the running QEMU may open no other block devices than it was started with, and "
               "‘%s’ is none of them; choose a file",
               dest);
  return FALSE;
}

static gboolean
ask_dest (const QsDomain *domain, const QsRequest *request, QsQuestions *questions, GError **error)
{
  const QsDiskDef *disk = find_disk (domain, request, error);
  const char *dest = qs_block_option (request, "dest");

  if (disk == NULL)
    return FALSE;
  if (dest == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "disk ‘%s’: no destination is named",
                   disk->target);
      return FALSE;
    }
  if (!qs_scope_check_path (domain, request, questions, dest, error)
      || !check_reach (domain, questions, dest, error))
    {
      g_prefix_error (error, "disk ‘%s’: ", disk->target);
      return FALSE;
    }
  g_ptr_array_add (questions->targets, g_strdup (dest));
  if (request->flags & QS_BLOCK_COPY_REUSE_EXT)
    qs_questions_add_reused (questions, dest, find_format (domain, disk, request->flags), NULL);
  return TRUE;
}

gboolean
qs_ask_block_copy (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                   GError **error)
{
  if (!qs_block_ask (domain, request, &qs_block_copy_flag_set, questions, error)
      || !ask_dest (domain, request, questions, error))
    return FALSE;
  questions->io_threads = TRUE;
  return TRUE;
}

/**
 * qs_block_copy_below:
 *
 * Returns: (nullable): what the copy stands on, of the files that the disk stands on now
 */
const QsImage *
qs_block_copy_below (const QsBlockCopy *copy)
{
  const GPtrArray *chain = copy->block->disk->chain;

  return copy->is_shallow && chain->len > 1 ? g_ptr_array_index (chain, 1) : NULL;
}

/**
 * qs_block_copy_has_own_chain:
 *
 * Whether the caller's own file stands on other files than the disk does.
 */
gboolean
qs_block_copy_has_own_chain (const QsBlockCopy *copy)
{
  const QsImage *below = qs_block_copy_below (copy);

  return below != NULL && copy->reused != NULL && copy->reused->chain->len > 1
         && !qs_image_is_same (g_ptr_array_index (copy->reused->chain, 1), below);
}

/**
 * qs_block_copy_bytes:
 *
 * Returns: that are copied, apart from what the guest writes meanwhile
 */
guint64
qs_block_copy_bytes (const QsBlockCopy *copy)
{
  const GPtrArray *chain = copy->block->disk->chain;
  guint n = copy->is_shallow ? 1 : chain->len;
  guint64 bytes = 0;

  for (guint i = 0; i < n; i++)
    bytes += ((const QsImage *)g_ptr_array_index (chain, i))->allocated;
  return MIN (bytes, copy->block->merging.node->virtual_size);
}

static gboolean
plan_copy (QsBlock *block, GError **error)
{
  const QsRequest *request = block->request;
  const char *dest = qs_block_option (request, "dest");
  gboolean goes_over = FALSE;
  QsBlockCopy copy = {
    .block = block,
    .def = find_disk (block->domain, request, error),
    .source = g_ptr_array_index (block->disk->chain, 0),
    .dest = dest,
    .target = qs_facts_find_target (block->facts, dest),
    .is_shallow = (request->flags & QS_BLOCK_COPY_SHALLOW) != 0,
  };

  g_return_val_if_fail (copy.def != NULL && copy.target != NULL, FALSE);
  g_variant_lookup (request->options, "goes-over", "b", &goes_over);
  copy.waits = !goes_over;
  copy.format = find_format (block->domain, copy.def, request->flags);
  if (request->flags & QS_BLOCK_COPY_REUSE_EXT)
    copy.reused = qs_facts_find_reused (block->facts, dest);
  if (!qs_block_copy_check (&copy, error))
    return FALSE;
  qs_block_copy_add_steps (&copy);
  return TRUE;
}

QsPlan *
qs_plan_block_copy (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                    GError **error)
{
  return qs_block_make_plan (domain, request, facts, plan_copy, error);
}

static QsRequest *
new_part (const QsRequest *request, QsVerb verb, guint flags, GVariant *options)
{
  QsRequest *part = qs_request_new (verb, flags);

  part->caller = request->caller;
  part->caller_is_owner = request->caller_is_owner;
  part->options = g_variant_ref_sink (options);
  return part;
}

/* QEMU has not both on one device at once */
static GPtrArray *
make_parts (const QsRequest *request, const char *disk, const char *base)
{
  GPtrArray *parts = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_request_unref);
  guint flags = request->flags | QS_BLOCK_COPY_SHALLOW;
  const char *dest = qs_block_option (request, "dest");
  guint64 bandwidth = 0;

  g_variant_lookup (request->options, "bandwidth", "t", &bandwidth);
  g_ptr_array_add (parts,
                   new_part (request, QS_VERB_BLOCK_COPY, flags,
                             g_variant_new_parsed ("{'disk': <%s>, 'dest': <%s>, 'bandwidth': <%t>,"
                                                   " 'goes-over': <true>}",
                                                   disk, dest != NULL ? dest : "", bandwidth)));
  g_ptr_array_add (
      parts, new_part (request, QS_VERB_BLOCK_PULL, 0,
                       g_variant_new_parsed ("{'disk': <%s>, 'base': <%s>, 'bandwidth': <%t>}",
                                             disk, base, bandwidth)));
  return parts;
}

/**
 * qs_parts_block_copy:
 *
 * With a base: a copy of the first file, on which the guest goes on at once; then what that stands on
 * is pulled into it, down to the base.
 */
GPtrArray *
qs_parts_block_copy (const QsDomain *domain, const QsRequest *request, const QsQuestions *given,
                     GError **error)
{
  const guint alone = QS_BLOCK_COPY_SHALLOW | QS_BLOCK_COPY_CREATE_RAW;
  const char *base = qs_block_option (request, "base");
  const QsDiskDef *disk;

  if (base == NULL || !qs_flags_check (&qs_block_copy_flag_set, request->flags, error))
    return NULL;
  if ((request->flags & alone) != 0)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                           "block copy flags SHALLOW and CREATE_RAW exclude a base");
      return NULL;
    }
  disk = find_disk (domain, request, error);
  return disk != NULL ? make_parts (request, disk->target, base) : NULL;
}
