/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-launcher.h"
#include "qs-survey-private.h"
#include "qs-thaw.h"

/* to end a guest nothing is asked: that must not wait for a worker that hangs */
gboolean
qs_survey_need_worker (QsSurvey *survey, const GPtrArray *questions, GError **error)
{
  if (questions->len > 0 && survey->worker == NULL)
    survey->worker = qs_worker_pool_acquire (survey->engine->workers, survey->domain->owner, error);
  return questions->len == 0 || survey->worker != NULL;
}

/* not among the facts: a planner gets what it asks for */
gboolean
qs_survey_need_recorded (QsSurvey *survey, GError **error)
{
  if (survey->recorded == NULL)
    survey->recorded = qs_store_get_files (survey->engine->store, survey->domain->id, error);
  if (survey->recorded == NULL || !qs_survey_is_later (survey) || survey->imagined != NULL)
    return survey->recorded != NULL;
  survey->imagined = qs_facts_new ();
  return qs_survey_imagine_files (survey, survey->imagined, error);
}

/* a disk whose chain cannot be walked is a fact too: the planner decides what follows from it */
QsDiskFacts *
qs_survey_walk (QsSurvey *survey, const char *target, const char *path, const char *format)
{
  QsDiskFacts *disk = g_new0 (QsDiskFacts, 1);

  disk->target = g_strdup (target);
  /* the files before a failure are in the chain */
  if (survey->imagined != NULL)
    qs_survey_imagine_chain (survey, path, format, disk);
  else
    qs_worker_inspect_chain (survey->worker, path, format, survey->recorded, &disk->chain,
                             &disk->error);
  if (disk->chain == NULL)
    disk->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  return disk;
}

static gboolean
survey_disks (QsSurvey *survey, GError **error)
{
  if (survey->questions->disks->len == 0)
    return TRUE;
  if (!qs_survey_need_worker (survey, survey->questions->disks, error)
      || !qs_survey_need_recorded (survey, error))
    return FALSE;
  for (guint i = 0; i < survey->questions->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (survey->questions->disks, i);

      g_ptr_array_add (survey->facts->disks,
                       qs_survey_walk (survey, disk->target,
                                       qs_domain_disk_path (survey->domain, disk),
                                       qs_domain_disk_format (survey->domain, disk)));
    }
  return TRUE;
}

static QsFile *
file_row (const char *path, const char *format)
{
  QsFile *file = g_new0 (QsFile, 1);

  file->path = g_strdup (path);
  file->format = g_strdup (format);
  return file;
}

/* the recorded files, and those that are not recorded yet: later rows count */
static GPtrArray *
rows_with_actives (QsSurvey *survey, GPtrArray *own)
{
  GPtrArray *rows = g_ptr_array_new ();

  for (guint i = 0; i < survey->questions->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (survey->questions->disks, i);

      g_ptr_array_add (own, file_row (qs_domain_disk_path (survey->domain, disk),
                                      qs_domain_disk_format (survey->domain, disk)));
    }
  g_ptr_array_extend (rows, own, NULL, NULL);
  g_ptr_array_extend (rows, survey->recorded, NULL, NULL);
  return rows;
}

static gboolean
survey_one_reused (QsSurvey *survey, QsFile *file, GPtrArray *rows, GError **error)
{
  QsDiskFacts *reused = g_new0 (QsDiskFacts, 1);

  g_ptr_array_add (survey->facts->reused, reused);
  reused->target = g_strdup (file->path);
  g_ptr_array_add (rows, file);
  qs_worker_inspect_chain (survey->worker, file->path, file->format, rows, &reused->chain,
                           &reused->error);
  g_ptr_array_set_size (rows, (gint)rows->len - 1);
  if (reused->chain == NULL)
    reused->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  return reused->chain->len == 0
         || qs_worker_has_data (survey->worker, file->path, file->format, &reused->has_data, error);
}

/* what is no image yet, a missing file or an empty one, is a matter of its target */
static gboolean
survey_reused (QsSurvey *survey, GError **error)
{
  g_autoptr (GPtrArray) own = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_file_free);
  g_autoptr (GPtrArray) rows = NULL;

  if (survey->questions->reused->len == 0)
    return TRUE;
  if (!qs_survey_need_worker (survey, survey->questions->reused, error)
      || !qs_survey_need_recorded (survey, error))
    return FALSE;
  rows = rows_with_actives (survey, own);
  for (guint i = 0; i < survey->questions->reused->len; i++)
    if (!survey_one_reused (survey, g_ptr_array_index (survey->questions->reused, i), rows, error))
      return FALSE;
  return TRUE;
}

static gboolean
survey_images (QsSurvey *survey, GError **error)
{
  if (!qs_survey_need_worker (survey, survey->questions->images, error))
    return FALSE;
  for (guint i = 0; i < survey->questions->images->len; i++)
    {
      QsImage *image = NULL;

      if (!qs_worker_inspect_image (
              survey->worker, g_ptr_array_index (survey->questions->images, i),
              g_ptr_array_index (survey->questions->formats, i), &image, error))
        return FALSE;
      g_ptr_array_add (survey->facts->images, image);
    }
  return TRUE;
}

/* looks at one path at which a file is or will be */
gboolean
qs_survey_target (QsSurvey *survey, const char *path, GError **error)
{
  QsTarget *target = NULL;

  if (!qs_worker_check_target (survey->worker, path, &target, error))
    return FALSE;
  g_ptr_array_add (survey->facts->targets, target);
  return TRUE;
}

static gboolean
survey_targets (QsSurvey *survey, GError **error)
{
  const GPtrArray *targets = survey->questions->targets;

  if (!qs_survey_need_worker (survey, targets, error))
    return FALSE;
  for (guint i = 0; i < targets->len; i++)
    if (!qs_survey_target (survey, g_ptr_array_index (targets, i), error))
      return FALSE;
  return TRUE;
}

/* that it is not there is a fact too: the first start makes it */
static gboolean
survey_firmware (QsSurvey *survey, GError **error)
{
  const QsDomainDef *def = qs_domain_get_def (survey->domain);
  QsFileId id;
  gboolean exists = FALSE;

  if (!survey->questions->firmware || def->nvram == NULL)
    return TRUE;
  if (survey->worker == NULL)
    survey->worker = qs_worker_pool_acquire (survey->engine->workers, survey->domain->owner, error);
  if (survey->worker == NULL || !qs_survey_need_recorded (survey, error)
      || !qs_worker_identify (survey->worker, def->nvram, &id, &exists, error))
    return FALSE;
  if (exists)
    survey->facts->firmware =
        qs_survey_walk (survey, QS_NVRAM_TARGET, def->nvram, def->nvram_format);
  return TRUE;
}

static gboolean
survey_files (QsSurvey *survey, GError **error)
{
  return !survey->questions->files || qs_survey_imagine_files (survey, survey->facts, error);
}

/* as far as it tells whose it is */
static QsImage *
target_image (const QsTarget *target)
{
  QsImage *image = qs_image_new ();

  image->path = g_strdup (target->path);
  image->dev = target->dev;
  image->ino = target->ino;
  image->rdev = target->rdev;
  return image;
}

static void
add_sights (GPtrArray *actives, const GPtrArray *sights)
{
  for (guint i = 0; i < sights->len; i++)
    {
      const QsSight *sight = g_ptr_array_index (sights, i);

      if (sight->image != NULL)
        g_ptr_array_add (actives, sight->image);
    }
}

static gboolean
survey_foreign (QsSurvey *survey, GError **error)
{
  g_autoptr (GPtrArray) actives = g_ptr_array_new ();
  g_autoptr (GPtrArray) targets = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  GPtrArray *foreign;

  for (guint i = 0; i < survey->facts->disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (survey->facts->disks, i);

      if (disk->chain->len > 0)
        g_ptr_array_add (actives, g_ptr_array_index (disk->chain, 0));
    }
  for (guint i = 0; i < survey->facts->claims->len; i++)
    {
      const QsDiskFacts *claim = g_ptr_array_index (survey->facts->claims, i);

      if (claim->chain->len > 0)
        g_ptr_array_add (actives, g_ptr_array_index (claim->chain, 0));
    }
  for (guint i = 0; i < survey->facts->targets->len; i++)
    {
      g_ptr_array_add (targets, target_image (g_ptr_array_index (survey->facts->targets, i)));
      g_ptr_array_add (actives, g_ptr_array_index (targets, i));
    }
  add_sights (actives, survey->facts->sights);
  add_sights (actives, survey->facts->strays);
  if (actives->len == 0)
    return TRUE;
  foreign = qs_store_find_foreign (survey->engine->store, survey->domain->id, actives, error);
  if (foreign == NULL)
    return FALSE;
  g_ptr_array_unref (survey->facts->foreign_images);
  survey->facts->foreign_images = foreign;
  return TRUE;
}

/* a QEMU that did not answer before may do so now; one that an earlier part starts is not looked for */
QsGuest *
qs_survey_find_guest (QsSurvey *survey, GError **error)
{
  QsRegistry *registry = survey->engine->registry;
  QsGuest *guest = qs_registry_get_guest (registry, survey->domain->id);

  if (guest == NULL && qs_survey_is_later (survey))
    return NULL;
  if (guest == NULL && qs_watch_find (survey->engine, survey->domain, error))
    guest = qs_registry_get_guest (registry, survey->domain->id);
  if (guest == NULL && error != NULL && *error == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED, "the QEMU of domain ‘%s’ has ended",
                 survey->domain->name);
  return guest;
}

/* a QEMU that this service has started was told nothing but what is recorded */
static gboolean
survey_graph (QsSurvey *survey, QsGuest *guest, GError **error)
{
  if (survey->domain->attachment == NULL)
    return TRUE;
  if (!qs_facts_has_command (survey->facts, "x-debug-query-block-graph"))
    {
      survey->facts->names_backing = TRUE;
      return TRUE;
    }
  return qs_guest_names_backing (guest, &survey->facts->names_backing, error);
}

static gboolean
survey_flash (QsSurvey *survey, QsGuest *guest, GError **error)
{
  if (!survey->questions->firmware)
    return TRUE;
  g_clear_pointer (&survey->facts->flash, g_ptr_array_unref);
  return qs_guest_flash (guest, &survey->facts->flash, error);
}

static gboolean
survey_memory (QsSurvey *survey, QsGuest *guest, GError **error)
{
  QsFacts *facts = survey->facts;
  guint64 resident;

  if (!qs_guest_migration (guest, &facts->migration, &facts->migration_blockers, error))
    return FALSE;
  if (!survey->questions->memory)
    return TRUE;
  if (qs_facts_has_command (facts, "query-memory-size-summary")
      && !qs_guest_memory_bytes (guest, &facts->memory_bytes, error))
    return FALSE;
  /* pages that were never written are not in the process, and take no room when they are saved */
  resident = qs_process_memory_bytes (qs_guest_get_process (guest));
  if (resident > 0)
    facts->memory_bytes = MIN (facts->memory_bytes, resident);
  return !qs_facts_has_command (facts, "query-tpm")
         || qs_guest_has_tpm (guest, &facts->has_tpm, error);
}

static gboolean
survey_monitor (QsSurvey *survey, GError **error)
{
  QsFacts *facts = survey->facts;
  g_autoptr (QsGuest) guest = NULL;

  facts->state = survey->domain != NULL ? survey->domain->state : QS_DOMAIN_SHUTOFF;
  if (!survey->questions->monitor || !qs_domain_is_active (survey->domain))
    return TRUE;

  guest = qs_survey_find_guest (survey, error);
  if (guest == NULL)
    return qs_survey_is_later (survey);
  if (!qs_guest_query_state (guest, &facts->state, &facts->run_state, error))
    return FALSE;
  if (survey->questions->io_threads && !qs_guest_io_threads (guest, &facts->has_io_threads, error))
    return FALSE;
  g_clear_pointer (&facts->nodes, g_ptr_array_unref);
  return qs_guest_nodes (guest, survey->domain, &facts->nodes, error)
         && qs_guest_commands (guest, &facts->commands, error)
         && qs_guest_block_jobs (guest, &facts->block_jobs, error)
         && survey_flash (survey, guest, error) && survey_memory (survey, guest, error)
         && survey_graph (survey, guest, error)
         && (!survey->questions->chains || qs_survey_chain_nodes (guest, facts, error));
}

static gboolean
survey_agent (QsSurvey *survey, GError **error)
{
  const QsAttachment *attachment = survey->domain != NULL ? survey->domain->attachment : NULL;
  const char *known = attachment != NULL && *attachment->agent != '\0' ? attachment->agent : NULL;
  QsFacts *facts = survey->facts;
  g_autoptr (QsGuest) guest = NULL;

  if (survey->domain == NULL || !qs_domain_is_active (survey->domain))
    return TRUE;
  facts->thaw_owed = qs_thaw_is_owed (survey->engine, survey->domain);
  if (!survey->questions->agent)
    return TRUE;
  guest = qs_survey_find_guest (survey, error);
  if (guest == NULL)
    return qs_survey_is_later (survey);
  return qs_guest_find_agent (guest, known, &facts->agent, &facts->agent_open, error);
}

static gboolean
survey_open_files (QsSurvey *survey, GError **error)
{
  if (!survey->questions->open_files || survey->domain->process == NULL)
    return TRUE;
  if (survey->worker == NULL)
    survey->worker = qs_worker_pool_acquire (survey->engine->workers, survey->domain->owner, error);
  if (survey->worker == NULL)
    return FALSE;
  qs_survey_open_files (survey->worker, survey->domain->process, survey->facts);
  return TRUE;
}

static gboolean
survey_chains (QsSurvey *survey, GError **error)
{
  return !survey->questions->chains || survey->worker == NULL
         || qs_survey_chain_files (survey->worker, survey->facts, error);
}

typedef gboolean (*SurveyFunc) (QsSurvey *survey, GError **error);

/**
 * qs_survey:
 * @domain: (nullable): NULL for one that is being defined
 *
 * Answers the questions of a planner. Read-only, whatever is asked; it holds no decision.
 *
 * Returns: (transfer full): the facts, or NULL if one of them could not be learnt at all
 */
QsFacts *
qs_survey (QsEngine *engine, QsDomain *domain, const QsRequest *request,
           const QsQuestions *questions, GError **error)
{
  static const SurveyFunc funcs[] = { survey_monitor,       survey_agent,     survey_files,
                                      qs_survey_snapshot,   qs_survey_tips,   survey_disks,
                                      survey_images,        survey_targets,   survey_reused,
                                      qs_survey_claims,     qs_survey_above,  survey_chains,
                                      qs_survey_neighbours, qs_survey_sights, qs_survey_mirrors,
                                      survey_foreign,       survey_firmware,  survey_open_files };
  g_autoptr (QsFacts) facts = qs_facts_new ();
  QsSurvey survey = {
    .engine = engine, .domain = domain, .request = request, .questions = questions, .facts = facts
  };
  gboolean answered = TRUE;

  facts->now = questions->now;
  facts->fresh_uuid = g_strdup (questions->fresh_uuid);
  facts->live_seconds = questions->live_seconds;
  facts->op = g_strdup (questions->op);
  facts->system_mode = questions->system_mode;
  facts->image_roots = questions->image_roots;
  if (domain == NULL)
    return g_steal_pointer (&facts);

  for (guint i = 0; answered && i < G_N_ELEMENTS (funcs); i++)
    answered = funcs[i](&survey, error);
  if (answered && qs_survey_is_later (&survey))
    qs_survey_imagine_guest (&survey);
  if (answered && questions->users)
    answered = qs_survey_users (engine, domain, request, facts, error);
  g_clear_pointer (&survey.worker, qs_worker_release);
  g_clear_pointer (&survey.recorded, g_ptr_array_unref);
  qs_facts_unref (survey.imagined);
  return answered ? g_steal_pointer (&facts) : NULL;
}
