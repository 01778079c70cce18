/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-step-qmp.h"
#include "real-qemu.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* overlays that take over the name of a disk's file, several deep, in a real QEMU */

static void
must_run (QsGuest *guest, QsStepKind kind, QsPhase phase, const char *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) parsed =
      g_variant_parse (G_VARIANT_TYPE_VARDICT, arguments, NULL, NULL, &error);
  g_autoptr (GVariant) result = NULL;
  g_autoptr (QsStep) step = NULL;

  g_assert_no_error (error);
  step = qs_step_new (kind, phase, "vda", parsed);
  qs_step_check (step, &error);
  g_assert_no_error (error);
  qs_step_qmp_run (guest, step, &result, &error);
  g_assert_no_error (error);
  if (kind == QS_STEP_NODE_REBASE)
    {
      g_assert_null (result);
      g_assert_cmpint (qs_step_qmp_probe (guest, step, NULL, NULL), ==, QS_PROBE_DONE);
    }
}

/* the old file gets the name @kept, an empty overlay on it lies at @aside */
static void
make_files (const RealQemu *qemu, const char *kept, const char *aside)
{
  g_autofree char *active = real_qemu_path (qemu, "vda.qcow2");
  const char *create[] = { "qemu-img", "create", "-q",    "-f",  "qcow2", "-u", "-b",
                           kept,       "-F",     "qcow2", aside, "64M",   NULL };

  g_assert_cmpint (link (active, kept), ==, 0);
  real_run (create);
}

static void
snapshot (const RealQemu *qemu, QsGuest *guest, guint n, const char *old)
{
  g_autofree char *active = real_qemu_path (qemu, "vda.qcow2");
  g_autofree char *kept_name = g_strdup_printf ("vda.s%u", n);
  g_autofree char *kept = real_qemu_path (qemu, kept_name);
  g_autofree char *aside_name = g_strdup_printf (".snapd-%u", n);
  g_autofree char *aside = real_qemu_path (qemu, aside_name);
  g_autofree char *node = g_strdup_printf (
      "{'target': <'vda'>, 'node': <'snapd-%u'>, 'path': <'%s'>, 'format': <'qcow2'>,"
      " 'direct': <true>, 'no-flush': <false>, 'detect-zeroes': <'unmap'>,"
      " 'auto-read-only': <false>}",
      n, aside);
  g_autofree char *transaction = g_strdup_printf (
      "{'disks': <[{'target': <'vda'>, 'node': <'%s'>, 'overlay': <'snapd-%u'>, 'path': <'%s'>,"
      " 'active': <'%s'>}]>}",
      old, n, aside, active);
  g_autofree char *rebase = g_strdup_printf (
      "{'target': <'vda'>, 'node': <'snapd-%u'>, 'format': <'qcow2'>, 'backing': <'snapd-%u-b'>,"
      " 'path': <'%s'>, 'backing-format': <'qcow2'>, 'old': <'%s'>, 'direct': <true>,"
      " 'no-flush': <false>, 'detect-zeroes': <'unmap'>}",
      n, n, kept, old);

  make_files (qemu, kept, aside);
  must_run (guest, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, node);
  must_run (guest, QS_STEP_TRANSACTION, QS_PHASE_COMMIT, transaction);
  g_assert_cmpint (g_rename (aside, active), ==, 0);
  must_run (guest, QS_STEP_NODE_REBASE, QS_PHASE_FINISH, rebase);
  /* a finish step may come twice */
  must_run (guest, QS_STEP_NODE_REBASE, QS_PHASE_FINISH, rebase);
}

static JsonObject *
find_root (JsonArray *devices, const char *node)
{
  for (guint i = 0; i < json_array_get_length (devices); i++)
    {
      JsonObject *device = json_array_get_object_element (devices, i);
      JsonObject *inserted = json_object_has_member (device, "inserted")
                                 ? json_object_get_object_member (device, "inserted")
                                 : NULL;

      if (inserted != NULL
          && g_str_equal (json_object_get_string_member (inserted, "node-name"), node))
        return inserted;
    }
  g_error ("no disk stands on ‘%s’", node);
}

/* what the guest's disk stands on, by the names that its nodes know; with its cache mode */
static char *
describe_chain (QsGuest *guest, const char *node)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) answer =
      qs_qmp_execute (qs_guest_get_qmp (guest), "query-block", NULL, 10, &error);
  GString *text = g_string_new (NULL);
  JsonObject *inserted, *image;

  g_assert_no_error (error);
  inserted = find_root (json_node_get_array (answer), node);
  g_string_append_printf (
      text, "%s direct %d zeroes %s", json_object_get_string_member (inserted, "node-name"),
      json_object_get_boolean_member (json_object_get_object_member (inserted, "cache"), "direct"),
      json_object_get_string_member (inserted, "detect_zeroes"));
  image = json_object_get_object_member (inserted, "image");
  while (json_object_has_member (image, "backing-image"))
    {
      g_autofree char *name = NULL;

      image = json_object_get_object_member (image, "backing-image");
      name = g_path_get_basename (json_object_get_string_member (image, "filename"));
      g_string_append_printf (text, " <- %s", name);
    }
  return g_string_free (text, FALSE);
}

static void
test_deep (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autofree char *first = NULL;
  g_autofree char *third = NULL;

  snapshot (qemu, guest, 1, "snapd-vda");
  first = describe_chain (guest, "snapd-1");
  g_assert_cmpstr (first, ==, "snapd-1 direct 1 zeroes unmap <- vda.s1");
  snapshot (qemu, guest, 2, "snapd-1");
  snapshot (qemu, guest, 3, "snapd-2");
  third = describe_chain (guest, "snapd-3");
  g_assert_cmpstr (third, ==, "snapd-3 direct 1 zeroes unmap <- vda.s3 <- vda.s2 <- vda.s1");

  /* what knew the old names has gone, what knows the new ones is used again */
  g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-vda"), ==, 0);
  g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-1"), ==, 0);
  g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-2"), ==, 0);
  g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-1-b"), ==, 1);
  g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-2-b"), ==, 1);
}

/* what is refused is told and does not hold the operation up */
static void
assert_refused (QsGuest *guest, const char *text)
{
  g_autoptr (GVariant) arguments = g_variant_ref_sink (g_variant_new_parsed (
      "{'target': <'vda'>, 'node': <'snapd-vda'>, 'format': <'qcow2'>, 'backing': <'snapd-x-b'>,"
      " 'path': <'/nonexistent/vda.s1'>, 'backing-format': <'qcow2'>, 'old': <'snapd-none'>,"
      " 'direct': <false>, 'no-flush': <false>, 'detect-zeroes': <'off'>}"));
  g_autoptr (QsStep) step = qs_step_new (QS_STEP_NODE_REBASE, QS_PHASE_FINISH, "vda", arguments);
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;
  const char *why = NULL;

  g_assert_true (qs_step_qmp_run (guest, step, &result, &error));
  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (result, "refused", "&s", &why));
  g_assert_nonnull (strstr (why, text));
}

static void
test_refused (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);

  assert_refused (guest, "/nonexistent/vda.s1");
}

/* in which QEMU 7.2 would abort */
static void
test_threads (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);

  real_qemu_do (qemu, "object-add", "{'qom-type': <'iothread'>, 'id': <'thread'>}");
  assert_refused (guest, "I/O threads");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/step-rebase/deep", test_deep);
  g_test_add_func ("/step-rebase/refused", test_refused);
  g_test_add_func ("/step-rebase/threads", test_threads);
  return g_test_run ();
}
