/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "verify-fixture.h"

#define SIZE ((guint64)1 << 30)
#define BORN G_GINT64_CONSTANT (1600000000000000000)

QsDomain *
verify_domain (void)
{
  return fixture_with_snapshot (fixture_domain (1), "s1", QS_KIND_EXTERNAL);
}

QsSight *
verify_add_sight (GPtrArray *list, const char *path, guint64 ino)
{
  QsSight *sight = qs_sight_new (path);
  QsImage *image = qs_image_new ();

  image->path = g_strdup (path);
  image->format = g_strdup ("qcow2");
  image->dev = 1;
  image->ino = ino;
  image->btime = BORN;
  image->size = 1 << 20;
  image->virtual_size = SIZE;
  image->mode = 0600;
  image->uid = 1000;
  image->n_links = 1;
  image->writable = TRUE;
  sight->image = image;
  g_ptr_array_add (list, sight);
  return sight;
}

static QsFile *
add_file (QsFacts *facts, const char *path, const char *role, guint64 ino)
{
  QsFile *file = qs_file_new (path, g_str_equal (role, "disk") ? "qcow2" : "migrate");

  file->role = g_strdup (role);
  file->dev = 1;
  file->ino = ino;
  file->btime = BORN;
  g_ptr_array_add (facts->files, file);
  return file;
}

QsFacts *
verify_facts (void)
{
  QsFacts *facts = qs_facts_new ();
  QsFile *state = add_file (facts, VERIFY_STATE, "disk", 10);
  QsFile *top = add_file (facts, VERIFY_TOP, "disk", 11);
  QsFile *memory = add_file (facts, VERIFY_MEMORY, "memory", 12);
  QsSight *sight;

  g_ptr_array_add (state->state_of, g_strdup (FIXTURE_SNAPSHOT));
  g_ptr_array_add (memory->state_of, g_strdup (FIXTURE_SNAPSHOT));
  top->backing = g_strdup (VERIFY_STATE);
  top->active_of = g_strdup ("vda");
  top->ours = TRUE;
  memory->ours = TRUE;

  verify_add_sight (facts->sights, VERIFY_STATE, 10);
  sight = verify_add_sight (facts->sights, VERIFY_TOP, 11);
  sight->below = g_strdup (VERIFY_STATE);
  sight->image->backing_name = g_strdup ("vda.qcow2");
  sight->image->backing_format = g_strdup ("qcow2");
  sight = verify_add_sight (facts->sights, VERIFY_MEMORY, 12);
  g_free (sight->image->format);
  sight->image->format = g_strdup ("");
  return facts;
}

QsFile *
verify_file (QsFacts *facts, const char *path)
{
  QsFile *file = (QsFile *)qs_facts_find_file (facts, path);

  g_assert_nonnull (file);
  return file;
}

QsSight *
verify_sight (QsFacts *facts, const char *path)
{
  for (guint i = 0; i < facts->sights->len; i++)
    {
      QsSight *sight = g_ptr_array_index (facts->sights, i);

      if (g_str_equal (sight->path, path))
        return sight;
    }
  g_assert_not_reached ();
}

void
verify_add_tag (QsSight *sight, const char *name)
{
  QsTag *tag = g_new0 (QsTag, 1);

  tag->id = g_strdup_printf ("%u", sight->image->tags->len + 1);
  tag->name = g_strdup (name);
  g_ptr_array_add (sight->image->tags, tag);
}

void
verify_lose (QsFacts *facts, const char *path)
{
  QsSight *sight = verify_sight (facts, path);

  g_clear_pointer (&sight->image, qs_image_free);
  g_clear_pointer (&sight->below, g_free);
}
