/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-fixture.h"
#include "plan-golden.h"
#include "qs-change.h"
#include "qs-error.h"
#include "qs-flags.h"

#include <string.h>

/* firmware variables that come back with a snapshot: golden plans, and what is in the way */

#define VARIABLES "/images/demo_VARS.fd"
#define COPY "/images/demo_VARS.s1"
#define TEMPLATE "/firmware/VARS.fd"

static QsDomain *
make_domain (gboolean active, QsKind kind)
{
  g_autoptr (QsDomain) plain = active ? fixture_running_domain (1) : fixture_domain (1);
  g_autofree char *before = qs_domain_def_format (plain->def, TRUE);
  g_auto (GStrv) halves = g_strsplit (before, "</os>", 2);
  g_autofree char *xml =
      g_strdup_printf ("%s<loader type='pflash' readonly='yes'>/firmware/code.fd</loader>"
                       "<nvram template='" TEMPLATE "'>" VARIABLES "</nvram></os>%s",
                       halves[0], halves[1]);
  g_autoptr (GVariant) changes = NULL;
  g_autoptr (GError) error = NULL;
  QsDomain *domain;
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_PUT, "definition", "s", xml, "owner", "u", (guint32)1000,
                  "name", "s", "demo", "uuid", "s", FIXTURE_UUID, NULL);
  if (active)
    qs_changes_add (&list, QS_CHANGE_LIVE_DEF, "definition", "s", xml, NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  domain = qs_domain_apply (plain, changes, &error);
  g_assert_no_error (error);
  return fixture_with_snapshot (domain, "s1", kind);
}

static void
add_firmware (QsFacts *facts)
{
  QsImage *image = qs_image_new ();

  image->path = g_strdup (VARIABLES);
  image->format = g_strdup ("raw");
  image->dev = 2049;
  image->ino = 7777;
  image->btime = 5;
  image->size = image->virtual_size = 128 * 1024;
  image->mode = 0100640;
  image->uid = 1000;
  image->gid = 36;
  image->n_links = 1;
  image->linkable = TRUE;
  facts->firmware = g_new0 (QsDiskFacts, 1);
  facts->firmware->target = g_strdup (QS_NVRAM_TARGET);
  facts->firmware->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  g_ptr_array_add (facts->firmware->chain, image);
}

static void
put_target (QsFacts *facts, const char *path, guint64 ino)
{
  QsTarget *target = (QsTarget *)qs_facts_find_target (facts, path);

  if (target == NULL)
    {
      target = qs_target_new (path);
      g_ptr_array_add (facts->targets, target);
    }
  target->type = QS_TARGET_REGULAR;
  target->dev = 2049;
  target->ino = ino;
  target->size = 128 * 1024;
}

static void
add_copy (QsFacts *facts)
{
  QsSnapshotFile *row = g_new0 (QsSnapshotFile, 1);

  row->target = g_strdup (QS_NVRAM_TARGET);
  row->path = g_strdup (COPY);
  row->format = g_strdup ("raw");
  g_ptr_array_add (facts->snapshot_files, row);
  put_target (facts, COPY, 5555);
}

static QsFacts *
make_facts (const QsDomain *domain, const QsRequest *request, GError **error)
{
  QsFacts *facts = fixture_facts (domain, request, error);

  if (facts == NULL)
    return NULL;
  add_firmware (facts);
  add_copy (facts);
  if (request->flags & QS_REVERT_RESET_NVRAM)
    put_target (facts, TEMPLATE, 6666);
  return facts;
}

typedef struct
{
  const char *name;
  gboolean active;
  QsKind kind;
  guint flags;
} Case;

static const Case cases[] = {
  { "firmware-revert-off", FALSE, QS_KIND_INTERNAL, 0 },
  { "firmware-revert-external", FALSE, QS_KIND_EXTERNAL, QS_REVERT_PAUSED },
  { "firmware-revert-on", TRUE, QS_KIND_EXTERNAL, QS_REVERT_RUNNING },
  { "firmware-revert-reset", FALSE, QS_KIND_INTERNAL, QS_REVERT_RESET_NVRAM },
};

static void
test_plan (gconstpointer data)
{
  const Case *test = data;
  g_autoptr (QsDomain) domain = make_domain (test->active, test->kind);
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_REVERT, test->flags, FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = make_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;

  g_assert_no_error (error);
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  plan_golden_check (test->name, plan);
  fake_world_exercise (plan);
}

static QsImage *
image_of (QsFacts *facts)
{
  return g_ptr_array_index (facts->firmware->chain, 0);
}

static void
use_image (QsFacts *facts)
{
  image_of (facts)->in_use = TRUE;
}

static void
forbid_links (QsFacts *facts)
{
  image_of (facts)->linkable = FALSE;
}

static void
lose_copy (QsFacts *facts)
{
  ((QsTarget *)qs_facts_find_target (facts, COPY))->type = QS_TARGET_ABSENT;
}

static void
change_format (QsFacts *facts)
{
  QsSnapshotFile *row = g_ptr_array_index (facts->snapshot_files, facts->snapshot_files->len - 1);

  g_free (row->format);
  row->format = g_strdup ("qcow2");
}

static void
enlarge (QsFacts *facts)
{
  ((QsTarget *)qs_facts_find_target (facts, COPY))->size = G_MAXUINT32;
}

static const struct
{
  const char *name;
  void (*change) (QsFacts *facts);
  QsError code;
  const char *text;
} refusals[] = {
  { "in-use", use_image, QS_ERROR_OPERATION_INVALID, "another program" },
  { "no-links", forbid_links, QS_ERROR_CONFIG_UNSUPPORTED, "two names" },
  { "lost", lose_copy, QS_ERROR_IMAGE_FAILED, COPY },
  { "format", change_format, QS_ERROR_CONFIG_UNSUPPORTED, "‘qcow2’" },
  { "size", enlarge, QS_ERROR_LIMIT_EXCEEDED, COPY },
};

static void
test_refused (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autoptr (QsDomain) domain = make_domain (FALSE, QS_KIND_INTERNAL);
      g_autoptr (QsRequest) request =
          fixture_request (QS_VERB_SNAPSHOT_REVERT, 0, FIXTURE_SNAPSHOT);
      g_autoptr (GError) error = NULL;
      g_autoptr (QsFacts) facts = make_facts (domain, request, &error);

      g_assert_no_error (error);
      refusals[i].change (facts);
      g_assert_null (qs_operation_get (request->verb)->plan (domain, request, facts, &error));
      g_test_message ("%s: %s", refusals[i].name, error->message);
      g_assert_error (error, QS_ERROR, (int)refusals[i].code);
      g_assert_nonnull (strstr (error->message, refusals[i].text));
    }
}

/* without a copy they stay, and that is said */
static void
test_no_copy (void)
{
  g_autoptr (QsDomain) domain = make_domain (FALSE, QS_KIND_INTERNAL);
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_SNAPSHOT_REVERT, 0, FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  add_firmware (facts);
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  text = qs_plan_describe (plan);
  g_assert_nonnull (strstr (text, "no copy"));
  g_assert_null (strstr (text, QS_NVRAM_TARGET));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-firmware-revert/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_plan);
    }
  g_test_add_func ("/planners-firmware-revert/refused", test_refused);
  g_test_add_func ("/planners-firmware-revert/no-copy", test_no_copy);
  return g_test_run ();
}
