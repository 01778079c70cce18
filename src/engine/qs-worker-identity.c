/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-worker-private.h"

#include "qs-error.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#define MAX_ACCOUNT_BYTES (1024 * 1024)
#define MAX_GROUPS 65536
#define NOBODY 65534

/* ids that are shared, or given to another service tomorrow */
static gboolean
may_own (guint32 uid)
{
  return uid != G_MAXUINT32 && uid != NOBODY && (uid < 61184 || uid > 65519);
}

/* FALSE: no such account, or nobody knows: its own group is then one that has no rights */
static gboolean
look_up_account (guint32 uid, gid_t *gid, char **name)
{
  struct passwd entry;
  struct passwd *found = NULL;
  int result = ERANGE;

  for (gsize size = 4096; result == ERANGE && size <= MAX_ACCOUNT_BYTES; size *= 4)
    {
      g_autofree char *buffer = g_malloc (size);

      result = getpwuid_r (uid, &entry, buffer, size, &found);
      if (result == 0 && found != NULL)
        {
          *gid = entry.pw_gid;
          *name = g_strdup (entry.pw_name);
          return TRUE;
        }
    }
  return FALSE;
}

static char *
join_groups (const gid_t *groups, int n_groups)
{
  GString *text = g_string_new (NULL);

  for (int i = 0; i < n_groups; i++)
    g_string_append_printf (text, "%s%u", i > 0 ? "," : "", (guint)groups[i]);
  return g_string_free (text, FALSE);
}

static char *
look_up_groups (const char *name, gid_t gid)
{
  int n = 64;

  while (n <= MAX_GROUPS)
    {
      g_autofree gid_t *groups = g_new (gid_t, n);
      int size = n;

      if (getgrouplist (name, gid, groups, &n) >= 0)
        return join_groups (groups, n);
      n = MAX (n, 2 * size);
    }
  return g_strdup ("");
}

static char **
make_identity (const char *mode, guint32 uid, gid_t gid, const char *groups)
{
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();
  g_autofree char *uid_text = g_strdup_printf ("%u", uid);
  g_autofree char *gid_text = g_strdup_printf ("%u", (guint)gid);

  g_strv_builder_add_many (words, mode, uid_text, gid_text, groups, NULL);
  return g_strv_builder_end (words);
}

/**
 * qs_worker_identity:
 *
 * Asks the account database, which may take its time: not for the pool's thread.
 *
 * Returns: (transfer full): mode, uid, gid and groups as a worker wants them
 */
char **
qs_worker_identity (guint32 uid, gboolean system_mode, GError **error)
{
  g_autofree char *name = NULL;
  g_autofree char *groups = NULL;
  gid_t gid = NOBODY;

  if (!system_mode)
    {
      if (uid == getuid ())
        return make_identity ("session", uid, getgid (), "");
      g_set_error (error, QS_ERROR, QS_ERROR_NOT_AUTHORIZED,
                   "a session's service works for its own user only, not for uid %u", uid);
      return NULL;
    }
  if (!may_own (uid))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "uid %u cannot own a domain: it is shared or recycled", uid);
      return NULL;
    }
  if (look_up_account (uid, &gid, &name))
    groups = look_up_groups (name, gid);
  return make_identity ("system", uid, gid, groups != NULL ? groups : "");
}
