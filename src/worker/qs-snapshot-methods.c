/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-image-file.h"
#include "qs-tool.h"

#include <string.h>

/* what `qemu-img snapshot` is asked for, and how many snapshots have the tag before and after */
typedef struct
{
  const char *verb;
  const char *option;
  guint before;
  guint after;
} Verb;

static const Verb verbs[] = {
  { "create", "-c", 0, 1 },
  { "apply", "-a", 1, 1 },
  { "delete", "-d", 1, 0 },
};

static gboolean
check_image (const QsImage *image, GError **error)
{
  if (image->dirty)
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                 "‘%s’ is marked dirty or corrupt; repair it with ‘qemu-img check -r’",
                 image->path);
  else if (image->encrypted)
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "‘%s’ is encrypted; internal snapshots of it are not made", image->path);
  else
    return TRUE;
  return FALSE;
}

/* qemu-img takes a tag for an id as well, so no other snapshot may have it as its id */
static gboolean
check_tags (const QsImage *image, const char *tag, guint expected, GError **error)
{
  guint names = qs_image_count_tag (image, tag);
  guint ids = 0;

  for (guint i = 0; i < image->tags->len; i++)
    {
      const QsTag *other = g_ptr_array_index (image->tags, i);

      ids += g_str_equal (other->id, tag) && !g_str_equal (other->name, tag);
    }
  if (names == expected && ids == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "‘%s’ has %u snapshots with the tag ‘%s’ and %u with it as id, where %u and 0 are "
               "expected",
               image->path, names, tag, ids, expected);
  return FALSE;
}

static QsImage *
inspect_again (const QsPlace *place, int fd, GError **error)
{
  struct stat info;

  if (fstat (fd, &info) == 0)
    return qs_image_file_inspect (place, fd, "qcow2", &info, error);
  qs_fail_errno (error, place->path, "look at");
  return NULL;
}

/* a failure here is told apart from one of the tool: nothing has been tried */
static gboolean
check_before (const QsPlace *place, int fd, const Verb *verb, const char *tag, GError **error)
{
  g_autoptr (QsImage) image = inspect_again (place, fd, error);

  if (image != NULL && check_image (image, error) && check_tags (image, tag, verb->before, error))
    return TRUE;
  if (error != NULL && g_error_matches (*error, QS_ERROR, QS_ERROR_IMAGE_FAILED))
    (*error)->code = QS_ERROR_OPERATION_INVALID;
  return FALSE;
}

static gboolean
check_after (const QsPlace *place, int fd, const Verb *verb, const char *tag, GError **error)
{
  g_autoptr (QsImage) image = inspect_again (place, fd, error);

  return image != NULL && check_tags (image, tag, verb->after, error);
}

static gboolean
run_snapshot (const QsWork *work, const QsPlace *place, int fd, const Verb *verb, const char *tag,
              GError **error)
{
  g_autofree char *spec = qs_tool_qcow2_spec (fd);
  const char *argv[] = { "snapshot", "-q", verb->option, tag, spec, NULL };
  const QsTool tool = { .class = QS_TOOL_CHANGE, .argv = argv, .fd = fd, .path = place->path };

  return qs_tool_run (work, &tool, error)
         && (fsync (fd) == 0 || qs_fail_errno (error, place->path, "write"));
}

static const Verb *
find_verb (const char *word, const char *tag, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (verbs[i].verb, word) && tag[0] != '\0' && strlen (tag) <= QS_MAX_TAG_BYTES)
      return &verbs[i];
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "no snapshot verb ‘%s’ with tag ‘%s’",
               word, tag);
  return NULL;
}

static GVariant *
handle_snapshot (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  g_auto (QsFd) fd = -1;
  const Verb *verb;
  const char *word;
  const char *path;
  const char *tag;
  struct stat info;
  guint64 dev;
  guint64 ino;

  g_variant_get (arguments, "(&s&stt&s)", &word, &path, &dev, &ino, &tag);
  verb = find_verb (word, tag, error);
  place = verb != NULL ? qs_place_existing (work, path, error) : NULL;
  if (place == NULL)
    return NULL;
  fd = qs_place_open (place, QS_OPEN_WRITE, &info, error);
  if (fd < 0 || !qs_place_check_identity (place, &info, dev, ino, error)
      || !check_before (place, fd, verb, tag, error)
      || !run_snapshot (work, place, fd, verb, tag, error)
      || !check_after (place, fd, verb, tag, error))
    return NULL;
  return qs_work_done ();
}

static gboolean
run_repair (const QsWork *work, const QsPlace *place, int fd, GError **error)
{
  g_autofree char *spec = qs_tool_qcow2_spec (fd);
  const char *argv[] = { "check", "-q", "-r", "all", spec, NULL };
  const QsTool tool = { .class = QS_TOOL_CHANGE, .argv = argv, .fd = fd, .path = place->path };

  return qs_tool_run (work, &tool, error)
         && (fsync (fd) == 0 || qs_fail_errno (error, place->path, "write"));
}

/* after a tool that was killed: clusters that nobody refers to, marks of sharing that are not true.
   The gate comes first here as well; a mark of dirt is what this is for */
static GVariant *
handle_repair (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  g_autoptr (QsImage) image = NULL;
  g_auto (QsFd) fd = -1;
  const char *path;
  struct stat info;
  guint64 dev;
  guint64 ino;

  g_variant_get (arguments, "(&stt)", &path, &dev, &ino);
  place = qs_place_existing (work, path, error);
  fd = place != NULL ? qs_place_open (place, QS_OPEN_WRITE, &info, error) : -1;
  if (fd < 0 || !qs_place_check_identity (place, &info, dev, ino, error))
    return NULL;
  image = inspect_again (place, fd, error);
  return image != NULL && run_repair (work, place, fd, error) ? qs_work_done () : NULL;
}

static const QsMethod methods[] = {
  { "snapshot", "(sstts)", handle_snapshot },
  { "repair", "(stt)", handle_repair },
};

const QsMethod *
qs_find_snapshot_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
