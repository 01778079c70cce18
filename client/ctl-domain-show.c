/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-operation.h"
#include "ctl-output.h"
#include "qs-flags.h"
#include "qs-names.h"

static const char *
get_word (GVariant *properties, const char *key)
{
  const char *word = "";

  g_variant_lookup (properties, key, "&s", &word);
  return word;
}

/* @objects: a{oa{sa{sv}}}; domains of other users, that are shown when asked for, are not in it */
static GVariant *
get_domain (QsCtl *ctl, GVariant *objects, const char *path, GError **error)
{
  g_autoptr (GVariant) interfaces =
      g_variant_lookup_value (objects, path, G_VARIANT_TYPE ("a{sa{sv}}"));
  GVariant *properties = NULL;

  if (interfaces != NULL)
    properties = g_variant_lookup_value (interfaces, QS_DOMAIN_INTERFACE, G_VARIANT_TYPE_VARDICT);
  return properties != NULL ? properties : qs_ctl_get_properties (ctl, path, "Domain", error);
}

/* (element-type GVariant): the properties, with the path, of the domains that are asked for */
static GPtrArray *
get_domains (QsCtl *ctl, guint flags, GError **error)
{
  g_autoptr (GVariant) reply =
      qs_ctl_call (ctl, QS_PATH, "Manager.ListDomains", g_variant_new ("(u)", flags), error);
  g_autoptr (GVariant) objects = NULL;
  g_autoptr (GPtrArray) domains = g_ptr_array_new_with_free_func ((GDestroyNotify)g_variant_unref);
  g_autofree const char **paths = NULL;

  if (reply == NULL)
    return NULL;
  objects = qs_ctl_get_managed_objects (ctl, QS_PATH, error);
  if (objects == NULL)
    return NULL;
  g_variant_get (reply, "(^a&o)", &paths);
  for (guint i = 0; paths[i] != NULL; i++)
    {
      g_autoptr (GVariant) properties = get_domain (ctl, objects, paths[i], error);

      if (properties == NULL)
        return NULL;
      g_ptr_array_add (domains, g_variant_ref_sink (qs_ctl_add_path (properties, paths[i])));
    }
  return g_steal_pointer (&domains);
}

static void
print_domains (QsCtl *ctl, const GPtrArray *domains)
{
  const char *const header[] = { "Id", "Name", "State", NULL };
  g_autoptr (QsCtlTable) table = qs_ctl_table_new (header);

  for (guint i = 0; i < domains->len; i++)
    {
      GVariant *domain = g_ptr_array_index (domains, i);
      const char *cells[] = { "-", get_word (domain, "Name"),
                              qs_ctl_state_word (get_word (domain, "State")) };

      qs_ctl_table_add (table, cells);
    }
  qs_ctl_print_table (table, ctl->quiet);
}

static void
print_json_list (const GPtrArray *values)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < values->len; i++)
    g_variant_builder_add_value (&builder, g_ptr_array_index (values, i));
  qs_ctl_print_json (g_variant_builder_end (&builder));
}

static gboolean
run_list (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  guint flags = arguments->flags;
  g_autoptr (GPtrArray) domains = NULL;
  const char *column = NULL;

  if (!qs_ctl_arguments_has (arguments, "all") && !qs_ctl_arguments_has (arguments, "inactive"))
    flags |= QS_DOMAINS_ACTIVE;
  domains = get_domains (ctl, flags, error);
  if (domains == NULL)
    return FALSE;
  if (qs_ctl_arguments_has (arguments, "json"))
    print_json_list (domains);
  else if (qs_ctl_arguments_has (arguments, "uuid"))
    column = "UUID";
  else if (qs_ctl_arguments_has (arguments, "name"))
    column = "Name";
  else
    print_domains (ctl, domains);
  for (guint i = 0; column != NULL && i < domains->len; i++)
    qs_ctl_print ("%s", get_word (g_ptr_array_index (domains, i), column));
  return TRUE;
}

static gboolean
run_dumpxml (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autofree char *path = qs_ctl_find_domain (ctl, arguments, error);
  g_autoptr (GVariant) reply = NULL;
  const char *xml;

  if (path == NULL)
    return FALSE;
  reply =
      qs_ctl_call (ctl, path, "Domain.GetXMLDesc", g_variant_new ("(u)", arguments->flags), error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(&s)", &xml);
  qs_ctl_print_document (xml);
  return TRUE;
}

static GVariant *
get_named_domain (QsCtl *ctl, const QsCtlArguments *arguments, GError **error)
{
  g_autofree char *path = qs_ctl_find_domain (ctl, arguments, error);

  return path != NULL ? qs_ctl_get_properties (ctl, path, "Domain", error) : NULL;
}

static gboolean
print_current (QsCtl *ctl, GVariant *domain, GError **error)
{
  g_autofree char *name = NULL;
  const char *path = "/";

  g_variant_lookup (domain, "CurrentSnapshot", "&o", &path);
  if (g_str_equal (path, "/"))
    name = g_strdup ("-");
  else
    name = qs_ctl_get_string (ctl, path, "DomainSnapshot.Name", error);
  if (name != NULL)
    qs_ctl_print ("%-15s %s", "Current:", name);
  return name != NULL;
}

static gboolean
is_set (GVariant *properties, const char *key)
{
  gboolean value = FALSE;

  g_variant_lookup (properties, key, "b", &value);
  return value;
}

/* lines that virsh does not have are there for domains that virsh cannot have */
static void
print_attached (GVariant *domain)
{
  if (!is_set (domain, "Attached"))
    return;
  qs_ctl_print ("%-15s %s", "Attached:", "yes");
  qs_ctl_print ("%-15s %s", "Connected:", is_set (domain, "Connected") ? "yes" : "no");
}

static gboolean
print_info (QsCtl *ctl, GVariant *domain, GError **error)
{
  guint owner = 0, n_snapshots = 0;

  g_variant_lookup (domain, "Owner", "u", &owner);
  g_variant_lookup (domain, "SnapshotCount", "u", &n_snapshots);
  qs_ctl_print ("%-15s %s", "Id:", "-");
  qs_ctl_print ("%-15s %s", "Name:", get_word (domain, "Name"));
  qs_ctl_print ("%-15s %s", "UUID:", get_word (domain, "UUID"));
  qs_ctl_print ("%-15s %s", "State:", qs_ctl_state_word (get_word (domain, "State")));
  qs_ctl_print ("%-15s %s", "Persistent:", is_set (domain, "Defined") ? "yes" : "no");
  print_attached (domain);
  qs_ctl_print ("%-15s %u", "Owner:", owner);
  qs_ctl_print ("%-15s %u", "Snapshots:", n_snapshots);
  if (!print_current (ctl, domain, error))
    return FALSE;
  if (*get_word (domain, "QuarantineReason") != '\0')
    qs_ctl_print ("%-15s %s", "Quarantined:", get_word (domain, "QuarantineReason"));
  return TRUE;
}

static gboolean
run_dominfo (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autoptr (GVariant) domain = get_named_domain (ctl, arguments, error);

  if (domain == NULL)
    return FALSE;
  if (!qs_ctl_arguments_has (arguments, "json"))
    return print_info (ctl, domain, error);
  qs_ctl_print_json (domain);
  return TRUE;
}

static gboolean
run_domstate (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autofree char *path = qs_ctl_find_domain (ctl, arguments, error);
  g_autofree char *state = NULL;

  if (path != NULL)
    state = qs_ctl_get_string (ctl, path, "Domain.State", error);
  if (state == NULL)
    return FALSE;
  if (qs_ctl_arguments_has (arguments, "json"))
    qs_ctl_print_json (g_variant_new_string (state));
  else
    qs_ctl_print ("%s", qs_ctl_state_word (state));
  return TRUE;
}

/* libvirt's type of a source: of a path only these two can be */
static const char *
type_of (const char *source)
{
  return g_str_has_prefix (source, "/dev/") ? "block" : "file";
}

static void
print_disks (QsCtl *ctl, GVariant *disks, const QsCtlArguments *arguments)
{
  const char *const header[] = { "Type", "Device", "Target", "Source", NULL };
  guint skipped = qs_ctl_arguments_has (arguments, "details") ? 0 : 2;
  g_autoptr (QsCtlTable) table = qs_ctl_table_new (header + skipped);

  for (gsize i = 0; i < g_variant_n_children (disks); i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);
      const char *source = get_word (disk, "source");
      const char *cells[] = { type_of (source), get_word (disk, "device"),
                              get_word (disk, "target"), *source != '\0' ? source : "-" };

      qs_ctl_table_add (table, cells + skipped);
    }
  qs_ctl_print_table (table, ctl->quiet);
}

static gboolean
run_domblklist (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autofree char *path = qs_ctl_find_domain (ctl, arguments, error);
  g_autoptr (GVariant) disks = NULL;

  if (path == NULL)
    return FALSE;
  disks = qs_ctl_get_property (ctl, path, "Domain.Disks", error);
  if (disks == NULL)
    return FALSE;
  if (qs_ctl_arguments_has (arguments, "json"))
    qs_ctl_print_json (disks);
  else
    print_disks (ctl, disks, arguments);
  return TRUE;
}

static const QsCtlOption list_options[] = {
  { .name = "all", .help = "also domains that do not run" },
  { .name = "inactive", .flag = QS_DOMAINS_INACTIVE, .help = "only domains that do not run" },
  { .name = "with-snapshot", .flag = QS_DOMAINS_WITH_SNAPSHOTS, .help = "only with snapshots" },
  { .name = "defined",
    .flag = QS_DOMAINS_DEFINED,
    .help = "only domains that the service starts itself" },
  { .name = "attached", .flag = QS_DOMAINS_ATTACHED, .help = "only domains that others start" },
  { .name = "all-owners",
    .flag = QS_DOMAINS_ALL_OWNERS,
    .help = "also domains of other users; may ask for a password" },
  { .name = "name", .help = "print names only" },
  { .name = "uuid", .help = "print uuids only" },
  QS_CTL_JSON,
  QS_CTL_END,
};

static const QsCtlOption dumpxml_options[] = {
  QS_CTL_DOMAIN,
  { .name = "security-info", .flag = QS_XML_SECURE, .help = "with its secrets" },
  QS_CTL_END,
};

static const QsCtlOption domain_options[] = { QS_CTL_DOMAIN, QS_CTL_JSON, QS_CTL_END };

static const QsCtlOption domblklist_options[] = {
  QS_CTL_DOMAIN,
  { .name = "details", .help = "also type and device" },
  QS_CTL_JSON,
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_domain_show_commands[] = {
  { "list", "list domains",
    "The column Id is there for scripts made for virsh; the service has no numbers for domains.",
    list_options, run_list },
  { "dominfo", "describe a domain", NULL, domain_options, run_dominfo },
  { "domstate", "print the state of a domain", NULL, domain_options, run_domstate },
  { "domblklist", "list the disks of a domain", NULL, domblklist_options, run_domblklist },
  { "dumpxml", "print the definition of a domain", NULL, dumpxml_options, run_dumpxml },
  { NULL },
};
