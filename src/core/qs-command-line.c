/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line.h"

#include "qs-command-line-private.h"
#include "qs-error.h"
#include "qs-genid.h"
#include "qs-limits.h"

#include <string.h>

#define EMULATOR_FOLDER "/usr/bin/"
#define EMULATOR_PREFIX "/usr/bin/qemu-system-"

/* what the guest may not do to the host even if it gets into QEMU */
#define SANDBOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

/* one row for each device that is translated; controllers come first, in their own pass */
static const struct
{
  const char *element;
  gboolean (*add) (QsLine *line, const xmlNode *device, GError **error);
} devices[] = {
  { "disk", qs_line_disk },         { "interface", qs_line_interface },
  { "serial", qs_line_serial },     { "console", qs_line_console },
  { "channel", qs_line_channel },   { "graphics", qs_line_graphics },
  { "video", qs_line_video },       { "input", qs_line_input },
  { "rng", qs_line_rng },           { "memballoon", qs_line_memballoon },
  { "watchdog", qs_line_watchdog }, { "panic", qs_line_panic },
  { "audio", qs_line_audio },
};

static gboolean
add_emulator (QsLine *line, GError **error)
{
  const xmlNode *type = qs_xml_child (qs_xml_child (line->root, "os"), "type");
  g_autofree char *arch = qs_xml_attribute (type, "arch");
  const char *emulator = line->def->emulator;

  if (!emulator)
    {
      g_ptr_array_add (
          line->words,
          g_strconcat (EMULATOR_PREFIX, g_strcmp0 (arch, "i686") == 0 ? "i386" : "x86_64", NULL));
      return TRUE;
    }
  if (!line->options->allow_custom
      && (!g_str_has_prefix (emulator, EMULATOR_PREFIX)
          || strchr (emulator + strlen (EMULATOR_FOLDER), '/')))
    return qs_line_refuse (error, qs_xml_child (line->devices, "emulator"),
                           "is not one of " EMULATOR_PREFIX "*; only the owner of a domain may "
                           "define it with another");
  g_ptr_array_add (line->words, g_strdup (emulator));
  return qs_line_path (line, qs_xml_child (line->devices, "emulator"), emulator, error);
}

static gboolean
is_variable (const char *name)
{
  for (const char *at = name; *at; at++)
    if (!(g_ascii_isalpha (*at) || *at == '_' || (at != name && g_ascii_isdigit (*at))))
      return FALSE;
  return *name != '\0';
}

/* env(1) sets the variables and becomes QEMU: a process is started from an argument vector alone */
static gboolean
add_environment (QsLine *line, const xmlNode *custom, GError **error)
{
  const xmlNode *node = qs_xml_child (custom, "qemu:env");

  if (node)
    g_ptr_array_add (line->words, g_strdup ("/usr/bin/env"));
  if (node && line->def->emulator && strchr (line->def->emulator, '='))
    return qs_line_refuse (error, node, "cannot be set for an <emulator> with a ‘=’ in its path");
  for (; node; node = qs_xml_next (node, "qemu:env"))
    {
      g_autofree char *name = qs_xml_attribute (node, "name");
      g_autofree char *value = qs_xml_attribute (node, "value");

      if (!name || !is_variable (name))
        return qs_line_refuse (error, node, "has no usable name");
      g_ptr_array_add (line->words, g_strconcat (name, "=", value ? value : "", NULL));
    }
  return TRUE;
}

static gboolean
add_custom (QsLine *line, const xmlNode *custom, GError **error)
{
  guint left_out = 0;

  for (const xmlNode *node = qs_xml_child (custom, "qemu:arg"); node;
       node = qs_xml_next (node, "qemu:arg"))
    {
      g_autofree char *value = qs_xml_attribute (node, "value");

      if (!value)
        return qs_line_refuse (error, node, "has no value");
      if (left_out == 0 && line->options->sharing == QS_SHARING_PROOF)
        left_out = qs_line_outward_words (value);
      if (left_out > 0)
        {
          left_out--;
          continue;
        }
      g_ptr_array_add (line->words, g_steal_pointer (&value));
    }
  return TRUE;
}

static void
add_identity (QsLine *line)
{
  g_autofree char *name = qs_line_escape (line->def->name);

  qs_line_take (line, "-name", g_strdup_printf ("guest=%s,debug-threads=on", name));
  if (line->def->uuid)
    qs_line_add (line, "-uuid", line->def->uuid);
  qs_line_add (line, "-S", NULL);
  qs_line_add (line, "-nodefaults", NULL);
  qs_line_add (line, "-no-user-config", NULL);
  qs_line_add (line, "-sandbox", SANDBOX);
  qs_line_add (line, "-display", "none");
}

static void
add_monitor (QsLine *line)
{
  g_autofree char *path = qs_line_escape (line->options->qmp_socket);

  qs_line_take (line, "-chardev",
                g_strdup_printf ("socket,id=snapd-qmp,path=%s,server=on,wait=off", path));
  qs_line_add (line, "-mon", "chardev=snapd-qmp,mode=control");
  if (line->options->incoming == QS_INCOMING_DEFER)
    qs_line_add (line, "-incoming", "defer");
}

/* the device that shows it to the guest needs ACPI */
static gboolean
add_genid (QsLine *line, GError **error)
{
  const xmlNode *node = qs_xml_child (line->root, "genid");
  g_autofree char *genid = qs_genid_get (line->def);
  g_autoptr (JsonObject) object = NULL;

  if (!node)
    return TRUE;
  if (!genid)
    return qs_line_refuse (error, node, "is no uuid");
  object = qs_line_device ("vmgenid", "snapd-genid");
  json_object_set_string_member (object, "guid", genid);
  qs_line_take_json (line, "-device", g_steal_pointer (&object));
  return TRUE;
}

/* a bus comes after the one that its bridge sits on; TRUE as well for one that came already */
static gboolean
add_bus (QsLine *line, guint index, gboolean *is_done, GError **error)
{
  const xmlNode *node = qs_controller_find (line->devices, "pci", index);
  QsPciAddress address = { 0 };

  if (is_done[index] || !node)
    return TRUE;
  is_done[index] = TRUE;
  if (qs_address_node (node, "pci")
      && (!qs_address_pci (node, &address, error) || !add_bus (line, address.bus, is_done, error)))
    return FALSE;
  return qs_line_controller (line, node, error);
}

static gboolean
add_buses (QsLine *line, GError **error)
{
  gboolean is_done[QS_MAX_PCI_BUS + 1] = { FALSE };

  for (guint i = 0; i <= QS_MAX_PCI_BUS; i++)
    if (!add_bus (line, i, is_done, error))
      return FALSE;
  return TRUE;
}

static gboolean
add_controllers (QsLine *line, GError **error)
{
  const xmlNode *node = qs_xml_child (line->devices, "controller");

  for (; node; node = qs_xml_next (node, "controller"))
    if (!qs_controller_is (node, "pci") && !qs_line_controller (line, node, error))
      return FALSE;
  return TRUE;
}

static gboolean
add_device (QsLine *line, const xmlNode *node, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (devices); i++)
    if (g_str_equal (node->name, devices[i].element))
      return devices[i].add (line, node, error);
  return TRUE;
}

static gboolean
add_devices (QsLine *line, GError **error)
{
  /* a bus must be there before what is plugged into it */
  if (!add_buses (line, error) || !add_controllers (line, error))
    return FALSE;
  for (const xmlNode *node = qs_xml_child (line->devices, NULL); node;
       node = qs_xml_next (node, NULL))
    if (!add_device (line, node, error))
      return FALSE;
  return TRUE;
}

static gboolean
build (QsLine *line, GError **error)
{
  const xmlNode *custom = qs_xml_child (line->root, "qemu:commandline");

  if (!qs_line_known (line->root, error))
    return FALSE;
  if (custom && !line->options->allow_custom)
    return qs_line_refuse (error, custom, "is for the owner of a domain alone");
  if (!add_environment (line, custom, error) || !add_emulator (line, error))
    return FALSE;
  add_identity (line);
  add_monitor (line);
  return qs_line_machine (line, error) && qs_line_cpu (line, error) && qs_line_clock (line, error)
         && add_genid (line, error) && qs_line_events (line, error) && qs_line_boot (line, error)
         && add_devices (line, error) && add_custom (line, custom, error);
}

static void
line_clear (QsLine *line)
{
  g_clear_pointer (&line->words, g_ptr_array_unref);
  g_clear_pointer (&line->paths, g_ptr_array_unref);
  g_clear_pointer (&line->counts, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsLine, line_clear)

static void
line_init (QsLine *line, const QsDomainDef *def, const QsCommandLineOptions *options, gboolean dry)
{
  line->def = def;
  line->options = options;
  line->dry = dry;
  line->root = xmlDocGetRootElement (def->doc);
  line->devices = qs_xml_child (line->root, "devices");
  line->words = g_ptr_array_new_with_free_func (g_free);
  line->paths = g_ptr_array_new_with_free_func (g_free);
  line->counts = g_hash_table_new (g_str_hash, g_str_equal);
}

static GStrv
take_array (GPtrArray **array)
{
  g_ptr_array_add (*array, NULL);
  return (GStrv)g_ptr_array_free (g_steal_pointer (array), FALSE);
}

GStrv
qs_command_line_new (const QsDomainDef *def, const QsCommandLineOptions *options, GError **error)
{
  g_autoptr (QsDomainDef) assigned = qs_domain_def_assign_addresses (def, NULL, NULL, error);
  g_auto (QsLine) line = { 0 };

  if (!assigned)
    return NULL;
  line_init (&line, assigned, options, FALSE);
  return build (&line, error) ? take_array (&line.words) : NULL;
}

GVariant *
qs_command_line_display (const QsDomainDef *def, const QsCommandLineOptions *options)
{
  g_auto (QsLine) line = { 0 };
  const xmlNode *graphics;

  line_init (&line, def, options, TRUE);
  graphics = qs_xml_child (line.devices, "graphics");
  return graphics ? qs_line_display (&line, graphics) : NULL;
}

static const QsCommandLineOptions dry_options = {
  .qmp_socket = "/run/monitor",
  .allow_custom = TRUE,
};

GStrv
qs_command_line_paths (const QsDomainDef *def, GError **error)
{
  g_autoptr (QsDomainDef) assigned = qs_domain_def_assign_addresses (def, NULL, NULL, error);
  g_auto (QsLine) line = { 0 };

  if (!assigned)
    return NULL;
  line_init (&line, assigned, &dry_options, TRUE);
  return build (&line, error) ? take_array (&line.paths) : NULL;
}

gboolean
qs_command_line_check (const QsDomainDef *def, GError **error)
{
  g_auto (GStrv) paths = qs_command_line_paths (def, error);

  return paths != NULL;
}
