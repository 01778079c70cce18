/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "load-bed.h"
#include "qs-error.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* a real QEMU loads memory into a guest that stands still */

static void
test_loaded (gconstpointer kind)
{
  g_auto (LoadBed) bed = { 0 };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  load_bed_open (&bed, kind);
  plan = load_bed_plan (&bed, "t");
  g_assert_cmpint (real_domain_run (bed.domain, plan, NULL, &error), ==, QS_OUTCOME_DONE);
  g_assert_no_error (error);
  load_bed_assert_loaded (&bed);
}

static void
must_refuse (LoadBed *bed, const char *tag, const char *text)
{
  g_autoptr (QsPlan) plan = load_bed_plan (bed, tag);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (real_domain_run (bed->domain, plan, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID);
  g_assert_nonnull (strstr (error->message, text));
  load_bed_assert_untouched (bed);
}

/* QEMU is not even asked */
static void
test_refused (void)
{
  static const LoadKind without = { "snapd-m", "['snapd-m', 'snapd-vdc']", "vdc" };
  static const LoadKind gone = { "snapd-m", "['snapd-m', 'snapd-x']", "" };
  g_auto (LoadBed) bed = { 0 };

  load_bed_open (&bed, &load_with_disks);
  must_refuse (&bed, "other", "has not got exactly one snapshot with the tag ‘other’");
  bed.kind = &gone;
  must_refuse (&bed, "t", "no block node ‘snapd-x’ any more");
  bed.kind = &load_in_disk;
  must_refuse (&bed, "t", "the snapshot ‘t’ in ‘");
  /* QEMU takes a name for a number first, and the first snapshot of an image has the number 1 */
  real_qemu_do (bed.domain->qemu, "blockdev-snapshot-internal-sync",
                "{'device': <'snapd-vda'>, 'name': <'1'>}");
  must_refuse (&bed, "1", "has another snapshot with the number 1");
  real_qemu_do (bed.domain->qemu, "blockdev-snapshot-delete-internal-sync",
                "{'device': <'snapd-vdc'>, 'name': <'t'>}");
  bed.kind = &without;
  must_refuse (&bed, "t", "vdc.qcow2’ has not got exactly one snapshot");
}

/* the memory that can be loaded is none: what the service has started ends, with the disks as they were */
static void
test_damaged (void)
{
  g_auto (LoadBed) bed = { 0 };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  load_bed_open (&bed, &load_side_car);
  plan = load_bed_plan (&bed, "t");
  load_bed_damage (&bed);
  g_assert_cmpint (real_domain_run (bed.domain, plan, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
  g_assert_nonnull (strstr (error->message, "cannot load memory from ‘snapd-m’"));
  g_assert_nonnull (strstr (error->message, "is lost, and its QEMU was ended"));
  g_assert_false (qs_process_is_alive (bed.domain->qemu->process));
  g_assert_cmpint (load_bed_state (&bed), ==, QS_DOMAIN_SHUTOFF);
  g_assert_true (load_bed_disk_has (&bed, 2));
}

/* the disks were reverted before: they stay so */
static void
test_damaged_with_disks (void)
{
  g_auto (LoadBed) bed = { 0 };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GVariantDict) unused = G_VARIANT_DICT_INIT (NULL);

  load_bed_open (&bed, &load_with_disks);
  plan = load_bed_plan (&bed, "t");
  load_bed_damage (&bed);
  g_assert_cmpint (real_domain_run (bed.domain, plan, &results, &error), ==, QS_OUTCOME_DONE);
  g_assert_no_error (error);
  g_assert_false (qs_process_is_alive (bed.domain->qemu->process));
  g_assert_true (load_bed_disk_has (&bed, 1));
  g_assert_false (qs_plan_check_results (plan, results, &unused, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
  g_assert_nonnull (strstr (error->message, "the disks are as in the snapshot, but cannot load"));
}

/* its owner's stays, and nobody lets it go on, also not the next start of the service */
static void
test_damaged_attached (gconstpointer kind)
{
  gboolean disks = kind == &load_with_disks;
  g_auto (LoadBed) bed = { 0 };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GError) error = NULL;

  load_bed_open (&bed, kind);
  load_bed_attach (&bed);
  plan = load_bed_plan (&bed, "t");
  load_bed_damage (&bed);
  g_assert_cmpint (real_domain_run (bed.domain, plan, &results, &error), ==,
                   disks ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE);
  g_assert_nonnull (strstr (load_bed_lost (results), "it stands still: end its QEMU"));
  g_assert_true (qs_process_is_alive (bed.domain->qemu->process));
  g_assert_cmpint (load_bed_state (&bed), ==, QS_DOMAIN_PAUSED);
  load_bed_assert_no_jobs (&bed);
  g_assert_true (load_bed_disk_has (&bed, disks ? 1 : 2));
}

static QsPlan *
make_discard (const char *path)
{
  QsPlan *plan = qs_plan_new ();
  g_autofree char *create =
      g_strdup_printf ("{'target': <'@memory'>, 'path': <'%s'>, 'format': <'qcow2'>,"
                       " 'size': <uint64 1048576>, 'cluster-size': <uint32 65536>,"
                       " 'mode': <uint32 384>, 'gid': <uint32 %u>}",
                       path, getgid ());
  g_autofree char *discard =
      g_strdup_printf ("{'target': <'@memory'>, 'path': <'%s'>, 'image': <uint32 0>}", path);

  real_plan_add (plan, QS_STEP_IMAGE_CREATE, QS_PHASE_PREPARE, create);
  real_plan_add (plan, QS_STEP_STOP, QS_PHASE_COMMIT, "@a{sv} {}");
  real_plan_add (plan, QS_STEP_IMAGE_DISCARD, QS_PHASE_FINISH, discard);
  return plan;
}

/* a file for the time of the operation goes with it, and one that has taken its name stays */
static void
test_discard (void)
{
  g_autoptr (RealDomain) domain = real_domain_new (&(RealQemuOptions){ 0 });
  g_autofree char *path = real_domain_path (domain, "for-now");
  g_autoptr (QsPlan) plan = make_discard (path);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (real_domain_run (domain, plan, NULL, &error), ==, QS_OUTCOME_DONE);
  g_assert_no_error (error);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  real_domain_run_until (domain, plan, 1, REAL_AFTER);
  g_assert_no_errno (g_unlink (path));
  g_assert_true (g_file_set_contents (path, "somebody's", -1, NULL));
  g_assert_cmpint (real_domain_resume (domain, NULL, &error), ==, QS_OUTCOME_DONE);
  g_assert_no_error (error);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/step-load/side-car", &load_side_car, test_loaded);
  g_test_add_data_func ("/step-load/in-disk", &load_in_disk, test_loaded);
  g_test_add_data_func ("/step-load/with-disks", &load_with_disks, test_loaded);
  g_test_add_func ("/step-load/refused", test_refused);
  g_test_add_func ("/step-load/damaged", test_damaged);
  g_test_add_func ("/step-load/damaged-with-disks", test_damaged_with_disks);
  g_test_add_data_func ("/step-load/damaged-attached", &load_side_car, test_damaged_attached);
  g_test_add_data_func ("/step-load/damaged-attached-disks", &load_with_disks,
                        test_damaged_attached);
  g_test_add_func ("/step-load/discard", test_discard);
  return g_test_run ();
}
