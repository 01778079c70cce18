/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-attach.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-plan-mirror.h"
#include "qs-users.h"
#include "qs-verify.h"

/* each finding that is to be repaired is a part of its own: it is looked at once more when its turn
   comes, and its repair takes effect or not, whatever comes of the others */

#define LIST "findings" /* as: of the request */
#define ONE "finding"   /* s: of a part */

static QsRequest *
make_part (const QsRequest *request, const char *key, GVariant *value)
{
  QsRequest *part = qs_request_new (QS_VERB_REPAIR, 0);
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert_value (&options, key, value);
  part->options = g_variant_ref_sink (g_variant_dict_end (&options));
  part->caller = request->caller;
  part->caller_is_owner = request->caller_is_owner;
  return part;
}

static gboolean
is_accepted (const QsRequest *request)
{
  gboolean accepted = FALSE;

  return request->options != NULL && g_variant_lookup (request->options, "accept", "b", &accepted)
         && accepted;
}

/**
 * qs_parts_repair:
 *
 * The repairs first: what is accepted is what they have made of the files.
 */
GPtrArray *
qs_parts_repair (const QsDomain *domain, const QsRequest *request, const QsQuestions *given,
                 GError **error)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_request_unref);
  g_autofree const char **ids = NULL;

  if (request->options == NULL || !g_variant_lookup (request->options, LIST, "^a&s", &ids))
    return NULL;
  for (guint i = 0; ids[i] != NULL; i++)
    {
      if (i >= QS_MAX_REPAIRS)
        {
          g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                       "at most %d findings are repaired at once", QS_MAX_REPAIRS);
          return NULL;
        }
      g_ptr_array_add (parts, make_part (request, ONE, g_variant_new_string (ids[i])));
    }
  if (is_accepted (request))
    g_ptr_array_add (parts, make_part (request, "accept", g_variant_new_boolean (TRUE)));
  return parts->len > 0 ? g_steal_pointer (&parts) : NULL;
}

static const char *
get_finding (const QsRequest *request)
{
  const char *id = NULL;

  if (request->options != NULL)
    g_variant_lookup (request->options, ONE, "&s", &id);
  return id;
}

/* (transfer full) (nullable): a snapshot without data is forgotten as any is whose files are kept */
static QsRequest *
find_forgotten (const QsDomain *domain, const QsRequest *request)
{
  g_autoptr (GPtrArray) snapshots = qs_tree_list (domain->tree, "", 0);

  for (guint i = 0; i < snapshots->len; i++)
    {
      const QsSnapshot *snapshot = g_ptr_array_index (snapshots, i);
      g_autofree char *id = qs_finding_make_id (QS_FINDING_NO_DATA, "", snapshot->uuid);
      QsRequest *forget;

      if (!g_str_equal (id, get_finding (request)))
        continue;
      forget = qs_request_new (QS_VERB_SNAPSHOT_DELETE, QS_DELETE_METADATA_ONLY);
      forget->snapshot = g_strdup (snapshot->uuid);
      forget->caller = request->caller;
      forget->caller_is_owner = request->caller_is_owner;
      return forget;
    }
  return NULL;
}

gboolean
qs_ask_repair (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  g_autoptr (QsRequest) forget = NULL;

  if (get_finding (request) == NULL)
    return qs_ask_accept (domain, request, questions, error);
  if (!qs_mirror_check_none (domain, NULL, error))
    return FALSE;
  forget = find_forgotten (domain, request);
  if (forget != NULL)
    {
      questions->snapshot = g_strdup (forget->snapshot);
      if (!qs_ask_delete (domain, forget, questions, error))
        return FALSE;
    }
  qs_verify_ask (domain, questions);
  return TRUE;
}

typedef struct
{
  QsPlan *plan;
  const QsDomain *domain;
  const QsFacts *facts;
  const QsFinding *finding;
  const QsSight *sight;
  const QsFile *file;
} Repair;

static void
forget_file (const Repair *repair)
{
  QsChangeList changes;

  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_FILE_FORGET, "path", "s", repair->finding->path, NULL);
  qs_planning_add_record (repair->plan, QS_PHASE_COMMIT, repair->finding->path, &changes);
}

static void
delete_tag (const Repair *repair)
{
  const QsImage *image = repair->sight->image;

  qs_plan_add (repair->plan, QS_STEP_IMAGE_SNAPSHOT_DELETE, QS_PHASE_COMMIT, repair->finding->path,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'format': <%s>, 'tag': <%s>, "
                                     "'dev': <%t>, 'ino': <%t>}",
                                     repair->finding->path, image->path, image->format,
                                     repair->finding->tag, image->dev, image->ino));
}

static void
unlink_file (const Repair *repair)
{
  const QsImage *image = repair->sight->image;
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add_parsed (&arguments, "{'path', <%s>}", image->path);
  g_variant_builder_add_parsed (&arguments, "{'dev', <%t>}", image->dev);
  g_variant_builder_add_parsed (&arguments, "{'ino', <%t>}", image->ino);
  g_variant_builder_add_parsed (&arguments, "{'btime', <%x>}", image->btime);
  if (repair->finding->keep != NULL)
    g_variant_builder_add_parsed (&arguments, "{'keep', <%s>}", repair->finding->keep);
  qs_plan_add (repair->plan, QS_STEP_FILE_UNLINK, QS_PHASE_COMMIT, image->path,
               g_variant_builder_end (&arguments));
}

/* the mode that is recorded is the one to which a merge comes back */
static guint32
recorded_mode (const Repair *repair)
{
  if (repair->file == NULL || repair->finding->kind == QS_FINDING_WRITE_PROTECTED)
    return 0;
  return repair->finding->kind == QS_FINDING_OPEN_MODE ? repair->file->mode & ~0007u
                                                       : repair->file->mode;
}

static void
set_mode (const Repair *repair)
{
  const QsImage *image = repair->sight->image;
  QsChangeList changes;

  qs_plan_add (repair->plan, QS_STEP_FILE_MODE, QS_PHASE_PREPARE, image->path,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'dev': <%t>, 'ino': <%t>, "
                                     "'btime': <%x>, 'mode': <%u>, 'before': <%u>}",
                                     image->path, image->path, image->dev, image->ino, image->btime,
                                     repair->finding->mode, image->mode));
  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_FILE_MODE, "path", "s", image->path, "mode", "u",
                  recorded_mode (repair), NULL);
  qs_planning_add_record (repair->plan, QS_PHASE_COMMIT, image->path, &changes);
}

static void
free_leaks (const Repair *repair)
{
  const QsImage *image = repair->sight->image;
  guint64 dev, ino;

  qs_image_identity (image, &dev, &ino);
  qs_plan_add (repair->plan, QS_STEP_IMAGE_REPAIR, QS_PHASE_COMMIT, image->path,
               g_variant_new_parsed ("{'target': <%s>, 'files': <[(%s, %s, %t, %t)]>}", image->path,
                                     image->path, image->format, dev, ino));
}

static void
write_format (const Repair *repair)
{
  const QsImage *image = repair->sight->image;
  const QsFile *base = qs_facts_find_file (repair->facts, repair->sight->below);
  guint64 dev, ino;

  qs_image_identity (image, &dev, &ino);
  qs_plan_add (repair->plan, QS_STEP_IMAGE_REBASE, QS_PHASE_COMMIT, image->path,
               g_variant_new_parsed ("{'target': <%s>, 'files': <[(%s, %s, %t, %t, %x)]>, "
                                     "'old': <%s>, 'backing': <%s>, 'backing-format': <%s>}",
                                     image->path, image->path, image->format, dev, ino,
                                     image->btime, image->backing_name, image->backing_name,
                                     base->format));
}

static void (*const repairs[]) (const Repair *repair) = {
  [QS_REPAIR_FORGET_FILE] = forget_file, [QS_REPAIR_DELETE_TAG] = delete_tag,
  [QS_REPAIR_UNLINK] = unlink_file,      [QS_REPAIR_MODE] = set_mode,
  [QS_REPAIR_LEAKS] = free_leaks,        [QS_REPAIR_FORMAT] = write_format,
};

static const QsFinding *
find_finding (const GPtrArray *findings, const char *id)
{
  for (guint i = 0; i < findings->len; i++)
    {
      const QsFinding *finding = g_ptr_array_index (findings, i);

      if (g_str_equal (finding->id, id))
        return finding;
    }
  return NULL;
}

static const QsSight *
find_sight (const QsFacts *facts, const char *path)
{
  const GPtrArray *const lists[] = { facts->sights, facts->strays };

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    for (guint k = 0; k < lists[i]->len; k++)
      {
        const QsSight *sight = g_ptr_array_index (lists[i], k);

        if (g_str_equal (sight->path, path))
          return sight;
      }
  return NULL;
}

/* whether clusters are lost is not seen without reading; to free them does no harm where none are */
static void
add_leaks (GPtrArray *findings, const QsFacts *facts)
{
  for (guint i = 0; i < facts->sights->len; i++)
    {
      const QsSight *sight = g_ptr_array_index (facts->sights, i);
      QsFinding *finding;

      if (!qs_verify_is_image (sight) || g_str_equal (sight->image->format, "raw"))
        continue;
      finding = qs_finding_new (QS_FINDING_LEAKED_CLUSTERS, sight->path, "");
      finding->text =
          g_strdup_printf ("‘%s’ is in use, marked dirty, or another domain's", sight->path);
      if (!sight->image->in_use && !qs_verify_is_written (facts, sight->image)
          && !sight->image->dirty && !sight->image->encrypted
          && !qs_planning_is_foreign (facts, sight->path))
        qs_finding_offer (finding, QS_REPAIR_LEAKS, "clusters become free");
      g_ptr_array_add (findings, finding);
    }
}

static gboolean
check_finding (const QsFinding *finding, const char *id, GError **error)
{
  if (finding != NULL && finding->how != QS_REPAIR_NONE)
    return TRUE;
  if (finding == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 "there is no finding ‘%s’, or none any more; nothing was repaired for it. Verify "
                 "the domain to see what there is",
                 id);
  else
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "finding ‘%s’ (%s) is not repaired by the service: %s", id,
                 qs_finding_kind_name (finding->kind), finding->text);
  return FALSE;
}

static void
set_result (QsPlan *plan, const QsFinding *finding)
{
  const char *const ids[] = { finding->id, NULL };
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&result, "repaired", "^as", ids);
  qs_plan_set_result (plan, g_variant_dict_end (&result));
}

static QsPlan *
plan_finding (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
              const QsFinding *finding, GError **error)
{
  g_autoptr (QsPlan) plan = NULL;
  Repair repair = { NULL,
                    domain,
                    facts,
                    finding,
                    find_sight (facts, finding->path),
                    qs_facts_find_file (facts, finding->path) };
  g_autoptr (QsRequest) forget = find_forgotten (domain, request);

  if (forget != NULL)
    return qs_plan_delete (domain, forget, facts, error);
  plan = qs_plan_new ();
  repair.plan = plan;
  repairs[finding->how](&repair);
  return g_steal_pointer (&plan);
}

/**
 * qs_plan_repair:
 *
 * One finding is repaired, if it is found again and in no other way than it was shown; or the domain
 * leaves quarantine.
 */
QsPlan *
qs_plan_repair (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                GError **error)
{
  g_autoptr (GPtrArray) findings = NULL;
  const QsFinding *finding;
  QsPlan *plan;

  if (get_finding (request) == NULL)
    return qs_plan_accept (domain, request, facts, error);
  findings = qs_verify_findings (domain, facts);
  add_leaks (findings, facts);
  finding = find_finding (findings, get_finding (request));
  if (!check_finding (finding, get_finding (request), error))
    return NULL;
  plan = plan_finding (domain, request, facts, finding, error);
  if (plan != NULL)
    set_result (plan, finding);
  return plan;
}
