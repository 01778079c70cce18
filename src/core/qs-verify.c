/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-verify.h"

#include "qs-limits.h"

/**
 * qs_verify_ask:
 *
 * What the findings follow from. A guest that runs is not asked: its files can be looked at.
 */
void
qs_verify_ask (const QsDomain *domain, QsQuestions *questions)
{
  questions->files = TRUE;
  questions->users = TRUE;
  questions->sights = TRUE;
  questions->open_files = qs_domain_is_active (domain);
}

/**
 * qs_verify_add:
 * @detail: as qs_finding_make_id() has it
 * @format: what was found, and what to do, as a sentence
 *
 * Returns: (transfer none): the finding, to say more of it
 */
QsFinding *
qs_verify_add (const QsVerify *verify, QsFindingKind kind, const char *path, const char *detail,
               const char *format, ...)
{
  const QsFile *file = qs_verify_find_file (verify, path);
  QsFinding *finding = qs_finding_new (kind, path, detail);
  va_list arguments;

  va_start (arguments, format);
  finding->text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (file != NULL)
    finding->subject = qs_verify_subject (verify, file);
  g_ptr_array_add (verify->findings, finding);
  return finding;
}

const QsFile *
qs_verify_find_file (const QsVerify *verify, const char *path)
{
  return g_hash_table_lookup (verify->files, path);
}

const QsSight *
qs_verify_find_sight (const QsVerify *verify, const char *path)
{
  return g_hash_table_lookup (verify->sights, path);
}

const char *
qs_verify_snapshot_name (const QsVerify *verify, const char *uuid)
{
  const QsSnapshot *snapshot = qs_tree_lookup (verify->domain->tree, uuid);

  return snapshot != NULL ? snapshot->name : uuid;
}

/**
 * qs_verify_subject:
 *
 * Returns: (transfer full) (nullable): the disk that is on the file, or the first snapshot in it
 */
char *
qs_verify_subject (const QsVerify *verify, const QsFile *file)
{
  const GPtrArray *const users[] = { file->state_of, file->tag_of, file->tip_of };

  if (file->active_of != NULL)
    return g_strdup (file->active_of);
  for (guint i = 0; i < G_N_ELEMENTS (users); i++)
    if (users[i]->len > 0)
      return g_strdup (qs_verify_snapshot_name (verify, g_ptr_array_index (users[i], 0)));
  return NULL;
}

/**
 * qs_verify_is_image:
 *
 * Whether its header could be read.
 */
gboolean
qs_verify_is_image (const QsSight *sight)
{
  return sight->image != NULL && *sight->image->format != '\0';
}

/**
 * qs_verify_is_written:
 *
 * QEMU's locks tell it of any process, the list of open files of the domain's own, locks or not.
 */
gboolean
qs_verify_is_written (const QsFacts *facts, const QsImage *image)
{
  guint64 dev, ino;

  qs_image_identity (image, &dev, &ino);
  for (guint i = 0; facts->open_files != NULL && i < facts->open_files->len; i++)
    {
      const QsOpenFile *open = g_ptr_array_index (facts->open_files, i);

      if (open->dev == dev && open->ino == ino && open->writable)
        return TRUE;
    }
  return image->is_written;
}

static void
verify_quarantine (const QsVerify *verify)
{
  const char *reason = verify->domain->quarantine_reason;

  if (reason != NULL)
    qs_verify_add (verify, QS_FINDING_QUARANTINE, "", reason,
                   "domain ‘%s’ is in quarantine: %s. When its files are as they should be, end "
                   "that with ‘accept’",
                   verify->domain->name, reason);
}

static void
verify_unverified (const QsVerify *verify, const QsSnapshot *snapshot)
{
  QsFinding *finding = qs_verify_add (
      verify, QS_FINDING_UNVERIFIED, "", snapshot->uuid,
      "snapshot ‘%s’ is unverified: not all of what its document names was found when it was "
      "redefined; redefine it once more when that is back, or delete it with METADATA_ONLY",
      snapshot->name);

  finding->subject = g_strdup (snapshot->name);
}

/* a snapshot of which nothing is left is a name in a list, and no more */
static void
verify_snapshot (const QsVerify *verify, const QsSnapshot *snapshot)
{
  gboolean has_rows = g_hash_table_contains (verify->absent, snapshot->uuid);
  QsFinding *finding;

  if (snapshot->unverified)
    verify_unverified (verify, snapshot);
  if (g_hash_table_contains (verify->present, snapshot->uuid)
      || (snapshot->unverified && !has_rows))
    return;
  finding =
      qs_verify_add (verify, QS_FINDING_NO_DATA, "", snapshot->uuid,
                     "snapshot ‘%s’ has no data: %s", snapshot->name,
                     has_rows ? "all that is recorded of it is missing; bring its files back, "
                                "or forget it"
                              : "no file is recorded for it; forget it");
  finding->subject = g_strdup (snapshot->name);
  finding->snapshot = g_strdup (snapshot->uuid);
  qs_finding_offer (finding, QS_REPAIR_FORGET_SNAPSHOT,
                    "the record of snapshot ‘%s’ is deleted; no file is touched", snapshot->name);
}

static void
verify_recorded (const QsVerify *verify)
{
  const GPtrArray *files = verify->facts->files;

  for (guint i = 0; i < files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (files, i);
      const QsSight *sight = qs_verify_find_sight (verify, file->path);

      if (sight != NULL)
        qs_verify_file (verify, file, sight);
    }
}

/* what lies below recorded files, and disks without a snapshot */
static void
verify_unrecorded (const QsVerify *verify, const QsSight *sight)
{
  if (qs_verify_find_file (verify, sight->path) != NULL)
    return;
  if (sight->error != NULL)
    qs_verify_add (verify, QS_FINDING_UNREADABLE_FILE, sight->path, "", "%s",
                   sight->error->message);
  else if (sight->image == NULL)
    qs_verify_add (
        verify, QS_FINDING_MISSING_FILE, sight->path, "",
        "‘%s’ is missing, and other files stand on it, or a disk is on it; bring it back",
        sight->path);
}

static void
verify_sights (const QsVerify *verify)
{
  const GPtrArray *sights = verify->facts->sights;

  for (guint i = 0; i < sights->len; i++)
    {
      const QsSight *sight = g_ptr_array_index (sights, i);

      verify_unrecorded (verify, sight);
      if (!qs_verify_is_image (sight))
        continue;
      qs_verify_chain (verify, sight);
      qs_verify_tags (verify, sight);
    }
  for (guint i = 0; i < verify->facts->strays->len; i++)
    qs_verify_stray (verify, g_ptr_array_index (verify->facts->strays, i));
}

static void
verify_tree (const QsVerify *verify)
{
  g_autoptr (GPtrArray) snapshots = qs_tree_list (verify->domain->tree, "", 0);

  for (guint i = 0; i < snapshots->len; i++)
    verify_snapshot (verify, g_ptr_array_index (snapshots, i));
  if (verify->facts->sights_cut)
    qs_verify_add (verify, QS_FINDING_INCOMPLETE, "", "",
                   "not everything was looked at: there are more than %d files, or a folder holds "
                   "more than %d entries",
                   QS_MAX_SIGHTS, QS_MAX_FOLDER_ENTRIES);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const QsFinding *one = *(const QsFinding *const *)a;
  const QsFinding *other = *(const QsFinding *const *)b;
  int order = g_strcmp0 (one->path, other->path);

  if (order == 0)
    order = (int)one->kind - (int)other->kind;
  return order != 0 ? order : g_strcmp0 (one->id, other->id);
}

static void
fill_maps (QsVerify *verify)
{
  const QsFacts *facts = verify->facts;

  for (guint i = 0; i < facts->files->len; i++)
    {
      QsFile *file = g_ptr_array_index (facts->files, i);

      g_hash_table_insert (verify->files, file->path, file);
      if (file->backing != NULL)
        g_hash_table_add (verify->bases, file->backing);
    }
  for (guint i = 0; i < facts->sights->len; i++)
    {
      QsSight *sight = g_ptr_array_index (facts->sights, i);

      g_hash_table_insert (verify->sights, sight->path, sight);
    }
}

GPtrArray *
qs_verify_findings (const QsDomain *domain, const QsFacts *facts)
{
  GPtrArray *findings = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_finding_free);
  g_autoptr (GHashTable) files = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) sights = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) bases = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) present = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) absent = g_hash_table_new (g_str_hash, g_str_equal);
  QsVerify verify = { domain, facts, findings, files, sights, bases, present, absent };

  fill_maps (&verify);
  verify_quarantine (&verify);
  verify_recorded (&verify);
  verify_sights (&verify);
  verify_tree (&verify);
  g_ptr_array_sort (findings, compare);
  return findings;
}
