/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-imagine.h"

/* chains that are still as long as they were, as they will be when earlier parts have merged files */

#define PUT(path, backing)                                                                         \
  "('file-put', {'path': <'" path                                                                  \
  "'>, 'format': <'qcow2'>, 'role': <'disk'>, 'backing': <'" backing                               \
  "'>, 'ours': <true>, 'dev': <uint64 1>, 'ino': <uint64 2>})"
#define PLANNED(path, backing)                                                                     \
  "('file-put', {'path': <'" path                                                                  \
  "'>, 'format': <'qcow2'>, 'role': <'disk'>, 'backing': <'" backing                               \
  "'>, 'ours': <true>, 'step': <uint32 1>})"
#define GONE(path) "('file-tombstone', {'path': <'" path "'>})"
#define DOWN(path, into)                                                                           \
  "('file-merge', {'path': <'" path "'>, 'into': <'" into "'>, 'format': <'qcow2'>}), " GONE (path)
#define BACKING(path, backing)                                                                     \
  "('file-backing', {'path': <'" path "'>, 'backing': <'" backing "'>})"
#define RENAME(path, to) "('file-rename', {'path': <'" path "'>, 'to': <'" to "'>})"

/* from the top: /d /c /b /a */
static const char start[] =
    "[" PUT ("/a", "") ", " PUT ("/b", "/a") ", " PUT ("/c", "/b") ", " PUT ("/d", "/c") "]";

static QsFacts *
imagine (const char *text)
{
  QsFacts *facts = qs_facts_new ();
  g_autoptr (GVariant) first = g_variant_ref_sink (g_variant_new_parsed (start));
  g_autoptr (GVariant) second = g_variant_ref_sink (g_variant_new_parsed (text));

  qs_facts_imagine (facts, first);
  qs_facts_imagine (facts, second);
  return facts;
}

/* what is walked from @path, one letter a file: 10 bytes allocated in /a, 20 in /b and so on */
static GPtrArray *
walk (const char *path)
{
  GPtrArray *chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);

  for (char name = path[1]; name >= 'a'; name--)
    {
      QsImage *image = qs_image_new ();

      image->path = g_strdup_printf ("/%c", name);
      image->format = g_strdup ("qcow2");
      image->ino = 2;
      image->allocated = 10 * (guint64)(name - 'a' + 1);
      image->virtual_size = name < 'c' ? 55 : 60;
      image->backing_name = name > 'a' ? g_strdup_printf ("/%c", name - 1) : NULL;
      g_ptr_array_add (chain, image);
    }
  return chain;
}

static char *
describe (const GPtrArray *chain)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < chain->len; i++)
    {
      const QsImage *image = g_ptr_array_index (chain, i);

      g_string_append_printf (text, "%s%s %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT " on %s",
                              i > 0 ? ", " : "", image->path, image->allocated, image->virtual_size,
                              image->backing_name);
    }
  return g_string_free (text, FALSE);
}

static const struct
{
  const char *name;
  const char *changes;
  const char *path;  /* as it will be */
  const char *start; /* as it is */
  const char *chain;
} cases[] = {
  { "none", "[" GONE ("/d") "]", "/c", "/c", "/c 30/60 on /b, /b 20/55 on /a, /a 10/55 on (null)" },
  { "down", "[" DOWN ("/c", "/b") "]", "/d", "/d",
    "/d 40/60 on /b, /b 50/60 on /a, /a 10/55 on (null)" },
  { "down-top", "[" DOWN ("/d", "/c") "]", "/c", "/d",
    "/c 60/60 on /b, /b 20/55 on /a, /a 10/55 on (null)" },
  { "down-twice", "[" DOWN ("/c", "/b") ", " DOWN ("/d", "/b") "]", "/b", "/d",
    "/b 60/60 on /a, /a 10/55 on (null)" },
  { "down-on", "[" DOWN ("/b", "/a") ", " DOWN ("/c", "/a") "]", "/d", "/d",
    "/d 40/60 on /a, /a 60/60 on (null)" },
  { "down-from-below", "[" DOWN ("/c", "/b") ", " DOWN ("/b", "/a") "]", "/a", "/c",
    "/a 60/60 on (null)" },
  { "up", "[" BACKING ("/c", "/a") ", " GONE ("/b") "]", "/d", "/d",
    "/d 40/60 on /c, /c 50/60 on /a, /a 10/55 on (null)" },
  { "up-lowest", "[" BACKING ("/b", "") ", " GONE ("/a") "]", "/c", "/c",
    "/c 30/60 on /b, /b 30/55 on (null)" },
  { "up-twice",
    "[" BACKING ("/b", "") ", " GONE ("/a") ", " BACKING ("/c", "") ", " GONE ("/b") "]", "/c",
    "/c", "/c 60/60 on (null)" },
  { "both", "[" BACKING ("/c", "/a") ", " GONE ("/b") ", " DOWN ("/c", "/a") "]", "/d", "/d",
    "/d 40/60 on /a, /a 60/60 on (null)" },
  { "down-run", "[" DOWN ("/b", "/a") ", " DOWN ("/c", "/a") ", " DOWN ("/d", "/a") "]", "/a", "/d",
    "/a 60/60 on (null)" },
  { "up-run", "[" BACKING ("/d", "/a") ", " GONE ("/c") ", " GONE ("/b") "]", "/d", "/d",
    "/d 60/60 on /a, /a 10/55 on (null)" },
  { "up-run-lowest", "[" BACKING ("/c", "") ", " GONE ("/b") ", " GONE ("/a") "]", "/d", "/d",
    "/d 40/60 on /c, /c 60/60 on (null)" },
  /* somebody needs the file below */
  { "kept", "[" BACKING ("/c", "/a") "]", "/b", "/b", "/b 20/55 on /a, /a 10/55 on (null)" },
  { "renamed", "[" RENAME ("/c", "/z") ", " DOWN ("/z", "/b") ", " RENAME ("/b", "/y") "]", "/y",
    "/c", "/y 50/60 on /a, /a 10/55 on (null)" },
  { "name-again", "[" DOWN ("/d", "/c") ", " PLANNED ("/d", "/c") "]", "/d", "/d",
    "/d 0/60 on /c, /c 60/60 on /b, /b 20/55 on /a, /a 10/55 on (null)" },
};

static void
test_case (gconstpointer data)
{
  guint index = GPOINTER_TO_UINT (data);
  g_autoptr (QsFacts) facts = imagine (cases[index].changes);
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  g_autoptr (GArray) places = NULL;
  g_autofree char *text = NULL;
  const char *format = "qcow2";
  const char *name = qs_imagined_top (facts, cases[index].path, chain, &format);

  name = qs_imagined_start (facts, name);
  g_assert_cmpstr (name, ==, cases[index].start);
  g_ptr_array_extend_and_steal (chain, walk (name));
  places = qs_imagined_merge (facts, chain);
  qs_imagined_rename (facts, chain);
  text = describe (chain);
  g_assert_cmpstr (text, ==, cases[index].chain);
}

static void
test_remembered (void)
{
  g_autoptr (QsFacts) facts = imagine ("[" BACKING ("/c", "/a") ", " GONE ("/b") ", " DOWN (
      "/d", "/c") ", " BACKING ("/c", "/a") "]");
  const QsMerged *merged;

  g_assert_cmpuint (facts->merged->len, ==, 2);
  merged = g_ptr_array_index (facts->merged, 0);
  g_assert_cmpstr (merged->path, ==, "/b");
  g_assert_cmpstr (merged->into, ==, "/c");
  g_assert_false (merged->is_down);
  merged = g_ptr_array_index (facts->merged, 1);
  g_assert_cmpstr (merged->path, ==, "/d");
  g_assert_true (merged->is_down);
}

static QsNode *
make_node (void)
{
  QsNode *node = g_new0 (QsNode, 1);

  node->target = g_strdup ("vda");
  node->node_name = g_strdup ("n-d");
  node->path = g_strdup ("/d");
  node->below = g_strsplit ("n-c n-b n-a", " ", 0);
  node->depth = 3;
  return node;
}

static void
assert_node (const char *top, guint n_files, const char *dropped, const char *expected)
{
  g_autoptr (QsNode) node = make_node ();
  g_autoptr (GArray) places = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autofree char *below = NULL;
  g_autofree char *text = NULL;

  for (guint i = 0; dropped[i] != '\0'; i++)
    {
      guint place = (guint)(dropped[i] - '0');

      g_array_append_val (places, place);
    }
  qs_node_merge (node, top, places, n_files);
  below = g_strjoinv (" ", node->below);
  text = g_strdup_printf ("%s/%s/%d", node->node_name, below, (int)node->depth);
  g_assert_cmpstr (text, ==, expected);
}

static void
test_nodes (void)
{
  assert_node ("/d", 4, "0", "n-c/n-b n-a/2");
  assert_node ("/d", 4, "1", "n-d/n-b n-a/2");
  assert_node ("/d", 4, "013", "n-b//0");
  assert_node ("/d", 4, "", "n-d/n-c n-b n-a/3");
  /* another stack than that of the chain */
  assert_node ("/c", 4, "0", "n-d/n-c n-b n-a/3");
  assert_node ("/d", 3, "0", "n-d/n-c n-b n-a/3");
  assert_node ("/d", 4, "0123", "n-d/n-c n-b n-a/3");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/imagine-merge/", cases[i].name, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_case);
    }
  g_test_add_func ("/imagine-merge/remembered", test_remembered);
  g_test_add_func ("/imagine-merge/nodes", test_nodes);
  return g_test_run ();
}
