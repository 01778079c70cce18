/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-process.h"

#include "qs-launcher.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* fields of /proc/PID/stat behind the name of the program, which may hold anything */
#define FIELD_STATE 0
#define FIELD_START_TIME 19

static char *
read_boot_id (void)
{
  char *text = NULL;

  if (!g_file_get_contents ("/proc/sys/kernel/random/boot_id", &text, NULL, NULL))
    return g_strdup ("");
  return g_strstrip (text);
}

/* FALSE: there is no such process, or only what its parent has not yet collected */
static gboolean
read_start_time (gint64 pid, guint64 *start_time)
{
  g_autofree char *path = g_strdup_printf ("/proc/%" G_GINT64_FORMAT "/stat", pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) fields = NULL;
  const char *behind;

  if (pid <= 0 || !g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  behind = strrchr (text, ')');
  if (behind == NULL || behind[1] != ' ')
    return FALSE;
  fields = g_strsplit (behind + 2, " ", -1);
  if (g_strv_length (fields) <= FIELD_START_TIME || strchr ("ZXx", fields[FIELD_STATE][0]) != NULL)
    return FALSE;
  *start_time = g_ascii_strtoull (fields[FIELD_START_TIME], NULL, 10);
  return TRUE;
}

/* its real uid: who owns /proc/PID is another if the program may not be dumped */
static gboolean
has_uid (gint64 pid, guint32 uid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%" G_GINT64_FORMAT "/status", pid);
  g_autofree char *line = g_strdup_printf ("\nUid:\t%u\t", uid);
  g_autofree char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) && strstr (text, line) != NULL;
}

/* 0 if the line is not there */
static guint64
read_kibibytes (const char *status, const char *key)
{
  const char *line = strstr (status, key);

  return line != NULL ? g_ascii_strtoull (line + strlen (key), NULL, 10) : 0;
}

guint64
qs_process_memory_bytes (const QsProcess *process)
{
  static const char *const keys[] = { "\nVmRSS:", "\nVmSwap:", "\nHugetlbPages:" };
  g_autofree char *path = g_strdup_printf ("/proc/%" G_GINT64_FORMAT "/status", process->pid);
  g_autofree char *text = NULL;
  guint64 kibibytes = 0;

  if (!g_file_get_contents (path, &text, NULL, NULL) || !qs_process_is_alive (process))
    return 0;
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    kibibytes += read_kibibytes (text, keys[i]);
  return kibibytes * 1024;
}

static int
open_pid (gint64 pid)
{
  return pid > 0 ? (int)syscall (SYS_pidfd_open, (pid_t)pid, 0) : -1;
}

QsProcess *
qs_process_identify (gint64 pid, guint32 uid, const char *socket, const char *unit)
{
  g_autofree char *boot_id = read_boot_id ();
  guint64 start_time = 0;
  int pidfd = open_pid (pid);
  gboolean known;

  if (pidfd < 0)
    return NULL;
  /* what was read belongs to one process if that lives on after it */
  known = read_start_time (pid, &start_time) && has_uid (pid, uid) && !qs_pidfd_wait (pidfd, 0);
  close (pidfd);
  return known ? qs_process_new (pid, start_time, boot_id, socket, unit) : NULL;
}

static gboolean
has_argument (const char *pid, const char *text)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "cmdline", NULL);
  g_autofree char *arguments = NULL;
  gsize length;

  return g_file_get_contents (path, &arguments, &length, NULL)
         && memmem (arguments, length, text, strlen (text)) != NULL;
}

GPtrArray *
qs_process_find (guint32 uid, const char *text)
{
  GPtrArray *found = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_process_free);
  g_autoptr (GDir) all = g_dir_open ("/proc", 0, NULL);
  const char *name;

  while (all != NULL && (name = g_dir_read_name (all)) != NULL)
    {
      g_autoptr (QsProcess) process = NULL;

      if (!g_ascii_isdigit (*name))
        continue;
      /* first who it is: one that gets the pid later is then not taken for it */
      process = qs_process_identify (g_ascii_strtoll (name, NULL, 10), uid, "", "");
      if (process != NULL && has_argument (name, text))
        g_ptr_array_add (found, g_steal_pointer (&process));
    }
  return found;
}

gboolean
qs_process_is_alive (const QsProcess *process)
{
  g_autofree char *boot_id = read_boot_id ();
  guint64 start_time;

  return g_strcmp0 (process->boot_id, boot_id) == 0 && read_start_time (process->pid, &start_time)
         && start_time == process->start_time;
}

int
qs_process_open (const QsProcess *process)
{
  int pidfd = open_pid (process->pid);

  if (pidfd < 0)
    return -1;
  /* what is open now is the process, or one that got its pid before */
  if (qs_process_is_alive (process))
    return pidfd;
  close (pidfd);
  return -1;
}

gboolean
qs_pidfd_wait (int pidfd, int milliseconds)
{
  gint64 deadline = g_get_monotonic_time () + (gint64)milliseconds * 1000;
  struct pollfd end = { .fd = pidfd, .events = POLLIN };
  int n;

  do
    n = poll (&end, 1, MAX (deadline - g_get_monotonic_time (), 0) / 1000);
  while (n < 0 && errno == EINTR);
  return n > 0;
}

gboolean
qs_pidfd_signal (int pidfd, int number)
{
  return syscall (SYS_pidfd_send_signal, pidfd, number, NULL, 0) == 0 || errno == ESRCH;
}

/* TRUE: it has ended */
gboolean
qs_process_wait (const QsProcess *process, guint seconds)
{
  int pidfd = qs_process_open (process);
  gboolean ended;

  if (pidfd < 0)
    return !qs_process_is_alive (process);
  ended = qs_pidfd_wait (pidfd, seconds * 1000);
  close (pidfd);
  return ended;
}
