/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-identity.h"
#include "qs-wire.h"
#include "qs-work.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET 3

/* argv: profile, mode, uid, gid, groups with commas, pid of the daemon */
#define N_ARGUMENTS 6

static const QsMethod *(*const tool_methods[]) (const char *name) = {
  qs_find_image_method,    qs_find_create_method,   qs_find_file_method,
  qs_find_exchange_method, qs_find_snapshot_method, qs_find_self_test_method,
  qs_find_runtime_method,  qs_find_wipe_method,     qs_find_process_method,
  qs_find_stream_method,   qs_find_merge_method,    qs_find_covers_method,
  qs_find_copy_method,     qs_find_sight_method,
};

GVariant *
qs_work_done (void)
{
  return g_variant_new ("()");
}

/**
 * qs_work_return_fd:
 * @fd: (transfer full): goes with the reply
 */
void
qs_work_return_fd (QsWork *work, int fd)
{
  g_array_append_val (work->out_fds, fd);
}

/**
 * qs_work_close_late:
 * @fd: (transfer full): of a file that may be large and was deleted: the file system takes its space
 *   back with the last descriptor, and nobody needs to wait for that
 */
void
qs_work_close_late (QsWork *work, int fd)
{
  g_array_append_val (work->late_fds, fd);
}

const QsMethod *
qs_method_lookup (const QsMethod *methods, guint n_methods, const char *name)
{
  for (guint i = 0; i < n_methods; i++)
    if (g_str_equal (methods[i].name, name))
      return &methods[i];
  return NULL;
}

static const QsMethod *
find_method (const QsWork *work, const char *name)
{
  if (work->is_launcher)
    return qs_find_launch_method (name);
  for (guint i = 0; i < G_N_ELEMENTS (tool_methods); i++)
    {
      const QsMethod *method = tool_methods[i](name);

      if (method != NULL)
        return method;
    }
  return NULL;
}

static GVariant *
dispatch (QsWork *work, GVariant *request, GError **error)
{
  g_autoptr (GVariant) arguments = NULL;
  const QsMethod *method;
  const char *name;

  g_variant_get (request, "(&sv)", &name, &arguments);
  method = find_method (work, name);
  if (method != NULL && g_variant_is_of_type (arguments, G_VARIANT_TYPE (method->arguments)))
    return method->handle (work, arguments, error);
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the worker has no method ‘%s’ for ‘%s’", name,
               g_variant_get_type_string (arguments));
  return NULL;
}

static gboolean
answer (QsWork *work, GVariant *result, const GError *failure)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text =
      failure != NULL ? g_utf8_make_valid (failure->message, -1) : g_strdup ("");
  const char *name = QS_WIRE_DONE;

  if (failure != NULL)
    name = qs_error_get_name (failure->domain == QS_ERROR ? failure->code : QS_ERROR_FAILED);
  if (qs_wire_send (
          work->socket,
          g_variant_new (QS_WIRE_REPLY, name, text, result != NULL ? result : qs_work_done ()),
          failure == NULL ? work->out_fds : NULL, -1, &error))
    return TRUE;
  if (g_error_matches (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED) && failure == NULL)
    return answer (work, NULL, error);
  return FALSE;
}

/* FALSE: the daemon has closed its end, or is no longer understood */
static gboolean
serve_one (QsWork *work)
{
  g_autoptr (GVariant) request = NULL;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) failure = NULL;

  request = qs_wire_receive (work->socket, QS_WIRE_REQUEST, work->in_fds, -1, NULL);
  if (request == NULL)
    return FALSE;
  result = dispatch (work, request, &failure);
  if (result != NULL)
    g_variant_ref_sink (result);
  g_array_set_size (work->in_fds, 0);
  if (!answer (work, result, failure))
    return FALSE;
  g_array_set_size (work->out_fds, 0);
  g_array_set_size (work->late_fds, 0);
  return TRUE;
}

static gboolean
parse_number (const char *text, guint64 *number)
{
  return g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32 - 1, number, NULL);
}

static gboolean
parse_groups (const char *text, GArray *groups)
{
  g_auto (GStrv) words = g_strsplit (text, ",", -1);

  for (guint i = 0; words[i] != NULL; i++)
    {
      guint64 number;
      gid_t gid;

      if (!parse_number (words[i], &number))
        return FALSE;
      gid = number;
      g_array_append_val (groups, gid);
    }
  return TRUE;
}

static gboolean
parse_arguments (char **argv, QsIdentity *identity)
{
  guint64 uid;
  guint64 gid;
  guint64 parent;

  if (!parse_number (argv[2], &uid) || !parse_number (argv[3], &gid)
      || !parse_number (argv[5], &parent) || !parse_groups (argv[4], identity->groups))
    return FALSE;
  identity->profile = g_str_equal (argv[0], "launch") ? QS_PROFILE_LAUNCH : QS_PROFILE_TOOL;
  identity->keep = g_str_equal (argv[1], "session");
  identity->uid = uid;
  identity->gid = gid;
  identity->parent = parent;
  return TRUE;
}

static int
serve (const QsIdentity *identity)
{
  g_autoptr (GError) error = NULL;
  QsWork work = { .socket = SOCKET,
                  .system_mode = !identity->keep,
                  .is_launcher = identity->profile == QS_PROFILE_LAUNCH,
                  .in_fds = qs_wire_fds_new (),
                  .out_fds = qs_wire_fds_new (),
                  .late_fds = qs_wire_fds_new () };

  work.unnamed = qs_unnamed_new ();
  if (!qs_identity_assume (identity, &error))
    {
      answer (&work, NULL, error);
      return 1;
    }
  /* the daemon waits for this before it trusts the process with anything */
  if (!answer (&work, NULL, NULL))
    return 1;
  while (serve_one (&work))
    continue;
  return 0;
}

int
main (int argc, char **argv)
{
  QsIdentity identity = { .groups = g_array_new (FALSE, FALSE, sizeof (gid_t)) };

  umask (077);
  if (argc != N_ARGUMENTS + 1 || chdir ("/") != 0 || !parse_arguments (argv + 1, &identity))
    {
      fprintf (stderr, "snapshotd-worker is started by snapshotd, not by hand\n");
      return 2;
    }
  /* no exit handlers: a leak checker would want to trace this process, which the filter forbids */
  _exit (serve (&identity));
}
