/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-golden.h"
#include "qs-error.h"
#include "qs-planners.h"
#include "qs-verify.h"
#include "verify-fixture.h"

#include <string.h>

/* what is repaired is what was found, if it is found again, and nothing else */

static void
leave_tag (QsFacts *facts)
{
  verify_add_tag (verify_sight (facts, VERIFY_STATE), VERIFY_TAG);
}

static void
leave_used_tag (QsFacts *facts)
{
  leave_tag (facts);
  verify_sight (facts, VERIFY_STATE)->image->in_use = TRUE;
}

static void
leave_temporary (QsFacts *facts)
{
  verify_add_sight (facts->strays, "/images/.snapd-00112233-0", 40);
}

static void
leave_name (QsFacts *facts)
{
  verify_add_sight (facts->strays, "/images/.snapd-00112233-0", 11)->image->n_links = 2;
}

static void
leave_overlay (QsFacts *facts)
{
  verify_add_sight (facts->strays, "/images/lost", 40)->below = g_strdup (VERIFY_STATE);
}

static void
lose_unused (QsFacts *facts)
{
  g_ptr_array_set_size (verify_file (facts, VERIFY_MEMORY)->state_of, 0);
  verify_lose (facts, VERIFY_MEMORY);
}

static void
lose_all (QsFacts *facts)
{
  verify_lose (facts, VERIFY_STATE);
  verify_lose (facts, VERIFY_MEMORY);
}

static void
open_mode (QsFacts *facts)
{
  verify_sight (facts, VERIFY_MEMORY)->image->mode = 0604;
}

static void
protect (QsFacts *facts)
{
  verify_file (facts, VERIFY_TOP)->mode = 0640;
  verify_sight (facts, VERIFY_TOP)->image->mode = 0440;
}

static void
unprotect (QsFacts *facts)
{
  verify_file (facts, VERIFY_STATE)->mode = 0600;
}

static void
name_wrong_format (QsFacts *facts)
{
  QsImage *image = verify_sight (facts, VERIFY_TOP)->image;

  g_free (image->backing_format);
  image->backing_format = g_strdup ("raw");
}

static void
change_nothing (QsFacts *facts)
{
}

static void
use_top (QsFacts *facts)
{
  verify_sight (facts, VERIFY_TOP)->image->in_use = TRUE;
}

typedef struct
{
  const char *name;
  void (*make) (QsFacts *facts);
  QsFindingKind kind;
  const char *path;
  const char *detail;
  QsError refusal; /* QS_ERROR_FAILED: none */
} Case;

static const Case cases[] = {
  { "tag", leave_tag, QS_FINDING_ORPHAN_TAG, VERIFY_STATE, VERIFY_TAG, QS_ERROR_FAILED },
  { "tag-in-use", leave_used_tag, QS_FINDING_ORPHAN_TAG, VERIFY_STATE, VERIFY_TAG,
    QS_ERROR_OPERATION_INVALID },
  { "tag-gone", change_nothing, QS_FINDING_ORPHAN_TAG, VERIFY_STATE, VERIFY_TAG,
    QS_ERROR_INVALID_ARGUMENT },
  { "temporary", leave_temporary, QS_FINDING_LEFTOVER, "/images/.snapd-00112233-0", "",
    QS_ERROR_FAILED },
  { "name", leave_name, QS_FINDING_LEFTOVER, "/images/.snapd-00112233-0", "", QS_ERROR_FAILED },
  { "overlay", leave_overlay, QS_FINDING_ORPHAN_OVERLAY, "/images/lost", "",
    QS_ERROR_OPERATION_INVALID },
  { "file", lose_unused, QS_FINDING_MISSING_FILE, VERIFY_MEMORY, "", QS_ERROR_FAILED },
  { "snapshot", lose_all, QS_FINDING_NO_DATA, "", FIXTURE_SNAPSHOT, QS_ERROR_FAILED },
  { "snapshot-back", change_nothing, QS_FINDING_NO_DATA, "", FIXTURE_SNAPSHOT,
    QS_ERROR_INVALID_ARGUMENT },
  { "open-mode", open_mode, QS_FINDING_OPEN_MODE, VERIFY_MEMORY, "", QS_ERROR_FAILED },
  { "protected", protect, QS_FINDING_WRITE_PROTECTED, VERIFY_TOP, "", QS_ERROR_FAILED },
  { "writable", unprotect, QS_FINDING_STATE_WRITABLE, VERIFY_STATE, "", QS_ERROR_FAILED },
  { "format", name_wrong_format, QS_FINDING_BACKING_FORMAT, VERIFY_TOP, "", QS_ERROR_FAILED },
  { "leaks", change_nothing, QS_FINDING_LEAKED_CLUSTERS, VERIFY_TOP, "", QS_ERROR_FAILED },
  { "leaks-in-use", use_top, QS_FINDING_LEAKED_CLUSTERS, VERIFY_TOP, "",
    QS_ERROR_OPERATION_INVALID },
};

static QsRequest *
make_part (const char *id)
{
  QsRequest *request = fixture_request (QS_VERB_REPAIR, 0, NULL);

  g_clear_pointer (&request->options, g_variant_unref);
  request->options = g_variant_ref_sink (g_variant_new_parsed ("{'finding': <%s>}", id));
  return request;
}

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *name = g_strconcat ("repair-", c->name, NULL);
  g_autofree char *id = qs_finding_make_id (c->kind, c->path, c->detail);
  g_autoptr (QsDomain) domain = verify_domain ();
  g_autoptr (QsRequest) request = make_part (id);
  g_autoptr (QsQuestions) questions = qs_questions_new ();
  g_autoptr (QsFacts) facts = verify_facts ();
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  c->make (facts);
  g_assert_true (qs_ask_repair (domain, request, questions, &error));
  g_assert_no_error (error);
  g_assert_true (questions->sights && questions->files && questions->users);
  plan = qs_plan_repair (domain, request, facts, &error);
  if (c->refusal != QS_ERROR_FAILED)
    {
      g_assert_error (error, QS_ERROR, (int)c->refusal);
      g_assert_nonnull (strstr (error->message, id));
      return;
    }
  g_assert_no_error (error);
  g_assert_true (qs_plan_check (plan, &error));
  g_assert_no_error (error);
  plan_golden_check (name, plan);
  fake_world_exercise (plan);
}

/* (transfer full): the parts of a request with @n ids */
static GPtrArray *
make_parts (guint n, gboolean accept, GError **error)
{
  g_autoptr (QsDomain) domain = verify_domain ();
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_REPAIR, 0, NULL);
  GVariantBuilder ids = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);

  for (guint i = 0; i < n; i++)
    g_variant_builder_add (&ids, "s", i == 0 ? "first" : "other");
  g_clear_pointer (&request->options, g_variant_unref);
  request->options = g_variant_ref_sink (
      g_variant_new_parsed ("{'findings': <%as>, 'accept': <%b>}", &ids, accept));
  return qs_parts_repair (domain, request, NULL, error);
}

static void
test_parts (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) parts = make_parts (2, TRUE, &error);
  g_autoptr (GPtrArray) too_many = NULL;
  const char *id = "";
  gboolean accept = FALSE;

  g_assert_no_error (error);
  g_assert_cmpuint (parts->len, ==, 3);
  g_variant_lookup (((QsRequest *)g_ptr_array_index (parts, 0))->options, "finding", "&s", &id);
  g_assert_cmpstr (id, ==, "first");
  g_variant_lookup (((QsRequest *)g_ptr_array_index (parts, 2))->options, "accept", "b", &accept);
  g_assert_true (accept);
  too_many = make_parts (51, FALSE, &error);
  g_assert_null (too_many);
  g_assert_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/repair/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  g_test_add_func ("/repair/parts", test_parts);
  return g_test_run ();
}
