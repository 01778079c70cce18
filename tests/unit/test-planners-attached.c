/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-fixture.h"
#include "plan-golden.h"
#include "qs-error.h"

#include <string.h>

/* domains that their owner starts: overlays take over the name in the start script */

#define DISK_ONLY                                                                                  \
  "<domainsnapshot><name>s1</name><memory snapshot='no'/><disks><disk name='vda' "                 \
  "snapshot='external'/></disks></domainsnapshot>"

typedef enum
{
  STABLE,
  MOVING,    /* without stable-path */
  RAW,       /* its active file is raw */
  FOREIGN,   /* its file belongs to another user */
  LINKED,    /* its file has two names */
  NO_LINKS,  /* on a file system that has none */
  OLD,       /* in a QEMU that has no `blockdev-reopen` */
  PROTECTED, /* nobody may write to its file as it is */
} Circumstance;

typedef struct
{
  const char *name;
  gboolean running;
  guint n_disks;
  Circumstance circumstance;
} CreateCase;

static const CreateCase create_cases[] = {
  { "attached-on", TRUE, 1, STABLE },        { "attached-on-two-disks", TRUE, 2, STABLE },
  { "attached-off", FALSE, 1, STABLE },      { "attached-off-mixed", FALSE, 2, STABLE },
  { "attached-on-moving", TRUE, 1, MOVING }, { "attached-off-moving", FALSE, 1, MOVING },
  { "attached-on-raw", TRUE, 1, RAW },       { "attached-on-foreign", TRUE, 1, FOREIGN },
  { "attached-on-linked", TRUE, 1, LINKED }, { "attached-on-no-links", TRUE, 1, NO_LINKS },
  { "attached-on-old", TRUE, 1, OLD },       { "attached-off-protected", FALSE, 1, PROTECTED },
};

static QsDomain *
make_domain (gboolean running, guint n_disks, Circumstance circumstance)
{
  QsDomain *domain = running ? fixture_running_domain (n_disks) : fixture_domain (n_disks);

  return fixture_attached (domain, circumstance != MOVING);
}

static void
set_raw (QsFacts *facts, QsImage *image)
{
  g_free (image->format);
  image->format = g_strdup ("raw");
}

static void
set_foreign (QsFacts *facts, QsImage *image)
{
  image->uid = 1;
}

static void
set_linked (QsFacts *facts, QsImage *image)
{
  image->n_links = 2;
}

static void
set_no_links (QsFacts *facts, QsImage *image)
{
  image->linkable = FALSE;
}

static void
set_old (QsFacts *facts, QsImage *image)
{
  static const char *const commands[] = { "transaction", "blockdev-add", "blockdev-del", NULL };

  g_strfreev (facts->commands);
  facts->commands = g_strdupv ((char **)commands);
}

static void
set_protected (QsFacts *facts, QsImage *image)
{
  image->mode = 0400;
}

static void (*const setters[]) (QsFacts *facts, QsImage *image) = {
  [RAW] = set_raw,
  [FOREIGN] = set_foreign,
  [LINKED] = set_linked,
  [NO_LINKS] = set_no_links,
  [OLD] = set_old,

  [PROTECTED] = set_protected,
};

static QsPlan *
make_plan (const QsDomain *domain, const QsRequest *request, Circumstance circumstance,
           GError **error)
{
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, error);

  if (facts == NULL)
    return NULL;
  if (setters[circumstance] != NULL)
    {
      const QsDiskFacts *disk = g_ptr_array_index (facts->disks, 0);

      setters[circumstance](facts, g_ptr_array_index (disk->chain, 0));
    }
  return qs_operation_get (request->verb)->plan (domain, request, facts, error);
}

static void
test_create (gconstpointer data)
{
  const CreateCase *test = data;
  g_autoptr (QsDomain) domain = make_domain (test->running, test->n_disks, test->circumstance);
  g_autoptr (QsRequest) request = fixture_create (DISK_ONLY, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = make_plan (domain, request, test->circumstance, &error);

  g_assert_no_error (error);
  plan_golden_check (test->name, plan);
  fake_world_exercise (plan);
}

/* to the one snapshot, with the guest off */
static void
test_revert (gconstpointer data)
{
  Circumstance circumstance = GPOINTER_TO_UINT (data);
  g_autoptr (QsDomain) domain = fixture_attached (
      fixture_with_snapshot (fixture_domain (2), "s1", QS_KIND_EXTERNAL), circumstance != MOVING);
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_SNAPSHOT_REVERT, 0, FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = make_plan (domain, request, circumstance, &error);

  g_assert_no_error (error);
  plan_golden_check (circumstance == MOVING ? "attached-revert-moving" : "attached-revert", plan);
  fake_world_exercise (plan);
}

static void
assert_error (const GError *error, QsError code, const char *text)
{
  g_assert_error (error, QS_ERROR, (int)code);
  if (strstr (error->message, text) == NULL)
    g_error ("‘%s’ is not said by: %s", text, error->message);
}

static void
assert_refused (const QsDomain *domain, QsRequest *request, QsError code, const char *text)
{
  g_autoptr (QsRequest) owned = request;
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = fixture_plan (domain, request, NULL, &error);

  g_assert_null (plan);
  assert_error (error, code, text);
}

typedef void (*FactsFunc) (QsFacts *facts);

static void
add_open (QsFacts *facts, const GPtrArray *disks)
{
  for (guint i = 0; i < disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (disks, i);
      const QsImage *image = g_ptr_array_index (disk->chain, 0);

      g_ptr_array_add (facts->open_files,
                       qs_open_file_new (image->path, image->dev, image->ino, TRUE));
    }
}

/* of two disks, while the guest runs, to the one snapshot */
static QsPlan *
plan_in_place (guint flags, QsKind kind, gboolean stable, FactsFunc change, GError **error)
{
  g_autoptr (QsDomain) domain =
      fixture_attached (fixture_with_snapshot (fixture_running_domain (2), "s1", kind), stable);
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_REVERT, flags, FIXTURE_SNAPSHOT);
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, error);

  if (facts == NULL)
    return NULL;
  facts->open_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  facts->run_state = g_strdup ("running");
  add_open (facts, facts->disks);
  add_open (facts, facts->snapshot_disks);
  if (change != NULL)
    change (facts);
  return qs_operation_get (request->verb)->plan (domain, request, facts, error);
}

static const struct
{
  const char *name;
  guint flags;
  gboolean stable;
} in_place_cases[] = {
  { "attached-revert-running", QS_REVERT_RUNNING, TRUE },
  { "attached-revert-paused", QS_REVERT_PAUSED, TRUE },
  { "attached-revert-running-moving", QS_REVERT_RUNNING, FALSE },
};

static void
test_in_place (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = plan_in_place (in_place_cases[i].flags, QS_KIND_EXTERNAL,
                                           in_place_cases[i].stable, NULL, &error);

  g_assert_no_error (error);
  plan_golden_check (in_place_cases[i].name, plan);
  fake_world_exercise (plan);
}

static void
forget_open_files (QsFacts *facts)
{
  g_clear_pointer (&facts->open_files, g_ptr_array_unref);
}

/* that of the first disk's state, which is listed behind the active files */
static void
close_state (QsFacts *facts)
{
  g_ptr_array_remove_index (facts->open_files, 2);
}

static void
close_active (QsFacts *facts)
{
  g_ptr_array_remove_index (facts->open_files, 1);
}

static void
set_deeper (QsFacts *facts)
{
  ((QsNode *)g_ptr_array_index (facts->nodes, 0))->depth = 1;
}

static void
set_no_reboot (QsFacts *facts)
{
  facts->ends_at_reset = TRUE;
}

static void
set_threads (QsFacts *facts)
{
  facts->has_io_threads = TRUE;
}

static void
set_migrating (QsFacts *facts)
{
  g_free (facts->run_state);
  facts->run_state = g_strdup ("inmigrate");
}

static void
forget_qom_set (QsFacts *facts)
{
  g_clear_pointer (&facts->commands, g_strfreev);
}

static void
lose_node (QsFacts *facts)
{
  g_ptr_array_remove_index (facts->nodes, 0);
}

static const struct
{
  FactsFunc change;
  QsError code;
  const char *text;
} in_place_refusals[] = {
  { forget_open_files, QS_ERROR_OPERATION_UNSUPPORTED, "cannot be seen" },
  { close_state, QS_ERROR_OPERATION_UNSUPPORTED, "/images/vda.qcow2" },
  { close_active, QS_ERROR_OPERATION_INVALID, "vdb" },
  { set_deeper, QS_ERROR_OPERATION_INVALID, "vda" },
  { set_no_reboot, QS_ERROR_OPERATION_INVALID, "-no-reboot" },
  { set_threads, QS_ERROR_OPERATION_UNSUPPORTED, "I/O threads" },
  { set_migrating, QS_ERROR_OPERATION_INVALID, "inmigrate" },
  { forget_qom_set, QS_ERROR_OPERATION_UNSUPPORTED, "blockdev-add" },
  { lose_node, QS_ERROR_CONFIG_UNSUPPORTED, "no such disk" },
};

static void
test_in_place_refused (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (in_place_refusals); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (plan_in_place (QS_REVERT_RUNNING, QS_KIND_EXTERNAL, TRUE,
                                    in_place_refusals[i].change, &error));
      assert_error (error, in_place_refusals[i].code, in_place_refusals[i].text);
    }
}

/* its process is its owner's */
static void
test_revert_refused (void)
{
  g_autoptr (QsDomain) off =
      fixture_attached (fixture_with_snapshot (fixture_domain (1), "s1", QS_KIND_EXTERNAL), TRUE);
  g_autoptr (QsDomain) on = fixture_attached (
      fixture_with_snapshot (fixture_running_domain (1), "s1", QS_KIND_EXTERNAL), TRUE);

  assert_refused (on, fixture_request (QS_VERB_SNAPSHOT_REVERT, 0, FIXTURE_SNAPSHOT),
                  QS_ERROR_OPERATION_INVALID, "not ours");
  assert_refused (off,
                  fixture_request (QS_VERB_SNAPSHOT_REVERT, QS_REVERT_RUNNING, FIXTURE_SNAPSHOT),
                  QS_ERROR_OPERATION_INVALID, "owner");
}

static void
test_source_refused (void)
{
  g_autoptr (QsDomain) domain = make_domain (TRUE, 1, STABLE);

  assert_refused (domain,
                  fixture_create ("<domainsnapshot><memory snapshot='no'/><disks><disk name='vda' "
                                  "snapshot='external'><source file='/images/x'/></disk></disks>"
                                  "</domainsnapshot>",
                                  0),
                  QS_ERROR_CONFIG_UNSUPPORTED, "takes over the name");
}

/* whoever starts it would find nothing of its data */
static void
test_no_backing_refused (void)
{
  for (guint stable = 0; stable < 2; stable++)
    {
      g_autoptr (QsDomain) domain = fixture_attached (fixture_running_domain (1), stable != 0);

      assert_refused (domain,
                      fixture_create ("<domainsnapshot><memory snapshot='no'/><disks><disk "
                                      "name='vda' snapshot='external' mode='no-backing-file'/>"
                                      "</disks></domainsnapshot>",
                                      0),
                      QS_ERROR_CONFIG_UNSUPPORTED, "started here");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  qs_xml_init ();
  for (guint i = 0; i < G_N_ELEMENTS (create_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners/", create_cases[i].name, NULL);

      g_test_add_data_func (path, &create_cases[i], test_create);
    }
  g_test_add_data_func ("/planners/attached-revert", GUINT_TO_POINTER (STABLE), test_revert);
  g_test_add_data_func ("/planners/attached-revert-moving", GUINT_TO_POINTER (MOVING), test_revert);
  for (guint i = 0; i < G_N_ELEMENTS (in_place_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners/", in_place_cases[i].name, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_in_place);
    }
  g_test_add_func ("/planners/attached-revert-in-place-refused", test_in_place_refused);
  g_test_add_func ("/planners/attached-revert-refused", test_revert_refused);
  g_test_add_func ("/planners/attached-source-refused", test_source_refused);
  g_test_add_func ("/planners/attached-no-backing-refused", test_no_backing_refused);
  return g_test_run ();
}
