/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-identity.h"

#include "qs-error.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "%s: %s", what, g_strerror (errno));
  return FALSE;
}

static gboolean
set_ids (const QsIdentity *identity, GError **error)
{
  if (identity->keep)
    return TRUE;
  if (setgroups (identity->groups->len, (const gid_t *)identity->groups->data) != 0)
    return fail (error, "cannot set the supplementary groups");
  if (setresgid (identity->gid, identity->gid, identity->gid) != 0)
    return fail (error, "cannot set the group");
  if (setresuid (identity->uid, identity->uid, identity->uid) != 0)
    return fail (error, "cannot set the user");
  return TRUE;
}

static int
compare_gids (gconstpointer a, gconstpointer b)
{
  gid_t left = *(const gid_t *)a;
  gid_t right = *(const gid_t *)b;

  return left < right ? -1 : left > right;
}

static gboolean
has_groups (const GArray *wanted)
{
  int n = getgroups (0, NULL);
  g_autofree gid_t *groups = g_new (gid_t, MAX (n, 1));
  g_autofree gid_t *expected = g_memdup2 (wanted->data, wanted->len * sizeof (gid_t));

  if (n != (int)wanted->len || getgroups (n, groups) != n)
    return FALSE;
  if (n == 0)
    return TRUE;
  qsort (groups, n, sizeof (gid_t), compare_gids);
  qsort (expected, n, sizeof (gid_t), compare_gids);
  return memcmp (groups, expected, n * sizeof (gid_t)) == 0;
}

static gboolean
verify_ids (const QsIdentity *identity, GError **error)
{
  uid_t u[3];
  gid_t g[3];

  if (getresuid (&u[0], &u[1], &u[2]) != 0 || getresgid (&g[0], &g[1], &g[2]) != 0)
    return fail (error, "cannot read the identity back");
  for (guint i = 0; i < 3; i++)
    if (u[i] != identity->uid || g[i] != identity->gid)
      {
        g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the identity was not taken on");
        return FALSE;
      }
  if (!identity->keep && !has_groups (identity->groups))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the groups were not taken on");
      return FALSE;
    }
  return TRUE;
}

/* also of uid 0, which then has the rights of a file's owner and no more */
static gboolean
drop_capabilities (const QsIdentity *identity, GError **error)
{
  struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct none[2] = { 0 };

  if (syscall (SYS_capset, &head, none) != 0)
    return fail (error, "cannot drop the capabilities");
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail (error, "cannot give up new privileges");
  return TRUE;
}

/* setresuid() clears the signal, hence only now; a parent that ended before is seen by its pid */
static gboolean
tie_to_parent (const QsIdentity *identity, GError **error)
{
  if (identity->profile != QS_PROFILE_TOOL)
    return TRUE;
  if (prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
    return fail (error, "cannot be tied to the daemon");
  if (getppid () == identity->parent)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the daemon has ended");
  return FALSE;
}

/* contents of images pass through the memory of a worker: no dump, and no reading by others */
static gboolean
keep_secret (const QsIdentity *identity, GError **error)
{
  const struct rlimit none = { 0, 0 };

  if (setrlimit (RLIMIT_CORE, &none) != 0)
    return fail (error, "cannot switch core dumps off");
  if (identity->profile == QS_PROFILE_TOOL && prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return fail (error, "cannot be made unreadable");
  return TRUE;
}

static gboolean
filter_calls (const QsIdentity *identity, GError **error)
{
  return identity->profile != QS_PROFILE_TOOL || qs_filter_load (error);
}

/* the order matters: ids can no longer be set without capabilities, nor be read back before */
static gboolean (*const steps[]) (const QsIdentity *identity, GError **error) = {
  set_ids, verify_ids, drop_capabilities, tie_to_parent, keep_secret, filter_calls,
};

/**
 * qs_identity_assume:
 *
 * Becomes the owner, for good.
 */
gboolean
qs_identity_assume (const QsIdentity *identity, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    if (!steps[i](identity, error))
      return FALSE;
  return TRUE;
}
