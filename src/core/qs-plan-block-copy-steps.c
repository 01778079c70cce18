/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-block-copy.h"

#define NONE G_MAXUINT

/* a copy, as far as its plan has come */
typedef struct
{
  const QsBlockCopy *copy;
  QsBlock *block;
  guint image; /* index of the step that makes the destination; NONE: it is the caller's own */
  guint mirror;
  char *node; /* of the destination */
  GPtrArray
      *own; /* of char: nodes of the files that the caller's own one stands on, from the top */
} Steps;

static char *
next_node (const Steps *steps)
{
  return g_strdup_printf ("snapd-%s-%u", steps->block->facts->op, steps->block->plan->steps->len);
}

static void
add_image (Steps *steps)
{
  const QsBlockCopy *copy = steps->copy;
  const QsImage *below = qs_block_copy_below (copy);
  const QsOverlay overlay = {
    .target = steps->block->disk->target,
    .path = copy->dest,
    .base = below != NULL ? below->path : NULL,
    .base_format = below != NULL ? below->format : NULL,
    .base_image = copy->source,
    .virtual_size = steps->block->merging.node->virtual_size,
    .owner = steps->block->domain->owner,
    .format = copy->format,
    .no_backing = below == NULL,
  };

  steps->image = steps->block->plan->steps->len;
  qs_planning_image_create (steps->block->plan, &overlay);
}

static void
begin_node (const Steps *steps, const char *node, const char *format, GVariantBuilder *arguments)
{
  const QsNode *source = steps->block->merging.node;

  g_variant_builder_add_parsed (arguments, "{'target', <%s>}", steps->block->disk->target);
  g_variant_builder_add_parsed (arguments, "{'node', <%s>}", node);
  g_variant_builder_add_parsed (arguments, "{'format', <%s>}", format);
  g_variant_builder_add_parsed (arguments, "{'direct', <%b>}", source->direct);
  g_variant_builder_add_parsed (arguments, "{'no-flush', <%b>}", source->no_flush);
}

static const char *
detect_zeroes (const Steps *steps)
{
  const QsNode *source = steps->block->merging.node;

  return source->detect_zeroes != NULL ? source->detect_zeroes : "off";
}

/* of a step that is left out unless the guest goes over */
static void
end_step (const Steps *steps, QsStepKind kind, QsPhase phase, GVariantBuilder *arguments)
{
  QsBlock *block = steps->block;

  if (block->condition != NONE)
    g_variant_builder_add_parsed (arguments, "{'if-done', <%u>}", (guint32)block->condition);
  qs_plan_add (block->plan, kind, phase, block->disk->target, g_variant_builder_end (arguments));
}

/* the files below the caller's own one, from below, each on the one before; read only */
static void
add_own_chain (Steps *steps)
{
  const GPtrArray *chain = steps->copy->reused->chain;

  for (guint i = chain->len - 1; i > 0; i--)
    {
      const QsImage *image = g_ptr_array_index (chain, i);
      g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
      char *node = next_node (steps);

      begin_node (steps, node, image->format, &arguments);
      g_variant_builder_add_parsed (&arguments, "{'path', <%s>}", image->path);
      g_variant_builder_add_parsed (&arguments, "{'read-only', <true>}");
      if (steps->own->len > 0)
        g_variant_builder_add_parsed (&arguments, "{'backing', <%s>}",
                                      (const char *)g_ptr_array_index (steps->own, 0));
      end_step (steps, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, &arguments);
      g_ptr_array_insert (steps->own, 0, node);
    }
}

/* (nullable): the node that the destination stands on from the beginning */
static const char *
first_backing (const Steps *steps)
{
  if (steps->own->len > 0)
    return g_ptr_array_index (steps->own, 0);
  return qs_block_copy_below (steps->copy) != NULL && !qs_block_copy_has_own_chain (steps->copy)
             ? steps->block->merging.node->below[0]
             : NULL;
}

static void
add_node (Steps *steps)
{
  const char *backing = first_backing (steps);
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  steps->node = next_node (steps);
  begin_node (steps, steps->node, steps->copy->format, &arguments);
  g_variant_builder_add_parsed (&arguments, "{'path', <%s>}", steps->copy->dest);
  g_variant_builder_add_parsed (&arguments, "{'detect-zeroes', <%s>}", detect_zeroes (steps));
  if (backing != NULL)
    g_variant_builder_add_parsed (&arguments, "{'backing', <%s>}", backing);
  end_step (steps, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, &arguments);
}

static void
add_backing (const Steps *steps)
{
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  begin_node (steps, steps->node, steps->copy->format, &arguments);
  g_variant_builder_add_parsed (&arguments, "{'detect-zeroes', <%s>}", detect_zeroes (steps));
  g_variant_builder_add_parsed (&arguments, "{'backing', <%s>}",
                                (const char *)g_ptr_array_index (steps->own, 0));
  end_step (steps, QS_STEP_NODE_BACKING, QS_PHASE_PREPARE, &arguments);
}

/* nodes that the disk does not stand on any more */
static GVariant *
left_nodes (const Steps *steps)
{
  const QsNode *node = steps->block->merging.node;
  g_auto (GVariantBuilder) names = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);
  gboolean keeps =
      qs_block_copy_below (steps->copy) != NULL && !qs_block_copy_has_own_chain (steps->copy);

  g_variant_builder_add (&names, "s", node->node_name);
  for (guint i = 0; !keeps && node->below[i] != NULL; i++)
    g_variant_builder_add (&names, "s", node->below[i]);
  return g_variant_builder_end (&names);
}

static GVariant *
added_nodes (const Steps *steps)
{
  g_auto (GVariantBuilder) names = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);

  g_variant_builder_add (&names, "s", steps->node);
  for (guint i = 0; i < steps->own->len; i++)
    g_variant_builder_add (&names, "s", (const char *)g_ptr_array_index (steps->own, i));
  return g_variant_builder_end (&names);
}

static void
add_file (const Steps *steps, GVariantBuilder *arguments)
{
  const QsImage *image;
  guint64 dev, ino;

  if (steps->image != NONE)
    {
      g_variant_builder_add_parsed (arguments, "{'image', <%u>}", (guint32)steps->image);
      return;
    }
  image = g_ptr_array_index (steps->copy->reused->chain, 0);
  qs_image_identity (image, &dev, &ino);
  g_variant_builder_add_parsed (arguments, "{'file', <(%s, %s, %t, %t, %x)>}", image->path,
                                image->format, dev, ino, image->btime);
}

static void
add_mirror (Steps *steps)
{
  QsBlock *block = steps->block;
  gboolean blocks = (block->request->flags & QS_BLOCK_COPY_SYNCHRONOUS_WRITES) != 0;
  g_autofree char *job =
      g_strdup_printf ("snapd-%s-c%u", block->facts->op, block->plan->steps->len);
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  steps->mirror = block->plan->steps->len;
  g_variant_builder_add_parsed (&arguments, "{'target', <%s>}", block->disk->target);
  g_variant_builder_add_parsed (&arguments, "{'job', <%s>}", job);
  g_variant_builder_add_parsed (&arguments, "{'device', <%s>}", block->merging.node->node_name);
  g_variant_builder_add_parsed (&arguments, "{'node', <%s>}", steps->node);
  g_variant_builder_add_parsed (&arguments, "{'path', <%s>}", steps->copy->dest);
  add_file (steps, &arguments);
  g_variant_builder_add_parsed (&arguments, "{'sync', <%s>}",
                                steps->copy->is_shallow ? "top" : "full");
  g_variant_builder_add_parsed (&arguments, "{'copy-mode', <%s>}",
                                blocks ? "write-blocking" : "background");
  if (block->merging.speed > 0)
    g_variant_builder_add_parsed (&arguments, "{'speed', <%t>}", block->merging.speed);
  g_variant_builder_add_parsed (&arguments, "{'until-ready', <true>}");
  g_variant_builder_add (&arguments, "{sv}", "drop", left_nodes (steps));
  g_variant_builder_add (&arguments, "{sv}", "added", added_nodes (steps));
  end_step (steps, QS_STEP_MIRROR, QS_PHASE_PREPARE, &arguments);
}

static void
add_part (const Steps *steps, QsStepKind kind, QsPhase phase)
{
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add_parsed (&arguments, "{'target', <%s>}", steps->block->disk->target);
  g_variant_builder_add_parsed (&arguments, "{'merge', <%u>}", (guint32)steps->mirror);
  end_step (steps, kind, phase, &arguments);
}

static void
add_hold (const Steps *steps)
{
  guint index = steps->block->plan->steps->len;

  add_part (steps, QS_STEP_JOB_HOLD, QS_PHASE_PREPARE);
  steps->block->condition = index;
}

/* QEMU 7.2 may abort if what lives in an I/O thread is to stand on another file: then all has to be
   there from the beginning */
static gboolean
comes_late (const Steps *steps)
{
  return qs_block_copy_has_own_chain (steps->copy) && !steps->block->facts->has_io_threads;
}

static void
add_prepare (Steps *steps)
{
  gboolean late = comes_late (steps);

  if (steps->copy->reused == NULL)
    add_image (steps);
  if (qs_block_copy_has_own_chain (steps->copy) && !late)
    add_own_chain (steps);
  add_node (steps);
  add_mirror (steps);
  if (steps->copy->waits)
    add_hold (steps);
  if (late)
    {
      add_own_chain (steps);
      add_backing (steps);
    }
  add_part (steps, QS_STEP_JOB_COMPLETE, QS_PHASE_PREPARE);
}

static void
note_copy (const Steps *steps)
{
  QsPlan *plan = steps->block->plan;
  const char *target = steps->block->disk->target;

  qs_plan_note (plan, "disk ‘%s’: copied to ‘%s’, %" G_GUINT64_FORMAT " bytes", target,
                steps->copy->dest, qs_block_copy_bytes (steps->copy));
  if (!qs_block_copy_has_own_chain (steps->copy))
    return;
  qs_plan_note (
      plan,
      comes_late (steps)
          ? "disk ‘%s’: what ‘%s’ stands on has to be complete when the guest goes over"
          : "disk ‘%s’: what ‘%s’ stands on has to be complete already, because the guest "
            "has I/O threads",
      target, steps->copy->dest);
}

/**
 * qs_block_copy_add_steps:
 *
 * What comes after the hold is left out if the guest does not go over.
 */
void
qs_block_copy_add_steps (const QsBlockCopy *copy)
{
  g_autoptr (GPtrArray) own = g_ptr_array_new_with_free_func (g_free);
  Steps steps = { .copy = copy, .block = copy->block, .image = NONE, .own = own };

  note_copy (&steps);
  add_prepare (&steps);
  qs_block_copy_add_commit (copy, steps.image);
  add_part (&steps, QS_STEP_JOB_FINALIZE, QS_PHASE_FINISH);
  add_part (&steps, QS_STEP_JOB_DISMISS, QS_PHASE_FINISH);
  qs_block_copy_add_protection (copy);
  qs_block_add_unlinks (copy->block);
  qs_block_copy_add_result (copy);
  g_free (steps.node);
}
