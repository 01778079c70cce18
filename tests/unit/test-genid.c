/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line.h"
#include "qs-genid.h"

#define GENID "3e3fce45-4f53-4fa7-bb32-11f34168b82b"

/* assigned, as when it is defined */
static QsDomainDef *
define (const char *genid, const QsDomainDef *previous)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strdup_printf (
      "<domain type='qemu'><name>d</name><uuid>5b1f3a36-0c3c-4f0e-9d0a-6a1f2b3c4dff</uuid>%s"
      "<memory>65536</memory><os><type arch='x86_64' machine='pc'>hvm</type></os></domain>",
      genid);
  g_autoptr (QsDomainDef) def = qs_domain_def_new (text, &error);
  QsDomainDef *assigned;

  g_assert_no_error (error);
  assigned = qs_domain_def_assign_addresses (def, previous, NULL, &error);
  g_assert_no_error (error);
  return assigned;
}

static void
test_get (void)
{
  g_autoptr (QsDomainDef) without = define ("", NULL);
  g_autoptr (QsDomainDef) with =
      define ("<genid> 3E3FCE45-4F53-4FA7-BB32-11F34168B82B </genid>", NULL);
  g_autoptr (QsDomainDef) wrong = define ("<genid>new</genid>", NULL);
  g_autofree char *genid = qs_genid_get (with);

  g_assert_false (qs_genid_is_asked_for (without));
  g_assert_null (qs_genid_get (without));
  g_assert_cmpstr (genid, ==, GENID);
  g_assert_true (qs_genid_is_asked_for (wrong));
  g_assert_null (qs_genid_get (wrong));
}

/* an empty element gets a number when it is defined, and keeps it */
static void
test_complete (void)
{
  g_autoptr (QsDomainDef) empty = define ("<genid/>", NULL);
  g_autoptr (QsDomainDef) given = define ("<genid>" GENID "</genid>", NULL);
  g_autoptr (QsDomainDef) again = define ("<genid/>", given);
  g_autofree char *first = qs_genid_get (empty);
  g_autofree char *kept = qs_genid_get (again);

  g_assert_nonnull (first);
  g_assert_cmpstr (first, !=, GENID);
  g_assert_cmpstr (kept, ==, GENID);
}

static void
test_set (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) without = define ("", NULL);
  g_autoptr (QsDomainDef) with = define ("<genid/>", NULL);
  g_autoptr (QsDomainDef) same = qs_genid_set (without, GENID, &error);
  g_autoptr (QsDomainDef) other = qs_genid_set (with, GENID, &error);
  g_autofree char *genid = qs_genid_get (other);

  g_assert_no_error (error);
  g_assert_false (qs_genid_is_asked_for (same));
  g_assert_cmpstr (genid, ==, GENID);
  g_assert_cmpstr (other->uuid, ==, with->uuid);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/genid/get", test_get);
  g_test_add_func ("/genid/complete", test_complete);
  g_test_add_func ("/genid/set", test_set);
  return g_test_run ();
}
