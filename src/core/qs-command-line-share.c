/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-xml.h"

#include <string.h>

/* what of a document two processes cannot have at a time */

/* digits of a number behind QS_BESIDE_SUFFIX */
#define LONGEST_NUMBER 20

char *
qs_command_line_wanted_path (const char *path)
{
  const char *suffix = g_strrstr (path, QS_BESIDE_SUFFIX);
  const char *number = suffix ? suffix + strlen (QS_BESIDE_SUFFIX) : "";

  if (*number == '\0' || strspn (number, G_CSET_DIGITS) != strlen (number))
    return NULL;
  return g_strndup (path, (gsize)(suffix - path));
}

/* options that open something outside of QEMU. @harmless: values that do not */
static const struct
{
  const char *option;
  const char *harmless[4];
} outward[] = {
  { "chardev", { "null,", "ringbuf,", "pty,", NULL } },
  { "serial", { "none", "null", "pty", NULL } },
  { "parallel", { "none", "null", "pty", NULL } },
  { "monitor", { "none", "null", "pty", NULL } },
  { "vnc", { "none", NULL } },
  { "netdev", { "user,", NULL } },
  { "nic", { "none", "user", NULL } },
  { "net", { "none", "nic", NULL } },
  { "debugcon", { NULL } },
  { "qmp", { NULL } },
  { "qmp-pretty", { NULL } },
  { "spice", { NULL } },
  { "gdb", { NULL } },
  { "s", { NULL } },
  { "D", { NULL } },
  { "pidfile", { NULL } },
};

static gboolean
is_harmless (const char *const *prefixes, const char *value)
{
  if (strstr (value, "hostfwd") || strstr (value, "smb=") || strstr (value, "guestfwd"))
    return FALSE;
  for (guint i = 0; prefixes[i]; i++)
    if (g_str_has_prefix (value, prefixes[i]))
      return TRUE;
  return FALSE;
}

/* QEMU takes an option with one dash or with two */
static gboolean
is_outward (const char *word, const char *value)
{
  const char *name = word + strspn (word, "-");

  if (*word != '-')
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (outward); i++)
    if (g_str_equal (name, outward[i].option))
      return !is_harmless (outward[i].harmless, value);
  return FALSE;
}

static gboolean
check_custom (const QsDomainDef *def, GError **error)
{
  const xmlNode *root = xmlDocGetRootElement (def->doc);
  const xmlNode *node = qs_xml_child (qs_xml_child (root, "qemu:commandline"), "qemu:arg");

  for (; node; node = qs_xml_next (node, "qemu:arg"))
    {
      const xmlNode *next = qs_xml_next (node, "qemu:arg");
      g_autofree char *word = qs_xml_attribute (node, "value");
      g_autofree char *value = next ? qs_xml_attribute (next, "value") : NULL;

      if (!word || !is_outward (word, value ? value : ""))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                   "<qemu:arg> ‘%.32s’ names something that two processes cannot have at a time",
                   word);
      return FALSE;
    }
  return TRUE;
}

/* elements with a source that may be a socket */
static const char *const elements[] = { "serial", "console", "channel" };

/* (nullable): of a socket that the document names; one that is left to us lies in a folder of its own */
static char *
socket_path (const xmlNode *device)
{
  g_autofree char *type = qs_xml_attribute (device, "type");

  return g_strcmp0 (type, "unix") == 0 ? qs_xml_attribute (qs_xml_child (device, "source"), "path")
                                       : NULL;
}

static gboolean
connects (const xmlNode *device)
{
  g_autofree char *mode = qs_xml_attribute (qs_xml_child (device, "source"), "mode");

  return g_strcmp0 (mode, "connect") == 0;
}

GStrv
qs_command_line_sockets (const QsDomainDef *def)
{
  const xmlNode *devices = qs_xml_child (xmlDocGetRootElement (def->doc), "devices");
  g_autoptr (GStrvBuilder) paths = g_strv_builder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (elements); i++)
    for (const xmlNode *node = qs_xml_child (devices, elements[i]); node;
         node = qs_xml_next (node, elements[i]))
      {
        g_autofree char *path = connects (node) ? NULL : socket_path (node);

        if (path)
          g_strv_builder_add (paths, path);
      }
  return g_strv_builder_end (paths);
}

static gboolean
check_socket (const xmlNode *device, GError **error)
{
  g_autofree char *path = socket_path (device);
  const char *why = NULL;

  if (!path)
    return TRUE;
  if (connects (device))
    why = "is a connection that two processes cannot have at a time";
  else if (strlen (path) + strlen (QS_BESIDE_SUFFIX) + LONGEST_NUMBER > QS_MAX_SOCKET_BYTES)
    why = "has a path that is too long for a second name beside it";
  if (!why)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED, "socket ‘%s’ of <%s> %s", path,
               (const char *)device->name, why);
  return FALSE;
}

static gboolean
check_devices (const QsDomainDef *def, GError **error)
{
  const xmlNode *devices = qs_xml_child (xmlDocGetRootElement (def->doc), "devices");
  const xmlNode *graphics = qs_xml_child (devices, "graphics");

  for (guint i = 0; i < G_N_ELEMENTS (elements); i++)
    for (const xmlNode *node = qs_xml_child (devices, elements[i]); node;
         node = qs_xml_next (node, elements[i]))
      if (!check_socket (node, error))
        return FALSE;
  if (!graphics || !qs_xml_next (graphics, "graphics"))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                       "the domain has more than one <graphics>");
  return FALSE;
}

gboolean
qs_command_line_has_display (const QsDomainDef *def)
{
  const xmlNode *root = xmlDocGetRootElement (def->doc);

  return qs_xml_child (qs_xml_child (root, "devices"), "graphics") != NULL;
}

gboolean
qs_command_line_check_sharing (const QsDomainDef *def, QsSharing sharing, GError **error)
{
  if (sharing == QS_SHARING_NONE)
    return TRUE;
  return check_custom (def, error) && (sharing != QS_SHARING_BESIDE || check_devices (def, error));
}
