/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-request.h"

#include "qs-error.h"

QsRequest *
qs_request_new (QsVerb verb, guint32 flags)
{
  QsRequest *request = g_atomic_rc_box_new0 (QsRequest);

  request->verb = verb;
  request->flags = flags;
  return request;
}

QsRequest *
qs_request_ref (QsRequest *request)
{
  return g_atomic_rc_box_acquire (request);
}

static void
clear_request (QsRequest *request)
{
  g_free (request->snapshot);
  g_clear_pointer (&request->def, qs_snapshot_def_unref);
  g_clear_pointer (&request->domain_def, qs_domain_def_unref);
  g_clear_pointer (&request->options, g_variant_unref);
}

void
qs_request_unref (QsRequest *request)
{
  if (request != NULL)
    g_atomic_rc_box_release_full (request, (GDestroyNotify)clear_request);
}

static void
add_string (GVariantDict *dict, const char *key, char *value)
{
  g_autofree char *text = value;

  if (text != NULL)
    g_variant_dict_insert (dict, key, "s", text);
}

/**
 * qs_request_to_text:
 *
 * Returns: (transfer full): the request as the journal keeps it
 */
char *
qs_request_to_text (const QsRequest *request)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) value = NULL;

  g_variant_dict_insert (&dict, "verb", "u", (guint32)request->verb);
  g_variant_dict_insert (&dict, "flags", "u", request->flags);
  g_variant_dict_insert (&dict, "caller", "u", request->caller);
  g_variant_dict_insert (&dict, "caller-is-owner", "b", request->caller_is_owner);
  add_string (&dict, "snapshot", g_strdup (request->snapshot));
  if (request->def != NULL)
    add_string (&dict, "def", qs_snapshot_def_format (request->def, TRUE));
  if (request->domain_def != NULL)
    add_string (&dict, "domain-def", qs_domain_def_format (request->domain_def, TRUE));
  if (request->options != NULL)
    g_variant_dict_insert_value (&dict, "options", request->options);

  value = g_variant_ref_sink (g_variant_dict_end (&dict));
  return g_variant_print (value, TRUE);
}

static gboolean
read_documents (QsRequest *request, GVariantDict *dict, GError **error)
{
  const char *text;

  if (g_variant_dict_lookup (dict, "def", "&s", &text))
    {
      request->def = qs_snapshot_def_parse_record (text, error);
      if (request->def == NULL)
        return FALSE;
    }
  if (g_variant_dict_lookup (dict, "domain-def", "&s", &text))
    {
      request->domain_def = qs_domain_def_new_record (text, error);
      if (request->domain_def == NULL)
        return FALSE;
    }
  return TRUE;
}

/**
 * qs_request_from_text:
 *
 * Returns: (transfer full): the request, or NULL if the journal holds nothing that can be read
 */
QsRequest *
qs_request_from_text (const char *text, GError **error)
{
  g_autoptr (QsRequest) request = NULL;
  g_autoptr (GVariant) value = NULL;
  guint32 verb, flags;

  value = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, error);
  if (value == NULL)
    return NULL;

  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (value);
  if (!g_variant_dict_lookup (&dict, "verb", "u", &verb)
      || !g_variant_dict_lookup (&dict, "flags", "u", &flags) || verb >= QS_N_VERBS)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_FAILED,
                           "the journal holds an unknown request");
      return NULL;
    }

  request = qs_request_new (verb, flags);
  g_variant_dict_lookup (&dict, "caller", "u", &request->caller);
  g_variant_dict_lookup (&dict, "caller-is-owner", "b", &request->caller_is_owner);
  g_variant_dict_lookup (&dict, "snapshot", "s", &request->snapshot);
  request->options = g_variant_dict_lookup_value (&dict, "options", G_VARIANT_TYPE_VARDICT);
  if (!read_documents (request, &dict, error))
    return NULL;
  return g_steal_pointer (&request);
}
