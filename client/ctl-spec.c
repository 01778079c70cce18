/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-spec.h"

#include <string.h>

#include "qs-error.h"
#include "qs-name.h"

/* of a diskspec, by the keys of its words; the first word is the disk */
typedef enum
{
  DISK_DRIVER,
  DISK_FILE,
  DISK_MIRROR,
  DISK_MODE,
  DISK_SNAPSHOT,
  DISK_STYPE,
} DiskKey;

static const char *const disk_keys[] = {
  [DISK_DRIVER] = "driver", [DISK_FILE] = "file",         [DISK_MIRROR] = "mirror",
  [DISK_MODE] = "mode",     [DISK_SNAPSHOT] = "snapshot", [DISK_STYPE] = "stype",
};

typedef enum
{
  MEMORY_FILE,
  MEMORY_SNAPSHOT,
} MemoryKey;

static const char *const memory_keys[] = {
  [MEMORY_FILE] = "file",
  [MEMORY_SNAPSHOT] = "snapshot",
};

#define MAX_KEYS G_N_ELEMENTS (disk_keys)

/**
 * qs_ctl_spec_split:
 *
 * Returns: (transfer full): what stands between the commas; two commas are one that does not split
 */
GStrv
qs_ctl_spec_split (const char *spec)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GString) word = g_string_new (NULL);

  for (; *spec != '\0'; spec++)
    {
      if (*spec != ',')
        g_string_append_c (word, *spec);
      else if (spec[1] == ',')
        g_string_append_c (word, *spec++);
      else
        {
          g_strv_builder_add (builder, word->str);
          g_string_truncate (word, 0);
        }
    }
  g_strv_builder_add (builder, word->str);
  return g_strv_builder_end (builder);
}

/* FALSE: @word is not KEY=VALUE with one of @keys, or the key was there before */
static gboolean
take_key (const char *word, const char *const *keys, guint n_keys, const char **values)
{
  const char *equals = strchr (word, '=');

  for (guint i = 0; equals != NULL && i < n_keys; i++)
    if (strlen (keys[i]) == (gsize)(equals - word) && g_str_has_prefix (word, keys[i])
        && values[i] == NULL)
      {
        values[i] = equals + 1;
        return TRUE;
      }
  return FALSE;
}

static gboolean
fail (const char *option, const char *spec, const char *word, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "malformed --%s ‘%s’: ‘%s’ is not expected", option, spec, word);
  return FALSE;
}

static void
append_attribute (GString *xml, const char *name, const char *value)
{
  g_autofree char *escaped = value != NULL ? g_markup_escape_text (value, -1) : NULL;

  if (value != NULL)
    g_string_append_printf (xml, " %s='%s'", name, escaped);
}

static void
append_text (GString *xml, const char *name, const char *value)
{
  g_autofree char *escaped = value != NULL ? g_markup_escape_text (value, -1) : NULL;

  if (value != NULL)
    g_string_append_printf (xml, "  <%s>%s</%s>\n", name, escaped, name);
}

static gboolean
append_memory (GString *xml, const char *spec, GError **error)
{
  g_auto (GStrv) words = qs_ctl_spec_split (spec);
  const char *values[MAX_KEYS] = { NULL };

  for (guint i = 0; words[i] != NULL; i++)
    {
      if (i == 0 && *words[i] == '/')
        values[MEMORY_FILE] = words[i];
      else if (!take_key (words[i], memory_keys, G_N_ELEMENTS (memory_keys), values))
        return fail ("memspec", spec, words[i], error);
    }
  g_string_append (xml, "  <memory");
  append_attribute (xml, "snapshot", values[MEMORY_SNAPSHOT]);
  append_attribute (xml, "file", values[MEMORY_FILE]);
  g_string_append (xml, "/>\n");
  return TRUE;
}

static void
append_disk_source (GString *xml, const char *const *values)
{
  if (values[DISK_DRIVER] != NULL)
    {
      g_string_append (xml, "      <driver");
      append_attribute (xml, "type", values[DISK_DRIVER]);
      g_string_append (xml, "/>\n");
    }
  if (values[DISK_MIRROR] != NULL)
    {
      g_string_append (xml, "      <mirror");
      append_attribute (xml, "file", values[DISK_MIRROR]);
      g_string_append (xml, "/>\n");
    }
  if (values[DISK_FILE] != NULL)
    {
      gboolean is_block = g_strcmp0 (values[DISK_STYPE], "block") == 0;

      g_string_append (xml, "      <source");
      append_attribute (xml, is_block ? "dev" : "file", values[DISK_FILE]);
      g_string_append (xml, "/>\n");
    }
}

static gboolean
append_disk (GString *xml, const char *spec, GError **error)
{
  g_auto (GStrv) words = qs_ctl_spec_split (spec);
  const char *values[MAX_KEYS] = { NULL };

  if (*words[0] == '\0')
    return fail ("diskspec", spec, words[0], error);
  for (guint i = 1; words[i] != NULL; i++)
    if (!take_key (words[i], disk_keys, G_N_ELEMENTS (disk_keys), values))
      return fail ("diskspec", spec, words[i], error);
  /* nothing else below /dev is an image */
  if (values[DISK_STYPE] == NULL && values[DISK_FILE] != NULL
      && qs_path_is_device (values[DISK_FILE]))
    values[DISK_STYPE] = "block";
  g_string_append (xml, "    <disk");
  append_attribute (xml, "name", words[0]);
  append_attribute (xml, "snapshot", values[DISK_SNAPSHOT]);
  append_attribute (xml, "type", values[DISK_STYPE]);
  append_attribute (xml, "mode", values[DISK_MODE]);
  if (values[DISK_DRIVER] == NULL && values[DISK_FILE] == NULL && values[DISK_MIRROR] == NULL)
    {
      g_string_append (xml, "/>\n");
      return TRUE;
    }
  g_string_append (xml, ">\n");
  append_disk_source (xml, values);
  g_string_append (xml, "    </disk>\n");
  return TRUE;
}

static gboolean
append_disks (GString *xml, const GPtrArray *specs, GError **error)
{
  if (specs == NULL)
    return TRUE;
  g_string_append (xml, "  <disks>\n");
  for (guint i = 0; i < specs->len; i++)
    if (!append_disk (xml, g_ptr_array_index (specs, i), error))
      return FALSE;
  g_string_append (xml, "  </disks>\n");
  return TRUE;
}

/**
 * qs_ctl_draft_to_xml:
 *
 * Returns: (transfer full): the domainsnapshot document that asks for the snapshot
 */
char *
qs_ctl_draft_to_xml (const QsCtlDraft *draft, GError **error)
{
  g_autoptr (GString) xml = g_string_new ("<domainsnapshot>\n");

  append_text (xml, "name", draft->name);
  append_text (xml, "description", draft->description);
  append_text (xml, "branch", draft->branch);
  if (draft->memspec != NULL && !append_memory (xml, draft->memspec, error))
    return NULL;
  if (!append_disks (xml, draft->diskspecs, error))
    return NULL;
  g_string_append (xml, "</domainsnapshot>\n");
  return g_strdup (xml->str);
}
