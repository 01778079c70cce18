/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-object-path.h"

#include "qs-names.h"

/* `*` stands for one element, in the order domain, snapshot; or the number of a job */
static const struct
{
  QsObjectKind kind;
  const char *elements[5];
} shapes[] = {
  { QS_OBJECT_MANAGER, { NULL } },
  { QS_OBJECT_DOMAIN_FOLDER, { "domain", NULL } },
  { QS_OBJECT_DOMAIN, { "domain", "*", NULL } },
  { QS_OBJECT_SNAPSHOT_FOLDER, { "domain", "*", "snapshot", NULL } },
  { QS_OBJECT_SNAPSHOT, { "domain", "*", "snapshot", "*", NULL } },
  { QS_OBJECT_JOB_FOLDER, { "job", NULL } },
  { QS_OBJECT_JOB, { "job", "*", NULL } },
};
G_STATIC_ASSERT (G_N_ELEMENTS (shapes) == QS_N_OBJECT_KINDS - 1);

static gboolean
has_shape (GStrv elements, const char *const *shape)
{
  guint i;

  for (i = 0; shape[i] != NULL && elements[i] != NULL; i++)
    if (!g_str_equal (shape[i], "*") && !g_str_equal (shape[i], elements[i]))
      return FALSE;
  return shape[i] == NULL && elements[i] == NULL;
}

static char *
element_to_id (const char *element)
{
  return g_strdelimit (g_strdup (element), "_", '-');
}

static char *
id_to_element (const char *id)
{
  return g_strdelimit (g_strdup (id), "-", '_');
}

static void
take_elements (QsObjectPath *path, GStrv elements)
{
  if (path->kind == QS_OBJECT_JOB)
    {
      if (elements[1][0] != '0')
        g_ascii_string_to_unsigned (elements[1], 10, 1, G_MAXUINT64, &path->job, NULL);
      return;
    }
  if (path->kind >= QS_OBJECT_DOMAIN && path->kind <= QS_OBJECT_SNAPSHOT)
    path->domain = element_to_id (elements[1]);
  if (path->kind == QS_OBJECT_SNAPSHOT)
    path->snapshot = element_to_id (elements[3]);
}

/**
 * qs_object_path_parse:
 * @text: a valid object path
 */
void
qs_object_path_parse (QsObjectPath *path, const char *text)
{
  g_auto (GStrv) elements = NULL;
  const char *rest = text + strlen (QS_PATH);

  *path = (QsObjectPath){ .kind = QS_OBJECT_NONE };
  if (!g_str_has_prefix (text, QS_PATH) || (*rest != '\0' && *rest != '/'))
    return;
  elements = g_strsplit (*rest == '\0' ? "" : rest + 1, "/", 6);
  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
    if (has_shape (elements, shapes[i].elements))
      path->kind = shapes[i].kind;
  take_elements (path, elements);
}

void
qs_object_path_clear (QsObjectPath *path)
{
  g_clear_pointer (&path->domain, g_free);
  g_clear_pointer (&path->snapshot, g_free);
}

char *
qs_object_path_domain (const char *id)
{
  g_autofree char *element = id_to_element (id);

  return g_strconcat (QS_PATH "/domain/", element, NULL);
}

char *
qs_object_path_snapshot (const char *id, const char *uuid)
{
  g_autofree char *domain = id_to_element (id);
  g_autofree char *snapshot = id_to_element (uuid);

  return g_strconcat (QS_PATH "/domain/", domain, "/snapshot/", snapshot, NULL);
}

char *
qs_object_path_job (guint64 job)
{
  return g_strdup_printf (QS_PATH "/job/%" G_GUINT64_FORMAT, job);
}

/**
 * qs_object_path_to_variant:
 * @path: (transfer full)
 *
 * Returns: (transfer floating): of type o
 */
GVariant *
qs_object_path_to_variant (char *path)
{
  g_autofree char *owned = path;

  return g_variant_new_object_path (owned);
}
