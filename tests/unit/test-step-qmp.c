/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-launcher.h"
#include "qs-step-qmp.h"
#include "real-qemu.h"

#include <string.h>

static const char *const targets[] = { "vda", "vdb", "vdc", "vdd" };

static QsStep *
make_step (QsStepKind kind, QsPhase phase, const char *target, const char *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) parsed =
      g_variant_parse (G_VARIANT_TYPE_VARDICT, arguments, NULL, NULL, &error);
  QsStep *step;

  g_assert_no_error (error);
  step = qs_step_new (kind, phase, target, parsed);
  qs_step_check (step, &error);
  g_assert_no_error (error);
  return step;
}

static QsStep *
add_step (const RealQemu *qemu, const char *target)
{
  g_autofree char *text = g_strdup_printf (
      "{'target': <'%s'>, 'node': <'snapd-0-%s'>, 'path': <'%s/%s.snap'>, 'format': <'qcow2'>,"
      " 'direct': <false>, 'no-flush': <%s>, 'detect-zeroes': <'unmap'>}",
      target, target, qemu->folder, target, g_str_equal (target, "vdb") ? "true" : "false");

  return make_step (QS_STEP_NODE_ADD, QS_PHASE_PREPARE, target, text);
}

/* of all four disks */
static QsStep *
snapshot_step (const RealQemu *qemu)
{
  g_autoptr (GString) text = g_string_new ("{'disks': <[");

  for (guint i = 0; i < REAL_DISKS; i++)
    g_string_append_printf (text,
                            "%s{'target': <'%s'>, 'node': <'snapd-%s'>, 'overlay': <'snapd-0-%s'>,"
                            " 'path': <'%s/%s.snap'>, 'active': <'%s/%s.qcow2'>}",
                            i == 0 ? "" : ", ", targets[i], targets[i], targets[i], qemu->folder,
                            targets[i], qemu->folder, targets[i]);
  g_string_append (text, "]>}");
  return make_step (QS_STEP_TRANSACTION, QS_PHASE_COMMIT, "s1", text->str);
}

static void
must_run (QsGuest *guest, const QsStep *step)
{
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  qs_step_qmp_run (guest, step, &result, &error);
  g_assert_no_error (error);
}

static void
must_undo (QsGuest *guest, const QsStep *step, GVariant *result)
{
  g_autoptr (GError) error = NULL;

  qs_step_qmp_undo (guest, step, result, &error);
  g_assert_no_error (error);
}

static void
must_fail (QsGuest *guest, const QsStep *step, QsError code, const char *expected)
{
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (qs_step_qmp_run (guest, step, &result, &error));
  g_assert_error (error, QS_ERROR, (int)code);
  g_assert_cmpstr (error->message, ==, expected);
}

static void
add_overlays (const RealQemu *qemu, QsGuest *guest)
{
  for (guint i = 0; i < REAL_DISKS; i++)
    {
      g_autofree char *path = real_qemu_overlay (qemu, targets[i], "64M");
      g_autoptr (QsStep) step = add_step (qemu, targets[i]);

      g_assert_cmpint (qs_step_qmp_probe (guest, step, NULL, NULL), ==, QS_PROBE_NOT_DONE);
      must_run (guest, step);
      g_assert_cmpint (qs_step_qmp_probe (guest, step, NULL, NULL), ==, QS_PROBE_DONE);
    }
}

/* every disk has a node with this prefix at its root, open on a file with this suffix */
static void
check_active (const RealQemu *qemu, QsGuest *guest, const char *prefix, const char *suffix)
{
  g_autoptr (GPtrArray) nodes = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_guest_nodes (guest, qemu->domain, &nodes, &error));
  g_assert_cmpuint (nodes->len, ==, REAL_DISKS);
  for (guint i = 0; i < REAL_DISKS; i++)
    {
      const QsNode *node = g_ptr_array_index (nodes, i);
      g_autofree char *name = g_strconcat (prefix, targets[i], NULL);
      g_autofree char *path = g_strdup_printf ("%s/%s%s", qemu->folder, targets[i], suffix);

      g_assert_cmpstr (node->node_name, ==, name);
      g_assert_cmpstr (node->path, ==, path);
      g_assert_cmpint (node->no_flush, ==, i == 1);
    }
}

static void
test_snapshot (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsStep) snapshot = snapshot_step (qemu);
  g_autoptr (QsStep) added = add_step (qemu, "vdc");
  g_autoptr (GError) error = NULL;

  add_overlays (qemu, guest);
  g_assert_cmpint (qs_step_qmp_probe (guest, snapshot, NULL, NULL), ==, QS_PROBE_NOT_DONE);
  must_run (guest, snapshot);
  g_assert_cmpint (qs_step_qmp_probe (guest, snapshot, NULL, NULL), ==, QS_PROBE_DONE);
  check_active (qemu, guest, "snapd-0-", ".snap");
  for (guint i = 0; i < REAL_DISKS; i++)
    {
      g_autofree char *overlay = g_strdup_printf ("%s/%s.snap", qemu->folder, targets[i]);
      g_autofree char *base = g_strdup_printf ("%s/%s.qcow2", qemu->folder, targets[i]);
      g_autofree char *backing = real_image_string (overlay, "backing-filename");
      g_autofree char *format = real_image_string (overlay, "backing-filename-format");

      g_assert_cmpstr (backing, ==, base);
      g_assert_cmpstr (format, ==, "qcow2");
    }
  /* a node that is a disk's root is not taken away */
  g_assert_false (qs_step_qmp_undo (guest, added, NULL, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
  g_assert_cmpstr (error->message, ==,
                   "disk ‘vdc’: QEMU refuses ‘blockdev-del’: Node snapd-0-vdc is in use");
  must_fail (guest, snapshot, QS_ERROR_OPERATION_INVALID,
             "disk ‘vda’ cannot be snapshotted: its active image is no longer the one that was "
             "seen, or a block job is on it");
}

static void
test_undo_node (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsStep) step = add_step (qemu, "vda");
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = NULL;

  must_undo (guest, step, NULL);
  g_assert_false (qs_step_qmp_run (guest, step, &result, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
  g_assert_nonnull (strstr (error->message, "vda.snap’: QEMU refuses ‘blockdev-add’: "));
  g_assert_nonnull (strstr (error->message, "No such file or directory"));
  must_undo (guest, step, NULL);

  path = real_qemu_overlay (qemu, "vda", "64M");
  must_run (guest, step);
  must_undo (guest, step, NULL);
  g_assert_cmpint (qs_step_qmp_probe (guest, step, NULL, NULL), ==, QS_PROBE_NOT_DONE);
  must_undo (guest, step, NULL);
  must_undo (NULL, step, NULL);
  /* the file is free again */
  must_run (guest, step);
  check_active (qemu, guest, "snapd-", ".qcow2");
}

static void
check_nothing_changed (const RealQemu *qemu, QsGuest *guest, const QsStep *snapshot)
{
  check_active (qemu, guest, "snapd-", ".qcow2");
  g_assert_cmpint (qs_step_qmp_probe (guest, snapshot, NULL, NULL), ==, QS_PROBE_NOT_DONE);
}

/* the second disk has a job: only QEMU's transaction can find that out */
static void
test_busy_disk (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsStep) snapshot = snapshot_step (qemu);

  add_overlays (qemu, guest);
  real_qemu_do (qemu, "blockdev-add",
                "{'driver': <'null-co'>, 'node-name': <'n'>, 'size': <67108864>}");
  real_qemu_do (qemu, "blockdev-mirror",
                "{'job-id': <'j'>, 'device': <'snapd-vdb'>, 'target': <'n'>, 'sync': <'full'>,"
                " 'filter-node-name': <'above'>}");
  real_qemu_do (qemu, "job-pause", "{'id': <'j'>}");
  must_fail (guest, snapshot, QS_ERROR_OPERATION_INVALID,
             "disk ‘vdb’ cannot be snapshotted: its active image is no longer the one that was "
             "seen, or a block job is on it");
  real_qemu_do (qemu, "job-cancel", "{'id': <'j'>}");
}

static void
test_second_disk_refused (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsStep) snapshot = snapshot_step (qemu);

  add_overlays (qemu, guest);
  /* an overlay that has got a backing file already is refused by the transaction itself */
  real_qemu_do (qemu, "blockdev-add",
                "{'driver': <'null-co'>, 'node-name': <'n'>, 'size': <67108864>}");
  real_qemu_do (qemu, "blockdev-snapshot", "{'node': <'n'>, 'overlay': <'snapd-0-vdb'>}");
  must_fail (guest, snapshot, QS_ERROR_MONITOR_FAILED,
             "one of the disks ‘vda’, ‘vdb’, ‘vdc’, ‘vdd’: QEMU refuses ‘transaction’: The overlay "
             "already has a backing image");
  check_nothing_changed (qemu, guest, snapshot);
}

static void
test_second_disk_unfit (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsStep) snapshot = snapshot_step (qemu);
  g_autoptr (QsStep) step = add_step (qemu, "vdb");
  g_autofree char *path = NULL;

  add_overlays (qemu, guest);
  must_undo (guest, step, NULL);
  must_fail (guest, snapshot, QS_ERROR_OPERATION_INVALID,
             "disk ‘vdb’ cannot be snapshotted: its overlay is not open");
  path = real_qemu_overlay (qemu, "vdb", "32M");
  must_run (guest, step);
  must_fail (guest, snapshot, QS_ERROR_OPERATION_INVALID,
             "disk ‘vdb’ cannot be snapshotted: its overlay has another size");
  check_nothing_changed (qemu, guest, snapshot);
}

static void
test_mixed (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsStep) snapshot = snapshot_step (qemu);

  add_overlays (qemu, guest);
  real_qemu_do (qemu, "blockdev-snapshot", "{'node': <'snapd-vdb'>, 'overlay': <'snapd-0-vdb'>}");
  g_assert_cmpint (qs_step_qmp_probe (guest, snapshot, NULL, NULL), ==, QS_PROBE_UNKNOWN);
  g_assert_cmpint (qs_step_qmp_probe (NULL, snapshot, NULL, NULL), ==, QS_PROBE_UNKNOWN);
}

static void
test_tag (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autofree char *path = real_qemu_path (qemu, "vda.qcow2");
  g_autoptr (QsStep) step =
      make_step (QS_STEP_NODE_SNAPSHOT_DELETE, QS_PHASE_FINISH, "vda",
                 "{'target': <'vda'>, 'node': <'snapd-vda'>, 'tag': <'s-1'>, 'path': <'/x'>,"
                 " 'format': <'qcow2'>, 'dev': <uint64 1>, 'ino': <uint64 1>}");

  real_qemu_do (qemu, "blockdev-snapshot-internal-sync",
                "{'device': <'snapd-vda'>, 'name': <'s-1'>}");
  real_qemu_do (qemu, "blockdev-snapshot-internal-sync",
                "{'device': <'snapd-vda'>, 'name': <'s-2'>}");
  g_assert_cmpuint (real_image_n_tags (path), ==, 2);
  g_assert_cmpint (qs_step_qmp_probe (guest, step, NULL, NULL), ==, QS_PROBE_NOT_DONE);
  must_run (guest, step);
  g_assert_cmpint (qs_step_qmp_probe (guest, step, NULL, NULL), ==, QS_PROBE_DONE);
  g_assert_cmpuint (real_image_n_tags (path), ==, 1);
  must_run (guest, step);
  g_assert_cmpuint (real_image_n_tags (path), ==, 1);
}

static void
check_state (QsGuest *guest, QsDomainState expected)
{
  QsDomainState state = QS_DOMAIN_CRASHED;

  g_assert_true (qs_guest_query_state (guest, &state, NULL, NULL));
  g_assert_cmpint (state, ==, expected);
}

static void
test_stop (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsStep) stop = make_step (QS_STEP_STOP, QS_PHASE_PREPARE, "", "{}");
  g_autoptr (QsStep) cont = make_step (QS_STEP_CONT, QS_PHASE_COMMIT, "", "{}");
  g_autoptr (GVariant) changed = NULL;
  g_autoptr (GVariant) unchanged = NULL;

  g_assert_true (qs_step_qmp_run (guest, stop, &unchanged, NULL));
  must_undo (guest, stop, unchanged);
  check_state (guest, QS_DOMAIN_PAUSED); /* it was before, and not by us */

  g_assert_cmpint (qs_step_qmp_probe (guest, cont, NULL, NULL), ==, QS_PROBE_NOT_DONE);
  must_run (guest, cont);
  g_assert_cmpint (qs_step_qmp_probe (guest, cont, NULL, NULL), ==, QS_PROBE_DONE);
  g_assert_true (qs_step_qmp_run (guest, stop, &changed, NULL));
  g_assert_cmpint (qs_step_qmp_probe (guest, stop, NULL, NULL), ==, QS_PROBE_DONE);
  check_state (guest, QS_DOMAIN_PAUSED);
  must_undo (guest, stop, NULL); /* nothing known: left alone */
  check_state (guest, QS_DOMAIN_PAUSED);
  must_undo (guest, stop, changed);
  check_state (guest, QS_DOMAIN_RUNNING);
}

static QsStep *
quit_step (const QsProcess *process)
{
  g_autofree char *text = g_strdup_printf ("{'pid': <int64 %" G_GINT64_FORMAT
                                           ">, 'start-time': <uint64 %" G_GUINT64_FORMAT
                                           ">, 'boot-id': <'%s'>, 'unit': <''>}",
                                           process->pid, process->start_time, process->boot_id);

  return make_step (QS_STEP_QUIT, QS_PHASE_COMMIT, "", text);
}

static void
test_quit (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsProcess) gone = qs_process_new (qemu->process->pid, 1, "another boot", "", "");
  g_autoptr (QsStep) other = quit_step (gone);
  g_autoptr (QsStep) quit = quit_step (qemu->process);

  must_run (guest, other);
  g_assert_true (qs_process_is_alive (qemu->process));
  g_assert_cmpint (qs_step_qmp_probe (guest, other, NULL, NULL), ==, QS_PROBE_DONE);
  g_assert_cmpint (qs_step_qmp_probe (guest, quit, NULL, NULL), ==, QS_PROBE_NOT_DONE);
  must_fail (NULL, quit, QS_ERROR_TIMEOUT,
             "QEMU cannot be told to quit: there is no connection to it");
  must_run (guest, quit);
  g_assert_false (qs_process_is_alive (qemu->process));
  g_assert_cmpint (qs_step_qmp_probe (guest, quit, NULL, NULL), ==, QS_PROBE_DONE);
  must_run (guest, quit);
  must_run (NULL, quit);
}

static void
test_powerdown (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsStep) powerdown = make_step (QS_STEP_POWERDOWN, QS_PHASE_COMMIT, "", "{}");

  must_run (guest, powerdown);
  g_assert_cmpint (qs_step_qmp_probe (guest, powerdown, NULL, NULL), ==, QS_PROBE_NOT_DONE);
  g_assert_cmpint (qs_step_qmp_probe (NULL, powerdown, NULL, NULL), ==, QS_PROBE_DONE);
  must_fail (NULL, powerdown, QS_ERROR_MONITOR_FAILED,
             "‘system_powerdown’ cannot be done: there is no connection to the domain’s QEMU");
  g_assert_true (qs_step_qmp_handles (QS_STEP_STOP));
  g_assert_false (qs_step_qmp_handles (QS_STEP_RECORD));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/step-qmp/snapshot", test_snapshot);
  g_test_add_func ("/step-qmp/undo-node", test_undo_node);
  g_test_add_func ("/step-qmp/busy-disk", test_busy_disk);
  g_test_add_func ("/step-qmp/second-disk-refused", test_second_disk_refused);
  g_test_add_func ("/step-qmp/second-disk-unfit", test_second_disk_unfit);
  g_test_add_func ("/step-qmp/mixed", test_mixed);
  g_test_add_func ("/step-qmp/tag", test_tag);
  g_test_add_func ("/step-qmp/stop", test_stop);
  g_test_add_func ("/step-qmp/quit", test_quit);
  g_test_add_func ("/step-qmp/powerdown", test_powerdown);
  return g_test_run ();
}
