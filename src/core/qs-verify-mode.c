/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-verify.h"

/* the rights of a recorded file */

#define WRITE_BITS 0222u
#define OTHERS 0007u
#define OTHERS_WRITE 0002u

static void
offer_mode (const QsVerify *verify, QsFinding *finding, const QsImage *image, guint32 mode)
{
  /* only the owner of a file may change its mode */
  if (image->uid != verify->domain->owner || image->rdev != 0)
    return;
  finding->mode = mode;
  qs_finding_offer (finding, QS_REPAIR_MODE, "its mode becomes %04o instead of %04o", mode,
                    image->mode);
}

/* what everybody may do with a file that the service has made, and with any that holds a state */
static void
verify_others (const QsVerify *verify, const QsFile *file, const QsImage *image)
{
  guint32 excess = image->mode & (file->ours ? OTHERS : OTHERS_WRITE);

  if (excess == 0 || image->rdev != 0 || (!file->ours && file->state_of->len == 0))
    return;
  offer_mode (verify,
              qs_verify_add (verify, QS_FINDING_OPEN_MODE, file->path, "",
                             "everybody may %s ‘%s’; take that from its mode %04o",
                             (excess & OTHERS_WRITE) != 0 ? "write to" : "read", file->path,
                             image->mode),
              image, image->mode & ~excess);
}

/* a file with @mode recorded has lost its write bits, for what stands on it must not be spoiled */
static void
verify_protection (const QsVerify *verify, const QsFile *file, const QsImage *image)
{
  gboolean is_needed = file->state_of->len > 0 || g_hash_table_contains (verify->bases, file->path);

  if (file->mode == 0 || image->rdev != 0)
    return;
  if (is_needed && (image->mode & WRITE_BITS) != 0)
    offer_mode (verify,
                qs_verify_add (verify, QS_FINDING_STATE_WRITABLE, file->path, "",
                               "somebody has given ‘%s’ its write bits back, and what stands on it "
                               "is lost if anything writes to it",
                               file->path),
                image, image->mode & ~WRITE_BITS);
  if (!is_needed && (image->mode & WRITE_BITS) == 0)
    offer_mode (verify,
                qs_verify_add (verify, QS_FINDING_WRITE_PROTECTED, file->path, "",
                               "‘%s’ is without its write bits, and nothing stands on it any more",
                               file->path),
                image, file->mode);
}

/**
 * qs_verify_mode:
 *
 * Who may do what with the file.
 */
void
qs_verify_mode (const QsVerify *verify, const QsFile *file, const QsImage *image)
{
  verify_others (verify, file, image);
  verify_protection (verify, file, image);
}
