/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "store-fixture.h"

#define UUID "11111111-2222-3333-4444-555555555555"

static QsDomain *
make_domain (void)
{
  g_autofree char *xml = make_definition ("d", UUID);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = qs_domain_def_new (xml, &error);

  g_assert_no_error (error);
  return qs_domain_new ("id-1", 1000, def);
}

static const QsDiskDef *
find_disk (const QsDomain *domain, const char *target)
{
  return qs_domain_def_find_disk (domain->def, target);
}

static void
test_new (void)
{
  g_autoptr (QsDomain) domain = make_domain ();

  g_assert_cmpstr (domain->id, ==, "id-1");
  g_assert_cmpstr (domain->uuid, ==, UUID);
  g_assert_cmpstr (domain->name, ==, "d");
  g_assert_cmpuint (domain->owner, ==, 1000);
  g_assert_cmpuint (domain->rev, ==, 0);
  g_assert_false (qs_domain_is_active (domain));
  g_assert_cmpuint (qs_tree_size (domain->tree), ==, 0);
  g_assert_true (qs_domain_get_def (domain) == domain->def);
}

static void
test_active (void)
{
  g_autoptr (QsDomain) domain = make_domain ();

  g_assert_cmpstr (qs_domain_disk_path (domain, find_disk (domain, "vda")), ==,
                   "/images/vda.qcow2");
  g_assert_cmpstr (qs_domain_disk_format (domain, find_disk (domain, "vdb")), ==, "raw");
  qs_domain_put_active (domain, "vdb", "/images/vdb.s1", "qcow2", "");
  qs_domain_put_active (domain, "vda", "/images/vda.s1", "qcow2", "vda");
  qs_domain_put_active (domain, "vdb", "/images/vdb.s2", "qed", "vdb");
  g_assert_cmpstr (qs_domain_disk_path (domain, find_disk (domain, "vdb")), ==, "/images/vdb.s2");
  g_assert_cmpstr (qs_domain_disk_format (domain, find_disk (domain, "vdb")), ==, "qed");
  g_assert_cmpstr (qs_domain_find_active (domain, "vda")->stem, ==, "vda");
  g_assert_cmpuint (domain->actives->len, ==, 2);
  qs_domain_put_active (domain, "vdb", "", "", "");
  g_assert_cmpstr (qs_domain_disk_path (domain, find_disk (domain, "vdb")), ==, "/images/vdb.raw");
  g_assert_null (qs_domain_find_active (domain, "vdb"));
}

static void
test_true_def (void)
{
  g_autoptr (QsDomain) domain = make_domain ();
  g_autoptr (QsDomainDef) def = NULL;
  g_autoptr (GError) error = NULL;
  const QsDiskDef *disk;

  qs_domain_put_active (domain, "vdb", "/images/vdb.s1", "qcow2", NULL);
  qs_domain_put_active (domain, "vdz", "/images/left", "qcow2", NULL);
  def = qs_domain_true_def (domain, FALSE, &error);
  g_assert_no_error (error);
  disk = qs_domain_def_find_disk (def, "vdb");
  g_assert_cmpstr (disk->source, ==, "/images/vdb.s1");
  g_assert_cmpstr (disk->format, ==, "qcow2");
  disk = qs_domain_def_find_disk (def, "vda");
  g_assert_cmpstr (disk->source, ==, "/images/vda.qcow2");

  /* the kept document is not written to */
  g_assert_cmpstr (find_disk (domain, "vdb")->source, ==, "/images/vdb.raw");
}

static void
test_copy (void)
{
  g_autoptr (QsDomain) domain = make_domain ();
  g_autoptr (QsDomain) copy = NULL;
  g_autofree char *expected = NULL;
  g_autofree char *text = NULL;

  domain->process = qs_process_new (1, 2, "boot", "/s", "unit");
  domain->live_def = qs_domain_def_ref (domain->def);
  domain->quarantine_reason = g_strdup ("why");
  domain->state = QS_DOMAIN_RUNNING;
  domain->rev = 9;
  qs_domain_put_active (domain, "vdb", "/images/vdb.s1", "qcow2", NULL);
  expected = describe_domain (domain);
  copy = qs_domain_copy (domain);
  g_clear_pointer (&domain, qs_domain_unref);
  text = describe_domain (copy);
  g_assert_cmpstr (text, ==, expected);
  g_assert_true (qs_domain_is_active (copy));
}

/* the value that is handed in stays as it was */
static void
test_apply_is_pure (void)
{
  g_autoptr (QsDomain) domain = make_domain ();
  g_autoptr (QsDomain) after = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *before_text = describe_domain (domain);
  g_autofree char *text = NULL;
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  qs_changes_init (&list);
  add_snapshot (&list, "s-1", "one", "");
  add_snapshot (&list, "s-2", "two", "s-1");
  qs_changes_add (&list, QS_CHANGE_CURRENT, "uuid", "s", "s-2", NULL);
  qs_changes_add (&list, QS_CHANGE_ACTIVE, "target", "s", "vda", "path", "s", "/x", "format", "s",
                  "qcow2", NULL);
  qs_changes_add (&list, QS_CHANGE_QUARANTINE, "reason", "s", "why", NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  after = qs_domain_apply (domain, changes, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (after->rev, ==, 5);
  g_assert_cmpuint (qs_tree_size (after->tree), ==, 2);
  g_assert_cmpstr (qs_tree_get_current (after->tree)->name, ==, "two");
  g_assert_cmpuint (qs_tree_lookup (after->tree, "s-2")->rev, ==, 2);
  g_assert_cmpstr (after->quarantine_reason, ==, "why");
  text = describe_domain (domain);
  g_assert_cmpstr (text, ==, before_text);
}

static void
test_apply_new (void)
{
  g_autoptr (GVariant) put = g_variant_ref_sink (make_domain_put ("n", UUID, 12));
  g_autoptr (GVariant) gone =
      g_variant_ref_sink (g_variant_new_parsed ("[('domain-delete', @a{sv} {})]"));
  g_autoptr (GVariant) forget =
      g_variant_ref_sink (g_variant_new_parsed ("[('file-forget', {'path': <'/x'>})]"));
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomain) domain = qs_domain_apply (NULL, put, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (domain->id, ==, UUID);
  g_assert_cmpuint (domain->owner, ==, 12);
  g_assert_cmpuint (domain->rev, ==, 1);
  g_assert_null (qs_domain_apply (domain, gone, &error));
  g_assert_no_error (error);
  g_assert_null (qs_domain_apply (NULL, forget, &error));
  g_assert_no_error (error);
}

static const struct
{
  const char *changes;
  QsError code;
} refused[] = {
  { "[('current', {'uuid': <'s-9'>})]", QS_ERROR_NO_SNAPSHOT },
  { "[('snapshot-delete', {'uuid': <'s-9'>})]", QS_ERROR_NO_SNAPSHOT },
  { "[('domain-state', {'state': <'asleep'>})]", QS_ERROR_FAILED },
  { "[('tip', {'uuid': <'s-9'>, 'target': <'vda'>, 'path': <'/x'>})]", QS_ERROR_NO_SNAPSHOT },
  { "[('tip-forget', {'uuid': <'s-9'>})]", QS_ERROR_NO_SNAPSHOT },
  { "[('file-merge', {'path': <'/x'>, 'into': <'/x'>, 'format': <'raw'>})]", QS_ERROR_FAILED },
  { "[('file-merge', {'path': <'/x'>, 'into': <''>, 'format': <'raw'>})]", QS_ERROR_FAILED },
  { "[('live-def', {'definition': <'<domain'>})]", QS_ERROR_XML_INVALID },
  { "[('domain-delete', @a{sv} {}), ('current', {'uuid': <''>})]", QS_ERROR_NO_DOMAIN },
};

static void
test_apply_refused (void)
{
  g_autoptr (QsDomain) domain = make_domain ();

  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autoptr (GVariant) changes = g_variant_ref_sink (g_variant_new_parsed (refused[i].changes));
      g_autoptr (GError) error = NULL;

      g_assert_null (qs_domain_apply (domain, changes, &error));
      g_assert_error (error, QS_ERROR, (int)refused[i].code);
    }
}

static QsDomain *
apply_text (const QsDomain *domain, const char *text)
{
  g_autoptr (GVariant) changes = g_variant_ref_sink (g_variant_new_parsed (text));
  g_autoptr (GError) error = NULL;
  QsDomain *after = qs_domain_apply (domain, changes, &error);

  g_assert_no_error (error);
  return after;
}

/* nothing but the tip changes, and only of that snapshot */
static void
test_apply_tip (void)
{
  g_autoptr (QsDomain) domain = make_domain ();
  g_autoptr (GVariant) put = NULL;
  g_autoptr (QsDomain) before = NULL;
  g_autoptr (QsDomain) with_tip = NULL;
  g_autoptr (QsDomain) edited = NULL;
  g_autoptr (QsDomain) after = NULL;
  QsChangeList list;

  qs_changes_init (&list);
  add_snapshot (&list, "s-1", "one", "");
  add_snapshot (&list, "s-2", "two", "s-1");
  put = g_variant_ref_sink (qs_changes_end (&list));
  before = qs_domain_apply (domain, put, NULL);
  g_assert_false (qs_tree_lookup (before->tree, "s-1")->has_tip);

  with_tip = apply_text (before, "[('tip', {'uuid': <'s-1'>, 'target': <'vda'>, 'path': <'/x'>})]");
  g_assert_false (qs_tree_lookup (before->tree, "s-1")->has_tip);
  g_assert_true (qs_tree_lookup (with_tip->tree, "s-1")->has_tip);
  g_assert_false (qs_tree_lookup (with_tip->tree, "s-2")->has_tip);
  g_assert_cmpstr (qs_tree_lookup (with_tip->tree, "s-1")->name, ==, "one");
  g_assert_cmpstr (qs_tree_lookup (with_tip->tree, "s-2")->parent, ==, "s-1");

  edited = apply_text (with_tip, "[('snapshot-edit', {'uuid': <'s-1'>, 'name': <'uno'>, "
                                 "'description': <''>})]");
  g_assert_true (qs_tree_lookup (edited->tree, "s-1")->has_tip);
  after = apply_text (edited, "[('tip-forget', {'uuid': <'s-1'>})]");
  g_assert_false (qs_tree_lookup (after->tree, "s-1")->has_tip);
  g_assert_cmpstr (qs_tree_lookup (after->tree, "s-1")->name, ==, "uno");
}

/* the disk goes over to the other file, and its overlays keep their names */
static void
test_apply_merge (void)
{
  g_autoptr (QsDomain) domain = make_domain ();
  g_autoptr (QsDomain) after = NULL;
  g_autoptr (QsDomain) others = NULL;
  const QsActive *active;

  qs_domain_put_active (domain, "vda", "/g", "qcow2", "stem");
  qs_domain_put_active (domain, "vdb", "/other", "qcow2", NULL);
  after =
      apply_text (domain, "[('file-merge', {'path': <'/g'>, 'into': <'/f'>, 'format': <'raw'>})]");
  active = qs_domain_find_active (after, "vda");
  g_assert_cmpstr (active->path, ==, "/f");
  g_assert_cmpstr (active->format, ==, "raw");
  g_assert_cmpstr (active->stem, ==, "stem");
  g_assert_cmpstr (qs_domain_find_active (after, "vdb")->path, ==, "/other");
  g_assert_cmpstr (qs_domain_find_active (after, "vdb")->format, ==, "qcow2");
  g_assert_cmpstr (qs_domain_find_active (domain, "vda")->path, ==, "/g");

  others = apply_text (after, "[('file-backing', {'path': <'/f'>, 'backing': <''>}), "
                              "('file-role', {'path': <'/f'>, 'role': <'layer'>})]");
  g_assert_cmpstr (qs_domain_find_active (others, "vda")->path, ==, "/f");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/domain/new", test_new);
  g_test_add_func ("/domain/active", test_active);
  g_test_add_func ("/domain/true-def", test_true_def);
  g_test_add_func ("/domain/copy", test_copy);
  g_test_add_func ("/domain/apply-is-pure", test_apply_is_pure);
  g_test_add_func ("/domain/apply-new", test_apply_new);
  g_test_add_func ("/domain/apply-tip", test_apply_tip);
  g_test_add_func ("/domain/apply-merge", test_apply_merge);
  g_test_add_func ("/domain/apply-refused", test_apply_refused);
  return g_test_run ();
}
