/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-error.h"
#include "qs-limits.h"

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

/* options that open something outside of QEMU. @harmless: values that do not; @words: those that an
   option has which nothing else of the command line refers to, and which a trial goes without; 0: others
   may refer to it */
static const struct
{
  const char *option;
  guint words;
  const char *harmless[4];
} outward[] = {
  { "chardev", 0, { "null,", "ringbuf,", "pty,", NULL } },
  { "serial", 0, { "none", "null", "pty", NULL } },
  { "parallel", 0, { "none", "null", "pty", NULL } },
  { "netdev", 0, { "user,", NULL } },
  { "nic", 0, { "none", "user", NULL } },
  { "net", 0, { "none", "nic", NULL } },
  { "spice", 0, { NULL } },
  { "monitor", 2, { "none", "null", "pty", NULL } },
  { "vnc", 2, { "none", NULL } },
  { "qmp", 2, { NULL } },
  { "qmp-pretty", 2, { NULL } },
  { "gdb", 2, { NULL } },
  { "pidfile", 2, { NULL } },
  { "D", 2, { NULL } },
  { "debugcon", 2, { NULL } },
  { "s", 1, { NULL } },
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

/* QEMU takes an option with one dash or with two. G_MAXUINT: it opens nothing */
static guint
find_outward (const char *word, const char *value)
{
  const char *name = word + strspn (word, "-");

  for (guint i = 0; *word == '-' && i < G_N_ELEMENTS (outward); i++)
    if (g_str_equal (name, outward[i].option))
      return is_harmless (outward[i].harmless, value) ? G_MAXUINT : i;
  return G_MAXUINT;
}

guint
qs_line_outward_words (const char *word)
{
  guint found = find_outward (word, "");

  return found < G_N_ELEMENTS (outward) ? outward[found].words : 0;
}

static gboolean
check_custom (const QsDomainDef *def, QsSharing sharing, GError **error)
{
  const xmlNode *root = xmlDocGetRootElement (def->doc);
  const xmlNode *node = qs_xml_child (qs_xml_child (root, "qemu:commandline"), "qemu:arg");

  for (; node; node = qs_xml_next (node, "qemu:arg"))
    {
      const xmlNode *next = qs_xml_next (node, "qemu:arg");
      g_autofree char *word = qs_xml_attribute (node, "value");
      g_autofree char *value = next ? qs_xml_attribute (next, "value") : NULL;

      guint found = word ? find_outward (word, value ? value : "") : G_MAXUINT;

      if (found == G_MAXUINT || (sharing == QS_SHARING_PROOF && outward[found].words > 0))
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
  return check_custom (def, sharing, error)
         && (sharing != QS_SHARING_BESIDE || check_devices (def, error));
}
