/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "store-fixture.h"

#define UUID "11111111-2222-3333-4444-555555555555"
#define N_ROUNDS 400
#define N_SNAPSHOTS 12
#define N_FILES 5

static const char *
pick (const char *const *words, guint n_words)
{
  return words[g_test_rand_int_range (0, (gint32)n_words)];
}
#define PICK(...)                                                                                  \
  pick ((const char *const[]){ __VA_ARGS__ }, G_N_ELEMENTS (((const char *const[]){ __VA_ARGS__ })))

static char *
some (const char *prefix, gint32 n)
{
  return g_strdup_printf ("%s%d", prefix, g_test_rand_int_range (0, n));
}

static char *
some_parent (void)
{
  return g_test_rand_int_range (0, 4) == 0 ? g_strdup ("") : some ("s-", N_SNAPSHOTS);
}

static void
add_domain_put (QsChangeList *list)
{
  g_autofree char *name = some ("domain", 3);
  g_autofree char *definition = make_definition (name, UUID);

  qs_changes_add (list, QS_CHANGE_DOMAIN_PUT, "definition", "s", definition, "owner", "u", 7u,
                  "name", "s", name, "uuid", "s", UUID, NULL);
}

static void
add_domain_state (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_DOMAIN_STATE, "state", "s",
                  PICK ("running", "paused", "shutoff", "crashed"), NULL);
}

static void
add_live_def (QsChangeList *list)
{
  g_autofree char *definition = make_definition ("live", UUID);

  qs_changes_add (list, QS_CHANGE_LIVE_DEF, "definition", "s", PICK (definition, ""), NULL);
}

static void
add_process (QsChangeList *list)
{
  gint64 pid = g_test_rand_int_range (0, 3);

  qs_changes_add (list, QS_CHANGE_PROCESS, "pid", "x", pid, "start-time", "t", (guint64)5,
                  "boot-id", "s", "boot", "socket", "s", PICK ("/a", "/b"), "unit", "s", "", NULL);
}

static void
add_attachment (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_ATTACHMENT, "socket", "s", PICK ("/run/q", ""), "agent", "s",
                  PICK ("/run/a", ""), "stable-path", "b", g_test_rand_bit () != 0, "follow", "b",
                  g_test_rand_bit () != 0, "hindered", "b", g_test_rand_bit () != 0, NULL);
}

static void
add_active (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_ACTIVE, "target", "s", PICK ("vda", "vdb", "vdc"), "path", "s",
                  PICK ("/i/0", "/i/1", "/i/9", ""), "format", "s", PICK ("raw", "qcow2"), "stem",
                  "s", PICK ("", "stem"), NULL);
}

static void
add_file_put (QsChangeList *list)
{
  g_autofree char *path = some ("/i/", N_FILES);

  qs_changes_add (list, QS_CHANGE_FILE_PUT, "path", "s", path, "format", "s", "qcow2", "role", "s",
                  "disk", "backing", "s", "", "ours", "b", TRUE, "dev", "t", (guint64)1, "ino", "t",
                  (guint64)g_test_rand_int (), NULL);
}

/* to a name that no file has */
static void
add_file_rename (QsChangeList *list)
{
  static guint n_renamed;
  g_autofree char *path = some ("/i/", N_FILES);
  g_autofree char *to = g_strdup_printf ("/i/renamed-%u", n_renamed++);

  qs_changes_add (list, QS_CHANGE_FILE_RENAME, "path", "s", path, "to", "s", to, NULL);
}

/* of one without tags, which are in the store alone */
static void
add_file_merge (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_FILE_MERGE, "path", "s", PICK ("/i/3", "/i/9"), "into", "s",
                  PICK ("/i/0", "/i/9", "/i/8", ""), "format", "s", PICK ("raw", "qcow2"), NULL);
}

static void
add_file_backing (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_FILE_BACKING, "path", "s", PICK ("/i/0", "/i/9"), "backing", "s",
                  PICK ("/i/1", ""), NULL);
}

static void
add_file_role (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_FILE_ROLE, "path", "s", PICK ("/i/0", "/i/9"), "role", "s",
                  PICK ("disk", "layer"), NULL);
}

static void
add_file_mode (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_FILE_MODE, "path", "s", PICK ("/i/0", "/i/9"), "mode", "u",
                  g_test_rand_bit () != 0 ? 0644u : 0u, NULL);
}

/* of paths that nothing uses: what files are used by is in the store alone */
static void
add_file_tombstone (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_FILE_TOMBSTONE, "path", "s", "/i/4", NULL);
}

static void
add_file_forget (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_FILE_FORGET, "path", "s", "/i/4", NULL);
}

static void
add_snapshot_put (QsChangeList *list)
{
  g_autofree char *uuid = some ("s-", N_SNAPSHOTS);
  g_autofree char *name = some ("name", N_SNAPSHOTS);
  g_autofree char *parent = some_parent ();

  qs_changes_add (list, QS_CHANGE_SNAPSHOT_PUT, "uuid", "s", uuid, "name", "s", name, "parent", "s",
                  parent, "description", "s", PICK ("", "text"), "state", "s",
                  PICK ("running", "shutoff", "disk-snapshot", "unheard"), "kind", "s",
                  PICK ("internal", "external", "mixed"), "memory", "s", PICK ("no", "internal"),
                  "origin", "s", PICK ("user", "safety"), "created", "x",
                  (gint64)g_test_rand_int (), "document", "s", name, "unverified", "b",
                  g_test_rand_bit () != 0, NULL);
}

static void
add_snapshot_file (QsChangeList *list)
{
  g_autofree char *uuid = some ("s-", N_SNAPSHOTS);

  qs_changes_add (list, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", uuid, "target", "s",
                  PICK ("vda", "vdb"), "path", "s", PICK ("/i/0", "/i/1", "/i/2"), "tag", "s",
                  PICK ("", "tag"), NULL);
}

static void
add_snapshot_delete (QsChangeList *list)
{
  g_autofree char *uuid = some ("s-", N_SNAPSHOTS);

  qs_changes_add (list, QS_CHANGE_SNAPSHOT_DELETE, "uuid", "s", uuid, NULL);
}

static void
add_snapshot_edit (QsChangeList *list)
{
  g_autofree char *uuid = some ("s-", N_SNAPSHOTS);
  g_autofree char *name = some ("name", N_SNAPSHOTS);

  qs_changes_add (list, QS_CHANGE_SNAPSHOT_EDIT, "uuid", "s", uuid, "name", "s", name,
                  "description", "s", "edited", "document", "s", name, NULL);
}

static void
add_snapshot_quiesce (QsChangeList *list)
{
  g_autofree char *uuid = some ("s-", N_SNAPSHOTS);

  qs_changes_add (list, QS_CHANGE_SNAPSHOT_QUIESCE, "uuid", "s", uuid, "freeze-time", "t",
                  (guint64)g_test_rand_int_range (0, 1000), "quiesced", "b",
                  g_test_rand_bit () != 0, NULL);
}

static void
add_current (QsChangeList *list)
{
  g_autofree char *uuid = some_parent ();

  qs_changes_add (list, QS_CHANGE_CURRENT, "uuid", "s", uuid, NULL);
}

static void
add_quarantine (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_QUARANTINE, "reason", "s", PICK ("", "why"), NULL);
}

static void
add_tip (QsChangeList *list)
{
  g_autofree char *uuid = some ("s-", N_SNAPSHOTS);

  qs_changes_add (list, QS_CHANGE_TIP, "uuid", "s", uuid, "target", "s", PICK ("vda", "vdb"),
                  "path", "s", PICK ("/i/0", "/i/1", "/i/2"), NULL);
}

static void
add_tip_forget (QsChangeList *list)
{
  g_autofree char *uuid = some ("s-", N_SNAPSHOTS);

  qs_changes_add (list, QS_CHANGE_TIP_FORGET, "uuid", "s", uuid, NULL);
}

/* of files that have no other use, which would be in the store alone */
static void
add_mirror (QsChangeList *list)
{
  g_autofree char *uuid = some ("s-", N_SNAPSHOTS);
  const char *path = PICK ("/m/0", "/m/1");

  qs_changes_add (list, QS_CHANGE_FILE_PUT, "path", "s", path, "format", "s", "qcow2", "role", "s",
                  "mirror", "backing", "s", "", "ours", "b", TRUE, "dev", "t", (guint64)1, "ino",
                  "t", (guint64)g_test_rand_int (), NULL);
  qs_changes_add (list, QS_CHANGE_MIRROR, "target", "s", PICK ("vda", "vdb"), "path", "s", path,
                  "format", "s", "qcow2", "snapshot", "s", uuid, "job", "s", PICK ("j1", "j2"),
                  "node", "s", "n", NULL);
}

static void
add_mirror_drop (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_MIRROR_DROP, "path", "s", PICK ("/m/0", "/m/1", "/m/2"), "reason",
                  "s", PICK ("full", "gone"), NULL);
}

static void
add_mirror_forget (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_MIRROR_FORGET, "path", "s", PICK ("/m/0", "/m/2"), NULL);
}

static void (*const adders[]) (QsChangeList *list) = {
  [QS_CHANGE_DOMAIN_PUT] = add_domain_put,
  [QS_CHANGE_DOMAIN_DELETE] = add_quarantine, /* has a test of its own */
  [QS_CHANGE_DOMAIN_STATE] = add_domain_state,
  [QS_CHANGE_LIVE_DEF] = add_live_def,
  [QS_CHANGE_PROCESS] = add_process,
  [QS_CHANGE_ATTACHMENT] = add_attachment,
  [QS_CHANGE_ACTIVE] = add_active,
  [QS_CHANGE_FILE_PUT] = add_file_put,
  [QS_CHANGE_FILE_RENAME] = add_file_rename,
  [QS_CHANGE_FILE_MERGE] = add_file_merge,
  [QS_CHANGE_FILE_BACKING] = add_file_backing,
  [QS_CHANGE_FILE_ROLE] = add_file_role,
  [QS_CHANGE_FILE_MODE] = add_file_mode,
  [QS_CHANGE_FILE_TOMBSTONE] = add_file_tombstone,
  [QS_CHANGE_FILE_FORGET] = add_file_forget,
  [QS_CHANGE_SNAPSHOT_PUT] = add_snapshot_put,
  [QS_CHANGE_SNAPSHOT_FILE] = add_snapshot_file,
  [QS_CHANGE_SNAPSHOT_DELETE] = add_snapshot_delete,
  [QS_CHANGE_SNAPSHOT_EDIT] = add_snapshot_edit,
  [QS_CHANGE_SNAPSHOT_QUIESCE] = add_snapshot_quiesce,
  [QS_CHANGE_CURRENT] = add_current,
  [QS_CHANGE_QUARANTINE] = add_quarantine,
  [QS_CHANGE_TIP] = add_tip,
  [QS_CHANGE_TIP_FORGET] = add_tip_forget,
  [QS_CHANGE_MIRROR] = add_mirror,
  [QS_CHANGE_MIRROR_DROP] = add_mirror_drop,
  [QS_CHANGE_MIRROR_FORGET] = add_mirror_forget,
};
G_STATIC_ASSERT (G_N_ELEMENTS (adders) == QS_N_CHANGE_KINDS);

static GVariant *
random_changes (void)
{
  gint32 n_changes = g_test_rand_int_range (1, 5);
  QsChangeList list;

  qs_changes_init (&list);
  for (gint32 i = 0; i < n_changes; i++)
    {
      /* a tree grows only if more is put than refused */
      guint kind = (guint)g_test_rand_int_range (0, QS_N_CHANGE_KINDS + 8);

      adders[kind < QS_N_CHANGE_KINDS ? kind : QS_CHANGE_SNAPSHOT_PUT](&list);
    }
  return g_variant_ref_sink (qs_changes_end (&list));
}

typedef struct
{
  guint n_applied;
  guint n_refused;
  guint largest;
} Count;

static QsDomain *
run_round (StoreFixture *fixture, QsDomain *before, Count *count)
{
  g_autoptr (GVariant) changes = random_changes ();
  g_autoptr (GError) refusal = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomain) after = qs_domain_apply (before, changes, &refusal);

  if (qs_store_apply (fixture->store, UUID, changes, &error))
    {
      g_assert_no_error (refusal);
      count->n_applied++;
      count->largest = MAX (count->largest, qs_tree_size (after->tree));
      return g_steal_pointer (&after);
    }
  g_assert_nonnull (refusal);
  g_assert_cmpint (error->code, ==, refusal->code);
  count->n_refused++;
  return qs_domain_ref (before);
}

static void
assert_same (StoreFixture *fixture, const QsDomain *domain)
{
  g_autoptr (QsDomain) stored = load_domain (fixture->store, UUID);
  g_autofree char *expected = describe_domain (domain);
  g_autofree char *found = describe_domain (stored);

  g_assert_cmpstr (found, ==, expected);
}

/* the same random changes, to the tables and to the value: both refuse or both are equal after */
static void
test_agree (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GVariant) put = g_variant_ref_sink (make_domain_put ("d", UUID, 7));
  g_autoptr (QsDomain) domain = qs_domain_apply (NULL, put, NULL);
  Count count = { 0 };

  store_fixture_open (&fixture);
  apply_now (fixture.store, UUID, put);
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      QsDomain *after = run_round (&fixture, domain, &count);

      qs_domain_unref (domain);
      domain = after;
      if (i % 50 == 0)
        store_reopen (&fixture);
      assert_same (&fixture, domain);
    }
  store_reopen (&fixture);
  assert_same (&fixture, domain);
  g_test_message ("%u lists applied, %u refused, up to %u snapshots", count.n_applied,
                  count.n_refused, count.largest);
  g_assert_cmpuint (count.n_applied, >, N_ROUNDS / 10);
  g_assert_cmpuint (count.n_refused, >, N_ROUNDS / 10);
  g_assert_cmpuint (count.largest, >, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store-random/agree", test_agree);
  return g_test_run ();
}
