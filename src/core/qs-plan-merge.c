/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-merge.h"

/**
 * qs_merging_ask:
 *
 * What a merge within the chains of the domain's disks depends on.
 */
void
qs_merging_ask (const QsDomain *domain, QsQuestions *questions)
{
  questions->users = TRUE;
  questions->files = TRUE;
  questions->chains = TRUE;
  questions->monitor = qs_domain_is_active (domain);
  questions->open_files = qs_domain_is_active (domain);
  qs_planning_ask_disks (domain, questions);
}

/**
 * qs_merging_image:
 *
 * Returns: file @index from the topmost one that is merged
 */
const QsImage *
qs_merging_image (const QsMerging *merge, guint index)
{
  return g_ptr_array_index (merge->chain, merge->first + index);
}

/**
 * qs_merging_base:
 *
 * Returns: down: the file below the layers; up: the lowest of those that go into the first
 */
const QsImage *
qs_merging_base (const QsMerging *merge)
{
  return qs_merging_image (merge, merge->layers);
}

/**
 * qs_merging_above:
 *
 * Returns: (nullable): what stands on all of them, in the same chain
 */
const QsImage *
qs_merging_above (const QsMerging *merge)
{
  return merge->first > 0 ? g_ptr_array_index (merge->chain, merge->first - 1) : NULL;
}

/**
 * qs_merging_below:
 *
 * Returns: (nullable): what all of them stand on
 */
const QsImage *
qs_merging_below (const QsMerging *merge)
{
  guint index = merge->first + merge->layers + 1;

  return index < merge->chain->len ? g_ptr_array_index (merge->chain, index) : NULL;
}

/**
 * qs_merging_written:
 *
 * Returns: the file that the content of the others goes into
 */
const QsImage *
qs_merging_written (const QsMerging *merge)
{
  return merge->direction == QS_MERGE_UP ? qs_merging_image (merge, 0) : qs_merging_base (merge);
}

/**
 * qs_merging_goner:
 *
 * Returns: of two files the one that nobody needs afterwards
 */
const QsImage *
qs_merging_goner (const QsMerging *merge)
{
  return merge->direction == QS_MERGE_UP ? qs_merging_base (merge) : qs_merging_image (merge, 0);
}

/**
 * qs_merging_bytes:
 *
 * Returns: that are copied at most
 */
guint64
qs_merging_bytes (const QsMerging *merge)
{
  guint from = merge->direction == QS_MERGE_UP ? 1 : 0;
  guint64 bytes = 0;

  for (guint i = from; i < from + merge->layers; i++)
    bytes += qs_merging_image (merge, i)->allocated;
  return bytes;
}
