/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-step-qmp.h"
#include "real-qemu.h"

#include <string.h>

/* a real QEMU saves memory in images */

#define ROW(name)                                                                                  \
  "{'target': <'" name "'>, 'node': <'snapd-" name "'>, 'path': <'/" name "'>,"                    \
  " 'format': <'qcow2'>, 'dev': <uint64 1>, 'ino': <uint64 1>}"
#define DISKS                                                                                      \
  "{'job': <'snapd-s'>, 'tag': <'t'>, 'vmstate': <'snapd-vda'>,"                                   \
  " 'devices': <['snapd-vda', 'snapd-vdb']>, 'disks': <[" ROW ("vda") ", " ROW ("vdb") "]>}"
#define SIDE_CAR                                                                                   \
  "{'job': <'snapd-s'>, 'tag': <'t'>, 'vmstate': <'snapd-m'>,"                                     \
  " 'devices': <['snapd-m']>, 'disks': <@aa{sv} []>}"

static QsStep *
make_step (const char *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) parsed =
      g_variant_parse (G_VARIANT_TYPE_VARDICT, arguments, NULL, NULL, &error);
  QsStep *step;

  g_assert_no_error (error);
  step = qs_step_new (QS_STEP_SNAPSHOT_SAVE, QS_PHASE_PREPARE, "s1", parsed);
  qs_step_check (step, &error);
  g_assert_no_error (error);
  return step;
}

static void
must_run (QsGuest *guest, const QsStep *step)
{
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;
  guint64 bytes = 0;

  qs_step_qmp_run (guest, step, &result, &error);
  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (result, "memory-bytes", "t", &bytes));
  g_assert_cmpuint (bytes, >, 100000);
}

static void
must_fail (QsGuest *guest, const QsStep *step, QsError code, const char *text)
{
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (qs_step_qmp_run (guest, step, &result, &error));
  g_assert_error (error, QS_ERROR, (int)code);
  g_assert_nonnull (strstr (error->message, text));
}

/* as often as it likes: nothing of it is left */
static void
must_undo (const RealQemu *qemu, QsGuest *guest, const QsStep *step)
{
  static const char *const names[] = { "vda.qcow2", "vdb.qcow2" };

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;

      qs_step_qmp_undo (guest, step, NULL, &error);
      g_assert_no_error (error);
    }
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = real_qemu_path (qemu, names[i]);

      g_assert_cmpuint (real_image_n_tags (path), ==, 0);
    }
}

static void
assert_running (QsGuest *guest)
{
  QsDomainState state;

  g_assert_true (qs_guest_query_state (guest, &state, NULL, NULL));
  g_assert_cmpint (state, ==, QS_DOMAIN_RUNNING);
}

static void
test_disks (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsStep) step = make_step (DISKS);
  g_autofree char *first = real_qemu_path (qemu, "vda.qcow2");
  g_autofree char *second = real_qemu_path (qemu, "vdb.qcow2");
  g_autofree char *other = real_qemu_path (qemu, "vdc.qcow2");

  must_undo (qemu, guest, step);
  real_qemu_do (qemu, "cont", "@a{sv} {}");
  must_run (guest, step);
  assert_running (guest);
  g_assert_cmpuint (qs_qmp_get_stopped_time (qs_guest_get_qmp (guest)), >, 0);
  g_assert_cmpuint (real_image_n_tags (first), ==, 1);
  g_assert_cmpuint (real_image_n_tags (second), ==, 1);
  g_assert_cmpuint (real_image_n_tags (other), ==, 0);
  /* QEMU would make a second one of that name somewhere else, and then nobody knew which */
  must_fail (guest, step, QS_ERROR_IMAGE_FAILED, "vda.qcow2’ has a snapshot with the tag ‘t’");
  must_undo (qemu, guest, step);
  assert_running (guest);
}

static void
test_side_car (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsStep) step = make_step (SIDE_CAR);
  g_autofree char *path = real_qemu_path (qemu, "memory.qcow2");
  g_autofree char *node = g_strdup_printf ("{'driver': <'qcow2'>, 'node-name': <'snapd-m'>,"
                                           " 'file': <{'driver': <'file'>, 'filename': <'%s'>}>}",
                                           path);
  const char *const create[] = { "qemu-img", "create", "-q", "-f", "qcow2", path, "1M", NULL };

  must_fail (guest, step, QS_ERROR_OPERATION_INVALID, "no block node ‘snapd-m’");
  must_undo (qemu, guest, step);
  real_run (create);
  real_qemu_do (qemu, "blockdev-add", node);
  must_run (guest, step);
  g_assert_cmpuint (real_image_n_tags (path), ==, 1);
  /* the file goes as a whole, by the undo of the step that made it; full, it would not let go of one
     tag */
  must_undo (qemu, guest, step);
  g_assert_cmpuint (real_image_n_tags (path), ==, 1);
}

/* the guest goes on, and the images are as they were, but for their size */
static void
test_full (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsStep) step = make_step (DISKS);

  real_qemu_do (qemu, "cont", "@a{sv} {}");
  real_qemu_limit (qemu, 400000);
  must_fail (guest, step, QS_ERROR_MONITOR_FAILED, "Error while writing VM state");
  assert_running (guest);
  must_undo (qemu, guest, step);
  real_qemu_limit (qemu, G_MAXUINT32);
  must_run (guest, step);
}

/* the daemon was killed meanwhile: the jobs are there still, of the saving or of its undo */
static void
test_job_left (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsStep) step = make_step (DISKS);

  real_qemu_do (qemu, "snapshot-save",
                "{'job-id': <'snapd-s'>, 'tag': <'t'>, 'vmstate': <'snapd-vda'>,"
                " 'devices': <['snapd-vda', 'snapd-vdb']>}");
  real_qemu_do (qemu, "snapshot-delete",
                "{'job-id': <'snapd-s-d'>, 'tag': <'t'>, 'devices': <['snapd-vda']>}");
  must_undo (qemu, guest, step);
  must_run (guest, step);
  must_undo (qemu, guest, step);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/step-save/disks", test_disks);
  g_test_add_func ("/step-save/side-car", test_side_car);
  g_test_add_func ("/step-save/full", test_full);
  g_test_add_func ("/step-save/job-left", test_job_left);
  return g_test_run ();
}
