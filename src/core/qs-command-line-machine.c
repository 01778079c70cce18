/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <string.h>

/* features that are options of -machine */
static const struct
{
  const char *feature;
  const char *option;
} switches[] = {
  { "vmport", "vmport" },
  { "smm", "smm" },
};

/* what a loader may be */
static const QsWord loader_types[] = { { "rom", "rom" }, { "pflash", "pflash" }, { NULL } };

static const QsWord image_formats[] = { { "raw", "raw" }, { "qcow2", "qcow2" }, { NULL } };

static const char *
yes_no (gboolean value)
{
  return value ? "on" : "off";
}

static gboolean
add_feature (const xmlNode *features, const char *feature, const char *option, GString *machine,
             GError **error)
{
  const xmlNode *node = qs_xml_child (features, feature);
  const char *word = "on";

  if (!node)
    return TRUE;
  if (!qs_line_word (node, "state", qs_words_on_off, &word, error))
    return FALSE;
  g_string_append_printf (machine, ",%s=%s", option, word);
  return TRUE;
}

/* libvirt's HPET is on unless its timer says otherwise, as QEMU's */
static gboolean
add_hpet (QsLine *line, GString *machine, GError **error)
{
  const xmlNode *timer = qs_xml_child (qs_xml_child (line->root, "clock"), "timer");

  for (; timer; timer = qs_xml_next (timer, "timer"))
    {
      g_autofree char *name = qs_xml_attribute (timer, "name");
      const char *present = "on";

      if (g_strcmp0 (name, "hpet") != 0)
        continue;
      if (!qs_line_word (timer, "present", qs_words_on_off, &present, error))
        return FALSE;
      g_string_append_printf (machine, ",hpet=%s", present);
    }
  return TRUE;
}

/* the file node and the format node of a flash chip */
static void
add_flash (QsLine *line, const char *node, const char *path, const char *format, gboolean readonly)
{
  JsonObject *file = json_object_new ();
  JsonObject *image = json_object_new ();
  g_autofree char *file_node = qs_node_name_file (node);

  json_object_set_string_member (file, "driver", "file");
  json_object_set_string_member (file, "filename", path);
  json_object_set_string_member (file, "node-name", file_node);
  json_object_set_boolean_member (file, "auto-read-only", TRUE);
  qs_line_take_json (line, "-blockdev", file);

  json_object_set_string_member (image, "node-name", node);
  json_object_set_boolean_member (image, "read-only", readonly);
  json_object_set_string_member (image, "driver", format);
  json_object_set_string_member (image, "file", file_node);
  if (g_str_equal (format, "qcow2"))
    json_object_set_null_member (image, "backing");
  qs_line_take_json (line, "-blockdev", image);
}

static gboolean
add_nvram (QsLine *line, GString *machine, GError **error)
{
  const xmlNode *node = qs_xml_child (qs_xml_child (line->root, "os"), "nvram");
  const char *path = line->options->nvram ? line->options->nvram : line->def->nvram;
  const char *format = "raw";

  if (!qs_line_word (node, "format", image_formats, &format, error))
    return FALSE;
  if (line->def->nvram && !qs_line_path (line, node, line->def->nvram, error))
    return FALSE;
  if (line->def->nvram_template && !qs_line_path (line, node, line->def->nvram_template, error))
    return FALSE;
  if (!path && line->def->nvram_template && !line->dry)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "no NVRAM file was made for the domain ‘%s’",
                   line->def->name);
      return FALSE;
    }
  if (!path)
    return TRUE;
  add_flash (line, "snapd-pflash1", path,
             line->options->nvram_format ? line->options->nvram_format : format, FALSE);
  g_string_append (machine, ",pflash1=snapd-pflash1");
  return TRUE;
}

static gboolean
add_loader (QsLine *line, const xmlNode *loader, GString *machine, GError **error)
{
  const char *type = "rom";
  const char *format = "raw";
  const char *readonly = "off";
  const char *secure = "off";

  if (!qs_line_word (loader, "type", loader_types, &type, error)
      || !qs_line_word (loader, "format", image_formats, &format, error)
      || !qs_line_word (loader, "readonly", qs_words_on_off, &readonly, error)
      || !qs_line_word (loader, "secure", qs_words_on_off, &secure, error)
      || !qs_line_path (line, loader, line->def->loader, error))
    return FALSE;
  if (g_str_equal (type, "rom"))
    {
      qs_line_add (line, "-bios", line->def->loader);
      return TRUE;
    }

  add_flash (line, "snapd-pflash0", line->def->loader, format, g_str_equal (readonly, "on"));
  g_string_append (machine, ",pflash0=snapd-pflash0");
  if (g_str_equal (secure, "on"))
    qs_line_add (line, "-global", "driver=cfi.pflash01,property=secure,value=on");
  return add_nvram (line, machine, error);
}

static gboolean
add_firmware (QsLine *line, GString *machine, GError **error)
{
  const xmlNode *os = qs_xml_child (line->root, "os");
  g_autofree char *firmware = qs_xml_attribute (os, "firmware");

  if (line->def->loader)
    return add_loader (line, qs_xml_child (os, "loader"), machine, error);
  if (firmware && !g_str_equal (firmware, "bios"))
    return qs_line_refuse (error, os,
                           "asks for firmware ‘%.32s’ without naming it; write a <loader> into it",
                           firmware);
  return TRUE;
}

static gboolean
check_type (QsLine *line, GError **error)
{
  static const QsWord arches[] = { { "x86_64", "" }, { "i686", "" }, { NULL } };
  static const QsWord types[] = { { "hvm", "" }, { NULL } };
  static const QsProp content[] = { { NULL, NULL, "type", QS_PROP_WORD, 0, types }, { NULL } };
  g_autoptr (JsonObject) scratch = json_object_new ();
  const xmlNode *type = qs_xml_child (qs_xml_child (line->root, "os"), "type");
  const char *arch = NULL;

  if (!type)
    return qs_line_refuse (error, line->root, "has no <os> with a <type>");
  return qs_line_properties (type, content, scratch, error)
         && qs_line_word (type, "arch", arches, &arch, error);
}

static gboolean
check_machine (QsLine *line, GError **error)
{
  const xmlNode *type = qs_xml_child (qs_xml_child (line->root, "os"), "type");

  if (!qs_machine_chipset (line->def->machine, &line->chipset)
      || !qs_line_is_word (line->def->machine, "-._+", QS_MAX_WORD_BYTES))
    return qs_line_refuse (error, type,
                           "is not translated with the machine ‘%.64s’; it can be: pc, q35, "
                           "pc-i440fx-*, pc-q35-*",
                           line->def->machine ? line->def->machine : "");
  return TRUE;
}

/* -machine, and what it refers to before it */
gboolean
qs_line_machine (QsLine *line, GError **error)
{
  g_autoptr (GString) machine = g_string_new (NULL);
  const xmlNode *features = qs_xml_child (line->root, "features");

  if (!check_type (line, error) || !check_machine (line, error))
    return FALSE;
  g_string_append_printf (machine, "%s,accel=%s,usb=off,dump-guest-core=off", line->def->machine,
                          line->def->kvm ? "kvm" : "tcg");
  for (guint i = 0; i < G_N_ELEMENTS (switches); i++)
    if (!add_feature (features, switches[i].feature, switches[i].option, machine, error))
      return FALSE;
  g_string_append_printf (machine, ",acpi=%s", yes_no (qs_xml_child (features, "acpi") != NULL));
  if (!add_hpet (line, machine, error) || !add_firmware (line, machine, error))
    return FALSE;
  qs_line_add (line, "-machine", machine->str);
  return TRUE;
}
