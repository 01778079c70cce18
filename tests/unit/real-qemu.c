/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "real-qemu.h"

#include "qs-process.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 30

void
real_run (const char *const *argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) child = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_NONE, &error);

  g_assert_no_error (error);
  g_subprocess_wait_check (child, NULL, &error);
  g_assert_no_error (error);
}

char *
real_qemu_path (const RealQemu *qemu, const char *name)
{
  return g_build_filename (qemu->folder, name, NULL);
}

static void
die_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  /* so that real_qemu_limit() makes writes fail */
  signal (SIGXFSZ, SIG_IGN);
}

static char *
disk_name (guint i, const char *format)
{
  char letter[] = { 'a' + i, '\0' };

  return g_strdup_printf ("vd%s%s", letter, format);
}

static char *
make_image (RealQemu *qemu, guint i, const char *guest)
{
  g_autofree char *name = disk_name (i, ".qcow2");
  char *path = real_qemu_path (qemu, name);
  const char *const create[] = { "qemu-img", "create", "-q", "-f", "qcow2", path, "64M", NULL };
  const char *const convert[] = { "qemu-img", "convert", "-f", "raw", "-O",
                                  "qcow2",    guest,     path, NULL };
  const char *const grow[] = { "qemu-img", "resize", "-q", "-f", "qcow2", path, "64M", NULL };

  real_run (guest != NULL ? convert : create);
  if (guest != NULL)
    real_run (grow);
  return path;
}

static char *
node_word (const char *target, const char *path, gboolean no_flush)
{
  return g_strdup_printf (
      "{\"driver\":\"qcow2\",\"node-name\":\"snapd-%s\",\"cache\":{\"direct\":false,"
      "\"no-flush\":%s},\"file\":{\"driver\":\"file\",\"node-name\":\"snapd-%s-f\","
      "\"filename\":\"%s\",\"auto-read-only\":true}}",
      target, no_flush ? "true" : "false", target, path);
}

static void
add_disk (RealQemu *qemu, guint i, const RealQemuOptions *options, GStrvBuilder *argv)
{
  g_autofree char *target = disk_name (i, "");
  g_autofree char *path = make_image (qemu, i, i == 0 ? options->guest : NULL);
  g_autofree char *node = node_word (target, path, i == 1);
  g_autofree char *drive =
      g_strdup_printf ("if=none,id=drive-%s,format=qcow2,file=%s", target, path);
  g_autofree char *device =
      g_strdup_printf ("{\"driver\":\"virtio-blk-pci\",\"drive\":\"%s-%s\",\"id\":\"disk-%s\"}",
                       options->drives ? "drive" : "snapd", target, target);

  g_strv_builder_add_many (argv, options->drives ? "-drive" : "-blockdev",
                           options->drives ? drive : node, "-device", device, NULL);
}

static void
make_def (RealQemu *qemu)
{
  g_autoptr (GString) xml = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  g_string_printf (xml,
                   "<domain type='qemu'><name>real</name><uuid>%s</uuid>"
                   "<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices>",
                   REAL_UUID);
  for (guint i = 0; i < REAL_DISKS; i++)
    g_string_append_printf (
        xml,
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        "<source file='%s/vd%c.qcow2'/><target dev='vd%c' bus='virtio'/></disk>",
        qemu->folder, 'a' + i, 'a' + i);
  g_string_append (xml, "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
                        "</devices></domain>");
  qemu->def = qs_domain_def_new (xml->str, &error);
  g_assert_no_error (error);
  qemu->domain = qs_domain_new ("1", getuid (), qemu->def);
}

static GStrv
make_argv (RealQemu *qemu, const RealQemuOptions *options)
{
  g_autoptr (GStrvBuilder) argv = g_strv_builder_new ();
  g_autofree char *chardev =
      g_strdup_printf ("socket,id=m,path=%s,server=on,wait=off", qemu->socket);
  g_autofree char *serial = g_strdup_printf ("file:%s/serial", qemu->folder);

  g_strv_builder_add_many (
      argv, "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-m", "64", "-S",
      "-nodefaults", "-no-user-config", "-display", "none", "-uuid", REAL_UUID, "-chardev", chardev,
      "-mon", "chardev=m,mode=control", "-chardev", "socket,id=q,fd=3", "-mon",
      "chardev=q,mode=control", "-device", "ide-cd,id=disk-sda,bus=ide.0", NULL);
  if (options->guest != NULL)
    g_strv_builder_add_many (argv, "-serial", serial, NULL);
  for (guint i = 0; i < REAL_DISKS; i++)
    add_disk (qemu, i, options, argv);
  return g_strv_builder_end (argv);
}

/* the greeting on the second monitor tells that QEMU listens on the first */
RealQemu *
real_qemu_new_with (const RealQemuOptions *options)
{
  RealQemu *qemu = g_new0 (RealQemu, 1);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) argv = NULL;
  int ends[2];

  qemu->folder = g_dir_make_tmp ("real-qemu-XXXXXX", NULL);
  g_assert_nonnull (qemu->folder);
  qemu->socket = real_qemu_path (qemu, "qmp.sock");
  make_def (qemu);
  argv = make_argv (qemu, options);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  g_subprocess_launcher_take_fd (launcher, ends[1], 3);
  g_subprocess_launcher_set_child_setup (launcher, die_with_parent, NULL, NULL);
  qemu->child = g_subprocess_launcher_spawnv (launcher, (const char *const *)argv, &error);
  g_assert_no_error (error);
  g_object_unref (g_steal_pointer (&launcher)); /* and with it our copy of QEMU's end */
  qemu->control = qs_qmp_new (ends[0], NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  qemu->process =
      qs_process_identify (g_ascii_strtoll (g_subprocess_get_identifier (qemu->child), NULL, 10),
                           getuid (), qemu->socket, "");
  g_assert_nonnull (qemu->process);
  return qemu;
}

RealQemu *
real_qemu_new (void)
{
  return real_qemu_new_with (&(RealQemuOptions){ 0 });
}

void
real_qemu_kill (RealQemu *qemu)
{
  g_subprocess_force_exit (qemu->child);
  g_subprocess_wait (qemu->child, NULL, NULL);
}

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      g_assert_no_errno (g_unlink (file));
    }
  g_assert_no_errno (g_rmdir (path));
}

void
real_qemu_free (RealQemu *qemu)
{
  real_qemu_kill (qemu);
  qs_qmp_unref (qemu->control);
  g_object_unref (qemu->child);
  remove_folder (qemu->folder);
  qs_domain_unref (qemu->domain);
  qs_domain_def_unref (qemu->def);
  qs_process_free (qemu->process);
  g_free (qemu->socket);
  g_free (qemu->folder);
  g_free (qemu);
}

QsGuestIdentity
real_qemu_identity (const RealQemu *qemu)
{
  return (QsGuestIdentity){ "1", REAL_UUID, getuid (), qemu->process };
}

int
real_qemu_connect (const RealQemu *qemu)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (qemu->socket);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection =
      g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, &error);

  g_assert_no_error (error);
  return dup (g_socket_get_fd (g_socket_connection_get_socket (connection)));
}

QsGuest *
real_qemu_guest (const RealQemu *qemu, const QsGuestListener *listener)
{
  QsGuestIdentity identity = real_qemu_identity (qemu);
  g_autoptr (GError) error = NULL;
  QsGuest *guest = qs_guest_new (real_qemu_connect (qemu), &identity, listener, &error);

  g_assert_no_error (error);
  return guest;
}

char *
real_qemu_overlay (const RealQemu *qemu, const char *target, const char *size)
{
  g_autofree char *base = g_strdup_printf ("%s/%s.qcow2", qemu->folder, target);
  char *path = g_strdup_printf ("%s/%s.snap", qemu->folder, target);
  const char *const create[] = { "qemu-img", "create", "-q",    "-f", "qcow2", "-u", "-b",
                                 base,       "-F",     "qcow2", path, size,    NULL };

  real_run (create);
  return path;
}

static JsonNode *
image_info (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) child =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "qemu-img", "info", "-U",
                        "--output=json", "-f", "qcow2", path, NULL);
  g_autofree char *text = NULL;
  JsonNode *info;

  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (child, NULL, NULL, &text, NULL, &error));
  info = json_from_string (text, &error);
  g_assert_no_error (error);
  return info;
}

char *
real_image_string (const char *path, const char *key)
{
  g_autoptr (JsonNode) info = image_info (path);

  return g_strdup (
      json_object_get_string_member_with_default (json_node_get_object (info), key, ""));
}

guint
real_image_n_tags (const char *path)
{
  g_autoptr (JsonNode) info = image_info (path);
  JsonNode *tags = json_object_get_member (json_node_get_object (info), "snapshots");

  return tags == NULL ? 0 : json_array_get_length (json_node_get_array (tags));
}

void
real_qemu_do (const RealQemu *qemu, const char *command, const char *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) parsed =
      g_variant_parse (G_VARIANT_TYPE_VARDICT, arguments, NULL, NULL, &error);

  g_assert_no_error (error);
  qs_qmp_run (qemu->control, command, parsed, PATIENCE, &error);
  g_assert_no_error (error);
}

void
real_qemu_limit (const RealQemu *qemu, guint64 bytes)
{
  const struct rlimit limit = { bytes, RLIM_INFINITY };

  g_assert_no_errno (prlimit (qemu->process->pid, RLIMIT_FSIZE, &limit, NULL));
}

guint
real_qemu_count_nodes (QsGuest *guest, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) answer =
      qs_qmp_execute (qs_guest_get_qmp (guest), "query-named-block-nodes",
                      g_variant_new_parsed ("{'flat': <true>}"), 10, &error);
  JsonArray *nodes;
  guint n = 0;

  g_assert_no_error (error);
  nodes = json_node_get_array (answer);
  for (guint i = 0; i < json_array_get_length (nodes); i++)
    n += g_str_equal (
        json_object_get_string_member (json_array_get_object_element (nodes, i), "node-name"),
        name);
  return n;
}

void
real_qemu_write (const RealQemu *qemu, const char *target, const char *command)
{
  g_autofree char *line = g_strdup_printf (
      "qemu-io -d /machine/peripheral/disk-%s/virtio-backend \"%s\"", target, command);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) answer =
      qs_qmp_execute (qemu->control, "human-monitor-command",
                      g_variant_new_parsed ("{'command-line': <%s>}", line), PATIENCE, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (json_node_get_string (answer), ==, "");
}

/* qemu-io's exit code does not tell a wrong pattern: its words do */
gboolean
real_image_reads (const char *path, const char *command)
{
  g_autofree char *text = NULL;
  g_autoptr (GSubprocess) process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, NULL,
                        "qemu-io", "-r", "-U", "-f", "qcow2", "-c", command, path, NULL);

  g_assert_true (g_subprocess_communicate_utf8 (process, NULL, NULL, &text, NULL, NULL));
  return strstr (text, "bytes at offset") != NULL && strstr (text, "failed") == NULL;
}

gboolean
real_image_is_sound (const char *path)
{
  g_autoptr (GSubprocess) process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE, NULL, "qemu-img", "check", "-q", "-f",
                        "qcow2", path, NULL);

  return g_subprocess_wait_check (process, NULL, NULL);
}

void
real_qemu_wait_counter (const RealQemu *qemu, guint lines)
{
  g_autofree char *path = real_qemu_path (qemu, "serial");
  gint64 deadline = g_get_monotonic_time () + PATIENCE * G_USEC_PER_SEC;
  guint before = 0;

  for (guint n = 0; n < before + lines || before == 0;)
    {
      g_autofree char *text = NULL;
      g_auto (GStrv) words = NULL;

      g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
      words = g_strsplit (text, "\nn=", -1);
      n = g_strv_length (words);
      before = before == 0 ? n : before;
      /* what it read back from its disks was always what it had written */
      for (guint i = 1; i + 1 < n; i++)
        g_assert_true (g_str_has_suffix (words[i], " e=00000000"));
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_usleep (G_USEC_PER_SEC / 20);
    }
}
