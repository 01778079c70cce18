/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-domain-def.h"
#include "qs-error.h"
#include "qs-limits.h"

#include "xml-compare.h"

static QsDomainDef *
parse (const char *xml)
{
  g_autoptr (GError) error = NULL;
  QsDomainDef *def = qs_domain_def_new (xml, &error);

  g_assert_no_error (error);
  return def;
}

static QsDomainDef *
parse_data (const char *name)
{
  g_autofree char *xml = read_data (name);

  return parse (xml);
}

/* what virt-manager and virsh wrote is kept whole */
static void
test_round_trip (gconstpointer name)
{
  g_autofree char *xml = read_data (name);
  g_autoptr (QsDomainDef) def = parse (xml);
  g_autofree char *text = qs_domain_def_format (def, TRUE);
  g_autoptr (QsDomainDef) again = qs_domain_def_new_node (xmlDocGetRootElement (def->doc), NULL);
  g_autofree char *copied = qs_domain_def_format (again, TRUE);

  assert_same_meaning (text, xml);
  assert_same_meaning (copied, xml);
  g_assert_cmpstr (again->name, ==, def->name);
  g_assert_cmpuint (again->disks->len, ==, def->disks->len);
}

static void
test_hostile (gconstpointer name)
{
  g_autofree char *xml = read_data (name);
  g_autoptr (GError) error = NULL;

  g_assert_null (qs_domain_def_new (xml, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_XML_INVALID);
}

static void
test_uefi (void)
{
  g_autoptr (QsDomainDef) def = parse_data ("domain/q35-uefi.xml");
  const QsDiskDef *cdrom = qs_domain_def_find_disk (def, "sda");

  g_assert_true (def->kvm);
  g_assert_cmpstr (def->name, ==, "fedora38");
  g_assert_cmpstr (def->uuid, ==, "0f3ad5a3-6c69-4a7a-9a76-8d6b7e9c1f52");
  g_assert_cmpstr (def->emulator, ==, "/usr/bin/qemu-system-x86_64");
  g_assert_cmpstr (def->machine, ==, "pc-q35-7.2");
  g_assert_cmpstr (def->loader, ==, "/usr/share/OVMF/OVMF_CODE_4M.ms.fd");
  g_assert_cmpstr (def->nvram, ==, "/var/lib/libvirt/qemu/nvram/fedora38_VARS.fd");
  g_assert_cmpstr (def->nvram_template, ==, "/usr/share/OVMF/OVMF_VARS_4M.ms.fd");
  g_assert_cmpuint (def->memory_kib, ==, 4194304);
  g_assert_cmpuint (def->vcpus, ==, 4);
  g_assert_cmpuint (def->disks->len, ==, 2);
  g_assert_cmpint (cdrom->device, ==, QS_DEVICE_CDROM);
  g_assert_cmpint (cdrom->source_type, ==, QS_SOURCE_NONE);
  g_assert_null (cdrom->source);
  g_assert_true (cdrom->readonly);
}

static void
test_live (void)
{
  g_autoptr (QsDomainDef) def = parse_data ("domain/i440fx-live.xml");
  const QsDiskDef *hda = qs_domain_def_find_disk (def, "hda");
  const QsDiskDef *hdb = qs_domain_def_find_disk (def, "hdb");
  const QsDiskDef *fda = qs_domain_def_find_disk (def, "fda");

  g_assert_cmpstr (def->uuid, ==, "a1b2c3d4-e5f6-0718-293a-4b5c6d7e8f90");
  g_assert_cmpuint (def->memory_kib, ==, 2 * 1024 * 1024);
  g_assert_cmpuint (def->vcpus, ==, 2);
  g_assert_null (def->loader);
  g_assert_null (def->nvram);
  g_assert_cmpstr (hda->source, ==, "/srv/vm/win7.s2");
  g_assert_cmpstr (hda->format, ==, "qcow2");
  g_assert_cmpstr (hda->bus, ==, "ide");
  g_assert_cmpstr (hda->alias, ==, "ide0-0-0");
  g_assert_cmpint (hda->snapshot, ==, QS_LOCATION_EXTERNAL);
  g_assert_false (hda->readonly);
  g_assert_cmpint (hdb->source_type, ==, QS_SOURCE_BLOCK);
  g_assert_cmpstr (hdb->source, ==, "/dev/vg0/win7-data");
  g_assert_cmpstr (hdb->format, ==, "raw");
  g_assert_true (hdb->shareable);
  g_assert_cmpint (fda->device, ==, QS_DEVICE_FLOPPY);
  g_assert_cmpint (fda->source_type, ==, QS_SOURCE_NONE);
  g_assert_false (fda->readonly);
}

static void
test_others (void)
{
  g_autoptr (QsDomainDef) zoo = parse_data ("domain/network-disks.xml");
  g_autoptr (QsDomainDef) user = parse_data ("domain/session-user.xml");
  g_autoptr (QsDomainDef) arm = parse_data ("domain/aarch64-efi.xml");

  g_assert_cmpint (qs_domain_def_find_disk (zoo, "vda")->source_type, ==, QS_SOURCE_NETWORK);
  g_assert_null (qs_domain_def_find_disk (zoo, "vda")->source);
  g_assert_cmpint (qs_domain_def_find_disk (zoo, "vdc")->source_type, ==, QS_SOURCE_VOLUME);
  g_assert_cmpint (qs_domain_def_find_disk (zoo, "vde")->snapshot, ==, QS_LOCATION_NO);
  g_assert_cmpint (qs_domain_def_find_disk (zoo, "sdb")->device, ==, QS_DEVICE_LUN);
  g_assert_true (qs_domain_def_find_disk (zoo, "vdf")->transient);
  g_assert_cmpstr (qs_domain_def_find_disk (zoo, "vdf")->source, ==, "/images/luks \"data\".qcow2");
  g_assert_cmpuint (zoo->memory_kib, ==, 1024 * 1024);
  g_assert_false (user->kvm);
  g_assert_null (user->uuid);
  g_assert_cmpuint (user->vcpus, ==, 1);
  g_assert_cmpstr (qs_domain_def_find_disk (user, "vdb")->format, ==, "raw");
  g_assert_true (qs_domain_def_find_disk (user, "vdb")->readonly);
  g_assert_cmpstr (arm->nvram, ==, "/var/lib/libvirt/qemu/nvram/arm-builder_VARS.qcow2");
  g_assert_null (qs_domain_def_find_disk (arm, "vda"));
}

#define DISK(content) "<devices>\n<disk>" content "</disk></devices>"
#define TARGET "<target dev='vda'/>"

/* refused, and why; what is inside <domain type='kvm'> and <name> is added where it is not named */
static const struct
{
  const char *xml;
  const char *message;
} invalid[] = {
  { "<a/>", "line 1: the root element is ‘a’, not ‘domain’" },
  { "<domain><name>d</name></domain>", "line 1: <domain> has no attribute ‘type’" },
  { "<domain type='kvm'/>", "line 1: <domain> has no <name>" },
  { "<domain type='kvm'><name/></domain>", "line 1: a name is empty" },
  { "<domain type='kvm'>\n<name>a/b</name></domain>",
    "line 2: the name ‘a/b’ starts with ‘.’ or contains ‘/’" },
  { "<uuid>1234</uuid>", "line 1: ‘1234’ is no uuid" },
  { "<uuid/>", "line 1: ‘’ is no uuid" },
  { "<memory unit='acre'>1</memory>", "line 1: ‘acre’ is no unit of memory" },
  { "<memory>-1</memory>", "line 1: ‘-1’ is no valid number for <memory>" },
  { "<memory unit='TiB'>99999999999</memory>",
    "line 1: ‘99999999999’ is no valid number for <memory>" },
  { "<memory/>", "line 1: ‘’ is no valid number for <memory>" },
  { "<vcpu>0</vcpu>", "line 1: a domain has at least one vcpu" },
  { "<vcpu>100000</vcpu>", "line 1: ‘100000’ is no valid number for <vcpu>" },
  { "<os><loader>code.fd</loader></os>", "line 1: ‘code.fd’ in <loader> is not an absolute path" },
  { "<os>\n<nvram template='v.fd'/></os>", "line 2: ‘v.fd’ in <nvram> is not an absolute path" },
  { "<devices><emulator>qemu</emulator></devices>",
    "line 1: ‘qemu’ in <emulator> is not an absolute path" },
  { DISK ("<source file='/a'/>"), "line 2: a <disk> has no <target dev=>" },
  { DISK ("<source file='/a'/><target dev='v-a'/>"), "line 2: ‘v-a’ is no target of a disk" },
  { DISK ("<source file='/a'/><target dev='1a'/>"), "line 2: ‘1a’ is no target of a disk" },
  { DISK ("<source file='a.img'/>" TARGET),
    "line 2: disk ‘vda’: the source ‘a.img’ is not an absolute path" },
  { DISK ("<source file='nbd:1:2'/>" TARGET),
    "line 2: disk ‘vda’: the source ‘nbd:1:2’ is not an absolute path" },
  { DISK (TARGET), "line 2: disk ‘vda’ has no source" },
  { DISK ("<source file=''/>" TARGET), "line 2: disk ‘vda’ has no source" },
  { "<devices><disk type='tape'>" TARGET "</disk></devices>",
    "line 1: ‘tape’ is no value of attribute ‘type’ of <disk>" },
  { "<devices><disk device='tape'>" TARGET "</disk></devices>",
    "line 1: ‘tape’ is no value of attribute ‘device’ of <disk>" },
  { "<devices><disk snapshot='yes'>" TARGET "</disk></devices>",
    "line 1: ‘yes’ is no value of attribute ‘snapshot’ of <disk>" },
  { "<devices><disk type='block'><source dev='sda'/>" TARGET "</disk></devices>",
    "line 1: disk ‘vda’: the source ‘sda’ is not an absolute path" },
  { "<devices><disk><source file='/a'/>" TARGET "</disk>\n<disk><source file='/b'/>" TARGET
    "</disk></devices>",
    "line 2: two disks have the target ‘vda’" },
};

static char *
whole_domain (const char *xml)
{
  if (g_str_has_prefix (xml, "<domain") || g_str_has_prefix (xml, "<a"))
    return g_strdup (xml);
  return g_strdup_printf ("<domain type='kvm'><name>d</name>%s</domain>", xml);
}

static void
test_invalid (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autofree char *xml = whole_domain (invalid[i].xml);
  g_autoptr (GError) error = NULL;

  g_assert_null (qs_domain_def_new (xml, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_XML_INVALID);
  g_assert_cmpstr (error->message, ==, invalid[i].message);
}

static void
test_type (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (qs_domain_def_new ("<domain type='xen'><name>d</name></domain>", &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
}

static void
test_units (void)
{
  static const struct
  {
    const char *memory;
    guint64 kib;
  } cases[] = {
    { "<memory>512</memory>", 512 },
    { "<memory unit='KiB'> 512\n</memory>", 512 },
    { "<memory unit='b'>1025</memory>", 2 },
    { "<memory unit='KB'>1024</memory>", 1000 },
    { "<memory unit='M'>3</memory>", 3072 },
    { "<memory unit='gib'>2</memory>", 2097152 },
    { "<memory unit='T'>1</memory>", G_GUINT64_CONSTANT (1) << 30 },
    { "", 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *xml = whole_domain (cases[i].memory);
      g_autoptr (QsDomainDef) def = parse (xml);

      g_assert_cmpuint (def->memory_kib, ==, cases[i].kib);
    }
}

static void
test_many_disks (void)
{
  g_autoptr (GString) disks = g_string_new ("<devices>");
  g_autofree char *xml = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i <= QS_MAX_DISKS; i++)
    g_string_append_printf (disks, "<disk><source file='/%u'/><target dev='vd%u'/></disk>", i, i);
  g_string_append (disks, "</devices>");
  xml = whole_domain (disks->str);
  g_assert_null (qs_domain_def_new (xml, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED);
}

/* within the limit as sent, over it as it would be written */
static void
test_growth (void)
{
  g_autofree char *filling = g_strnfill (QS_MAX_XML_BYTES / 2, '>');
  g_autofree char *title = g_strdup_printf ("<title>%s</title>", filling);
  g_autofree char *xml = whole_domain (title);
  g_autoptr (GError) error = NULL;

  g_assert_null (qs_domain_def_new (xml, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED);
}

static void
test_secure (void)
{
  g_autoptr (QsDomainDef) live = parse_data ("domain/i440fx-live.xml");
  g_autoptr (QsDomainDef) zoo = parse_data ("domain/network-disks.xml");
  g_autofree char *plain = qs_domain_def_format (live, FALSE);
  g_autofree char *secure = qs_domain_def_format (live, TRUE);
  g_autofree char *cookies = qs_domain_def_format (zoo, FALSE);

  g_assert_null (strstr (plain, "passwd"));
  g_assert_nonnull (strstr (plain, "keymap=\"de\""));
  g_assert_nonnull (strstr (secure, "passwd=\"geheim\""));
  g_assert_null (strstr (cookies, "topsecret"));
  g_assert_nonnull (strstr (cookies, "<secret type=\"ceph\""));
}

/* the truth of the store is written over the document, the rest of it stays */
static void
test_patch (void)
{
  static const QsDiskPatch patches[] = {
    { "vda", "/home/me/vm/a.s1", "qcow2" },
    { "vdb", "/dev/loop7", "raw" },
  };
  g_autofree char *xml = read_data ("domain/session-user.xml");
  g_autoptr (QsDomainDef) def = parse (xml);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) patched = qs_domain_def_patch (
      def, "9d1c1a0e-3f7b-4b8c-9a59-2f3f7f0a2c11", patches, G_N_ELEMENTS (patches), &error);
  g_autofree char *text = NULL;
  g_autofree char *untouched = qs_domain_def_format (def, TRUE);
  g_autoptr (GString) expected = g_string_new (xml);

  g_assert_no_error (error);
  text = qs_domain_def_format (patched, TRUE);
  g_string_replace (expected, "<name>tiny</name>",
                    "<name>tiny</name><uuid>9d1c1a0e-3f7b-4b8c-9a59-2f3f7f0a2c11</uuid>", 0);
  g_string_replace (expected, "a.qcow2", "a.s1", 0);
  g_string_replace (expected, "<disk>", "<disk type='block'><driver name='qemu' type='raw'/>", 0);
  g_string_replace (expected, "file='/home/me/vm/b.img'", "dev='/dev/loop7'", 0);
  assert_same_meaning (text, expected->str);
  assert_same_meaning (untouched, xml);
  g_assert_cmpstr (qs_domain_def_find_disk (patched, "vda")->source, ==, "/home/me/vm/a.s1");
  g_assert_cmpstr (patched->uuid, ==, "9d1c1a0e-3f7b-4b8c-9a59-2f3f7f0a2c11");
  g_assert_nonnull (strstr (text, "AUTO-GENERATED"));
}

/* a chain in the document described the file that was there before */
static void
test_patch_chain (void)
{
  static const QsDiskPatch same[] = { { "hda", "/srv/vm/win7.s2", "qcow2" } };
  static const QsDiskPatch other[] = { { "hda", "/srv/vm/win7.s3", NULL } };
  g_autofree char *xml = read_data ("domain/i440fx-live.xml");
  g_autoptr (QsDomainDef) def = parse (xml);
  g_autoptr (QsDomainDef) kept = qs_domain_def_patch (def, "other", same, 1, NULL);
  g_autoptr (QsDomainDef) moved = qs_domain_def_patch (def, NULL, other, 1, NULL);
  g_autofree char *kept_text = qs_domain_def_format (kept, TRUE);
  g_autofree char *moved_text = qs_domain_def_format (moved, TRUE);

  assert_same_meaning (kept_text, xml);
  g_assert_null (strstr (moved_text, "win7.s1"));
  g_assert_nonnull (strstr (moved_text, "<source file=\"/srv/vm/win7.s3\"/>"));
  g_assert_cmpstr (qs_domain_def_find_disk (moved, "hda")->format, ==, "qcow2");
}

/* a network source that was copied to a file */
static void
test_patch_type (void)
{
  static const QsDiskPatch patch[] = { { "vda", "/srv/copy.qcow2", "qcow2" } };
  g_autoptr (QsDomainDef) def = parse_data ("domain/network-disks.xml");
  g_autoptr (QsDomainDef) patched = qs_domain_def_patch (def, NULL, patch, 1, NULL);
  g_autofree char *text = qs_domain_def_format (patched, TRUE);
  const QsDiskDef *vda = qs_domain_def_find_disk (patched, "vda");

  g_assert_cmpint (vda->source_type, ==, QS_SOURCE_FILE);
  g_assert_cmpstr (vda->source, ==, "/srv/copy.qcow2");
  g_assert_cmpstr (vda->format, ==, "qcow2");
  g_assert_null (strstr (text, "mon1.example.com"));
  g_assert_nonnull (strstr (text, "queues=\"4\""));
}

static void
test_patch_unknown (void)
{
  static const QsDiskPatch patch[] = { { "vdz", "/a", "raw" } };
  g_autoptr (QsDomainDef) def = parse_data ("domain/session-user.xml");
  g_autoptr (GError) error = NULL;

  g_assert_null (qs_domain_def_patch (def, NULL, patch, 1, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_assert_cmpstr (error->message, ==, "domain ‘tiny’ has no disk ‘vdz’");
}

static void
add_corpus (const char *folder, GTestDataFunc func)
{
  GStrv corpus = list_data (folder);

  for (guint i = 0; corpus[i] != NULL; i++)
    {
      g_autofree char *path = g_strconcat ("/domain-def/corpus/", corpus[i], NULL);

      g_test_add_data_func_full (path, corpus[i], func, g_free);
    }
  g_free (corpus);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_corpus ("domain", test_round_trip);
  add_corpus ("hostile", test_hostile);
  for (guint i = 0; i < G_N_ELEMENTS (invalid); i++)
    {
      g_autofree char *path = g_strdup_printf ("/domain-def/invalid/%u", i);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_invalid);
    }
  g_test_add_func ("/domain-def/uefi", test_uefi);
  g_test_add_func ("/domain-def/live", test_live);
  g_test_add_func ("/domain-def/others", test_others);
  g_test_add_func ("/domain-def/type", test_type);
  g_test_add_func ("/domain-def/units", test_units);
  g_test_add_func ("/domain-def/many-disks", test_many_disks);
  g_test_add_func ("/domain-def/growth", test_growth);
  g_test_add_func ("/domain-def/secure", test_secure);
  g_test_add_func ("/domain-def/patch", test_patch);
  g_test_add_func ("/domain-def/patch-chain", test_patch_chain);
  g_test_add_func ("/domain-def/patch-type", test_patch_type);
  g_test_add_func ("/domain-def/patch-unknown", test_patch_unknown);
  return g_test_run ();
}
