/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "plan-fixture.h"
#include "qs-change.h"
#include "qs-error.h"
#include "qs-flags.h"

/* a request that is done in several parts */

/* s1 with s2, which has s3 and b3, and with b2 */
static QsDomain *
make_domain (void)
{
  static const char *const snapshots[][2] = {
    { "s1", "" }, { "s2", "s1" }, { "s3", "s2" }, { "b3", "s2" }, { "b2", "s1" },
  };
  g_autoptr (QsDomain) domain = fixture_domain (1);
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  qs_changes_init (&list);
  for (guint i = 0; i < G_N_ELEMENTS (snapshots); i++)
    qs_changes_add (&list, QS_CHANGE_SNAPSHOT_PUT, "uuid", "s", snapshots[i][0], "name", "s",
                    snapshots[i][0], "parent", "s", snapshots[i][1], "state", "s", "shutoff",
                    "kind", "s", "external", "memory", "s", "no", "origin", "s", "user", "created",
                    "x", FIXTURE_NOW, "document", "s", "", NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  return qs_domain_apply (domain, changes, NULL);
}

/* (transfer full): verb and snapshot of each part, flags where it has some */
static char *
describe (QsVerb verb, guint flags, const char *snapshot, GError **error)
{
  g_autoptr (QsDomain) domain = make_domain ();
  g_autoptr (QsRequest) request = fixture_request (verb, flags, snapshot);
  g_autoptr (QsQuestions) given = qs_questions_new ();
  g_autoptr (GPtrArray) parts = NULL;
  GString *text = g_string_new (NULL);

  request->options = g_variant_ref_sink (g_variant_new_parsed ("{'some': <'thing'>}"));
  parts = qs_operation_get (verb)->parts (domain, request, given, error);
  for (guint i = 0; parts != NULL && i < parts->len; i++)
    {
      const QsRequest *part = g_ptr_array_index (parts, i);

      g_string_append_printf (text, "%s %s %u; ", qs_operation_get (part->verb)->name,
                              part->snapshot, part->flags);
      g_assert_cmpuint (part->caller, ==, request->caller);
      g_assert_true ((part->options != NULL) == (part->verb == verb && i == 0 && flags == 16 + 1));
    }
  return g_string_free (text, FALSE);
}

static const struct
{
  QsVerb verb;
  guint flags;
  const char *snapshot;
  const char *parts;
} rows[] = {
  { QS_VERB_SNAPSHOT_REVERT, QS_REVERT_DISCARD | QS_REVERT_RUNNING, "s2",
    "snapshot-revert s2 17; snapshot-delete b3 0; snapshot-delete s3 0; " },
  /* there is nothing below */
  { QS_VERB_SNAPSHOT_REVERT, QS_REVERT_DISCARD, "s3", "" },
  { QS_VERB_SNAPSHOT_REVERT, 0, "s1", "" },
  { QS_VERB_SNAPSHOT_DELETE, 0, "s1", "" },
  { QS_VERB_SNAPSHOT_DELETE, QS_DELETE_CHILDREN, "s2",
    "snapshot-delete b3 0; snapshot-delete s3 0; snapshot-delete s2 0; " },
  { QS_VERB_SNAPSHOT_DELETE, QS_DELETE_CHILDREN_ONLY | QS_DELETE_METADATA_ONLY, "s2",
    "snapshot-delete b3 2; snapshot-delete s3 2; " },
};

static void
test_rows (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *text = describe (rows[i].verb, rows[i].flags, rows[i].snapshot, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (text, ==, rows[i].parts);
    }
}

static void
test_refused (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text =
      describe (QS_VERB_SNAPSHOT_REVERT, QS_REVERT_DISCARD | QS_REVERT_COMMIT, "s1", &error);

  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (text, ==, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/parts/rows", test_rows);
  g_test_add_func ("/parts/refused", test_refused);
  return g_test_run ();
}
