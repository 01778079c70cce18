/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line.h"
#include "qs-error.h"

#include <string.h>

/* what two processes of a domain can have at a time, and how the second takes over */

static QsDomainDef *
parse (const char *devices, const char *custom)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strconcat (
      "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
      "<name>d</name><uuid>5b1f3a36-0c3c-4f0e-9d0a-6a1f2b3c4dff</uuid>"
      "<memory>65536</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices>",
      devices, "</devices><qemu:commandline>", custom, "</qemu:commandline></domain>", NULL);
  QsDomainDef *def = qs_domain_def_new (text, &error);

  g_assert_no_error (error);
  return def;
}

static void
check_sharing (const char *devices, const char *custom, QsSharing sharing, const char *message)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = parse (devices, custom);
  gboolean shared = qs_command_line_check_sharing (def, sharing, &error);

  if (message == NULL)
    g_assert_no_error (error);
  else
    {
      g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED);
      g_assert_nonnull (strstr (error->message, message));
    }
  g_assert_cmpint (shared, ==, message == NULL);
}

#define A_LONG_NAME                                                                                \
  "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* of a process that takes over; one for a trial has none of it */
static const struct
{
  const char *devices;
  const char *message;
} device_rows[] = {
  { "<serial type='unix'><source mode='bind' path='/a'/></serial>", NULL },
  { "<serial type='unix'><source path='/a'/></serial><serial type='pty'/>", NULL },
  { "<serial type='unix'><source mode='bind'/></serial>", NULL },
  { "<channel type='unix'><source mode='connect' path='/a'/></channel>", "‘/a’ of <channel>" },
  { "<console type='unix'><source path='" A_LONG_NAME "'/></console>", "too long" },
  { "<graphics type='vnc'/>", NULL },
  { "<graphics type='vnc'/><graphics type='vnc'/>", "more than one <graphics>" },
};

static void
test_devices (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (device_rows); i++)
    {
      check_sharing (device_rows[i].devices, "", QS_SHARING_BESIDE, device_rows[i].message);
      check_sharing (device_rows[i].devices, "", QS_SHARING_PROOF, NULL);
      check_sharing (device_rows[i].devices, "", QS_SHARING_NONE, NULL);
    }
}

#define ARG(text) "<qemu:arg value='" text "'/>"

static const struct
{
  const char *custom;
  gboolean shared;
  gboolean lone; /* a trial goes without it */
} custom_rows[] = {
  { "", TRUE },
  { ARG ("-device") ARG ("virtio-rng-pci"), TRUE },
  { ARG ("-netdev") ARG ("user,id=a"), TRUE },
  { ARG ("-netdev") ARG ("user,id=a,hostfwd=tcp::22-:22"), FALSE },
  { ARG ("-netdev") ARG ("tap,id=a"), FALSE },
  { ARG ("--serial") ARG ("file:/a"), FALSE },
  { ARG ("-serial") ARG ("null"), TRUE },
  { ARG ("-chardev") ARG ("socket,id=a,path=/a"), FALSE },
  { ARG ("-chardev") ARG ("null,id=a"), TRUE },
  { ARG ("-qmp") ARG ("unix:/a,server=on"), FALSE, TRUE },
  { ARG ("-s"), FALSE, TRUE },
};

static void
test_custom (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (custom_rows); i++)
    {
      const char *message = custom_rows[i].shared ? NULL : "<qemu:arg>";

      check_sharing ("", custom_rows[i].custom, QS_SHARING_BESIDE, message);
      check_sharing ("", custom_rows[i].custom, QS_SHARING_PROOF,
                     custom_rows[i].lone ? NULL : message);
      check_sharing ("", custom_rows[i].custom, QS_SHARING_NONE, NULL);
    }
}

static void
check_words (QsSharing sharing, gboolean whole)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def =
      parse ("", ARG ("-s") ARG ("-qmp") ARG ("unix:/a") ARG ("-snapshot"));
  const QsCommandLineOptions options = {
    .qmp_socket = "/run/d/qmp.sock", .sharing = sharing, .beside = ".snapd-1", .allow_custom = TRUE
  };
  g_auto (GStrv) argv = qs_command_line_new (def, &options, &error);
  const char *const *words = (const char *const *)argv;

  g_assert_no_error (error);
  g_assert_true (g_strv_contains (words, "-snapshot"));
  g_assert_cmpint (g_strv_contains (words, "-s"), ==, whole);
  g_assert_cmpint (g_strv_contains (words, "-qmp"), ==, whole);
  g_assert_cmpint (g_strv_contains (words, "unix:/a"), ==, whole);
}

static void
test_left_out (void)
{
  check_words (QS_SHARING_NONE, TRUE);
  check_words (QS_SHARING_BESIDE, TRUE);
  check_words (QS_SHARING_PROOF, FALSE);
}

static void
test_wanted_path (void)
{
  static const struct
  {
    const char *path;
    const char *wanted;
  } rows[] = {
    { "/a/b.sock" QS_BESIDE_SUFFIX "12", "/a/b.sock" },
    { "/a/b" QS_BESIDE_SUFFIX "1" QS_BESIDE_SUFFIX "2", "/a/b" QS_BESIDE_SUFFIX "1" },
    { "/a/b.sock", NULL },
    { "/a/b" QS_BESIDE_SUFFIX, NULL },
    { "/a/b" QS_BESIDE_SUFFIX "1a", NULL },
    { "/a" QS_BESIDE_SUFFIX "1/b", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *wanted = qs_command_line_wanted_path (rows[i].path);

      g_assert_cmpstr (wanted, ==, rows[i].wanted);
    }
}

static void
test_display (void)
{
  static const struct
  {
    const char *graphics;
    const char *address;
  } rows[] = {
    { "<graphics type='vnc' port='5907'/>",
      "{'type': <'inet'>, 'host': <'127.0.0.1'>, 'port': <'5907'>}" },
    { "<graphics type='vnc' port='-1' listen='::1'/>",
      "{'type': <'inet'>, 'host': <'::1'>, 'port': <'5900'>, 'to': <uint32 5999>}" },
    { "<graphics type='vnc' socket='/a,b'/>", "{'type': <'unix'>, 'path': <'/a,b'>}" },
    { "<graphics type='vnc'><listen type='socket'/></graphics>",
      "{'type': <'unix'>, 'path': <'/run/d/vnc.sock'>}" },
  };
  const QsCommandLineOptions options = { .qmp_socket = "/run/d/qmp.sock" };
  g_autoptr (QsDomainDef) none = parse ("", "");

  g_assert_null (qs_command_line_display (none, &options));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (QsDomainDef) def = parse (rows[i].graphics, "");
      g_autoptr (GVariant) found = qs_command_line_display (def, &options);
      g_autofree char *text = g_variant_print (found, TRUE);
      g_autofree char *expected =
          g_strdup_printf ("{'type': <'vnc'>, 'addresses': <[%s]>}", rows[i].address);

      g_assert_cmpstr (text, ==, expected);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/command-line-share/devices", test_devices);
  g_test_add_func ("/command-line-share/custom", test_custom);
  g_test_add_func ("/command-line-share/left-out", test_left_out);
  g_test_add_func ("/command-line-share/wanted-path", test_wanted_path);
  g_test_add_func ("/command-line-share/display", test_display);
  return g_test_run ();
}
