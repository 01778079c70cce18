/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-guest.h"
#include "qs-limits.h"

/* what saving the memory of a guest depends on */

static gboolean
fail_answer (GError **error, const char *command)
{
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "QEMU’s answer to ‘%s’ cannot be understood", command);
  return FALSE;
}

/* QEMU tells of the last migration for as long as it lives: these are over */
static gboolean
is_over (const char *status)
{
  static const char *const words[] = { "none", "completed", "failed", "cancelled", NULL };

  return g_strv_contains (words, status);
}

/* names of devices come from whoever started this QEMU */
static GStrv
read_blockers (JsonArray *reasons)
{
  g_autoptr (GStrvBuilder) blockers = g_strv_builder_new ();
  guint n = reasons != NULL ? json_array_get_length (reasons) : 0;

  for (guint i = 0; i < MIN (n, QS_MAX_BLOCKERS); i++)
    {
      JsonNode *reason = json_array_get_element (reasons, i);
      const char *text = JSON_NODE_HOLDS_VALUE (reason) ? json_node_get_string (reason) : NULL;
      g_autofree char *clean = qs_json_clean (text);

      g_strv_builder_add (blockers, clean);
    }
  return g_strv_builder_end (blockers);
}

gboolean
qs_guest_migration (QsGuest *guest, char **status, GStrv *blockers, GError **error)
{
  g_autoptr (JsonNode) answer = qs_guest_query (guest, "query-migrate", JSON_NODE_OBJECT, error);
  JsonObject *migration = answer != NULL ? json_node_get_object (answer) : NULL;
  const char *word;

  if (migration == NULL)
    return FALSE;
  word = qs_json_string (migration, "status");
  *status = word == NULL || is_over (word) ? NULL : qs_json_clean (word);
  *blockers = read_blockers (qs_json_array (migration, "blocked-reasons"));
  return TRUE;
}

gboolean
qs_guest_memory_bytes (QsGuest *guest, guint64 *bytes, GError **error)
{
  static const char command[] = "query-memory-size-summary";
  g_autoptr (JsonNode) answer = qs_guest_query (guest, command, JSON_NODE_OBJECT, error);
  JsonObject *summary = answer != NULL ? json_node_get_object (answer) : NULL;
  gint64 base, plugged;

  if (summary == NULL)
    return FALSE;
  base = qs_json_int64 (summary, "base-memory");
  plugged = qs_json_int64 (summary, "plugged-memory");
  if (base <= 0 || plugged < 0 || plugged > G_MAXINT64 - base)
    return fail_answer (error, command);
  *bytes = (guint64)base + (guint64)plugged;
  return TRUE;
}

gboolean
qs_guest_has_tpm (QsGuest *guest, gboolean *has_tpm, GError **error)
{
  g_autoptr (JsonNode) answer = qs_guest_query (guest, "query-tpm", JSON_NODE_ARRAY, error);

  if (answer == NULL)
    return FALSE;
  *has_tpm = json_array_get_length (json_node_get_array (answer)) > 0;
  return TRUE;
}
