/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-quota.h"

#include "qs-error.h"
#include "qs-limits.h"

static guint
count_of_owner (const QsService *service, guint32 owner, guint *all)
{
  GHashTableIter iter;
  QsDomain *domain;
  guint n = 0;

  *all = 0;
  g_hash_table_iter_init (&iter, service->domains);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&domain))
    {
      *all += qs_tree_size (domain->tree);
      if (domain->owner == owner)
        n += qs_tree_size (domain->tree);
    }
  return n;
}

/**
 * qs_quota_check:
 *
 * Returns: whether the domain of @call may have one snapshot more
 */
gboolean
qs_quota_check (const QsCall *call, GError **error)
{
  const QsSettings *settings = &call->service->settings;
  guint all;
  guint of_owner = count_of_owner (call->service, call->domain->owner, &all);
  guint of_domain = qs_tree_size (call->domain->tree);

  if (of_domain < settings->snapshots_per_domain && of_owner < settings->snapshots_per_uid
      && all < QS_MAX_SNAPSHOTS)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
               "no more snapshots: the domain has %u of %u, uid %u has %u of %u; delete some",
               of_domain, settings->snapshots_per_domain, call->domain->owner, of_owner,
               settings->snapshots_per_uid);
  return FALSE;
}
