/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-users.h"

/* on the main context: never the one that is looked for, so that all are seen */
static gboolean
collect (const QsDomain *domain, gconstpointer data)
{
  g_ptr_array_add ((GPtrArray *)data, qs_domain_ref ((QsDomain *)domain));
  return FALSE;
}

/* of the files of disks those that may be left without a user when the snapshot goes */
static gboolean
is_in_question (const QsFile *file, const char *snapshot)
{
  if (!qs_file_is_disk (file))
    return TRUE;
  return file->active_of == NULL && snapshot != NULL && !qs_file_has_other_users (file, snapshot);
}

static gboolean
survey_recorded_elsewhere (QsEngine *engine, const QsDomain *domain, const char *snapshot,
                           QsFacts *facts, GError **error)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  GPtrArray *foreign;

  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);
      QsImage *image;

      if (!is_in_question (file, snapshot))
        continue;
      image = qs_image_new ();
      g_ptr_array_add (images, image);
      image->path = g_strdup (file->path);
      image->dev = file->dev;
      image->ino = file->ino;
    }
  foreign = qs_store_find_foreign (engine->store, domain->id, images, error);
  if (foreign == NULL)
    return FALSE;
  g_ptr_array_extend_and_steal (facts->foreign_images, foreign);
  return TRUE;
}

/**
 * qs_survey_files:
 *
 * What is recorded of the domain's files, and which of them are tips.
 */
gboolean
qs_survey_files (QsEngine *engine, const QsDomain *domain, QsFacts *facts, GError **error)
{
  g_autoptr (GPtrArray) files = qs_store_get_files (engine->store, domain->id, error);
  GPtrArray *tips = files != NULL ? qs_store_get_tips (engine->store, domain->id, error) : NULL;

  if (tips == NULL)
    return FALSE;
  g_ptr_array_unref (facts->files);
  facts->files = g_steal_pointer (&files);
  g_ptr_array_unref (facts->tips);
  facts->tips = tips;
  return TRUE;
}

/**
 * qs_survey_users:
 *
 * The names of domains are told to those who have them in their list.
 */
gboolean
qs_survey_users (QsEngine *engine, const QsDomain *domain, const QsRequest *request, QsFacts *facts,
                 GError **error)
{
  g_autoptr (GPtrArray) domains = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_domain_unref);
  g_autoptr (QsDomain) none = qs_registry_find (engine->registry, collect, domains);

  for (guint i = 0; i < domains->len; i++)
    {
      const QsDomain *other = g_ptr_array_index (domains, i);
      gboolean told = other->owner == request->caller || request->caller == 0;

      /* of this one what it will be counts, not what it is */
      if (!g_str_equal (other->id, domain->id))
        qs_users_add (facts->used_elsewhere, other, told ? other->name : "");
    }
  qs_users_add (facts->used_here, domain, "");
  return survey_recorded_elsewhere (engine, domain, request->snapshot, facts, error);
}

/* the tag by which the snapshot would be known: where none is given, the only one there */
static const char *
tag_of_claim (const QsSnapshotFile *claim, const QsDiskFacts *found)
{
  const QsImage *image = found->chain->len > 0 ? g_ptr_array_index (found->chain, 0) : NULL;

  if (claim->tag != NULL || image == NULL || image->tags->len != 1)
    return claim->tag;
  return ((QsTag *)g_ptr_array_index (image->tags, 0))->name;
}

/**
 * qs_survey_claim_names:
 *
 * Whose the tag is, and whether a file is recorded under another name: then what is known of it,
 * its tags above all, is known by that one.
 */
gboolean
qs_survey_claim_names (QsEngine *engine, const QsDomain *domain, const QsSnapshotFile *claim,
                       QsDiskFacts *found, GError **error)
{
  const char *tag = tag_of_claim (claim, found);

  for (guint i = 0; found->other_name == NULL && i < found->chain->len; i++)
    {
      found->other_of = i;
      if (!qs_store_find_other_name (engine->store, domain->id, g_ptr_array_index (found->chain, i),
                                     &found->other_name, error))
        return FALSE;
    }
  return tag == NULL
         || qs_store_find_tag (engine->store, domain->id, claim->path, tag, &found->tag_of, error);
}
