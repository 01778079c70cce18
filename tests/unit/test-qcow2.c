/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-limits.h"

#include "image-file.h"
#include "qs-qed.h"

#define MIB (1024 * 1024)

static void
compare_with_tool (const QsQcow2Layout *layout)
{
  g_autofree char *size = g_strdup_printf ("%" G_GUINT64_FORMAT, layout->virtual_size);
  g_autofree char *options = g_strdup_printf ("cluster_size=%u%s", layout->cluster_size,
                                              layout->extended_l2 ? ",extended_l2=on" : "");
  const char *with[] = { "create", "-q",    "-f", "qcow2", "-u",    "-o", options,
                         "-b",     "BACKS", "-F", "F",     "IMAGE", size, NULL };
  const char *without[] = { "create", "-q", "-f", "qcow2", "-o", options, "IMAGE", size, NULL };
  File ours = build (layout);
  File theirs;

  with[8] = layout->backing;
  with[10] = layout->backing_format;
  theirs = run_qemu_img (layout->backing != NULL ? with : without);
  g_assert_cmpmem (ours.data, ours.length, theirs.data, theirs.length);
  g_free (ours.data);
  g_free (theirs.data);
}

static void
test_golden (void)
{
  static const guint64 sizes[] = {
    0, 512, 65536, 10 * MIB, 600 * (guint64)1024 * MIB, 16 * (guint64)1024 * 1024 * MIB
  };
  static const guint clusters[] = { 4096, 8192, 65536, 2 * MIB };
  g_autofree char *longest = g_strnfill (QS_MAX_BACKING_NAME_BYTES, 'b');

  longest[0] = '/';
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (guint k = 0; k < G_N_ELEMENTS (clusters); k++)
      {
        g_autoptr (GError) error = NULL;
        QsQcow2Layout layout = { .virtual_size = sizes[i], .cluster_size = clusters[k] };
        guint64 size;
        g_autoptr (GPtrArray) chunks = qs_qcow2_build (&layout, &size, &error);

        if (chunks == NULL)
          {
            g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED);
            g_assert_cmpuint (clusters[k], <, 65536);
            continue;
          }
        compare_with_tool (&layout);
        layout.backing = "/var/lib/images/base,file=x.qcow2";
        layout.backing_format = "qcow2";
        compare_with_tool (&layout);
        layout.backing = longest;
        layout.backing_format = "raw";
        compare_with_tool (&layout);
        layout.extended_l2 = clusters[k] >= 16384;
        compare_with_tool (&layout);
      }
}

static void
compare_qed (const QsQcow2Layout *layout)
{
  g_autofree char *size = g_strdup_printf ("%" G_GUINT64_FORMAT, layout->virtual_size);
  g_autofree char *options = g_strdup_printf ("cluster_size=%u", layout->cluster_size);
  const char *with[] = { "create", "-q",    "-f", "qed", "-u",    "-o", options,
                         "-b",     "BACKS", "-F", "F",   "IMAGE", size, NULL };
  const char *without[] = { "create", "-q", "-f", "qed", "-o", options, "IMAGE", size, NULL };
  File ours = assemble (qs_qed_build, layout);
  File theirs;

  with[8] = layout->backing;
  with[10] = layout->backing_format;
  theirs = run_qemu_img (layout->backing != NULL ? with : without);
  g_assert_cmpmem (ours.data, ours.length, theirs.data, theirs.length);
  g_free (ours.data);
  g_free (theirs.data);
}

static void
test_golden_qed (void)
{
  static const guint64 sizes[] = { 0, 512, 65536, 10 * MIB, 600 * (guint64)1024 * MIB };
  static const guint clusters[] = { 65536, 4096, MIB };
  static const char *const formats[] = { "raw", "qcow2", "qed" };
  g_autofree char *longest = g_strnfill (QS_MAX_BACKING_NAME_BYTES, 'b');

  longest[0] = '/';
  for (guint i = 0; i < G_N_ELEMENTS (sizes) * G_N_ELEMENTS (clusters); i++)
    {
      guint cluster = clusters[i / G_N_ELEMENTS (sizes)];
      guint64 size = sizes[i % G_N_ELEMENTS (sizes)];
      QsQcow2Layout layout = { .cluster_size = cluster };

      /* of small clusters no file so large is made */
      layout.virtual_size = cluster == 4096 ? MIN (size, 10 * MIB) : size;
      compare_qed (&layout);
      layout.backing = i % 2 == 0 ? "/var/lib/images/base,file=x.raw" : longest;
      layout.backing_format = formats[i % G_N_ELEMENTS (formats)];
      compare_qed (&layout);
    }
}

/* the largest that fits into both levels of tables */
static void
test_golden_qed_largest (void)
{
  QsQcow2Layout layout = { .virtual_size = 64 * 1024 * (guint64)1024 * MIB,
                           .cluster_size = 65536,
                           .backing = "/b",
                           .backing_format = "qed" };
  g_autoptr (GError) error = NULL;
  guint64 size = 7;

  compare_qed (&layout);
  layout.virtual_size += 512;
  g_assert_null (qs_qed_build (&layout, &size, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_assert_cmpuint (size, ==, 7);
}

static void
test_golden_small_clusters (void)
{
  QsQcow2Layout layout = {
    .virtual_size = MIB, .cluster_size = 512, .backing = "/a b/c.raw", .backing_format = "raw"
  };
  g_autofree char *name = g_strnfill (400, 'b');
  g_autoptr (GError) error = NULL;
  guint64 size;

  compare_with_tool (&layout);
  layout.cluster_size = 1024;
  compare_with_tool (&layout);
  layout.cluster_size = 512;
  layout.backing = name;
  g_assert_null (qs_qcow2_build (&layout, &size, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
}

static void
test_build_refused (void)
{
  static const QsQcow2Layout layouts[] = {
    { .virtual_size = MIB, .cluster_size = 256 },
    { .virtual_size = MIB, .cluster_size = 4 * MIB },
    { .virtual_size = MIB, .cluster_size = 65535 },
    { .virtual_size = MIB, .cluster_size = 0 },
    { .virtual_size = 1000, .cluster_size = 65536 },
    { .virtual_size = G_MAXUINT64 - 511, .cluster_size = 65536 },
    { .virtual_size = MIB, .cluster_size = 4096, .extended_l2 = TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (layouts); i++)
    {
      g_autoptr (GError) error = NULL;
      guint64 size = 7;

      g_assert_null (qs_qcow2_build (&layouts[i], &size, &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
      g_assert_cmpuint (size, ==, 7);
    }
}

static void
test_qed_refused (void)
{
  g_autofree char *name = g_strnfill (QS_MAX_BACKING_NAME_BYTES + 1, 'b');
  const QsQcow2Layout layouts[] = {
    { .virtual_size = MIB, .cluster_size = 2048 },
    { .virtual_size = MIB, .cluster_size = 128 * MIB },
    { .virtual_size = MIB, .cluster_size = 65535 },
    { .virtual_size = MIB, .cluster_size = 0 },
    { .virtual_size = 1000, .cluster_size = 65536 },
    { .virtual_size = G_MAXUINT64 - 511, .cluster_size = 65536 },
    { .virtual_size = MIB, .cluster_size = 65536, .extended_l2 = TRUE },
    { .virtual_size = MIB, .cluster_size = 65536, .backing = name, .backing_format = "raw" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (layouts); i++)
    {
      g_autoptr (GError) error = NULL;
      guint64 size = 7;

      g_assert_null (qs_qed_build (&layouts[i], &size, &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
      g_assert_cmpuint (size, ==, 7);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/qcow2/golden", test_golden);
  g_test_add_func ("/qcow2/golden-small-clusters", test_golden_small_clusters);
  g_test_add_func ("/qcow2/build-refused", test_build_refused);
  g_test_add_func ("/qed/golden", test_golden_qed);
  g_test_add_func ("/qed/golden-largest", test_golden_qed_largest);
  g_test_add_func ("/qed/build-refused", test_qed_refused);
  return g_test_run ();
}
