/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "plan-fixture.h"
#include "plan-golden.h"
#include "qs-change.h"
#include "qs-error.h"
#include "qs-flags.h"
#include "qs-plan-mirror.h"

#include <string.h>

/* what becomes of a mirror: the disk goes over to it, it goes, or it has ended by itself */

#define MIRROR "/mirror/vda"
#define BASE "/images/vda.qcow2"
#define OTHER "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee"

static QsDomain *
apply (QsDomain *before, const char *changes)
{
  g_autoptr (GVariant) list = g_variant_ref_sink (g_variant_new_parsed (changes));
  g_autoptr (GError) error = NULL;
  QsDomain *after = qs_domain_apply (before, list, &error);

  g_assert_no_error (error);
  qs_domain_unref (before);
  return after;
}

/* a running domain whose disk is mirrored since its one snapshot */
static QsDomain *
make_domain (void)
{
  QsDomain *domain = fixture_with_snapshot (fixture_running_domain (1), "s1", QS_KIND_EXTERNAL);

  return apply (domain, "[('mirror', {'target': <'vda'>, 'path': <'" MIRROR "'>,"
                        " 'format': <'qcow2'>, 'snapshot': <'" FIXTURE_SNAPSHOT "'>,"
                        " 'job': <'snapd-cafe-m5'>, 'node': <'snapd-cafe-3'>})]");
}

static QsFile *
add_file (QsFacts *facts, const QsImage *image, const char *role, const char *backing)
{
  QsFile *file = qs_file_new (image->path, "qcow2");

  file->role = g_strdup (role);
  file->backing = g_strdup (backing);
  file->dev = image->dev;
  file->ino = image->ino;
  file->btime = image->btime;
  file->ours = TRUE;
  g_ptr_array_add (facts->files, file);
  return file;
}

static QsImage *
image_of (const GPtrArray *disks, guint index)
{
  return g_ptr_array_index (((const QsDiskFacts *)g_ptr_array_index (disks, 0))->chain, index);
}

static QsImage *
add_image (const GPtrArray *disks, const char *path, guint64 ino)
{
  const QsImage *like = image_of (disks, 0);
  QsImage *image = qs_image_new ();

  image->path = g_strdup (path);
  image->format = g_strdup ("qcow2");
  image->dev = like->dev;
  image->ino = ino;
  image->btime = like->btime;
  image->virtual_size = like->virtual_size;
  image->writable = TRUE;
  g_ptr_array_add (((const QsDiskFacts *)g_ptr_array_index (disks, 0))->chain, image);
  return image;
}

/* the world of a disk that can go over: what it stands on was copied beside its mirror */
static void
fill (QsFacts *facts)
{
  static const char *const below[] = { "node-base", NULL };
  QsNode *node = g_ptr_array_index (facts->nodes, 0);
  QsFile *base;

  add_image (facts->disks, BASE, 4711);
  node->below = g_strdupv ((char **)below);
  add_file (facts, image_of (facts->disks, 0), "disk", BASE);
  base = add_file (facts, image_of (facts->disks, 1), "disk", NULL);
  g_ptr_array_add (base->state_of, g_strdup (FIXTURE_SNAPSHOT));
  add_file (facts, image_of (facts->claims, 0), QS_MIRROR_ROLE, NULL);
}

static void
spoil (QsFacts *facts, const char *fault)
{
  QsImage *below = image_of (facts->claims, 1);
  QsNode *node = g_ptr_array_index (facts->nodes, 0);

  if (g_str_equal (fault, "same"))
    (below->ino = 4711, g_free (below->path), below->path = g_strdup (BASE));
  else if (g_str_equal (fault, "needed"))
    g_ptr_array_add (((QsFile *)g_ptr_array_index (facts->files, 1))->state_of, g_strdup (OTHER));
  else if (g_str_equal (fault, "replaced"))
    image_of (facts->claims, 0)->ino++;
  else if (g_str_equal (fault, "no chain"))
    g_ptr_array_set_size (((QsDiskFacts *)g_ptr_array_index (facts->claims, 0))->chain, 1);
  else if (g_str_equal (fault, "on the source"))
    below->ino = image_of (facts->disks, 0)->ino;
  else if (g_str_equal (fault, "size"))
    below->virtual_size /= 2;
  else if (g_str_equal (fault, "missing"))
    ((QsDiskFacts *)g_ptr_array_index (facts->claims, 0))->error =
        g_error_new_literal (QS_ERROR, QS_ERROR_IMAGE_FAILED, "it is missing");
  else if (g_str_equal (fault, "no graph"))
    g_clear_pointer (&node->below, g_strfreev);
  below->dirty = g_str_equal (fault, "dirty");
  below->in_use = g_str_equal (fault, "in use");
  facts->has_io_threads = g_str_equal (fault, "threads");
}

static QsPlan *
plan_reopen (const char *fault, GError **error)
{
  g_autoptr (QsDomain) domain = make_domain ();
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_DELETE, QS_DELETE_REOPEN_MIRROR, FIXTURE_SNAPSHOT);
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, error);
  QsPlan *plan;

  g_assert_nonnull (facts);
  fill (facts);
  spoil (facts, fault);
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, error);
  g_assert_true (plan == NULL || qs_plan_check (plan, NULL));
  return plan;
}

static const struct
{
  const char *fault;
  const char *name;
  QsError code;
  const char *text;
} reopenings[] = {
  { "", "delete-reopen-mirror" },
  { "same", "delete-reopen-mirror-same" },
  { "needed", "delete-reopen-mirror-needed" },
  { "replaced", NULL, QS_ERROR_IMAGE_FAILED, "REMOVE_MIRROR" },
  { "no chain", NULL, QS_ERROR_IMAGE_FAILED, "does not stand on a copy" },
  { "on the source", NULL, QS_ERROR_IMAGE_FAILED, "does not stand on a copy" },
  { "size", NULL, QS_ERROR_IMAGE_FAILED, "not as large" },
  { "missing", NULL, QS_ERROR_IMAGE_FAILED, "it is missing" },
  { "dirty", NULL, QS_ERROR_IMAGE_FAILED, "dirty" },
  { "in use", NULL, QS_ERROR_IMAGE_FAILED, "in use" },
  { "no graph", NULL, QS_ERROR_OPERATION_INVALID, "does not tell" },
  { "threads", NULL, QS_ERROR_OPERATION_UNSUPPORTED, "I/O threads" },
};

static void
test_reopen (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (reopenings); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (QsPlan) plan = plan_reopen (reopenings[i].fault, &error);

      if (reopenings[i].name != NULL)
        {
          g_assert_no_error (error);
          plan_golden_check (reopenings[i].name, plan);
          continue;
        }
      g_assert_error (error, QS_ERROR, (int)reopenings[i].code);
      g_assert_nonnull (strstr (error->message, reopenings[i].text));
    }
}

static void
test_remove (void)
{
  g_autoptr (QsDomain) domain = make_domain ();
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_DELETE, QS_DELETE_REMOVE_MIRROR, FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsImage) image = qs_image_new ();
  g_autoptr (QsPlan) plan = NULL;

  g_assert_no_error (error);
  image->path = g_strdup (MIRROR);
  image->dev = 1;
  image->ino = 2;
  image->btime = 3;
  add_file (facts, image, QS_MIRROR_ROLE, NULL);
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  plan_golden_check ("delete-remove-mirror", plan);
}

/* one that is at it still is left alone */
static void
test_drop (void)
{
  g_autoptr (QsDomain) domain = make_domain ();
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_MIRROR_DROP, 0, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;

  g_assert_no_error (error);
  g_assert_null (qs_plan_mirror_drop (domain, request, facts, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID);
  g_clear_error (&error);
  g_hash_table_insert (facts->mirror_ends, g_strdup (MIRROR), g_strdup ("No space left on device"));
  plan = qs_plan_mirror_drop (domain, request, facts, &error);
  g_assert_no_error (error);
  plan_golden_check ("mirror-drop", plan);
}

static const struct
{
  QsVerb verb;
  guint flags;
  const char *change; /* (nullable): of the domain before */
  QsError code;
  const char *text;
} refused[] = {
  { QS_VERB_SNAPSHOT_DELETE, 0, NULL, QS_ERROR_DOMAIN_BUSY, "REMOVE_MIRROR" },
  { QS_VERB_SNAPSHOT_DELETE, QS_DELETE_METADATA_ONLY, NULL, QS_ERROR_DOMAIN_BUSY, "s1" },
  { QS_VERB_SNAPSHOT_REVERT, 0, NULL, QS_ERROR_DOMAIN_BUSY, "REOPEN_MIRROR" },
  { QS_VERB_SNAPSHOT_REVERT, QS_REVERT_COMMIT, NULL, QS_ERROR_DOMAIN_BUSY, "REOPEN_MIRROR" },
  { QS_VERB_SNAPSHOT_DELETE, QS_DELETE_REOPEN_MIRROR, "[('current', {'uuid': <''>})]",
    QS_ERROR_OPERATION_INVALID, "not the current" },
  { QS_VERB_SNAPSHOT_DELETE, QS_DELETE_REMOVE_MIRROR,
    "[('mirror-drop', {'path': <'" MIRROR "'>, 'reason': <'full'>})]", QS_ERROR_OPERATION_INVALID,
    "dropped" },
  { QS_VERB_SNAPSHOT_DELETE, QS_DELETE_REOPEN_MIRROR,
    "[('mirror-forget', {'path': <'" MIRROR "'>})]", QS_ERROR_OPERATION_INVALID, "no mirror" },
  { QS_VERB_MIRROR_DROP, 0, "[('mirror-forget', {'path': <'" MIRROR "'>})]",
    QS_ERROR_OPERATION_INVALID, "no mirror" },
};

static void
test_refused (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      QsDomain *made = make_domain ();
      g_autoptr (QsDomain) domain =
          refused[i].change != NULL ? apply (made, refused[i].change) : made;
      g_autoptr (QsRequest) request =
          fixture_request (refused[i].verb, refused[i].flags, FIXTURE_SNAPSHOT);
      g_autoptr (GError) error = NULL;

      g_assert_null (fixture_plan (domain, request, NULL, &error));
      g_assert_error (error, QS_ERROR, (int)refused[i].code);
      g_assert_nonnull (strstr (error->message, refused[i].text));
    }
}

#define TWO                                                                                        \
  "<domainsnapshot><disks><disk name='vda' snapshot='external'><mirror file='/m/a'/></disk>"       \
  "<disk name='vdb' snapshot='external'><mirror file='/m/b'/></disk></disks></domainsnapshot>"
#define ONE                                                                                        \
  "<domainsnapshot><disks><disk name='vda' snapshot='external'><mirror file='/m/a'/></disk>"       \
  "</disks></domainsnapshot>"

/* more than the configuration allows, and a QEMU that cannot */
static void
test_create_refused (void)
{
  static const char *const old[] = { "blockdev-snapshot-sync", NULL };
  g_autoptr (QsDomain) domain = fixture_running_domain (2);
  g_autoptr (QsRequest) two = fixture_create (TWO, QS_CREATE_DISK_ONLY);
  g_autoptr (QsRequest) one = fixture_create (ONE, QS_CREATE_DISK_ONLY);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = NULL;

  g_assert_null (fixture_plan (domain, two, NULL, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "mirrors-per-domain"));
  g_clear_error (&error);
  facts = fixture_facts (domain, one, &error);
  g_assert_no_error (error);
  g_strfreev (facts->commands);
  facts->commands = g_strdupv ((char **)old);
  g_assert_null (qs_operation_get (one->verb)->plan (domain, one, facts, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  qs_xml_init ();
  g_test_add_func ("/planners-mirror/reopen", test_reopen);
  g_test_add_func ("/planners-mirror/remove", test_remove);
  g_test_add_func ("/planners-mirror/drop", test_drop);
  g_test_add_func ("/planners-mirror/refused", test_refused);
  g_test_add_func ("/planners-mirror/create-refused", test_create_refused);
  return g_test_run ();
}
