/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-engine.h"

/* what an operation would leave in the records; a function a verb */

typedef struct
{
  QsEngine *engine;
  QsRequest *request;
  const char *id;
  const char *snapshot;
} Record;

static void
take_tree (QsDomain *domain, QsTree *tree)
{
  qs_tree_unref (domain->tree);
  domain->tree = tree;
}

static void
record_create (const Record *record, QsDomain *domain)
{
  const QsSnapshotDef *def = record->request->def;
  QsSnapshot *current = qs_tree_get_current (domain->tree);
  QsSnapshot values = {
    .uuid = record->snapshot,
    .name = def->name != NULL ? def->name : "1700000000000",
    .parent = current != NULL ? current->uuid : "",
    .description = def->description,
    .created = g_get_real_time (),
    .rev = ++record->engine->last_rev,
    .state = QS_STATE_SHUTOFF,
    .kind = QS_KIND_EXTERNAL,
    .memory = QS_LOCATION_NO,
  };
  g_autoptr (QsSnapshot) snapshot = qs_snapshot_new (&values);

  if (record->request->flags & QS_CREATE_NO_METADATA)
    return;
  g_hash_table_replace (record->engine->documents, g_strdup (record->snapshot),
                        qs_snapshot_def_format (def, TRUE));
  take_tree (domain, qs_tree_put (domain->tree, snapshot));
  take_tree (domain, qs_tree_set_current (domain->tree, record->snapshot));
  qs_domain_put_active (domain, "vda", "/images/vda.new", "qcow2", NULL);
}

static void
record_revert (const Record *record, QsDomain *domain)
{
  take_tree (domain, qs_tree_set_current (domain->tree, record->snapshot));
}

static void
record_delete (const Record *record, QsDomain *domain)
{
  take_tree (domain, qs_tree_remove (domain->tree, record->snapshot));
}

static void
record_edit (const Record *record, QsDomain *domain)
{
  QsSnapshot values = *qs_tree_lookup (domain->tree, record->snapshot);
  g_autoptr (QsSnapshot) snapshot = NULL;

  g_variant_lookup (record->request->options, "name", "&s", &values.name);
  g_variant_lookup (record->request->options, "description", "&s", &values.description);
  snapshot = qs_snapshot_new (&values);
  take_tree (domain, qs_tree_put (domain->tree, snapshot));
}

static void
record_state (const Record *record, QsDomain *domain)
{
  static const QsDomainState states[QS_N_VERBS] = {
    [QS_VERB_START] = QS_DOMAIN_RUNNING,   [QS_VERB_SHUTDOWN] = QS_DOMAIN_SHUTOFF,
    [QS_VERB_DESTROY] = QS_DOMAIN_SHUTOFF, [QS_VERB_SUSPEND] = QS_DOMAIN_PAUSED,
    [QS_VERB_RESUME] = QS_DOMAIN_RUNNING,
  };

  domain->state = states[record->request->verb];
  domain->connected = domain->connected && qs_domain_is_active (domain);
}

static void
record_define (const Record *record, QsDomain *domain)
{
  qs_domain_def_unref (domain->def);
  domain->def = qs_domain_def_ref (record->request->domain_def);
}

/* a socket named sick has a QEMU that writes to the file of a snapshot */
static void
record_attach (const Record *record, QsDomain *domain)
{
  const char *socket = "", *agent = "";
  gboolean stable_path = TRUE;

  g_variant_lookup (record->request->options, "socket", "&s", &socket);
  g_variant_lookup (record->request->options, "agent", "&s", &agent);
  g_variant_lookup (record->request->options, "stable-path", "b", &stable_path);
  record_define (record, domain);
  g_clear_pointer (&domain->attachment, qs_attachment_free);
  domain->attachment = qs_attachment_new (socket, agent, stable_path, *socket != '\0');
  domain->connected = TRUE;
  domain->state = QS_DOMAIN_RUNNING;
  g_free (domain->quarantine_reason);
  domain->quarantine_reason =
      g_str_has_suffix (socket, "sick") ? g_strdup ("guest was started from a state file") : NULL;
}

static void
record_detach (const Record *record, QsDomain *domain)
{
  domain->connected = FALSE;
  domain->state = QS_DOMAIN_SHUTOFF;
}

static void
record_repair (const Record *record, QsDomain *domain)
{
  g_clear_pointer (&domain->quarantine_reason, g_free);
}

/* of those that have none nothing is recorded */
static void (*const recorders[QS_N_VERBS]) (const Record *record, QsDomain *domain) = {
  [QS_VERB_DEFINE] = record_define,          [QS_VERB_START] = record_state,
  [QS_VERB_SHUTDOWN] = record_state,         [QS_VERB_DESTROY] = record_state,
  [QS_VERB_SUSPEND] = record_state,          [QS_VERB_RESUME] = record_state,
  [QS_VERB_SNAPSHOT_CREATE] = record_create, [QS_VERB_SNAPSHOT_REVERT] = record_revert,
  [QS_VERB_SNAPSHOT_DELETE] = record_delete, [QS_VERB_SNAPSHOT_EDIT] = record_edit,
  [QS_VERB_ATTACH] = record_attach,          [QS_VERB_DETACH] = record_detach,
  [QS_VERB_REPAIR] = record_repair,
};

/* a domain named many-N begins with N snapshots, in one line */
static QsTree *
many_snapshots (const char *name)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_unref);
  guint64 n = g_str_has_prefix (name, "many-") ? g_ascii_strtoull (name + 5, NULL, 10) : 0;
  g_autofree char *parent = g_strdup ("");

  for (guint64 i = 0; i < n; i++)
    {
      g_autofree char *uuid = g_strdup_printf ("00000000-0000-4000-8000-%012x", (guint)i);
      g_autofree char *snapshot = g_strdup_printf ("snapshot-%u", (guint)i);
      QsSnapshot values = { .uuid = uuid,
                            .name = snapshot,
                            .parent = parent,
                            .rev = i,
                            .state = QS_STATE_SHUTOFF,
                            .memory = QS_LOCATION_NO };

      g_ptr_array_add (list, qs_snapshot_new (&values));
      g_free (parent);
      parent = g_steal_pointer (&uuid);
    }
  return qs_tree_new_full (list, parent);
}

static QsDomain *
new_domain (const Record *record)
{
  QsDomain *domain;
  guint32 owner = record->request->caller;
  g_autoptr (QsDomainDef) def = qs_domain_def_ref (record->request->domain_def);

  g_variant_lookup (record->request->options, "owner", "u", &owner);
  if (def->uuid == NULL)
    {
      g_autofree char *uuid = g_uuid_string_random ();

      qs_domain_def_unref (def);
      def = qs_domain_def_patch (record->request->domain_def, uuid, NULL, 0, NULL);
    }
  domain = qs_domain_new (record->id, owner, def);
  take_tree (domain, many_snapshots (domain->name));
  record->engine->last_rev += qs_tree_size (domain->tree);
  return domain;
}

static QsDomain *
next_domain (const Record *record, const QsDomain *domain)
{
  QsDomain *after;

  gboolean forgets =
      record->request->verb == QS_VERB_UNDEFINE
      || (record->request->verb == QS_VERB_DETACH && qs_tree_size (domain->tree) == 0);

  if (forgets)
    return NULL;
  if (domain == NULL && record->request->verb == QS_VERB_DEFINE)
    return new_domain (record);
  after = domain != NULL ? qs_domain_copy (domain) : new_domain (record);
  if (recorders[record->request->verb] != NULL)
    recorders[record->request->verb](record, after);
  after->rev++;
  return after;
}

typedef struct
{
  QsEngine *engine;
  QsDomain *before;
  QsDomain *after;
} Told;

static gboolean
on_told (gpointer data)
{
  g_autofree Told *told = data;
  g_autoptr (QsDomain) before = told->before;
  g_autoptr (QsDomain) after = told->after;

  told->engine->sink.domain_changed (before, after, told->engine->user_data);
  return G_SOURCE_REMOVE;
}

/**
 * fake_engine_record:
 * @domain: (nullable): as it was when the operation was prepared
 * @snapshot: (nullable): uuid of the one that is made or worked on
 */
void
fake_engine_record (QsEngine *engine, QsDomain *domain, QsRequest *request, const char *id,
                    const char *snapshot)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&engine->lock);
  Record record = { engine, request, id, snapshot };
  Told *told = g_new0 (Told, 1);

  told->engine = engine;
  told->before = domain != NULL ? qs_domain_ref (domain) : NULL;
  told->after = next_domain (&record, domain);
  if (told->after != NULL)
    g_hash_table_replace (engine->domains, told->after->id, qs_domain_ref (told->after));
  else
    g_hash_table_remove (engine->domains, id);
  g_main_context_invoke (NULL, on_told, told);
}
