/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */

/* fill-store FOLDER COUNT: for benchmarks, of a service that does not run. Gives the one domain of
   the store in FOLDER as many snapshots as COUNT, all with the records of the one it has, each
   below the one before it. */

#include "qs-store.h"

#include <stdlib.h>

#define BATCH 1000

static QsDomain *
load_domain (QsStore *store, GError **error)
{
  g_autoptr (GPtrArray) domains = qs_store_load_domains (store, error);

  if (domains == NULL)
    return NULL;
  if (domains->len == 1)
    return qs_domain_ref (g_ptr_array_index (domains, 0));
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%u domains, not one", domains->len);
  return NULL;
}

typedef struct
{
  const QsSnapshot *pattern;
  char *document;
  GPtrArray *files; /* of QsSnapshotFile */
  char *last;       /* uuid */
} Filler;

static void
filler_clear (Filler *filler)
{
  g_clear_pointer (&filler->document, g_free);
  g_clear_pointer (&filler->files, g_ptr_array_unref);
  g_clear_pointer (&filler->last, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Filler, filler_clear)

static gboolean
filler_init (Filler *filler, QsStore *store, const QsDomain *domain, GError **error)
{
  filler->pattern = qs_tree_get_current (domain->tree);
  if (filler->pattern == NULL || qs_tree_size (domain->tree) != 1)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "not one snapshot, the current one");
      return FALSE;
    }
  filler->document = qs_store_get_document (store, filler->pattern->uuid, error);
  if (filler->document == NULL)
    return FALSE;
  filler->files = qs_store_get_snapshot_files (store, filler->pattern->uuid, error);
  filler->last = g_strdup (filler->pattern->uuid);
  return filler->files != NULL;
}

static void
add_snapshot (Filler *filler, QsChangeList *list, guint number)
{
  const QsSnapshot *pattern = filler->pattern;
  g_autofree char *name = g_strdup_printf ("snapshot-%u", number);
  g_autofree char *uuid = g_strdup_printf ("%08x-0000-4000-8000-%012x", number, number);

  qs_changes_add (list, QS_CHANGE_SNAPSHOT_PUT, "uuid", "s", uuid, "name", "s", name, "parent", "s",
                  filler->last, "description", "s", pattern->description, "state", "s",
                  qs_enum_to_string (QS_ENUM_SNAPSHOT_STATE, pattern->state), "kind", "s",
                  qs_enum_to_string (QS_ENUM_KIND, pattern->kind), "memory", "s",
                  qs_enum_to_string (QS_ENUM_LOCATION, pattern->memory), "origin", "s",
                  qs_enum_to_string (QS_ENUM_ORIGIN, pattern->origin), "created", "x",
                  pattern->created + number, "document", "s", filler->document, NULL);
  for (guint i = 0; i < filler->files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (filler->files, i);

      qs_changes_add (list, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", uuid, "target", "s", file->target,
                      "path", "s", file->path, "tag", "s", file->tag != NULL ? file->tag : "",
                      NULL);
    }
  g_free (filler->last);
  filler->last = g_steal_pointer (&uuid);
}

static gboolean
add_batch (Filler *filler, QsStore *store, const char *domain, guint first, guint end,
           GError **error)
{
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  qs_changes_init (&list);
  for (guint i = first; i < end; i++)
    add_snapshot (filler, &list, i);
  qs_changes_add (&list, QS_CHANGE_CURRENT, "uuid", "s", filler->last, NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  return qs_store_apply (store, domain, changes, error);
}

static gboolean
fill (const char *folder, guint count, GError **error)
{
  g_autoptr (QsStore) store = qs_store_open (folder, error);
  g_autoptr (QsDomain) domain = store == NULL ? NULL : load_domain (store, error);
  g_auto (Filler) filler = { 0 };

  if (domain == NULL || !filler_init (&filler, store, domain, error))
    return FALSE;
  for (guint first = 1; first < count; first += BATCH)
    if (!add_batch (&filler, store, domain->id, first, MIN (first + BATCH, count), error))
      return FALSE;
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  guint64 count;

  if (argc != 3 || !g_ascii_string_to_unsigned (argv[2], 10, 1, 100000, &count, &error))
    {
      g_printerr ("usage: fill-store FOLDER COUNT\n");
      return 2;
    }
  if (fill (argv[1], (guint)count, &error))
    return EXIT_SUCCESS;
  g_printerr ("fill-store: %s\n", error->message);
  return EXIT_FAILURE;
}
