/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-block.h"

#include "qs-align-private.h"
#include "qs-error.h"
#include "qs-plan-mirror.h"

#include <string.h>

/**
 * qs_block_option:
 *
 * Returns: (nullable) (transfer none): NULL: it was left out, or is ""
 */
const char *
qs_block_option (const QsRequest *request, const char *key)
{
  const char *value = NULL;

  return request->options != NULL && g_variant_lookup (request->options, key, "&s", &value)
                 && *value != '\0'
             ? value
             : NULL;
}

static const QsDiskDef *
find_disk (const QsDomain *domain, const QsRequest *request, GError **error)
{
  const char *name = qs_block_option (request, "disk");

  return qs_align_resolve_disk (domain, name != NULL ? name : "", error);
}

/**
 * qs_block_ask:
 * @set: of the call
 *
 * What a block job of one disk depends on.
 */
gboolean
qs_block_ask (const QsDomain *domain, const QsRequest *request, const QsFlagSet *set,
              QsQuestions *questions, GError **error)
{
  const QsDiskDef *disk;

  if (!qs_flags_check (set, request->flags, error))
    return FALSE;
  if (!qs_domain_is_active (domain))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                           "the domain is off: a block job is done by a QEMU that runs");
      return FALSE;
    }
  disk = find_disk (domain, request, error);
  if (disk == NULL || !qs_mirror_check_none (domain, disk->target, error))
    return FALSE;
  qs_merging_ask (domain, questions);
  return TRUE;
}

/* vda[1]: the first file that vda stands on */
static gboolean
read_index (const char *name, const char *target, guint64 *index)
{
  gsize length = strlen (target);
  g_autofree char *digits = NULL;

  if (!g_str_has_prefix (name, target) || name[length] != '[' || !g_str_has_suffix (name, "]"))
    return FALSE;
  digits = g_strndup (name + length + 1, strlen (name + length) - 2);
  return g_ascii_string_to_unsigned (digits, 10, 0, G_MAXUINT, index, NULL);
}

/* as what stands on it names it, or by its path */
static gboolean
is_called (const GPtrArray *chain, guint place, const char *name)
{
  const QsImage *image = g_ptr_array_index (chain, place);
  const QsImage *above = place > 0 ? g_ptr_array_index (chain, place - 1) : NULL;
  g_autofree char *plain = NULL;

  if (!g_path_is_absolute (name))
    return above != NULL && g_strcmp0 (above->backing_name, name) == 0;
  while (name[1] == '/')
    name++;
  plain = g_canonicalize_filename (name, "/");
  return g_str_equal (image->path, plain);
}

/**
 * qs_block_find_place:
 * @name: a path, or an index as libvirt has it
 * @place: (out): of the file in the chain, 0: what the guest writes to
 */
gboolean
qs_block_find_place (const QsBlock *block, const char *name, guint *place, GError **error)
{
  const GPtrArray *chain = block->disk->chain;
  guint64 index = G_MAXUINT64;

  if (read_index (name, block->disk->target, &index) && index < chain->len)
    {
      *place = (guint)index;
      return TRUE;
    }
  for (guint i = 0; index == G_MAXUINT64 && i < chain->len; i++)
    if (is_called (chain, i, name))
      {
        *place = i;
        return TRUE;
      }
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "disk ‘%s’ has no file ‘%s’: its chain goes from ‘%s[0]’ to ‘%s[%u]’",
               block->disk->target, name, block->disk->target, block->disk->target, chain->len - 1);
  return FALSE;
}

/**
 * qs_block_describe_snapshots:
 *
 * Returns: (transfer full): "snapshots ‘a’, ‘b’"
 */
char *
qs_block_describe_snapshots (const QsBlock *block, const GPtrArray *uuids)
{
  GString *text = g_string_new (uuids->len > 1 ? "snapshots " : "snapshot ");

  for (guint i = 0; i < uuids->len; i++)
    {
      const char *uuid = g_ptr_array_index (uuids, i);
      const QsSnapshot *snapshot = qs_tree_lookup (block->domain->tree, uuid);

      g_string_append_printf (text, "%s‘%s’", i > 0 ? ", " : "",
                              snapshot != NULL ? snapshot->name : uuid);
    }
  return g_string_free (text, FALSE);
}

/**
 * qs_block_check_relative:
 * @image: whose header changes
 * @name: (nullable): what that will call the file below
 *
 * That it stays relative, because it was asked for.
 */
gboolean
qs_block_check_relative (const QsBlock *block, const QsImage *image, const char *name,
                         GError **error)
{
  if (name == NULL || !g_path_is_absolute (name))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "disk ‘%s’: from ‘%s’ to ‘%s’ not all headers name their backing file by a relative "
               "name; go on without RELATIVE",
               block->disk->target, image->path, name);
  return FALSE;
}

/**
 * qs_block_add_nothing:
 *
 * There is nothing to be done: a plan that says so.
 */
void
qs_block_add_nothing (QsBlock *block, const char *why)
{
  QsChangeList changes;

  qs_changes_init (&changes);
  qs_planning_add_record (block->plan, QS_PHASE_COMMIT, block->disk->target, &changes);
  qs_plan_note (block->plan, "disk ‘%s’: %s", block->disk->target, why);
  qs_block_add_result (block, 0, 0);
}

static gboolean
check_disk (const QsBlock *block, const QsDiskDef *def, GError **error)
{
  const QsDiskFacts *disk = block->disk;

  if (block->facts->state == QS_DOMAIN_SHUTOFF)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                         "the domain’s QEMU has ended");
  else if (disk != NULL && disk->error != NULL)
    g_set_error (error, disk->error->domain, disk->error->code, "disk ‘%s’: %s", def->target,
                 disk->error->message);
  else if (disk == NULL || block->merging.node == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "disk ‘%s’: the running QEMU has no such disk in a file", def->target);
  else
    return qs_check_recorded (disk, block->facts, error);
  return FALSE;
}

static gboolean
begin (QsBlock *block, GError **error)
{
  const QsDiskDef *def = find_disk (block->domain, block->request, error);

  if (def == NULL || !qs_planning_check_block_jobs (block->facts, error))
    return FALSE;
  block->disk = qs_facts_find_disk (block->facts, def->target);
  block->merging.node = qs_facts_find_node (block->facts, def->target);
  if (!check_disk (block, def, error))
    return FALSE;
  block->merging.target = block->disk->target;
  block->merging.chain = block->disk->chain;
  g_variant_lookup (block->request->options, "bandwidth", "t", &block->merging.speed);
  g_ptr_array_add (block->settled, NULL);
  return TRUE;
}

/**
 * qs_block_make_plan:
 * @add: adds all steps
 */
QsPlan *
qs_block_make_plan (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                    QsBlockPlanner add, GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GPtrArray) goners = g_ptr_array_new ();
  g_autoptr (GPtrArray) settled = g_ptr_array_new ();
  g_autoptr (GStrvBuilder) removed = g_strv_builder_new ();
  g_autoptr (GStrvBuilder) kept = g_strv_builder_new ();
  QsBlock block = { .domain = domain,
                    .request = request,
                    .facts = facts,
                    .plan = plan,
                    .goners = goners,
                    .settled = settled,
                    .removed = removed,
                    .kept = kept,
                    .condition = G_MAXUINT };

  return begin (&block, error) && add (&block, error) ? g_steal_pointer (&plan) : NULL;
}
