/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-limits.h"
#include "qs-verify.h"

/* what a file stands on, by its header and by the records */

static gboolean
is_same_file (const QsVerify *verify, const char *a, const char *b)
{
  const QsSight *one = qs_verify_find_sight (verify, a);
  const QsSight *other = qs_verify_find_sight (verify, b);

  if (g_str_equal (a, b))
    return TRUE;
  return one != NULL && other != NULL && one->image != NULL && other->image != NULL
         && qs_image_is_same (one->image, other->image);
}

/* the header has the say; for what it leaves open the records are there */
static void
verify_name (const QsVerify *verify, const QsFile *file, const QsSight *sight)
{
  if (file->backing == NULL && sight->below == NULL)
    return;
  if (file->backing == NULL)
    qs_verify_add (verify, QS_FINDING_BACKING_MISMATCH, file->path, "",
                   "the header of ‘%s’ names ‘%s’ as its backing file, and it is recorded to have "
                   "none; somebody has written the header anew",
                   file->path, sight->below);
  else if (sight->below == NULL)
    qs_verify_add (
        verify, QS_FINDING_NO_BACKING_NAME, file->path, "",
        "the header of ‘%s’ names no backing file: only this service knows that it stands "
        "on ‘%s’, and to other programs what lies there reads as zeros",
        file->path, file->backing);
  else if (!is_same_file (verify, file->backing, sight->below))
    qs_verify_add (
        verify, QS_FINDING_BACKING_MISMATCH, file->path, "",
        "the header of ‘%s’ names ‘%s’ as its backing file, and ‘%s’ is recorded; the one "
        "on which it was made is the right one",
        file->path, sight->below, file->backing);
}

/* of a base that is recorded it is known, and that it has not been guessed */
static void
offer_format (QsFinding *finding, const QsSight *sight, const QsFile *base)
{
  if (base == NULL || sight->image->in_use || sight->image->dirty || !sight->image->writable
      || !g_str_equal (sight->image->format, "qcow2"))
    return;
  qs_finding_offer (finding, QS_REPAIR_FORMAT, "the header says ‘%s’ then; nothing else changes",
                    base->format);
}

static void
verify_format (const QsVerify *verify, const QsSight *sight)
{
  const char *written = sight->image->backing_format;
  const QsFile *base = qs_verify_find_file (verify, sight->below);
  QsFinding *finding = NULL;

  if (base != NULL && !qs_file_is_disk (base))
    base = NULL;
  /* the header of qed has no room for it */
  if (g_str_equal (sight->image->format, "qed"))
    return;
  if (written == NULL)
    finding = qs_verify_add (
        verify, QS_FINDING_BACKING_FORMAT, sight->path, "",
        "the header of ‘%s’ does not tell the format of its backing file ‘%s’, and "
        "nothing is done with it while that is to be guessed; write it with qemu-img "
        "rebase -u -F",
        sight->path, sight->below);
  else if (base != NULL && g_strcmp0 (base->format, written) != 0)
    finding = qs_verify_add (
        verify, QS_FINDING_BACKING_FORMAT, sight->path, "",
        "the header of ‘%s’ says that its backing file ‘%s’ is %s, and %s is recorded; "
        "write the right one with qemu-img rebase -u -F",
        sight->path, sight->below, written, base->format);
  if (finding != NULL)
    offer_format (finding, sight, base);
}

static void
verify_size (const QsVerify *verify, const QsSight *sight, const QsSight *below)
{
  if (below == NULL || !qs_verify_is_image (below)
      || sight->image->virtual_size >= below->image->virtual_size)
    return;
  qs_verify_add (verify, QS_FINDING_SIZE_MISMATCH, sight->path, "",
                 "‘%s’ has %" G_GUINT64_FORMAT
                 " bytes, and its backing file ‘%s’ has %" G_GUINT64_FORMAT
                 ": what lies behind its end is not seen, and no merge brings it back",
                 sight->path, sight->image->virtual_size, below->path, below->image->virtual_size);
}

static const char *
find_below (const QsVerify *verify, const QsSight *sight)
{
  const QsFile *file = qs_verify_find_file (verify, sight->path);

  return sight->below != NULL || file == NULL ? sight->below : file->backing;
}

/* every file of a loop finds itself again: the first of them by name says so */
static void
verify_loop (const QsVerify *verify, const QsSight *sight)
{
  const QsSight *below = sight;
  gboolean is_first = TRUE;

  for (guint i = 0; i < QS_MAX_CHAIN_FILES; i++)
    {
      const char *path = find_below (verify, below);

      below = path != NULL ? qs_verify_find_sight (verify, path) : NULL;
      if (below == NULL || below->image == NULL)
        return;
      if (qs_image_is_same (below->image, sight->image))
        break;
      is_first = is_first && g_strcmp0 (sight->path, below->path) < 0;
    }
  if (is_first && qs_image_is_same (below->image, sight->image))
    qs_verify_add (verify, QS_FINDING_CHAIN_LOOP, sight->path, "",
                   "the backing chain of ‘%s’ comes back to it: no program can open it; write the "
                   "right backing file into its header with qemu-img rebase -u",
                   sight->path);
}

/**
 * qs_verify_chain:
 * @sight: an image
 */
void
qs_verify_chain (const QsVerify *verify, const QsSight *sight)
{
  const QsFile *file = qs_verify_find_file (verify, sight->path);
  const char *below = find_below (verify, sight);

  if (file != NULL && qs_file_is_disk (file) && !g_str_equal (sight->image->format, "raw"))
    verify_name (verify, file, sight);
  if (below == NULL)
    return;
  if (sight->below != NULL)
    verify_format (verify, sight);
  verify_size (verify, sight, qs_verify_find_sight (verify, below));
  verify_loop (verify, sight);
}
