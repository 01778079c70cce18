/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-verify.h"

/* what was found by reading an image through */

static GVariant *
make_list (QsFinding *finding)
{
  g_autoptr (QsFinding) owned = finding;
  GVariantBuilder list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  if (owned != NULL)
    g_variant_builder_add_value (&list, qs_finding_to_variant (owned));
  return g_variant_builder_end (&list);
}

/**
 * qs_verify_check_findings:
 *
 * Returns: a floating aa{sv}
 */
GVariant *
qs_verify_check_findings (const char *path, const QsImageCheck *check)
{
  QsFinding *finding = NULL;

  if (check->corruptions > 0)
    {
      finding = qs_finding_new (QS_FINDING_CORRUPT_IMAGE, path, "");
      finding->text = g_strdup_printf (
          "‘%s’ has %" G_GUINT64_FORMAT
          " errors in its tables: clusters that two refer to, or that "
          "are not there; copy it before anything else, then try qemu-img check -r all",
          path, check->corruptions);
    }
  else if (check->leaks > 0)
    {
      finding = qs_finding_new (QS_FINDING_LEAKED_CLUSTERS, path, "");
      finding->text = g_strdup_printf ("‘%s’ has %" G_GUINT64_FORMAT " clusters that nobody refers "
                                       "to: they take room, and do no harm",
                                       path, check->leaks);
      qs_finding_offer (finding, QS_REPAIR_LEAKS,
                        "these clusters become free; no guest may have the image open");
    }
  return make_list (finding);
}

/**
 * qs_verify_unchecked:
 *
 * Returns: (nullable): a floating aa{sv}; NULL: @error is none of the image's
 */
GVariant *
qs_verify_unchecked (const char *path, const GError *error)
{
  QsFindingKind kind = QS_FINDING_CORRUPT_IMAGE;
  QsFinding *finding;

  /* another program has it open by now */
  if (g_error_matches (error, QS_ERROR, QS_ERROR_OPERATION_INVALID))
    kind = QS_FINDING_NOT_READ;
  else if (!g_error_matches (error, QS_ERROR, QS_ERROR_IMAGE_FAILED))
    return NULL;
  finding = qs_finding_new (kind, path, "");
  finding->text = g_strdup_printf ("the data of ‘%s’ could not be read: %s", path, error->message);
  return make_list (finding);
}
