/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-launcher.h"

#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-process.h"
#include "qs-unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* between two looks at the socket; the end of the process is noticed at once */
#define FIRST_LOOK_MS 10
#define LAST_LOOK_MS 200

struct QsLauncher
{
  QsWorkerPool *pool;
  gboolean system_mode;
  gboolean units; /* systemd starts and cleans up */
  char *folder;
};

QsLauncher *
qs_launcher_new (QsWorkerPool *pool, gboolean system_mode, const char *runtime_folder)
{
  QsLauncher *launcher = g_new0 (QsLauncher, 1);

  launcher->pool = pool;
  launcher->system_mode = system_mode;
  launcher->units = qs_unit_is_available (system_mode);
  launcher->folder =
      system_mode ? g_build_filename (runtime_folder, "vm", NULL) : g_strdup (runtime_folder);
  return launcher;
}

void
qs_launcher_free (QsLauncher *launcher)
{
  if (launcher == NULL)
    return;
  g_free (launcher->folder);
  g_free (launcher);
}

/* it becomes part of a path and of the name of a unit */
static gboolean
check_id (const char *id, GError **error)
{
  static const char allowed[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_";

  if (*id != '\0' && strspn (id, allowed) == strlen (id))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "‘%s’ cannot name a process", id);
  return FALSE;
}

char *
qs_launcher_folder (QsLauncher *launcher, QsWorker *worker, const char *id, GError **error)
{
  if (!check_id (id, error))
    return NULL;
  if (launcher->units)
    return qs_unit_folder (launcher->system_mode, id);
  return qs_worker_make_runtime (worker, launcher->folder, id, error);
}

gboolean
qs_launcher_clear (QsLauncher *launcher, QsWorker *worker, const QsProcess *process, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (process->socket);
  g_autofree char *parent = g_path_get_dirname (folder);

  /* the socket of a QEMU that somebody else has started lies among that one's own files */
  if (!g_str_equal (parent, launcher->folder))
    return TRUE;
  if ((process->unit != NULL && *process->unit != '\0') || !g_path_is_absolute (process->socket))
    return TRUE;
  return qs_worker_clear_runtime (worker, folder, error);
}

/* what QEMU says on stderr while it starts: memory of a fixed size, so that a QEMU that goes on
   talking for months fills nothing */
static int
open_log (GError **error)
{
  int log = memfd_create ("qemu-stderr", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (log >= 0 && ftruncate (log, QS_MAX_TOOL_STDERR_BYTES) == 0
      && fcntl (log, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
    return log;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot make a log for QEMU: %s",
               g_strerror (errno));
  if (log >= 0)
    close (log);
  return -1;
}

char *
qs_launcher_read_log (int log)
{
  g_autofree char *bytes = g_malloc0 (QS_MAX_TOOL_STDERR_BYTES + 1);
  g_autofree char *text = NULL;
  gsize length;

  if (pread (log, bytes, QS_MAX_TOOL_STDERR_BYTES, 0) < 0)
    return g_strdup ("its messages cannot be read");
  text = g_utf8_make_valid (bytes, -1);
  g_strstrip (text);
  length = g_utf8_strlen (text, -1);
  if (length == 0)
    return g_strdup ("it said nothing");
  /* the end tells more than the beginning */
  return qs_json_clean (
      g_utf8_offset_to_pointer (text, MAX ((glong)length - QS_MAX_QMP_ERROR_BYTES / 4, 0)));
}

static gboolean
is_peer (int fd, gint64 pid)
{
  struct ucred peer;
  socklen_t length = sizeof peer;

  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.pid == pid;
}

/* the socket lies where only the owner can look, so that the worker tries */
static gboolean
is_listening (QsWorker *worker, const QsProcess *process, GError **error)
{
  int fd = qs_worker_connect (worker, process->socket, error);
  gboolean ours;

  if (fd < 0)
    return FALSE;
  ours = is_peer (fd, process->pid);
  close (fd);
  if (!ours)
    g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED, "another process listens on ‘%s’",
                 process->socket);
  return ours;
}

static gboolean
wait_until_listening (QsWorker *worker, const QsProcess *process, int log, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64)QS_START_SECONDS * G_USEC_PER_SEC;
  int pidfd = qs_process_open (process);
  gboolean ended = pidfd < 0;
  g_autofree char *text = NULL;
  g_autoptr (GError) problem = NULL;

  for (int wait = FIRST_LOOK_MS; !ended && g_get_monotonic_time () < deadline;
       wait = MIN (wait * 2, LAST_LOOK_MS))
    {
      g_clear_error (&problem);
      if (is_listening (worker, process, &problem))
        break;
      ended = qs_pidfd_wait (pidfd, wait);
    }
  if (pidfd >= 0)
    close (pidfd);
  if (!ended && problem == NULL)
    return TRUE;
  text = qs_launcher_read_log (log);
  g_set_error (error, QS_ERROR, ended ? QS_ERROR_FAILED : QS_ERROR_TIMEOUT, "%s: %s",
               ended ? "QEMU has ended while it started" : problem->message, text);
  return FALSE;
}

static QsProcess *
start_process (QsLauncher *launcher, const QsLaunch *launch, int log, GError **error)
{
  g_autofree char *unit = launcher->units ? qs_unit_name (launch->id) : g_strdup ("");
  g_autofree char *text = NULL;
  QsProcess *process = NULL;
  gint64 pid = 0;

  if (launcher->units)
    pid = qs_unit_start (launcher->system_mode, launch, log, error);
  else if (!qs_worker_pool_launch (launcher->pool, launch->uid, launch->argv, log, &pid, error))
    return NULL;
  if (pid > 0)
    process = qs_process_identify (pid, launch->uid, launch->socket, unit);
  if (process != NULL)
    return process;
  text = qs_launcher_read_log (log);
  if (pid > 0)
    g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "QEMU has ended while it started: %s", text);
  else
    g_prefix_error (error, "QEMU cannot be started (%s): ", text);
  return NULL;
}

QsProcess *
qs_launcher_start (QsLauncher *launcher, QsWorker *worker, const QsLaunch *launch, GError **error)
{
  g_autoptr (QsProcess) process = NULL;
  gboolean listens;
  int log;

  if (!check_id (launch->id, error))
    return NULL;
  log = open_log (error);
  if (log < 0)
    return NULL;
  process = start_process (launcher, launch, log, error);
  listens = process != NULL
            && (launch->started == NULL || launch->started (process, launch->user_data, error))
            && wait_until_listening (worker, process, log, error);
  if (listens && launch->log != NULL)
    *launch->log = g_steal_fd (&log);
  if (log >= 0)
    close (log);
  if (listens)
    return g_steal_pointer (&process);
  if (process != NULL)
    qs_launcher_kill (launcher, process, NULL);
  return NULL;
}

gboolean
qs_launcher_kill (QsLauncher *launcher, const QsProcess *process, GError **error)
{
  static const int signals[] = { SIGTERM, SIGKILL };
  int pidfd = qs_process_open (process);
  gboolean ended = pidfd < 0;

  for (guint i = 0; !ended && i < G_N_ELEMENTS (signals); i++)
    if (qs_pidfd_signal (pidfd, signals[i]))
      ended = qs_pidfd_wait (pidfd, QS_TERM_SECONDS * 1000);
  if (pidfd >= 0)
    close (pidfd);
  if (!ended)
    g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
                 "process %" G_GINT64_FORMAT " of QEMU cannot be ended", process->pid);
  return ended;
}

gboolean
qs_launcher_kill_lost (QsLauncher *launcher, guint32 uid, const char *socket, GError **error)
{
  g_autofree char *text = g_strdup_printf ("path=%s,server=on", socket);
  g_autoptr (GPtrArray) found = qs_process_find (uid, text);

  for (guint i = 0; i < found->len; i++)
    if (!qs_launcher_kill (launcher, g_ptr_array_index (found, i), error))
      return FALSE;
  return TRUE;
}

gboolean
qs_launcher_end_unknown (QsLauncher *launcher, QsWorker *worker, guint32 uid, const char *id,
                         GError **error)
{
  g_autofree char *folder = qs_launcher_folder (launcher, worker, id, error);
  g_autofree char *socket = NULL;
  g_autoptr (GError) ignored = NULL;
  gboolean stopped;

  if (folder == NULL)
    return FALSE;
  socket = g_build_filename (folder, "qmp.sock", NULL);
  stopped = !launcher->units || qs_unit_stop (launcher->system_mode, id, error);
  /* also where its unit does not stop: then it is free for the next try */
  if (!qs_launcher_kill_lost (launcher, uid, socket, stopped ? error : NULL) || !stopped)
    return FALSE;
  if (!launcher->units && !qs_worker_clear_runtime (worker, folder, &ignored))
    g_debug ("%s, ignoring", ignored->message);
  return TRUE;
}
