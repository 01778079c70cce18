/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

#define STRING(key) qs_change_string (arguments, key)

/* its file is recorded before, with an identity and a role of its own */
gboolean
qs_db_put_mirror (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_MIRROR_PUT, "sssssss", domain, STRING ("target"),
                    STRING ("path"), STRING ("format"), STRING ("snapshot"), STRING ("job"),
                    STRING ("node"));
}

gboolean
qs_db_drop_mirror (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_MIRROR_DROP, "sss", domain, STRING ("path"),
                    STRING ("reason"));
}

gboolean
qs_db_forget_mirror (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_MIRROR_FORGET, "ss", domain, STRING ("path"));
}
