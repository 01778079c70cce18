/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-storage.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-step-process.h"

#include <json-glib/json-glib.h>

/* a qemu-storage-daemon has the block layer of QEMU, its jobs and QMP, and no guest. Locks are QEMU's
   own: what another program writes to, or counts on, is not written by a job */

#define PROGRAM "/usr/bin/qemu-storage-daemon"

typedef struct
{
  const char *path;
  const char *format;
} Row;

static Row
read_row (GVariant *files, gsize index)
{
  Row row;

  g_variant_get_child (files, index, "(&s&stt)", &row.path, &row.format, NULL, NULL);
  return row;
}

/* read only, until a job has to write; that makes it open the file by its name once more */
static GVariant *
file_options (const Row *row, guint index)
{
  g_autofree char *name = g_strdup_printf ("f%u", index);

  return g_variant_new_parsed ("{'driver': <%s>, 'node-name': <%s>, 'filename': <%s>,"
                               " 'auto-read-only': <true>}",
                               qs_path_is_device (row->path) ? "host_device" : "file", name,
                               row->path);
}

static GVariant *
backing_value (guint below, guint n)
{
  g_autofree char *name = g_strdup_printf ("n%u", below);

  return below < n ? g_variant_new_string (name)
                   : g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL);
}

/* @file: options, or the name of a node; no name in a header is followed: what stands below is given,
   or nothing does */
static GVariant *
node_options (const char *format, guint index, GVariant *file, GVariant *backing)
{
  g_autofree char *name = g_strdup_printf ("n%u", index);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "driver", "s", format);
  g_variant_dict_insert (&dict, "node-name", "s", name);
  g_variant_dict_insert_value (&dict, "file", file);
  g_variant_dict_insert (&dict, "read-only", "b", TRUE);
  if (!g_str_equal (format, "raw"))
    g_variant_dict_insert_value (&dict, "backing", backing);
  else
    g_variant_unref (g_variant_ref_sink (backing));
  return g_variant_dict_end (&dict);
}

GVariant *
qs_storage_reopen (const char *format, guint index, guint below, guint n, gboolean read_only)
{
  g_autofree char *file = g_strdup_printf ("f%u", index);
  g_autoptr (GVariant) options = g_variant_ref_sink (
      node_options (format, index, g_variant_new_string (file), backing_value (below, n)));
  GVariantDict dict;

  g_variant_dict_init (&dict, options);
  g_variant_dict_insert (&dict, "read-only", "b", read_only);
  return g_variant_dict_end (&dict);
}

static char *
to_json (GVariant *options)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (options);
  g_autoptr (JsonNode) node = json_gvariant_serialize (sunk);

  return json_to_string (node, FALSE);
}

static void
add_option (GPtrArray *words, const char *option, char *value)
{
  g_ptr_array_add (words, g_strdup (option));
  g_ptr_array_add (words, value);
}

static void
add_node (GPtrArray *words, GVariant *files, guint index)
{
  Row row = read_row (files, index);
  guint n = g_variant_n_children (files);
  GVariant *options =
      node_options (row.format, index, file_options (&row, index), backing_value (index + 1, n));

  add_option (words, "--blockdev", to_json (options));
}

/* the monitor comes last, so that it listens when all files are open. The filter is one that asks for
   no right of its own, as copy-on-read does */
GStrv
qs_storage_argv (GVariant *files, const char *socket)
{
  GPtrArray *words = g_ptr_array_new ();
  g_auto (GStrv) parts = g_strsplit (socket, ",", -1);
  g_autofree char *path = g_strjoinv (",,", parts);

  g_ptr_array_add (words, g_strdup (PROGRAM));
  for (guint i = g_variant_n_children (files); i-- > 0;)
    add_node (words, files, i);
  add_option (words, "--object", g_strdup ("throttle-group,id=g"));
  add_option (words, "--blockdev",
              g_strdup ("driver=throttle,node-name=" QS_STORAGE_FILTER
                        ",throttle-group=g,file=n0,read-only=on"));
  add_option (words, "--chardev", g_strdup_printf ("socket,id=m,path=%s,server=on,wait=off", path));
  add_option (words, "--monitor", g_strdup ("chardev=m"));
  g_ptr_array_add (words, NULL);
  return (GStrv)g_ptr_array_free (words, FALSE);
}

static gboolean
is_open (const GPtrArray *files, GVariant *row)
{
  guint64 dev;
  guint64 ino;

  g_variant_get (row, "(&s&stt)", NULL, NULL, &dev, &ino);
  for (guint i = 0; i < files->len; i++)
    {
      const QsOpenFile *file = g_ptr_array_index (files, i);

      if (file->dev == dev && file->ino == ino)
        return TRUE;
    }
  return FALSE;
}

gboolean
qs_storage_check (QsStepCall *call, const QsProcess *process, GVariant *files, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autoptr (QsProcessFiles) found =
      worker != NULL ? qs_worker_process_files (worker, process->pid, error) : NULL;

  if (found == NULL)
    return FALSE;
  for (gsize i = 0; i < g_variant_n_children (files); i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (files, i);

      if (found->files != NULL && is_open (found->files, row))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                   found->files != NULL
                       ? "‘%s’ was replaced by another file while it was opened; it is left alone"
                       : "it cannot be told whether ‘%s’ is the file that was opened",
                   read_row (files, i).path);
      return FALSE;
    }
  return TRUE;
}

void
qs_storage_forget (QsRealWorld *world)
{
  g_clear_pointer (&world->storage, qs_guest_unref);
}

static gboolean
is_known (const QsRealWorld *world, const QsProcess *process)
{
  return world->storage != NULL && qs_guest_is_open (world->storage)
         && qs_process_is_same (qs_guest_get_process (world->storage), process);
}

/**
 * qs_storage_meet:
 *
 * Connects to the process: it talks to one client at a time, and goes on when that has gone.
 */
gboolean
qs_storage_meet (QsStepCall *call, const QsProcess *process, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const QsGuestIdentity identity = { .owner = call->world->owner,
                                     .process = process,
                                     .is_storage = TRUE };

  qs_storage_forget (call->world);
  call->world->storage = worker != NULL ? qs_guest_connect (worker, &identity, NULL, error) : NULL;
  return call->world->storage != NULL;
}

gboolean
qs_storage_find (QsStepCall *call, guint64 step, QsGuest **guest, GError **error)
{
  g_autoptr (QsProcess) process = qs_step_process_of (call, step);
  g_autoptr (GError) problem = NULL;

  *guest = NULL;
  if (process == NULL || !qs_process_is_alive (process))
    return TRUE;
  if (is_known (call->world, process) || qs_storage_meet (call, process, &problem))
    {
      *guest = qs_guest_ref (call->world->storage);
      return TRUE;
    }
  if (qs_process_wait (process, QS_QUIT_SECONDS))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}
