/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-step-qmp.h"
#include "real-qemu.h"

#include <string.h>

/* a device of a real QEMU goes over to another node, and back */

#define DEVICE "/machine/peripheral/disk-vda/virtio-backend"
#define SWITCH                                                                                     \
  "{'target': <'vda'>, 'device': <'" DEVICE "'>, 'node': <'snapd-new'>, 'old': <'snapd-vda'>}"
#define HOLD "{'target': <'vda'>, 'node': <'snapd-new-h'>, 'old': <'snapd-vda'>}"
#define RELEASE                                                                                    \
  "{'target': <'vda'>, 'node': <'snapd-new'>, 'old': <'snapd-vda'>, 'holder': <'snapd-new-h'>}"

static QsStep *
make_step (QsStepKind kind, const char *arguments)
{
  g_autoptr (GError) error = NULL;
  GVariant *parsed = g_variant_parse (G_VARIANT_TYPE_VARDICT, arguments, NULL, NULL, &error);
  QsPhase phase = qs_step_type (kind)->undo != NULL ? QS_PHASE_PREPARE : QS_PHASE_FINISH;
  QsStep *step;

  g_assert_no_error (error);
  step = qs_step_new (kind, phase, "vda", parsed);
  qs_step_check (step, &error);
  g_assert_no_error (error);
  g_variant_unref (parsed);
  return step;
}

static void
must_run (QsGuest *guest, QsStepKind kind, const char *arguments)
{
  g_autoptr (QsStep) step = make_step (kind, arguments);
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  qs_step_qmp_run (guest, step, &result, &error);
  g_assert_no_error (error);
}

static void
must_undo (QsGuest *guest, QsStepKind kind, const char *arguments)
{
  g_autoptr (QsStep) step = make_step (kind, arguments);
  g_autoptr (GError) error = NULL;

  qs_step_qmp_undo (guest, step, NULL, &error);
  g_assert_no_error (error);
}

static QsProbe
probe (QsGuest *guest)
{
  g_autoptr (QsStep) step = make_step (QS_STEP_NODE_SWITCH, SWITCH);

  return qs_step_qmp_probe (guest, step, NULL, NULL);
}

/* a fresh overlay on a state that is no disk's node */
static char *
make_overlay (const RealQemu *qemu)
{
  g_autofree char *state = real_qemu_path (qemu, "state.qcow2");
  g_autofree char *overlay = real_qemu_path (qemu, "new.qcow2");
  const char *create[] = { "qemu-img", "create", "-q", "-f", "qcow2", state, "64M", NULL };
  const char *above[] = { "qemu-img", "create", "-q",    "-f",    "qcow2", "-u", "-b",
                          state,      "-F",     "qcow2", overlay, "64M",   NULL };

  real_run (create);
  real_run (above);
  return g_strdup_printf ("{'target': <'vda'>, 'node': <'snapd-new'>, 'path': <'%s'>,"
                          " 'format': <'qcow2'>, 'direct': <false>, 'no-flush': <false>,"
                          " 'auto-read-only': <false>, 'open-backing': <true>}",
                          overlay);
}

static void
test_there (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autofree char *node = make_overlay (qemu);

  must_run (guest, QS_STEP_NODE_ADD, node);
  must_run (guest, QS_STEP_NODE_HOLD, HOLD);
  g_assert_cmpint (probe (guest), ==, QS_PROBE_NOT_DONE);
  must_run (guest, QS_STEP_NODE_SWITCH, SWITCH);
  g_assert_cmpint (probe (guest), ==, QS_PROBE_DONE);
  /* QEMU would abort if it were asked once more */
  must_run (guest, QS_STEP_NODE_SWITCH, SWITCH);

  must_run (guest, QS_STEP_RESET, "@a{sv} {}");
  for (guint i = 0; i < 2; i++)
    {
      must_run (guest, QS_STEP_NODE_RELEASE, RELEASE);
      g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-new-h"), ==, 0);
      g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-vda"), ==, 0);
      g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-new"), ==, 1);
      g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-new-f"), ==, 1);
      /* those of other disks are none of its business */
      g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-vdb"), ==, 1);
    }
}

static void
test_back (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autofree char *node = make_overlay (qemu);

  must_run (guest, QS_STEP_NODE_ADD, node);
  must_run (guest, QS_STEP_NODE_HOLD, HOLD);
  must_run (guest, QS_STEP_NODE_SWITCH, SWITCH);
  for (guint i = 0; i < 2; i++)
    {
      must_undo (guest, QS_STEP_NODE_SWITCH, SWITCH);
      must_undo (guest, QS_STEP_NODE_HOLD, HOLD);
      must_undo (guest, QS_STEP_NODE_ADD, node);
    }
  g_assert_cmpint (probe (guest), ==, QS_PROBE_NOT_DONE);
  g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-new"), ==, 0);
  g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-new-h"), ==, 0);
  g_assert_cmpuint (real_qemu_count_nodes (guest, "snapd-vda"), ==, 1);
}

/* it has ended: nothing is to be set back */
static void
test_gone (void)
{
  must_undo (NULL, QS_STEP_NODE_SWITCH, SWITCH);
  must_undo (NULL, QS_STEP_NODE_HOLD, HOLD);
  g_assert_cmpint (probe (NULL), ==, QS_PROBE_NOT_DONE);
}

static void
assert_refused (QsGuest *guest, const char *arguments, const char *text)
{
  g_autoptr (QsStep) step = make_step (QS_STEP_NODE_SWITCH, arguments);
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (qs_step_qmp_run (guest, step, &result, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID);
  g_assert_nonnull (strstr (error->message, text));
}

static void
test_refused (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);

  assert_refused (guest,
                  "{'target': <'vda'>, 'device': <'" DEVICE "'>, 'node': <'snapd-new'>,"
                  " 'old': <'snapd-other'>}",
                  "no longer");
  assert_refused (guest,
                  "{'target': <'vda'>, 'device': <'/machine/none'>, 'node': <'snapd-new'>,"
                  " 'old': <'snapd-vda'>}",
                  "/machine/none");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/step-switch/there", test_there);
  g_test_add_func ("/step-switch/back", test_back);
  g_test_add_func ("/step-switch/gone", test_gone);
  g_test_add_func ("/step-switch/refused", test_refused);
  return g_test_run ();
}
