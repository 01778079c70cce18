/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-migration.h"

#include "qs-json-scan.h"
#include "qs-limits.h"

/* no limit: the one that QEMU has by itself would make a guest that stands still wait */
#define BANDWIDTH (G_GUINT64_CONSTANT (1) << 40)

/* name of the descriptor in QEMU */
#define FD_NAME "snapd-memory"

/* how often it is looked again where no event tells */
#define LOOK_AGAIN (2 * G_TIME_SPAN_MILLISECOND)

typedef struct
{
  const char *word;
  QsMigrationPhase phase;
} PhaseRow;

/* whatever else QEMU may say is on its way */
static const PhaseRow phases[] = {
  { "none", QS_MIGRATION_NONE },
  { "cancelled", QS_MIGRATION_NONE },
  { "pre-switchover", QS_MIGRATION_WAITING },
  { "completed", QS_MIGRATION_COMPLETED },
  { "failed", QS_MIGRATION_FAILED },
};

void
qs_migration_state_clear (QsMigrationState *state)
{
  g_clear_pointer (&state->problem, g_free);
}

static QsMigrationPhase
read_phase (const char *word)
{
  if (word == NULL)
    return QS_MIGRATION_NONE;
  for (guint i = 0; i < G_N_ELEMENTS (phases); i++)
    if (g_str_equal (phases[i].word, word))
      return phases[i].phase;
  return QS_MIGRATION_UNDERWAY;
}

static guint64
read_number (JsonObject *object, const char *key)
{
  return object != NULL ? (guint64)MAX (qs_json_int64 (object, key), 0) : 0;
}

/* megabits a second, written with a fraction or without */
static guint64
read_speed (JsonObject *ram)
{
  JsonNode *node = ram != NULL ? json_object_get_member (ram, "mbps") : NULL;
  gdouble value = 0;

  if (node != NULL && JSON_NODE_HOLDS_VALUE (node))
    value = json_node_get_double (node);
  return value > 0 && value < 1e12 ? (guint64)(value * 1e6 / 8) : 0;
}

static JsonNode *
query_within (QsGuest *guest, const char *command, JsonNodeType type, guint seconds, GError **error)
{
  g_autoptr (JsonNode) answer =
      qs_qmp_execute (qs_guest_get_qmp (guest), command, NULL, seconds, error);

  if (answer == NULL || json_node_get_node_type (answer) == type)
    return g_steal_pointer (&answer);
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "QEMU’s answer to ‘%s’ cannot be understood", command);
  return NULL;
}

static JsonNode *
query (QsGuest *guest, const char *command, JsonNodeType type, GError **error)
{
  return query_within (guest, command, type, QS_QMP_COMMAND_SECONDS, error);
}

gboolean
qs_migration_query_within (QsGuest *guest, guint seconds, QsMigrationState *state, GError **error)
{
  g_autoptr (JsonNode) answer =
      query_within (guest, "query-migrate", JSON_NODE_OBJECT, seconds, error);
  JsonObject *object = answer != NULL ? json_node_get_object (answer) : NULL;
  JsonObject *ram = object != NULL ? qs_json_object (object, "ram") : NULL;
  const char *problem = object != NULL ? qs_json_string (object, "error-desc") : NULL;

  if (object == NULL)
    return FALSE;
  qs_migration_state_clear (state);
  state->phase = read_phase (qs_json_string (object, "status"));
  state->problem = problem != NULL ? qs_json_clean (problem) : NULL;
  state->done = read_number (ram, "transferred");
  state->remaining = read_number (ram, "remaining");
  state->speed = read_speed (ram);
  state->dirty_rate = MIN (read_number (ram, "dirty-pages-rate"), G_MAXUINT32)
                      * MIN (read_number (ram, "page-size"), G_MAXUINT32);
  return TRUE;
}

gboolean
qs_migration_query (QsGuest *guest, QsMigrationState *state, GError **error)
{
  return qs_migration_query_within (guest, QS_QMP_COMMAND_SECONDS, state, error);
}

static GVariant *
read_capabilities (JsonNode *answer)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sb}"));
  JsonArray *array = json_node_get_array (answer);

  for (guint i = 0; i < MIN (json_array_get_length (array), QS_MAX_MIGRATION_CAPABILITIES); i++)
    {
      JsonObject *row = qs_json_element (array, i);
      const char *name = row != NULL ? qs_json_string (row, "capability") : NULL;

      if (name != NULL)
        g_variant_builder_add (&builder, "{sb}", name, qs_json_boolean (row, "state"));
    }
  return g_variant_builder_end (&builder);
}

GVariant *
qs_migration_learn (QsGuest *guest, GError **error)
{
  g_autoptr (JsonNode) capabilities =
      query (guest, "query-migrate-capabilities", JSON_NODE_ARRAY, error);
  g_autoptr (JsonNode) answer = NULL;
  JsonObject *parameters;
  GVariantDict learnt;
  const char *tls;

  if (capabilities != NULL)
    answer = query (guest, "query-migrate-parameters", JSON_NODE_OBJECT, error);
  if (answer == NULL)
    return NULL;
  parameters = json_node_get_object (answer);
  tls = qs_json_string (parameters, "tls-creds");
  g_variant_dict_init (&learnt, NULL);
  g_variant_dict_insert_value (&learnt, "capabilities", read_capabilities (capabilities));
  g_variant_dict_insert (&learnt, "max-bandwidth", "t", read_number (parameters, "max-bandwidth"));
  g_variant_dict_insert (&learnt, "tls-creds", "s", tls != NULL ? tls : "");
  return g_variant_ref_sink (g_variant_dict_end (&learnt));
}

/* what somebody else has set for a migration of his is not meant for this one: some of it would
   even leave memory out, or take it from the guest */
static gboolean
wanted (const char *capability, QsMigrateWay way)
{
  return g_str_equal (capability, "events")
         || (g_str_equal (capability, "pause-before-switchover") && way == QS_MIGRATE_LIVE);
}

/* @way: (nullable): as it is wanted for it; NULL: as it was learnt */
static gboolean
set_capabilities (QsGuest *guest, GVariant *learnt, const QsMigrateWay *way, GError **error)
{
  g_autoptr (GVariant) before =
      g_variant_lookup_value (learnt, "capabilities", G_VARIANT_TYPE ("a{sb}"));
  g_auto (GVariantBuilder) rows = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GVariantIter iter;
  const char *name;
  gboolean state;

  if (before == NULL || g_variant_n_children (before) == 0)
    return TRUE;
  g_variant_iter_init (&iter, before);
  while (g_variant_iter_next (&iter, "{&sb}", &name, &state))
    g_variant_builder_add_parsed (&rows, "{'capability': <%s>, 'state': <%b>}", name,
                                  way != NULL ? wanted (name, *way) : state);
  return qs_qmp_run (
      qs_guest_get_qmp (guest), "migrate-set-capabilities",
      g_variant_new_parsed ("{'capabilities': <%@aa{sv}>}", g_variant_builder_end (&rows)),
      QS_QMP_COMMAND_SECONDS, error);
}

/* @tls: (nullable): NULL: leave it as it is */
static gboolean
set_parameters (QsGuest *guest, guint64 bandwidth, const char *tls, GError **error)
{
  GVariantDict arguments;

  g_variant_dict_init (&arguments, NULL);
  g_variant_dict_insert (&arguments, "max-bandwidth", "t", bandwidth);
  if (tls != NULL)
    g_variant_dict_insert (&arguments, "tls-creds", "s", tls);
  return qs_qmp_run (qs_guest_get_qmp (guest), "migrate-set-parameters",
                     g_variant_dict_end (&arguments), QS_QMP_COMMAND_SECONDS, error);
}

/* (nullable) (transfer none): credentials, which would be wanted for a file, too */
static const char *
learnt_tls (GVariant *learnt)
{
  const char *tls = NULL;

  return g_variant_lookup (learnt, "tls-creds", "&s", &tls) && *tls != '\0' ? tls : NULL;
}

gboolean
qs_migration_set (QsGuest *guest, GVariant *learnt, QsMigrateWay way, GError **error)
{
  return set_capabilities (guest, learnt, &way, error)
         && set_parameters (guest, BANDWIDTH, learnt_tls (learnt) != NULL ? "" : NULL, error);
}

gboolean
qs_migration_restore (QsGuest *guest, GVariant *learnt, GError **error)
{
  guint64 bandwidth = 0;

  /* nothing was changed where nothing was learnt */
  if (!g_variant_lookup (learnt, "max-bandwidth", "t", &bandwidth))
    return TRUE;
  return set_capabilities (guest, learnt, NULL, error)
         && set_parameters (guest, bandwidth, learnt_tls (learnt), error);
}

gboolean
qs_migration_forget_fd (QsGuest *guest)
{
  return qs_qmp_run (qs_guest_get_qmp (guest), "closefd",
                     g_variant_new_parsed ("{'fdname': <'" FD_NAME "'>}"), QS_QMP_COMMAND_SECONDS,
                     NULL);
}

static gboolean
give_fd (QsGuest *guest, int fd, GError **error)
{
  g_autoptr (JsonNode) given = qs_qmp_execute_fd (
      qs_guest_get_qmp (guest), "getfd", g_variant_new_parsed ("{'fdname': <'" FD_NAME "'>}"), fd,
      QS_QMP_COMMAND_SECONDS, error);

  return given != NULL;
}

static GVariant *
fd_uri (void)
{
  return g_variant_new_parsed ("{'uri': <'fd:" FD_NAME "'>}");
}

gboolean
qs_migration_start (QsGuest *guest, int fd, GError **error)
{
  if (!give_fd (guest, fd, error))
    return FALSE;
  if (qs_qmp_run (qs_guest_get_qmp (guest), "migrate", fd_uri (), QS_QMP_COMMAND_SECONDS, error))
    return TRUE;
  qs_migration_forget_fd (guest);
  return FALSE;
}

/* of a QEMU that has just been started all other capabilities are off */
gboolean
qs_migration_load (QsGuest *guest, int fd, gboolean late, GError **error)
{
  QsQmp *qmp = qs_guest_get_qmp (guest);
  GVariant *rows = g_variant_new_parsed ("[{'capability': <'events'>, 'state': <true>},"
                                         " {'capability': <'late-block-activate'>, 'state': <%b>}]",
                                         late);

  return qs_qmp_run (qmp, "migrate-set-capabilities",
                     g_variant_new_parsed ("{'capabilities': <%@aa{sv}>}", rows),
                     QS_QMP_COMMAND_SECONDS, error)
         && give_fd (guest, fd, error)
         && qs_qmp_run (qmp, "migrate-incoming", fd_uri (), QS_QMP_COMMAND_SECONDS, error);
}

static gboolean
is_open (const QsMigrationState *state)
{
  return state->phase == QS_MIGRATION_UNDERWAY || state->phase == QS_MIGRATION_WAITING;
}

gboolean
qs_migration_cancel (QsGuest *guest, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + QS_MIGRATE_CANCEL_SECONDS * G_TIME_SPAN_SECOND;
  g_auto (QsMigrationState) state = { 0 };

  if (!qs_migration_query (guest, &state, error))
    return FALSE;
  if (is_open (&state)
      && !qs_qmp_run (qs_guest_get_qmp (guest), "migrate_cancel", NULL, QS_QMP_COMMAND_SECONDS,
                      error))
    return FALSE;
  while (is_open (&state))
    {
      if (g_get_monotonic_time () > deadline)
        {
          g_set_error_literal (error, QS_ERROR, QS_ERROR_TIMEOUT,
                               "QEMU was told to stop saving memory, and has not ended it yet");
          return FALSE;
        }
      qs_qmp_wait_news (qs_guest_get_qmp (guest),
                        QS_PROGRESS_MILLISECONDS * G_TIME_SPAN_MILLISECOND);
      if (!qs_migration_query (guest, &state, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
qs_migration_settle (QsGuest *guest, char **run_state, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + QS_QMP_COMMAND_SECONDS * G_TIME_SPAN_SECOND;
  g_autofree char *word = NULL;
  QsDomainState state;

  while (TRUE)
    {
      g_clear_pointer (&word, g_free);
      if (!qs_guest_query_state (guest, &state, &word, error))
        return FALSE;
      if (!g_str_equal (word, "finish-migrate") && !g_str_equal (word, "inmigrate"))
        break;
      if (g_get_monotonic_time () > deadline)
        {
          g_set_error_literal (error, QS_ERROR, QS_ERROR_TIMEOUT,
                               "QEMU has done with the memory and does not come to an end");
          return FALSE;
        }
      qs_qmp_wait_news (qs_guest_get_qmp (guest), LOOK_AGAIN);
    }
  *run_state = g_steal_pointer (&word);
  return TRUE;
}
