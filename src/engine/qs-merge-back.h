/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-guest.h"

/**
 * QsMergeBack:
 * @node: the node that the device stood on, below the overlay now
 * @overlay: the node that the device went over to
 * @check: asked before anything is written to the file of @node
 * @note: writes down, before it takes effect, that @node is the disk's again and what the overlay
 *   holds is out of date (@merged); or that it is not so after all
 *
 * One disk that goes back to where it was, with all that its guest has written since.
 */
typedef struct
{
  const char *node;
  const char *overlay;
  gboolean (*check) (gpointer user_data, GError **error);
  gboolean (*note) (gboolean merged, gpointer user_data, GError **error);
  gpointer user_data;
} QsMergeBack;

gboolean qs_merge_back (QsGuest *guest, const QsMergeBack *back, GError **error);
gboolean qs_merge_back_check (QsGuest *guest, GError **error);
