/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include <string.h>

/* nothing in and below such an element changes the machine, or the service keeps it elsewhere */
#define OPAQUE "*"

/* what of a domain document is translated, or knowingly needs nothing: its elements by their paths
 * and their attributes; whatever is not here is refused, so that nothing is left out in silence */
static const struct
{
  const char *path;
  const char *attributes;
} known[] = {
  { "domain", "type id" },
  { "domain/name", "" },
  { "domain/uuid", "" },
  { "domain/genid", "" },
  { "domain/title", "" },
  { "domain/description", "" },
  { "domain/metadata", OPAQUE },
  { "domain/resource", OPAQUE },
  { "domain/seclabel", OPAQUE },
  { "domain/memory", "unit" },
  { "domain/currentMemory", "unit" },
  { "domain/vcpu", "placement current" },
  { "domain/os", "firmware" },
  { "domain/os/type", "arch machine" },
  { "domain/os/firmware", OPAQUE },
  { "domain/os/loader", "readonly type secure format" },
  { "domain/os/nvram", "template templateFormat format type" },
  { "domain/os/nvram/source", "file" },
  { "domain/os/kernel", "" },
  { "domain/os/initrd", "" },
  { "domain/os/cmdline", "" },
  { "domain/os/boot", "dev" },
  { "domain/os/bootmenu", "enable timeout" },
  { "domain/features", "" },
  { "domain/features/acpi", "" },
  { "domain/features/apic", "" },
  { "domain/features/pae", "" },
  { "domain/features/hap", "state" },
  { "domain/features/vmport", "state" },
  { "domain/features/smm", "state" },
  { "domain/cpu", "mode match check migratable" },
  { "domain/cpu/model", "fallback" },
  { "domain/cpu/vendor", "" },
  { "domain/cpu/topology", "sockets dies cores threads" },
  { "domain/cpu/feature", "policy name" },
  { "domain/clock", "offset" },
  { "domain/clock/timer", "name tickpolicy present" },
  { "domain/on_poweroff", "" },
  { "domain/on_reboot", "" },
  { "domain/on_crash", "" },
  { "domain/pm", "" },
  { "domain/pm/suspend-to-mem", "enabled" },
  { "domain/pm/suspend-to-disk", "enabled" },
  { "domain/devices", "" },
  { "domain/devices/emulator", "" },
  { "domain/devices/audio", "id type" },
  { "domain/devices/disk", "type device snapshot model" },
  { "domain/devices/disk/driver",
    "name type cache io discard detect_zeroes error_policy rerror_policy queues queue_size "
    "ioeventfd event_idx" },
  { "domain/devices/disk/source", "file dev protocol name startupPolicy index" },
  { "domain/devices/disk/source/host", "name port transport socket" },
  { "domain/devices/disk/source/seclabel", OPAQUE },
  { "domain/devices/disk/source/privateData", OPAQUE },
  { "domain/devices/disk/target", "dev bus tray removable rotation_rate" },
  { "domain/devices/disk/backingStore", OPAQUE },
  { "domain/devices/disk/mirror", OPAQUE },
  { "domain/devices/disk/readonly", "" },
  { "domain/devices/disk/shareable", "" },
  { "domain/devices/disk/serial", "" },
  { "domain/devices/disk/wwn", "" },
  { "domain/devices/disk/vendor", "" },
  { "domain/devices/disk/product", "" },
  { "domain/devices/disk/boot", "order" },
  { "domain/devices/disk/blockio", "logical_block_size physical_block_size" },
  { "domain/devices/controller", "type index model ports vectors" },
  { "domain/devices/controller/driver", "queues" },
  { "domain/devices/controller/model", "name" },
  { "domain/devices/controller/target", "chassis port hotplug chassisNr" },
  { "domain/devices/controller/master", "startport" },
  { "domain/devices/interface", "type" },
  { "domain/devices/interface/mac", "address" },
  { "domain/devices/interface/model", "type" },
  { "domain/devices/interface/target", "dev" },
  { "domain/devices/interface/link", "state" },
  { "domain/devices/interface/boot", "order" },
  { "domain/devices/serial", "type tty" },
  { "domain/devices/serial/source", "mode path append" },
  { "domain/devices/serial/target", "type port" },
  { "domain/devices/serial/target/model", "name" },
  { "domain/devices/console", "type tty" },
  { "domain/devices/console/source", "mode path append" },
  { "domain/devices/console/target", "type port" },
  { "domain/devices/channel", "type tty" },
  { "domain/devices/channel/source", "mode path append" },
  { "domain/devices/channel/target", "type name state" },
  { "domain/devices/graphics", "type port autoport listen socket keymap sharePolicy" },
  { "domain/devices/graphics/listen", "type address socket" },
  { "domain/devices/video", "" },
  { "domain/devices/video/model", "type vram vgamem ram heads primary" },
  { "domain/devices/video/model/resolution", "x y" },
  { "domain/devices/input", "type bus" },
  { "domain/devices/rng", "model" },
  { "domain/devices/rng/rate", "bytes period" },
  { "domain/devices/rng/backend", "model" },
  { "domain/devices/memballoon", "model autodeflate freePageReporting" },
  { "domain/devices/memballoon/stats", "period" },
  { "domain/devices/watchdog", "model action" },
  { "domain/devices/panic", "model" },
  { "domain/qemu:commandline", "" },
  { "domain/qemu:commandline/qemu:arg", "value" },
  { "domain/qemu:commandline/qemu:env", "name value" },
};

/* in any device: PCI and other addresses are read, aliases are ours to choose */
static const char *const in_any_device[] = { "alias", "address" };

static const char qemu_namespace[] = "http://libvirt.org/schemas/domain/qemu/1.0";

static const char *
find_attributes (const char *path)
{
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (g_str_equal (known[i].path, path))
      return known[i].attributes;
  return NULL;
}

static gboolean
is_in_any_device (const xmlNode *node, const char *parent)
{
  if (!g_str_has_prefix (parent, "domain/devices/") || node->ns)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (in_any_device); i++)
    if (g_str_equal (node->name, in_any_device[i]))
      return TRUE;
  return FALSE;
}

static gboolean
has_word (const char *words, const char *word)
{
  gsize length = strlen (word);

  for (const char *at = strstr (words, word); at; at = strstr (at + 1, word))
    if ((at == words || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
      return TRUE;
  return FALSE;
}

static gboolean
check_attributes (const xmlNode *node, const char *attributes, GError **error)
{
  for (const xmlAttr *attribute = node->properties; attribute; attribute = attribute->next)
    if (attribute->ns || !has_word (attributes, (const char *)attribute->name))
      return qs_line_refuse (error, node,
                             "has the attribute ‘%.64s’, which is not translated; take it out of "
                             "the definition to start the domain here",
                             (const char *)attribute->name);
  return TRUE;
}

static gboolean
check_element (const xmlNode *node, const char *parent, GError **error)
{
  gboolean is_qemu = node->ns && g_strcmp0 ((const char *)node->ns->href, qemu_namespace) == 0;
  const char *prefix = is_qemu ? "qemu:" : node->ns ? "?:" : "";
  g_autofree char *path = g_strconcat (parent, *parent ? "/" : "", prefix, node->name, NULL);
  const char *attributes = find_attributes (path);

  if (is_in_any_device (node, parent))
    return TRUE;
  if (!attributes)
    return qs_line_refuse (error, node,
                           "is not translated; take it out of the definition to start the domain "
                           "here");
  if (g_str_equal (attributes, OPAQUE))
    return TRUE;
  if (!check_attributes (node, attributes, error))
    return FALSE;

  for (const xmlNode *child = qs_xml_child (node, NULL); child; child = qs_xml_next (child, NULL))
    if (!check_element (child, path, error))
      return FALSE;
  return TRUE;
}

/**
 * qs_line_known:
 *
 * Refuses the first element or attribute of the document that is not translated.
 */
gboolean
qs_line_known (const xmlNode *root, GError **error)
{
  return check_element (root, "", error);
}
