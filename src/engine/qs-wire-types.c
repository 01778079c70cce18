/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-wire-types.h"

#include "qs-error.h"

/* the numbers of an image: a key and where the value lies */
typedef struct
{
  const char *key;
  gsize offset;
  gsize size;
} Field;

#define FIELD(key, member)                                                                         \
  {                                                                                                \
    key, G_STRUCT_OFFSET (QsImage, member), sizeof (((QsImage *)NULL)->member)                     \
  }

static const Field image_fields[] = {
  FIELD ("dev", dev),
  FIELD ("ino", ino),
  FIELD ("btime", btime),
  FIELD ("mtime", mtime),
  FIELD ("size", size),
  FIELD ("allocated", allocated),
  FIELD ("virtual-size", virtual_size),
  FIELD ("mode", mode),
  FIELD ("uid", uid),
  FIELD ("gid", gid),
  FIELD ("links", n_links),
  FIELD ("cluster-size", cluster_size),
  FIELD ("dirty", dirty),
  FIELD ("encrypted", encrypted),
  FIELD ("extended-l2", extended_l2),
  FIELD ("writable", writable),
};

static guint64
get_field (const QsImage *image, const Field *field)
{
  return field->size == sizeof (guint64) ? G_STRUCT_MEMBER (guint64, image, field->offset)
                                         : G_STRUCT_MEMBER (guint32, image, field->offset);
}

static void
set_field (QsImage *image, const Field *field, guint64 value)
{
  if (field->size == sizeof (guint64))
    G_STRUCT_MEMBER (guint64, image, field->offset) = value;
  else
    G_STRUCT_MEMBER (guint32, image, field->offset) = value;
}

GVariant *
qs_wire_image_to_variant (const QsImage *image)
{
  GVariantBuilder fields;
  GVariantBuilder tags;

  g_variant_builder_init (&fields, G_VARIANT_TYPE ("a{st}"));
  for (guint i = 0; i < G_N_ELEMENTS (image_fields); i++)
    g_variant_builder_add (&fields, "{st}", image_fields[i].key,
                           get_field (image, &image_fields[i]));
  g_variant_builder_init (&tags, G_VARIANT_TYPE ("a(sst)"));
  for (guint i = 0; i < image->tags->len; i++)
    {
      const QsTag *tag = g_ptr_array_index (image->tags, i);

      g_variant_builder_add (&tags, "(sst)", tag->id, tag->name, tag->vm_state_size);
    }
  return g_variant_new (QS_WIRE_IMAGE, image->path, image->format, &fields, image->backing_name,
                        image->backing_format, &tags);
}

/**
 * qs_wire_image_from_variant:
 * @value: QS_WIRE_IMAGE
 */
QsImage *
qs_wire_image_from_variant (GVariant *value)
{
  QsImage *image = qs_image_new ();
  g_autoptr (GVariant) fields = NULL;
  g_autoptr (GVariantIter) tags = NULL;
  QsTag tag;

  g_variant_get (value, "(ss@a{st}msmsa(sst))", &image->path, &image->format, &fields,
                 &image->backing_name, &image->backing_format, &tags);
  for (guint i = 0; i < G_N_ELEMENTS (image_fields); i++)
    {
      guint64 number = 0;

      g_variant_lookup (fields, image_fields[i].key, "t", &number);
      set_field (image, &image_fields[i], number);
    }
  while (g_variant_iter_next (tags, "(sst)", &tag.id, &tag.name, &tag.vm_state_size))
    g_ptr_array_add (image->tags, g_memdup2 (&tag, sizeof tag));
  return image;
}

GVariant *
qs_wire_target_to_variant (const QsTarget *target)
{
  return g_variant_new (QS_WIRE_TARGET, target->path, (guint32)target->type, target->dev,
                        target->ino, target->free_bytes,
                        target->error != NULL ? qs_error_get_name (target->error->code) : "",
                        target->error != NULL ? target->error->message : "");
}

/**
 * qs_wire_target_from_variant:
 * @value: QS_WIRE_TARGET
 */
QsTarget *
qs_wire_target_from_variant (GVariant *value)
{
  g_autoptr (QsTarget) target = g_new0 (QsTarget, 1);
  const char *name;
  const char *text;
  guint32 type;

  g_variant_get (value, "(suttt(&s&s))", &target->path, &type, &target->dev, &target->ino,
                 &target->free_bytes, &name, &text);
  target->type = MIN (type, QS_TARGET_OTHER);
  if (name[0] != '\0')
    target->error = qs_wire_error_new (name, text);
  return g_steal_pointer (&target);
}

/**
 * qs_wire_error_new:
 * @name: as qs_error_get_name() has it; Failed if there is no such error
 */
GError *
qs_wire_error_new (const char *name, const char *text)
{
  QsError code = QS_ERROR_FAILED;

  qs_error_from_name (name, &code);
  return g_error_new_literal (QS_ERROR, code, text);
}
