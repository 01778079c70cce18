/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-verify.h"

/* one recorded file */

static void
mark (GHashTable *snapshots, const GPtrArray *uuids)
{
  for (guint i = 0; i < uuids->len; i++)
    g_hash_table_add (snapshots, g_ptr_array_index (uuids, i));
}

static gboolean
has_users (const QsVerify *verify, const QsFile *file)
{
  return file->active_of != NULL || file->state_of->len > 0 || file->tag_of->len > 0
         || file->tip_of->len > 0 || g_hash_table_contains (verify->bases, file->path);
}

/* who misses it, as a sentence goes on */
static char *
describe_loss (const QsVerify *verify, const QsFile *file)
{
  const char *what = "the state of";
  const GPtrArray *uuids = file->state_of->len > 0 ? file->state_of : file->tag_of;

  if (file->active_of != NULL)
    return g_strdup_printf ("disk ‘%s’ is on it", file->active_of);
  if (!qs_file_is_disk (file))
    what = g_str_equal (file->role, "memory") ? "the memory of" : "the firmware variables of";
  else if (uuids->len == 0 && file->tip_of->len > 0)
    what = "the later changes of";
  if (uuids->len == 0)
    uuids = file->tip_of;
  if (uuids->len == 0)
    return g_strdup ("other files stand on it");
  return g_strdup_printf ("%s snapshot ‘%s’%s", what,
                          qs_verify_snapshot_name (verify, g_ptr_array_index (uuids, 0)),
                          uuids->len > 1 ? " and of others" : "");
}

static void
add_missing (const QsVerify *verify, const QsFile *file)
{
  g_autofree char *loss = describe_loss (verify, file);
  QsFinding *finding;

  mark (verify->absent, file->state_of);
  mark (verify->absent, file->tag_of);
  if (has_users (verify, file))
    {
      qs_verify_add (verify, QS_FINDING_MISSING_FILE, file->path, "",
                     "‘%s’ is missing: %s; bring it back", file->path, loss);
      return;
    }
  finding = qs_verify_add (verify, QS_FINDING_MISSING_FILE, file->path, "",
                           "‘%s’ is missing, and nothing that is recorded needs it", file->path);
  qs_finding_offer (finding, QS_REPAIR_FORGET_FILE, "the record of the file is deleted");
}

static void
verify_recorded_tags (const QsVerify *verify, const QsFile *file, const QsImage *image)
{
  for (guint i = 0; i < file->tags->len; i++)
    {
      const char *tag = g_ptr_array_index (file->tags, i);
      char *uuid = g_ptr_array_index (file->tag_of, i);
      guint n = qs_image_count_tag (image, tag);
      QsFinding *finding;

      g_hash_table_add (n == 1 ? verify->present : verify->absent, uuid);
      if (n == 1)
        continue;
      finding = qs_verify_add (verify, QS_FINDING_MISSING_TAG, file->path, tag,
                               n == 0 ? "‘%s’ has no snapshot with the tag ‘%s’, which is that of "
                                        "‘%s’; the state of this disk, or the memory, is lost"
                                      : "‘%s’ has several snapshots with the tag ‘%s’ of ‘%s’; "
                                        "delete the wrong ones by their id with qemu-img snapshot",
                               file->path, tag, qs_verify_snapshot_name (verify, uuid));
      g_free (finding->subject);
      finding->subject = g_strdup (qs_verify_snapshot_name (verify, uuid));
    }
}

static void
verify_state (const QsVerify *verify, const QsFile *file, const QsImage *image)
{
  if (file->state_of->len == 0 || file->active_of != NULL
      || !qs_verify_is_written (verify->facts, image))
    return;
  qs_verify_add (verify, QS_FINDING_STATE_WRITTEN, file->path, "",
                 "‘%s’ holds the state of snapshot ‘%s’, and a process has it open for writing: "
                 "that and everything above it is spoiled; end the process",
                 file->path,
                 qs_verify_snapshot_name (verify, g_ptr_array_index (file->state_of, 0)));
}

static void
verify_dirt (const QsVerify *verify, const QsFile *file, const QsImage *image)
{
  /* QEMU keeps the mark while it writes */
  if (image->dirty && !image->is_written)
    qs_verify_add (
        verify, QS_FINDING_DIRTY_IMAGE, file->path, "",
        "‘%s’ is marked dirty or corrupt: a program that wrote to it has not come to its "
        "end; check it first with qemu-img check -r all",
        file->path);
}

static void
verify_found (const QsVerify *verify, const QsFile *file, const QsImage *image)
{
  mark (verify->present, file->state_of);
  verify_recorded_tags (verify, file, image);
  verify_state (verify, file, image);
  verify_dirt (verify, file, image);
  qs_verify_mode (verify, file, image);
  if (g_strcmp0 (file->role, "layer") == 0)
    qs_verify_add (verify, QS_FINDING_HIDDEN_LAYER, file->path, "",
                   "no snapshot stands for ‘%s’ any more; it is kept for what stands on it",
                   file->path);
}

/* an inode of 0: nothing is known of it */
static gboolean
is_other (const QsFile *file, const QsImage *image)
{
  return file->ino != 0 && !qs_file_is (file, image);
}

static void
add_unreadable (const QsVerify *verify, const QsFile *file, const GError *error)
{
  g_autofree char *loss = has_users (verify, file) ? describe_loss (verify, file) : NULL;

  /* it may be sound: nobody forgets a snapshot because of it */
  mark (verify->present, file->state_of);
  mark (verify->present, file->tag_of);
  qs_verify_add (verify, QS_FINDING_UNREADABLE_FILE, file->path, "", "%s%s%s", error->message,
                 loss != NULL ? "; " : "", loss != NULL ? loss : "");
}

/* what was one is of no use, and what lies there nobody's business */
static void
verify_mirror (const QsVerify *verify, const QsFile *file, const QsSight *sight)
{
  const QsMirror *mirror = qs_domain_find_mirror (verify->domain, file->path);
  gboolean is_there = sight->image != NULL && !is_other (file, sight->image);
  QsFinding *finding;

  if (mirror == NULL || !qs_mirror_is_live (mirror) || is_there || sight->error != NULL)
    return;
  finding = qs_verify_add (verify, QS_FINDING_MISSING_FILE, file->path, "",
                           "‘%s’ is missing, and disk ‘%s’ is mirrored to it; bring it back under "
                           "its name, or delete snapshot ‘%s’ with REMOVE_MIRROR",
                           file->path, mirror->target,
                           qs_verify_snapshot_name (verify, mirror->snapshot));
  g_free (finding->subject);
  finding->subject = g_strdup (mirror->target);
}

/**
 * qs_verify_file:
 *
 * A recorded file, and what is at its path.
 */
void
qs_verify_file (const QsVerify *verify, const QsFile *file, const QsSight *sight)
{
  g_autofree char *loss = NULL;

  if (qs_file_is_mirror (file))
    {
      verify_mirror (verify, file, sight);
      return;
    }
  if (sight->image == NULL && sight->error == NULL)
    {
      add_missing (verify, file);
      return;
    }
  if (sight->image != NULL && is_other (file, sight->image))
    {
      loss = describe_loss (verify, file);
      mark (verify->present, file->state_of);
      mark (verify->present, file->tag_of);
      qs_verify_add (
          verify, QS_FINDING_WRONG_FILE, file->path, "",
          "‘%s’ is not the file that was recorded, but another one of that name: %s; put "
          "the right one back in its place",
          file->path, loss);
      return;
    }
  if (sight->error != NULL)
    add_unreadable (verify, file, sight->error);
  if (sight->image != NULL && (sight->error == NULL || *sight->image->format != '\0'))
    verify_found (verify, file, sight->image);
}
