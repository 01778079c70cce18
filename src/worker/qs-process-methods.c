/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-fd.h"
#include "qs-place.h"
#include "qs-proc.h"
#include "qs-work.h"

#include <sys/inotify.h>

static GVariant *
handle_process_files (QsWork *work, GVariant *arguments, GError **error)
{
  gint64 pid;

  g_variant_get (arguments, "(x)", &pid);
  return qs_proc_read (pid, error);
}

/* a descriptor that tells when something appears in the folder of a socket */
static GVariant *
handle_watch_folder (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  g_autofree char *folder = NULL;
  g_auto (QsFd) fd = -1;
  const char *path;

  g_variant_get (arguments, "(&s)", &path);
  place = qs_place_new (work, path, error);
  if (place == NULL)
    return NULL;
  folder = qs_fd_link (place->folder);
  fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0
      || inotify_add_watch (fd, folder,
                            IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_MOVE_SELF | IN_ONLYDIR)
             < 0)
    {
      qs_fail_errno (error, path, "watch the folder of");
      return NULL;
    }
  qs_work_return_fd (work, g_steal_fd (&fd));
  return qs_work_done ();
}

static const QsMethod methods[] = {
  { "process-files", "(x)", handle_process_files },
  { "watch-folder", "(s)", handle_watch_folder },
};

const QsMethod *
qs_find_process_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
