/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-proc.h"

#include "qs-auto-fd.h"
#include "qs-error.h"
#include "qs-limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* what the kernel tells of a process of the same user. All of it may be refused: a QEMU may have
   more rights than who asks */

#define FLAGS "flags:\t"
#define DELETED " (deleted)"
#define BACKING "backing"

/* the kernel allows more, and nobody writes more */
#define MAX_COMMAND_LINE (1024 * 1024)

typedef DIR Folder;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Folder, closedir)

static char *
read_link (int folder, const char *name)
{
  char path[QS_MAX_PATH_BYTES + 2];
  ssize_t length = readlinkat (folder, name, path, sizeof path);

  if (length <= 0 || length > QS_MAX_PATH_BYTES || path[0] != '/'
      || !g_utf8_validate_len (path, (gsize)length, NULL))
    return NULL;
  return g_strndup (path, (gsize)length);
}

/* of a program that was replaced by a newer one while it ran, the name is still right */
static char *
read_program (int process)
{
  char *path = read_link (process, "exe");

  if (path != NULL && g_str_has_suffix (path, DELETED))
    path[strlen (path) - strlen (DELETED)] = '\0';
  return path;
}

static gboolean
read_access (int process, const char *fd, gboolean *writable)
{
  g_autofree char *name = g_build_filename ("fdinfo", fd, NULL);
  g_auto (QsFd) info = openat (process, name, O_RDONLY | O_CLOEXEC);
  char text[256];
  const char *flags;
  ssize_t length = info >= 0 ? read (info, text, sizeof text - 1) : -1;

  if (length <= 0)
    return FALSE;
  text[length] = '\0';
  flags = strstr (text, FLAGS);
  if (flags == NULL)
    return FALSE;
  *writable = (g_ascii_strtoull (flags + strlen (FLAGS), NULL, 8) & O_ACCMODE) != O_RDONLY;
  return TRUE;
}

/* FALSE: this may not be known. One that was closed meanwhile is not there */
static gboolean
add_file (GVariantBuilder *files, int process, int folder, const char *fd)
{
  g_autofree char *path = read_link (folder, fd);
  struct stat info;
  gboolean writable;
  gboolean is_device;

  if (fstatat (folder, fd, &info, 0) != 0)
    return errno != EACCES && errno != EPERM;
  if (!(S_ISREG (info.st_mode) || S_ISBLK (info.st_mode)))
    return TRUE;
  if (!read_access (process, fd, &writable))
    return errno != EACCES && errno != EPERM;
  is_device = S_ISBLK (info.st_mode);
  g_variant_builder_add (files, "(sttb)", path != NULL ? path : "",
                         is_device ? (guint64)0 : (guint64)info.st_dev,
                         is_device ? (guint64)info.st_rdev : (guint64)info.st_ino, writable);
  return TRUE;
}

/* NULL: not to be told: the names of descriptors may be read where what they are may not, so that
   a list would be short of what counts */
static GVariant *
list_files (int process)
{
  g_auto (GVariantBuilder) files = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sttb)"));
  g_auto (QsFd) fd = openat (process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_autoptr (Folder) folder = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *entry;
  guint n = 0;

  if (folder == NULL)
    return NULL;
  g_steal_fd (&fd);
  while ((entry = readdir (folder)) != NULL)
    if (g_ascii_isdigit (entry->d_name[0])
        && (++n > QS_MAX_OPEN_FILES || !add_file (&files, process, dirfd (folder), entry->d_name)))
      return NULL;
  return g_variant_builder_end (&files);
}

/* of `key=value,…`: whether a key is, or leads through, the backing file of a node. Two commas stand
   for one in a value, so that more may be found here than there is, but nothing is missed */
static gboolean
has_backing_key (const char *word)
{
  g_auto (GStrv) items = g_strsplit (word, ",", -1);

  for (guint i = 0; items[i] != NULL; i++)
    {
      char *equals = strchr (items[i], '=');
      g_autofree char *key = NULL;

      if (equals == NULL)
        continue;
      *equals = '\0';
      key = g_strconcat (".", items[i], ".", NULL);
      if (strstr (key, "." BACKING ".") != NULL)
        return TRUE;
    }
  return FALSE;
}

/* the same in JSON, of which QEMU takes both kinds of quotes; what is written in numbers may say it */
static gboolean
has_backing_member (const char *word)
{
  const char *found = word;

  if (strchr (word, '{') != NULL && strstr (word, "\\u") != NULL)
    return TRUE;
  while ((found = strstr (found, BACKING)) != NULL)
    {
      gboolean begins = found > word && strchr ("\"'.", found[-1]) != NULL;

      found += strlen (BACKING);
      if (!begins || *found == '\0' || strchr ("\"'.", *found) == NULL)
        continue;
      found += strcspn (found, "\"'");
      if (*found != '\0' && found[1 + strspn (found + 1, " \t\r\n")] == ':')
        return TRUE;
    }
  return FALSE;
}

/* a file of options may say anything */
static gboolean
is_file_of_options (const char *word)
{
  return g_str_equal (word, "-readconfig") || g_str_equal (word, "--readconfig");
}

/* whoever has started QEMU may have named backing files too: then what an image says of them does
   not count */
static gboolean
is_naming (const char *word)
{
  return is_file_of_options (word) || has_backing_key (word) || has_backing_member (word);
}

/* -no-reboot is short for -action reboot=shutdown */
static gboolean
is_ending (const char *word)
{
  return is_file_of_options (word) || g_str_equal (word, "-no-reboot")
         || g_str_equal (word, "--no-reboot") || strstr (word, "reboot=shutdown") != NULL;
}

/* NULL: it cannot be read, or not to its end. Words are separated by zeros */
static GBytes *
read_command_line (int process)
{
  g_auto (QsFd) fd = openat (process, "cmdline", O_RDONLY | O_CLOEXEC);
  g_autofree char *text = g_malloc0 (MAX_COMMAND_LINE + 1);
  ssize_t some = 0;
  gsize length = 0;

  while (fd >= 0 && length < MAX_COMMAND_LINE
         && (some = read (fd, text + length, MAX_COMMAND_LINE - length)) > 0)
    length += (gsize)some;
  if (fd < 0 || some < 0 || length == MAX_COMMAND_LINE)
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&text), length);
}

/* what cannot be read may say it */
static gboolean
may_have (GBytes *command_line, gboolean (*is) (const char *word))
{
  gsize length = 0;
  const char *text = command_line != NULL ? g_bytes_get_data (command_line, &length) : NULL;

  for (gsize at = 0; at < length; at += strlen (text + at) + 1)
    if (is (text + at))
      return TRUE;
  return command_line == NULL;
}

/**
 * qs_proc_read:
 *
 * Returns: (transfer none): a floating QS_PROC_TYPE; what may not be read is a nothing in it
 */
GVariant *
qs_proc_read (gint64 pid, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/%" G_GINT64_FORMAT, pid);
  g_autofree char *exe = NULL;
  g_autofree char *cwd = NULL;
  g_autoptr (GBytes) command_line = NULL;
  g_auto (QsFd) process = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);

  if (process < 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot look at ‘%s’: %s", path,
                   g_strerror (errno));
      return NULL;
    }
  exe = read_program (process);
  cwd = read_link (process, "cwd");
  command_line = read_command_line (process);
  return g_variant_new ("(msmsm@a(sttb)bb)", exe, cwd, list_files (process),
                        may_have (command_line, is_naming), may_have (command_line, is_ending));
}
