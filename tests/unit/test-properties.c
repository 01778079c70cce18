/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-properties.h"

#include "qs-dbus.h"
#include "qs-slow-properties.h"

static const struct
{
  QsObjectKind kind;
  GDBusInterfaceInfo *(*info) (void);
} kinds[] = {
  { QS_OBJECT_MANAGER, qs_dbus_manager_interface_info },
  { QS_OBJECT_DOMAIN, qs_dbus_domain_interface_info },
  { QS_OBJECT_SNAPSHOT, qs_dbus_domain_snapshot_interface_info },
  { QS_OBJECT_JOB, qs_dbus_job_interface_info },
};

/* what the interface declares is what can be read, no more and no less */
static void
test_complete (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      GDBusInterfaceInfo *info = kinds[i].info ();
      guint n = 0;

      g_assert_cmpstr (info->name, ==, qs_properties_interface (kinds[i].kind));
      for (; info->properties[n] != NULL; n++)
        g_assert_nonnull (qs_properties_find (kinds[i].kind, info->properties[n]->name));
      for (guint k = 0; k < n; k++)
        g_assert_true (info->properties[k]->flags == G_DBUS_PROPERTY_INFO_FLAGS_READABLE);
      g_assert_null (qs_properties_find (kinds[i].kind, "NoSuchProperty"));
    }
}

static const char *
type_of (QsObjectKind kind, const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (kinds[i].kind == kind)
      return g_dbus_interface_info_lookup_property (kinds[i].info (), name)->signature;
  g_assert_not_reached ();
}

static QsDomain *
make_domain (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = qs_domain_def_new (
      "<domain type='qemu'><name>vm</name><uuid>0d1c2b3a-0000-4000-8000-00000000000f</uuid>"
      "<memory>1024</memory></domain>",
      &error);
  QsSnapshot root = { .uuid = "u-1", .name = "one", .memory = QS_LOCATION_NO, .created = 7 };
  QsSnapshot child = { .uuid = "u-2", .name = "two", .parent = "u-1", .rev = 1 };
  g_autoptr (GPtrArray) snapshots = NULL;
  QsDomain *domain;

  g_assert_no_error (error);
  domain = qs_domain_new ("id-1", 1000, def);
  snapshots = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_unref);
  g_ptr_array_add (snapshots, qs_snapshot_new (&root));
  g_ptr_array_add (snapshots, qs_snapshot_new (&child));
  qs_tree_unref (domain->tree);
  domain->tree = qs_tree_new_full (snapshots, "u-1");
  return domain;
}

static void
test_snapshot (void)
{
  g_autoptr (QsDomain) domain = make_domain ();
  QsSubject subject = { .domain = domain, .snapshot = qs_tree_lookup (domain->tree, "u-1") };
  g_autoptr (GVariant) all =
      g_variant_ref_sink (qs_properties_get_all (QS_OBJECT_SNAPSHOT, &subject));
  g_autofree char *text = g_variant_print (all, TRUE);
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, all);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    g_assert_cmpstr (g_variant_get_type_string (value), ==, type_of (QS_OBJECT_SNAPSHOT, name));
  g_assert_nonnull (strstr (text, "'Name': <'one'>"));
  g_assert_nonnull (strstr (text, "'Parent': <objectpath '/'>"));
  g_assert_nonnull (strstr (text, "'Current': <true>"));
  g_assert_nonnull (strstr (text, "'ChildCount': <uint32 1>"));
  g_assert_nonnull (strstr (text, "'CreationTime': <uint64 7>"));
  g_assert_null (strstr (text, "'Disks'"));
}

static void
test_diff (void)
{
  g_autoptr (QsDomain) domain = make_domain ();
  g_autoptr (QsDomain) changed = qs_domain_copy (domain);
  QsSubject before = { .domain = domain, .snapshot = qs_tree_lookup (domain->tree, "u-1") };
  QsSubject after = { .domain = changed };
  g_autoptr (GVariant) diff = NULL;
  g_autofree char *text = NULL;

  qs_tree_unref (changed->tree);
  changed->tree = qs_tree_remove (domain->tree, "u-2");
  after.snapshot = qs_tree_lookup (changed->tree, "u-1");
  diff = g_variant_ref_sink (qs_properties_diff (QS_OBJECT_SNAPSHOT, &before, &after));
  text = g_variant_print (diff, TRUE);
  g_assert_cmpstr (text, ==, "{'ChildCount': <uint32 0>}");
  g_assert_null (qs_properties_diff (QS_OBJECT_SNAPSHOT, &before, &before));
}

/* Defined, Attached and Connected, as text */
static char *
describe_kind (const QsDomain *domain)
{
  static const char *const names[] = { "Defined", "Attached", "Connected", NULL };
  QsSubject subject = { .domain = domain };
  g_autoptr (GVariant) some =
      g_variant_ref_sink (qs_properties_get_some (QS_OBJECT_DOMAIN, &subject, names));

  return g_variant_print (some, FALSE);
}

static void
test_attached (void)
{
  g_autoptr (QsDomain) domain = make_domain ();
  g_autofree char *defined = describe_kind (domain);
  g_autofree char *lost = NULL;
  g_autofree char *connected = NULL;

  domain->attachment = qs_attachment_new ("/run/vm/qmp", "", TRUE, TRUE);
  lost = describe_kind (domain);
  domain->connected = TRUE;
  connected = describe_kind (domain);
  g_assert_cmpstr (defined, ==, "{'Defined': <true>, 'Attached': <false>, 'Connected': <false>}");
  g_assert_cmpstr (lost, ==, "{'Defined': <false>, 'Attached': <true>, 'Connected': <false>}");
  g_assert_cmpstr (connected, ==, "{'Defined': <false>, 'Attached': <true>, 'Connected': <true>}");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/properties/complete", test_complete);
  g_test_add_func ("/properties/snapshot", test_snapshot);
  g_test_add_func ("/properties/diff", test_diff);
  g_test_add_func ("/properties/attached", test_attached);
  return g_test_run ();
}
