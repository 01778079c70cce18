/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-worker-private.h"

/**
 * qs_worker_link_file:
 *
 * Gives the file @id, which has the name @from, the second name @to in the same folder, durably.
 * That it has it already is a success; another file there is CONFIG_UNSUPPORTED, as is a file
 * system without hard links.
 */
gboolean
qs_worker_link_file (QsWorker *worker, const char *from, const char *to, const QsFileId *id,
                     GError **error)
{
  return qs_worker_do (worker, "link-file", g_variant_new ("(sstt)", from, to, id->dev, id->ino),
                       error);
}

/**
 * qs_worker_unlink_name:
 *
 * Takes the name @path from the file @id, if @keep beside it is another name of this file. That
 * nothing has the name is a success.
 */
gboolean
qs_worker_unlink_name (QsWorker *worker, const char *path, const char *keep, const QsFileId *id,
                       GError **error)
{
  return qs_worker_do (worker, "unlink-name",
                       g_variant_new ("(sstt)", path, keep, id->dev, id->ino), error);
}

/**
 * qs_worker_exchange:
 * @over: name of the file @over_id, which has another one too
 *
 * Renames @from, the file @from_id, to @over in the same folder, durably: at each moment @over is
 * one file or the other. That it has been done is a success; all else is IMAGE_FAILED, and changes
 * nothing.
 */
gboolean
qs_worker_exchange (QsWorker *worker, const char *from, const char *over, const QsFileId *from_id,
                    const QsFileId *over_id, GError **error)
{
  return qs_worker_do (worker, "exchange",
                       g_variant_new ("(ss(tt)(tt))", from, over, from_id->dev, from_id->ino,
                                      over_id->dev, over_id->ino),
                       error);
}

/**
 * qs_worker_set_mode:
 * @before: (out): the mode until now, which is @mode if this was done before
 *
 * Sets the permissions of the owner's own file, under whatever names it has.
 */
gboolean
qs_worker_set_mode (QsWorker *worker, const char *path, const QsFileId *id, guint32 mode,
                    guint32 *before, GError **error)
{
  g_autoptr (GVariant) result = qs_worker_query (
      worker, "set-mode", g_variant_new ("(sttu)", path, id->dev, id->ino, mode), "(u)", error);

  if (result == NULL)
    return FALSE;
  g_variant_get (result, "(u)", before);
  return TRUE;
}
