/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-operation.h"
#include "ctl-output.h"
#include "qs-error.h"
#include "qs-flags.h"

/* the snapshot that the arguments name; *domain: path of its domain */
static char *
find (QsCtl *ctl, const QsCtlArguments *arguments, char **domain, GError **error)
{
  *domain = qs_ctl_find_domain (ctl, arguments, error);
  return *domain != NULL ? qs_ctl_find_snapshot (ctl, arguments, *domain, error) : NULL;
}

static gboolean
print_xml (QsCtl *ctl, const char *path, guint flags, GError **error)
{
  g_autoptr (GVariant) reply =
      qs_ctl_call (ctl, path, "DomainSnapshot.GetXMLDesc", g_variant_new ("(u)", flags), error);
  const char *xml;

  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(&s)", &xml);
  qs_ctl_print_document (xml);
  return TRUE;
}

static gboolean
run_dumpxml (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autofree char *domain = NULL;
  g_autofree char *path = find (ctl, arguments, &domain, error);

  return path != NULL && print_xml (ctl, path, arguments->flags, error);
}

/* @path: of a snapshot, or "/"; its name, "-" if there is none */
static char *
get_name_or_dash (QsCtl *ctl, const char *path, GError **error)
{
  if (g_str_equal (path, "/"))
    return g_strdup ("-");
  return qs_ctl_get_string (ctl, path, "DomainSnapshot.Name", error);
}

static gboolean
count_descendants (QsCtl *ctl, const char *path, guint *count, GError **error)
{
  g_autoptr (GVariant) reply =
      qs_ctl_call (ctl, path, "DomainSnapshot.NumChildren",
                   g_variant_new ("(u)", (guint)QS_LIST_DESCENDANTS), error);

  if (reply != NULL)
    g_variant_get (reply, "(u)", count);
  return reply != NULL;
}

static const char *
get_word (GVariant *properties, const char *key)
{
  const char *word = "";

  g_variant_lookup (properties, key, "&s", &word);
  return word;
}

static gboolean
is_set (GVariant *properties, const char *key)
{
  gboolean value = FALSE;

  return g_variant_lookup (properties, key, "b", &value) && value;
}

/* what virsh has no line for is printed only when there is something to say */
static void
print_more (GVariant *snapshot)
{
  if (*get_word (snapshot, "MemoryFile") != '\0')
    qs_ctl_print ("%-15s %s", "Memory file:", get_word (snapshot, "MemoryFile"));
  if (is_set (snapshot, "HasTip"))
    qs_ctl_print ("%-15s %s", "Tip:", "yes");
  if (is_set (snapshot, "Unverified"))
    qs_ctl_print ("%-15s %s", "Unverified:", "yes");
  if (*get_word (snapshot, "Description") != '\0')
    qs_ctl_print ("%-15s %s", "Description:", get_word (snapshot, "Description"));
}

static gboolean
print_info (QsCtl *ctl, const char *domain, const char *path, GVariant *snapshot, GError **error)
{
  const char *parent_path = "/";
  g_autofree char *domain_name = qs_ctl_get_string (ctl, domain, "Domain.Name", error);
  g_autofree char *parent = NULL;
  guint n_children = 0, n_descendants = 0;

  g_variant_lookup (snapshot, "Parent", "&o", &parent_path);
  g_variant_lookup (snapshot, "ChildCount", "u", &n_children);
  if (domain_name != NULL)
    parent = get_name_or_dash (ctl, parent_path, error);
  if (parent == NULL || !count_descendants (ctl, path, &n_descendants, error))
    return FALSE;
  qs_ctl_print ("%-15s %s", "Name:", get_word (snapshot, "Name"));
  qs_ctl_print ("%-15s %s", "Domain:", domain_name);
  qs_ctl_print ("%-15s %s", "Current:", is_set (snapshot, "Current") ? "yes" : "no");
  qs_ctl_print ("%-15s %s", "State:", get_word (snapshot, "State"));
  qs_ctl_print ("%-15s %s", "Location:", get_word (snapshot, "Kind"));
  qs_ctl_print ("%-15s %s", "Parent:", parent);
  qs_ctl_print ("%-15s %u", "Children:", n_children);
  qs_ctl_print ("%-15s %u", "Descendants:", n_descendants);
  qs_ctl_print ("%-15s %s", "Metadata:", "yes");
  print_more (snapshot);
  return TRUE;
}

static gboolean
run_info (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autofree char *domain = NULL;
  g_autofree char *path = find (ctl, arguments, &domain, error);
  g_autoptr (GVariant) snapshot = NULL;

  if (path != NULL)
    snapshot = qs_ctl_get_properties (ctl, path, "DomainSnapshot", error);
  if (snapshot == NULL)
    return FALSE;
  if (!qs_ctl_arguments_has (arguments, "json"))
    return print_info (ctl, domain, path, snapshot, error);
  qs_ctl_print_json (snapshot);
  return TRUE;
}

static gboolean
run_parent (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autofree char *domain = NULL;
  g_autofree char *path = find (ctl, arguments, &domain, error);
  g_autofree char *parent = NULL;
  g_autofree char *name = NULL;

  if (path != NULL)
    parent = qs_ctl_get_string (ctl, path, "DomainSnapshot.Parent", error);
  if (parent == NULL)
    return FALSE;
  name = qs_ctl_get_string (ctl, g_str_equal (parent, "/") ? path : parent, "DomainSnapshot.Name",
                            error);
  if (name == NULL)
    return FALSE;
  if (!g_str_equal (parent, "/"))
    {
      qs_ctl_print ("%s", name);
      return TRUE;
    }
  g_set_error (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT, "snapshot ‘%s’ has no parent", name);
  return FALSE;
}

/* as virsh does it: the record is written again, as the current one */
static gboolean
make_current (QsCtl *ctl, const QsCtlArguments *arguments, const char *domain, GError **error)
{
  const char *name = qs_ctl_arguments_get (arguments, "snapshotname");
  g_autofree char *path = qs_ctl_find_snapshot (ctl, arguments, domain, error);
  QsCtlOperation operation = { domain, "Domain.SnapshotCreateXML", NULL, NULL };
  g_auto (QsCtlOutcome) outcome = { NULL };
  g_autoptr (GVariant) reply = NULL;
  const char *xml;

  if (path == NULL)
    return FALSE;
  reply = qs_ctl_call (ctl, path, "DomainSnapshot.GetXMLDesc",
                       g_variant_new ("(u)", (guint)QS_XML_SECURE), error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(&s)", &xml);
  operation.arguments =
      g_variant_new ("(su)", xml, (guint)(QS_CREATE_REDEFINE | QS_CREATE_CURRENT));
  if (!qs_ctl_operate (ctl, arguments, &operation, &outcome, error))
    return FALSE;
  qs_ctl_outcome_tell (ctl, &outcome, "Snapshot %s set as current", name);
  return TRUE;
}

static gboolean
run_current (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  static const char *const exclusive[][2] = { { "snapshotname", "name" },
                                              { "snapshotname", "security-info" },
                                              { NULL, NULL } };
  g_autofree char *domain = NULL;
  g_autofree char *path = NULL;
  g_autofree char *name = NULL;

  if (!qs_ctl_arguments_exclude (arguments, exclusive, error))
    return FALSE;
  domain = qs_ctl_find_domain (ctl, arguments, error);
  if (domain == NULL)
    return FALSE;
  if (qs_ctl_arguments_has (arguments, "snapshotname"))
    return make_current (ctl, arguments, domain, error);
  path = qs_ctl_find_current (ctl, domain, error);
  if (path == NULL)
    return FALSE;
  if (!qs_ctl_arguments_has (arguments, "name"))
    return print_xml (ctl, path, arguments->flags, error);
  name = qs_ctl_get_string (ctl, path, "DomainSnapshot.Name", error);
  if (name != NULL)
    qs_ctl_print ("%s", name);
  return name != NULL;
}

#define SECURITY_INFO                                                                              \
  {                                                                                                \
    .name = "security-info", .flag = QS_XML_SECURE, .help = "with its secrets"                     \
  }

static const QsCtlOption info_options[] = { QS_CTL_DOMAIN, QS_CTL_SNAPSHOT, QS_CTL_CURRENT,
                                            QS_CTL_JSON, QS_CTL_END };

static const QsCtlOption parent_options[] = { QS_CTL_DOMAIN, QS_CTL_SNAPSHOT, QS_CTL_CURRENT,
                                              QS_CTL_END };

static const QsCtlOption dumpxml_options[] = { QS_CTL_DOMAIN, QS_CTL_SNAPSHOT, QS_CTL_CURRENT,
                                               SECURITY_INFO, QS_CTL_END };

static const QsCtlOption current_options[] = {
  QS_CTL_DOMAIN,
  { .name = "snapshotname",
    .kind = QS_CTL_STRING,
    .subject = QS_CTL_SNAPSHOT_NAME,
    .value = "snapshot",
    .help = "make this one current; the domain is not changed" },
  { .name = "name", .help = "print its name only" },
  SECURITY_INFO,
  QS_CTL_NO_WAIT,
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_snapshot_show_commands[] = {
  { "snapshot-info", "describe a snapshot", NULL, info_options, run_info },
  { "snapshot-dumpxml", "print the document of a snapshot", NULL, dumpxml_options, run_dumpxml },
  { "snapshot-parent", "print the name of the parent of a snapshot", NULL, parent_options,
    run_parent },
  { "snapshot-current", "print or set the current snapshot",
    "Prints the document of the current snapshot.", current_options, run_current },
  { NULL },
};
