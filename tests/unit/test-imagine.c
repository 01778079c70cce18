/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-imagine.h"
#include "store-fixture.h"

/* what a later part of a request is checked against is what the store says once the parts before it
   are done */

#define UUID "11111111-2222-3333-4444-555555555555"

#define PUT(path, backing)                                                                         \
  "('file-put', {'path': <'" path                                                                  \
  "'>, 'format': <'qcow2'>, 'role': <'disk'>, 'backing': <'" backing                               \
  "'>, 'ours': <true>, 'dev': <uint64 1>, 'ino': <uint64 2>, 'btime': <int64 3>})"
#define PLANNED(path, backing)                                                                     \
  "('file-put', {'path': <'" path                                                                  \
  "'>, 'format': <'qcow2'>, 'role': <'disk'>, 'backing': <'" backing                               \
  "'>, 'ours': <true>, 'step': <uint32 1>})"
#define SNAPSHOT(uuid, parent)                                                                     \
  "('snapshot-put', {'uuid': <'" uuid "'>, 'name': <'" uuid "'>, 'parent': <'" parent              \
  "'>, 'state': <'shutoff'>, 'kind': <'external'>, 'memory': <'no'>, 'origin': <'user'>, "         \
  "'created': <int64 5>, 'document': <'<d/>'>})"
#define LIES(uuid, path, tag)                                                                      \
  "('snapshot-file', {'uuid': <'" uuid "'>, 'target': <'vda'>, 'path': <'" path "'>, "             \
  "'tag': <'" tag "'>})"
#define ACTIVE(path) "('active', {'target': <'vda'>, 'path': <'" path "'>, 'format': <'qcow2'>})"
#define TIP(uuid, path) "('tip', {'uuid': <'" uuid "'>, 'target': <'vda'>, 'path': <'" path "'>})"

#define MERGE(path, into)                                                                          \
  "('file-merge', {'path': <'" path "'>, 'into': <'" into "'>, 'format': <'qcow2'>})"

/* s-1 lies in /a, s-2 in /b, and has its tip in /t; the domain is on /c above /a */
#define FILES PUT ("/a", "") ", " PUT ("/b", "/a") ", " PUT ("/c", "/a") ", " PUT ("/t", "/b")
#define SNAPSHOTS SNAPSHOT ("s-1", "") ", " SNAPSHOT ("s-2", "s-1")
#define WHERE LIES ("s-1", "/a", "") ", " LIES ("s-2", "/b", "")
static const char start[] =
    "[" FILES ", " SNAPSHOTS ", " WHERE ", " ACTIVE ("/c") ", " TIP ("s-2", "/t") "]";

static GVariant *
parse (const char *text)
{
  return g_variant_ref_sink (g_variant_new_parsed (text));
}

static QsFacts *
read_facts (QsStore *store)
{
  QsFacts *facts = qs_facts_new ();

  g_ptr_array_unref (facts->files);
  facts->files = qs_store_get_files (store, UUID, NULL);
  g_ptr_array_unref (facts->tips);
  facts->tips = qs_store_get_tips (store, UUID, NULL);
  return facts;
}

static void
add_list (GString *text, const char *word, const GPtrArray *items)
{
  for (guint i = 0; i < items->len; i++)
    g_string_append_printf (text, " %s %s", word, (char *)g_ptr_array_index (items, i));
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(char *const *)a, *(char *const *)b);
}

/* (transfer full): files by name, for new ones have no place in a list */
static char *
describe (const QsFacts *facts)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);
      GString *line = g_string_new (file->path);

      g_string_append_printf (line, " %s %s on %s ours %d ino %" G_GUINT64_FORMAT " of %s %o",
                              file->format, file->role, file->backing, file->ours, file->ino,
                              file->active_of, file->mode);
      add_list (line, "state", file->state_of);
      add_list (line, "tag", file->tags);
      add_list (line, "of", file->tag_of);
      add_list (line, "tip", file->tip_of);
      g_ptr_array_add (lines, g_string_free (line, FALSE));
    }
  for (guint i = 0; i < facts->tips->len; i++)
    {
      const QsTip *tip = g_ptr_array_index (facts->tips, i);

      g_ptr_array_add (lines,
                       g_strdup_printf ("~ %s %s %s", tip->snapshot, tip->target, tip->path));
    }
  g_ptr_array_sort (lines, compare);
  for (guint i = 0; i < lines->len; i++)
    g_string_append_printf (text, "%s\n", (char *)g_ptr_array_index (lines, i));
  return g_string_free (text, FALSE);
}

static void
fill (StoreFixture *fixture)
{
  store_fixture_open (fixture);
  apply_now (fixture->store, UUID, make_domain_put ("vm", UUID, 1000));
  apply_now (fixture->store, UUID, g_variant_new_parsed (start));
}

/* one list of changes each, as earlier parts would make them */
static const char *const lists[] = {
  "[('tip-forget', {'uuid': <'s-2'>}), ('file-tombstone', {'path': <'/t'>})]",
  "[('snapshot-delete', {'uuid': <'s-2'>}), ('file-tombstone', {'path': <'/t'>}), "
  "('file-forget', {'path': <'/b'>})]",
  "[('snapshot-delete', {'uuid': <'s-1'>})]",
  "[" TIP ("s-1", "/c") ", " PUT ("/n", "/a") ", " ACTIVE ("/n") "]",
  "[" TIP ("s-2", "/other") "]",
  "[" ACTIVE ("") "]",
  "[" PUT ("/n", "/c") ", " SNAPSHOT ("s-3", "s-2") ", " LIES ("s-3", "/c",
                                                               "") ", " ACTIVE ("/n") "]",
  "[" SNAPSHOT ("s-3", "") ", " LIES ("s-3", "/c", "inside") "]",
  "[('file-rename', {'path': <'/a'>, 'to': <'/z'>}), " PUT ("/a", "/z") "]",
  "[('file-rename', {'path': <'/t'>, 'to': <'/z'>})]",
  "[('file-mode', {'path': <'/a'>, 'mode': <uint32 420>})]",
  "[" PUT ("/a", "/below") "]",
  "[" MERGE ("/c", "/a") "]",
  "[" MERGE ("/b", "/x") ", ('file-tombstone', {'path': <'/b'>})]",
  "[" MERGE ("/t", "/b") ", ('file-tombstone', {'path': <'/t'>})]",
  "[('file-backing', {'path': <'/b'>, 'backing': <''>})]",
  "[('file-backing', {'path': <'/b'>, 'backing': <'/c'>})]",
  "[('file-role', {'path': <'/b'>, 'role': <'layer'>})]",
  "[('file-role', {'path': <'/b'>, 'role': <'layer'>}), " PUT ("/b", "/c") "]",
  "[('file-role', {'path': <'/b'>, 'role': <'layer'>}), ('file-put', {'path': <'/b'>, "
  "'format': <'qcow2'>, 'role': <'disk'>, 'ours': <true>, 'dev': <uint64 1>, 'ino': <uint64 9>})]",
  "[('current', {'uuid': <'s-1'>}), ('quarantine', {'reason': <'why'>})]",
  "[('domain-delete', @a{sv} {})]",
};

static void
test_as_store (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      g_auto (StoreFixture) fixture = { 0 };
      g_autoptr (GVariant) changes = parse (lists[i]);
      g_autoptr (QsFacts) imagined = NULL;
      g_autoptr (QsFacts) facts = NULL;
      g_autofree char *before = NULL;
      g_autofree char *text = NULL;
      g_autofree char *expected = NULL;

      fill (&fixture);
      imagined = read_facts (fixture.store);
      before = describe (imagined);
      qs_facts_imagine (imagined, changes);
      apply_now (fixture.store, UUID, changes);
      facts = read_facts (fixture.store);
      text = describe (imagined);
      expected = describe (facts);
      g_assert_cmpstr (text, ==, expected);
      /* but for those that concern no file, something was to be seen */
      g_assert_true (g_strrstr (lists[i], "quarantine") != NULL || !g_str_equal (text, before));
    }
}

static void
add_image (GPtrArray *chain, const char *path, guint64 size)
{
  QsImage *image = qs_image_new ();

  image->path = g_strdup (path);
  image->format = g_strdup ("qcow2");
  image->virtual_size = size;
  image->ino = 7;
  g_ptr_array_add (chain, image);
}

static QsFacts *
imagine (const char *text)
{
  QsFacts *facts = qs_facts_new ();
  g_autoptr (GVariant) first = parse (start);
  g_autoptr (GVariant) second = parse (text);

  qs_facts_imagine (facts, first);
  qs_facts_imagine (facts, second);
  return facts;
}

/* an overlay that is yet to be made, on one that is there */
static void
test_chain_of_planned (void)
{
  g_autoptr (QsFacts) facts = imagine ("[" PLANNED ("/n", "/c") ", " PLANNED ("/m", "/n") "]");
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  const char *format = "raw";
  const QsImage *top;

  g_assert_cmpstr (qs_imagined_top (facts, "/m", chain, &format), ==, "/c");
  g_assert_cmpstr (format, ==, "qcow2");
  add_image (chain, "/c", 77);
  add_image (chain, "/a", 70);
  qs_imagined_rename (facts, chain);
  g_assert_cmpuint (chain->len, ==, 4);
  top = g_ptr_array_index (chain, 0);
  g_assert_cmpstr (top->path, ==, "/m");
  g_assert_cmpuint (top->virtual_size, ==, 77);
  g_assert_cmpstr (top->backing_name, ==, "/n");
  g_assert_cmpuint (((QsImage *)g_ptr_array_index (chain, 2))->virtual_size, ==, 77);
  g_assert_cmpuint (((QsImage *)g_ptr_array_index (chain, 3))->virtual_size, ==, 70);
}

/* an overlay that takes over the name of what is below it, which is called so as yet */
static void
test_chain_of_renamed (void)
{
  g_autoptr (QsFacts) facts =
      imagine ("[('file-rename', {'path': <'/c'>, 'to': <'/kept'>}), " PLANNED ("/c", "/kept") "]");
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  const char *format = "qcow2";

  g_assert_cmpstr (qs_imagined_top (facts, "/c", chain, &format), ==, "/c");
  g_assert_cmpuint (chain->len, ==, 1);
  add_image (chain, "/c", 5);
  add_image (chain, "/a", 5);
  qs_imagined_rename (facts, chain);
  g_assert_cmpstr (((QsImage *)g_ptr_array_index (chain, 0))->path, ==, "/c");
  g_assert_cmpstr (((QsImage *)g_ptr_array_index (chain, 1))->path, ==, "/kept");
  g_assert_cmpstr (((QsImage *)g_ptr_array_index (chain, 2))->path, ==, "/a");
}

static void
test_chain_of_known (void)
{
  g_autoptr (QsFacts) facts = imagine ("[" PLANNED ("/alone", "") "]");
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  const char *format = "qcow2";

  g_assert_cmpstr (qs_imagined_top (facts, "/c", chain, &format), ==, "/c");
  g_assert_cmpstr (qs_imagined_top (facts, "/unknown", chain, &format), ==, "/unknown");
  g_assert_cmpuint (chain->len, ==, 0);
  g_assert_null (qs_imagined_top (facts, "/alone", chain, &format));
  g_assert_cmpuint (chain->len, ==, 1);
}

/* a snapshot that an earlier part makes, and one whose file it renames */
static void
test_snapshot (void)
{
  static const char list[] = "[" SNAPSHOT ("s-3", "") ", " LIES ("s-3", "/c", "t") ", " LIES (
      "s-1", "/a", "") ", "
                       "('file-rename', {'path': <'/c'>, 'to': <'/z'>})]";
  g_autoptr (QsFacts) imagined = imagine (list);
  g_autoptr (GVariant) changes = parse (list);
  g_autoptr (QsFacts) facts = qs_facts_new ();
  const QsSnapshotFile *row;

  qs_facts_imagine_snapshot (facts, "s-3", imagined, changes);
  g_assert_cmpstr (facts->snapshot_document, ==, "<d/>");
  g_assert_cmpuint (facts->snapshot_files->len, ==, 1);
  row = g_ptr_array_index (facts->snapshot_files, 0);
  g_assert_cmpstr (row->target, ==, "vda");
  g_assert_cmpstr (row->path, ==, "/z");
  g_assert_cmpstr (row->tag, ==, "t");

  qs_facts_imagine_snapshot (facts, "s-2", imagined, changes);
  g_assert_cmpuint (facts->snapshot_files->len, ==, 1);
}

static void
test_nodes (void)
{
  g_autofree char *xml = make_definition ("d", UUID);
  g_autoptr (QsDomainDef) def = qs_domain_def_new (xml, NULL);
  g_autoptr (QsDomain) domain = qs_domain_new (UUID, 1000, def);
  g_autoptr (QsFacts) facts = qs_facts_new ();
  QsDiskFacts *disk = g_new0 (QsDiskFacts, 1);
  const QsNode *node;

  qs_domain_put_active (domain, "vda", "/m", "qcow2", "");
  disk->target = g_strdup ("vda");
  disk->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  add_image (disk->chain, "/m", 1);
  add_image (disk->chain, "/c", 1);
  g_ptr_array_add (facts->disks, disk);

  qs_facts_imagine_nodes (facts, domain);
  g_assert_cmpuint (facts->nodes->len, ==, 0);
  domain->state = QS_DOMAIN_RUNNING;
  qs_facts_imagine_nodes (facts, domain);
  qs_facts_imagine_nodes (facts, domain);
  g_assert_cmpuint (facts->nodes->len, ==, 1);
  node = qs_facts_find_node (facts, "vda");
  g_assert_cmpstr (node->path, ==, "/m");
  g_assert_cmpint (node->depth, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/imagine/as-store", test_as_store);
  g_test_add_func ("/imagine/chain-of-planned", test_chain_of_planned);
  g_test_add_func ("/imagine/chain-of-renamed", test_chain_of_renamed);
  g_test_add_func ("/imagine/chain-of-known", test_chain_of_known);
  g_test_add_func ("/imagine/snapshot", test_snapshot);
  g_test_add_func ("/imagine/nodes", test_nodes);
  return g_test_run ();
}
