/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-block-jobs.h"

/* which file of the step a job writes to */
static char *
commit_destination (const QsStep *step)
{
  g_autoptr (GVariant) files = qs_step_value (step, "files");
  guint32 layers = 1;
  const char *path;

  g_variant_lookup (step->arguments, "layers", "u", &layers);
  if (files == NULL || layers >= g_variant_n_children (files))
    return g_strdup ("");
  g_variant_get_child (files, layers, "(&s&sttx)", &path, NULL, NULL, NULL, NULL);
  return g_strdup (path);
}

static char *
stream_destination (const QsStep *step)
{
  g_autoptr (GVariant) files = qs_step_value (step, "files");
  const char *path;

  if (files == NULL || g_variant_n_children (files) == 0)
    return g_strdup ("");
  g_variant_get_child (files, 0, "(&s&sttx)", &path, NULL, NULL, NULL, NULL);
  return g_strdup (path);
}

static const char *
commit_type (const QsStep *step)
{
  g_autoptr (GVariant) above = qs_step_value (step, "above");
  g_autoptr (GVariant) storage = qs_step_value (step, "storage");

  return above == NULL && storage == NULL ? "active-commit" : "commit";
}

static const char *
stream_type (const QsStep *step)
{
  return "pull";
}

static const char *
mirror_type (const QsStep *step)
{
  return qs_step_boolean (step, "until-ready") ? "copy" : "mirror";
}

static char *
mirror_destination (const QsStep *step)
{
  return g_strdup (qs_step_string (step, "path"));
}

/* the steps that begin a job */
static const struct
{
  QsStepKind kind;
  const char *(*type) (const QsStep *step);
  char *(*destination) (const QsStep *step);
} beginnings[] = {
  { QS_STEP_BLOCK_COMMIT, commit_type, commit_destination },
  { QS_STEP_BLOCK_STREAM, stream_type, stream_destination },
  { QS_STEP_MIRROR, mirror_type, mirror_destination },
};

static void
free_row (gpointer data)
{
  QsBlockJobRow *row = data;

  g_free (row->id);
  g_free (row->target);
  g_free (row->destination);
  g_free (row);
}

/* whether step @index is the one that begins job @begun, or one that goes on with it */
static gboolean
belongs_to (const QsPlan *plan, guint index, guint begun)
{
  g_autoptr (GVariant) merge = qs_step_value (qs_plan_step (plan, index), "merge");

  return index == begun || (merge != NULL && g_variant_get_uint32 (merge) == begun);
}

static gboolean
is_ended_before (const QsPlan *plan, guint begun, guint index)
{
  for (guint i = begun + 1; i < index; i++)
    if (qs_plan_step (plan, i)->kind == QS_STEP_JOB_DISMISS && belongs_to (plan, i, begun))
      return TRUE;
  return FALSE;
}

static QsBlockJobPhase
phase_of (const QsPlan *plan, guint begun, guint index, gboolean undoing)
{
  if (undoing)
    return QS_BLOCK_JOB_PHASE_ABORTING;
  if (begun == index)
    return QS_BLOCK_JOB_PHASE_RUNNING;
  return qs_plan_step (plan, index)->kind == QS_STEP_JOB_HOLD && belongs_to (plan, index, begun)
             ? QS_BLOCK_JOB_PHASE_READY
             : QS_BLOCK_JOB_PHASE_PENDING;
}

/* where no process has the files open there is no job */
static gboolean
is_job (const QsStep *step)
{
  const char *base = qs_step_string (step, "base");
  const char *node = qs_step_string (step, "node");

  return (base != NULL && *base != '\0') || (node != NULL && *node != '\0');
}

static void
add_row (GPtrArray *rows, const QsPlan *plan, guint begun, guint index, gboolean undoing)
{
  const QsStep *step = qs_plan_step (plan, begun);
  guint kind = 0;
  QsBlockJobRow *row;

  while (kind < G_N_ELEMENTS (beginnings) && beginnings[kind].kind != step->kind)
    kind++;
  if (kind == G_N_ELEMENTS (beginnings) || !is_job (step) || is_ended_before (plan, begun, index))
    return;
  row = g_new0 (QsBlockJobRow, 1);
  row->id = g_strdup (qs_step_string (step, "job"));
  row->target = g_strdup (step->target);
  row->type = beginnings[kind].type (step);
  row->destination = beginnings[kind].destination (step);
  row->phase = phase_of (plan, begun, index, undoing);
  row->at_work = belongs_to (plan, index, begun);
  g_ptr_array_add (rows, row);
}

/**
 * qs_block_jobs_find:
 * @index: of the step that is carried out, or taken back if @undoing
 *
 * Returns: (transfer full) (element-type QsBlockJobRow): the jobs that there are by then
 */
GPtrArray *
qs_block_jobs_find (const QsPlan *plan, guint index, gboolean undoing)
{
  GPtrArray *rows = g_ptr_array_new_with_free_func (free_row);

  for (guint i = 0; i <= index && i < plan->steps->len; i++)
    add_row (rows, plan, i, index, undoing);
  return rows;
}

static gboolean
is_same (const QsBlockJobRow *one, const QsBlockJobRow *other)
{
  return g_strcmp0 (one->id, other->id) == 0 && one->phase == other->phase;
}

/**
 * qs_block_jobs_equal:
 * @one: (nullable): the same as none
 * @other: (nullable)
 *
 * Whether they are the same jobs, in the same phases.
 */
gboolean
qs_block_jobs_equal (const GPtrArray *one, const GPtrArray *other)
{
  guint n = one != NULL ? one->len : 0;

  if (n != (other != NULL ? other->len : 0))
    return FALSE;
  for (guint i = 0; i < n; i++)
    if (!is_same (g_ptr_array_index (one, i), g_ptr_array_index (other, i)))
      return FALSE;
  return TRUE;
}
