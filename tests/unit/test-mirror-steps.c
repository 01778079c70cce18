/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-block-graph.h"
#include "qs-error.h"
#include "real-domain.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* a copy of vda of a running QEMU, which stands on vda.qcow2 <- vda.s1, to vda.copy */
typedef enum
{
  COPY_FULL,    /* vda.copy stands on nothing */
  COPY_SHALLOW, /* on vda.qcow2 as vda.s1 does */
  COPY_OWN,     /* on a copy of vda.qcow2, which is set when all else is done */
} CopyKind;
#define N_KINDS (COPY_OWN + 1)
/* the places of its steps; a copy that stands on a file of its own has two more */
enum
{
  STEP_CREATE,
  STEP_ADD,
  STEP_MIRROR,
  STEP_HOLD,
  STEP_COMPLETE,
  STEP_RECORD,
  STEP_FINALIZE,
  STEP_DISMISS,
  N_STEPS,
};

typedef enum
{
  MEANWHILE_NOTHING,
  MEANWHILE_WRITE,
  MEANWHILE_UNLINK,
  MEANWHILE_CANCEL,
  MEANWHILE_KILL,
  MEANWHILE_END, /* somebody else ends the job */
} Meanwhile;

typedef struct
{
  RealDomain *domain;
  QsControl *control;
  QsControlEnd end;
  Meanwhile meanwhile;
  guint n_ready;
} Bed;

static QsGuest *
get_guest (const Bed *bed)
{
  return qs_registry_get_guest (bed->domain->engine.registry, "1");
}

static char *
path_of (const Bed *bed, const char *name)
{
  return real_domain_path (bed->domain, name);
}

static void
write_to (const Bed *bed, const char *command)
{
  real_qemu_write (bed->domain->qemu, "vda", command);
  real_qemu_write (bed->domain->qemu, "vda", "flush");
}

/* what somebody does who sees that the job is ready */
static void
on_ready (gboolean ready, gpointer user_data)
{
  Bed *bed = user_data;
  g_autofree char *copy = path_of (bed, "vda.copy");

  if (!ready)
    return;
  bed->n_ready++;
  if (bed->meanwhile == MEANWHILE_WRITE)
    write_to (bed, "write -q -P 7 20M 1M");
  if (bed->meanwhile == MEANWHILE_UNLINK)
    g_assert_no_errno (g_unlink (copy));
  if (bed->meanwhile == MEANWHILE_CANCEL)
    g_cancellable_cancel (bed->domain->cancellable);
  if (bed->meanwhile == MEANWHILE_KILL)
    real_qemu_kill (bed->domain->qemu);
  if (bed->meanwhile == MEANWHILE_END)
    real_qemu_do (bed->domain->qemu, "job-cancel", "{'id': <'snapd-0-1'>}");
  if (bed->end != QS_CONTROL_HOLD)
    g_assert_true (qs_control_set_end (bed->control, bed->end, NULL));
}

static void
make_image (const Bed *bed, const char *name, const char *below)
{
  g_autofree char *backing = path_of (bed, below);
  g_autofree char *path = path_of (bed, name);
  const char *const create[] = { "qemu-img", "create", "-q",    "-f", "qcow2", "-u", "-b",
                                 backing,    "-F",     "qcow2", path, "64M",   NULL };

  real_run (create);
}

static void
add_layer (const Bed *bed)
{
  g_autofree char *path = path_of (bed, "vda.s1");
  g_autofree char *node = g_strdup_printf (
      "{'driver': <'qcow2'>, 'node-name': <'snapd-1'>, 'backing': <@mv nothing>,"
      " 'file': <{'driver': <'file'>, 'node-name': <'snapd-1-f'>, 'filename': <'%s'>,"
      " 'auto-read-only': <true>}>}",
      path);

  make_image (bed, "vda.s1", "vda.qcow2");
  real_qemu_do (bed->domain->qemu, "blockdev-add", node);
  real_qemu_do (bed->domain->qemu, "blockdev-snapshot",
                "{'node': <'snapd-vda'>, 'overlay': <'snapd-1'>}");
}

static void
bed_open (Bed *bed, QsControlEnd end, Meanwhile meanwhile)
{
  bed->domain = real_domain_new (&(RealQemuOptions){ 0 });
  bed->control = qs_control_new ();
  bed->end = end;
  bed->meanwhile = meanwhile;
  bed->domain->control = bed->control;
  bed->domain->tell_ready = on_ready;
  bed->domain->user_data = bed;
  write_to (bed, "write -q -P 1 10M 1M");
  add_layer (bed);
  write_to (bed, "write -q -P 2 2M 1M");
}

static void
bed_clear (Bed *bed)
{
  if (bed->domain != NULL)
    g_clear_object (&bed->domain->cancellable);
  g_clear_pointer (&bed->domain, real_domain_free);
  g_clear_pointer (&bed->control, qs_control_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bed, bed_clear)

static void
add_create (const Bed *bed, QsPlan *plan, CopyKind kind)
{
  g_autofree char *path = path_of (bed, "vda.copy");
  g_autofree char *base = path_of (bed, kind == COPY_OWN ? "base.copy" : "vda.qcow2");
  g_autofree char *backing =
      g_strdup_printf (", 'backing': <'%s'>, 'backing-format': <'qcow2'>", base);
  g_autofree char *text = g_strdup_printf (
      "{'target': <'vda'>, 'path': <'%s'>, 'format': <'qcow2'>, 'size': <uint64 67108864>,"
      " 'cluster-size': <uint32 65536>, 'mode': <uint32 384>, 'gid': <uint32 %u>%s}",
      path, (guint)getgid (), kind == COPY_FULL ? "" : backing);

  real_plan_add (plan, QS_STEP_IMAGE_CREATE, QS_PHASE_PREPARE, text);
}

static void
add_node (const Bed *bed, QsPlan *plan, const char *node, const char *file, const char *more)
{
  g_autofree char *path = path_of (bed, file);
  g_autofree char *text =
      g_strdup_printf ("{'target': <'vda'>, 'node': <'%s'>, 'path': <'%s'>, 'format': <'qcow2'>,"
                       " 'direct': <false>, 'no-flush': <false>, 'detect-zeroes': <'off'>%s}",
                       node, path, more);

  real_plan_add (plan, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, text);
}

static void
add_mirror (const Bed *bed, QsPlan *plan, CopyKind kind)
{
  g_autofree char *path = path_of (bed, "vda.copy");
  g_autofree char *text = g_strdup_printf (
      "{'target': <'vda'>, 'job': <'snapd-0-1'>, 'device': <'snapd-1'>, 'node': <'snapd-2'>,"
      " 'path': <'%s'>, 'image': <uint32 0>, 'sync': <'%s'>, 'copy-mode': <'%s'>,"
      " 'until-ready': <true>, 'drop': <%s>, 'added': <['snapd-2']>}",
      path, kind == COPY_FULL ? "full" : "top",
      kind == COPY_SHALLOW ? "write-blocking" : "background",
      kind == COPY_SHALLOW ? "['snapd-1']" : "['snapd-1', 'snapd-vda']");

  real_plan_add (plan, QS_STEP_MIRROR, QS_PHASE_PREPARE, text);
}

/* only if the caller has said that the guest goes over */
static void
add_part (QsPlan *plan, QsStepKind kind, QsPhase phase)
{
  g_autofree char *text =
      g_strdup_printf ("{'target': <'vda'>, 'merge': <uint32 %u>%s}", STEP_MIRROR,
                       kind != QS_STEP_JOB_HOLD ? ", 'if-done': <uint32 3>" : "");

  real_plan_add (plan, kind, phase, text);
}

static void
add_own_backing (const Bed *bed, QsPlan *plan)
{
  add_node (bed, plan, "snapd-3", "base.copy", ", 'read-only': <true>, 'if-done': <uint32 3>");
  real_plan_add (plan, QS_STEP_NODE_BACKING, QS_PHASE_PREPARE,
                 "{'target': <'vda'>, 'node': <'snapd-2'>, 'format': <'qcow2'>,"
                 " 'backing': <'snapd-3'>, 'direct': <false>, 'no-flush': <false>,"
                 " 'detect-zeroes': <'off'>, 'if-done': <uint32 3>}");
}

static QsPlan *
make_plan (const Bed *bed, CopyKind kind)
{
  QsPlan *plan = qs_plan_new ();

  add_create (bed, plan, kind);
  add_node (bed, plan, "snapd-2", "vda.copy",
            kind == COPY_SHALLOW ? ", 'backing': <'snapd-vda'>" : "");
  add_mirror (bed, plan, kind);
  add_part (plan, QS_STEP_JOB_HOLD, QS_PHASE_PREPARE);
  if (kind == COPY_OWN)
    add_own_backing (bed, plan);
  add_part (plan, QS_STEP_JOB_COMPLETE, QS_PHASE_PREPARE);
  real_plan_add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, "{'changes': <@a(sa{sv}) []>}");
  add_part (plan, QS_STEP_JOB_FINALIZE, QS_PHASE_FINISH);
  add_part (plan, QS_STEP_JOB_DISMISS, QS_PHASE_FINISH);
  return plan;
}

static void
must_read (const Bed *bed, const char *name, const char *command)
{
  g_autofree char *path = path_of (bed, name);

  g_assert_true (real_image_reads (path, command));
}

static void
check_data (const Bed *bed, const char *name)
{
  must_read (bed, name, "read -P 1 10M 1M");
  must_read (bed, name, "read -P 2 2M 1M");
  must_read (bed, name, "read -P 0 40M 1M");
}

static gboolean
exists (const Bed *bed, const char *name)
{
  g_autofree char *path = path_of (bed, name);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static char *
find_root (const Bed *bed)
{
  g_autoptr (QsGuest) guest = get_guest (bed);
  g_autoptr (GPtrArray) nodes = NULL;

  g_assert_true (qs_guest_nodes (guest, bed->domain->qemu->domain, &nodes, NULL));
  return g_strdup (((const QsNode *)g_ptr_array_index (nodes, 0))->node_name);
}

/* no job is left, and of the nodes the needed ones */
static void
check_nodes (const Bed *bed, const char *expected)
{
  static const char *const all[] = { "snapd-vda", "snapd-1", "snapd-2", "snapd-3", "snapd-1-f" };
  g_auto (GStrv) names = g_strsplit (expected, " ", -1);
  g_autoptr (QsGuest) guest = get_guest (bed);
  g_autofree char *root = find_root (bed);
  g_autoptr (JsonNode) graph = qs_block_graph_query (guest, NULL);
  g_autoptr (JsonNode) jobs =
      qs_qmp_execute (qs_guest_get_qmp (guest), "query-jobs", NULL, 10, NULL);

  g_assert_cmpuint (json_array_get_length (json_node_get_array (jobs)), ==, 0);
  g_assert_cmpstr (root, ==, names[0]);
  g_assert_cmpstr (qs_block_graph_child (graph, names[0], "backing"), ==, names[1]);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    g_assert_cmpuint (real_qemu_count_nodes (guest, all[i]), ==,
                      g_strv_contains ((const char *const *)names, all[i])
                          || (g_str_equal (all[i], "snapd-1-f")
                              && g_strv_contains ((const char *const *)names, "snapd-1")));
}

/* the guest goes on with @active, and its data are there */
static void
check_goes_on (const Bed *bed, const char *active, const char *nodes)
{
  check_nodes (bed, nodes);
  write_to (bed, "write -q -P 5 30M 1M");
  real_domain_kill_qemu (bed->domain);
  check_data (bed, active);
  must_read (bed, active, "read -P 5 30M 1M");
}

static void
check_pivoted (const Bed *bed, CopyKind kind)
{
  static const char *const nodes[N_KINDS] = { "snapd-2", "snapd-2 snapd-vda", "snapd-2 snapd-3" };
  g_autofree char *path = path_of (bed, "vda.copy");

  check_goes_on (bed, "vda.copy", nodes[kind]);
  g_assert_true (real_image_is_sound (path));
}

static void
check_as_before (const Bed *bed)
{
  check_goes_on (bed, "vda.s1", "snapd-1 snapd-vda");
  g_assert_false (exists (bed, "vda.copy"));
}

static void
copy_base (const Bed *bed)
{
  g_autofree char *from = path_of (bed, "vda.qcow2");
  g_autofree char *to = path_of (bed, "base.copy");
  const char *const copy[] = { "cp", from, to, NULL };

  real_run (copy);
}

static void
test_pivot (void)
{
  for (CopyKind kind = 0; kind < N_KINDS; kind++)
    {
      g_auto (Bed) bed = { 0 };
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GError) error = NULL;

      bed_open (&bed, QS_CONTROL_PIVOT, MEANWHILE_WRITE);
      if (kind == COPY_OWN)
        copy_base (&bed);
      plan = make_plan (&bed, kind);
      g_assert_cmpint (real_domain_run (bed.domain, plan, NULL, &error), ==, QS_OUTCOME_DONE);
      g_assert_no_error (error);
      g_assert_cmpuint (bed.n_ready, ==, 1);
      check_pivoted (&bed, kind);
      must_read (&bed, "vda.copy", "read -P 7 20M 1M");
    }
}

/* the copy is one of that moment, and nobody has it open */
static void
test_finish (void)
{
  g_auto (Bed) bed = { 0 };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GError) error = NULL;
  gboolean done = TRUE;

  bed_open (&bed, QS_CONTROL_FINISH, MEANWHILE_WRITE);
  plan = make_plan (&bed, COPY_FULL);
  g_assert_cmpint (real_domain_run (bed.domain, plan, &results, &error), ==, QS_OUTCOME_DONE);
  g_assert_no_error (error);
  for (guint i = STEP_HOLD; i < N_STEPS; i++)
    if (i != STEP_RECORD)
      {
        g_assert_true (g_variant_lookup (g_ptr_array_index (results, i), "done", "b", &done));
        g_assert_false (done);
      }
  check_goes_on (&bed, "vda.s1", "snapd-1 snapd-vda");
  check_data (&bed, "vda.copy");
  must_read (&bed, "vda.copy", "read -P 7 20M 1M");
  must_read (&bed, "vda.copy", "read -P 0 30M 1M");
}

/* after each step: before the record all is taken back, after it all is done */
static void
test_daemon_killed (void)
{
  for (guint i = STEP_MIRROR; i < N_STEPS; i++)
    {
      g_auto (Bed) bed = { 0 };
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GError) error = NULL;

      bed_open (&bed, QS_CONTROL_PIVOT, MEANWHILE_NOTHING);
      plan = make_plan (&bed, COPY_FULL);
      real_domain_run_until (bed.domain, plan, i, REAL_AFTER);
      g_assert_cmpint (real_domain_resume (bed.domain, NULL, &error), ==,
                       i >= STEP_RECORD ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE);
      g_assert_no_error (error);
      if (i >= STEP_RECORD)
        check_pivoted (&bed, COPY_FULL);
      else
        check_as_before (&bed);
    }
}

/* and QEMU with it: both files hold all of the data when the record is written */
static void
test_both_killed (void)
{
  for (guint i = STEP_MIRROR; i < N_STEPS; i++)
    {
      g_auto (Bed) bed = { 0 };
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GError) error = NULL;

      bed_open (&bed, QS_CONTROL_PIVOT, MEANWHILE_NOTHING);
      plan = make_plan (&bed, COPY_FULL);
      real_domain_run_until (bed.domain, plan, i, REAL_AFTER);
      real_domain_kill_qemu (bed.domain);
      g_assert_cmpint (real_domain_resume (bed.domain, NULL, &error), ==,
                       i >= STEP_RECORD ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE);
      g_assert_no_error (error);
      check_data (&bed, i >= STEP_RECORD ? "vda.copy" : "vda.s1");
      g_assert_cmpint (exists (&bed, "vda.copy"), ==, i >= STEP_RECORD);
    }
}

static void
assert_fails (const Bed *bed, gint code, const char *text)
{
  g_autoptr (QsPlan) plan = make_plan (bed, COPY_FULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (real_domain_run (bed->domain, plan, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_error (error, QS_ERROR, code);
  g_assert_nonnull (strstr (error->message, text));
}

static void
test_full (void)
{
  g_auto (Bed) bed = { 0 };

  bed_open (&bed, QS_CONTROL_PIVOT, MEANWHILE_NOTHING);
  write_to (&bed, "write -q -P 4 44M 8M");
  real_qemu_limit (bed.domain->qemu, 4 * 1024 * 1024);
  assert_fails (&bed, QS_ERROR_NO_SPACE, "vda.copy");
  real_qemu_limit (bed.domain->qemu, G_MAXUINT64);
  check_as_before (&bed);
}

static void
test_unlinked (void)
{
  g_auto (Bed) bed = { 0 };

  bed_open (&bed, QS_CONTROL_PIVOT, MEANWHILE_UNLINK);
  assert_fails (&bed, QS_ERROR_IMAGE_FAILED, "no longer the file");
  check_as_before (&bed);
}

static void
test_cancelled (void)
{
  g_auto (Bed) bed = { 0 };

  bed_open (&bed, QS_CONTROL_HOLD, MEANWHILE_CANCEL);
  bed.domain->cancellable = g_cancellable_new ();
  assert_fails (&bed, QS_ERROR_CANCELLED, "cancelled");
  check_as_before (&bed);
}

static void
test_ended_by_other (void)
{
  g_auto (Bed) bed = { 0 };

  bed_open (&bed, QS_CONTROL_HOLD, MEANWHILE_END);
  assert_fails (&bed, QS_ERROR_IMAGE_FAILED, "anceled");
  check_as_before (&bed);
}

static void
test_qemu_killed (void)
{
  g_auto (Bed) bed = { 0 };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  bed_open (&bed, QS_CONTROL_HOLD, MEANWHILE_KILL);
  plan = make_plan (&bed, COPY_FULL);
  g_assert_cmpint (real_domain_run (bed.domain, plan, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_nonnull (error);
  check_data (&bed, "vda.s1");
  g_assert_false (exists (&bed, "vda.copy"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mirror-steps/pivot", test_pivot);
  g_test_add_func ("/mirror-steps/finish", test_finish);
  g_test_add_func ("/mirror-steps/daemon-killed", test_daemon_killed);
  g_test_add_func ("/mirror-steps/both-killed", test_both_killed);
  g_test_add_func ("/mirror-steps/full", test_full);
  g_test_add_func ("/mirror-steps/unlinked", test_unlinked);
  g_test_add_func ("/mirror-steps/cancelled", test_cancelled);
  g_test_add_func ("/mirror-steps/ended-by-other", test_ended_by_other);
  g_test_add_func ("/mirror-steps/qemu-killed", test_qemu_killed);
  return g_test_run ();
}
