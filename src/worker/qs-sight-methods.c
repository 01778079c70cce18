/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-exchange.h"
#include "qs-image-file.h"
#include "qs-merge-files.h"
#include "qs-wire-types.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* what is at a path, and what else lies in its folder; nothing here is refused for what it is */

#define MAGIC_BYTES 4

static void
take_header (const QsPlace *place, int fd, const char *format, const struct stat *info,
             QsSight *sight)
{
  QsImage *image = qs_image_file_inspect (place, fd, format, info, &sight->error);
  g_autofree char *below = NULL;

  if (image == NULL)
    return;
  qs_image_free (sight->image);
  sight->image = image;
  if (image->backing_name == NULL)
    return;
  below = qs_image_file_resolve (image, &sight->error);
  /* it goes into messages */
  if (below != NULL && g_utf8_validate (below, -1, NULL))
    sight->below = g_steal_pointer (&below);
}

/* @format: "" for a file that is no image */
static void
look (const QsPlace *place, const char *format, QsSight *sight)
{
  g_auto (QsFd) fd = -1;
  struct stat info;

  if (!qs_place_stat (place, &info) && errno == ENOENT)
    return;
  fd = qs_place_open (place, QS_OPEN_READ, &info, &sight->error);
  if (fd < 0)
    return;
  sight->image = qs_image_file_look (place, fd, &info);
  if (qs_merge_is_format (format))
    take_header (place, fd, format, &info, sight);
}

static GVariant *
handle_sight (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsSight) sight = NULL;
  g_autoptr (QsPlace) place = NULL;
  gboolean missing = FALSE;
  const char *path;
  const char *format;

  g_variant_get (arguments, "(&s&s)", &path, &format);
  sight = qs_sight_new (path);
  place = qs_place_find (work, path, &missing, &sight->error);
  if (place != NULL)
    look (place, format, sight);
  return g_variant_new ("(@" QS_WIRE_SIGHT ")", qs_wire_sight_to_variant (sight));
}

/* of a file that nobody has named the first bytes tell what it is, if it is an image of which others
   may be backing files */
static const char *
guess_format (int fd)
{
  static const struct
  {
    const char *magic;
    const char *format;
  } formats[] = { { "QFI\xfb", "qcow2" }, { "QED", "qed" } };
  guint8 head[MAGIC_BYTES];

  if (qs_fd_read_at (fd, 0, head, sizeof head) != sizeof head)
    return "";
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    if (memcmp (head, formats[i].magic, sizeof head) == 0)
      return formats[i].format;
  return "";
}

/* a tag list of somebody else's file is none of our business, and may be long */
static void
forget_tags (QsSight *sight)
{
  if (sight->image != NULL)
    g_ptr_array_set_size (sight->image->tags, 0);
}

/* nobody is told of files that are neither images nor temporaries of ours, nor why one cannot be read */
static QsSight *
look_beside (const QsPlace *place)
{
  gboolean is_aside = qs_exchange_is_aside (place->path);
  g_autoptr (QsSight) sight = qs_sight_new (place->path);
  g_auto (QsFd) fd = -1;
  const char *format;
  struct stat info;

  if (!qs_place_stat (place, &info) || !S_ISREG (info.st_mode))
    return NULL;
  fd = qs_place_open (place, QS_OPEN_READ, &info, NULL);
  format = fd >= 0 ? guess_format (fd) : "";
  if (fd < 0 || (*format == '\0' && !is_aside))
    return NULL;
  sight->image = qs_image_file_look (place, fd, &info);
  if (*format != '\0')
    take_header (place, fd, format, &info, sight);
  /* what cannot be told counts as data */
  sight->has_data = TRUE;
  if (is_aside && *format != '\0')
    qs_image_file_has_data (place, fd, format, &sight->has_data, NULL);
  forget_tags (sight);
  return g_steal_pointer (&sight);
}

/* the folder was opened once; a name in it is one component */
static void
add_entry (const QsPlace *folder, const char *name, GVariantBuilder *found, guint *n)
{
  g_autofree char *path = g_build_filename (folder->path, name, NULL);
  const QsPlace place = { .path = path, .name = (char *)name, .folder = folder->folder };
  g_autoptr (QsSight) sight = g_utf8_validate (path, -1, NULL) && strlen (path) <= QS_MAX_PATH_BYTES
                                  ? look_beside (&place)
                                  : NULL;

  if (sight == NULL)
    return;
  g_variant_builder_add_value (found, qs_wire_sight_to_variant (sight));
  ++*n;
}

/* FALSE: there is more */
static gboolean
read_folder (const QsPlace *folder, DIR *stream, GVariantBuilder *found)
{
  const struct dirent *entry;
  guint n_seen = 0;
  guint n = 0;

  while ((entry = readdir (stream)) != NULL)
    {
      if (++n_seen > QS_MAX_FOLDER_ENTRIES || n >= QS_MAX_FOLDER_IMAGES)
        return FALSE;
      if (!g_str_equal (entry->d_name, ".") && !g_str_equal (entry->d_name, ".."))
        add_entry (folder, entry->d_name, found, &n);
    }
  return TRUE;
}

/* a folder that may not be listed is one in which nothing is found */
static GVariant *
handle_sight_folder (QsWork *work, GVariant *arguments, GError **error)
{
  GVariantBuilder found = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a" QS_WIRE_SIGHT));
  gboolean all = TRUE;
  const char *path;
  QsPlace folder = { .folder = -1 };
  int fd;
  DIR *stream;

  g_variant_get (arguments, "(&s)", &path);
  folder.path = (char *)path;
  folder.folder = qs_open_folder (path);
  fd = folder.folder >= 0 ? openat (folder.folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  stream = fd >= 0 ? fdopendir (fd) : NULL;
  if (stream != NULL)
    all = read_folder (&folder, stream, &found);
  if (stream != NULL)
    closedir (stream);
  qs_fd_clear (&folder.folder);
  return g_variant_new ("(a" QS_WIRE_SIGHT "b)", &found, all);
}

static const QsMethod methods[] = {
  { "sight", "(ss)", handle_sight },
  { "sight-folder", "(s)", handle_sight_folder },
};

const QsMethod *
qs_find_sight_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
