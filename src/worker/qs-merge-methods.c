/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-image-file.h"
#include "qs-json-scan.h"
#include "qs-merge-files.h"
#include "qs-tool.h"

/* merging of images that no QEMU has open, and what a merge in a QEMU needs of the files */

/* each stands on the next: only the last one may be raw, which stands on nothing */
static gboolean
check_chain (const QsMergeFiles *files, GError **error)
{
  gboolean is_chain = files->images->len >= 2;

  for (guint i = 0; i + 1 < files->images->len; i++)
    {
      const QsImage *image = g_ptr_array_index (files->images, i);

      is_chain = is_chain && !g_str_equal (image->format, "raw");
    }
  if (!is_chain)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "these images are no chain");
  return is_chain;
}

static gboolean
check_mergeable (const QsMergeFiles *files, guint n, GError **error)
{
  if (!check_chain (files, error))
    return FALSE;
  for (guint i = 0; i < MIN (n, files->images->len); i++)
    {
      const QsImage *image = g_ptr_array_index (files->images, i);

      if (!image->dirty && !image->encrypted)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                   "‘%s’ is encrypted, or marked dirty or corrupt; it is not merged", image->path);
      return FALSE;
    }
  return TRUE;
}

static gboolean
sync_file (int fd, const char *path, GError **error)
{
  return fsync (fd) == 0 || qs_fail_errno (error, path, "write");
}

/* `-d`: the merged file stays as it is, so that this may be done again. Without it, a qemu-img that
   is killed may leave that file damaged */
static gboolean
commit (const QsWork *work, const QsMergeFiles *files, GError **error)
{
  g_autofree char *spec = qs_merge_files_spec (files);
  const char *argv[] = { "commit", "-q", "-d", spec, NULL };
  const QsImage *base = g_ptr_array_index (files->images, 1);
  const QsTool tool = { .class = QS_TOOL_CHANGE,
                        .argv = argv,
                        .fd = g_array_index (files->fds, QsFd, 0),
                        .more = files->fds,
                        .path = ((const QsImage *)g_ptr_array_index (files->images, 0))->path };

  return qs_tool_run (work, &tool, error)
         && sync_file (g_array_index (files->fds, QsFd, 1), base->path, error);
}

static GVariant *
handle_commit (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) rows = g_variant_get_child_value (arguments, 0);
  g_autoptr (QsMergeFiles) files = qs_merge_files_open (work, rows, error);

  if (files == NULL || !check_mergeable (files, 2, error) || !commit (work, files, error))
    return NULL;
  return qs_work_done ();
}

static gboolean
check_backing (QsWork *work, GVariant *rows, const char *name, GError **error)
{
  g_autoptr (QsMergeFiles) files = qs_merge_files_open (work, rows, error);
  const QsImage *image = files != NULL ? g_ptr_array_index (files->images, 0) : NULL;

  if (image == NULL)
    return FALSE;
  if (g_strcmp0 (image->backing_name, *name != '\0' ? name : NULL) == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "‘%s’ does not name ‘%s’ as backing file",
               image->path, name);
  return FALSE;
}

static gboolean
check_name (const QsMergeFiles *files, const char *name, const char *format, GError **error)
{
  if (files->images->len == 1 && qs_merge_is_name (name)
      && (*name == '\0' || qs_merge_is_format (format)))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "‘%s’ of format ‘%s’ cannot be named as a backing file", name, format);
  return FALSE;
}

/* only the name in the header changes; neither file is opened by it */
static gboolean
set_backing (const QsWork *work, const QsMergeFiles *files, const char *name, const char *format,
             GError **error)
{
  g_autofree char *spec = qs_merge_files_spec_alone (files, 0);
  const char *named[] = { "rebase", "-q", "-u", "-b", name, "-F", format, spec, NULL };
  const char *none[] = { "rebase", "-q", "-u", "-b", "", spec, NULL };
  const QsTool tool = { .class = QS_TOOL_CHANGE,
                        .argv = *name != '\0' ? named : none,
                        .fd = g_array_index (files->fds, QsFd, 0),
                        .path = ((const QsImage *)g_ptr_array_index (files->images, 0))->path };

  return qs_tool_run (work, &tool, error) && sync_file (tool.fd, tool.path, error);
}

static GVariant *
handle_set_backing (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) rows = NULL;
  g_autoptr (QsMergeFiles) files = NULL;
  const char *name;
  const char *format;

  g_variant_get (arguments, "(@a(sstt)&s&s)", &rows, &name, &format);
  files = qs_merge_files_open (work, rows, error);
  if (files == NULL || !check_name (files, name, format, error)
      || !set_backing (work, files, name, format, error)
      || !check_backing (work, rows, name, error))
    return NULL;
  return qs_work_done ();
}

/* clusters that a merge has taken and nobody refers to */
static GVariant *
handle_repair_leaks (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) rows = g_variant_get_child_value (arguments, 0);
  g_autoptr (QsMergeFiles) files = qs_merge_files_open (work, rows, error);
  g_autofree char *spec = files != NULL ? qs_merge_files_spec_alone (files, 0) : NULL;
  const char *argv[] = { "check", "-q", "-r", "leaks", spec, NULL };
  QsTool tool = { .class = QS_TOOL_CHANGE, .argv = argv };

  if (files == NULL)
    return NULL;
  tool.fd = g_array_index (files->fds, QsFd, 0);
  tool.path = ((const QsImage *)g_ptr_array_index (files->images, 0))->path;
  return qs_tool_run (work, &tool, error) && sync_file (tool.fd, tool.path, error) ? qs_work_done ()
                                                                                   : NULL;
}

/* what `qemu-img check` says of an image with errors, and of one with leaks */
#define CHECK_ANSWERS ((1u << 2) | (1u << 3))

/* nothing is written: without -r it opens the image for reading alone */
static GVariant *
handle_check (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) rows = g_variant_get_child_value (arguments, 0);
  g_autoptr (QsMergeFiles) files = qs_merge_files_open (work, rows, error);
  g_autofree char *spec = files != NULL ? qs_merge_files_spec_alone (files, 0) : NULL;
  const char *argv[] = { "check", "--output=json", spec, NULL };
  g_autoptr (GString) out = g_string_new (NULL);
  QsTool tool = { QS_TOOL_CHANGE, .argv = argv, .out = out, .answers = CHECK_ANSWERS };
  g_autoptr (JsonNode) root = NULL;
  JsonObject *told;

  if (files == NULL)
    return NULL;
  tool.fd = g_array_index (files->fds, QsFd, 0);
  tool.path = ((const QsImage *)g_ptr_array_index (files->images, 0))->path;
  if (!qs_tool_run (work, &tool, error))
    return NULL;
  root = qs_json_parse (out->str, out->len, QS_ERROR_IMAGE_FAILED, error);
  if (root == NULL)
    return NULL;
  told = JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
  return g_variant_new ("(tt)", (guint64)MAX (qs_json_int64 (told, "corruptions"), 0),
                        (guint64)MAX (qs_json_int64 (told, "leaks"), 0));
}

/* QEMU's writes of the file are in the kernel's hands; this keeps its own flush, during which the
   guest waits, short. Through any descriptor: errors of writing are told to all */
static GVariant *
handle_sync (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  g_auto (QsFd) fd = -1;
  const char *path;
  struct stat info;
  guint64 dev;
  guint64 ino;

  g_variant_get (arguments, "(&stt)", &path, &dev, &ino);
  place = qs_place_existing (work, path, error);
  fd = place != NULL ? qs_place_open (place, QS_OPEN_READ, &info, error) : -1;
  if (fd < 0 || !qs_merge_check_identity (place, &info, dev, ino, error))
    return NULL;
  return fdatasync (fd) == 0 || qs_fail_errno (error, place->path, "write") ? qs_work_done ()
                                                                            : NULL;
}

static gboolean
check_unused (const QsMergeFiles *files, guint n, GError **error)
{
  for (guint i = 0; i < MIN (n, files->images->len); i++)
    {
      const QsImage *image = g_ptr_array_index (files->images, i);

      if (!qs_fd_in_use (g_array_index (files->fds, QsFd, i)))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "‘%s’ is in use: another process has it locked as an image", image->path);
      return FALSE;
    }
  return TRUE;
}

/* @n: of the files that nobody else may use, from the first on; the one below them may be copied from */
static GVariant *
handle_check_merge (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) rows = NULL;
  g_autoptr (QsMergeFiles) files = NULL;
  guint32 n;

  g_variant_get (arguments, "(@a(sstt)u)", &rows, &n);
  files = qs_merge_files_open (work, rows, error);
  if (files == NULL || !check_mergeable (files, MAX (n, 2), error)
      || !check_unused (files, n, error))
    return NULL;
  return qs_work_done ();
}

static const QsMethod methods[] = {
  { "check-merge", "(a(sstt)u)", handle_check_merge },
  { "commit", "(a(sstt))", handle_commit },
  { "set-backing", "(a(sstt)ss)", handle_set_backing },
  { "repair-leaks", "(a(sstt))", handle_repair_leaks },
  { "check", "(a(sstt))", handle_check },
  { "sync", "(stt)", handle_sync },
};

const QsMethod *
qs_find_merge_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
