/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

#include "qs-error.h"

/* what a merge of two files changes in the tables */

#define STRING(key) qs_change_string (arguments, key)

/* a snapshot inside of the file does not go with it */
static gboolean
check_no_tag (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  g_autofree char *tag = NULL;

  if (!qs_db_get_text (db, &tag, error, QS_SQL_FILE_FIND_TAG, "ss", domain, STRING ("path")))
    return FALSE;
  if (tag == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
               "‘%s’ cannot be merged into ‘%s’: it holds the snapshot ‘%s’", STRING ("path"),
               STRING ("into"), tag);
  return FALSE;
}

/* else it would stand on itself */
static gboolean
check_not_above (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  g_autofree char *above = NULL;

  if (!qs_db_get_text (db, &above, error, QS_SQL_FILE_FIND_ABOVE, "sss", domain, STRING ("path"),
                       STRING ("into")))
    return FALSE;
  if (above == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
               "‘%s’ cannot be merged into ‘%s’, which stands on it", STRING ("path"),
               STRING ("into"));
  return FALSE;
}

/**
 * qs_db_merge_file:
 * @arguments: of a FILE_MERGE
 *
 * Whoever refers to the first file refers to the second one from now on.
 */
gboolean
qs_db_merge_file (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  const char *path = STRING ("path");
  const char *into = STRING ("into");

  return qs_change_check_merge (arguments, error) && check_no_tag (db, domain, arguments, error)
         && check_not_above (db, domain, arguments, error)
         && qs_db_run (db, error, QS_SQL_FILE_KNOW, "sss", domain, into, STRING ("format"))
         && qs_db_run (db, error, QS_SQL_FILE_MERGE_SNAPSHOTS, "sss", domain, path, into)
         && qs_db_run (db, error, QS_SQL_FILE_MERGE_TIPS, "sss", domain, path, into)
         && qs_db_run (db, error, QS_SQL_FILE_MERGE_ACTIVE, "ssss", domain, path, into,
                       STRING ("format"))
         && qs_db_run (db, error, QS_SQL_FILE_RENAME_BACKING, "sss", domain, path, into);
}

gboolean
qs_db_put_backing (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_FILE_BACKING, "sss", domain, STRING ("path"),
                    STRING ("backing"));
}

gboolean
qs_db_put_role (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_FILE_ROLE, "sss", domain, STRING ("path"), STRING ("role"));
}
