/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-namesakes.h"

#include "qs-error.h"
#include "qs-limits.h"

void
qs_namesakes_find (QsNamesakes *found, const QsService *service, guint32 owner,
                   const QsDomainDef *def)
{
  GHashTableIter iter;
  QsDomain *domain;

  *found = (QsNamesakes){ .owner = owner };
  g_hash_table_iter_init (&iter, service->domains);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&domain))
    {
      if (domain->owner != owner)
        continue;
      found->n_of_owner++;
      if (g_strcmp0 (domain->uuid, def->uuid) == 0)
        found->same_uuid = domain;
      if (g_str_equal (domain->name, def->name))
        found->same_name = domain;
    }
}

/* what another owner has is told only to one who may see it anyway */
static gboolean
may_be_told (const QsCall *call, const QsNamesakes *found)
{
  return found->owner == qs_call_get_uid (call) || qs_call_is_privileged (call)
         || g_hash_table_contains (call->granted, "inspect");
}

static void
set_exists (const QsCall *call, const QsNamesakes *found, const QsDomainDef *def, GError **error)
{
  if (may_be_told (call, found))
    g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS,
                 "a domain ‘%s’ is there already, with uuid %s", def->name, found->same_name->uuid);
  else
    g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS, "uid %u has a domain ‘%s’ already",
                 found->owner, def->name);
}

static void
set_uuid_exists (const QsCall *call, const QsNamesakes *found, GError **error)
{
  if (may_be_told (call, found))
    g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS, "domain ‘%s’ has the uuid %s already",
                 found->same_uuid->name, found->same_uuid->uuid);
  else
    g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS,
                 "uid %u has a domain of that uuid already", found->owner);
}

static void
set_full (const QsCall *call, const QsNamesakes *found, GError **error)
{
  if (may_be_told (call, found))
    g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED, "uid %u has %u domains, that is all",
                 found->owner, found->n_of_owner);
  else
    g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED, "no more domains for uid %u",
                 found->owner);
}

/**
 * qs_namesakes_check:
 * @replaced: (nullable): the domain that is to be another from now on; NULL: a new one is made
 *
 * Returns: whether name and uuid are free among the domains of the owner, and there is room
 */
gboolean
qs_namesakes_check (const QsNamesakes *found, const QsCall *call, const QsDomain *replaced,
                    const QsDomainDef *def, GError **error)
{
  if (found->same_name != NULL && found->same_name != replaced)
    {
      set_exists (call, found, def, error);
      return FALSE;
    }
  if (found->same_uuid != NULL && found->same_uuid != replaced)
    {
      set_uuid_exists (call, found, error);
      return FALSE;
    }
  if (replaced == NULL
      && (found->n_of_owner >= QS_MAX_DOMAINS_PER_UID
          || g_hash_table_size (call->service->domains) >= QS_MAX_DOMAINS))
    {
      set_full (call, found, error);
      return FALSE;
    }
  return TRUE;
}
