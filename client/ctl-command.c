/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-command.h"

const QsCtlGroup qs_ctl_groups[] = {
  { "Domains", qs_ctl_domain_show_commands },
  { "Life of a domain", qs_ctl_domain_commands },
  { "Virtual machines that others start", qs_ctl_attach_commands },
  { "What is wrong with a domain", qs_ctl_fsck_commands },
  { "Looking at snapshots", qs_ctl_snapshot_list_commands },
  { "One snapshot", qs_ctl_snapshot_show_commands },
  { "Taking snapshots", qs_ctl_create_commands },
  { "Going back, deleting, renaming", qs_ctl_snapshot_change_commands },
  { "Copying disks", qs_ctl_block_copy_commands },
  { "Merging files of disks", qs_ctl_block_merge_commands },
  { "Block jobs", qs_ctl_block_job_commands },
  { "Jobs", qs_ctl_watch_commands },
  { "About snapshotctl", qs_ctl_help_commands },
  { NULL, NULL },
};

const QsCtlCommand *
qs_ctl_command_lookup (const char *name)
{
  for (const QsCtlGroup *group = qs_ctl_groups; group->name != NULL; group++)
    for (const QsCtlCommand *command = group->commands; command->name != NULL; command++)
      if (g_str_equal (command->name, name))
        return command;
  return NULL;
}

const QsCtlOption *
qs_ctl_command_get_option (const QsCtlCommand *command, const char *name)
{
  for (const QsCtlOption *option = command->options; option->name != NULL; option++)
    if (g_str_equal (option->name, name))
      return option;
  return NULL;
}
