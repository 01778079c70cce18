/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-place.h"

#include "qs-name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static gboolean
refuse_folder (GError **error, const char *path)
{
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "‘%s’ is not a folder that its owner alone may enter", path);
  return FALSE;
}

static gboolean
is_private_folder (const struct stat *info)
{
  return S_ISDIR (info->st_mode) && info->st_uid == geteuid () && (info->st_mode & 07777) == 0700;
}

static GVariant *
handle_make_runtime (QsWork *work, GVariant *arguments, GError **error)
{
  g_autofree char *path = NULL;
  g_autoptr (QsPlace) place = NULL;
  const char *parent;
  const char *id;
  struct stat info;

  g_variant_get (arguments, "(&s&s)", &parent, &id);
  path = g_build_filename (parent, id, NULL);
  place = strchr (id, '/') == NULL ? qs_place_new (work, path, error) : NULL;
  if (place == NULL)
    {
      if (error != NULL && *error == NULL)
        refuse_folder (error, path);
      return NULL;
    }
  if (mkdirat (place->folder, place->name, 0700) != 0 && errno != EEXIST)
    {
      qs_fail_errno (error, path, "make the folder");
      return NULL;
    }
  if (!qs_place_stat (place, &info) || !is_private_folder (&info))
    {
      refuse_folder (error, path);
      return NULL;
    }
  return g_variant_new ("(s)", path);
}

/* sockets, logs and the like lie in it, never folders */
static gboolean
empty_folder (int fd, const char *path, GError **error)
{
  DIR *folder = fdopendir (fd);
  struct dirent *entry;
  gboolean ok = folder != NULL;

  if (folder == NULL)
    close (fd);
  while (ok && (entry = readdir (folder)) != NULL)
    if (!g_str_equal (entry->d_name, ".") && !g_str_equal (entry->d_name, ".."))
      ok = unlinkat (dirfd (folder), entry->d_name, 0) == 0 || errno == ENOENT;
  if (!ok)
    qs_fail_errno (error, path, "empty");
  g_clear_pointer (&folder, closedir);
  return ok;
}

static GVariant *
handle_clear_runtime (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  const char *path;
  struct stat info;
  int fd;

  g_variant_get (arguments, "(&s)", &path);
  place = qs_place_new (work, path, error);
  if (place == NULL)
    return NULL;
  fd = openat (place->folder, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT)
    return qs_work_done ();
  if (fd < 0 || fstat (fd, &info) != 0 || !is_private_folder (&info))
    {
      if (fd >= 0)
        close (fd);
      refuse_folder (error, path);
      return NULL;
    }
  if (!empty_folder (fd, path, error))
    return NULL;
  if (unlinkat (place->folder, place->name, AT_REMOVEDIR) == 0 || errno == ENOENT)
    return qs_work_done ();
  qs_fail_errno (error, path, "remove the folder");
  return NULL;
}

static int
fail_connect (GError **error, const char *path, const char *why)
{
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED, "cannot connect to ‘%s’: %s", path, why);
  return -1;
}

/* by the socket that was looked at, not by its name, which may mean another one by now */
static gboolean
connect_node (int fd, int node)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_snprintf (address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", node);
  return connect (fd, (struct sockaddr *)&address, sizeof address) == 0;
}

static int
connect_to (int node, const char *path, GError **error)
{
  const struct timeval limit = { .tv_sec = QS_QMP_GREETING_SECONDS };
  struct ucred peer;
  socklen_t length = sizeof peer;
  g_auto (QsFd) fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0
      || !connect_node (fd, node) || getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
    return fail_connect (error, path, g_strerror (errno));
  if (peer.uid != geteuid ())
    return fail_connect (error, path, "another user listens there");
  return g_steal_fd (&fd);
}

/* a descriptor of the socket itself; -1 if there is none */
static int
open_node (QsWork *work, const char *path, GError **error)
{
  g_autoptr (QsPlace) place = qs_place_new (work, path, error);
  g_auto (QsFd) node = -1;
  struct stat info;

  if (place == NULL)
    return -1;
  node = openat (place->folder, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (node < 0 || fstat (node, &info) != 0)
    return fail_connect (error, path, g_strerror (errno));
  if (!S_ISSOCK (info.st_mode))
    return fail_connect (error, path, "this is not a socket");
  return g_steal_fd (&node);
}

static GVariant *
handle_connect (QsWork *work, GVariant *arguments, GError **error)
{
  g_auto (QsFd) node = -1;
  const char *path;
  int fd;

  g_variant_get (arguments, "(&s)", &path);
  node = open_node (work, path, error);
  fd = node >= 0 ? connect_to (node, path, error) : -1;
  if (fd < 0)
    return NULL;
  qs_work_return_fd (work, fd);
  return qs_work_done ();
}

/* somebody whose queue is full listens, too, and is not waited for */
static GVariant *
handle_look (QsWork *work, GVariant *arguments, GError **error)
{
  g_auto (QsFd) fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  g_auto (QsFd) node = -1;
  const char *path;

  g_variant_get (arguments, "(&s)", &path);
  node = open_node (work, path, error);
  if (node < 0)
    return NULL;
  if (fd >= 0 && (connect_node (fd, node) || errno == EAGAIN))
    return qs_work_done ();
  fail_connect (error, path, g_strerror (errno));
  return NULL;
}

/* FALSE, without an error, if there is nothing */
static gboolean
find_socket (const QsPlace *place, struct stat *info, GError **error)
{
  if (!qs_place_stat (place, info))
    {
      if (errno != ENOENT)
        qs_fail_errno (error, place->path, "look at");
      return FALSE;
    }
  if (S_ISSOCK (info->st_mode) && info->st_uid == geteuid ())
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "‘%s’ is not a socket of its own user; it is left alone", place->path);
  return FALSE;
}

/* from a name beside another one to that one. A socket that is there was of a process that has ended.
   That nothing has the first name is a success: it was done before */
static GVariant *
handle_rename_socket (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) from = NULL;
  g_autoptr (QsPlace) to = NULL;
  g_autoptr (GError) problem = NULL;
  const char *names[2];
  struct stat info;

  g_variant_get (arguments, "(&s&s)", &names[0], &names[1]);
  from = qs_place_new (work, names[0], error);
  to = from != NULL ? qs_place_new (work, names[1], error) : NULL;
  if (to == NULL)
    return NULL;
  if (!find_socket (from, &info, &problem) && problem == NULL)
    return qs_work_done ();
  if (problem == NULL)
    find_socket (to, &info, &problem);
  if (problem != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  if (renameat (from->folder, from->name, to->folder, to->name) == 0)
    return qs_work_done ();
  qs_fail_errno (error, to->path, "take over the name");
  return NULL;
}

/* that there is none is a success */
static GVariant *
handle_unlink_socket (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  g_autoptr (GError) problem = NULL;
  const char *path;
  struct stat info;

  g_variant_get (arguments, "(&s)", &path);
  place = qs_place_new (work, path, error);
  if (place == NULL)
    return NULL;
  if (find_socket (place, &info, &problem) && unlinkat (place->folder, place->name, 0) != 0
      && errno != ENOENT)
    qs_fail_errno (&problem, path, "delete");
  if (problem == NULL)
    return qs_work_done ();
  g_propagate_error (error, g_steal_pointer (&problem));
  return NULL;
}

static const QsMethod methods[] = {
  { "connect", "(s)", handle_connect },
  { "look", "(s)", handle_look },
  { "make-runtime", "(ss)", handle_make_runtime },
  { "clear-runtime", "(s)", handle_clear_runtime },
  { "rename-socket", "(ss)", handle_rename_socket },
  { "unlink-socket", "(s)", handle_unlink_socket },
};

const QsMethod *
qs_find_runtime_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
