/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-schema.h"
#include "qs-snapshot-def.h"

#include "xml-compare.h"

/* documents of the corpus with bytes changed at random, always the same ones: nothing crashes, and
 * what is accepted is written and read back as it is */
#define SEED 20260
#define ROUNDS 150

static const char *const fragments[] = {
  "<",
  ">",
  "/>",
  "'",
  "\"",
  "&",
  "&lt;",
  "&#0;",
  "&#x1F600;",
  "<!--",
  "-->",
  "]]>",
  "<![CDATA[",
  "<?a",
  "?>",
  "=",
  "\xff",
  "\xc3",
  "<!DOCTYPE",
  "xmlns=''",
  "<disk",
  "</disk>",
  "../",
  "0",
  "-1",
  "99999999999999999999",
  "snapshot='external'",
  "file='/a'",
  "<domain type='kvm'><name>x</name></domain>",
};

static char *
mutate (GRand *random, const char *xml)
{
  GString *text = g_string_new (xml);
  gint count = g_rand_int_range (random, 1, 5);

  for (gint i = 0; i < count && text->len > 2; i++)
    {
      gsize at = g_rand_int_range (random, 0, (gint32)text->len);
      gsize length = g_rand_int_range (random, 0, 12);

      length = MIN (length, text->len - at);
      if (g_rand_boolean (random))
        g_string_erase (text, at, length);
      if (g_rand_boolean (random))
        g_string_insert (text, at,
                         fragments[g_rand_int_range (random, 0, G_N_ELEMENTS (fragments))]);
    }
  return g_string_free (text, FALSE);
}

static void
assert_our_error (const GError *error)
{
  g_assert_nonnull (error);
  g_assert_true (error->domain == QS_ERROR);
  g_assert_true (error->code == QS_ERROR_XML_INVALID || error->code == QS_ERROR_CONFIG_UNSUPPORTED
                 || error->code == QS_ERROR_LIMIT_EXCEEDED);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

static gboolean
try_domain (const char *xml)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = qs_domain_def_new (xml, &error);
  g_autoptr (QsDomainDef) again = NULL;
  g_autofree char *text = NULL;

  if (def == NULL)
    {
      assert_our_error (error);
      return FALSE;
    }
  text = qs_domain_def_format (def, TRUE);
  assert_same_meaning (text, xml);
  again = qs_domain_def_new_record (text, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (again->name, ==, def->name);
  g_assert_cmpuint (again->disks->len, ==, def->disks->len);
  return TRUE;
}

static gboolean
try_snapshot (const char *xml)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsSnapshotDef) def = qs_snapshot_def_parse (xml, &error);
  g_autoptr (QsSnapshotDef) again = NULL;
  g_autofree char *text = NULL;
  g_autofree char *twice = NULL;

  if (def == NULL)
    {
      assert_our_error (error);
      return FALSE;
    }
  text = qs_snapshot_def_format (def, TRUE);
  again = qs_snapshot_def_parse_record (text, &error);
  g_assert_no_error (error);
  twice = qs_snapshot_def_format (again, TRUE);
  g_assert_cmpstr (twice, ==, text);
  return TRUE;
}

static gboolean
try_schema_domain (const char *xml)
{
  g_autoptr (GError) error = NULL;

  if (qs_schema_check (QS_SCHEMA_DOMAIN, xml, NULL, &error))
    return TRUE;
  assert_our_error (error);
  return FALSE;
}

typedef struct
{
  const char *folder;
  gboolean (*attempt) (const char *xml);
  guint divisor;
} Target;

static const Target targets[] = {
  { "domain", try_domain, 1 },
  { "snapshot", try_snapshot, 1 },
  { "domain", try_schema_domain, 10 },
};

static void
test_target (gconstpointer data)
{
  const Target *target = data;
  g_auto (GStrv) corpus = list_data (target->folder);
  GRand *random = g_rand_new_with_seed (SEED);
  guint accepted = 0;
  guint refused = 0;

  for (guint i = 0; corpus[i] != NULL; i++)
    {
      g_autofree char *xml = read_data (corpus[i]);

      for (guint round = 0; round < ROUNDS / target->divisor; round++)
        {
          g_autofree char *mutant = mutate (random, xml);
          gboolean ok = target->attempt (mutant);

          accepted += ok;
          refused += !ok;
        }
    }
  g_rand_free (random);
  g_assert_cmpuint (accepted, >, 0);
  g_assert_cmpuint (refused, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (targets); i++)
    {
      g_autofree char *path = g_strdup_printf ("/xml-mutation/%u", i);

      g_test_add_data_func (path, &targets[i], test_target);
    }
  return g_test_run ();
}
