/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan.h"

#include "qs-change.h"
#include "qs-error.h"

/* pause class, steps (kind, phase, target, arguments), result, notes */
#define TEXT_TYPE "(sa(sssa{sv})a{sv}as)"

/**
 * qs_plan_new:
 *
 * An empty plan. It may be added to until it is handed on; then it is immutable.
 */
QsPlan *
qs_plan_new (void)
{
  QsPlan *plan = g_atomic_rc_box_new0 (QsPlan);

  plan->steps = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_step_free);
  plan->notes = g_ptr_array_new_with_free_func (g_free);
  plan->result = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  plan->pause_class = g_strdup ("none");
  return plan;
}

QsPlan *
qs_plan_ref (QsPlan *plan)
{
  return g_atomic_rc_box_acquire (plan);
}

static void
plan_clear (gpointer data)
{
  QsPlan *plan = data;

  g_ptr_array_unref (plan->steps);
  g_ptr_array_unref (plan->notes);
  g_variant_unref (plan->result);
  g_free (plan->pause_class);
}

void
qs_plan_unref (QsPlan *plan)
{
  if (plan != NULL)
    g_atomic_rc_box_release_full (plan, plan_clear);
}

/**
 * qs_plan_add:
 * @target: (nullable): what the step works on, for people
 * @arguments: (nullable): a{sv}, a floating reference is sunk
 */
void
qs_plan_add (QsPlan *plan, QsStepKind kind, QsPhase phase, const char *target, GVariant *arguments)
{
  g_ptr_array_add (plan->steps, qs_step_new (kind, phase, target, arguments));
}

/**
 * qs_plan_note:
 *
 * Adds a sentence for people.
 */
void
qs_plan_note (QsPlan *plan, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (plan->notes, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

/**
 * qs_plan_set_result:
 * @result: a{sv}, a floating reference is sunk
 */
void
qs_plan_set_result (QsPlan *plan, GVariant *result)
{
  g_variant_unref (plan->result);
  plan->result = g_variant_ref_sink (result);
}

/**
 * qs_plan_set_pause:
 * @pause_class: none, short, memory or long
 */
void
qs_plan_set_pause (QsPlan *plan, const char *pause_class)
{
  g_free (plan->pause_class);
  plan->pause_class = g_strdup (pause_class);
}

const QsStep *
qs_plan_step (const QsPlan *plan, guint index)
{
  return g_ptr_array_index (plan->steps, index);
}

/* what a step hangs on has been done, or left out, before it */
static gboolean
check_condition (const QsPlan *plan, guint index, GError **error)
{
  const QsStep *step = qs_plan_step (plan, index);
  guint32 other = 0;

  if ((!g_variant_lookup (step->arguments, "if-done", "u", &other)
       && !g_variant_lookup (step->arguments, "unless-done", "u", &other))
      || other < index)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
               "step ‘%s’ hangs on step %u, which is itself, or comes later",
               qs_step_type (step->kind)->name, other);
  return FALSE;
}

/**
 * qs_plan_check:
 *
 * Is it `prepare* · commit · finish*` with one commit, and every step as the step table has it?
 */
gboolean
qs_plan_check (const QsPlan *plan, GError **error)
{
  guint n_commits = 0;
  QsPhase last = QS_PHASE_PREPARE;

  for (guint i = 0; i < plan->steps->len; i++)
    {
      const QsStep *step = qs_plan_step (plan, i);

      if (!qs_step_check (step, error) || !check_condition (plan, i, error))
        return FALSE;
      if (step->phase < last)
        {
          g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the plan has a %s step after a %s step",
                       qs_phase_name (step->phase), qs_phase_name (last));
          return FALSE;
        }
      last = step->phase;
      n_commits += step->phase == QS_PHASE_COMMIT;
    }
  if (n_commits == 1)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the plan has %u commit steps, not one",
               n_commits);
  return FALSE;
}

/**
 * qs_plan_check_looks:
 *
 * The same of one that changes nothing: it has no commit.
 */
gboolean
qs_plan_check_looks (const QsPlan *plan, GError **error)
{
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const QsStep *step = qs_plan_step (plan, i);

      if (!qs_step_check (step, error))
        return FALSE;
      if ((qs_step_type (step->kind)->phases & QS_ONLY_LOOKS) != 0)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "step ‘%s’ changes something",
                   qs_step_type (step->kind)->name);
      return FALSE;
    }
  return TRUE;
}

/**
 * qs_plan_commit_index:
 *
 * Returns: the index of the commit; the number of steps if there is none, which no checked plan has
 */
guint
qs_plan_commit_index (const QsPlan *plan)
{
  guint index = 0;

  while (index < plan->steps->len && qs_plan_step (plan, index)->phase != QS_PHASE_COMMIT)
    index++;
  return index;
}

/**
 * qs_plan_is_needless:
 * @results: of GVariant or NULL: what the steps have learnt
 *
 * Whether another step has done already what a finish step is for. Then it has no intent either.
 */
gboolean
qs_plan_is_needless (const QsPlan *plan, guint index, const GPtrArray *results)
{
  guint32 load = G_MAXUINT32;
  gboolean loaded = FALSE;
  GVariant *learnt;

  (void)g_variant_lookup (qs_plan_step (plan, index)->arguments, "load", "u", &load);
  learnt = load < results->len ? g_ptr_array_index (results, load) : NULL;
  return learnt != NULL && g_variant_lookup (learnt, QS_RESULT_LOADED, "b", &loaded) && loaded;
}

/* the name that a file made at @path has in the end */
static const char *
final_path (const QsPlan *plan, const char *path)
{
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const QsStep *step = qs_plan_step (plan, i);

      if (step->kind == QS_STEP_FILE_RENAME && g_str_equal (qs_step_string (step, "path"), path))
        return qs_step_string (step, "over");
    }
  return path;
}

/**
 * qs_plan_files:
 *
 * Returns: (transfer full): the argument `path` of every step with @trait, by the name that the file
 *   has when the plan is done
 */
GStrv
qs_plan_files (const QsPlan *plan, guint trait)
{
  g_autoptr (GStrvBuilder) files = g_strv_builder_new ();

  for (guint i = 0; i < plan->steps->len; i++)
    {
      const QsStep *step = qs_plan_step (plan, i);
      const char *path = qs_step_string (step, "path");

      if ((qs_step_type (step->kind)->phases & trait) != 0 && path != NULL)
        g_strv_builder_add (files, final_path (plan, path));
    }
  return g_strv_builder_end (files);
}

static GVariant *
steps_to_variant (const QsPlan *plan)
{
  GVariantBuilder steps;

  g_variant_builder_init (&steps, G_VARIANT_TYPE ("a(sssa{sv})"));
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const QsStep *step = qs_plan_step (plan, i);

      g_variant_builder_add (&steps, "(sss@a{sv})", qs_step_type (step->kind)->name,
                             qs_phase_name (step->phase), step->target, step->arguments);
    }
  return g_variant_builder_end (&steps);
}

/**
 * qs_plan_to_text:
 *
 * Returns: (transfer full): the whole plan, for the journal
 */
char *
qs_plan_to_text (const QsPlan *plan)
{
  g_autoptr (GVariant) value = NULL;
  GVariantBuilder notes;

  g_variant_builder_init (&notes, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < plan->notes->len; i++)
    g_variant_builder_add (&notes, "s", g_ptr_array_index (plan->notes, i));
  value = g_variant_new ("(s@a(sssa{sv})@a{sv}as)", plan->pause_class, steps_to_variant (plan),
                         plan->result, &notes);
  g_variant_ref_sink (value);
  return g_variant_print (value, TRUE);
}

static gboolean
add_steps (QsPlan *plan, GVariant *steps, GError **error)
{
  GVariantIter iter;
  const char *name, *phase_name, *target;
  GVariant *arguments;

  g_variant_iter_init (&iter, steps);
  while (g_variant_iter_next (&iter, "(&s&s&s@a{sv})", &name, &phase_name, &target, &arguments))
    {
      g_autoptr (GVariant) owned = arguments;
      QsStepKind kind;
      QsPhase phase;

      if (!qs_step_kind_lookup (name, &kind) || !qs_phase_lookup (phase_name, &phase))
        {
          g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
                       "the journal has an unknown step ‘%s’ of phase ‘%s’", name, phase_name);
          return FALSE;
        }
      qs_plan_add (plan, kind, phase, target, owned);
    }
  return TRUE;
}

static GVariant *
parse_text (const char *text, GError **error)
{
  g_autoptr (GError) why = NULL;
  GVariant *value = NULL;

  if (g_utf8_validate (text, -1, NULL))
    value = g_variant_parse (G_VARIANT_TYPE (TEXT_TYPE), text, NULL, NULL, &why);
  if (value == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the journal’s plan cannot be read: %s",
                 why == NULL ? "not UTF-8" : why->message);
  return value;
}

/**
 * qs_plan_from_text:
 *
 * Returns: (transfer full): a checked plan; NULL with @error if @text is no plan
 */
QsPlan *
qs_plan_from_text (const char *text, GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GVariant) value = parse_text (text, error);
  g_autoptr (GVariant) steps = NULL;
  g_autoptr (GVariant) notes = NULL;
  GVariant *result;
  const char *pause_class;

  if (value == NULL)
    return NULL;
  g_variant_get (value, "(&s@a(sssa{sv})@a{sv}@as)", &pause_class, &steps, &result, &notes);
  qs_plan_set_pause (plan, pause_class);
  g_variant_unref (plan->result);
  plan->result = result;
  for (gsize i = 0; i < g_variant_n_children (notes); i++)
    {
      char *note;

      g_variant_get_child (notes, i, "s", &note);
      g_ptr_array_add (plan->notes, note);
    }
  if (!add_steps (plan, steps, error) || !qs_plan_check (plan, error))
    return NULL;
  return g_steal_pointer (&plan);
}

/* the memory of a guest that was to be loaded together with its disks */
static gboolean
check_loaded (const QsStep *step, GVariant *learnt, GError **error)
{
  const char *why;

  if (step->kind != QS_STEP_SNAPSHOT_LOAD || learnt == NULL
      || !g_variant_lookup (learnt, "memory-lost", "&s", &why))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "the disks are as in the snapshot, but %s",
               why);
  return FALSE;
}

/* the guest's QEMU has ended after it had ended the job, and before that was durable. Where the merge is
   only a part of what was asked for, what it leaves is for later */
static gboolean
check_merged (const QsPlan *plan, const QsStep *step, GVariant *learnt, GError **error)
{
  const char *why = "";

  if (step->kind != QS_STEP_JOB_DISMISS || qs_change_is_step_done (learnt)
      || qs_plan_step (plan, qs_plan_commit_index (plan))->kind != QS_STEP_JOB_FINALIZE)
    return TRUE;
  (void)g_variant_lookup (learnt, "error", "&s", &why);
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "disk ‘%s’: %s; it stands on the files that it had, and lacks nothing", step->target,
               why);
  return FALSE;
}

/**
 * qs_plan_check_results:
 * @results: (element-type GVariant): what each step learnt
 * @result: gets `disks-done` if this fails
 *
 * Steps that are tried once may have been in vain after others took effect: the plan came to its
 * end, but not to what was asked for.
 */
gboolean
qs_plan_check_results (const QsPlan *plan, GPtrArray *results, GVariantDict *result, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) done = NULL;
  g_autofree char *list = NULL;
  const char *failed = NULL;
  const char *why = "";

  for (guint i = 0; results != NULL && i < MIN (plan->steps->len, results->len); i++)
    {
      const QsStep *step = qs_plan_step (plan, i);
      GVariant *learnt = g_ptr_array_index (results, i);

      if (!check_loaded (step, learnt, error) || !check_merged (plan, step, learnt, error))
        return FALSE;
      if (step->kind != QS_STEP_BLOCKDEV_SNAPSHOT_SYNC)
        continue;
      if (qs_change_is_step_done (learnt))
        g_strv_builder_add (builder, step->target);
      else if (failed == NULL)
        {
          failed = step->target;
          (void)g_variant_lookup (learnt, "error", "&s", &why);
        }
    }
  if (failed == NULL)
    return TRUE;
  done = g_strv_builder_end (builder);
  list = g_strjoinv (", ", done);
  g_variant_dict_remove (result, "files");
  g_variant_dict_insert (result, "disks-done", "^as", done);
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "disk ‘%s’: %s; no snapshot was recorded, but the disks %s use their new files now: "
               "this QEMU cannot switch several disks at once",
               failed, why, list);
  return FALSE;
}
