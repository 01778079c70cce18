/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-attach-fixture.h"
#include "plan-golden.h"
#include "qs-error.h"

#include <string.h>

typedef struct
{
  const char *name; /* of the golden plan */
  gboolean known;
  gboolean with_snapshot;
  guint chain[4];
  const char *path; /* name of the image by now, NULL: as recorded */
  const char *fault;
} AttachCase;

static const AttachCase attach_cases[] = {
  { "attach-new", FALSE, FALSE, { STATE, BASE }, NULL, NULL },
  { "attach-again", TRUE, TRUE, { ACTIVE, STATE, BASE }, NULL, NULL },
  { "attach-again-other", TRUE, FALSE, { OTHER }, NULL, NULL },
  { "attach-renamed", TRUE, TRUE, { ACTIVE, STATE, BASE }, "/images/new", NULL },
  { "attach-state-file",
    TRUE,
    TRUE,
    { STATE, BASE },
    NULL,
    "the state file of snapshot ‘s1’, ‘/images/vda.qcow2’, on disk ‘vda’" },
  { "attach-below", TRUE, TRUE, { BASE }, NULL, "a file below the state of snapshot ‘s1’" },
  { "attach-stranger",
    TRUE,
    TRUE,
    { OTHER, STATE, BASE },
    NULL,
    "start QEMU with ‘/images/vda.s1’ (qcow2)" },
  { "attach-swapped",
    TRUE,
    TRUE,
    { ACTIVE, STATE, BASE },
    "/images/vda.qcow2",
    "‘/images/vda.qcow2’" },
  { "attach-rebased", TRUE, TRUE, { ACTIVE, OTHER }, NULL, "‘/images/other’ was put there" },
  { "attach-cut", TRUE, TRUE, { ACTIVE }, NULL, "has nothing below it" },
};

/* what an earlier QEMU used is free again, if no snapshot holds on to it */
static void
test_forget (void)
{
  const guint chain[] = { OTHER, BASE, 0 };
  g_autoptr (QsDomain) domain = attach_domain (FALSE);
  g_autoptr (QsRequest) request = attach_request (domain, attach_paths[OTHER], NULL);
  g_autoptr (QsFacts) facts = attach_facts (FALSE, chain, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = NULL;

  attach_add_file (facts, BASE, 0);
  attach_add_file (facts, STATE, BASE);
  ((QsFile *)facts->files->pdata[1])->active_of = g_strdup ("vda");
  plan = qs_operation_get (QS_VERB_ATTACH)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  plan_golden_check ("attach-forget", plan);
}

static void
test_attach (gconstpointer data)
{
  const AttachCase *test = data;
  g_autoptr (QsDomain) domain = attach_domain (test->with_snapshot);
  const char *source = test->path != NULL ? test->path : attach_paths[test->chain[0]];
  g_autoptr (QsRequest) request = attach_request (domain, source, NULL);
  g_autoptr (QsFacts) facts = attach_facts (test->with_snapshot, test->chain, test->path);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan =
      qs_operation_get (QS_VERB_ATTACH)->plan (test->known ? domain : NULL, request, facts, &error);
  const char *reason;

  g_assert_no_error (error);
  g_assert_true (qs_plan_check (plan, &error));
  plan_golden_check (test->name, plan);
  fake_world_exercise (plan);
  reason = attach_quarantine_reason (plan, test->known ? domain : NULL, text);
  if (test->fault == NULL)
    g_assert_cmpstr (reason, ==, NULL);
  else
    g_assert_nonnull (strstr (reason, test->fault));
}

static void
test_images (void)
{
  const guint chain[] = { STATE, BASE, 0 };
  g_autoptr (QsDomain) domain = attach_domain (FALSE);
  g_autoptr (QsRequest) request = attach_request (domain, attach_paths[STATE], NULL);
  g_autoptr (QsRequest) deep =
      attach_request (domain, attach_paths[STATE], "{'depths': <{'vda': uint32 2}>}");
  g_autoptr (QsFacts) facts = attach_facts (FALSE, chain, NULL);
  g_autoptr (QsPlan) plan = NULL;
  QsDiskFacts *disk = g_ptr_array_index (facts->disks, 0);

  attach_check_refusal (NULL, deep, facts, QS_ERROR_CONFIG_UNSUPPORTED, "2 files open below");
  facts->open_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  g_ptr_array_add (facts->open_files, qs_open_file_new (NULL, 2049, STATE, FALSE));
  attach_check_refusal (NULL, request, facts, QS_ERROR_CONFIG_UNSUPPORTED, "does not write to");
  g_ptr_array_add (facts->open_files, qs_open_file_new (NULL, 2049, STATE, TRUE));
  g_ptr_array_add (facts->foreign_images, g_strdup (attach_paths[STATE]));
  attach_check_refusal (NULL, request, facts, QS_ERROR_CONFIG_UNSUPPORTED, "by another domain");

  /* one that cannot be looked at is told of */
  g_ptr_array_set_size (facts->foreign_images, 0);
  disk->error = g_error_new_literal (QS_ERROR, QS_ERROR_IMAGE_FAILED, "it is rotten");
  plan = qs_operation_get (QS_VERB_ATTACH)->plan (NULL, request, facts, NULL);
  g_assert_cmpuint (plan->notes->len, ==, 1);
  g_assert_nonnull (strstr (plan->notes->pdata[0], "it is rotten"));
}

/* nobody knows whether snapshots are in danger */
static void
test_rotten (void)
{
  const guint chain[] = { ACTIVE, 0 };
  g_autoptr (QsDomain) domain = attach_domain (TRUE);
  g_autoptr (QsRequest) request = attach_request (domain, attach_paths[ACTIVE], NULL);
  g_autoptr (QsFacts) facts = attach_facts (TRUE, chain, NULL);
  QsDiskFacts *disk = g_ptr_array_index (facts->disks, 0);

  ((QsImage *)disk->chain->pdata[0])->in_use = FALSE;
  attach_check_refusal (domain, request, facts, QS_ERROR_CONFIG_UNSUPPORTED, "does not write to");
  ((QsImage *)disk->chain->pdata[0])->in_use = TRUE;
  disk->error = g_error_new_literal (QS_ERROR, QS_ERROR_IMAGE_FAILED, "it is rotten");
  attach_check_refusal (domain, request, facts, QS_ERROR_IMAGE_FAILED, "it is rotten");
}

static void
check_ask (const QsDomain *domain, QsRequest *request, QsError code, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (fixture_facts (domain, request, &error));
  g_assert_error (error, QS_ERROR, (int)code);
  g_assert_nonnull (strstr (error->message, text));
}

static void
test_refusals (void)
{
  g_autoptr (QsDomain) defined = fixture_domain (1);
  g_autoptr (QsDomain) attached = attach_domain (FALSE);
  g_autoptr (QsRequest) request = attach_request (attached, attach_paths[STATE], NULL);
  g_autoptr (QsRequest) detach = fixture_request (QS_VERB_DETACH, 0, NULL);
  g_autoptr (QsRequest) repair = fixture_request (QS_VERB_REPAIR, 0, NULL);
  g_autoptr (QsRequest) start = fixture_request (QS_VERB_START, 0, NULL);

  check_ask (defined, request, QS_ERROR_DOMAIN_EXISTS, "defined already");
  check_ask (defined, detach, QS_ERROR_OPERATION_INVALID, "not attached");
  check_ask (attached, repair, QS_ERROR_OPERATION_INVALID, "not quarantined");
  check_ask (attached, start, QS_ERROR_OPERATION_INVALID, "is attached");
  /* somebody else names a socket */
  request->caller = 1001;
  request->caller_is_owner = FALSE;
  check_ask (attached, request, QS_ERROR_CONFIG_UNSUPPORTED, "/run/qmp.sock");
  g_free (attached->name);
  attached->name = g_strdup ("else");
  check_ask (attached, request, QS_ERROR_DOMAIN_EXISTS, "‘else’");
}

static void
test_detach (void)
{
  g_autoptr (QsDomain) bare = attach_domain (FALSE);
  g_autoptr (QsDomain) rich = attach_domain (TRUE);
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_DETACH, 0, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) forget = fixture_plan (bare, request, NULL, &error);
  g_autoptr (QsPlan) keep = fixture_plan (rich, request, NULL, &error);

  g_assert_no_error (error);
  plan_golden_check ("detach", forget);
  plan_golden_check ("detach-snapshots", keep);
  fake_world_exercise (forget);
  fake_world_exercise (keep);
}

static void
test_repair (void)
{
  const guint right[] = { ACTIVE, STATE, BASE, 0 };
  const guint wrong[] = { OTHER, 0 };
  g_autoptr (QsDomain) domain = attach_domain (TRUE);
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_REPAIR, 0, NULL);
  g_autoptr (QsFacts) facts = attach_facts (TRUE, right, NULL);
  g_autoptr (QsFacts) others = attach_facts (TRUE, wrong, attach_paths[ACTIVE]);
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  domain->quarantine_reason = g_strdup ("something is wrong");
  check_ask (domain, request, QS_ERROR_OPERATION_INVALID, "something is wrong");
  request->options = g_variant_ref_sink (g_variant_new_parsed ("{'accept': <true>}"));
  attach_check_refusal (domain, request, others, QS_ERROR_QUARANTINED, "not the file");
  attach_check_refusal (domain, request, facts, QS_ERROR_QUARANTINED, "cannot be told");
  facts->open_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  attach_check_refusal (domain, request, facts, QS_ERROR_QUARANTINED, "end it first");
  g_ptr_array_add (facts->open_files, qs_open_file_new (NULL, 2049, ACTIVE, TRUE));
  plan = qs_operation_get (QS_VERB_REPAIR)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  plan_golden_check ("repair", plan);
  fake_world_exercise (plan);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (attach_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/plan/", attach_cases[i].name, NULL);

      g_test_add_data_func (path, &attach_cases[i], test_attach);
    }
  g_test_add_func ("/plan/attach/forget", test_forget);
  g_test_add_func ("/plan/attach/images", test_images);
  g_test_add_func ("/plan/attach/rotten", test_rotten);
  g_test_add_func ("/plan/attach/refusals", test_refusals);
  g_test_add_func ("/plan/attach/detach", test_detach);
  g_test_add_func ("/plan/attach/repair", test_repair);
  return g_test_run ();
}
