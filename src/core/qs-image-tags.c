/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-image-input.h"
#include "qs-limits.h"

#define TAG_MAX_EXTRA 1024

/**
 * qs_image_header_tags_length:
 *
 * Returns: how many bytes of the file from `tags_offset` on qs_image_header_parse_tags() wants
 */
gsize
qs_image_header_tags_length (const QsImageHeader *header, guint64 file_size)
{
  if (header->n_tags == 0 || header->tags_offset >= file_size)
    return 0;
  return MIN (file_size - header->tags_offset, QS_MAX_IMAGE_TAGS_BYTES);
}

static char *
tag_text (const QsImageInput *in, gsize offset, gsize length)
{
  return g_utf8_make_valid ((const char *)in->data + offset, length);
}

/* returns the bytes that the entry takes, 0 if it is damaged */
static gsize
read_tag (const QsImageInput *in, gsize offset, GPtrArray *tags)
{
  QsTag *tag;
  gsize id_length;
  gsize name_length;
  gsize extra_length;
  gsize length;

  if (!qs_input_has (in, offset, QS_IMAGE_TAG_BYTES))
    return 0;
  id_length = qs_input_u16 (in, offset + 12);
  name_length = qs_input_u16 (in, offset + 14);
  extra_length = qs_input_u32 (in, offset + 36);
  length = QS_IMAGE_TAG_BYTES + extra_length + id_length + name_length;
  if (extra_length > TAG_MAX_EXTRA || !qs_input_has (in, offset, length))
    return 0;

  tag = g_new0 (QsTag, 1);
  tag->vm_state_size = extra_length >= 8 ? qs_input_u64 (in, offset + QS_IMAGE_TAG_BYTES)
                                         : qs_input_u32 (in, offset + 32);
  tag->id = tag_text (in, offset + QS_IMAGE_TAG_BYTES + extra_length, id_length);
  tag->name = tag_text (in, offset + QS_IMAGE_TAG_BYTES + extra_length + id_length, name_length);
  g_ptr_array_add (tags, tag);
  return (length + 7) & ~(gsize)7;
}

/**
 * qs_image_header_parse_tags:
 * @data: the bytes from `tags_offset` on, qs_image_header_tags_length() of them
 *
 * Returns: (element-type QsTag): the snapshots inside the image
 */
GPtrArray *
qs_image_header_parse_tags (const QsImageHeader *header, const guint8 *data, gsize length,
                            GError **error)
{
  const QsImageInput in = { data, length, length };
  g_autoptr (GPtrArray) tags = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_tag_free);
  gsize offset = 0;

  for (guint i = 0; i < header->n_tags; i++)
    {
      gsize taken = read_tag (&in, offset, tags);

      if (taken == 0)
        {
          qs_input_damaged (error, "the snapshot table");
          return NULL;
        }
      offset += taken;
    }
  return g_steal_pointer (&tags);
}
