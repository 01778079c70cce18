/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-block-job.h"
#include "qs-error.h"
#include "real-domain.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* a transaction that is taken back, since what comes after it cannot be done */

#define BLOCKDEV (&(RealQemuOptions){ 0 })
#define DRIVE (&(RealQemuOptions){ .drives = TRUE })

static const char *const targets[] = { "vda", "vdb" };

static char *
root_node (const RealDomain *domain, const char *target)
{
  g_autoptr (QsGuest) guest = qs_registry_get_guest (domain->engine.registry, "1");
  g_autoptr (GPtrArray) nodes = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_guest_nodes (guest, domain->qemu->domain, &nodes, &error));
  for (guint i = 0; i < nodes->len; i++)
    {
      const QsNode *node = g_ptr_array_index (nodes, i);

      if (g_str_equal (node->target, target))
        return g_strdup (node->node_name);
    }
  g_assert_not_reached ();
}

static void
add_overlay (const RealDomain *domain, QsPlan *plan, const char *target)
{
  g_autofree char *name = g_strconcat (target, ".s1", NULL);
  g_autofree char *path = real_domain_path (domain, name);
  g_autofree char *base_name = g_strconcat (target, ".qcow2", NULL);
  g_autofree char *base = real_domain_path (domain, base_name);
  g_autofree char *image = g_strdup_printf (
      "{'target': <'%s'>, 'path': <'%s'>, 'format': <'qcow2'>, 'size': <uint64 67108864>,"
      " 'cluster-size': <uint32 65536>, 'backing': <'%s'>, 'backing-format': <'qcow2'>,"
      " 'mode': <uint32 384>, 'gid': <uint32 0>}",
      target, path, base);
  g_autofree char *node = g_strdup_printf (
      "{'target': <'%s'>, 'node': <'snapd-0-%s'>, 'path': <'%s'>, 'format': <'qcow2'>,"
      " 'direct': <false>, 'no-flush': <false>, 'detect-zeroes': <'off'>}",
      target, target, path);

  real_plan_add (plan, QS_STEP_IMAGE_CREATE, QS_PHASE_PREPARE, image);
  real_plan_add (plan, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, node);
}

static void
add_mode (const RealDomain *domain, QsPlan *plan, const char *target)
{
  g_autofree char *base_name = g_strconcat (target, ".qcow2", NULL);
  g_autofree char *base = real_domain_path (domain, base_name);
  g_autofree char *text = NULL;
  GStatBuf info;

  g_assert_no_errno (g_stat (base, &info));
  text = g_strdup_printf ("{'target': <'%s'>, 'path': <'%s'>, 'dev': <uint64 %" G_GUINT64_FORMAT
                          ">, 'ino': <uint64 %" G_GUINT64_FORMAT ">, 'btime': <int64 0>,"
                          " 'mode': <uint32 %u>, 'before': <uint32 %u>}",
                          target, base, (guint64)info.st_dev, (guint64)info.st_ino,
                          (info.st_mode & 07777) & ~0222u, info.st_mode & 07777);
  real_plan_add (plan, QS_STEP_FILE_MODE, QS_PHASE_PREPARE, text);
}

/* what else the row of vda has */
static const char *before_vda = "";

static void
append_overlay (const RealDomain *domain, GString *text, const char *target)
{
  g_autofree char *node = root_node (domain, target);

  g_string_append_printf (
      text,
      "{'target': <'%s'>, 'node': <'%s'>, 'overlay': <'snapd-0-%s'>,"
      " 'path': <'%s/%s.s1'>, 'active': <'%s/%s.qcow2'>, 'format': <'qcow2'>%s}",
      target, node, target, domain->qemu->folder, target, domain->qemu->folder, target,
      g_str_equal (target, "vda") ? before_vda : "");
}

static void
append_tag (const RealDomain *domain, GString *text, const char *target)
{
  g_autofree char *node = root_node (domain, target);
  g_autofree char *path = g_strdup_printf ("%s/%s.qcow2", domain->qemu->folder, target);
  GStatBuf info;

  g_assert_no_errno (g_stat (path, &info));
  g_string_append_printf (text,
                          "{'target': <'%s'>, 'node': <'%s'>, 'tag': <'s-1'>, 'path': <'%s'>,"
                          " 'dev': <uint64 %" G_GUINT64_FORMAT
                          ">, 'ino': <uint64 %" G_GUINT64_FORMAT ">}",
                          target, node, path, (guint64)info.st_dev, (guint64)info.st_ino);
}

/* something that will never succeed comes last; the transaction is step 6 */
#define TRANSACTION 6

static QsPlan *
make_plan (const RealDomain *domain)
{
  QsPlan *plan = qs_plan_new ();
  g_autoptr (GString) rows = g_string_new ("{'disks': <[");
  g_autofree char *last = g_strdup_printf (
      "{'path': <'%s/there/is/none'>, 'template': <'/nonexistent'>}", domain->qemu->folder);

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++)
    {
      add_overlay (domain, plan, targets[i]);
      add_mode (domain, plan, targets[i]);
      append_overlay (domain, rows, targets[i]);
      g_string_append (rows, ", ");
    }
  append_tag (domain, rows, "vdc");
  g_string_append (rows, "]>}");
  real_plan_add (plan, QS_STEP_TRANSACTION, QS_PHASE_PREPARE, rows->str);
  real_plan_add (plan, QS_STEP_NVRAM_CREATE, QS_PHASE_PREPARE, last);
  real_plan_add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, "{'changes': <@a(sa{sv}) []>}");
  return plan;
}

static void
write_all (const RealDomain *domain, const char *command)
{
  for (guint i = 0; i < G_N_ELEMENTS (targets); i++)
    {
      real_qemu_write (domain->qemu, targets[i], command);
      real_qemu_write (domain->qemu, targets[i], "flush");
    }
}

/* as it never was: but what the guest has written in between is there */
static void
check_back (const RealDomain *domain, const char *expected)
{
  g_autofree char *tagged = real_domain_path (domain, "vdc.qcow2");

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++)
    {
      g_autofree char *base = g_strdup_printf ("%s/%s.qcow2", domain->qemu->folder, targets[i]);
      g_autofree char *overlay = g_strdup_printf ("%s/%s.s1", domain->qemu->folder, targets[i]);
      GStatBuf info;

      g_assert_true (real_image_reads (base, "read -P 1 0 64k"));
      g_assert_true (real_image_reads (base, expected));
      g_assert_false (g_file_test (overlay, G_FILE_TEST_EXISTS));
      g_assert_no_errno (g_stat (base, &info));
      g_assert_cmpuint (info.st_mode & 0200, ==, 0200);
    }
  g_assert_cmpuint (real_image_n_tags (tagged), ==, 0);
}

static void
check_nodes (const RealDomain *domain, const char *const *before)
{
  g_autoptr (QsGuest) guest = qs_registry_get_guest (domain->engine.registry, "1");

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++)
    {
      g_autofree char *overlay = g_strconcat ("snapd-0-", targets[i], NULL);
      g_autofree char *node = root_node (domain, targets[i]);

      g_assert_cmpstr (node, ==, before[i]);
      g_assert_cmpuint (real_qemu_count_nodes (guest, overlay), ==, 0);
    }
}

static void
test_fails (gconstpointer options)
{
  g_autoptr (RealDomain) domain = real_domain_new (options);
  g_autofree char *first = root_node (domain, "vda");
  g_autofree char *second = root_node (domain, "vdb");
  const char *const before[] = { first, second };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  write_all (domain, "write -q -P 1 0 64k");
  plan = make_plan (domain);
  g_assert_cmpint (real_domain_run (domain, plan, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_nonnull (strstr (error->message, "/nonexistent"));
  check_back (domain, "read -P 0 1M 64k");
  check_nodes (domain, before);
  /* the guest goes on with the old files, and may be snapshotted again */
  write_all (domain, "write -q -P 4 3M 64k");
  check_back (domain, "read -P 4 3M 64k");
}

/* the daemon is killed after the transaction, the guest writes on */
static void
test_daemon_killed (gconstpointer options)
{
  for (RealPoint point = REAL_BEFORE; point <= REAL_AFTER; point++)
    {
      g_autoptr (RealDomain) domain = real_domain_new (options);
      g_autofree char *first = root_node (domain, "vda");
      g_autofree char *second = root_node (domain, "vdb");
      const char *const before[] = { first, second };
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GError) error = NULL;

      write_all (domain, "write -q -P 1 0 64k");
      plan = make_plan (domain);
      real_domain_run_until (domain, plan, TRANSACTION, point);
      write_all (domain, "write -q -P 2 1M 1M");
      g_assert_cmpint (real_domain_resume (domain, NULL, &error), ==, QS_OUTCOME_UNDONE);
      g_assert_no_error (error);
      check_back (domain, "read -P 2 1M 1M");
      check_nodes (domain, before);
    }
}

/* and so is QEMU: what stands in the overlays goes down into the files by qemu-img */
static void
test_both_killed (gconstpointer options)
{
  g_autoptr (RealDomain) domain = real_domain_new (options);
  g_autofree char *base = real_domain_path (domain, "vda.qcow2");
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  write_all (domain, "write -q -P 1 0 64k");
  plan = make_plan (domain);
  real_domain_run_until (domain, plan, TRANSACTION, REAL_AFTER);
  write_all (domain, "write -q -P 2 1M 1M");
  real_domain_kill_qemu (domain);
  g_assert_cmpint (real_domain_resume (domain, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_no_error (error);
  check_back (domain, "read -P 2 1M 1M");
  g_assert_true (real_image_is_sound (base));
}

/* the job was begun by a daemon that was killed then, and has come to somewhere */
static void
begin_job (const RealDomain *domain, const char *target, const char *until)
{
  static const char *const commands[] = { "job-complete", "job-finalize" };
  static const char *const reached[] = { "ready", "pending", "concluded" };
  g_autoptr (QsGuest) guest = qs_registry_get_guest (domain->engine.registry, "1");
  g_autofree char *id = g_strdup_printf ("snapd-0-%s-m", target);
  g_autofree char *arguments =
      g_strdup_printf ("{'job-id': <'%s'>, 'device': <'snapd-0-%s'>, 'base-node': <'snapd-%s'>,"
                       " 'auto-finalize': <false>, 'auto-dismiss': <false>}",
                       id, target, target);
  g_auto (QsBlockJob) job = { 0 };

  real_qemu_do (domain->qemu, "block-commit", arguments);
  for (guint i = 0;; i++)
    {
      while (job.state < QS_BLOCK_JOB_READY + i)
        g_assert_true (qs_block_job_look (qs_guest_get_qmp (guest), id, &job, NULL));
      if (g_str_equal (until, reached[i]))
        return;
      g_assert_true (qs_block_job_do (qs_guest_get_qmp (guest), commands[i], id, NULL));
    }
}

static void
test_job_goes_on (gconstpointer until)
{
  g_autoptr (RealDomain) domain = real_domain_new (BLOCKDEV);
  const char *const before[] = { "snapd-vda", "snapd-vdb" };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  write_all (domain, "write -q -P 1 0 64k");
  plan = make_plan (domain);
  real_domain_run_until (domain, plan, TRANSACTION, REAL_AFTER);
  write_all (domain, "write -q -P 2 1M 1M");
  begin_job (domain, "vda", until);
  g_assert_cmpint (real_domain_resume (domain, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_no_error (error);
  check_back (domain, "read -P 2 1M 1M");
  check_nodes (domain, before);
}

/* the switch is written down when both are equal: what is in the overlay after that is old */
static void
test_stale_overlay (void)
{
  g_autoptr (RealDomain) domain = real_domain_new (BLOCKDEV);
  g_autoptr (GVariant) learnt =
      g_variant_ref_sink (g_variant_new_parsed ("{'merged': <['vda', 'vdb']>}"));
  g_autoptr (QsJournal) journal = NULL;
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  write_all (domain, "write -q -P 1 0 64k");
  plan = make_plan (domain);
  real_domain_run_until (domain, plan, TRANSACTION, REAL_AFTER);
  write_all (domain, "write -q -P 2 1M 1M");
  begin_job (domain, "vda", "concluded");
  begin_job (domain, "vdb", "concluded");
  write_all (domain, "write -q -P 3 1M 1M");
  journal = qs_store_get_journal (domain->store.store, domain->op);
  g_assert_true (
      journal->vtable->step (journal, 0, TRANSACTION, QS_STEP_STATE_BEGUN, learnt, NULL));
  real_domain_kill_qemu (domain);
  g_assert_cmpint (real_domain_resume (domain, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_no_error (error);
  check_back (domain, "read -P 3 1M 1M");
}

static void
wait_state (const RealDomain *domain, const char *expected)
{
  g_autoptr (QsGuest) guest = qs_registry_get_guest (domain->engine.registry, "1");

  while (TRUE)
    {
      g_autofree char *word = NULL;
      QsDomainState state;

      g_assert_true (qs_guest_query_state (guest, &state, &word, NULL));
      if (g_str_equal (word, expected))
        return;
      g_usleep (G_USEC_PER_SEC / 100);
    }
}

/* somebody else has migrated the guest: nothing of ours is taken back below it, and it stays as it is */
static void
test_migrated (void)
{
  g_autoptr (RealDomain) domain = real_domain_new (BLOCKDEV);
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  write_all (domain, "write -q -P 1 0 64k");
  plan = make_plan (domain);
  real_domain_run_until (domain, plan, TRANSACTION, REAL_AFTER);
  write_all (domain, "write -q -P 2 1M 1M");
  real_qemu_do (domain->qemu, "migrate", "{'uri': <'exec:cat >/dev/null'>}");
  wait_state (domain, "postmigrate");
  g_assert_cmpint (real_domain_resume (domain, NULL, &error), ==, QS_OUTCOME_OPEN);
  g_assert_nonnull (strstr (error->message, "may have been migrated by somebody else"));
  wait_state (domain, "postmigrate");
}

/* it counts in its memory and on its disks, and compares */
static void
test_running (gconstpointer drives)
{
  const RealQemuOptions options = { .drives = drives != NULL,
                                    .guest = g_getenv ("SNAPSHOTD_COUNTER") };
  g_autoptr (RealDomain) domain = real_domain_new (&options);
  g_autofree char *first = root_node (domain, "vda");
  g_autofree char *second = root_node (domain, "vdb");
  const char *const before[] = { first, second };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (options.guest);
  real_qemu_do (domain->qemu, "cont", "@a{sv} {}");
  real_qemu_wait_counter (domain->qemu, 3);
  plan = make_plan (domain);
  real_domain_run_until (domain, plan, TRANSACTION, REAL_AFTER);
  real_qemu_wait_counter (domain->qemu, 10);
  g_assert_cmpint (real_domain_resume (domain, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_no_error (error);
  check_nodes (domain, before);
  real_qemu_wait_counter (domain->qemu, 10);
}

/* a file that has taken the name would be written to */
static void
test_name_moved (void)
{
  g_autoptr (RealDomain) domain = real_domain_new (BLOCKDEV);
  g_autofree char *base = real_domain_path (domain, "vda.qcow2");
  g_autofree char *aside = real_domain_path (domain, "vda.moved");
  const char *const create[] = { "qemu-img", "create", "-q", "-f", "qcow2", base, "64M", NULL };
  const char *const before[] = { "snapd-vda", "snapd-vdb" };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  write_all (domain, "write -q -P 1 0 64k");
  plan = make_plan (domain);
  real_domain_run_until (domain, plan, TRANSACTION, REAL_AFTER);
  write_all (domain, "write -q -P 2 1M 1M");
  g_assert_no_errno (g_rename (base, aside));
  real_run (create);
  g_assert_cmpint (real_domain_resume (domain, NULL, &error), ==, QS_OUTCOME_OPEN);
  g_assert_nonnull (strstr (error->message, "replaced by another file"));
  g_clear_error (&error);
  /* it is told what to do */
  g_assert_no_errno (g_rename (aside, base));
  g_assert_cmpint (real_domain_resume (domain, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_no_error (error);
  check_back (domain, "read -P 2 1M 1M");
  check_nodes (domain, before);
}

/* an image of somebody else's has taken the name of the overlay: it goes nowhere */
static void
test_overlay_replaced (void)
{
  g_autoptr (RealDomain) domain = real_domain_new (BLOCKDEV);
  g_autofree char *base = real_domain_path (domain, "vda.qcow2");
  g_autofree char *overlay = real_domain_path (domain, "vda.s1");
  g_autofree char *aside = real_domain_path (domain, "vda.moved");
  const char *const create[] = { "qemu-img", "create", "-q", "-f",    "qcow2", "-F",
                                 "qcow2",    "-b",     base, overlay, NULL };
  const char *const write[] = { "qemu-io", "-f", "qcow2", "-c", "write -q -P 7 2M 64k",
                                overlay,   NULL };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  write_all (domain, "write -q -P 1 0 64k");
  plan = make_plan (domain);
  real_domain_run_until (domain, plan, TRANSACTION, REAL_AFTER);
  write_all (domain, "write -q -P 2 1M 1M");
  real_domain_kill_qemu (domain);
  g_assert_no_errno (g_rename (overlay, aside));
  real_run (create);
  real_run (write);
  g_assert_cmpint (real_domain_resume (domain, NULL, &error), ==, QS_OUTCOME_OPEN);
  g_assert_error (error, QS_ERROR, QS_ERROR_QUARANTINED);
  g_assert_nonnull (strstr (error->message, overlay));
  g_assert_true (real_image_reads (base, "read -P 0 2M 64k"));
  g_assert_true (real_image_reads (overlay, "read -P 7 2M 64k"));
  g_clear_error (&error);
  /* it is told what to do */
  g_assert_no_errno (g_rename (aside, overlay));
  g_assert_cmpint (real_domain_resume (domain, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_no_error (error);
  check_back (domain, "read -P 2 1M 1M");
}

/* whether QEMU lives or not: of an overlay that was not empty nobody can tell what the guest wrote */
static void
test_had_data (gconstpointer gone)
{
  g_autoptr (RealDomain) domain = real_domain_new (BLOCKDEV);
  g_autofree char *base = real_domain_path (domain, "vda.qcow2");
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  before_vda = ", 'before': <(uint64 1, uint64 1, true)>";
  write_all (domain, "write -q -P 1 0 64k");
  plan = make_plan (domain);
  before_vda = "";
  real_domain_run_until (domain, plan, TRANSACTION, REAL_AFTER);
  write_all (domain, "write -q -P 2 1M 1M");
  if (gone != NULL)
    real_domain_kill_qemu (domain);
  g_assert_cmpint (real_domain_resume (domain, NULL, &error), ==, QS_OUTCOME_OPEN);
  g_assert_error (error, QS_ERROR, QS_ERROR_QUARANTINED);
  g_assert_true (real_image_reads (base, "read -P 0 1M 1M"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/undo-transaction/fails", BLOCKDEV, test_fails);
  g_test_add_data_func ("/undo-transaction/fails-drive", DRIVE, test_fails);
  g_test_add_data_func ("/undo-transaction/daemon-killed", BLOCKDEV, test_daemon_killed);
  g_test_add_data_func ("/undo-transaction/daemon-killed-drive", DRIVE, test_daemon_killed);
  g_test_add_data_func ("/undo-transaction/both-killed", BLOCKDEV, test_both_killed);
  g_test_add_data_func ("/undo-transaction/both-killed-drive", DRIVE, test_both_killed);
  g_test_add_data_func ("/undo-transaction/ready", "ready", test_job_goes_on);
  g_test_add_data_func ("/undo-transaction/pending", "pending", test_job_goes_on);
  g_test_add_data_func ("/undo-transaction/concluded", "concluded", test_job_goes_on);
  g_test_add_func ("/undo-transaction/stale-overlay", test_stale_overlay);
  g_test_add_func ("/undo-transaction/migrated", test_migrated);
  g_test_add_data_func ("/undo-transaction/running", NULL, test_running);
  g_test_add_data_func ("/undo-transaction/running-drive", "", test_running);
  g_test_add_func ("/undo-transaction/name-moved", test_name_moved);
  g_test_add_func ("/undo-transaction/overlay-replaced", test_overlay_replaced);
  g_test_add_data_func ("/undo-transaction/had-data", NULL, test_had_data);
  g_test_add_data_func ("/undo-transaction/had-data-gone", "", test_had_data);
  return g_test_run ();
}
