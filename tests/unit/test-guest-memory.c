/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "plan-fixture.h"
#include "qs-error.h"
#include "qs-launcher.h"
#include "qs-planners.h"
#include "real-qemu.h"

#include <string.h>

#define MIB (G_GUINT64_CONSTANT (1024) * 1024)

static void
test_bytes (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsProcess) other = qs_process_copy (qemu->process);
  g_autoptr (GError) error = NULL;
  guint64 bytes = 0;
  gboolean has_tpm = TRUE;

  g_assert_true (qs_guest_memory_bytes (guest, &bytes, &error));
  g_assert_cmpuint (bytes, ==, 64 * MIB);
  g_assert_true (qs_guest_has_tpm (guest, &has_tpm, &error));
  g_assert_false (has_tpm);
  g_assert_cmpuint (qs_process_memory_bytes (qemu->process), >, MIB);
  g_assert_cmpuint (qs_process_memory_bytes (qemu->process), <, 1024 * MIB);
  other->start_time++;
  g_assert_cmpuint (qs_process_memory_bytes (other), ==, 0);
}

static void
test_migration (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *none = NULL;
  g_autofree char *status = NULL;
  g_auto (GStrv) free_of = NULL;
  g_auto (GStrv) blockers = NULL;

  g_assert_true (qs_guest_migration (guest, &none, &free_of, &error));
  g_assert_null (none);
  g_assert_cmpuint (g_strv_length (free_of), ==, 0);

  real_qemu_do (qemu, "migrate-set-parameters", "{'max-bandwidth': <1>}");
  real_qemu_do (qemu, "migrate", "{'uri': <'exec:cat >/dev/null'>}");
  g_assert_true (qs_guest_migration (guest, &status, &blockers, &error));
  g_assert_true (g_str_equal (status, "active") || g_str_equal (status, "setup"));
  g_clear_pointer (&status, g_free);
  g_clear_pointer (&blockers, g_strfreev);
  real_qemu_do (qemu, "migrate_cancel", "{}");
  do
    {
      g_clear_pointer (&status, g_free);
      g_clear_pointer (&blockers, g_strfreev);
      g_assert_true (qs_guest_migration (guest, &status, &blockers, &error));
    }
  while (status != NULL);
}

/* a format that QEMU cannot hand over stands for a device that cannot */
static void
test_blockers (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autofree char *path = real_qemu_path (qemu, "x.vmdk");
  g_autofree char *arguments = NULL;
  g_autofree char *status = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) blockers = NULL;
  const char *const create[] = { "qemu-img", "create", "-q", "-f", "vmdk", path, "1M", NULL };

  real_run (create);
  arguments = g_strdup_printf ("{'driver': <'vmdk'>, 'node-name': <'stuck'>,"
                               " 'file': <{'driver': <'file'>, 'filename': <'%s'>}>}",
                               path);
  real_qemu_do (qemu, "blockdev-add", arguments);
  g_assert_true (qs_guest_migration (guest, &status, &blockers, &error));
  g_assert_null (status);
  g_assert_cmpuint (g_strv_length (blockers), ==, 1);
  g_assert_nonnull (strstr (blockers[0], "stuck"));
}

static void
test_refused (void)
{
  g_autoptr (QsFacts) facts = qs_facts_new ();
  g_autoptr (GError) blocked = NULL;
  g_autoptr (GError) suspended = NULL;
  const char *const blockers[] = { "0000:00:02.0: no VFIO", "virtio-fs", NULL };

  facts->state = QS_DOMAIN_RUNNING;
  g_assert_true (qs_check_memory (facts, NULL));
  facts->migration_blockers = g_strdupv ((char **)blockers);
  g_assert_false (qs_check_memory (facts, &blocked));
  g_assert_error (blocked, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED);
  g_assert_nonnull (strstr (blocked->message, "0000:00:02.0: no VFIO; virtio-fs"));
  facts->state = QS_DOMAIN_PMSUSPENDED;
  g_assert_false (qs_check_memory (facts, &suspended));
  g_assert_error (suspended, QS_ERROR, QS_ERROR_OPERATION_INVALID);
}

static void
test_room (void)
{
  g_autoptr (QsFacts) facts = qs_facts_new ();
  QsTarget *target = qs_target_new ("/memory/s1");
  g_autoptr (GError) error = NULL;

  facts->memory_bytes = 256 * MIB;
  target->free_bytes = qs_check_memory_bytes (facts);
  g_ptr_array_add (facts->targets, target);
  g_assert_cmpuint (qs_check_memory_bytes (facts), >, 256 * MIB);
  g_assert_true (qs_check_memory_room (facts, "/memory/s1", &error));
  target->free_bytes--;
  g_assert_false (qs_check_memory_room (facts, "/memory/s1", &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (error->message, "‘/memory/s1’"));
}

/* a backup program must know that its bitmap does not follow the overlay */
static void
test_bitmap (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (QsDomain) domain = fixture_running_domain (1);
  g_autoptr (QsRequest) request =
      fixture_create ("<domainsnapshot><name>s1</name></domainsnapshot>", QS_CREATE_DISK_ONLY);
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, NULL);
  g_autoptr (GPtrArray) nodes = NULL;
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;
  QsNode *node = g_ptr_array_index (facts->nodes, 0);

  real_qemu_do (qemu, "block-dirty-bitmap-add", "{'node': <'snapd-vdb'>, 'name': <'weekly'>}");
  g_assert_true (qs_guest_nodes (guest, qemu->domain, &nodes, &error));
  g_assert_null (((QsNode *)g_ptr_array_index (nodes, 0))->bitmap);
  g_assert_cmpstr (((QsNode *)g_ptr_array_index (nodes, 1))->bitmap, ==, "weekly");

  node->bitmap = g_strdup ("weekly");
  facts->has_tpm = TRUE;
  plan = qs_plan_create (domain, request, facts, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (plan->notes->len, ==, 2);
  g_assert_nonnull (strstr (g_ptr_array_index (plan->notes, 0), "‘weekly’"));
  g_assert_nonnull (strstr (g_ptr_array_index (plan->notes, 1), "TPM"));
}

static void
test_busy (void)
{
  g_autoptr (QsDomain) domain = fixture_running_domain (1);
  g_autoptr (QsRequest) request =
      fixture_create ("<domainsnapshot><name>s1</name></domainsnapshot>", QS_CREATE_DISK_ONLY);
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, NULL);
  g_autoptr (GError) error = NULL;

  facts->migration = g_strdup ("active");
  g_assert_null (qs_plan_create (domain, request, facts, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_DOMAIN_BUSY);
  g_assert_nonnull (strstr (error->message, "‘active’"));
}

/* on images that another QEMU may use by now */
static void
test_away (void)
{
  static const char *const words[] = { "postmigrate", "finish-migrate", "inmigrate" };
  g_autoptr (QsDomain) domain = fixture_running_domain (1);
  g_autoptr (QsRequest) request =
      fixture_create ("<domainsnapshot><name>s1</name></domainsnapshot>", QS_CREATE_DISK_ONLY);
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, NULL);

  facts->state = QS_DOMAIN_PAUSED;
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autoptr (GError) error = NULL;

      g_free (facts->run_state);
      facts->run_state = g_strdup (words[i]);
      g_assert_null (qs_plan_create (domain, request, facts, &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID);
      g_assert_nonnull (strstr (error->message, words[i]));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/guest-memory/bytes", test_bytes);
  g_test_add_func ("/guest-memory/migration", test_migration);
  g_test_add_func ("/guest-memory/blockers", test_blockers);
  g_test_add_func ("/guest-memory/refused", test_refused);
  g_test_add_func ("/guest-memory/room", test_room);
  g_test_add_func ("/guest-memory/bitmap", test_bitmap);
  g_test_add_func ("/guest-memory/busy", test_busy);
  g_test_add_func ("/guest-memory/away", test_away);
  return g_test_run ();
}
