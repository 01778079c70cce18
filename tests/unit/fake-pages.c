/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-pages.h"

static void
unref_result (gpointer result)
{
  if (result != NULL)
    g_variant_unref (result);
}

static GPtrArray *
copy_results (const GPtrArray *results)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func (unref_result);

  for (guint i = 0; i < results->len; i++)
    {
      GVariant *result = g_ptr_array_index (results, i);

      g_ptr_array_add (copy, result == NULL ? NULL : g_variant_ref (result));
    }
  return copy;
}

void
fake_pages_init (FakePages *pages, const QsPlan *plan)
{
  pages->steps = g_array_new (FALSE, TRUE, sizeof (QsStepState));
  g_array_set_size (pages->steps, plan->steps->len);
  pages->results = g_ptr_array_new_with_free_func (unref_result);
  g_ptr_array_set_size (pages->results, (gint)plan->steps->len);
}

void
fake_pages_clear (FakePages *pages)
{
  g_clear_pointer (&pages->steps, g_array_unref);
  g_clear_pointer (&pages->results, g_ptr_array_unref);
}

void
fake_pages_copy (FakePages *to, const FakePages *from)
{
  fake_pages_clear (to);
  *to = (FakePages){ from->begun, from->state, g_array_copy (from->steps),
                     copy_results (from->results) };
}

void
fake_pages_put (FakePages *pages, guint step, QsStepState state, GVariant *result)
{
  g_array_index (pages->steps, QsStepState, step) = state;
  if (g_ptr_array_index (pages->results, step) != NULL)
    g_variant_unref (g_ptr_array_index (pages->results, step));
  g_ptr_array_index (pages->results, step) = result == NULL ? NULL : g_variant_ref (result);
}

QsPartRecord *
fake_pages_read (const FakePages *pages, const QsPlan *plan)
{
  QsPartRecord *record = qs_part_record_new (7, (QsPlan *)plan);

  record->state = pages->state;
  for (guint i = 0; i < pages->results->len; i++)
    {
      GVariant *result = g_ptr_array_index (pages->results, i);

      g_array_index (record->steps, QsStepState, i) = g_array_index (pages->steps, QsStepState, i);
      g_ptr_array_index (record->results, i) = result == NULL ? NULL : g_variant_ref (result);
    }
  return record;
}
