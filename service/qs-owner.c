/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-owner.h"

#include "qs-error.h"

/* uids that several services share, or that are given to another one after a while */
static const struct
{
  guint32 first;
  guint32 last;
} shared_uids[] = {
  { 61184, 65519 },
  { 65534, 65534 },
  { G_MAXUINT32, G_MAXUINT32 },
};

static gboolean
check_uid (guint32 uid, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (shared_uids); i++)
    if (uid >= shared_uids[i].first && uid <= shared_uids[i].last)
      {
        g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                     "uid %u is no one's for long, it cannot own a domain", uid);
        return FALSE;
      }
  return TRUE;
}

/**
 * qs_owner_check:
 *
 * The check of an option that names an owner.
 */
gboolean
qs_owner_check (const char *key, GVariant *value, GError **error)
{
  return check_uid (g_variant_get_uint32 (value), error);
}

/**
 * qs_owner_settle:
 * @options: a{sv}, checked
 * @owner: (out): the option of that name, else the caller
 */
gboolean
qs_owner_settle (const QsCall *call, GVariant *options, guint32 *owner, GError **error)
{
  guint32 uid = qs_call_get_uid (call);

  g_variant_lookup (options, "owner", "u", &uid);
  if (!check_uid (uid, error))
    return FALSE;
  if (!call->service->system_mode && uid != qs_call_get_uid (call))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_NOT_AUTHORIZED,
                           "on the session bus all domains are yours");
      return FALSE;
    }
  *owner = uid;
  return TRUE;
}
