/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-identity.h"

#include "qs-error.h"

#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

const char qs_tool_path[] = "/usr/bin/qemu-img";

/* neither our own code nor the tool asks for these; who does has been taken over. io_uring could
   open sockets past the filter */
static const char *const denied[] = {
  "ptrace",
  "process_vm_readv",
  "process_vm_writev",
  "kcmp",
  "pidfd_getfd",
  "process_madvise",
  "mount",
  "umount2",
  "pivot_root",
  "chroot",
  "move_mount",
  "open_tree",
  "fsopen",
  "fsconfig",
  "fsmount",
  "fspick",
  "mount_setattr",
  "unshare",
  "setns",
  "add_key",
  "request_key",
  "keyctl",
  "bpf",
  "perf_event_open",
  "userfaultfd",
  "io_uring_setup",
  "io_uring_enter",
  "io_uring_register",
  "init_module",
  "finit_module",
  "delete_module",
  "kexec_load",
  "kexec_file_load",
  "reboot",
  "swapon",
  "swapoff",
  "acct",
  "quotactl",
  "settimeofday",
  "clock_settime",
  "clock_adjtime",
  "adjtimex",
  "sethostname",
  "setdomainname",
  "iopl",
  "ioperm",
  "modify_ldt",
  "open_by_handle_at",
  "name_to_handle_at",
  "lookup_dcookie",
  "personality",
  "nfsservctl",
  "vhangup",
  "syslog",
  "uselib",
  "_sysctl",
  "fanotify_init",
  "execveat",
};

static int
deny_names (scmp_filter_ctx filter)
{
  int result = 0;

  for (guint i = 0; i < G_N_ELEMENTS (denied) && result == 0; i++)
    {
      int number = seccomp_syscall_resolve_name (denied[i]);

      if (number != __NR_SCMP_ERROR)
        result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), number, 0);
    }
  return result;
}

/* the filter cannot look at a path, but at where it lies: a constant of this program */
static int
deny_other_programs (scmp_filter_ctx filter)
{
  return seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (execve), 1,
                           SCMP_A0 (SCMP_CMP_NE, (scmp_datum_t)(gsize)qs_tool_path));
}

static int
deny_other_sockets (scmp_filter_ctx filter)
{
  return seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (socket), 1,
                           SCMP_A0 (SCMP_CMP_NE, AF_UNIX));
}

static int
deny_namespaces (scmp_filter_ctx filter)
{
  static const guint64 flags[] = { CLONE_NEWNS,  CLONE_NEWUSER, CLONE_NEWPID,   CLONE_NEWNET,
                                   CLONE_NEWIPC, CLONE_NEWUTS,  CLONE_NEWCGROUP };
  int result = 0;

  for (guint i = 0; i < G_N_ELEMENTS (flags) && result == 0; i++)
    result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (clone), 1,
                               SCMP_A0 (SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
  /* its flags lie in memory; the C library then takes clone() */
  return result != 0 ? result
                     : seccomp_rule_add (filter, SCMP_ACT_ERRNO (ENOSYS), SCMP_SYS (clone3), 0);
}

static int
deny_terminal_input (scmp_filter_ctx filter)
{
  return seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (ioctl), 1,
                           SCMP_A1 (SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI));
}

static int
deny_processes (scmp_filter_ctx filter)
{
  int result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (clone), 1,
                                 SCMP_A0 (SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));

  if (result == 0)
    result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (fork), 0);
  if (result == 0)
    result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (vfork), 0);
  return result;
}

typedef int (*Rule) (scmp_filter_ctx filter);

static gboolean
load_rules (const Rule *rules, guint n_rules, GError **error)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ALLOW);
  int result = filter == NULL ? -ENOMEM : 0;

  for (guint i = 0; i < n_rules && result == 0; i++)
    result = rules[i](filter);
  if (result == 0)
    result = seccomp_load (filter);
  if (filter != NULL)
    seccomp_release (filter);
  if (result != 0)
    g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot filter system calls: %s",
                 g_strerror (-result));
  return result == 0;
}

/**
 * qs_filter_load:
 *
 * Filters system calls from now on, in this process and in the tool it starts.
 */
gboolean
qs_filter_load (GError **error)
{
  static const Rule rules[] = {
    deny_names, deny_other_programs, deny_other_sockets, deny_namespaces, deny_terminal_input,
  };

  return load_rules (rules, G_N_ELEMENTS (rules), error);
}

/**
 * qs_filter_load_processes:
 *
 * Threads, but no processes from now on: for the tool.
 */
gboolean
qs_filter_load_processes (GError **error)
{
  static const Rule rules[] = { deny_processes };

  return load_rules (rules, G_N_ELEMENTS (rules), error);
}
