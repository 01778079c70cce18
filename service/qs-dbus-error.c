/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-dbus-error.h"

#include "qs-names.h"

/**
 * qs_dbus_error_register:
 *
 * From here on GDBus knows each #QsError by its name on the bus.
 */
void
qs_dbus_error_register (void)
{
  for (guint code = 0; code < QS_N_ERRORS; code++)
    {
      g_autofree char *name = g_strconcat (QS_ERROR_PREFIX, qs_error_get_name (code), NULL);

      g_dbus_error_register_error (QS_ERROR, code, name);
    }
}

/**
 * qs_dbus_error_name:
 * @error: of our domain
 *
 * Returns: (transfer full): the name it has on the bus
 */
char *
qs_dbus_error_name (const GError *error)
{
  g_return_val_if_fail (error->domain == QS_ERROR, g_strdup (QS_ERROR_PREFIX "Failed"));
  return g_strconcat (QS_ERROR_PREFIX, qs_error_get_name (error->code), NULL);
}

/**
 * qs_dbus_error_return:
 * @invocation: (transfer full): ended by this
 * @error: (transfer full)
 */
void
qs_dbus_error_return (GDBusMethodInvocation *invocation, GError *error)
{
  qs_error_fold (&error);
  g_dbus_method_invocation_take_error (invocation, error);
}
