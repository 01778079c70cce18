/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-error.h"
#include "qs-name.h"

/* QEMU opens a file by its name once more when a block job makes its node writable: a name that has
   become another file's would have the job write to that one, and nothing would tell */

typedef enum
{
  NAME_UNKNOWN,
  NAME_SAME,
  NAME_OTHER,
} NameState;

static gint64
find_pid (const QsStepCall *call)
{
  QsRegistry *registry = call->world->engine->registry;
  g_autoptr (QsDomain) domain = qs_registry_get (registry, call->world->domain);
  g_autoptr (QsGuest) guest = qs_registry_get_guest (registry, call->world->domain);

  if (guest != NULL)
    return qs_guest_get_process (guest)->pid;
  return domain != NULL && domain->process != NULL ? domain->process->pid : 0;
}

static gboolean
is_open (const GPtrArray *files, const QsFileId *id)
{
  guint64 dev = id->rdev != 0 ? 0 : id->dev;
  guint64 ino = id->rdev != 0 ? id->rdev : id->ino;

  for (guint i = 0; i < files->len; i++)
    {
      const QsOpenFile *file = g_ptr_array_index (files, i);

      if (file->dev == dev && file->ino == ino)
        return TRUE;
    }
  return FALSE;
}

static gboolean
look_at_name (QsStepCall *call, const char *path, NameState *state, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autoptr (QsProcessFiles) process =
      worker != NULL ? qs_worker_process_files (worker, find_pid (call), error) : NULL;
  g_autofree char *absolute = NULL;
  gboolean exists = FALSE;
  QsFileId id = { 0 };

  if (process == NULL)
    return FALSE;
  *state = NAME_UNKNOWN;
  if (process->files == NULL || g_str_has_prefix (path, "json:")
      || (*path != '/' && process->cwd == NULL))
    return TRUE;
  absolute = *path == '/' ? g_strdup (path) : g_build_filename (process->cwd, path, NULL);
  if (!qs_worker_identify (worker, absolute, &id, &exists, error))
    return FALSE;
  *state = exists && is_open (process->files, &id) ? NAME_SAME : NAME_OTHER;
  return TRUE;
}

/**
 * qs_step_check_name:
 * @path: as QEMU knows it
 *
 * Asked before a block job that writes to a file which QEMU has open for reading.
 */
gboolean
qs_step_check_name (QsStepCall *call, const char *path, QsNameDoubt doubt, GError **error)
{
  NameState state = NAME_UNKNOWN;

  /* what is called a device does not move */
  if (qs_path_is_device (path))
    return TRUE;
  if (!look_at_name (call, path, &state, error))
    return FALSE;
  if (state == NAME_SAME || (state == NAME_UNKNOWN && doubt == QS_NAME_DOUBT_ALLOWED))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               state == NAME_OTHER
                   ? "QEMU does not have ‘%s’ open as it is there now; was it moved, or replaced "
                     "by another file? Put it back under this name"
                   : "it cannot be told whether QEMU has ‘%s’ open as it is there now; shut the "
                     "guest down first",
               path);
  return FALSE;
}
