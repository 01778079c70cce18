/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-wire-types.h"

#include "qs-error.h"

/* the numbers of a value: a key and where the value lies */
typedef struct
{
  const char *key;
  gsize offset;
  gsize size;
} Field;

#define FIELD(type, key, member)                                                                   \
  {                                                                                                \
    key, G_STRUCT_OFFSET (type, member), sizeof (((type *)NULL)->member)                           \
  }

static const Field image_fields[] = {
  FIELD (QsImage, "dev", dev),
  FIELD (QsImage, "ino", ino),
  FIELD (QsImage, "rdev", rdev),
  FIELD (QsImage, "btime", btime),
  FIELD (QsImage, "mtime", mtime),
  FIELD (QsImage, "size", size),
  FIELD (QsImage, "allocated", allocated),
  FIELD (QsImage, "virtual-size", virtual_size),
  FIELD (QsImage, "mode", mode),
  FIELD (QsImage, "uid", uid),
  FIELD (QsImage, "gid", gid),
  FIELD (QsImage, "links", n_links),
  FIELD (QsImage, "cluster-size", cluster_size),
  FIELD (QsImage, "dirty", dirty),
  FIELD (QsImage, "encrypted", encrypted),
  FIELD (QsImage, "extended-l2", extended_l2),
  FIELD (QsImage, "writable", writable),
  FIELD (QsImage, "in-use", in_use),
  FIELD (QsImage, "is-written", is_written),
  FIELD (QsImage, "linkable", linkable),
};

static const Field target_fields[] = {
  FIELD (QsTarget, "type", type),
  FIELD (QsTarget, "dev", dev),
  FIELD (QsTarget, "ino", ino),
  FIELD (QsTarget, "rdev", rdev),
  FIELD (QsTarget, "diskseq", diskseq),
  FIELD (QsTarget, "size", size),
  FIELD (QsTarget, "free-bytes", free_bytes),
  FIELD (QsTarget, "in-use", in_use),
};

G_STATIC_ASSERT (sizeof (QsTargetType) == sizeof (guint32));

static guint64
get_field (gconstpointer value, const Field *field)
{
  return field->size == sizeof (guint64) ? G_STRUCT_MEMBER (guint64, value, field->offset)
                                         : G_STRUCT_MEMBER (guint32, value, field->offset);
}

static void
set_field (gpointer value, const Field *field, guint64 number)
{
  if (field->size == sizeof (guint64))
    G_STRUCT_MEMBER (guint64, value, field->offset) = number;
  else
    G_STRUCT_MEMBER (guint32, value, field->offset) = number;
}

static GVariant *
get_fields (gconstpointer value, const Field *fields, guint n_fields)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{st}"));
  for (guint i = 0; i < n_fields; i++)
    g_variant_builder_add (&builder, "{st}", fields[i].key, get_field (value, &fields[i]));
  return g_variant_builder_end (&builder);
}

static void
set_fields (gpointer value, const Field *fields, guint n_fields, GVariant *numbers)
{
  for (guint i = 0; i < n_fields; i++)
    {
      guint64 number = 0;

      g_variant_lookup (numbers, fields[i].key, "t", &number);
      set_field (value, &fields[i], number);
    }
}

GVariant *
qs_wire_image_to_variant (const QsImage *image)
{
  GVariantBuilder tags;

  g_variant_builder_init (&tags, G_VARIANT_TYPE ("a(sst)"));
  for (guint i = 0; i < image->tags->len; i++)
    {
      const QsTag *tag = g_ptr_array_index (image->tags, i);

      g_variant_builder_add (&tags, "(sst)", tag->id, tag->name, tag->vm_state_size);
    }
  return g_variant_new ("(ss@a{st}msmsa(sst))", image->path, image->format,
                        get_fields (image, image_fields, G_N_ELEMENTS (image_fields)),
                        image->backing_name, image->backing_format, &tags);
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
  set_fields (image, image_fields, G_N_ELEMENTS (image_fields), fields);
  while (g_variant_iter_next (tags, "(sst)", &tag.id, &tag.name, &tag.vm_state_size))
    g_ptr_array_add (image->tags, g_memdup2 (&tag, sizeof tag));
  return image;
}

GVariant *
qs_wire_target_to_variant (const QsTarget *target)
{
  return g_variant_new ("(s@a{st}(ss))", target->path,
                        get_fields (target, target_fields, G_N_ELEMENTS (target_fields)),
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
  g_autoptr (GVariant) fields = NULL;
  const char *name;
  const char *text;

  g_variant_get (value, "(s@a{st}(&s&s))", &target->path, &fields, &name, &text);
  set_fields (target, target_fields, G_N_ELEMENTS (target_fields), fields);
  target->type = MIN (target->type, QS_TARGET_OTHER);
  if (name[0] != '\0')
    target->error = qs_wire_error_new (name, text);
  return g_steal_pointer (&target);
}

GVariant *
qs_wire_sight_to_variant (const QsSight *sight)
{
  GVariant *image = sight->image != NULL ? qs_wire_image_to_variant (sight->image) : NULL;
  const GError *error = sight->error;

  return g_variant_new ("(sb@m" QS_WIRE_IMAGE "sss)", sight->path, sight->has_data,
                        g_variant_new_maybe (G_VARIANT_TYPE (QS_WIRE_IMAGE), image),
                        sight->below != NULL ? sight->below : "",
                        error != NULL ? qs_error_get_name (error->code) : "",
                        error != NULL ? error->message : "");
}

/**
 * qs_wire_sight_from_variant:
 * @value: QS_WIRE_SIGHT
 */
QsSight *
qs_wire_sight_from_variant (GVariant *value)
{
  g_autoptr (GVariant) maybe = g_variant_get_child_value (value, 2);
  g_autoptr (GVariant) image = g_variant_get_maybe (maybe);
  const char *path, *below, *name, *text;
  QsSight *sight;

  g_variant_get (value, "(&sb@m" QS_WIRE_IMAGE "&s&s&s)", &path, NULL, NULL, &below, &name, &text);
  sight = qs_sight_new (path);
  g_variant_get_child (value, 1, "b", &sight->has_data);
  if (image != NULL)
    sight->image = qs_wire_image_from_variant (image);
  if (*below != '\0')
    sight->below = g_strdup (below);
  if (*name != '\0')
    sight->error = qs_wire_error_new (name, text);
  return sight;
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
