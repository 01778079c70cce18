/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-domain.h"
#include "ctl-output.h"
#include "qs-error.h"
#include "qs-names.h"

/* the service knows nothing of our folder, which no word at all would be the name of */
static char *
absolute (const QsCtlArguments *arguments, const char *option, GError **error)
{
  const char *path = qs_ctl_arguments_get (arguments, option);

  if (*path != '\0')
    return g_canonicalize_filename (path, NULL);
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "--%s: the path is empty", option);
  return NULL;
}

static gboolean
add_agent (const QsCtlArguments *arguments, GVariantDict *options, GError **error)
{
  g_autofree char *path = NULL;

  if (!qs_ctl_arguments_has (arguments, "guest-agent"))
    return TRUE;
  path = absolute (arguments, "guest-agent", error);
  if (path != NULL)
    g_variant_dict_insert (options, "guest-agent", "s", path);
  return path != NULL;
}

/* @options: a{sv} */
static gboolean
add_options (const QsCtlArguments *arguments, GVariantDict *options, GError **error)
{
  static const char *const texts[] = { "name", "uuid" };
  gboolean is_stable = qs_ctl_arguments_has (arguments, "stable-path");

  if (is_stable && qs_ctl_arguments_has (arguments, "no-stable-path"))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                           "options --stable-path and --no-stable-path are mutually exclusive");
      return FALSE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (qs_ctl_arguments_has (arguments, texts[i]))
      g_variant_dict_insert (options, texts[i], "s", qs_ctl_arguments_get (arguments, texts[i]));
  if (is_stable || qs_ctl_arguments_has (arguments, "no-stable-path"))
    g_variant_dict_insert (options, "stable-path", "b", is_stable);
  return add_agent (arguments, options, error)
         && qs_ctl_domain_add_owner (arguments, options, error);
}

/* the files of one that has no chain could not be looked at, or it has none */
static void
tell_disks (GVariant *domain)
{
  g_autoptr (GVariant) disks = g_variant_lookup_value (domain, "Disks", G_VARIANT_TYPE ("aa{sv}"));
  gsize n = disks != NULL ? g_variant_n_children (disks) : 0;

  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);
      g_autoptr (GVariant) chain = g_variant_lookup_value (disk, "backing-chain", NULL);
      const char *target = "", *device = "";
      gboolean is_readonly = FALSE;

      g_variant_lookup (disk, "target", "&s", &target);
      g_variant_lookup (disk, "device", "&s", &device);
      g_variant_lookup (disk, "read-only", "b", &is_readonly);
      if (chain == NULL && !is_readonly && g_str_equal (device, "disk"))
        qs_ctl_note ("disk '%s' cannot be snapshotted as it is: its files cannot be looked at",
                     target);
    }
}

static void
tell_attached (const QsCtl *ctl, const QsCtlArguments *arguments, GVariant *domain,
               const char *path, const char *socket)
{
  const char *name = "", *reason = "";

  if (qs_ctl_arguments_has (arguments, "json"))
    {
      qs_ctl_print_json (qs_ctl_add_path (domain, path));
      return;
    }
  g_variant_lookup (domain, "Name", "&s", &name);
  g_variant_lookup (domain, "QuarantineReason", "&s", &reason);
  if (ctl->quiet)
    return;
  qs_ctl_print ("Domain '%s' attached at %s", name, socket);
  tell_disks (domain);
  if (*reason != '\0')
    qs_ctl_note ("the domain is in quarantine: %s", reason);
}

/* nobody has to wait for what listens there; the service goes on with it */
static GVariant *
call_attach (QsCtl *ctl, GVariant *arguments, GError **error)
{
  g_autoptr (GError) problem = NULL;
  GVariant *reply = qs_ctl_call (ctl, QS_PATH, "Manager.AttachDomain", arguments, &problem);

  if (g_error_matches (problem, QS_ERROR, QS_ERROR_CANCELLED) && ctl->interrupts > 0)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_CANCELLED,
                         "interrupted; the virtual machine may be attached nevertheless");
  else if (problem != NULL)
    g_propagate_error (error, g_steal_pointer (&problem));
  return reply;
}

static gboolean
run_attach (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *socket = absolute (arguments, "socket", error);
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) domain = NULL;
  const char *path;

  if (socket == NULL || !add_options (arguments, &options, error))
    return FALSE;
  reply =
      call_attach (ctl, g_variant_new ("(s@a{sv})", socket, g_variant_dict_end (&options)), error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(&o)", &path);
  domain = qs_ctl_get_properties (ctl, path, "Domain", error);
  if (domain == NULL)
    return FALSE;
  tell_attached (ctl, arguments, domain, path, socket);
  return TRUE;
}

static gboolean
run_detach (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  QsCtlOperation operation = { .member = "Domain.Detach" };

  return qs_ctl_domain_operate (ctl, arguments, &operation, "detached", error);
}

static gboolean
run_repair (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  QsCtlOperation operation = { .member = "Domain.Repair" };

  if (qs_ctl_arguments_has (arguments, "accept"))
    g_variant_dict_insert (&options, "accept", "b", TRUE);
  operation.arguments =
      g_variant_new ("(@as@a{sv})", g_variant_new_strv (NULL, 0), g_variant_dict_end (&options));
  return qs_ctl_domain_operate (ctl, arguments, &operation, "is out of quarantine", error);
}

static const QsCtlOption attach_options[] = {
  { .name = "socket",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_REQUIRED,
    .subject = QS_CTL_FILE_NAME,
    .value = "socket",
    .help = "QMP socket of the running QEMU" },
  { .name = "name",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "name",
    .help = "what the domain is to be called; else as QEMU says" },
  { .name = "uuid",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "uuid",
    .help = "uuid for a QEMU that has none" },
  { .name = "owner",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "uid",
    .help = "number of the user that QEMU runs as" },
  { .name = "guest-agent",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .subject = QS_CTL_FILE_NAME,
    .value = "socket",
    .help = "socket of the guest agent" },
  { .name = "no-stable-path",
    .help = "overlays get names of their own; QEMU must then be started with them" },
  { .name = "stable-path", .help = "overlays take over the names with which QEMU is started" },
  QS_CTL_JSON,
  QS_CTL_END,
};

static const QsCtlOption detach_options[] = {
  QS_CTL_DOMAIN,
  QS_CTL_NO_WAIT,
  QS_CTL_JSON,
  QS_CTL_END,
};

static const QsCtlOption repair_options[] = {
  QS_CTL_DOMAIN,  { .name = "accept", .help = "take the domain as it is now for right" },
  QS_CTL_NO_WAIT, QS_CTL_JSON,
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_attach_commands[] = {
  { "attach", "make a virtual machine known that somebody else has started",
    "QEMU must have a QMP socket of its own: -qmp unix:SOCKET,server=on,wait=off", attach_options,
    run_attach },
  { "detach", "let go of a virtual machine that somebody else has started",
    "It runs on. A domain with snapshots stays known, others are forgotten.", detach_options,
    run_detach },
  { "repair", "end the quarantine of a domain",
    "`dominfo` says why it is there. Needs --accept: look at its files first.", repair_options,
    run_repair },
  { NULL },
};
