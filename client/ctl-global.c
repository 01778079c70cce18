/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-global.h"

#include <string.h>

#include "qs-error.h"

/* the names of a bus that -c and SNAPSHOTCTL_BUS understand */
static const struct
{
  const char *name;
  QsCtlBus bus;
} buses[] = {
  { "qemu:///session", QS_CTL_BUS_SESSION },
  { "qemu:///system", QS_CTL_BUS_SYSTEM },
  { "session", QS_CTL_BUS_SESSION },
  { "system", QS_CTL_BUS_SYSTEM },
};

static gboolean
apply_connect (QsCtl *ctl, const char *value, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (buses); i++)
    if (g_str_equal (buses[i].name, value))
      {
        ctl->choice = buses[i].bus;
        return TRUE;
      }
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "‘%s’ is neither qemu:///system nor qemu:///session", value);
  return FALSE;
}

static gboolean
apply_session (QsCtl *ctl, const char *value, GError **error)
{
  ctl->choice = QS_CTL_BUS_SESSION;
  return TRUE;
}

static gboolean
apply_system (QsCtl *ctl, const char *value, GError **error)
{
  ctl->choice = QS_CTL_BUS_SYSTEM;
  return TRUE;
}

static gboolean
apply_quiet (QsCtl *ctl, const char *value, GError **error)
{
  ctl->quiet = TRUE;
  return TRUE;
}

const QsCtlGlobal qs_ctl_globals[] = {
  { "connect", 'c', TRUE, "URI", "qemu:///system or qemu:///session, as for virsh", apply_connect },
  { "session", 0, FALSE, NULL, "talk to the service on the session bus", apply_session },
  { "system", 0, FALSE, NULL, "talk to the service on the system bus", apply_system },
  { "quiet", 'q', FALSE, NULL, "print data only: no titles, messages and progress", apply_quiet },
  { NULL },
};

static const QsCtlGlobal *
lookup (const char *word)
{
  gsize length = strcspn (word, "=");

  for (const QsCtlGlobal *option = qs_ctl_globals; option->name != NULL; option++)
    {
      g_autofree char *name = g_strconcat ("--", option->name, NULL);

      if (strlen (name) == length && strncmp (name, word, length) == 0)
        return option;
      if (option->letter != 0 && word[0] == '-' && word[1] == option->letter && word[2] == '\0')
        return option;
    }
  return NULL;
}

/* how many words the option took, 0 on errors */
static int
parse_one (QsCtl *ctl, const char *const *words, GError **error)
{
  const QsCtlGlobal *option = lookup (words[0]);
  const char *equals = strchr (words[0], '=');
  const char *value = equals != NULL ? equals + 1 : words[1];

  if (option == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 "unknown option ‘%s’; see `snapshotctl help`", words[0]);
  else if (option->has_value && value == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "option ‘%s’ needs a value", words[0]);
  else if (!option->has_value && equals != NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "option ‘%s’ takes no value",
                 words[0]);
  else if (option->apply (ctl, value, error))
    return option->has_value && equals == NULL ? 2 : 1;
  return 0;
}

/**
 * qs_ctl_global_parse:
 *
 * Takes the options before the command.
 *
 * Returns: index of the command among @words, or -1
 */
int
qs_ctl_global_parse (QsCtl *ctl, const char *const *words, GError **error)
{
  int i = 0;

  while (words[i] != NULL && words[i][0] == '-')
    {
      int n = parse_one (ctl, words + i, error);

      if (n == 0)
        return -1;
      i += n;
    }
  return i;
}

/**
 * qs_ctl_global_skip:
 * @words: (element-type utf8): of a command line that is being written
 *
 * Takes the options before the command, as far as they are complete.
 *
 * Returns: index of the command
 */
guint
qs_ctl_global_skip (QsCtl *ctl, const GPtrArray *words)
{
  g_autofree const char **copy = g_new0 (const char *, words->len + 1);
  guint i = 0;

  for (guint n = 0; n + 1 < words->len; n++)
    copy[n] = g_ptr_array_index (words, n);
  while (copy[i] != NULL && copy[i][0] == '-')
    {
      int n = parse_one (ctl, copy + i, NULL);

      i += (guint)MAX (n, 1);
    }
  return i;
}

/**
 * qs_ctl_global_add_names:
 *
 * Adds the long names of all options before the command.
 */
void
qs_ctl_global_add_names (GStrvBuilder *builder)
{
  for (const QsCtlGlobal *option = qs_ctl_globals; option->name != NULL; option++)
    {
      g_autofree char *name = g_strconcat ("--", option->name, NULL);

      g_strv_builder_add (builder, name);
    }
}

/**
 * qs_ctl_global_read_environment:
 *
 * SNAPSHOTCTL_BUS chooses the bus as `--connect` does.
 */
gboolean
qs_ctl_global_read_environment (QsCtl *ctl, GError **error)
{
  const char *value = g_getenv ("SNAPSHOTCTL_BUS");

  if (value == NULL || *value == '\0' || apply_connect (ctl, value, error))
    return TRUE;
  g_prefix_error (error, "SNAPSHOTCTL_BUS: ");
  return FALSE;
}
