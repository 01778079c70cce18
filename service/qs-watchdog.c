/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-watchdog.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>

static GSocketAddress *
notify_address (const char *name)
{
  if (*name == '@')
    return g_unix_socket_address_new_with_type (name + 1, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT);
  return g_unix_socket_address_new (name);
}

static gboolean
on_alive (gpointer user_data)
{
  static const char message[] = "WATCHDOG=1";
  g_autoptr (GSocket) socket =
      g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
  g_autoptr (GSocketAddress) address = notify_address (user_data);

  if (socket == NULL)
    return G_SOURCE_CONTINUE;
  g_socket_set_blocking (socket, FALSE);
  g_socket_send_to (socket, address, message, sizeof (message) - 1, NULL, NULL);
  return G_SOURCE_CONTINUE;
}

/**
 * qs_watchdog_start:
 *
 * Tells systemd twice in its time that the main loop turns, if it wants to know.
 *
 * Returns: a source of the main context, or 0
 */
guint
qs_watchdog_start (void)
{
  const char *socket = g_getenv ("NOTIFY_SOCKET");
  const char *text = g_getenv ("WATCHDOG_USEC");
  guint64 period;

  if (socket == NULL || text == NULL
      || !g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT, &period, NULL))
    return 0;
  on_alive ((gpointer)socket);
  return g_timeout_add_full (G_PRIORITY_HIGH, period / 2000, on_alive, g_strdup (socket), g_free);
}
