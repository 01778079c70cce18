/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-survey-private.h"

/* what belongs to one snapshot, or is said to */

/* an image with memory is looked at like a disk's, anything else as far as it is a file */
static gboolean
survey_snapshot_file (QsSurvey *survey, const QsSnapshotFile *file, GError **error)
{
  gboolean is_disk = qs_snapshot_file_is_disk (file);

  if (!is_disk && !survey->questions->snapshot_memory)
    return TRUE;
  if (!is_disk && file->tag == NULL)
    return qs_survey_target (survey, file->path, error);
  g_ptr_array_add (survey->facts->snapshot_disks,
                   qs_survey_walk (survey, file->target, file->path, file->format));
  return TRUE;
}

static gboolean
needs_rows (const QsSurvey *survey)
{
  return survey->questions->snapshot_files || survey->questions->snapshot_rows;
}

/* that of one which is yet to be made is there already */
static gboolean
get_document (QsSurvey *survey, const char *snapshot, GError **error)
{
  QsFacts *facts = survey->facts;

  if (survey->questions->document && facts->snapshot_document == NULL)
    facts->snapshot_document = qs_store_get_document (survey->engine->store, snapshot, error);
  return facts->snapshot_document != NULL || !survey->questions->document;
}

gboolean
qs_survey_snapshot (QsSurvey *survey, GError **error)
{
  QsStore *store = survey->engine->store;
  const char *snapshot = survey->questions->snapshot;
  GPtrArray *files;

  if (snapshot == NULL)
    snapshot = survey->request->snapshot;
  if (!needs_rows (survey) && !survey->questions->document)
    return TRUE;
  if (needs_rows (survey))
    {
      files = qs_store_get_snapshot_files (store, snapshot, error);
      if (files == NULL)
        return FALSE;
      g_ptr_array_unref (survey->facts->snapshot_files);
      survey->facts->snapshot_files = files;
    }
  if (!qs_survey_imagine_snapshot (survey, snapshot, error)
      || !get_document (survey, snapshot, error))
    return FALSE;
  if (!survey->questions->snapshot_files)
    return TRUE;
  files = survey->facts->snapshot_files;
  if (!qs_survey_need_worker (survey, files, error) || !qs_survey_need_recorded (survey, error))
    return FALSE;
  for (guint i = 0; i < files->len; i++)
    if (!survey_snapshot_file (survey, g_ptr_array_index (files, i), error))
      return FALSE;
  return TRUE;
}

static gboolean
survey_one_tip (QsSurvey *survey, const QsTip *tip, GError **error)
{
  const QsFile *file = qs_facts_find_file (survey->facts, tip->path);

  if (file == NULL)
    return TRUE;
  if (!qs_survey_need_worker (survey, survey->facts->tips, error)
      || !qs_survey_need_recorded (survey, error))
    return FALSE;
  g_ptr_array_add (survey->facts->tip_disks,
                   qs_survey_walk (survey, tip->target, tip->path, file->format));
  return TRUE;
}

/* the overlays that wait as the tip of one snapshot */
gboolean
qs_survey_tips (QsSurvey *survey, GError **error)
{
  const char *snapshot = survey->questions->tip_of;
  const GPtrArray *tips = survey->facts->tips;

  for (guint i = 0; snapshot != NULL && i < tips->len; i++)
    {
      const QsTip *tip = g_ptr_array_index (tips, i);

      if (g_str_equal (tip->snapshot, snapshot) && !survey_one_tip (survey, tip, error))
        return FALSE;
    }
  return TRUE;
}

/* what it comes to is known only after the walk, and so what is recorded of that */
static gboolean
survey_one_claim (QsSurvey *survey, const QsSnapshotFile *claim, GError **error)
{
  QsStore *store = survey->engine->store;
  const char *domain = survey->domain->id;
  g_autoptr (GPtrArray) rows = qs_store_get_chain (store, domain, claim->path, error);
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();
  g_autoptr (GPtrArray) files = NULL;
  QsDiskFacts *found;

  if (rows == NULL)
    return FALSE;
  found = g_new0 (QsDiskFacts, 1);
  g_ptr_array_add (survey->facts->claims, found);
  found->target = g_strdup (claim->target);
  qs_worker_inspect_chain (survey->worker, claim->path, claim->format, rows, &found->chain,
                           &found->error);
  if (found->chain == NULL)
    found->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  for (guint i = 0; i < found->chain->len; i++)
    g_ptr_array_add (paths, ((QsImage *)g_ptr_array_index (found->chain, i))->path);

  files = qs_store_find_files (store, domain, paths, error);
  if (files == NULL || !qs_survey_claim_names (survey->engine, survey->domain, claim, found, error))
    return FALSE;
  g_ptr_array_extend_and_steal (survey->facts->files, g_steal_pointer (&files));
  return TRUE;
}

gboolean
qs_survey_claims (QsSurvey *survey, GError **error)
{
  const GPtrArray *claims = survey->questions->claims;

  if (!qs_survey_need_worker (survey, claims, error))
    return FALSE;
  for (guint i = 0; i < claims->len; i++)
    if (!survey_one_claim (survey, g_ptr_array_index (claims, i), error))
      return FALSE;
  return TRUE;
}
