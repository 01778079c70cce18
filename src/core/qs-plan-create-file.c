/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"

/**
 * qs_create_add_file:
 *
 * Adds what it takes for the overlay of a disk to be there.
 */
gboolean
qs_create_add_file (QsCreate *create, QsPlan *plan, const QsSelected *selected, GError **error)
{
  const QsImage *image = qs_check_disk_image (selected, create->facts, error);
  const QsNode *node = qs_facts_find_node (create->facts, selected->disk->target);

  if (image == NULL || !qs_check_target (selected, create->facts, error))
    return FALSE;

  QsOverlay overlay = {
    .target = selected->disk->target,
    .path = qs_create_file_path (create, selected),
    .base = qs_create_is_exchanged (create, selected) ? selected->path : selected->active,
    .base_format = selected->active_format,
    .base_image = image,
    .virtual_size = node != NULL ? node->virtual_size : image->virtual_size,
    .owner = create->domain->owner,
  };
  g_hash_table_insert (create->steps, selected->disk->target, GUINT_TO_POINTER (plan->steps->len));
  qs_planning_image_create (plan, &overlay);
  return TRUE;
}
