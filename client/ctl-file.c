/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-file.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

#include "qs-error.h"
#include "qs-limits.h"

#define MAX_SCRIPT_BYTES (1024 * 1024)

typedef FILE File;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (File, fclose)

/* @what: of the file, for messages */
static char *
read_text (FILE *file, const char *what, gsize limit, GError **error)
{
  g_autofree char *text = g_malloc (limit + 2);
  gsize n = fread (text, 1, limit + 1, file);

  if (ferror (file))
    g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot read %s: %s", what, g_strerror (errno));
  else if (n > limit)
    g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                 "%s is larger than %" G_GSIZE_FORMAT " bytes", what, limit);
  else if (!g_utf8_validate (text, (gssize)n, NULL))
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "%s is not text in UTF-8", what);
  else
    {
      text[n] = '\0';
      return g_steal_pointer (&text);
    }
  return NULL;
}

/**
 * qs_ctl_file_read_document:
 *
 * Returns: (transfer full): the XML document in a file, which may be a pipe
 */
char *
qs_ctl_file_read_document (const char *path, GError **error)
{
  g_autofree char *what = g_strdup_printf ("file ‘%s’", path);
  g_autoptr (File) file = fopen (path, "re");

  if (file != NULL)
    return read_text (file, what, QS_MAX_XML_BYTES, error);
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "cannot open %s: %s", what,
               g_strerror (errno));
  return NULL;
}

/**
 * qs_ctl_file_read_script:
 *
 * Returns: (transfer full): what stands on standard input
 */
char *
qs_ctl_file_read_script (GError **error)
{
  return read_text (stdin, "standard input", MAX_SCRIPT_BYTES, error);
}

static const char *
find_editor (void)
{
  static const char *const names[] = { "VISUAL", "EDITOR" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *value = g_getenv (names[i]);

      if (value != NULL && *value != '\0')
        return value;
    }
  return "vi";
}

/* words of the variable are honoured, as in EDITOR="emacs -nw"; no shell reads them */
static gboolean
run_editor (const char *path, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) words = NULL;
  g_auto (GStrv) argv = NULL;
  g_autoptr (GSubprocess) process = NULL;

  if (!g_shell_parse_argv (find_editor (), NULL, &words, error))
    return FALSE;
  g_strv_builder_addv (builder, (const char **)words);
  g_strv_builder_add (builder, path);
  argv = g_strv_builder_end (builder);
  process = g_subprocess_newv ((const char *const *)argv, G_SUBPROCESS_FLAGS_STDIN_INHERIT, error);
  return process != NULL && g_subprocess_wait_check (process, NULL, error);
}

static char *
edit_at (const char *path, const char *text, GError **error)
{
  char *edited;

  if (!g_file_set_contents (path, text, -1, error) || !run_editor (path, error)
      || !g_file_get_contents (path, &edited, NULL, error))
    return NULL;
  return edited;
}

/**
 * qs_ctl_file_edit:
 *
 * Lets the user change a text in an editor.
 *
 * Returns: (transfer full): the new text
 */
char *
qs_ctl_file_edit (const char *text, GError **error)
{
  g_autofree char *folder = g_dir_make_tmp ("snapshotctl-XXXXXX", error);
  g_autofree char *path = NULL;
  char *edited;

  if (folder == NULL)
    return NULL;
  path = g_build_filename (folder, "description.txt", NULL);
  edited = edit_at (path, text, error);
  g_unlink (path);
  g_rmdir (folder);
  return edited;
}
