/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-finding.h"

#define ID_DIGITS 12

#define ERROR "error"     /* data are lost, or will be */
#define WARNING "warning" /* something will be refused, or may go wrong */
#define INFO "info"       /* good to know */

static const struct
{
  const char *name;
  const char *severity;
} kinds[] = {
  [QS_FINDING_QUARANTINE] = { "quarantine", ERROR },
  [QS_FINDING_MISSING_FILE] = { "missing-file", ERROR },
  [QS_FINDING_WRONG_FILE] = { "wrong-file", ERROR },
  [QS_FINDING_UNREADABLE_FILE] = { "unreadable-file", ERROR },
  [QS_FINDING_DIRTY_IMAGE] = { "dirty-image", WARNING },
  [QS_FINDING_MISSING_TAG] = { "missing-tag", ERROR },
  [QS_FINDING_NO_DATA] = { "no-data", ERROR },
  [QS_FINDING_UNVERIFIED] = { "unverified", WARNING },
  [QS_FINDING_BACKING_MISMATCH] = { "backing-mismatch", ERROR },
  [QS_FINDING_BACKING_FORMAT] = { "backing-format", WARNING },
  [QS_FINDING_NO_BACKING_NAME] = { "no-backing-name", INFO },
  [QS_FINDING_CHAIN_LOOP] = { "chain-loop", ERROR },
  [QS_FINDING_SIZE_MISMATCH] = { "size-mismatch", WARNING },
  [QS_FINDING_STATE_WRITTEN] = { "state-written", ERROR },
  [QS_FINDING_STATE_WRITABLE] = { "state-writable", WARNING },
  [QS_FINDING_WRITE_PROTECTED] = { "write-protected", WARNING },
  [QS_FINDING_OPEN_MODE] = { "open-mode", WARNING },
  [QS_FINDING_HIDDEN_LAYER] = { "hidden-layer", INFO },
  [QS_FINDING_ORPHAN_TAG] = { "orphan-tag", WARNING },
  [QS_FINDING_FOREIGN_TAG] = { "foreign-tag", INFO },
  [QS_FINDING_ORPHAN_OVERLAY] = { "orphan-overlay", WARNING },
  [QS_FINDING_LEFTOVER] = { "leftover", WARNING },
  [QS_FINDING_CORRUPT_IMAGE] = { "corrupt-image", ERROR },
  [QS_FINDING_LEAKED_CLUSTERS] = { "leaked-clusters", WARNING },
  [QS_FINDING_NOT_READ] = { "not-read", INFO },
  [QS_FINDING_INCOMPLETE] = { "incomplete", WARNING },
};
G_STATIC_ASSERT (G_N_ELEMENTS (kinds) == QS_N_FINDING_KINDS);

const char *
qs_finding_kind_name (QsFindingKind kind)
{
  return kinds[kind].name;
}

/**
 * qs_finding_make_id:
 * @detail: what tells it from others of the kind at the same path; "": it is the only one
 *
 * Returns: (transfer full): a few hex digits that anybody finds again who finds the same
 */
char *
qs_finding_make_id (QsFindingKind kind, const char *path, const char *detail)
{
  g_autofree char *seed = g_strdup_printf ("%s\n%s\n%s", kinds[kind].name, path, detail);
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, seed, -1);

  return g_strndup (sum, ID_DIGITS);
}

QsFinding *
qs_finding_new (QsFindingKind kind, const char *path, const char *detail)
{
  QsFinding *finding = g_new0 (QsFinding, 1);

  finding->kind = kind;
  finding->id = qs_finding_make_id (kind, path, detail);
  finding->path = g_strdup (path);
  return finding;
}

void
qs_finding_free (QsFinding *finding)
{
  if (finding == NULL)
    return;
  g_free (finding->id);
  g_free (finding->subject);
  g_free (finding->path);
  g_free (finding->text);
  g_free (finding->repair);
  g_free (finding->tag);
  g_free (finding->snapshot);
  g_free (finding->keep);
  g_free (finding);
}

/**
 * qs_finding_offer:
 * @format: what the repair does, as a sentence
 */
void
qs_finding_offer (QsFinding *finding, QsRepairKind how, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_free (finding->repair);
  finding->repair = g_strdup_vprintf (format, arguments);
  finding->how = how;
  va_end (arguments);
}

static void
add_text (GVariantBuilder *builder, const char *key, const char *text)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_string (text != NULL ? text : ""));
}

/**
 * qs_finding_to_variant:
 *
 * Returns: a floating a{sv}, as callers get it
 */
GVariant *
qs_finding_to_variant (const QsFinding *finding)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_text (&builder, "id", finding->id);
  add_text (&builder, "kind", kinds[finding->kind].name);
  add_text (&builder, "severity", kinds[finding->kind].severity);
  add_text (&builder, "subject", finding->subject);
  add_text (&builder, "path", finding->path);
  add_text (&builder, "text", finding->text);
  g_variant_builder_add (&builder, "{sv}", "repairable",
                         g_variant_new_boolean (finding->how != QS_REPAIR_NONE));
  add_text (&builder, "repair", finding->repair);
  return g_variant_builder_end (&builder);
}
