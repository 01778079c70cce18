/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-image-header.h"
#include "qs-limits.h"

#include "image-file.h"

#define MIB (1024 * 1024)

static File
copy_file (const File *file)
{
  return (File){ g_memdup2 (file->data, file->length), file->length };
}

static QsImageHeader *
parse (const char *format, const File *file, GError **error)
{
  gsize length = MIN (file->length, QS_IMAGE_HEADER_BYTES);
  /* a copy of just these bytes: reading past them is seen by the address sanitizer */
  g_autofree guint8 *bytes = g_memdup2 (file->data, length);

  return qs_image_header_parse (format, bytes, length, file->length, error);
}

static void
put (File *file, gsize offset, guint size, guint64 value)
{
  g_assert_cmpuint (offset + size, <=, file->length);
  for (guint i = 0; i < size; i++)
    file->data[offset + i] = value >> (8 * (size - 1 - i));
}

static File
overlay (void)
{
  return build (&(QsQcow2Layout){ .virtual_size = 10 * MIB,
                                  .cluster_size = 65536,
                                  .backing = "/srv/base.qcow2",
                                  .backing_format = "qcow2" });
}

static void
test_read_qcow2 (void)
{
  g_autoptr (GError) error = NULL;
  File file = overlay ();
  g_autoptr (QsImageHeader) header = parse ("qcow2", &file, &error);
  g_autoptr (QsImage) image = qs_image_new ();

  g_assert_no_error (error);
  qs_image_header_fill (header, image);
  g_assert_cmpuint (image->virtual_size, ==, 10 * MIB);
  g_assert_cmpuint (image->cluster_size, ==, 65536);
  g_assert_cmpstr (image->backing_name, ==, "/srv/base.qcow2");
  g_assert_cmpstr (image->backing_format, ==, "qcow2");
  g_assert_false (image->dirty || image->encrypted || image->extended_l2);
  g_assert_cmpuint (header->n_tags, ==, 0);
  g_free (file.data);
}

static void
test_read_version_2 (void)
{
  const char *create[] = { "create", "-q",      "-f", "qcow2", "-u",    "-o", "compat=0.10",
                           "-b",     "rel.raw", "-F", "raw",   "IMAGE", "3M", NULL };
  g_autoptr (GError) error = NULL;
  File file = run_qemu_img (create);
  g_autoptr (QsImageHeader) header = parse ("qcow2", &file, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (file.data[7], ==, 2);
  g_assert_cmpuint (header->virtual_size, ==, 3 * MIB);
  g_assert_cmpstr (header->backing_name, ==, "rel.raw");
  g_assert_cmpstr (header->backing_format, ==, "raw");
  g_free (file.data);
}

/* bytes that would be a qcow2 header mean nothing in a raw image */
static void
test_read_raw (void)
{
  g_autoptr (GError) error = NULL;
  File file = overlay ();
  g_autoptr (QsImageHeader) header = NULL;

  file.length = 1025;
  header = parse ("raw", &file, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (header->virtual_size, ==, 1536);
  g_assert_cmpuint (header->cluster_size, ==, 0);
  g_assert_null (header->backing_name);
  g_free (file.data);
}

static void
test_read_qed (void)
{
  const char *create[] = { "create",   "-q", "-f",  "qed",   "-u", "-b",
                           "/srv/b.q", "-F", "raw", "IMAGE", "4M", NULL };
  g_autoptr (GError) error = NULL;
  File file = run_qemu_img (create);
  g_autoptr (QsImageHeader) header = parse ("qed", &file, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (header->virtual_size, ==, 4 * MIB);
  g_assert_cmpuint (header->cluster_size, ==, 65536);
  g_assert_cmpstr (header->backing_name, ==, "/srv/b.q");
  g_assert_cmpstr (header->backing_format, ==, "raw");
  g_assert_false (header->dirty);
  g_free (file.data);
}

/* offset, size and value of a field, and what the gate says then; 0: an accepted one */
typedef struct
{
  const char *name;
  gsize offset;
  guint size;
  guint64 value;
  int code;
  const char *text;
} Patch;

#define DAMAGED QS_ERROR_IMAGE_FAILED
#define REFUSED QS_ERROR_CONFIG_UNSUPPORTED

static const Patch qcow2_patches[] = {
  { "magic", 0, 4, 0x514649fa, DAMAGED, "not a qcow2 file" },
  { "version 1", 4, 4, 1, REFUSED, "version" },
  { "version 4", 4, 4, 4, REFUSED, "version" },
  { "backing offset in header", 8, 8, 100, DAMAGED, "backing" },
  { "backing offset past cluster", 8, 8, 65537, DAMAGED, "backing" },
  { "backing offset overflow", 8, 8, G_MAXUINT64 - 4, DAMAGED, "backing" },
  { "backing name past cluster", 8, 8, 65530, DAMAGED, "backing" },
  { "backing name too long", 16, 4, 1024, DAMAGED, "too long" },
  { "backing name huge", 16, 4, G_MAXUINT32, DAMAGED, "backing" },
  { "cluster bits 8", 20, 4, 8, DAMAGED, "cluster size" },
  { "cluster bits 22", 20, 4, 22, DAMAGED, "cluster size" },
  { "cluster bits 200", 20, 4, 200, DAMAGED, "cluster size" },
  { "virtual size", 24, 8, G_MAXINT64 + G_GUINT64_CONSTANT (1), DAMAGED, "virtual size" },
  { "virtual size beyond table", 24, 8, (guint64)MIB *MIB, DAMAGED, "too small" },
  { "encryption 3", 32, 4, 3, REFUSED, "encryption" },
  { "l1 size", 36, 4, G_MAXUINT32, DAMAGED, "too large" },
  { "l1 size beyond file", 36, 4, 1000, DAMAGED, "outside" },
  { "l1 offset", 40, 8, MIB, DAMAGED, "outside" },
  { "l1 offset overflow", 40, 8, G_MAXUINT64 - 65535, DAMAGED, "outside" },
  { "l1 offset unaligned", 40, 8, 512, DAMAGED, "outside" },
  { "refcount offset", 48, 8, MIB, DAMAGED, "reference count" },
  { "refcount clusters 0", 56, 4, 0, DAMAGED, "reference count" },
  { "refcount clusters", 56, 4, G_MAXUINT32, DAMAGED, "reference count" },
  { "snapshots", 60, 4, 1001, QS_ERROR_LIMIT_EXCEEDED, "1001 snapshots" },
  { "snapshot table outside", 60, 4, 1000, DAMAGED, "snapshot table" },
  { "data file", 72, 8, 4, REFUSED, "another file" },
  { "unknown bit 5", 72, 8, 32, REFUSED, "not known" },
  { "unknown bit 63", 72, 8, G_GUINT64_CONSTANT (1) << 63, REFUSED, "not known" },
  { "refcount order", 96, 4, 7, DAMAGED, "reference counts" },
  { "header length short", 100, 4, 100, DAMAGED, "length of the header" },
  { "header length long", 100, 4, 65537, DAMAGED, "length of the header" },
  { "extension too long", 116, 4, G_MAXUINT32, DAMAGED, "extension" },
  { "backing format name", 120, 1, 'Q', REFUSED, "format of its backing file" },
  { "backing format empty", 116, 4, 0, REFUSED, "format of its backing file" },
  { "dirty", 72, 8, 1, 0, NULL },
  { "corrupt", 72, 8, 2, 0, NULL },
  { "compression", 72, 8, 8, 0, NULL },
  { "compatible bits", 80, 8, G_MAXUINT64, 0, NULL },
  { "aes", 32, 4, 1, 0, NULL },
  { "luks", 32, 4, 2, 0, NULL },
  { "unknown extension", 112, 4, 0x12345678, 0, NULL },
};

static const Patch qed_patches[] = {
  { "magic", 0, 4, 0x51454401, DAMAGED, "not a qed file" },
  { "cluster 2048", 4, 4, 0x00080000, DAMAGED, "cluster size" },
  { "cluster 128 MiB", 4, 4, 0x00000008, DAMAGED, "cluster size" },
  { "cluster odd", 4, 4, 0x01000100, DAMAGED, "cluster size" },
  { "table 0", 8, 4, 0, DAMAGED, "table size" },
  { "table 3", 8, 4, 0x03000000, DAMAGED, "table size" },
  { "table 32", 8, 4, 0x20000000, DAMAGED, "table size" },
  { "header 0", 12, 4, 0, DAMAGED, "length of the header" },
  { "header huge", 12, 4, G_MAXUINT32, DAMAGED, "length of the header" },
  { "unknown feature", 16, 8, G_GUINT64_CONSTANT (0x08) << 56, REFUSED, "not known" },
  { "l1 outside", 40, 8, G_GUINT64_CONSTANT (0xff) << 16, DAMAGED, "first-level" },
  { "size odd", 48, 8, G_GUINT64_CONSTANT (0x01) << 56, DAMAGED, "virtual size" },
  { "size huge", 48, 8, G_MAXUINT64, DAMAGED, "virtual size" },
  { "name outside", 56, 4, 0xffff0000, DAMAGED, "backing" },
  { "name empty", 60, 4, 0, DAMAGED, "backing" },
  { "need check", 16, 8, G_GUINT64_CONSTANT (0x07) << 56, 0, NULL },
};

static void
check_patches (const char *format, const File *good, const Patch *patches, guint n_patches)
{
  for (guint i = 0; i < n_patches; i++)
    {
      g_autoptr (GError) error = NULL;
      File file = copy_file (good);
      g_autoptr (QsImageHeader) header = NULL;

      g_test_message ("%s: %s", format, patches[i].name);
      put (&file, patches[i].offset, patches[i].size, patches[i].value);
      header = parse (format, &file, &error);
      if (patches[i].text == NULL)
        g_assert_no_error (error);
      else
        {
          g_assert_error (error, QS_ERROR, patches[i].code);
          g_assert_nonnull (strstr (error->message, patches[i].text));
        }
      g_assert_true ((header != NULL) == (patches[i].text == NULL));
      g_free (file.data);
    }
}

static void
test_refused_qcow2 (void)
{
  File good = overlay ();

  check_patches ("qcow2", &good, qcow2_patches, G_N_ELEMENTS (qcow2_patches));
  g_free (good.data);
}

static void
test_refused_qed (void)
{
  const char *create[] = { "create", "-q", "-f",  "qed",   "-u", "-b",
                           "/srv/b", "-F", "raw", "IMAGE", "4M", NULL };
  File good = run_qemu_img (create);

  check_patches ("qed", &good, qed_patches, G_N_ELEMENTS (qed_patches));
  g_free (good.data);
}

static void
test_flags (void)
{
  File file = overlay ();
  g_autoptr (QsImageHeader) header = NULL;

  put (&file, 72, 8, QS_QCOW2_DIRTY | QS_QCOW2_EXTENDED_L2);
  put (&file, 32, 4, 2);
  header = parse ("qcow2", &file, NULL);
  g_assert_nonnull (header);
  g_assert_true (header->dirty && header->encrypted && header->extended_l2);
  g_free (file.data);
}

static void
test_backing_names (void)
{
  static const struct
  {
    const char *name;
    gboolean ok;
  } names[] = {
    { "base.qcow2", TRUE },      { "/a/b:c", TRUE },       { "a/b:c", TRUE },
    { "../base", TRUE },         { "json:{}", FALSE },     { "nbd://host/x", FALSE },
    { "nbd:host:10809", FALSE }, { "fat:rw:/tmp", FALSE }, { "file:/etc/passwd", FALSE },
    { "1a:x", FALSE },           { ":x", FALSE },          { "a\nb", FALSE },
    { "a\xff", FALSE },          { "a\x7f", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;
      File file = build (&(QsQcow2Layout){ .virtual_size = MIB,
                                           .cluster_size = 65536,
                                           .backing = names[i].name,
                                           .backing_format = "raw" });
      g_autoptr (QsImageHeader) header = parse ("qcow2", &file, &error);

      g_test_message ("%u", i);
      g_assert_true ((header != NULL) == names[i].ok);
      if (!names[i].ok)
        g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
      else
        g_assert_cmpstr (header->backing_name, ==, names[i].name);
      g_free (file.data);
    }
}

static void
test_backing_name_with_zero (void)
{
  g_autoptr (GError) error = NULL;
  File file = overlay ();

  memcpy (file.data + 528, "/srv/b\0se.qcow2", 15);
  g_assert_null (parse ("qcow2", &file, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
  g_free (file.data);
}

static void
test_two_backing_formats (void)
{
  g_autoptr (GError) error = NULL;
  File file = overlay ();

  put (&file, 128, 4, QS_QCOW2_BACKING_FORMAT);
  g_assert_null (parse ("qcow2", &file, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
  g_free (file.data);
}

static void
test_formats (void)
{
  static const char *const formats[] = { "vmdk", "", "QCOW2", "qcow", "json", "luks" };
  File file = overlay ();

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (parse (formats[i], &file, &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
    }
  g_free (file.data);
}

static void
test_truncated (void)
{
  File file = overlay ();
  File qed = { (guint8 *)"QED", 4 };
  gsize whole = file.length;

  for (gsize n = 0; n < 600; n++)
    {
      g_autoptr (GError) error = NULL;

      file.length = n;
      g_assert_null (parse ("qcow2", &file, &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
    }
  g_assert_null (parse ("qed", &qed, NULL));
  file.length = whole;
  g_free (file.data);
}

static File
tagged (void)
{
  File file = overlay ();
  gsize end = 4 * 65536;

  file.data = g_realloc (file.data, end + 4096);
  memset (file.data + file.length, 0, end + 4096 - file.length);
  file.length = end + 4096;
  put (&file, 60, 4, 2);
  put (&file, 64, 8, end);
  put (&file, end + 12, 2, 1);  /* length of the id */
  put (&file, end + 14, 2, 3);  /* of the name */
  put (&file, end + 32, 4, 77); /* memory, small */
  memcpy (file.data + end + 40, "1s-a", 4);
  put (&file, end + 48 + 12, 2, 1);
  put (&file, end + 48 + 14, 2, 4);
  put (&file, end + 48 + 36, 4, 16); /* extra data: memory, large */
  put (&file, end + 48 + 40, 8, G_GUINT64_CONSTANT (5000000000));
  memcpy (file.data + end + 48 + 56,
          "2s-\xff"
          "b",
          5);
  return file;
}

static GPtrArray *
parse_tags (const File *file, GError **error)
{
  g_autoptr (QsImageHeader) header = parse ("qcow2", file, error);
  g_autofree guint8 *bytes = NULL;
  gsize length;

  if (header == NULL)
    return NULL;
  length = qs_image_header_tags_length (header, file->length);
  bytes = g_memdup2 (file->data + header->tags_offset, length);
  return qs_image_header_parse_tags (header, bytes, length, error);
}

static void
test_tags (void)
{
  g_autoptr (GError) error = NULL;
  File file = tagged ();
  g_autoptr (GPtrArray) tags = parse_tags (&file, &error);
  const QsTag *tag;

  g_assert_no_error (error);
  g_assert_cmpuint (tags->len, ==, 2);
  tag = g_ptr_array_index (tags, 0);
  g_assert_cmpstr (tag->id, ==, "1");
  g_assert_cmpstr (tag->name, ==, "s-a");
  g_assert_cmpuint (tag->vm_state_size, ==, 77);
  tag = g_ptr_array_index (tags, 1);
  g_assert_cmpstr (tag->name, ==,
                   "s-\xef\xbf\xbd"
                   "b");
  g_assert_cmpuint (tag->vm_state_size, ==, G_GUINT64_CONSTANT (5000000000));
  g_free (file.data);
}

static void
test_tags_damaged (void)
{
  static const Patch patches[] = {
    { "extra", 4 * 65536 + 36, 4, 1025, DAMAGED, "snapshot table" },
    { "extra huge", 4 * 65536 + 36, 4, G_MAXUINT32, DAMAGED, "snapshot table" },
    { "name", 4 * 65536 + 48 + 14, 2, 0xffff, DAMAGED, "snapshot table" },
    { "count", 60, 4, 102, DAMAGED, "snapshot table" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (patches); i++)
    {
      g_autoptr (GError) error = NULL;
      File file = tagged ();

      put (&file, patches[i].offset, patches[i].size, patches[i].value);
      g_assert_null (parse_tags (&file, &error));
      g_assert_error (error, QS_ERROR, patches[i].code);
      g_assert_nonnull (strstr (error->message, patches[i].text));
      g_free (file.data);
    }
}

/* whatever the bits are, the answer is a header or an error, and never a crash */
static void
test_random_bits (void)
{
  File qcow2 = tagged ();
  File qed = { g_malloc0 (4096 * 4), 4096 * 4 };

  memcpy (qed.data, "QED\0\0\x10\0\0\x01\0\0\0\x01\0\0\0", 16);
  for (guint i = 0; i < 60000; i++)
    {
      g_autoptr (GError) error = NULL;
      gboolean is_qed = i % 4 == 0;
      File file = is_qed ? qed : qcow2;
      gsize where[6];
      g_autoptr (GPtrArray) tags = NULL;

      for (guint k = 0; k < G_N_ELEMENTS (where); k++)
        {
          where[k] = k == 5 && !is_qed ? 4 * 65536 + g_test_rand_int_range (0, 120)
                                       : g_test_rand_int_range (0, is_qed ? 64 : 150);
          file.data[where[k]] ^= 1 << g_test_rand_int_range (0, 8);
        }
      if (is_qed)
        qs_image_header_free (parse ("qed", &file, &error));
      else
        tags = parse_tags (&file, &error);
      g_assert_true (is_qed || (tags != NULL) == (error == NULL));
      if (i % 50 == 0)
        {
          g_free (qcow2.data);
          qcow2 = tagged ();
          memset (qed.data + 16, 0, 48);
        }
    }
  g_free (qcow2.data);
  g_free (qed.data);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image-header/qcow2", test_read_qcow2);
  g_test_add_func ("/image-header/qcow2-version-2", test_read_version_2);
  g_test_add_func ("/image-header/raw", test_read_raw);
  g_test_add_func ("/image-header/qed", test_read_qed);
  g_test_add_func ("/image-header/refused-qcow2", test_refused_qcow2);
  g_test_add_func ("/image-header/refused-qed", test_refused_qed);
  g_test_add_func ("/image-header/flags", test_flags);
  g_test_add_func ("/image-header/backing-names", test_backing_names);
  g_test_add_func ("/image-header/backing-name-with-zero", test_backing_name_with_zero);
  g_test_add_func ("/image-header/two-backing-formats", test_two_backing_formats);
  g_test_add_func ("/image-header/formats", test_formats);
  g_test_add_func ("/image-header/truncated", test_truncated);
  g_test_add_func ("/image-header/tags", test_tags);
  g_test_add_func ("/image-header/tags-damaged", test_tags_damaged);
  g_test_add_func ("/image-header/random-bits", test_random_bits);
  return g_test_run ();
}
