/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line.h"
#include "qs-error.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* golden argument vectors: tests/data/command-line; to write them anew, run this program with
 * QS_REGENERATE=1 in its environment and read the difference */

/* a source of this name is an overlay with two files below it */
#define CHAIN_SUFFIX ".chain"

static char *
data_file (const char *name, const char *suffix)
{
  g_autofree char *base = g_strconcat (name, suffix, NULL);

  return g_test_build_filename (G_TEST_DIST, "data", "command-line", base, NULL);
}

static QsDomainDef *
load (const char *name)
{
  g_autofree char *path = data_file (name, ".xml");
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  QsDomainDef *def = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, &error));
  def = qs_domain_def_new (text, &error);
  g_assert_no_error (error);
  return def;
}

static const QsChainFile long_chain[] = {
  { "/srv/images/vda.qcow2", "qcow2" },
  { "/srv/images/middle,file=x.qcow2", "qcow2" },
  { "/srv/images/vda.img", "raw" },
};

static GArray *
make_chains (const QsDomainDef *def, QsChainFile *files)
{
  GArray *chains = g_array_new (FALSE, FALSE, sizeof (QsDiskChain));

  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);
      QsDiskChain chain = { disk->target, &files[i], 1 };

      files[i] = (QsChainFile){ disk->source, disk->format };
      if (disk->source && g_str_has_suffix (disk->source, CHAIN_SUFFIX))
        chain = (QsDiskChain){ disk->target, long_chain, G_N_ELEMENTS (long_chain) };
      if (disk->source_type != QS_SOURCE_NONE)
        g_array_append_val (chains, chain);
    }
  return chains;
}

static GStrv
shared_line (const QsDomainDef *def, QsSharing sharing, gboolean allow_custom, GError **error)
{
  g_autofree QsChainFile *files = g_new0 (QsChainFile, def->disks->len + 1);
  g_autoptr (GArray) chains = make_chains (def, files);
  const QsCommandLineOptions options = {
    .qmp_socket = "/srv/images/qmp.sock",
    .chains = (const QsDiskChain *)chains->data,
    .n_chains = chains->len,
    .sharing = sharing,
    .beside = QS_BESIDE_SUFFIX "7",
    .allow_custom = allow_custom,
  };

  return qs_command_line_new (def, &options, error);
}

static GStrv
command_line (const QsDomainDef *def, gboolean allow_custom, GError **error)
{
  return shared_line (def, QS_SHARING_NONE, allow_custom, error);
}

static void
check_golden (const char *name, const char *suffix, QsSharing sharing)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = load (name);
  g_autofree char *path = data_file (name, suffix);
  g_autofree char *expected = NULL;
  g_autofree char *found = NULL;
  g_auto (GStrv) argv = shared_line (def, sharing, TRUE, &error);

  g_assert_no_error (error);
  for (guint i = 0; argv[i]; i++)
    g_assert_null (strchr (argv[i], '\n'));
  found = g_strjoinv ("\n", argv);
  if (g_getenv ("QS_REGENERATE"))
    g_assert_true (g_file_set_contents (path, found, -1, &error));
  g_assert_true (g_file_get_contents (path, &expected, NULL, &error));
  g_assert_cmpstr (found, ==, expected);
  g_assert_true (qs_command_line_check (def, &error));
}

static void
test_golden (gconstpointer name)
{
  check_golden (name, ".args", QS_SHARING_NONE);
}

/* of a trial nothing is seen outside; one that takes over has names of its own until then */
static void
test_shared (gconstpointer name)
{
  check_golden (name, ".proof.args", QS_SHARING_PROOF);
  check_golden (name, ".beside.args", QS_SHARING_BESIDE);
}

/* what QEMU reads as JSON is JSON, and a name in it is one value */
static void
test_hostile (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = load ("hostile");
  g_auto (GStrv) argv = command_line (def, FALSE, &error);
  gboolean is_found = FALSE;

  g_assert_no_error (error);
  for (guint i = 0; argv[i]; i++)
    {
      g_autoptr (JsonNode) node = argv[i][0] == '{' ? json_from_string (argv[i], &error) : NULL;
      JsonObject *object = node ? json_node_get_object (node) : NULL;

      g_assert_no_error (error);
      if (!object || !json_object_has_member (object, "filename"))
        continue;
      g_assert_cmpuint (json_object_get_size (object), ==, 5);
      g_assert_cmpstr (json_object_get_string_member (object, "filename"), ==,
                       "/srv/images/v,file=/etc/passwd\"\\,driver=x.img");
      is_found = TRUE;
    }
  g_assert_true (is_found);
}

static QsDomainDef *
parse (const char *devices)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strconcat (
      "<domain type='qemu'>\n<name>d</name>\n<uuid>5b1f3a36-0c3c-4f0e-9d0a-6a1f2b3c4dff</uuid>\n"
      "<memory>65536</memory>\n<vcpu>1</vcpu>\n",
      g_str_has_prefix (devices, "<os") ? "" : "<os><type>hvm</type></os>\n", devices, "</domain>",
      NULL);
  QsDomainDef *def = qs_domain_def_new (text, &error);

  g_assert_no_error (error);
  return def;
}

typedef struct
{
  const char *name;
  const char *content;
  const char *message; /* part of it */
} Refusal;

#define DEVICES(text) "<devices>\n" text "\n</devices>"
#define DISK(attributes, content)                                                                  \
  DEVICES ("<disk type='file'><driver type='raw' " attributes                                      \
           "/><source file='/a'/><target dev='vda'/>" content "</disk>")

static const Refusal refusals[] = {
  { "hostdev", DEVICES ("<hostdev mode='subsystem' type='usb'/>"),
    "the device <hostdev> (line 8) is not translated" },
  { "tpm", DEVICES ("<tpm model='tpm-crb'/>"), "<tpm> (line 8)" },
  { "filesystem", DEVICES ("<filesystem type='mount'/>"), "<filesystem> (line 8)" },
  { "sound", DEVICES ("<sound model='ich9'/>"), "<sound> (line 8)" },
  { "redirdev", DEVICES ("<redirdev bus='usb' type='spicevmc'/>"), "<redirdev> (line 8)" },
  { "network", DEVICES ("<interface type='network'><source network='default'/></interface>"),
    "<source>" },
  { "bridge", DEVICES ("<interface type='bridge'/>"),
    "the device <interface> (line 8) is not translated with type ‘bridge’; it can be: user" },
  { "spice", DEVICES ("<graphics type='spice' autoport='yes'/>"),
    "<graphics> (line 8) is not translated with type ‘spice’; it can be: vnc" },
  { "vnc-everywhere", DEVICES ("<graphics type='vnc' listen='0.0.0.0'/>"), "‘0.0.0.0’" },
  { "vnc-password", DEVICES ("<graphics type='vnc' passwd='x'/>"), "attribute ‘passwd’" },
  { "spicevmc", DEVICES ("<channel type='spicevmc'><target type='virtio' name='c'/></channel>"),
    "<channel> (line 8) is not translated with type ‘spicevmc’" },
  { "tcp", DEVICES ("<serial type='tcp'/>"), "‘tcp’; it can be: unix, pty, file" },
  { "efi", "<os firmware='efi'><type>hvm</type></os>",
    "<os> (line 6) asks for firmware ‘efi’ without naming it" },
  { "iothread", DISK ("iothread='1'", ""), "<driver> (line 8) has the attribute ‘iothread’" },
  { "cache", DISK ("cache='x'", ""), "cache ‘x’" },
  { "encryption", DISK ("", "<encryption format='luks'/>"),
    "the element <encryption> (line 8) is not translated" },
  { "iotune", DISK ("", "<iotune/>"), "<iotune>" },
  { "transient", DISK ("", "<transient/>"), "<transient>" },
  { "auth", DISK ("", "<auth username='x'/>"), "<auth>" },
  { "volume",
    DEVICES ("<disk type='volume'><source pool='p' volume='v'/><target dev='vda'/></disk>"), "" },
  { "xen", DEVICES ("<disk type='file'><source file='/a'/><target dev='xvda' bus='xen'/></disk>"),
    "bus ‘xen’" },
  { "vmdk",
    DEVICES ("<disk type='file'><driver type='vmdk'/><source file='/a'/><target "
             "dev='vda'/></disk>"),
    "type ‘vmdk’; it can be: raw, qcow2" },
  { "relative-kernel", "<os><type>hvm</type><kernel>vmlinuz</kernel></os>", "<kernel> (line 6)" },
  { "numa", "<numatune><memory mode='strict' nodeset='0'/></numatune>",
    "the element <numatune> (line 7) is not translated" },
  { "hugepages", "<memoryBacking><hugepages/></memoryBacking>", "<memoryBacking>" },
  { "clock", "<clock offset='variable'/>", "offset ‘variable’; it can be: utc, localtime" },
  { "poweroff", "<on_poweroff>restart</on_poweroff>", "<on_poweroff> (line 7)" },
  { "crash", "<on_crash>restart</on_crash>" DEVICES ("<panic model='isa'/>"), "‘restart’" },
  { "cpu-injection", "<cpu mode='custom'><model>qemu64,+vmx</model></cpu>", "<model> (line 7)" },
  { "feature-injection", "<cpu mode='host-model'><feature name='a=b,c'/></cpu>", "<feature>" },
  { "topology", "<cpu><topology sockets='2' cores='2' threads='1'/></cpu>", "makes 4 processors" },
  { "genid", "<genid>new</genid>", "<genid> (line 7) is no uuid" },
  { "foreign", "<x:y xmlns:x='urn:x'/>", "<y> (line 7)" },
  { "qemu-capabilities",
    "<qemu:capabilities xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'/>",
    "<capabilities> (line 7)" },
  { "same-address",
    DEVICES ("<rng model='virtio'><backend model='builtin'/><address type='pci' slot='5'/></rng>"
             "<memballoon model='virtio'><address type='pci' slot='0x05'/></memballoon>"),
    "the device <memballoon> (line 8) has the PCI address 00:05.0" },
  { "slot-range",
    DEVICES ("<memballoon model='virtio'><address type='pci' slot='32'/></memballoon>"),
    "‘32’ as slot" },
  { "usb-full", DEVICES ("<controller type='usb' model='none'/><input type='tablet' bus='usb'/>"),
    "finds no free port" },
  { "serial-path", DEVICES ("<serial type='file'><source path='/a/../b'/></serial>"), "<source>" },
  { "socket-length",
    DEVICES (
        "<serial type='unix'><source path='/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'/></serial>"),
    "longer than 107 bytes" },
};

static void
test_refusal (gconstpointer data)
{
  const Refusal *refusal = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = parse (refusal->content);
  g_auto (GStrv) argv = command_line (def, FALSE, &error);

  g_assert_null (argv);
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, refusal->message));
  g_clear_error (&error);
  g_assert_false (qs_command_line_check (def, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
}

static void
test_not_the_owner (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) custom = load ("custom");
  g_autoptr (QsDomainDef) emulator = parse (DEVICES ("<emulator>/usr/bin/python3</emulator>"));
  g_autoptr (QsDomainDef) deeper =
      parse (DEVICES ("<emulator>/usr/bin/qemu-system-x/y</emulator>"));
  const QsDomainDef *defs[] = { custom, emulator, deeper };

  for (guint i = 0; i < G_N_ELEMENTS (defs); i++)
    {
      g_auto (GStrv) refused = command_line (defs[i], FALSE, &error);
      g_auto (GStrv) argv = NULL;

      g_assert_null (refused);
      g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
      g_clear_error (&error);
      argv = command_line (defs[i], TRUE, &error);
      g_assert_no_error (error);
      g_assert_nonnull (argv);
    }
}

/* an image of another format has something below it, perhaps: nobody guesses what */
static void
test_chain_is_needed (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = load ("bios-1-disk");
  const QsChainFile wrong[] = { { "/a", "raw" }, { "/b", "raw" } };
  const QsDiskChain chain = { "vda", wrong, 2 };
  QsCommandLineOptions options = { .qmp_socket = "/run/q" };

  g_assert_null (qs_command_line_new (def, &options, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
  g_clear_error (&error);

  options.chains = &chain;
  options.n_chains = 1;
  g_assert_null (qs_command_line_new (def, &options, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
}

static void
test_options (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = load ("virt-manager-q35-uefi");
  const QsChainFile file = { "/a,b", "qcow2" };
  const QsDiskChain chain = { "vda", &file, 1 };
  const QsCommandLineOptions options = {
    .qmp_socket = "/run/a,b",
    .chains = &chain,
    .n_chains = 1,
    .nvram = "/own.fd",
    .nvram_format = "qcow2",
    .incoming = QS_INCOMING_DEFER,
  };
  g_auto (GStrv) argv = qs_command_line_new (def, &options, &error);
  const char *const *words = (const char *const *)argv;

  g_assert_no_error (error);
  g_assert_true (g_strv_contains (words, "-S"));
  g_assert_true (g_strv_contains (words, "-incoming"));
  g_assert_true (g_strv_contains (words, "defer"));
  g_assert_true (g_strv_contains (words, "socket,id=snapd-qmp,path=/run/a,,b,server=on,wait=off"));
  g_assert_true (g_strv_contains (
      words, "{\"driver\":\"file\",\"filename\":\"/own.fd\",\"node-name\":\"snapd-pflash1-f\","
             "\"auto-read-only\":true}"));
  g_assert_true (g_strv_contains (
      words, "{\"node-name\":\"snapd-pflash1\",\"read-only\":false,\"driver\":\"qcow2\","
             "\"file\":\"snapd-pflash1-f\",\"backing\":null}"));
}

static void
test_paths (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = load ("virt-manager-q35-uefi");
  g_auto (GStrv) paths = qs_command_line_paths (def, &error);
  const char *const expected[] = { "/usr/bin/qemu-system-x86_64",  "/srv/images/OVMF_CODE.fd",
                                   "/srv/images/fedora38_VARS.fd", "/srv/images/OVMF_VARS.fd",
                                   "/srv/images/fedora38.qcow2",   NULL };

  g_assert_no_error (error);
  g_assert_cmpstrv (paths, expected);
}

int
main (int argc, char **argv)
{
  static const char *const golden[] = {
    "bios-1-disk",
    "genid",
    "bios-4-disks",
    "bridges",
    "buses-i440fx",
    "buses-q35",
    "chain",
    "chars",
    "console-only",
    "custom",
    "devices",
    "hostile",
    "kernel",
    "nbd",
    "many",
    "network",
    "removable",
    "virt-manager-i440fx",
    "virt-manager-q35-uefi",
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (golden); i++)
    {
      g_autofree char *path = g_strconcat ("/command-line/golden/", golden[i], NULL);

      g_test_add_data_func (path, golden[i], test_golden);
    }
  g_test_add_data_func ("/command-line/shared/chars", "chars", test_shared);
  g_test_add_data_func ("/command-line/shared/devices", "devices", test_shared);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autofree char *path = g_strconcat ("/command-line/refusal/", refusals[i].name, NULL);

      g_test_add_data_func (path, &refusals[i], test_refusal);
    }
  g_test_add_func ("/command-line/hostile", test_hostile);
  g_test_add_func ("/command-line/not-the-owner", test_not_the_owner);
  g_test_add_func ("/command-line/chain-is-needed", test_chain_is_needed);
  g_test_add_func ("/command-line/options", test_options);
  g_test_add_func ("/command-line/paths", test_paths);
  return g_test_run ();
}
