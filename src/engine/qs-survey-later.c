/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-imagine.h"
#include "qs-survey-private.h"

/* the first part of a request is planned on what there is; the refusals of a later one are looked for
   before that one begins, on what the parts before it will leave. What these will make is not there
   yet, and what they rename has its old name */

gboolean
qs_survey_is_later (const QsSurvey *survey)
{
  return survey->questions->expected != NULL && survey->questions->expected->len > 0;
}

/* of any part: the files that are recorded then */
gboolean
qs_survey_imagine_files (QsSurvey *survey, QsFacts *facts, GError **error)
{
  const GPtrArray *expected = survey->questions->expected;

  if (!qs_survey_files (survey->engine, survey->domain, facts, error))
    return FALSE;
  for (guint i = 0; qs_survey_is_later (survey) && i < expected->len; i++)
    qs_facts_imagine (facts, g_ptr_array_index (expected, i));
  return TRUE;
}

/* what stands on the file as yet has a format of its own */
static const char *
format_as_yet (const QsSurvey *survey, const char *name, const char *start, const char *format)
{
  for (guint i = 0; g_strcmp0 (name, start) != 0 && i < survey->recorded->len; i++)
    {
      const QsFile *file = g_ptr_array_index (survey->recorded, i);

      if (g_str_equal (file->path, start))
        return file->format;
    }
  return format;
}

/* @target: of the disk whose chain it is, or of something that has no nodes; takes what is in @found */
static void
merge_found (QsSurvey *survey, const char *target, const char *top, GPtrArray *found,
             GPtrArray *chain)
{
  QsNode *node = (QsNode *)qs_facts_find_node (survey->facts, target);
  guint first = chain->len;
  guint n_files = found->len;
  g_autoptr (GArray) places = NULL;

  g_ptr_array_extend_and_steal (chain, g_ptr_array_ref (found));
  places = qs_imagined_merge (survey->imagined, chain);
  for (guint i = 0; i < places->len; i++)
    g_array_index (places, guint, i) -= first;
  if (node != NULL && places->len > 0)
    qs_node_merge (node, top, places, n_files);
}

/* walks it below the files that are not there yet */
void
qs_survey_imagine_chain (QsSurvey *survey, const char *path, const char *format, QsDiskFacts *disk)
{
  g_autoptr (GPtrArray) above = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  g_autoptr (GPtrArray) found = NULL;
  const char *name = qs_imagined_top (survey->imagined, path, above, &format);
  const char *start = name != NULL ? qs_imagined_start (survey->imagined, name) : NULL;

  if (name != NULL)
    qs_worker_inspect_chain (survey->worker, start, format_as_yet (survey, name, start, format),
                             survey->recorded, &found, &disk->error);
  if (found != NULL)
    merge_found (survey, disk->target, start, found, above);
  qs_imagined_rename (survey->imagined, above);
  disk->chain = g_steal_pointer (&above);
}

/* its document and its rows, which the parts before may make */
gboolean
qs_survey_imagine_snapshot (QsSurvey *survey, const char *uuid, GError **error)
{
  const GPtrArray *expected = survey->questions->expected;

  if (!qs_survey_is_later (survey))
    return TRUE;
  if (!qs_survey_need_recorded (survey, error))
    return FALSE;
  for (guint i = 0; i < expected->len; i++)
    qs_facts_imagine_snapshot (survey->facts, uuid, survey->imagined,
                               g_ptr_array_index (expected, i));
  return TRUE;
}

static gboolean
is_open (const GPtrArray *files, const QsImage *image)
{
  guint64 dev, ino;

  qs_image_identity (image, &dev, &ino);
  for (guint i = 0; i < files->len; i++)
    {
      const QsOpenFile *file = g_ptr_array_index (files, i);

      if (file->dev == dev && file->ino == ino)
        return TRUE;
    }
  return FALSE;
}

/* @open: (nullable): of the QEMU of today; NULL: not known */
static void
give_up_images (const GPtrArray *disks, const GPtrArray *open)
{
  for (guint i = 0; i < disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (disks, i);

      for (guint n = 0; n < disk->chain->len; n++)
        {
          QsImage *image = g_ptr_array_index (disk->chain, n);

          image->in_use = image->in_use && open != NULL && !is_open (open, image);
        }
    }
}

/* what the QEMU of today has open is not in use by it when the part before has ended or moved it; what
   it does have open then is looked at when this part begins */
static void
imagine_given_up (QsSurvey *survey, const QsDomain *today)
{
  QsFacts *facts = survey->facts;
  g_autoptr (QsProcessFiles) files = NULL;
  g_autoptr (GError) ignored = NULL;

  g_clear_pointer (&facts->open_files, g_ptr_array_unref);
  if (today->process == NULL || survey->worker == NULL)
    return;
  files = qs_worker_process_files (survey->worker, today->process->pid, &ignored);
  give_up_images (facts->disks, files != NULL ? files->files : NULL);
  give_up_images (facts->snapshot_disks, files != NULL ? files->files : NULL);
  give_up_images (facts->tip_disks, files != NULL ? files->files : NULL);
  give_up_images (facts->above, files != NULL ? files->files : NULL);
}

/* the guest may be another one by then, or on other files */
void
qs_survey_imagine_guest (QsSurvey *survey)
{
  g_autoptr (QsDomain) today = qs_registry_get (survey->engine->registry, survey->domain->id);

  survey->facts->is_later = TRUE;
  if (today != NULL)
    imagine_given_up (survey, today);
  if (today == NULL || today->state != survey->domain->state)
    survey->facts->state = survey->domain->state;
  if (survey->questions->monitor)
    qs_facts_imagine_nodes (survey->facts, survey->domain);
}
