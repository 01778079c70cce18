/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-qcow2.h"

#include <string.h>
#include <unistd.h>

/* images in memory, made by our own code and by qemu-img */

typedef struct
{
  guint8 *data;
  gsize length;
} File;

typedef GPtrArray *(*Builder) (const QsQcow2Layout *layout, guint64 *size, GError **error);

static inline File
assemble (Builder builder, const QsQcow2Layout *layout)
{
  g_autoptr (GError) error = NULL;
  guint64 size = 0;
  g_autoptr (GPtrArray) chunks = builder (layout, &size, &error);
  File file;

  g_assert_no_error (error);
  file = (File){ g_malloc0 (size), size };
  for (guint i = 0; i < chunks->len; i++)
    {
      const QsQcow2Chunk *chunk = g_ptr_array_index (chunks, i);
      gsize n;
      gconstpointer bytes = g_bytes_get_data (chunk->bytes, &n);

      g_assert_cmpuint (chunk->offset + n, <=, size);
      memcpy (file.data + chunk->offset, bytes, n);
    }
  return file;
}

static inline File
build (const QsQcow2Layout *layout)
{
  return assemble (qs_qcow2_build, layout);
}

static inline File
run_qemu_img (const char *const *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autofree char *folder = g_dir_make_tmp ("snapshotd-XXXXXX", &error);
  g_autofree char *path = g_build_filename (folder, "image", NULL);
  int status = -1;
  File file;

  g_ptr_array_add (argv, (char *)"/usr/bin/qemu-img");
  for (; *options != NULL; options++)
    g_ptr_array_add (argv, (char *)(g_str_equal (*options, "IMAGE") ? path : *options));
  g_ptr_array_add (argv, NULL);
  g_spawn_sync (NULL, (char **)argv->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL, &status,
                &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  g_file_get_contents (path, (char **)&file.data, &file.length, &error);
  g_assert_no_error (error);
  g_assert_cmpint (unlink (path), ==, 0);
  g_assert_cmpint (rmdir (folder), ==, 0);
  return file;
}
