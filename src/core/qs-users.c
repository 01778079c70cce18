/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-users.h"

#include "qs-command-line.h"
#include "qs-planners.h"

/* (transfer full): as every spelling of it comes out */
static char *
plain_path (const char *path)
{
  while (path[0] == '/' && path[1] == '/')
    path++;
  return g_canonicalize_filename (path, "/");
}

/* @path: (nullable) */
static void
add_path (GHashTable *users, const char *path, const char *who)
{
  if (path != NULL && *path != '\0')
    g_hash_table_replace (users, plain_path (path), g_strdup (who));
}

/* a document that cannot be started may still be that of a guest which runs */
static void
add_elements (GHashTable *users, const QsDomainDef *def, const char *who)
{
  static const char *const elements[] = { "kernel", "initrd", "dtb" };
  const xmlNode *os =
      def->doc != NULL ? qs_xml_child (xmlDocGetRootElement (def->doc), "os") : NULL;

  for (guint i = 0; os != NULL && i < G_N_ELEMENTS (elements); i++)
    {
      g_autofree char *path = qs_xml_child_text (os, elements[i]);

      add_path (users, path, who);
    }
}

static void
add_definition (GHashTable *users, const QsDomain *domain, const QsDomainDef *def, const char *who)
{
  g_auto (GStrv) paths = def != NULL ? qs_command_line_paths (def, NULL) : NULL;

  if (def == NULL)
    return;
  for (guint i = 0; paths != NULL && paths[i] != NULL; i++)
    add_path (users, paths[i], who);
  add_elements (users, def, who);
  add_path (users, def->loader, who);
  add_path (users, def->nvram, who);
  add_path (users, def->nvram_template, who);
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);

      add_path (users, disk->source, who);
      add_path (users, qs_domain_disk_path (domain, disk), who);
    }
}

void
qs_users_add (GHashTable *users, const QsDomain *domain, const char *who)
{
  add_definition (users, domain, domain->def, who);
  add_definition (users, domain, domain->live_def, who);
}

static gboolean
is_at (const QsTarget *target, const QsImage *image)
{
  const QsImage seen = { .dev = target->dev, .ino = target->ino, .rdev = target->rdev };

  return target->type != QS_TARGET_ABSENT && qs_image_is_same (&seen, image);
}

static void
add_image (QsFacts *facts, const QsImage *image, const char *who)
{
  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);

      if (g_str_equal (image->path, file->path) || (file->ino != 0 && qs_file_is (file, image)))
        add_path (facts->used_elsewhere, file->path, who);
    }
  for (guint i = 0; i < facts->targets->len; i++)
    {
      const QsTarget *target = g_ptr_array_index (facts->targets, i);

      if (is_at (target, image))
        add_path (facts->used_elsewhere, target->path, who);
    }
}

void
qs_users_add_chain (QsFacts *facts, const GPtrArray *chain, const char *who)
{
  for (guint i = 0; i < chain->len; i++)
    add_image (facts, g_ptr_array_index (chain, i), who);
}

char *
qs_users_describe (const QsFacts *facts, const char *path)
{
  g_autofree char *plain = plain_path (path);
  const char *name = g_hash_table_lookup (facts->used_elsewhere, plain);

  if (name != NULL && *name != '\0')
    return g_strdup_printf ("domain ‘%s’", name);
  return name != NULL || qs_planning_is_foreign (facts, path) ? g_strdup ("another domain") : NULL;
}

gboolean
qs_users_is_here (const QsFacts *facts, const char *path)
{
  g_autofree char *plain = plain_path (path);

  return g_hash_table_contains (facts->used_here, plain);
}
