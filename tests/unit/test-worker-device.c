/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"

#include "worker-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define QEMU_IMG "/usr/bin/qemu-img"
#define MIB (1024 * 1024)

/* overlays on block devices: loop devices of this test's own, for root */

typedef struct
{
  Fixture f;
  char *disk; /* the file behind the device */
  char *path;
  QsFileId taken;
} Bed;

/* NULL if this machine gives none */
static char *
attach (const char *file)
{
  const char *argv[] = { "losetup", "--find", "--show", file, NULL };
  g_autofree char *path = NULL;
  int status = -1;

  if (!g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL,
                     NULL, NULL, &path, NULL, &status, NULL)
      || status != 0)
    return NULL;
  return g_strdup (g_strstrip (path));
}

static void
detach (const char *path)
{
  const char *argv[] = { "losetup", "--detach", path, NULL };
  int status = -1;

  g_assert_true (g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                               NULL, &status, NULL));
  g_assert_cmpint (status, ==, 0);
}

static QsTarget *
check_target (Bed *bed, const char *path)
{
  g_autoptr (GError) error = NULL;
  QsTarget *target = NULL;

  g_assert_true (qs_worker_check_target (bed->f.worker, path, &target, &error));
  g_assert_no_error (error);
  return target;
}

static QsFileId
find_device (Bed *bed)
{
  g_autoptr (QsTarget) target = check_target (bed, bed->path);

  g_assert_no_error (target->error);
  return (QsFileId){
    .dev = target->dev, .ino = target->ino, .rdev = target->rdev, .diskseq = target->diskseq
  };
}

/* it is full of old contents */
static void
bed_set_up (Bed *bed, gconstpointer data)
{
  g_autofree char *text = g_strnfill (8 * MIB, 'o');

  fixture_set_up (&bed->f, NULL);
  bed->disk = in_folder (&bed->f, "disk");
  write_file (bed->disk, text);
  bed->path = attach (bed->disk);
  g_assert_nonnull (bed->path);
  bed->taken = find_device (bed);
}

static void
bed_tear_down (Bed *bed, gconstpointer data)
{
  detach (bed->path);
  g_free (bed->path);
  g_free (bed->disk);
  fixture_tear_down (&bed->f, NULL);
}

static QsNewImage
overlay_on (Bed *bed)
{
  return (QsNewImage){ .path = bed->path,
                       .format = "qcow2",
                       .virtual_size = 5 * MIB,
                       .cluster_size = 65536,
                       .backing = "/srv/base.raw",
                       .backing_format = "raw",
                       .mode = 0600,
                       .taken = &bed->taken };
}

static void
create (Bed *bed, const QsNewImage *wish)
{
  g_autoptr (GError) error = NULL;
  QsFileId id;

  g_assert_true (qs_worker_create_image (bed->f.worker, wish, &id, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (id.ino, ==, bed->taken.ino);
  g_assert_cmpuint (id.rdev, ==, bed->taken.rdev);
  g_assert_true (qs_worker_link (bed->f.worker, wish->path, &id, &error));
  g_assert_no_error (error);
  g_assert_true (qs_worker_forget (bed->f.worker, &error));
}

static void
assert_wiped (Bed *bed, const QsNewImage *wish, gboolean expected)
{
  g_autoptr (GError) error = NULL;
  gboolean wiped = !expected;

  g_assert_true (qs_worker_wipe_image (bed->f.worker, wish, &wiped, &error));
  g_assert_no_error (error);
  g_assert_cmpint (wiped, ==, expected);
}

static char *
read_device (const char *path, gsize length)
{
  g_autofree char *data = g_malloc (length);
  int fd = open (path, O_RDONLY);

  g_assert_cmpint (pread (fd, data, length, 0), ==, length);
  close (fd);
  return g_steal_pointer (&data);
}

static void
assert_filled (const char *data, gsize from, gsize to, char byte)
{
  for (gsize i = from; i < to; i++)
    if (data[i] != byte)
      g_error ("byte %" G_GSIZE_FORMAT " is %d", i, data[i]);
}

static void
test_target (Bed *bed, gconstpointer data)
{
  g_autoptr (QsTarget) target = check_target (bed, bed->path);
  g_autoptr (QsTarget) elsewhere = NULL;
  g_autoptr (QsTarget) character = check_target (bed, "/dev/null");
  g_autofree char *node = in_folder (&bed->f, "node");
  struct stat info;

  g_assert_cmpint (lstat (bed->path, &info), ==, 0);
  g_assert_cmpint (target->type, ==, QS_TARGET_BLOCK);
  g_assert_cmpuint (target->size, ==, 8 * MIB);
  g_assert_cmpuint (target->ino, ==, info.st_ino);
  g_assert_cmpuint (target->dev, ==, info.st_dev);
  g_assert_cmpuint (target->rdev, ==, info.st_rdev);
  g_assert_cmpuint (target->diskseq, >, 0);
  g_assert_false (target->in_use);
  g_assert_cmpint (character->type, ==, QS_TARGET_OTHER);

  g_assert_cmpint (mknod (node, S_IFBLK | 0600, info.st_rdev), ==, 0);
  elsewhere = check_target (bed, node);
  g_assert_cmpint (elsewhere->type, ==, QS_TARGET_BLOCK);
  g_assert_error (elsewhere->error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (elsewhere->error->message, "below ‘/dev’"));
}

/* what a guest sees through it is the base, whatever the device held before */
static void
test_create (Bed *bed, gconstpointer data)
{
  g_autofree char *base = in_folder (&bed->f, "base");
  g_autofree char *theirs = in_folder (&bed->f, "theirs");
  g_autofree char *seen = in_folder (&bed->f, "seen");
  g_autofree char *text = g_strnfill (5 * MIB, 'b');
  g_autofree char *ours = NULL;
  g_autofree char *bytes = NULL;
  g_autofree char *found = NULL;
  gsize length;
  QsNewImage wish = overlay_on (bed);

  write_file (base, text);
  wish.backing = base;
  create (bed, &wish);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", "-u", "-b", base, "-F", "raw", theirs, "5M",
            NULL);
  g_assert_true (g_file_get_contents (theirs, &bytes, &length, NULL));
  ours = read_device (bed->path, 8 * MIB);
  g_assert_cmpmem (ours, length, bytes, length);
  assert_filled (ours, length, 4 * 65536, 0);
  assert_filled (ours, 4 * 65536, 8 * MIB, 'o');
  run_tool (QEMU_IMG, "check", "-q", "-f", "qcow2", bed->path, NULL);
  run_tool (QEMU_IMG, "convert", "-f", "qcow2", "-O", "raw", bed->path, seen, NULL);
  g_assert_true (g_file_get_contents (seen, &found, &length, NULL));
  g_assert_cmpmem (found, length, text, 5 * MIB);
}

static void
test_wipe (Bed *bed, gconstpointer data)
{
  const QsNewImage wish = overlay_on (bed);
  g_autofree char *ours = NULL;

  create (bed, &wish);
  assert_wiped (bed, &wish, TRUE);
  ours = read_device (bed->path, 8 * MIB);
  assert_filled (ours, 0, 4 * 65536, 0);
  assert_filled (ours, 4 * 65536, 8 * MIB, 'o');
  assert_wiped (bed, &wish, FALSE);
}

/* never anything but what was written, and that only while nothing was added to it */
static void
test_wipe_other (Bed *bed, gconstpointer data)
{
  QsNewImage wish = overlay_on (bed);
  g_autofree char *before = read_device (bed->path, 8 * MIB);
  g_autofree char *after = NULL;
  g_autofree char *written = NULL;

  assert_wiped (bed, &wish, FALSE);
  after = read_device (bed->path, 8 * MIB);
  g_assert_cmpmem (before, 8 * MIB, after, 8 * MIB);
  create (bed, &wish);
  wish.backing = "/srv/base.rax";
  assert_wiped (bed, &wish, FALSE);
  wish.backing = "/srv/base.raw";
  bed->taken.rdev++;
  assert_wiped (bed, &wish, FALSE);
  bed->taken.rdev--;
  run_tool (QEMU_IMG, "rebase", "-u", "-f", "qcow2", "-b", "", bed->path, NULL);
  assert_wiped (bed, &wish, FALSE);
  wish.backing = wish.backing_format = NULL;
  create (bed, &wish);
  run_qemu_io (bed->path, "write -P 7 0 64k");
  assert_wiped (bed, &wish, FALSE);
  written = read_device (bed->path, 8 * MIB);
  g_assert_cmpmem (written, 4, "QFI\xfb", 4);
}

/* made and not linked, as after a failure of the step */
static void
test_forget (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  const QsNewImage wish = overlay_on (bed);
  g_autofree char *ours = NULL;
  QsFileId id;

  g_assert_true (qs_worker_create_image (bed->f.worker, &wish, &id, &error));
  g_assert_true (qs_worker_forget (bed->f.worker, &error));
  ours = read_device (bed->path, 8 * MIB);
  assert_filled (ours, 0, 4 * 65536, 0);
  assert_filled (ours, 4 * 65536, 8 * MIB, 'o');
}

static void
assert_refused_and_untouched (Bed *bed, const QsNewImage *wish, gint code, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *before = read_device (bed->path, 8 * MIB);
  g_autofree char *after = NULL;
  QsFileId id;

  assert_refused (qs_worker_create_image (bed->f.worker, wish, &id, &error), error, code, text);
  assert_wiped (bed, wish, FALSE);
  after = read_device (bed->path, 8 * MIB);
  g_assert_cmpmem (before, 8 * MIB, after, 8 * MIB);
}

static void
test_refused (Bed *bed, gconstpointer data)
{
  g_autofree char *link_path = g_strdup_printf ("/dev/snapshotd-test-%d", getpid ());
  g_autoptr (QsTarget) linked = NULL;
  g_autoptr (QsTarget) busy = NULL;
  QsNewImage wish = overlay_on (bed);
  int claim;

  wish.format = "qed";
  assert_refused_and_untouched (bed, &wish, QS_ERROR_CONFIG_UNSUPPORTED, "use qcow2");
  wish = overlay_on (bed);
  wish.virtual_size = 1024 * (guint64)MIB * MIB;
  assert_refused_and_untouched (bed, &wish, QS_ERROR_NO_SPACE, "8388608 bytes");
  wish = overlay_on (bed);
  bed->taken.diskseq++;
  assert_refused_and_untouched (bed, &wish, QS_ERROR_CONFIG_UNSUPPORTED, "no longer");
  bed->taken.diskseq--;
  /* a link is followed if it is root's */
  g_assert_cmpint (symlink (bed->path, link_path), ==, 0);
  linked = check_target (bed, link_path);
  g_assert_cmpint (linked->type, ==, QS_TARGET_BLOCK);
  g_assert_cmpuint (linked->rdev, ==, bed->taken.rdev);
  g_assert_cmpint (lchown (link_path, 1, -1), ==, 0);
  wish.path = link_path;
  assert_refused_and_untouched (bed, &wish, QS_ERROR_CONFIG_UNSUPPORTED, "no block device");
  g_assert_cmpint (unlink (link_path), ==, 0);

  wish.path = bed->path;
  claim = open (bed->path, O_RDONLY | O_EXCL);
  g_assert_cmpint (claim, >=, 0);
  busy = check_target (bed, bed->path);
  g_assert_error (busy->error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (busy->error->message, "mounted"));
  assert_refused_and_untouched (bed, &wish, QS_ERROR_CONFIG_UNSUPPORTED, "mounted");
  close (claim);
}

static void
test_in_use (Bed *bed, gconstpointer data)
{
  g_autoptr (QsTarget) target = NULL;
  const QsNewImage wish = overlay_on (bed);
  GSubprocess *process = open_in_qemu (bed->path, "raw");

  target = check_target (bed, bed->path);
  g_assert_no_error (target->error);
  g_assert_true (target->in_use);
  assert_refused_and_untouched (bed, &wish, QS_ERROR_CONFIG_UNSUPPORTED, "in use");
  close_in_qemu (process);
}

/* another disk under the same node, between the look and the write */
static void
test_exchanged (Bed *bed, gconstpointer data)
{
  const QsNewImage wish = overlay_on (bed);
  g_autofree char *other = in_folder (&bed->f, "other");
  g_autofree char *text = g_strnfill (8 * MIB, 'p');
  const char *argv[] = { "losetup", bed->path, other, NULL };
  int status = -1;

  write_file (other, text);
  detach (bed->path);
  g_assert_true (g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                               NULL, &status, NULL));
  g_assert_cmpint (status, ==, 0);
  assert_refused_and_untouched (bed, &wish, QS_ERROR_CONFIG_UNSUPPORTED, "no longer");
}

static void
test_inspect (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsImage) raw = NULL;
  g_autoptr (GPtrArray) images = NULL;
  g_autofree char *top = in_folder (&bed->f, "top");
  QsNewImage wish = overlay_on (bed);
  const QsImage *device;

  g_assert_true (qs_worker_inspect_image (bed->f.worker, bed->path, "raw", &raw, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (raw->virtual_size, ==, 8 * MIB);
  g_assert_cmpuint (raw->size, ==, 8 * MIB);
  g_assert_cmpuint (raw->rdev, ==, bed->taken.rdev);

  wish.backing = wish.backing_format = NULL;
  create (bed, &wish);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", "-u", "-b", bed->path, "-F", "qcow2", top,
            "5M", NULL);
  g_assert_true (qs_worker_inspect_chain (bed->f.worker, top, "qcow2", NULL, &images, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (images->len, ==, 2);
  device = g_ptr_array_index (images, 1);
  g_assert_cmpuint (device->virtual_size, ==, 5 * MIB);
  g_assert_cmpuint (device->rdev, ==, bed->taken.rdev);
}

static char *
find_obstacle (void)
{
  g_autofree char *folder = g_dir_make_tmp ("snapshotd-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (folder, "disk", NULL);
  g_autofree char *text = g_strnfill (MIB, 'x');
  g_autofree char *path = NULL;

  if (getuid () != 0)
    return g_strdup ("this test needs root");
  write_file (file, text);
  path = attach (file);
  if (path != NULL)
    detach (path);
  g_assert_cmpint (g_remove (file) | g_remove (folder), ==, 0);
  return path == NULL ? g_strdup ("no loop device can be had here") : NULL;
}

#define add(path, func) g_test_add (path, Bed, NULL, bed_set_up, func, bed_tear_down)

int
main (int argc, char **argv)
{
  g_autofree char *obstacle = NULL;

  g_test_init (&argc, &argv, NULL);
  obstacle = find_obstacle ();
  if (obstacle != NULL)
    {
      g_print ("1..0 # SKIP %s\n", obstacle);
      return 0;
    }
  add ("/worker-device/target", test_target);
  add ("/worker-device/create", test_create);
  add ("/worker-device/wipe", test_wipe);
  add ("/worker-device/wipe-other", test_wipe_other);
  add ("/worker-device/forget", test_forget);
  add ("/worker-device/refused", test_refused);
  add ("/worker-device/in-use", test_in_use);
  add ("/worker-device/exchanged", test_exchanged);
  add ("/worker-device/inspect", test_inspect);
  return g_test_run ();
}
