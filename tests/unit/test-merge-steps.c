/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-block-graph.h"
#include "qs-change.h"
#include "qs-error.h"
#include "real-domain.h"

#include <glib/gstdio.h>
#include <string.h>

/* merges in a running QEMU: vda.qcow2 <- vda.s1 <- vda.s2, each with data of its own and one place that
   all have written */

#define BLOCKDEV (&(RealQemuOptions){ 0 })
#define DRIVE (&(RealQemuOptions){ .drives = TRUE })

typedef enum
{
  MERGE_INTERMEDIATE, /* s1 down into the base */
  MERGE_ACTIVE,       /* s2, which the guest writes to, down into s1 */
  MERGE_DEEP,         /* s2 and s1 down into the base */
  MERGE_UP,           /* s1 up into s2 */
  MERGE_LOWER,        /* the base up into s1 */
  MERGE_FLAT,         /* s1 and the base up into s2 */
} MergeKind;
#define N_KINDS (MERGE_FLAT + 1)

/* what the guest's chain is made of in the end, from the top; of the plan: its steps, and its commit */
static const struct
{
  const char *name;
  const char *chain;
  guint n_steps;
  guint commit;
} kinds[] = {
  [MERGE_INTERMEDIATE] = { "intermediate", "vda.s2 vda.qcow2", 5, 0 },
  [MERGE_ACTIVE] = { "active", "vda.s1 vda.qcow2", 6, 0 },
  [MERGE_DEEP] = { "deep", "vda.qcow2", 6, 0 },
  [MERGE_UP] = { "up", "vda.s2 vda.qcow2", 4, 2 },
  [MERGE_LOWER] = { "lower", "vda.s2 vda.s1", 4, 2 },
  [MERGE_FLAT] = { "flat", "vda.s2", 4, 2 },
};
G_STATIC_ASSERT (G_N_ELEMENTS (kinds) == N_KINDS);

#define OLD_CHAIN "vda.s2 vda.s1 vda.qcow2"

typedef struct
{
  RealDomain *domain;
  char *base; /* name of the node of vda.qcow2 */
} Chain;

static QsGuest *
get_guest (const Chain *chain)
{
  return qs_registry_get_guest (chain->domain->engine.registry, "1");
}

static char *
find_root (const Chain *chain)
{
  g_autoptr (QsGuest) guest = get_guest (chain);
  g_autoptr (GPtrArray) nodes = NULL;

  g_assert_true (qs_guest_nodes (guest, chain->domain->qemu->domain, &nodes, NULL));
  return g_strdup (((const QsNode *)g_ptr_array_index (nodes, 0))->node_name);
}

static void
write_to (const Chain *chain, const char *command)
{
  real_qemu_write (chain->domain->qemu, "vda", command);
  real_qemu_write (chain->domain->qemu, "vda", "write -q -P 9 8M 64k");
  real_qemu_write (chain->domain->qemu, "vda", "flush");
}

static void
add_layer (const Chain *chain, const char *old, const char *below, guint n)
{
  g_autofree char *backing = real_domain_path (chain->domain, below);
  g_autofree char *name = g_strdup_printf ("vda.s%u", n);
  g_autofree char *path = real_domain_path (chain->domain, name);
  const char *const create[] = { "qemu-img", "create", "-q",    "-f", "qcow2", "-u", "-b",
                                 backing,    "-F",     "qcow2", path, "64M",   NULL };
  g_autofree char *node = g_strdup_printf (
      "{'driver': <'qcow2'>, 'node-name': <'snapd-%u'>, 'backing': <@mv nothing>,"
      " 'file': <{'driver': <'file'>, 'node-name': <'snapd-%u-f'>, 'filename': <'%s'>,"
      " 'auto-read-only': <true>}>}",
      n, n, path);
  g_autofree char *snapshot = g_strdup_printf ("{'node': <'%s'>, 'overlay': <'snapd-%u'>}", old, n);

  real_run (create);
  real_qemu_do (chain->domain->qemu, "blockdev-add", node);
  real_qemu_do (chain->domain->qemu, "blockdev-snapshot", snapshot);
}

static void
chain_open (Chain *chain, const RealQemuOptions *options)
{
  chain->domain = real_domain_new (options);
  chain->base = find_root (chain);
  if (options->guest != NULL)
    {
      real_qemu_do (chain->domain->qemu, "cont", "@a{sv} {}");
      real_qemu_wait_counter (chain->domain->qemu, 3);
    }
  write_to (chain, "write -q -P 1 10M 1M");
  add_layer (chain, chain->base, "vda.qcow2", 1);
  write_to (chain, "write -q -P 2 2M 1M");
  add_layer (chain, "snapd-1", "vda.s1", 2);
  write_to (chain, "write -q -P 3 4M 1M");
}

static void
chain_clear (Chain *chain)
{
  g_clear_pointer (&chain->domain, real_domain_free);
  g_clear_pointer (&chain->base, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Chain, chain_clear)

static char *
file_text (const Chain *chain, const char *name)
{
  g_autofree char *path = real_domain_path (chain->domain, name);
  GStatBuf info;

  g_assert_no_errno (g_stat (path, &info));
  return g_strdup_printf ("('%s', 'qcow2', uint64 %" G_GUINT64_FORMAT ", uint64 %" G_GUINT64_FORMAT
                          ", int64 0)",
                          path, (guint64)info.st_dev, (guint64)info.st_ino);
}

/* @names: of files, NULL at the end */
static char *
files_text (const Chain *chain, const char *const *names)
{
  GString *text = g_string_new ("[");

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *file = file_text (chain, names[i]);

      g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", file);
    }
  g_string_append (text, "]");
  return g_string_free (text, FALSE);
}

static char *
reopen_text (const char *node, const char *backing)
{
  return g_strdup_printf ("'reopen': <{'driver': <'qcow2'>, 'node-name': <'%s'>,"
                          " 'read-only': <false>, 'file': <'%s-f'>, 'backing': <'%s'>}>",
                          node, node, backing);
}

static char *
merge_text (const Chain *chain, MergeKind kind)
{
  static const char *const files[][4] = {
    [MERGE_INTERMEDIATE] = { "vda.s1", "vda.qcow2" },
    [MERGE_ACTIVE] = { "vda.s2", "vda.s1", "vda.qcow2" },
    [MERGE_DEEP] = { "vda.s2", "vda.s1", "vda.qcow2" },
    [MERGE_UP] = { "vda.s2", "vda.s1" },
    [MERGE_LOWER] = { "vda.s1", "vda.qcow2" },
    [MERGE_FLAT] = { "vda.s2", "vda.s1", "vda.qcow2" },
  };
  g_autofree char *all = files_text (chain, files[kind]);
  g_autofree char *above = file_text (chain, "vda.s2");
  g_autofree char *base = real_domain_path (chain->domain, "vda.qcow2");
  g_autofree char *first = real_domain_path (chain->domain, "vda.s1");
  g_autofree char *reopen = reopen_text ("snapd-2", "snapd-1");

  switch (kind)
    {
    case MERGE_INTERMEDIATE:
      return g_strdup_printf (
          "{'target': <'vda'>, 'job': <'snapd-0-1'>, 'device': <'snapd-2'>, 'top': <'snapd-1'>,"
          " 'base': <'%s'>, 'files': <%s>, 'drop': <['snapd-1']>, 'above': <'snapd-2'>,"
          " 'above-file': <%s>, 'backing': <'%s'>, 'backing-format': <'qcow2'>, 'old': <'%s'>,"
          " 'old-format': <'qcow2'>}",
          chain->base, all, above, base, first);
    case MERGE_ACTIVE:
    case MERGE_DEEP:
      return g_strdup_printf (
          "{'target': <'vda'>, 'job': <'snapd-0-1'>, 'device': <'snapd-2'>, 'top': <'snapd-2'>,"
          " 'base': <'%s'>, 'files': <%s>, 'layers': <uint32 %u>, 'drop': <['snapd-2', "
          "'snapd-1']>}",
          kind == MERGE_DEEP ? chain->base : "snapd-1", all, kind == MERGE_DEEP ? 2 : 1);
    case MERGE_UP:
      return g_strdup_printf (
          "{'target': <'vda'>, 'job': <'snapd-0-1'>, 'node': <'snapd-2'>, 'base': <'%s'>,"
          " 'files': <%s>, 'drop': <['snapd-1']>, 'backing': <'%s'>, 'backing-format': <'qcow2'>,"
          " 'old': <'%s'>, 'old-format': <'qcow2'>, %s}",
          chain->base, all, base, first, reopen);
    case MERGE_LOWER:
    case MERGE_FLAT:
      return g_strdup_printf (
          "{'target': <'vda'>, 'job': <'snapd-0-1'>, 'node': <'%s'>, 'files': <%s>, 'drop': <%s>,"
          " 'backing': <''>, 'backing-format': <''>, 'old': <'%s'>, 'old-format': <'qcow2'>}",
          kind == MERGE_FLAT ? "snapd-2" : "snapd-1", all,
          kind == MERGE_FLAT ? "['snapd-1']" : "@as []", kind == MERGE_FLAT ? first : base);
    }
  g_assert_not_reached ();
}

#define RECORD "{'changes': <@a(sa{sv}) []>}"
#define PART "{'target': <'vda'>, 'merge': <uint32 %u>}"

static void
add_part (QsPlan *plan, QsStepKind kind, QsPhase phase, guint merge)
{
  g_autofree char *text = g_strdup_printf (PART, merge);

  real_plan_add (plan, kind, phase, text);
}

/* down: the snapshot is lost with the first byte that is copied, so that comes after the commit. Up:
   the end of the job is the commit */
static QsPlan *
make_plan (const Chain *chain, MergeKind kind)
{
  QsPlan *plan = qs_plan_new ();
  g_autofree char *text = merge_text (chain, kind);

  if (kinds[kind].commit > 0)
    {
      real_plan_add (plan, QS_STEP_BLOCK_STREAM, QS_PHASE_PREPARE, text);
      add_part (plan, QS_STEP_FLUSH, QS_PHASE_PREPARE, 0);
      add_part (plan, QS_STEP_JOB_FINALIZE, QS_PHASE_COMMIT, 0);
      add_part (plan, QS_STEP_JOB_DISMISS, QS_PHASE_FINISH, 0);
      return plan;
    }
  real_plan_add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, RECORD);
  real_plan_add (plan, QS_STEP_BLOCK_COMMIT, QS_PHASE_FINISH, text);
  add_part (plan, kind == MERGE_INTERMEDIATE ? QS_STEP_FLUSH : QS_STEP_JOB_COMPLETE,
            QS_PHASE_FINISH, 1);
  if (kind != MERGE_INTERMEDIATE)
    real_plan_add (plan, QS_STEP_RECORD, QS_PHASE_FINISH, RECORD);
  add_part (plan, QS_STEP_JOB_FINALIZE, QS_PHASE_FINISH, 1);
  add_part (plan, QS_STEP_JOB_DISMISS, QS_PHASE_FINISH, 1);
  return plan;
}

/* the files in this order, and what the guest has written is read through the first of them */
static void
check_files (const Chain *chain, const char *expected)
{
  g_auto (GStrv) names = g_strsplit (expected, " ", -1);

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *path = real_domain_path (chain->domain, names[i]);
      g_autofree char *below =
          names[i + 1] != NULL ? real_domain_path (chain->domain, names[i + 1]) : g_strdup ("");
      g_autofree char *backing = real_image_string (path, "backing-filename");

      g_assert_cmpstr (backing, ==, below);
      if (i > 0)
        continue;
      g_assert_true (real_image_reads (path, "read -P 1 10M 1M"));
      g_assert_true (real_image_reads (path, "read -P 2 2M 1M"));
      g_assert_true (real_image_reads (path, "read -P 3 4M 1M"));
      g_assert_true (real_image_reads (path, "read -P 9 8M 64k"));
    }
}

static void
check_sound (const Chain *chain, const char *expected)
{
  g_auto (GStrv) names = g_strsplit (expected, " ", -1);

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *path = real_domain_path (chain->domain, names[i]);

      g_assert_true (real_image_is_sound (path));
    }
}

static const char *
node_of (const Chain *chain, const char *file)
{
  if (g_str_equal (file, "vda.qcow2"))
    return chain->base;
  return g_str_equal (file, "vda.s1") ? "snapd-1" : "snapd-2";
}

/* QEMU has the same picture, and the guest can go on */
static void
check_nodes (const Chain *chain, const char *expected)
{
  g_auto (GStrv) names = g_strsplit (expected, " ", -1);
  g_autoptr (QsGuest) guest = get_guest (chain);
  g_autoptr (JsonNode) graph = qs_block_graph_query (guest, NULL);
  g_autofree char *root = find_root (chain);
  g_autoptr (JsonNode) jobs =
      qs_qmp_execute (qs_guest_get_qmp (guest), "query-jobs", NULL, 10, NULL);

  g_assert_cmpuint (json_array_get_length (json_node_get_array (jobs)), ==, 0);
  g_assert_cmpstr (root, ==, node_of (chain, names[0]));
  for (guint i = 0; names[i] != NULL; i++)
    g_assert_cmpstr (qs_block_graph_child (graph, node_of (chain, names[i]), "backing"), ==,
                     names[i + 1] != NULL ? node_of (chain, names[i + 1]) : NULL);
  real_qemu_write (chain->domain->qemu, "vda", "write -q -P 3 4M 64k");
  real_qemu_write (chain->domain->qemu, "vda", "flush");
  check_files (chain, expected);
}

static void
check_end (const Chain *chain, const char *expected)
{
  check_files (chain, expected);
  check_nodes (chain, expected);
  real_domain_kill_qemu (chain->domain);
  check_sound (chain, expected);
}

static void
test_merge (gconstpointer options)
{
  for (MergeKind kind = 0; kind < N_KINDS; kind++)
    {
      g_auto (Chain) chain = { 0 };
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GError) error = NULL;

      chain_open (&chain, options);
      plan = make_plan (&chain, kind);
      g_assert_cmpint (real_domain_run (chain.domain, plan, NULL, &error), ==, QS_OUTCOME_DONE);
      g_assert_no_error (error);
      check_end (&chain, kinds[kind].chain);
    }
}

/* it counts in its memory and on its disk, and compares */
static void
test_running (gconstpointer drives)
{
  const RealQemuOptions options = { .drives = drives != NULL,
                                    .guest = g_getenv ("SNAPSHOTD_COUNTER") };

  g_assert_nonnull (options.guest);
  for (MergeKind kind = 0; kind < N_KINDS; kind++)
    {
      g_auto (Chain) chain = { 0 };
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GError) error = NULL;

      chain_open (&chain, &options);
      plan = make_plan (&chain, kind);
      g_assert_cmpint (real_domain_run (chain.domain, plan, NULL, &error), ==, QS_OUTCOME_DONE);
      g_assert_no_error (error);
      real_qemu_wait_counter (chain.domain->qemu, 10);
      check_files (&chain, kinds[kind].chain);
      check_nodes (&chain, kinds[kind].chain);
      real_qemu_wait_counter (chain.domain->qemu, 3);
    }
}

/* the daemon is killed after each step; its successor takes the job where it is */
static void
test_daemon_killed (gconstpointer data)
{
  MergeKind kind = GPOINTER_TO_UINT (data);

  for (guint i = 0; i < kinds[kind].n_steps; i++)
    {
      gboolean reached = i >= kinds[kind].commit;
      g_auto (Chain) chain = { 0 };
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GError) error = NULL;

      chain_open (&chain, BLOCKDEV);
      plan = make_plan (&chain, kind);
      real_domain_run_until (chain.domain, plan, i, REAL_AFTER);
      g_assert_cmpint (real_domain_resume (chain.domain, NULL, &error), ==,
                       reached ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE);
      g_assert_no_error (error);
      check_end (&chain, reached ? kinds[kind].chain : OLD_CHAIN);
    }
}

/* and QEMU with it: a merge down is done by qemu-img, one up is given up */
static void
test_both_killed (gconstpointer data)
{
  MergeKind kind = GPOINTER_TO_UINT (data);
  gboolean is_up = kinds[kind].commit > 0;

  for (guint i = 0; i + 1 < kinds[kind].n_steps; i++)
    {
      gboolean reached = i >= kinds[kind].commit;
      const char *expected = is_up ? OLD_CHAIN : kinds[kind].chain;
      g_auto (Chain) chain = { 0 };
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GPtrArray) results = NULL;
      g_autoptr (GError) error = NULL;

      chain_open (&chain, BLOCKDEV);
      plan = make_plan (&chain, kind);
      real_domain_run_until (chain.domain, plan, i, REAL_AFTER);
      real_domain_kill_qemu (chain.domain);
      g_assert_cmpint (real_domain_resume (chain.domain, &results, &error), ==,
                       reached ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE);
      g_assert_no_error (error);
      if (reached)
        g_assert_cmpint (
            qs_change_is_step_done (g_ptr_array_index (results, kinds[kind].n_steps - 1)), ==,
            !is_up);
      check_files (&chain, expected);
      check_sound (&chain, expected);
    }
}

static void
assert_fails (const Chain *chain, const QsPlan *plan, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (real_domain_run (chain->domain, plan, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_nonnull (strstr (error->message, text));
}

/* vda.s1 is called vda.kept, and another file has its name */
static void
move_away (const Chain *chain)
{
  g_autofree char *path = real_domain_path (chain->domain, "vda.s1");
  g_autofree char *kept = real_domain_path (chain->domain, "vda.kept");
  const char *const create[] = { "qemu-img", "create", "-q", "-f", "qcow2", path, "64M", NULL };

  g_assert_no_errno (g_rename (path, kept));
  real_run (create);
}

/* the name that is recorded, and then one that only QEMU goes by: it would open the other file */
static void
test_name_moved (void)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (QsPlan) follow = qs_plan_new ();
  g_autoptr (GString) text = NULL;
  g_autofree char *merge = NULL;

  chain_open (&chain, BLOCKDEV);
  plan = make_plan (&chain, MERGE_LOWER);
  merge = merge_text (&chain, MERGE_LOWER);
  text = g_string_new (merge);
  g_string_replace (text, "vda.s1", "vda.kept", 0);
  move_away (&chain);
  assert_fails (&chain, plan, "no longer the file");
  real_plan_add (follow, QS_STEP_BLOCK_STREAM, QS_PHASE_PREPARE, text->str);
  real_plan_add (follow, QS_STEP_RECORD, QS_PHASE_COMMIT, RECORD);
  assert_fails (&chain, follow, "replaced by another file");
}

/* somebody else's job is in the way */
static void
test_busy (void)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (QsPlan) plan = NULL;

  chain_open (&chain, BLOCKDEV);
  plan = make_plan (&chain, MERGE_UP);
  real_qemu_do (chain.domain->qemu, "block-commit", "{'job-id': <'other'>, 'device': <'snapd-2'>}");
  assert_fails (&chain, plan, "QEMU refuses ‘block-stream’");
  real_qemu_do (chain.domain->qemu, "job-cancel", "{'id': <'other'>}");
  check_files (&chain, OLD_CHAIN);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/merge-steps/blockdev", BLOCKDEV, test_merge);
  g_test_add_data_func ("/merge-steps/drive", DRIVE, test_merge);
  g_test_add_data_func ("/merge-steps/running", NULL, test_running);
  g_test_add_data_func ("/merge-steps/running-drive", "", test_running);
  for (guint kind = 0; kind < N_KINDS; kind++)
    {
      g_autofree char *daemon = g_strdup_printf ("/merge-steps/%s/daemon-killed", kinds[kind].name);
      g_autofree char *both = g_strdup_printf ("/merge-steps/%s/both-killed", kinds[kind].name);

      g_test_add_data_func (daemon, GUINT_TO_POINTER (kind), test_daemon_killed);
      g_test_add_data_func (both, GUINT_TO_POINTER (kind), test_both_killed);
    }
  g_test_add_func ("/merge-steps/name-moved", test_name_moved);
  g_test_add_func ("/merge-steps/busy", test_busy);
  return g_test_run ();
}
