/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line.h"
#include "qs-error.h"

#include <string.h>

#define DISK(target)                                                                               \
  "<disk type='file'><driver type='raw'/><source file='/" target "'/><target dev='" target         \
  "' bus='virtio'/></disk>"
#define NIC "<interface type='user'><model type='virtio'/></interface>"
#define E1000 "<interface type='user'><model type='e1000'/></interface>"
#define BALLOON "<memballoon model='virtio'/>"
#define TABLET "<input type='tablet' bus='usb'/>"
#define KEYBOARD "<input type='keyboard' bus='usb'/>"
#define VIDEO "<video><model type='vga'/></video>"
#define CHANNEL(name) "<channel type='pty'><target type='virtio' name='" name "'/></channel>"

static QsDomainDef *
parse (const char *machine, const char *devices)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text =
      g_strdup_printf ("<domain type='qemu'><name>d</name>"
                       "<uuid>5b1f3a36-0c3c-4f0e-9d0a-6a1f2b3c4dff</uuid><memory>65536</memory>"
                       "<os><type arch='x86_64' machine='%s'>hvm</type></os>"
                       "<devices>%s</devices></domain>",
                       machine, devices);
  QsDomainDef *def = qs_domain_def_new (text, &error);

  g_assert_no_error (error);
  return def;
}

static QsDomainDef *
assign (const char *machine, const char *devices, const QsDomainDef *previous)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = parse (machine, devices);
  QsDomainDef *assigned = qs_domain_def_assign_addresses (def, previous, NULL, &error);

  g_assert_no_error (error);
  return assigned;
}

static const xmlNode *
devices_of (const QsDomainDef *def)
{
  return qs_xml_child (xmlDocGetRootElement (def->doc), "devices");
}

/* where the device is that comes at this place among those of its element */
static char *
place_of (const QsDomainDef *def, const char *element, guint rank)
{
  const xmlNode *node = qs_xml_child (devices_of (def), element);
  const xmlNode *address = NULL;
  g_autoptr (GString) place = g_string_new (NULL);
  static const char *const parts[] = { "bus", "controller", "slot", "function", "port", "unit" };

  while (rank--)
    node = qs_xml_next (node, element);
  address = qs_xml_child (node, "address");
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree char *part = qs_xml_attribute (address, parts[i]);

      if (part)
        g_string_append_printf (place, "%s%s", place->len ? " " : "", part);
    }
  return g_string_free (g_steal_pointer (&place), FALSE);
}

static void
assert_place (const QsDomainDef *def, const char *element, guint rank, const char *expected)
{
  g_autofree char *found = place_of (def, element, rank);

  g_assert_cmpstr (found, ==, expected);
}

static void
test_alias (void)
{
  static const QsMachineAlias newer[] = { { "q35", "pc-q35-9.9" }, { NULL } };
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) pc = assign ("pc", "", NULL);
  g_autoptr (QsDomainDef) q35 = assign ("q35", "", NULL);
  g_autoptr (QsDomainDef) fixed = assign ("pc-q35-5.1", "", NULL);
  g_autoptr (QsDomainDef) plain = parse ("q35", "");
  g_autoptr (QsDomainDef) later = qs_domain_def_assign_addresses (plain, NULL, newer, &error);

  g_assert_cmpstr (pc->machine, ==, "pc-i440fx-7.2");
  g_assert_cmpstr (q35->machine, ==, "pc-q35-7.2");
  g_assert_cmpstr (fixed->machine, ==, "pc-q35-5.1");
  g_assert_no_error (error);
  g_assert_cmpstr (later->machine, ==, "pc-q35-9.9");
  /* what was given is not written to */
  g_assert_cmpstr (plain->machine, ==, "q35");
}

static void
test_idempotent (void)
{
  static const char *const machines[] = { "pc", "q35" };

  for (guint i = 0; i < G_N_ELEMENTS (machines); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (QsDomainDef) once =
          assign (machines[i], DISK ("vda") NIC E1000 BALLOON TABLET VIDEO CHANNEL ("a"), NULL);
      g_autoptr (QsDomainDef) twice = qs_domain_def_assign_addresses (once, NULL, NULL, &error);
      g_autoptr (QsDomainDef) thrice = qs_domain_def_assign_addresses (twice, once, NULL, &error);
      g_autofree char *first = qs_domain_def_format (once, TRUE);
      g_autofree char *second = qs_domain_def_format (twice, TRUE);
      g_autofree char *third = qs_domain_def_format (thrice, TRUE);

      g_assert_no_error (error);
      g_assert_cmpstr (first, ==, second);
      g_assert_cmpstr (first, ==, third);
    }
}

static void
test_i440fx (void)
{
  g_autoptr (QsDomainDef) def =
      assign ("pc", DISK ("vda") NIC TABLET KEYBOARD VIDEO BALLOON CHANNEL ("a"), NULL);

  assert_place (def, "disk", 0, "0x00 0x03 0x0");
  assert_place (def, "interface", 0, "0x00 0x04 0x0");
  assert_place (def, "video", 0, "0x00 0x02 0x0");
  assert_place (def, "memballoon", 0, "0x00 0x05 0x0");
  assert_place (def, "input", 0, "0 1");
  assert_place (def, "input", 1, "0 2");
  assert_place (def, "channel", 0, "0 1");
}

static void
test_q35 (void)
{
  g_autoptr (QsDomainDef) def = assign ("q35", DISK ("vda") E1000 VIDEO TABLET, NULL);

  assert_place (def, "disk", 0, "0x01 0x00 0x0");
  assert_place (def, "video", 0, "0x00 0x01 0x0");
  /* a bridge in a root port of its own, and the conventional device behind it */
  assert_place (def, "interface", 0, "0x02 0x01 0x0");
}

/* the document is the user's: devices come and go, the others stay where they are */
static void
test_document_edited (void)
{
  g_autoptr (QsDomainDef) before =
      assign ("pc", DISK ("vda") DISK ("vdb") DISK ("vdc") NIC BALLOON, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc = xmlCopyDoc (before->doc, 1);
  xmlNode *devices = qs_xml_child (xmlDocGetRootElement (doc), "devices");
  xmlNode *first = qs_xml_child (devices, "disk");
  g_autoptr (QsDomainDef) edited = NULL;
  g_autoptr (QsDomainDef) after = NULL;

  qs_xml_remove (first);
  qs_xml_set (qs_xml_add (devices, "watchdog", NULL), "model", "i6300esb");
  edited = qs_domain_def_new_node (xmlDocGetRootElement (doc), &error);
  after = qs_domain_def_assign_addresses (edited, NULL, NULL, &error);
  g_assert_no_error (error);

  assert_place (before, "disk", 1, "0x00 0x04 0x0");
  assert_place (after, "disk", 0, "0x00 0x04 0x0");
  assert_place (after, "disk", 1, "0x00 0x05 0x0");
  assert_place (after, "interface", 0, "0x00 0x06 0x0");
  assert_place (after, "memballoon", 0, "0x00 0x07 0x0");
  /* the place that has become free */
  assert_place (after, "watchdog", 0, "0x00 0x03 0x0");
}

typedef struct
{
  const char *machine;
  const char *disks[3]; /* places of vda, vdb, vdc */
  const char *nic;
} Machine;

static const Machine machines[] = {
  { "pc", { "0x00 0x03 0x0", "0x00 0x04 0x0", "0x00 0x05 0x0" }, "0x00 0x06 0x0" },
  { "q35", { "0x01 0x00 0x0", "0x02 0x00 0x0", "0x03 0x00 0x0" }, "0x04 0x00 0x0" },
};

/* a document without any address defines the domain anew */
static void
test_redefined (gconstpointer data)
{
  const Machine *machine = data;
  g_autoptr (QsDomainDef) before =
      assign (machine->machine, DISK ("vda") DISK ("vdb") NIC TABLET KEYBOARD, NULL);
  g_autoptr (QsDomainDef) fewer =
      assign (machine->machine, DISK ("vdb") NIC KEYBOARD TABLET, before);
  g_autoptr (QsDomainDef) more =
      assign (machine->machine, DISK ("vdc") DISK ("vdb") DISK ("vda") NIC, before);

  assert_place (before, "disk", 1, machine->disks[1]);
  assert_place (before, "interface", 0, machine->disks[2]);
  assert_place (fewer, "disk", 0, machine->disks[1]);
  assert_place (fewer, "interface", 0, machine->disks[2]);
  assert_place (fewer, "input", 0, "0 2");
  assert_place (fewer, "input", 1, "0 1");
  assert_place (more, "disk", 1, machine->disks[1]);
  assert_place (more, "disk", 2, machine->disks[0]);
  assert_place (more, "interface", 0, machine->disks[2]);
}

static char *
mac_of (const QsDomainDef *def, guint rank)
{
  const xmlNode *node = qs_xml_child (devices_of (def), "interface");

  while (rank--)
    node = qs_xml_next (node, "interface");
  return qs_xml_attribute (qs_xml_child (node, "mac"), "address");
}

static void
test_mac (void)
{
  g_autoptr (QsDomainDef) before = assign ("pc", NIC NIC, NULL);
  g_autoptr (QsDomainDef) again = assign ("pc", NIC NIC, before);
  g_autofree char *first = mac_of (before, 0);
  g_autofree char *second = mac_of (before, 1);
  g_autofree char *first_again = mac_of (again, 0);
  g_autofree char *second_again = mac_of (again, 1);

  g_assert_true (g_str_has_prefix (first, "52:54:00:"));
  g_assert_cmpstr (first, !=, second);
  g_assert_cmpstr (first, ==, first_again);
  g_assert_cmpstr (second, ==, second_again);
}

/* the places of a machine say nothing about another one */
static void
test_other_machine (void)
{
  g_autoptr (QsDomainDef) before = assign ("pc", DISK ("vda") NIC, NULL);
  g_autoptr (QsDomainDef) after = assign ("q35", DISK ("vda") NIC, before);

  assert_place (after, "disk", 0, "0x01 0x00 0x0");
  assert_place (after, "interface", 0, "0x02 0x00 0x0");
}

/* an explicit place wins over the one that another device had before */
static void
test_explicit_wins (void)
{
  g_autoptr (QsDomainDef) before = assign ("pc", DISK ("vda") NIC, NULL);
  g_autoptr (QsDomainDef) after =
      assign ("pc",
              DISK ("vda") "<memballoon model='virtio'><address type='pci' bus='0' slot='3'/>"
                           "</memballoon>" NIC,
              before);

  assert_place (after, "memballoon", 0, "0 3");
  assert_place (after, "disk", 0, "0x00 0x05 0x0");
  assert_place (after, "interface", 0, "0x00 0x04 0x0");
}

/* what cannot be started can be defined */
static void
test_not_translated (void)
{
  g_autoptr (QsDomainDef) arm = assign ("virt-7.2", DISK ("vda") "<tpm model='tpm-tis'/>", NULL);
  g_autoptr (QsDomainDef) host = assign (
      "q35", DISK ("vda") "<hostdev mode='subsystem' type='pci'/><sound model='ich9'/>", NULL);

  assert_place (arm, "disk", 0, "");
  assert_place (host, "disk", 0, "0x01 0x00 0x0");
  assert_place (host, "hostdev", 0, "");
}

static QsDomainDef *
assign_firmware (const char *nvram, const char *folder, const QsDomainDef *previous)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strdup_printf (
      "<domain type='qemu'><name>d x</name><os><type machine='q35'>hvm</type>"
      "<loader type='pflash'>/code.fd</loader>%s</os><devices><disk type='file' device='cdrom'>"
      "<source file='/iso/a'/><target dev='sda' bus='sata'/></disk><disk type='file'>"
      "<source file='%s/a'/><target dev='vda'/></disk></devices></domain>",
      nvram, folder);
  g_autoptr (QsDomainDef) def = qs_domain_def_new (text, &error);
  QsDomainDef *assigned = NULL;

  g_assert_no_error (error);
  assigned = qs_domain_def_assign_addresses (def, previous, NULL, &error);
  g_assert_no_error (error);
  return assigned;
}

static void
test_nvram (void)
{
  g_autoptr (QsDomainDef) open = assign_firmware ("<nvram template='/vars.fd'/>", "/disks", NULL);
  g_autoptr (QsDomainDef) moved = assign_firmware ("<nvram template='/vars.fd'/>", "/new", open);
  g_autoptr (QsDomainDef) given =
      assign_firmware ("<nvram template='/vars.fd'>/own.fd</nvram>", "/disks", open);
  g_autoptr (QsDomainDef) none = assign_firmware ("", "/disks", NULL);

  g_assert_cmpstr (open->nvram, ==, "/disks/d x_VARS.fd");
  g_assert_cmpstr (moved->nvram, ==, "/disks/d x_VARS.fd");
  g_assert_cmpstr (given->nvram, ==, "/own.fd");
  g_assert_null (none->nvram);
}

typedef struct
{
  const char *devices;
  const char *message;
} Refusal;

static const Refusal refusals[] = {
  { "<rng model='virtio'><address type='pci' slot='3'/></rng>"
    "<memballoon model='virtio'><address type='pci' slot='3'/></memballoon>",
    "the device <memballoon> (line 1) has the PCI address 00:03.0" },
  { "<rng model='virtio'><address type='pci' bus='256' slot='3'/></rng>", "‘256’ as bus" },
  { "<rng model='virtio'><address type='pci' domain='1' slot='3'/></rng>", "‘1’ as domain" },
  { "<rng model='virtio'><address type='pci' slot='0x1f,x'/></rng>", "‘0x1f,x’ as slot" },
  { "<disk type='file'><source file='/a'/><target dev='sda' bus='scsi'/>"
    "<address type='drive' controller='4000000000'/></disk>",
    "is on controller 4000000000, the last is 31" },
  { TABLET KEYBOARD TABLET, "finds no free port; add a usb controller" },
};

static void
test_refused (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (QsDomainDef) def = parse ("pc", refusals[i].devices);
      g_autoptr (QsDomainDef) assigned = qs_domain_def_assign_addresses (def, NULL, NULL, &error);

      g_assert_null (assigned);
      g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
      g_test_message ("%s", error->message);
      g_assert_nonnull (strstr (error->message, refusals[i].message));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/command-line-address/alias", test_alias);
  g_test_add_func ("/command-line-address/idempotent", test_idempotent);
  g_test_add_func ("/command-line-address/i440fx", test_i440fx);
  g_test_add_func ("/command-line-address/q35", test_q35);
  g_test_add_func ("/command-line-address/document-edited", test_document_edited);
  g_test_add_data_func ("/command-line-address/redefined-i440fx", &machines[0], test_redefined);
  g_test_add_data_func ("/command-line-address/redefined-q35", &machines[1], test_redefined);
  g_test_add_func ("/command-line-address/mac", test_mac);
  g_test_add_func ("/command-line-address/other-machine", test_other_machine);
  g_test_add_func ("/command-line-address/explicit-wins", test_explicit_wins);
  g_test_add_func ("/command-line-address/not-translated", test_not_translated);
  g_test_add_func ("/command-line-address/nvram", test_nvram);
  g_test_add_func ("/command-line-address/refused", test_refused);
  return g_test_run ();
}
