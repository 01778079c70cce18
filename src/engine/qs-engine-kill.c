/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-error.h"

/* the end of the guest may have been noticed meanwhile; a process that has followed it stays */
static void
forget (QsEngine *engine, const QsDomain *killed)
{
  g_autoptr (QsDomain) now = qs_registry_get (engine->registry, killed->id);
  g_autoptr (QsGuest) guest = qs_registry_get_guest (engine->registry, killed->id);

  if (now != NULL && now->process != NULL && now->process->pid == killed->process->pid
      && now->process->start_time == killed->process->start_time)
    qs_registry_drop_guest (engine->registry, killed->id, guest);
}

gboolean
qs_engine_kill (QsEngine *engine, const char *id, GError **error)
{
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, id);

  if (domain == NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_NO_DOMAIN, "the domain is gone");
      return FALSE;
    }
  if (domain->process == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "domain ‘%s’ is not running",
                   domain->name);
      return FALSE;
    }
  if (!qs_launcher_kill (engine->launcher, domain->process, error))
    return FALSE;
  forget (engine, domain);
  return TRUE;
}
