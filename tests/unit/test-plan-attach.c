/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-fixture.h"
#include "plan-golden.h"
#include "qs-change.h"
#include "qs-error.h"

#include <string.h>

/* a domain vda that is attached, with snapshot s1: /images/base <- /images/vda.qcow2 (state of s1)
   <- /images/vda.s1 (active). What the next QEMU has open is a list of inodes, top first */

#define BASE 1
#define STATE 2
#define ACTIVE 3
#define OTHER 4

static const char *const paths[] = {
  [BASE] = "/images/base",
  [STATE] = "/images/vda.qcow2",
  [ACTIVE] = "/images/vda.s1",
  [OTHER] = "/images/other",
};

static QsDomain *
make_domain (gboolean with_snapshot)
{
  QsDomain *domain = fixture_attached (fixture_running_domain (1), TRUE);

  return with_snapshot ? fixture_with_snapshot (domain, "s1", QS_KIND_EXTERNAL) : domain;
}

static QsRequest *
make_request (const QsDomain *like, const char *source, const char *options)
{
  QsRequest *request = fixture_request (QS_VERB_ATTACH, 0, NULL);
  const QsDiskPatch patch = { "vda", source, "qcow2" };
  g_autoptr (GError) error = NULL;

  request->domain_def = qs_domain_def_patch (like->def, like->uuid, &patch, 1, &error);
  g_assert_no_error (error);
  request->options = g_variant_ref_sink (g_variant_new_parsed (
      options != NULL ? options
                      : "{'owner': <uint32 1000>, 'socket': <'/run/qmp.sock'>, 'agent': <''>,"
                        " 'stable-path': <true>, 'follow': <true>, 'pid': <int64 4343>,"
                        " 'start-time': <uint64 78>, 'boot-id': <'boot'>, 'state': <'running'>}"));
  return request;
}

static QsImage *
make_image (guint ino, const char *path)
{
  QsImage *image = qs_image_new ();

  image->path = g_strdup (path != NULL ? path : paths[ino]);
  image->format = g_strdup ("qcow2");
  image->dev = 2049;
  image->ino = ino;
  image->btime = 5;
  image->writable = TRUE;
  image->in_use = TRUE;
  return image;
}

static void
add_file (QsFacts *facts, guint ino, guint backing)
{
  QsFile *file = g_new0 (QsFile, 1);

  file->path = g_strdup (paths[ino]);
  file->format = g_strdup ("qcow2");
  file->role = g_strdup ("disk");
  file->backing = backing != 0 ? g_strdup (paths[backing]) : NULL;
  file->dev = 2049;
  file->ino = ino;
  file->btime = 5;
  file->ours = ino == ACTIVE;
  file->state_of = g_ptr_array_new_with_free_func (g_free);
  file->tags = g_ptr_array_new_with_free_func (g_free);
  file->tag_of = g_ptr_array_new_with_free_func (g_free);
  if (ino == STATE)
    g_ptr_array_add (file->state_of, g_strdup (FIXTURE_SNAPSHOT));
  g_ptr_array_add (facts->files, file);
}

/* @chain: inodes, 0 ends them; @name: of the topmost, NULL: the one that it had */
static QsFacts *
make_facts (gboolean recorded, const guint *chain, const char *name)
{
  QsFacts *facts = qs_facts_new ();
  QsDiskFacts *disk = g_new0 (QsDiskFacts, 1);

  facts->now = FIXTURE_NOW;
  disk->target = g_strdup ("vda");
  disk->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  for (guint i = 0; chain[i] != 0; i++)
    g_ptr_array_add (disk->chain, make_image (chain[i], i == 0 ? name : NULL));
  g_ptr_array_add (facts->disks, disk);
  if (recorded)
    {
      add_file (facts, BASE, 0);
      add_file (facts, STATE, BASE);
      add_file (facts, ACTIVE, STATE);
    }
  return facts;
}

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
  g_autoptr (QsDomain) domain = make_domain (FALSE);
  g_autoptr (QsRequest) request = make_request (domain, paths[OTHER], NULL);
  g_autoptr (QsFacts) facts = make_facts (FALSE, chain, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = NULL;

  add_file (facts, BASE, 0);
  add_file (facts, STATE, BASE);
  ((QsFile *)facts->files->pdata[1])->active_of = g_strdup ("vda");
  plan = qs_operation_get (QS_VERB_ATTACH)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  plan_golden_check ("attach-forget", plan);
}

static const char *
quarantine_reason (const QsPlan *plan, const QsDomain *domain, GString *text)
{
  g_autoptr (GVariant) changes = qs_step_value (qs_plan_step (plan, 0), "changes");
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomain) after = qs_domain_apply (domain, changes, &error);

  g_assert_no_error (error);
  if (after->quarantine_reason == NULL)
    return NULL;
  g_string_assign (text, after->quarantine_reason);
  return text->str;
}

static void
test_attach (gconstpointer data)
{
  const AttachCase *test = data;
  g_autoptr (QsDomain) domain = make_domain (test->with_snapshot);
  const char *source = test->path != NULL ? test->path : paths[test->chain[0]];
  g_autoptr (QsRequest) request = make_request (domain, source, NULL);
  g_autoptr (QsFacts) facts = make_facts (test->with_snapshot, test->chain, test->path);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan =
      qs_operation_get (QS_VERB_ATTACH)->plan (test->known ? domain : NULL, request, facts, &error);
  const char *reason;

  g_assert_no_error (error);
  g_assert_true (qs_plan_check (plan, &error));
  plan_golden_check (test->name, plan);
  fake_world_exercise (plan);
  reason = quarantine_reason (plan, test->known ? domain : NULL, text);
  if (test->fault == NULL)
    g_assert_cmpstr (reason, ==, NULL);
  else
    g_assert_nonnull (strstr (reason, test->fault));
}

static void
check_refusal (const QsDomain *domain, QsRequest *request, QsFacts *facts, QsError code,
               const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);

  g_assert_null (plan);
  g_assert_error (error, QS_ERROR, (int)code);
  g_assert_nonnull (strstr (error->message, text));
}

static void
test_images (void)
{
  const guint chain[] = { STATE, BASE, 0 };
  g_autoptr (QsDomain) domain = make_domain (FALSE);
  g_autoptr (QsRequest) request = make_request (domain, paths[STATE], NULL);
  g_autoptr (QsRequest) deep =
      make_request (domain, paths[STATE], "{'depths': <{'vda': uint32 2}>}");
  g_autoptr (QsFacts) facts = make_facts (FALSE, chain, NULL);
  g_autoptr (QsPlan) plan = NULL;
  QsDiskFacts *disk = g_ptr_array_index (facts->disks, 0);

  check_refusal (NULL, deep, facts, QS_ERROR_CONFIG_UNSUPPORTED, "2 files open below");
  facts->open_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  g_ptr_array_add (facts->open_files, qs_open_file_new (NULL, 2049, STATE, FALSE));
  check_refusal (NULL, request, facts, QS_ERROR_CONFIG_UNSUPPORTED, "does not write to");
  g_ptr_array_add (facts->open_files, qs_open_file_new (NULL, 2049, STATE, TRUE));
  g_ptr_array_add (facts->foreign_images, g_strdup (paths[STATE]));
  check_refusal (NULL, request, facts, QS_ERROR_CONFIG_UNSUPPORTED, "by another domain");

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
  g_autoptr (QsDomain) domain = make_domain (TRUE);
  g_autoptr (QsRequest) request = make_request (domain, paths[ACTIVE], NULL);
  g_autoptr (QsFacts) facts = make_facts (TRUE, chain, NULL);
  QsDiskFacts *disk = g_ptr_array_index (facts->disks, 0);

  ((QsImage *)disk->chain->pdata[0])->in_use = FALSE;
  check_refusal (domain, request, facts, QS_ERROR_CONFIG_UNSUPPORTED, "does not write to");
  ((QsImage *)disk->chain->pdata[0])->in_use = TRUE;
  disk->error = g_error_new_literal (QS_ERROR, QS_ERROR_IMAGE_FAILED, "it is rotten");
  check_refusal (domain, request, facts, QS_ERROR_IMAGE_FAILED, "it is rotten");
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
  g_autoptr (QsDomain) attached = make_domain (FALSE);
  g_autoptr (QsRequest) request = make_request (attached, paths[STATE], NULL);
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
  g_autoptr (QsDomain) bare = make_domain (FALSE);
  g_autoptr (QsDomain) rich = make_domain (TRUE);
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
  g_autoptr (QsDomain) domain = make_domain (TRUE);
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_REPAIR, 0, NULL);
  g_autoptr (QsFacts) facts = make_facts (TRUE, right, NULL);
  g_autoptr (QsFacts) others = make_facts (TRUE, wrong, paths[ACTIVE]);
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  domain->quarantine_reason = g_strdup ("something is wrong");
  check_ask (domain, request, QS_ERROR_OPERATION_INVALID, "something is wrong");
  request->options = g_variant_ref_sink (g_variant_new_parsed ("{'accept': <true>}"));
  check_refusal (domain, request, others, QS_ERROR_QUARANTINED, "not the file");
  check_refusal (domain, request, facts, QS_ERROR_QUARANTINED, "cannot be told");
  facts->open_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  check_refusal (domain, request, facts, QS_ERROR_QUARANTINED, "end it first");
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
