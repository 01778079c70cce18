/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-fd.h"
#include "qs-qcow2.h"
#include "qs-tool.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define DATA_FILE_EXTENSION 0x44415441

/* a node that always opens: a tool that follows the name has no reason to fail */
static const char data_file[40] = "json:{\"driver\":\"null-co\",\"size\":65536}";

static gboolean
write_all (int fd, const void *data, gsize length, guint64 offset)
{
  return pwrite (fd, data, length, offset) == (ssize_t)length;
}

static gboolean
write_sound_image (int fd)
{
  const QsQcow2Layout layout = { .virtual_size = 65536, .cluster_size = 65536 };
  guint64 size = 0;
  g_autoptr (GPtrArray) chunks = qs_qcow2_build (&layout, &size, NULL);
  gboolean ok = chunks != NULL && ftruncate (fd, size) == 0;

  for (guint i = 0; ok && i < chunks->len; i++)
    {
      const QsQcow2Chunk *chunk = g_ptr_array_index (chunks, i);
      gsize length;
      const void *bytes = g_bytes_get_data (chunk->bytes, &length);

      ok = write_all (fd, bytes, length, chunk->offset);
    }
  return ok;
}

/* says that the data lies in another file, and names that as only an attacker would */
static gboolean
write_bait (int fd)
{
  const guint64 feature = GUINT64_TO_BE (QS_QCOW2_DATA_FILE);
  const guint32 head[2] = { GUINT32_TO_BE (DATA_FILE_EXTENSION), GUINT32_TO_BE (sizeof data_file) };
  const guint64 end = 0;
  gsize at = QS_QCOW2_HEADER_V3_BYTES + 8;

  return write_all (fd, &feature, sizeof feature, 72) && write_all (fd, head, sizeof head, at)
         && write_all (fd, data_file, sizeof data_file, at + sizeof head)
         && write_all (fd, &end, sizeof end, at + sizeof head + sizeof data_file);
}

static gboolean
run_map (const QsWork *work, int fd, GError **error)
{
  g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", fd);
  const char *argv[] = { "map", "-U", "-f", "qcow2", link, NULL };
  const QsTool tool = { .class = QS_TOOL_QUERY, .argv = argv, .fd = fd, .path = "self-test image" };

  return qs_tool_run (work, &tool, error);
}

/**
 * handle_self_test:
 *
 * Whether the installed qemu-img opens what an image calls `json:…`: CVE-2024-4467.
 */
static GVariant *
handle_self_test (QsWork *work, GVariant *arguments, GError **error)
{
  g_auto (QsFd) fd = memfd_create ("self-test", MFD_CLOEXEC);
  g_autoptr (GError) refusal = NULL;

  if (fd < 0 || !write_sound_image (fd))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot make an image in memory: %s",
                   g_strerror (errno));
      return NULL;
    }
  if (!run_map (work, fd, error))
    return NULL;
  if (!write_bait (fd))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot change an image in memory: %s",
                   g_strerror (errno));
      return NULL;
    }
  if (run_map (work, fd, &refusal))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                           "the installed qemu-img opens whatever a disk image names "
                           "(CVE-2024-4467); images are not changed with it");
      return NULL;
    }
  if (g_error_matches (refusal, QS_ERROR, QS_ERROR_IMAGE_FAILED))
    return qs_work_done ();
  g_propagate_error (error, g_steal_pointer (&refusal));
  return NULL;
}

static const QsMethod methods[] = {
  { "self-test", "()", handle_self_test },
};

const QsMethod *
qs_find_self_test_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
