/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-engine.h"

#include "qs-error.h"
#include "qs-xml.h"

#include <fcntl.h>
#include <unistd.h>

struct QsTask
{
  gatomicrefcount references;
  QsEngine *engine;
  QsRequest *request;
  QsDomain *domain; /* or NULL */
  char *domain_id;
  char *snapshot;
  GPtrArray *plans;
  GPtrArray *notes;
  gboolean paused;
  guint64 speed;
};

QsEngine *
qs_engine_new (const QsConfig *config, const QsEngineSink *sink, gpointer user_data, GError **error)
{
  QsEngine *engine = g_new0 (QsEngine, 1);

  qs_xml_init ();
  engine->folder = g_strdup (config->state_folder);
  engine->sink = *sink;
  engine->user_data = user_data;
  g_mutex_init (&engine->lock);
  engine->domains =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)qs_domain_unref);
  engine->timer = g_timeout_add (50, fake_engine_look, engine);
  engine->documents = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return engine;
}

void
qs_engine_free (QsEngine *engine)
{
  if (engine == NULL)
    return;
  g_source_remove (engine->timer);
  g_hash_table_unref (engine->domains);
  g_hash_table_unref (engine->documents);
  g_mutex_clear (&engine->lock);
  g_free (engine->folder);
  g_free (engine);
}

char *
qs_engine_degraded (QsEngine *engine)
{
  g_autofree char *path = g_build_filename (engine->folder, "degraded", NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS) ? g_strdup ("the disk is full") : NULL;
}

/* a pipe of this name in the state folder holds everybody until the test opens its other end */
void
fake_engine_hold (QsEngine *engine, const char *name)
{
  g_autofree char *path = g_build_filename (engine->folder, name, NULL);
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  char byte;

  if (fd < 0)
    return;
  while (read (fd, &byte, 1) > 0)
    ;
  close (fd);
}

static const char *
name_of (const QsRequest *request)
{
  if (request->def != NULL && request->def->name != NULL)
    return request->def->name;
  return "";
}

/* a snapshot named PREFIX-ERROR ends with this error */
static gboolean
fails_by_name (const QsRequest *request, const char *prefix, GError **error)
{
  const char *name = name_of (request);
  QsError code = QS_ERROR_FAILED;

  if (!g_str_has_prefix (name, prefix) || !qs_error_from_name (name + strlen (prefix), &code))
    return FALSE;
  g_set_error (error, QS_ERROR, code, "as ‘%s’ asked for", name);
  return TRUE;
}

static gboolean
check_state (const QsDomain *domain, const QsRequest *request, GError **error)
{
  gboolean starts = request->verb == QS_VERB_START;
  gboolean runs = request->verb >= QS_VERB_START && request->verb <= QS_VERB_RESUME;

  if (!runs || qs_domain_is_active (domain) != starts)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "domain ‘%s’ is %s", domain->name,
               qs_enum_to_string (QS_ENUM_DOMAIN_STATE, domain->state));
  return FALSE;
}

/* nothing is ever found here */
static gboolean
check_findings (const QsRequest *request, GError **error)
{
  g_autofree const char **ids = NULL;

  if (request->verb != QS_VERB_REPAIR
      || !g_variant_lookup (request->options, "findings", "^a&s", &ids))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "there is no finding ‘%s’", ids[0]);
  return FALSE;
}

static gboolean
check_attached (const QsDomain *domain, const QsRequest *request, GError **error)
{
  if (request->verb == QS_VERB_DETACH && domain->attachment == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "domain ‘%s’ is not attached",
                 domain->name);
  else if (request->verb == QS_VERB_REPAIR && domain->quarantine_reason == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "domain ‘%s’ is not in quarantine",
                 domain->name);
  else
    return TRUE;
  return FALSE;
}

/* while there is a file refuse-attach in the state folder */
static gboolean
check_wish (QsEngine *engine, const QsRequest *request, GError **error)
{
  g_autofree char *path = g_build_filename (engine->folder, "refuse-attach", NULL);

  if (request->verb != QS_VERB_ATTACH || !g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "as the test asked for");
  return FALSE;
}

static gboolean
check_request (const QsDomain *domain, const QsRequest *request, GError **error)
{
  if (fails_by_name (request, "refuse-", error))
    return FALSE;
  if (domain == NULL)
    return TRUE;
  if (request->verb == QS_VERB_SNAPSHOT_CREATE
      && qs_tree_lookup_name (domain->tree, name_of (request)) != NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_SNAPSHOT_EXISTS, "snapshot ‘%s’ exists",
                   name_of (request));
      return FALSE;
    }
  return check_findings (request, error) && check_attached (domain, request, error)
         && check_state (domain, request, error);
}

/* of what a guest on vda writes to */
static void
add_commit (QsPlan *plan)
{
  qs_plan_add (plan, QS_STEP_BLOCK_COMMIT, QS_PHASE_PREPARE, "vda",
               g_variant_new_parsed ("{'target': <'vda'>, 'job': <'m0'>, 'base': <'old'>,"
                                     " 'files': <[('/images/vda.new', 'qcow2', uint64 1, uint64 1,"
                                     " int64 1), ('/images/vda.old', 'qcow2', uint64 1, uint64 2,"
                                     " int64 1)]>}"));
}

static QsPlan *
make_plan (const QsRequest *request)
{
  QsPlan *plan = qs_plan_new ();
  GVariantDict image = G_VARIANT_DICT_INIT (NULL);
  GVariantDict record = G_VARIANT_DICT_INIT (NULL);
  GVariantDict file = G_VARIANT_DICT_INIT (NULL);

  if (request->verb == QS_VERB_SNAPSHOT_CREATE)
    {
      g_variant_dict_insert (&image, "path", "s", "/images/vda.new");
      g_variant_dict_insert (&image, "size", "t", G_GUINT64_CONSTANT (1048576));
      qs_plan_add (plan, QS_STEP_IMAGE_CREATE, QS_PHASE_PREPARE, "vda",
                   g_variant_dict_end (&image));
    }
  if (request->verb == QS_VERB_SNAPSHOT_REVERT)
    add_commit (plan);
  qs_plan_add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, "records", g_variant_dict_end (&record));
  if (request->verb == QS_VERB_SNAPSHOT_DELETE)
    {
      g_variant_dict_insert (&file, "path", "s", "/images/vda.old");
      qs_plan_add (plan, QS_STEP_FILE_UNLINK, QS_PHASE_FINISH, "vda", g_variant_dict_end (&file));
    }
  return plan;
}

QsTask *
qs_engine_prepare (QsEngine *engine, QsDomain *domain, QsRequest *request, GError **error)
{
  QsTask *task;

  fake_engine_hold (engine, "hold-prepare");
  if (!check_wish (engine, request, error) || !check_request (domain, request, error))
    return NULL;
  task = g_new0 (QsTask, 1);
  task->engine = engine;
  g_atomic_ref_count_init (&task->references);
  task->request = qs_request_ref (request);
  task->domain = domain != NULL ? qs_domain_ref (domain) : NULL;
  task->domain_id = domain != NULL ? g_strdup (domain->id) : g_uuid_string_random ();
  task->snapshot = g_strdup (request->snapshot);
  if (request->verb == QS_VERB_SNAPSHOT_CREATE)
    task->snapshot = g_uuid_string_random ();
  task->plans = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_plan_unref);
  g_ptr_array_add (task->plans, make_plan (request));
  task->notes = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (task->notes, g_strdup ("nothing was really done"));
  return task;
}

typedef struct
{
  const QsTaskSink *sink;
  gpointer user_data;
  QsTask *task;
  const char *step; /* NULL: committed */
  GPtrArray *rows;  /* NULL: nothing is said of them */
  gboolean undoing;
  QsAmount amount;
} Word;

static gboolean
on_word (gpointer data)
{
  g_autofree Word *word = data;
  g_autoptr (GPtrArray) rows = word->rows;

  if (word->rows != NULL)
    word->sink->block_jobs (word->task, word->rows, word->user_data);
  else if (word->step == NULL)
    word->sink->committed (word->task, word->user_data);
  else if (word->amount.total > 0)
    word->sink->amount (word->task, &word->amount, 0.75, word->user_data);
  else
    word->sink->step (word->task, word->step, 0.5, word->undoing, word->user_data);
  return G_SOURCE_REMOVE;
}

static void
say (Word word)
{
  g_main_context_invoke (NULL, on_word, g_memdup2 (&word, sizeof word));
}

/**
 * qs_task_run:
 *
 * A step, a hold, and the records: cancelled or failed before those it is undone.
 */
gboolean
qs_task_run (QsTask *task, const QsTaskSink *sink, gpointer user_data, GCancellable *cancellable,
             GVariant **result, GError **error)
{
  Word word = { sink, user_data, task, "image-create" };
  g_autoptr (GPtrArray) rows = qs_block_jobs_find (g_ptr_array_index (task->plans, 0), 0, FALSE);
  const char *const files[] = { "/images/vda.new", NULL };
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);
  QsEngine *engine = task->engine;

  say (word);
  say ((Word){ sink, user_data, task, NULL, g_ptr_array_ref (rows) });
  word.amount = (QsAmount){ 512, 1024, 256 };
  say (word);
  word.amount = (QsAmount){ 0 };
  fake_engine_hold (engine, "hold-run");
  if (g_cancellable_set_error_if_cancelled (cancellable, error)
      || fails_by_name (task->request, "fail-", error))
    {
      word.undoing = TRUE;
      say (word);
      fake_engine_hold (engine, "hold-undo");
      return FALSE;
    }
  fake_engine_record (engine, task->domain, task->request, task->domain_id, task->snapshot);
  word.step = NULL;
  say (word);
  fake_engine_hold (engine, "hold-finish");
  g_variant_dict_insert (&dict, "files", "^as", files);
  *result = g_variant_ref_sink (g_variant_dict_end (&dict));
  return TRUE;
}

char *
qs_engine_document (QsEngine *engine, const QsDomain *domain, const char *snapshot, guint flags,
                    GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&engine->lock);

  if (snapshot == NULL)
    return qs_domain_def_format (domain->def, (flags & QS_XML_SECURE) != 0);
  return g_strdup (g_hash_table_lookup (engine->documents, snapshot));
}

GVariant *
qs_engine_disks (QsEngine *engine, QsDomain *domain, GError **error)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  fake_engine_hold (engine, "hold-read");
  for (guint i = 0; i < domain->def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (domain->def->disks, i);
      GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

      g_variant_dict_insert (&dict, "target", "s", disk->target);
      g_variant_dict_insert (&dict, "source", "s", disk->source);
      if (g_str_equal (domain->name, "blind")) /* nobody can look at its files */
        g_variant_dict_insert (&dict, "device", "s", "disk");
      g_variant_builder_add_value (&builder, g_variant_dict_end (&dict));
    }
  return g_variant_builder_end (&builder);
}

/* no snapshot has a mirror */
void
qs_engine_add_mirror_jobs (QsEngine *engine, const QsDomain *domain, GVariantBuilder *builder)
{
}

GPtrArray *
qs_task_get_plans (QsTask *task)
{
  return task->plans;
}

GPtrArray *
qs_task_get_notes (QsTask *task)
{
  return task->notes;
}

const char *
qs_task_get_snapshot (QsTask *task)
{
  return task->snapshot;
}

const char *
qs_task_get_domain (QsTask *task)
{
  return task->domain_id;
}

QsTask *
qs_task_ref (QsTask *task)
{
  g_atomic_ref_count_inc (&task->references);
  return task;
}

void
qs_task_unref (QsTask *task)
{
  if (task == NULL || !g_atomic_ref_count_dec (&task->references))
    return;
  qs_request_unref (task->request);
  qs_domain_unref (task->domain);
  g_free (task->domain_id);
  g_free (task->snapshot);
  g_ptr_array_unref (task->plans);
  g_ptr_array_unref (task->notes);
  g_free (task);
}

/* a revert is done by block jobs, nothing else is */
static gboolean
check_block_job (const QsTask *task, GError **error)
{
  if (task->request->verb == QS_VERB_SNAPSHOT_REVERT)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                       "this step cannot be paused: ‘image-create’");
  return FALSE;
}

gboolean
qs_task_set_paused (QsTask *task, gboolean paused, GError **error)
{
  if (!check_block_job (task, error))
    return FALSE;
  task->paused = paused;
  return TRUE;
}

gboolean
qs_task_set_speed (QsTask *task, guint64 speed, GError **error)
{
  if (!check_block_job (task, error))
    return FALSE;
  task->speed = speed;
  return TRUE;
}

void
qs_task_get_wishes (QsTask *task, gboolean *paused, guint64 *speed)
{
  *paused = task->paused;
  *speed = task->speed;
}

/* none is found again */
gboolean
qs_task_leave (QsTask *task)
{
  return FALSE;
}

gboolean
qs_task_is_left (QsTask *task)
{
  return FALSE;
}

QsRequest *
qs_task_get_request (QsTask *task)
{
  return task->request;
}

static gboolean
refuse_end (const QsTask *task, GError **error)
{
  if (check_block_job (task, error))
    g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "not ready yet");
  return FALSE;
}

gboolean
qs_task_pivot (QsTask *task, GError **error)
{
  return refuse_end (task, error);
}

gboolean
qs_task_finish (QsTask *task, GError **error)
{
  return refuse_end (task, error);
}

/* none waits for a block job */
gboolean
qs_task_enter_passage (QsTask *task)
{
  return FALSE;
}

void
qs_task_leave_passage (QsTask *task)
{
}

/* what waits in a hold goes on waiting */
gboolean
qs_engine_kill (QsEngine *engine, const char *id, GError **error)
{
  g_autoptr (QsRequest) request = qs_request_new (QS_VERB_DESTROY, 0);
  g_autoptr (QsDomain) domain = NULL;

  g_mutex_lock (&engine->lock);
  domain = qs_domain_ref (g_hash_table_lookup (engine->domains, id));
  g_mutex_unlock (&engine->lock);
  fake_engine_record (engine, domain, request, id, NULL);
  return TRUE;
}
