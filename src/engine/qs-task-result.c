/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

/* the result of a task: what its plans said they would do, and what their steps have learnt */

static gboolean
is_list (GVariant *value)
{
  return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY)
         || g_variant_is_of_type (value, G_VARIANT_TYPE ("aa{sv}"));
}

static GVariant *
join (GVariant *first, GVariant *second)
{
  GVariant *const lists[] = { first, second };
  GVariantBuilder builder;

  g_variant_builder_init (&builder, g_variant_get_type (first));
  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    for (gsize k = 0; k < g_variant_n_children (lists[i]); k++)
      {
        g_autoptr (GVariant) child = g_variant_get_child_value (lists[i], k);

        g_variant_builder_add_value (&builder, child);
      }
  return g_variant_builder_end (&builder);
}

/* lists of several parts become one list, bytes that are copied add up, two directions are one word; of
   everything else the last word counts */
static GVariant *
combine (const char *key, GVariant *before, GVariant *value)
{
  if (before == NULL
      || !g_variant_type_equal (g_variant_get_type (before), g_variant_get_type (value)))
    return value;
  if (is_list (value))
    return join (before, value);
  if (g_str_equal (key, "merged-bytes"))
    return g_variant_new_uint64 (g_variant_get_uint64 (before) + g_variant_get_uint64 (value));
  if (g_str_equal (key, "direction") && !g_variant_equal (before, value))
    return g_variant_new_string ("mixed");
  return value;
}

/**
 * qs_task_result_put:
 *
 * Adds one value to those that are there.
 */
void
qs_task_result_put (GVariantDict *result, const char *key, GVariant *value)
{
  g_autoptr (GVariant) before = g_variant_dict_lookup_value (result, key, NULL);

  g_variant_dict_insert_value (result, key, combine (key, before, value));
}

static void
put_all (GVariantDict *result, GVariant *values)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, values);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    qs_task_result_put (result, key, value);
}

/**
 * qs_task_result_add:
 * @plan: of a part that is done
 */
void
qs_task_result_add (GVariantDict *result, const QsPlan *plan)
{
  if (plan->result != NULL)
    put_all (result, plan->result);
}

/**
 * qs_task_result_replace:
 * @results: of the steps
 *
 * Returns: whether one of them says what came of the part `instead` of what was planned
 */
gboolean
qs_task_result_replace (GVariantDict *result, GPtrArray *results)
{
  gboolean found = FALSE;

  for (guint i = 0; i < results->len; i++)
    {
      GVariant *learnt = g_ptr_array_index (results, i);
      g_autoptr (GVariant) instead =
          learnt != NULL ? g_variant_lookup_value (learnt, "instead", G_VARIANT_TYPE_VARDICT)
                         : NULL;

      if (instead != NULL)
        put_all (result, instead);
      found = found || instead != NULL;
    }
  return found;
}

/* what steps have learnt that the caller is told; the last one that knows it says it */
static const char *const learnt_keys[] = { "memory-bytes", "freeze-time", "quiesced" };

/**
 * qs_task_result_learn:
 * @results: of the steps
 */
void
qs_task_result_learn (GVariantDict *result, GPtrArray *results)
{
  for (guint i = 0; i < results->len; i++)
    for (guint k = 0; k < G_N_ELEMENTS (learnt_keys); k++)
      {
        GVariant *learnt = g_ptr_array_index (results, i);
        g_autoptr (GVariant) value =
            learnt != NULL ? g_variant_lookup_value (learnt, learnt_keys[k], NULL) : NULL;

        if (value != NULL)
          g_variant_dict_insert_value (result, learnt_keys[k], value);
      }
}
