/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-complete.h"

#include "ctl-global.h"
#include "ctl-operation.h"
#include "qs-flags.h"
#include "qs-names.h"

static void
add_commands (GStrvBuilder *builder)
{
  for (const QsCtlGroup *group = qs_ctl_groups; group->name != NULL; group++)
    for (const QsCtlCommand *command = group->commands; command->name != NULL; command++)
      g_strv_builder_add (builder, command->name);
}

static void
add_options (const QsCtlArguments *arguments, GStrvBuilder *builder)
{
  for (const QsCtlOption *option = arguments->command->options; option->name != NULL; option++)
    {
      g_autofree char *word = g_strconcat ("--", option->name, NULL);

      if (option->kind == QS_CTL_LIST || !qs_ctl_arguments_has (arguments, option->name))
        g_strv_builder_add (builder, word);
    }
}

static void
add_domains (QsCtl *ctl, GStrvBuilder *builder)
{
  g_autoptr (GVariant) reply =
      qs_ctl_call (ctl, QS_PATH, "Manager.ListDomains", g_variant_new ("(u)", 0), NULL);
  g_autofree const char **paths = NULL;

  if (reply == NULL)
    return;
  g_variant_get (reply, "(^a&o)", &paths);
  for (guint i = 0; paths[i] != NULL; i++)
    {
      g_autofree char *name = qs_ctl_get_string (ctl, paths[i], "Domain.Name", NULL);

      if (name != NULL)
        g_strv_builder_add (builder, name);
    }
}

static void
add_snapshots (QsCtl *ctl, const char *domain, GStrvBuilder *builder)
{
  g_autoptr (GVariant) reply =
      qs_ctl_call (ctl, domain, "Domain.ListSnapshotNames", g_variant_new ("(u)", 0), NULL);
  g_autofree const char **names = NULL;

  if (reply == NULL)
    return;
  g_variant_get (reply, "(^a&s)", &names);
  g_strv_builder_addv (builder, names);
}

static void
add_disks (QsCtl *ctl, const char *domain, GStrvBuilder *builder)
{
  g_autoptr (GVariant) disks = qs_ctl_get_property (ctl, domain, "Domain.Disks", NULL);

  for (gsize i = 0; disks != NULL && i < g_variant_n_children (disks); i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);
      const char *target;

      if (g_variant_lookup (disk, "target", "&s", &target))
        g_strv_builder_add (builder, target);
    }
}

static void
add_of_domain (QsCtl *ctl, const QsCtlArguments *arguments, QsCtlSubject subject,
               GStrvBuilder *builder)
{
  g_autofree char *domain = NULL;

  if (!qs_ctl_arguments_has (arguments, "domain"))
    return;
  domain = qs_ctl_find_domain (ctl, arguments, NULL);
  if (domain == NULL)
    return;
  if (subject == QS_CTL_SNAPSHOT_NAME)
    add_snapshots (ctl, domain, builder);
  else
    add_disks (ctl, domain, builder);
}

static void
add_values (QsCtl *ctl, const QsCtlArguments *arguments, GStrvBuilder *builder)
{
  const QsCtlOption *option = qs_ctl_arguments_next (arguments);

  if (option == NULL)
    return;
  switch (option->subject)
    {
    case QS_CTL_COMMAND_NAME:
      add_commands (builder);
      break;
    case QS_CTL_DOMAIN_NAME:
      add_domains (ctl, builder);
      break;
    case QS_CTL_SNAPSHOT_NAME:
    case QS_CTL_DISK_TARGET:
      add_of_domain (ctl, arguments, option->subject, builder);
      break;
    case QS_CTL_TEXT:
    case QS_CTL_FILE_NAME: /* the shell knows better */
      break;
    }
}

static GStrv
filter (GStrvBuilder *builder, const char *prefix)
{
  g_auto (GStrv) all = g_strv_builder_end (builder);
  g_autoptr (GStrvBuilder) fitting = g_strv_builder_new ();

  for (guint i = 0; all[i] != NULL; i++)
    if (g_str_has_prefix (all[i], prefix))
      g_strv_builder_add (fitting, all[i]);
  return g_strv_builder_end (fitting);
}

/* @words: of one command, the last one being written */
static void
complete_command (QsCtl *ctl, const GPtrArray *words, guint first, GStrvBuilder *builder)
{
  const QsCtlCommand *command = qs_ctl_command_lookup (g_ptr_array_index (words, first));
  const char *last = g_ptr_array_index (words, words->len - 1);
  g_autoptr (QsCtlArguments) arguments = NULL;

  if (command == NULL)
    return;
  arguments = qs_ctl_arguments_new (command);
  for (guint i = first + 1; i + 1 < words->len; i++)
    qs_ctl_arguments_feed (arguments, g_ptr_array_index (words, i), NULL);
  if (arguments->pending == NULL && !arguments->only_values && *last == '-')
    add_options (arguments, builder);
  else
    add_values (ctl, arguments, builder);
}

/**
 * qs_ctl_complete:
 * @words: (nullable) (element-type utf8): of a command line, without the program; the last one is
 *   being written and may be empty
 *
 * Returns: (transfer full): what the last word can become
 */
GStrv
qs_ctl_complete (QsCtl *ctl, const GPtrArray *words)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  const char *last = words != NULL ? g_ptr_array_index (words, words->len - 1) : "";
  guint first = words != NULL ? qs_ctl_global_skip (ctl, words) : 0;

  if (words == NULL || first + 1 >= words->len)
    {
      if (*last == '-')
        qs_ctl_global_add_names (builder);
      else
        add_commands (builder);
    }
  else
    complete_command (ctl, words, first, builder);
  return filter (builder, last);
}
