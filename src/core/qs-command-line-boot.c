/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <string.h>

static const char *const boot_classes[] = { "hd", "cdrom", "fd", "network" };
G_STATIC_ASSERT (G_N_ELEMENTS (boot_classes) == QS_N_BOOT_CLASSES);

static gboolean
has_device_order (const QsLine *line)
{
  for (const xmlNode *node = qs_xml_child (line->devices, NULL); node;
       node = qs_xml_next (node, NULL))
    if (qs_xml_child (node, "boot"))
      return TRUE;
  return FALSE;
}

static gboolean
read_class (QsLine *line, const xmlNode *boot, guint index, GError **error)
{
  g_autofree char *class = qs_xml_attribute (boot, "dev");

  for (guint i = 0; class && i < G_N_ELEMENTS (boot_classes); i++)
    if (g_str_equal (class, boot_classes[i]))
      {
        if (!line->boot[i])
          line->boot[i] = index;
        return TRUE;
      }
  return qs_line_refuse (error, boot, "names no kind of device; it can be: hd, cdrom, fd, network");
}

static gboolean
read_order (QsLine *line, const xmlNode *os, GError **error)
{
  const xmlNode *boot = qs_xml_child (os, "boot");
  guint index = 0;

  if (has_device_order (line))
    return !boot
           || qs_line_refuse (error, boot,
                              "and the <boot> of devices contradict each other; leave one out");
  for (; boot; boot = qs_xml_next (boot, "boot"))
    if (!read_class (line, boot, ++index, error))
      return FALSE;
  if (!index)
    line->boot[QS_BOOT_HD] = 1;
  return TRUE;
}

static gboolean
add_menu (QsLine *line, const xmlNode *menu, GError **error)
{
  g_autoptr (GString) value = g_string_new ("strict=on");
  const char *enable = NULL;
  guint64 timeout = 0;

  if (!qs_line_word (menu, "enable", qs_words_on_off, &enable, error)
      || !qs_line_number (menu, "timeout", QS_MAX_SPLASH_MILLISECONDS, &timeout, error))
    return FALSE;
  if (enable)
    g_string_append_printf (value, ",menu=%s", enable);
  if (timeout)
    g_string_append_printf (value, ",splash-time=%" G_GUINT64_FORMAT, timeout);
  qs_line_add (line, "-boot", value->str);
  return TRUE;
}

/* for a multiboot kernel a comma begins the next module, whose path nobody has checked */
static gboolean
check_initrd (const xmlNode *node, const char *path, GError **error)
{
  return !strchr (path, ',') || qs_line_refuse (error, node, "has a comma in its path");
}

static gboolean
add_file (QsLine *line, const xmlNode *os, const char *element, const char *option, GError **error)
{
  const xmlNode *node = qs_xml_child (os, element);
  g_autofree char *path = NULL;

  if (!node)
    return TRUE;
  path = g_strstrip (qs_xml_text (node));
  if (!qs_line_path (line, node, path, error)
      || (g_str_equal (element, "initrd") && !check_initrd (node, path, error)))
    return FALSE;
  qs_line_add (line, option, path);
  return TRUE;
}

static gboolean
add_kernel (QsLine *line, const xmlNode *os, GError **error)
{
  static const QsProp words[] = {
    { NULL, NULL, "cmdline", QS_PROP_TEXT, QS_MAX_KERNEL_WORDS_BYTES, NULL }, { NULL }
  };
  g_autoptr (JsonObject) checked = json_object_new ();
  const xmlNode *node = qs_xml_child (os, "cmdline");
  g_autofree char *cmdline = NULL;

  if (!add_file (line, os, "kernel", "-kernel", error)
      || !add_file (line, os, "initrd", "-initrd", error))
    return FALSE;
  if (!node)
    return TRUE;
  if (!qs_line_properties (node, words, checked, error))
    return FALSE;
  if (!qs_xml_child (os, "kernel"))
    return qs_line_refuse (error, node, "needs a <kernel>");
  qs_line_add (line, "-append", json_object_get_string_member (checked, "cmdline"));
  return TRUE;
}

/* -boot and a kernel; also lays out the boot order of the devices that follow */
gboolean
qs_line_boot (QsLine *line, GError **error)
{
  const xmlNode *os = qs_xml_child (line->root, "os");

  return read_order (line, os, error) && add_menu (line, qs_xml_child (os, "bootmenu"), error)
         && add_kernel (line, os, error);
}
