/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-domain.h"

#include "ctl-file.h"
#include "ctl-output.h"
#include "qs-error.h"
#include "qs-flags.h"
#include "qs-names.h"

/**
 * qs_ctl_domain_add_owner:
 * @options: a{sv}; gets what `--owner` says, if it is given
 */
gboolean
qs_ctl_domain_add_owner (const QsCtlArguments *arguments, GVariantDict *options, GError **error)
{
  const char *text = qs_ctl_arguments_get (arguments, "owner");
  guint64 uid;

  if (text == NULL)
    return TRUE;
  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32 - 1, &uid, NULL))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "‘%s’ is not the number of a user",
                   text);
      return FALSE;
    }
  g_variant_dict_insert (options, "owner", "u", (guint)uid);
  return TRUE;
}

static void
tell_defined (const QsCtl *ctl, const QsCtlArguments *arguments, const char *path, const char *name)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "domain", "s", path);
  g_variant_dict_insert (&dict, "Name", "s", name);
  if (qs_ctl_arguments_has (arguments, "json"))
    qs_ctl_print_json (g_variant_dict_end (&dict));
  else if (!ctl->quiet)
    qs_ctl_print ("Domain '%s' defined from %s", name, qs_ctl_arguments_get (arguments, "file"));
  g_variant_dict_clear (&dict);
}

static gboolean
run_define (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *xml =
      qs_ctl_file_read_document (qs_ctl_arguments_get (arguments, "file"), error);
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *name = NULL;
  const char *path;

  if (xml == NULL || !qs_ctl_domain_add_owner (arguments, &options, error))
    return FALSE;
  if (qs_ctl_arguments_has (arguments, "validate"))
    g_variant_dict_insert (&options, "validate", "b", TRUE);
  reply = qs_ctl_call_patiently (ctl, QS_PATH, "Manager.DefineDomain",
                                 g_variant_new ("(s@a{sv})", xml, g_variant_dict_end (&options)),
                                 error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(&o)", &path);
  name = qs_ctl_get_string (ctl, path, "Domain.Name", error);
  if (name == NULL)
    return FALSE;
  tell_defined (ctl, arguments, path, name);
  return TRUE;
}

/**
 * qs_ctl_domain_operate:
 * @operation: its path is set here
 * @told: what is said at the end, with the name of the domain
 */
gboolean
qs_ctl_domain_operate (QsCtl *ctl, const QsCtlArguments *arguments, QsCtlOperation *operation,
                       const char *told, GError **error)
{
  g_autoptr (GVariant) kept = NULL;
  g_autofree char *path = qs_ctl_find_domain (ctl, arguments, error);
  g_auto (QsCtlOutcome) outcome = { NULL };
  g_autofree char *name = NULL;

  if (operation->arguments != NULL)
    kept = g_variant_ref_sink (operation->arguments);
  if (path == NULL)
    return FALSE;
  /* asked for beforehand: afterwards the domain may be gone */
  name = qs_ctl_get_string (ctl, path, "Domain.Name", error);
  if (name == NULL)
    return FALSE;
  operation->path = path;
  if (!qs_ctl_operate (ctl, arguments, operation, &outcome, error))
    return FALSE;
  qs_ctl_outcome_tell (ctl, &outcome, "Domain '%s' %s", name, told);
  return TRUE;
}

static gboolean
run_undefine (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  QsCtlOperation operation = { .member = "Domain.Undefine",
                               .plan = "Domain.UndefinePlan",
                               .arguments = g_variant_new ("(u)", arguments->flags) };

  return qs_ctl_domain_operate (ctl, arguments, &operation, "has been undefined", error);
}

static gboolean
run_start (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  static const char *const keys[] = { "paused", "reset-nvram" };
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  QsCtlOperation operation = { .member = "Domain.Start" };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (qs_ctl_arguments_has (arguments, keys[i]))
      g_variant_dict_insert (&options, keys[i], "b", TRUE);
  operation.arguments = g_variant_new ("(@a{sv})", g_variant_dict_end (&options));
  return qs_ctl_domain_operate (ctl, arguments, &operation, "started", error);
}

static const struct
{
  const char *verb;
  const char *member;
  const char *told;
} plain_verbs[] = {
  { "destroy", "Domain.Destroy", "destroyed" },
  { "resume", "Domain.Resume", "resumed" },
  { "shutdown", "Domain.Shutdown", "is being shutdown" },
  { "suspend", "Domain.Suspend", "suspended" },
};

static gboolean
run_plain (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  QsCtlOperation operation = { NULL };
  guint i = 0;

  while (!g_str_equal (plain_verbs[i].verb, arguments->command->name))
    i++;
  operation.member = plain_verbs[i].member;
  return qs_ctl_domain_operate (ctl, arguments, &operation, plain_verbs[i].told, error);
}

static const QsCtlOption define_options[] = {
  { .name = "file",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_REQUIRED,
    .subject = QS_CTL_FILE_NAME,
    .value = "file",
    .help = "libvirt domain document" },
  { .name = "validate", .help = "check the document against the schema" },
  { .name = "owner",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "uid",
    .help = "number of the user that the domain is to belong to" },
  QS_CTL_JSON,
  QS_CTL_END,
};

static const QsCtlOption undefine_options[] = {
  QS_CTL_DOMAIN,
  { .name = "snapshots-metadata",
    .flag = QS_UNDEFINE_SNAPSHOTS_METADATA,
    .help = "forget its snapshots too, and keep their files" },
  { .name = "snapshots-full",
    .flag = QS_UNDEFINE_SNAPSHOTS_FULL,
    .help = "delete its snapshots with their files" },
  QS_CTL_DRY_RUN,
  QS_CTL_NO_WAIT,
  QS_CTL_JSON,
  QS_CTL_END,
};

static const QsCtlOption start_options[] = {
  QS_CTL_DOMAIN,
  { .name = "paused", .help = "do not let the guest run yet" },
  { .name = "reset-nvram", .help = "take the firmware's variables from their template again" },
  QS_CTL_NO_WAIT,
  QS_CTL_JSON,
  QS_CTL_END,
};

static const QsCtlOption plain_options[] = {
  QS_CTL_DOMAIN,
  QS_CTL_NO_WAIT,
  QS_CTL_JSON,
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_domain_commands[] = {
  { "define", "make a domain known, or replace its definition",
    "The document is kept whole. No file is touched.", define_options, run_define },
  { "undefine", "forget a domain",
    "Its disks stay. A domain with snapshots needs one of the two options.", undefine_options,
    run_undefine },
  { "start", "start a domain", NULL, start_options, run_start },
  { "shutdown", "ask the guest to shut down",
    "Ends when the guest is asked; `domstate` tells when it is off.", plain_options, run_plain },
  { "destroy", "end a domain at once", "As pulling the plug: no file is deleted.", plain_options,
    run_plain },
  { "suspend", "pause a domain", NULL, plain_options, run_plain },
  { "resume", "let a paused domain go on", NULL, plain_options, run_plain },
  { NULL },
};
