/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-merge.h"

#include <string.h>

/* one letter a property: t tags, r not writable, s shared */
typedef struct
{
  const char *below;
  guint64 below_bytes;
  const char *above;
  guint64 above_bytes;
  QsMergeDirection direction;
  guint64 bytes;
  const char *why;
} DirectionRow;

static const DirectionRow directions[] = {
  /* fewer bytes; equal: down */
  { "", 100, "", 50, QS_MERGE_DOWN, 50, NULL },
  { "", 50, "", 100, QS_MERGE_UP, 50, NULL },
  { "", 70, "", 70, QS_MERGE_DOWN, 70, NULL },
  { "", 0, "", 0, QS_MERGE_DOWN, 0, NULL },
  /* what does not go the short way goes the long way */
  { "r", 100, "", 50, QS_MERGE_UP, 100, NULL },
  { "s", 100, "", 50, QS_MERGE_UP, 100, NULL },
  { "", 50, "r", 100, QS_MERGE_DOWN, 100, NULL },
  { "", 50, "s", 100, QS_MERGE_DOWN, 100, NULL },
  { "t", 50, "", 100, QS_MERGE_DOWN, 100, NULL },
  { "t", 100, "", 50, QS_MERGE_DOWN, 50, NULL },
  /* neither way */
  { "", 100, "t", 50, QS_MERGE_NOT, 0, "above holds internal" },
  { "", 50, "t", 100, QS_MERGE_NOT, 0, "above holds internal" },
  { "t", 100, "t", 50, QS_MERGE_NOT, 0, "above holds internal" },
  { "tr", 100, "", 50, QS_MERGE_NOT, 0, "cannot be written" },
  { "ts", 100, "", 50, QS_MERGE_NOT, 0, "another domain" },
  { "r", 100, "r", 50, QS_MERGE_NOT, 0, "cannot be written" },
  { "s", 100, "s", 50, QS_MERGE_NOT, 0, "another domain" },
};

static QsMergeSide
make_side (const char *properties, guint64 bytes)
{
  return (QsMergeSide){ .allocated = bytes,
                        .has_tags = strchr (properties, 't') != NULL,
                        .is_writable = strchr (properties, 'r') == NULL,
                        .is_shared = strchr (properties, 's') != NULL };
}

static void
test_directions (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (directions); i++)
    {
      const DirectionRow *row = &directions[i];
      QsMergeSide below = make_side (row->below, row->below_bytes);
      QsMergeSide above = make_side (row->above, row->above_bytes);
      QsMergeChoice choice = qs_merge_choose (&below, &above);

      g_assert_cmpstr (qs_merge_direction_name (choice.direction), ==,
                       qs_merge_direction_name (row->direction));
      g_assert_cmpuint (choice.bytes, ==, row->bytes);
      g_assert_cmpint (choice.why == NULL, ==, row->why == NULL);
      if (row->why != NULL)
        g_assert_nonnull (strstr (choice.why, row->why));
    }
}

/* write bits that the service has taken off are put back before a merge */
static void
test_side (void)
{
  g_autoptr (QsImage) image = qs_image_new ();
  QsFile file = { .mode = 0644 };
  QsFileUsers users = { .is_shared = TRUE };
  QsMergeSide side;

  image->allocated = 7;
  side = qs_merge_side (image, NULL, NULL);
  g_assert_cmpuint (side.allocated, ==, 7);
  g_assert_false (side.is_writable || side.is_shared || side.has_tags);
  side = qs_merge_side (image, &file, &users);
  g_assert_true (side.is_writable && side.is_shared);
  file.mode = 0444;
  g_assert_false (qs_merge_side (image, &file, &users).is_writable);
  image->writable = TRUE;
  g_assert_true (qs_merge_side (image, NULL, NULL).is_writable);
  g_ptr_array_add (image->tags, g_new0 (QsTag, 1));
  g_assert_true (qs_merge_side (image, NULL, NULL).has_tags);
}

/* words: `name<backing`, `!` not ours, `*` active, `=u` state of, `#u` tag of, `^u` tip of */
static QsFile *
make_file (const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  g_auto (GStrv) names = g_strsplit (words[0], "<", 2);
  QsFile *file = qs_file_new (names[0], "qcow2");

  file->backing = g_strdup (names[1]);
  file->ours = TRUE;
  for (guint i = 1; words[i] != NULL; i++)
    switch (words[i][0])
      {
      case '!':
        file->ours = FALSE;
        break;
      case '*':
        file->active_of = g_strdup ("vda");
        break;
      case '=':
        g_ptr_array_add (file->state_of, g_strdup (words[i] + 1));
        break;
      case '#':
        g_ptr_array_add (file->tag_of, g_strdup (words[i] + 1));
        break;
      case '^':
        g_ptr_array_add (file->tip_of, g_strdup (words[i] + 1));
        break;
      default:
        g_assert_not_reached ();
      }
  return file;
}

typedef struct
{
  const char *files[6];
  const char *leaving[3];
  const char *gone[3];
  const char *foreign;
  QsFileFate fate; /* of the first file */
  const char *above;
} FateRow;

static const FateRow fates[] = {
  { .files = { "F =1", "G<F *" }, .fate = QS_FILE_KEEP, .above = "G" },
  { .files = { "F =1", "G<F *" }, .leaving = { "1" }, .fate = QS_FILE_MERGE, .above = "G" },
  { .files = { "F ! =1", "G<F *" }, .leaving = { "1" }, .fate = QS_FILE_MERGE, .above = "G" },
  /* one file that two snapshots stand on */
  { .files = { "F =1 =2", "G<F *" }, .leaving = { "1" }, .fate = QS_FILE_KEEP, .above = "G" },
  { .files = { "F =1 =2", "G<F *" }, .leaving = { "1", "2" }, .fate = QS_FILE_MERGE, .above = "G" },
  /* a tag in it needs it */
  { .files = { "F =1 #3", "G<F *" }, .leaving = { "1" }, .fate = QS_FILE_KEEP, .above = "G" },
  { .files = { "F #3" }, .leaving = { "3" }, .fate = QS_FILE_UNLINK },
  { .files = { "F ! #3" }, .leaving = { "3" }, .fate = QS_FILE_LEAVE },
  /* branches */
  { .files = { "F =1", "G<F *", "H<F =2" },
    .leaving = { "1" },
    .fate = QS_FILE_HIDE,
    .above = "G" },
  { .files = { "F =1", "G<F *", "H<F =2" },
    .leaving = { "1", "2" },
    .gone = { "H" },
    .fate = QS_FILE_MERGE,
    .above = "G" },
  { .files = { "F", "H<F =2" }, .leaving = { "2" }, .gone = { "H" }, .fate = QS_FILE_UNLINK },
  /* where a snapshot has its later changes */
  { .files = { "F ^1" }, .fate = QS_FILE_KEEP },
  { .files = { "F ^1" }, .leaving = { "1" }, .fate = QS_FILE_UNLINK },
  { .files = { "F ! ^1" }, .leaving = { "1" }, .fate = QS_FILE_LEAVE },
  { .files = { "F =1", "G<F ^1" }, .leaving = { "1" }, .gone = { "G" }, .fate = QS_FILE_UNLINK },
  /* the domain, another domain */
  { .files = { "F *", "G<F =1" }, .leaving = { "1" }, .gone = { "G" }, .fate = QS_FILE_KEEP },
  { .files = { "F =1", "G<F *" },
    .leaving = { "1" },
    .foreign = "F",
    .fate = QS_FILE_KEEP,
    .above = "G" },
  /* memory that branches share, in a stream and in an image */
  { .files = { "M =1 =2" }, .leaving = { "1" }, .fate = QS_FILE_KEEP },
  { .files = { "M =1 =2" }, .leaving = { "1", "2" }, .fate = QS_FILE_UNLINK },
  { .files = { "M #1 #2" }, .leaving = { "2" }, .fate = QS_FILE_KEEP },
  { .files = { "M #1 #2" }, .leaving = { "1", "2" }, .fate = QS_FILE_UNLINK },
};

static void
test_fates (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (fates); i++)
    {
      const FateRow *row = &fates[i];
      g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_file_free);
      g_autoptr (GPtrArray) foreign = g_ptr_array_new ();
      const QsFileBook book = { files, row->leaving, row->gone, foreign };
      const QsFile *above;

      for (guint j = 0; row->files[j] != NULL; j++)
        g_ptr_array_add (files, make_file (row->files[j]));
      if (row->foreign != NULL)
        g_ptr_array_add (foreign, (gpointer)row->foreign);
      g_assert_cmpint (qs_file_book_fate (&book, g_ptr_array_index (files, 0)), ==, row->fate);
      above = qs_file_book_find_above (&book, g_ptr_array_index (files, 0));
      g_assert_cmpstr (above != NULL ? above->path : NULL, ==, row->above);
    }
}

static void
test_nobody_leaves (void)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_file_free);
  const QsFileBook book = { .files = files };
  QsFileUsers users;

  g_ptr_array_add (files, make_file ("F =1 =2 #3"));
  g_ptr_array_add (files, make_file ("G<F *"));
  g_ptr_array_add (files, make_file ("H<F ^3"));
  qs_file_book_count (&book, g_ptr_array_index (files, 0), &users);
  g_assert_cmpuint (users.n_states, ==, 2);
  g_assert_cmpuint (users.n_tags, ==, 1);
  g_assert_cmpuint (users.n_tips, ==, 0);
  g_assert_cmpuint (users.n_above, ==, 2);
  g_assert_false (users.is_active || users.is_shared);
  qs_file_book_count (&book, g_ptr_array_index (files, 1), &users);
  g_assert_true (users.is_active);
  g_assert_cmpuint (users.n_above, ==, 0);
  qs_file_book_count (&book, g_ptr_array_index (files, 2), &users);
  g_assert_cmpuint (users.n_tips, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/merge/directions", test_directions);
  g_test_add_func ("/merge/side", test_side);
  g_test_add_func ("/merge/fates", test_fates);
  g_test_add_func ("/merge/nobody-leaves", test_nobody_leaves);
  return g_test_run ();
}
