/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-survey-private.h"

#include "qs-users.h"

/* on the main context: never the one that is looked for, so that all are seen */
static gboolean
collect (const QsDomain *domain, gconstpointer data)
{
  g_ptr_array_add ((GPtrArray *)data, qs_domain_ref ((QsDomain *)domain));
  return FALSE;
}

/* a chain that cannot be walked to its end needs at least what is found of it */
static void
walk_disks (QsSurvey *survey, const QsDomain *other, const QsDomainDef *def)
{
  QsFacts *facts = survey->facts;
  gboolean told = other->owner == survey->request->caller || survey->request->caller == 0;

  for (guint i = 0; def != NULL && i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);
      const char *path = qs_domain_disk_path (other, disk);
      g_autoptr (GPtrArray) chain = NULL;
      g_autoptr (GError) ignored = NULL;

      if (path == NULL)
        continue;
      qs_worker_inspect_chain (survey->worker, path, qs_domain_disk_format (other, disk),
                               survey->recorded, &chain, &ignored);
      if (chain != NULL)
        qs_users_add_chain (facts, chain, told ? other->name : "");
    }
}

/* disks of other domains that are, or by their headers alone stand on, the same files: with what a merge or
   a copy may write to or delete all targets are known by now. Those of other owners are not looked at with
   the rights of this one */
gboolean
qs_survey_neighbours (QsSurvey *survey, GError **error)
{
  g_autoptr (GPtrArray) domains = NULL;
  g_autoptr (QsDomain) none = NULL;

  if (!survey->questions->above && !survey->questions->chains)
    return TRUE;
  domains = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_domain_unref);
  none = qs_registry_find (survey->engine->registry, collect, domains);
  if (!qs_survey_need_worker (survey, survey->facts->files, error)
      || !qs_survey_need_recorded (survey, error))
    return FALSE;
  for (guint i = 0; survey->worker != NULL && i < domains->len; i++)
    {
      const QsDomain *other = g_ptr_array_index (domains, i);

      if (g_str_equal (other->id, survey->domain->id) || other->owner != survey->domain->owner)
        continue;
      walk_disks (survey, other, other->def);
      if (other->live_def != other->def)
        walk_disks (survey, other, other->live_def);
    }
  return TRUE;
}

/* the chains of what stands on the files of a snapshot */
gboolean
qs_survey_above (QsSurvey *survey, GError **error)
{
  QsFacts *facts = survey->facts;
  const char *snapshot = survey->questions->snapshot;
  g_autoptr (GPtrArray) files = NULL;

  if (!survey->questions->above)
    return TRUE;
  if (snapshot == NULL)
    snapshot = survey->request->snapshot;
  files = qs_facts_list_above (facts, snapshot, error);
  if (files == NULL || !qs_survey_need_worker (survey, files, error)
      || !qs_survey_need_recorded (survey, error))
    return FALSE;
  for (guint i = 0; i < files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (files, i);

      g_ptr_array_add (facts->above, qs_survey_walk (survey, file->path, file->path, file->format));
    }
  return TRUE;
}
