/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"

#include "worker-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* as root, in a mount namespace of its own: accounts, folders and tools are what the test says */

#define OWNER 1234
#define OTHER 1235
#define FOREIGN_GROUP 3000
#define SHARED_GROUP 2000

static const char accounts[] = "root:x:0:0::/:/bin/sh\n"
                               "owner:x:1234:1234::/:/bin/sh\n"
                               "other:x:1235:1235::/:/bin/sh\n";
static const char groups[] = "root:x:0:\nowner:x:1234:\nother:x:1235:\n"
                             "shared:x:2000:owner\nforeign:x:3000:other\n";

typedef struct
{
  QsWorkerPool *pool;
  QsWorker *worker; /* of OWNER */
} Bed;

static void
make_folder (const char *path, mode_t mode, uid_t uid)
{
  g_assert_cmpint (g_mkdir (path, mode), ==, 0);
  g_assert_cmpint (chown (path, uid, uid), ==, 0);
  g_assert_cmpint (g_chmod (path, mode), ==, 0);
}

static void
replace_file (const char *path, const char *name, const char *contents, mode_t mode)
{
  g_autofree char *copy = g_build_filename ("/mnt", name, NULL);

  write_file (copy, contents);
  g_assert_cmpint (g_chmod (copy, mode), ==, 0);
  g_assert_cmpint (mount (copy, path, NULL, MS_BIND, NULL), ==, 0);
}

static void
make_namespace (void)
{
  g_assert_cmpint (unshare (CLONE_NEWNS), ==, 0);
  g_assert_cmpint (mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
  g_assert_cmpint (mount ("test", "/mnt", "tmpfs", 0, "size=4m,mode=755"), ==, 0);
  replace_file ("/etc/passwd", "passwd", accounts, 0644);
  replace_file ("/etc/group", "group", groups, 0644);
}

static void
bed_set_up (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (mount ("bed", "/mnt", "tmpfs", 0, "size=4m,mode=755"), ==, 0);
  make_folder ("/mnt/owner", 0755, OWNER);
  make_folder ("/mnt/root", 0700, 0);
  bed->pool = qs_worker_pool_new (worker_program (), TRUE);
  bed->worker = qs_worker_pool_acquire (bed->pool, OWNER, &error);
  g_assert_no_error (error);
}

static void
bed_tear_down (Bed *bed, gconstpointer data)
{
  qs_worker_release (bed->worker);
  qs_worker_pool_free (bed->pool);
  g_assert_cmpint (umount2 ("/mnt", MNT_DETACH), ==, 0);
}

static void
assert_status (gint64 pid, const char *key, const char *value)
{
  g_autofree char *found = process_status (pid, key);

  g_test_message ("%s", key);
  g_assert_cmpstr (found, ==, value);
}

static void
test_identity (Bed *bed, gconstpointer data)
{
  gint64 pid = bed->worker->pid;

  assert_status (pid, "Uid", "1234\t1234\t1234\t1234");
  assert_status (pid, "Gid", "1234\t1234\t1234\t1234");
  assert_status (pid, "Groups", "1234 2000");
  assert_status (pid, "CapPrm", "0000000000000000");
  assert_status (pid, "CapEff", "0000000000000000");
  assert_status (pid, "CapInh", "0000000000000000");
  assert_status (pid, "CapAmb", "0000000000000000");
  assert_status (pid, "NoNewPrivs", "1");
  assert_status (pid, "Seccomp", "2");
}

static void
test_unknown_account (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsWorker) worker = qs_worker_pool_acquire (bed->pool, 4711, &error);

  g_assert_no_error (error);
  assert_status (worker->pid, "Uid", "4711\t4711\t4711\t4711");
  assert_status (worker->pid, "Gid", "65534\t65534\t65534\t65534");
  assert_status (worker->pid, "Groups", "");
}

static QsNewImage
overlay_at (const char *path, guint32 gid)
{
  return (QsNewImage){ .path = path,
                       .format = "qcow2",
                       .virtual_size = 1024 * 1024,
                       .cluster_size = 65536,
                       .mode = 0660,
                       .gid = gid };
}

static void
assert_created (Bed *bed, const char *path, guint32 gid, guint32 expected_gid, guint32 mode)
{
  g_autoptr (GError) error = NULL;
  const QsNewImage image = overlay_at (path, gid);
  struct stat info;
  QsFileId id;

  g_assert_true (qs_worker_create_image (bed->worker, &image, &id, &error));
  g_assert_no_error (error);
  g_assert_true (qs_worker_link (bed->worker, path, &id, &error));
  g_assert_cmpint (lstat (path, &info), ==, 0);
  g_assert_cmpuint (info.st_uid, ==, OWNER);
  g_assert_cmpuint (info.st_gid, ==, expected_gid);
  g_assert_cmpuint (info.st_mode, ==, S_IFREG | mode);
}

/* a group that the owner is not in gets no rights */
static void
test_created_rights (Bed *bed, gconstpointer data)
{
  assert_created (bed, "/mnt/owner/own", OWNER, OWNER, 0660);
  assert_created (bed, "/mnt/owner/shared", SHARED_GROUP, SHARED_GROUP, 0660);
  assert_created (bed, "/mnt/owner/foreign", FOREIGN_GROUP, OWNER, 0600);
}

static void
test_no_rights (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  const QsNewImage image = overlay_at ("/mnt/root/new", OWNER);
  QsImage *inspected = NULL;
  const QsFileCopy copy = { .from = "/mnt/secret", .to = "/mnt/owner/copy" };
  QsFileId id;

  write_file ("/mnt/root/secret", "s");
  write_file ("/mnt/secret", "s");
  g_assert_cmpint (g_chmod ("/mnt/secret", 0600), ==, 0);
  assert_refused (qs_worker_create_image (bed->worker, &image, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "/mnt/root/new");
  assert_refused (qs_worker_inspect_image (bed->worker, "/mnt/secret", "raw", &inspected, &error),
                  error, QS_ERROR_CONFIG_UNSUPPORTED, "/mnt/secret");
  assert_refused (
      qs_worker_inspect_image (bed->worker, "/mnt/root/secret", "raw", &inspected, &error), error,
      QS_ERROR_CONFIG_UNSUPPORTED, "/mnt/root/secret");
  assert_refused (qs_worker_copy_file (bed->worker, &copy, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "/mnt/secret");
}

/* owner 0 has the rights of files that root owns, and no more */
static void
test_owner_root (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsWorker) worker = qs_worker_pool_acquire (bed->pool, 0, &error);
  g_autoptr (QsImage) image = NULL;

  g_assert_no_error (error);
  assert_status (worker->pid, "CapEff", "0000000000000000");
  write_file ("/mnt/root/mine", "s");
  g_assert_true (qs_worker_inspect_image (worker, "/mnt/root/mine", "raw", &image, &error));
  write_file ("/mnt/owner/secret", "s");
  g_assert_cmpint (g_chmod ("/mnt/owner/secret", 0600) | chown ("/mnt/owner/secret", OWNER, OWNER),
                   ==, 0);
  g_clear_pointer (&image, qs_image_free);
  assert_refused (qs_worker_inspect_image (worker, "/mnt/owner/secret", "raw", &image, &error),
                  error, QS_ERROR_CONFIG_UNSUPPORTED, "/mnt/owner/secret");
}

static void
test_private_folders (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  gboolean exists;
  QsFileId id;

  assert_refused (qs_worker_identify (bed->worker, "/tmp/disk", &id, &exists, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "/tmp");
}

static void
test_runtime (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsWorker) other = qs_worker_pool_acquire (bed->pool, OTHER, &error);
  g_autofree char *folder = NULL;
  struct stat info;

  make_folder ("/mnt/vm", 01733, 0);
  folder = qs_worker_make_runtime (bed->worker, "/mnt/vm", "one", &error);
  g_assert_no_error (error);
  g_assert_cmpint (lstat (folder, &info), ==, 0);
  g_assert_cmpuint (info.st_uid, ==, OWNER);
  g_assert_cmpuint (info.st_mode, ==, S_IFDIR | 0700);
  assert_refused (qs_worker_make_runtime (other, "/mnt/vm", "one", &error) != NULL, error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "owner alone");
  assert_refused (qs_worker_clear_runtime (other, folder, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "owner alone");
  g_assert_true (qs_worker_clear_runtime (bed->worker, folder, &error));
  assert_absent (folder);
}

static void
test_foreign_listener (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/mnt/owner/monitor" };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (bind (fd, (struct sockaddr *)&address, sizeof address) | listen (fd, 1), ==, 0);
  g_assert_cmpint (g_chmod (address.sun_path, 0666), ==, 0);
  assert_refused (qs_worker_connect (bed->worker, address.sun_path, &error) >= 0, error,
                  QS_ERROR_MONITOR_FAILED, "another user listens");
  close (fd);
}

static void
test_launch (Bed *bed, gconstpointer data)
{
  const char *argv[] = { "/bin/sleep", "100", NULL };
  g_autoptr (GError) error = NULL;
  gint64 pid = 0;

  g_assert_true (qs_worker_pool_launch (bed->pool, OWNER, argv, -1, &pid, &error));
  g_assert_no_error (error);
  assert_status (pid, "Uid", "1234\t1234\t1234\t1234");
  assert_status (pid, "Groups", "1234 2000");
  assert_status (pid, "CapEff", "0000000000000000");
  assert_status (pid, "NoNewPrivs", "1");
  assert_status (pid, "Seccomp", "0");
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
}

static void
test_no_space (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsTarget) target = NULL;
  const QsNewImage image = overlay_at ("/mnt/owner/new", OWNER);
  QsFileId id;

  g_assert_cmpint (mount ("small", "/mnt/owner", "tmpfs", 0, "size=8k,mode=777"), ==, 0);
  g_assert_true (qs_worker_check_target (bed->worker, "/mnt/owner/new", &target, &error));
  g_assert_cmpuint (target->free_bytes, <=, 8192);
  assert_refused (qs_worker_create_image (bed->worker, &image, &id, &error), error,
                  QS_ERROR_NO_SPACE, "/mnt/owner/new");
  assert_absent ("/mnt/owner/new");
  g_assert_cmpint (umount2 ("/mnt/owner", MNT_DETACH), ==, 0);
}

static void
test_read_only (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsTarget) target = NULL;

  g_assert_cmpint (mount ("ro", "/mnt/owner", "tmpfs", MS_RDONLY, "size=8k,mode=777"), ==, 0);
  g_assert_true (qs_worker_check_target (bed->worker, "/mnt/owner/new", &target, &error));
  g_assert_error (target->error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (target->error->message, "ReadWritePaths="));
  g_assert_cmpint (umount2 ("/mnt/owner", MNT_DETACH), ==, 0);
}

/* puts a script in place of qemu-img and returns what qs_worker_snapshot() says then */
static GError *
run_script (Bed *bed, const char *script)
{
  QsTagChange change = { .verb = QS_TOOL_SNAPSHOT_CREATE,
                         .path = "/mnt/owner/disk",
                         .tag = "s-one" };
  GError *error = NULL;
  gboolean exists;

  run_tool ("/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", change.path, "1M", NULL);
  g_assert_cmpint (chown (change.path, OWNER, OWNER), ==, 0);
  g_assert_true (qs_worker_identify (bed->worker, change.path, &change.id, &exists, &error));
  replace_file ("/usr/bin/qemu-img", "tool", script, 0755);
  g_assert_false (qs_worker_snapshot (bed->worker, &change, NULL, &error));
  g_assert_cmpint (umount2 ("/usr/bin/qemu-img", MNT_DETACH), ==, 0);
  return error;
}

static void
test_tool_surroundings (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error =
      run_script (bed, "#!/bin/sh\n"
                       "echo \"$PATH $LC_ALL $MALLOC_ARENA_MAX $TMPDIR $HOME.\" >&2\n"
                       "ulimit -c >&2; ulimit -v >&2; ulimit -n >&2; pwd >&2; umask >&2\n"
                       "echo \"$1 $2 $3 $4\" >&2\n"
                       "read line && echo input >&2\n"
                       "exit 3\n");

  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "/usr/bin:/bin C 1 /nonexistent ."));
  g_assert_nonnull (strstr (error->message, "0 2097152 1024 / 0077"));
  g_assert_nonnull (strstr (error->message, "snapshot -q -c s-one"));
  g_assert_null (strstr (error->message, "input"));
}

static void
test_tool_is_alone (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = run_script (bed, "#!/bin/sh\necho $(echo child) >&2\nexit 1\n");

  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
  g_assert_nonnull (strstr (error->message, "Cannot fork"));
}

static void
test_tool_floods (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error =
      run_script (bed, "#!/bin/sh\nwhile :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done\n");

  g_assert_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED);
}

/* words for people are cut off, and cannot reach a terminal */
static void
test_tool_chatters (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = run_script (bed, "#!/bin/sh\ni=0; printf 'a\\033[2Jb\\377\\n' >&2\n"
                                              "while [ $i -lt 3000 ]; do i=$((i+1)); echo "
                                              "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy >&2; done\n"
                                              "exit 1\n");

  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
  g_assert_cmpuint (strlen (error->message), <, 70000);
  g_assert_nonnull (strstr (error->message, "a [2Jb\xef\xbf\xbd"));
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

static void
test_tool_lies (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = run_script (bed, "#!/bin/sh\nexit 0\n");

  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
  g_assert_nonnull (strstr (error->message, "0 snapshots with the tag"));
}

static void
test_tool_is_vulnerable (Bed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  replace_file ("/usr/bin/qemu-img", "tool", "#!/bin/sh\nexit 0\n", 0755);
  assert_refused (qs_worker_self_test (bed->worker, &error), error, QS_ERROR_OPERATION_UNSUPPORTED,
                  "CVE-2024-4467");
  g_assert_cmpint (umount2 ("/usr/bin/qemu-img", MNT_DETACH), ==, 0);
}

#define add(path, func) g_test_add (path, Bed, NULL, bed_set_up, func, bed_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (getuid () != 0)
    {
      g_print ("1..0 # SKIP this test needs root\n");
      return 0;
    }
  make_namespace ();
  add ("/worker-root/identity", test_identity);
  add ("/worker-root/unknown-account", test_unknown_account);
  add ("/worker-root/created-rights", test_created_rights);
  add ("/worker-root/no-rights", test_no_rights);
  add ("/worker-root/owner-root", test_owner_root);
  add ("/worker-root/private-folders", test_private_folders);
  add ("/worker-root/runtime", test_runtime);
  add ("/worker-root/foreign-listener", test_foreign_listener);
  add ("/worker-root/launch", test_launch);
  add ("/worker-root/no-space", test_no_space);
  add ("/worker-root/read-only", test_read_only);
  add ("/worker-root/tool-surroundings", test_tool_surroundings);
  add ("/worker-root/tool-is-alone", test_tool_is_alone);
  add ("/worker-root/tool-floods", test_tool_floods);
  add ("/worker-root/tool-chatters", test_tool_chatters);
  add ("/worker-root/tool-lies", test_tool_lies);
  add ("/worker-root/tool-is-vulnerable", test_tool_is_vulnerable);
  return g_test_run ();
}
