/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "plan-attach-fixture.h"
#include "qs-change.h"

#include <string.h>

/* a QEMU that is not on the files that its snapshots need, or on files that cannot be known */

#define DEVICE 64769

static QsPlan *
make_plan (const QsDomain *domain, const QsRequest *request, const QsFacts *facts)
{
  g_autoptr (GError) error = NULL;
  QsPlan *plan = qs_operation_get (QS_VERB_ATTACH)->plan (domain, request, facts, &error);

  g_assert_no_error (error);
  return plan;
}

/* the @kind change of the record whose argument @key is @value; NULL: there is none */
static GVariant *
find_change (const QsPlan *plan, QsChangeKind kind, const char *key, const char *value)
{
  g_autoptr (GVariant) changes = qs_step_value (qs_plan_step (plan, 0), "changes");
  GVariantIter iter;
  const char *name;
  GVariant *arguments;

  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_next (&iter, "(&s@a{sv})", &name, &arguments))
    {
      if (g_str_equal (name, qs_change_name (kind))
          && g_str_equal (qs_change_string (arguments, key), value))
        return arguments;
      g_variant_unref (arguments);
    }
  return NULL;
}

static void
open_file (QsFacts *facts, guint64 dev, guint64 ino)
{
  if (facts->open_files == NULL)
    facts->open_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  g_ptr_array_add (facts->open_files, qs_open_file_new (NULL, dev, ino, TRUE));
}

/* as the worker sees a block device: the numbers of its node tell nothing */
static void
make_device (QsImage *image, guint64 node)
{
  image->dev = 5;
  image->ino = node;
  image->rdev = DEVICE;
  image->btime = 0;
}

static void
test_device (void)
{
  const guint chain[] = { STATE, BASE, 0 };
  g_autoptr (QsDomain) domain = attach_domain (FALSE);
  g_autoptr (QsRequest) request = attach_request (domain, attach_paths[STATE], NULL);
  g_autoptr (QsFacts) facts = attach_facts (FALSE, chain, NULL);
  const QsDiskFacts *disk = g_ptr_array_index (facts->disks, 0);
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GVariant) file = NULL;

  make_device (g_ptr_array_index (disk->chain, 0), 99);
  open_file (facts, 0, DEVICE);
  plan = make_plan (NULL, request, facts);
  file = find_change (plan, QS_CHANGE_FILE_PUT, "path", attach_paths[STATE]);
  g_assert_nonnull (file);
  g_assert_cmpuint (qs_change_uint64 (file, "dev"), ==, 0);
  g_assert_cmpuint (qs_change_uint64 (file, "ino"), ==, DEVICE);
}

/* another node of the same device, and the same name after a reboot, are the same image */
static void
test_device_again (void)
{
  const guint chain[] = { ACTIVE, STATE, BASE, 0 };
  const guint64 recorded[] = { DEVICE, DEVICE + 1 };
  g_autoptr (QsDomain) domain = attach_domain (TRUE);
  g_autoptr (QsRequest) request = attach_request (domain, attach_paths[ACTIVE], NULL);

  for (guint i = 0; i < G_N_ELEMENTS (recorded); i++)
    {
      g_autoptr (QsFacts) facts = attach_facts (TRUE, chain, NULL);
      g_autoptr (GString) text = g_string_new (NULL);
      const QsDiskFacts *disk = g_ptr_array_index (facts->disks, 0);
      QsFile *file = (QsFile *)qs_facts_find_file (facts, attach_paths[ACTIVE]);
      QsFile *below = (QsFile *)qs_facts_find_file (facts, attach_paths[STATE]);
      g_autoptr (QsPlan) plan = NULL;

      make_device (g_ptr_array_index (disk->chain, 0), 99);
      file->dev = 0;
      file->ino = recorded[i];
      /* its number is that of another one now */
      below->dev = 0;
      below->ino = i == 0 ? DEVICE + 2 : DEVICE;
      make_device (g_ptr_array_index (disk->chain, 1), 98);
      ((QsImage *)g_ptr_array_index (disk->chain, 1))->rdev = DEVICE + 2;
      plan = make_plan (domain, request, facts);
      g_assert_cmpstr (attach_quarantine_reason (plan, domain, text), ==, NULL);
    }
}

/* what the owner has put in the place of a file of the service's is his */
static void
test_replaced (void)
{
  const guint chain[] = { STATE, BASE, 0 };
  g_autoptr (QsDomain) domain = attach_domain (FALSE);
  g_autoptr (QsRequest) request = attach_request (domain, attach_paths[STATE], NULL);

  for (guint ino = BASE; ino <= OTHER; ino += OTHER - BASE)
    {
      g_autoptr (QsFacts) facts = attach_facts (FALSE, chain, NULL);
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GVariant) file = NULL;

      attach_add_file (facts, BASE, 0);
      ((QsFile *)facts->files->pdata[0])->ours = TRUE;
      ((QsFile *)facts->files->pdata[0])->ino = ino;
      plan = make_plan (domain, request, facts);
      file = find_change (plan, QS_CHANGE_FILE_PUT, "path", attach_paths[BASE]);
      g_assert_nonnull (file);
      g_assert_cmpint (qs_change_boolean (file, "ours"), ==, ino == BASE);
    }
}

/* a folder that was moved as a whole: all files of the chain have other names now */
static void
test_moved (void)
{
  static const char *const names[] = { "/moved/vda.s1", "/moved/vda.qcow2", "/moved/base" };
  static const guint inodes[] = { ACTIVE, STATE, BASE };
  const guint chain[] = { ACTIVE, STATE, BASE, 0 };
  g_autoptr (QsDomain) domain = attach_domain (TRUE);
  g_autoptr (QsRequest) request = attach_request (domain, names[0], NULL);
  g_autoptr (QsFacts) facts = attach_facts (TRUE, chain, NULL);
  const QsDiskFacts *disk = g_ptr_array_index (facts->disks, 0);
  g_autoptr (QsPlan) plan = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      QsImage *image = g_ptr_array_index (disk->chain, i);

      g_free (image->path);
      image->path = g_strdup (names[i]);
    }
  plan = make_plan (domain, request, facts);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GVariant) file =
          find_change (plan, QS_CHANGE_FILE_RENAME, "path", attach_paths[inodes[i]]);

      g_assert_nonnull (file);
      g_assert_cmpstr (qs_change_string (file, "to"), ==, names[i]);
    }
}

/* a device is looked at as a file is, and its owner's other domains are asked for it */
static void
test_device_asked (void)
{
  g_autoptr (QsDomain) domain = attach_domain (FALSE);
  g_autoptr (QsRequest) request = attach_request (domain, "/dev/sdb", NULL);
  g_autoptr (QsQuestions) questions = qs_questions_new ();
  QsDiskDef *disk = g_ptr_array_index (request->domain_def->disks, 0);
  g_autoptr (GError) error = NULL;

  disk->source_type = QS_SOURCE_BLOCK;
  g_assert_true (qs_operation_get (QS_VERB_ATTACH)->ask (domain, request, questions, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (questions->disks->len, ==, 1);
}

typedef struct
{
  const char *name;
  guint chain[4];    /* what the name leads to now */
  guint open[3];     /* what QEMU writes to */
  const char *fault; /* NULL: all is well */
} MisuseCase;

static const MisuseCase misuse_cases[] = {
  { "state-file", { ACTIVE, STATE, BASE }, { STATE }, "state file of snapshot ‘s1’, ‘/images/vda" },
  { "base", { ACTIVE, STATE, BASE }, { BASE }, "a file below the state of snapshot ‘s1’" },
  { "unknown", { 0 }, { STATE }, "start QEMU with ‘/images/vda.s1’ (qcow2)" },
  { "started-with-it", { ACTIVE, STATE, BASE }, { STATE, ACTIVE }, NULL },
  { "active", { ACTIVE, STATE, BASE }, { OTHER, ACTIVE }, NULL },
};

/* what is open counts, not the names */
static void
test_misuse (gconstpointer data)
{
  const MisuseCase *test = data;
  g_autoptr (QsDomain) domain = attach_domain (TRUE);
  g_autoptr (QsRequest) request = attach_request (domain, attach_paths[ACTIVE], NULL);
  g_autoptr (QsFacts) facts = attach_facts (TRUE, test->chain, NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (QsPlan) plan = NULL;

  for (guint i = 0; test->open[i] != 0; i++)
    open_file (facts, 2049, test->open[i]);
  plan = make_plan (domain, request, facts);
  if (test->fault == NULL)
    g_assert_cmpstr (attach_quarantine_reason (plan, domain, text), ==, NULL);
  else
    {
      g_assert_nonnull (attach_quarantine_reason (plan, domain, text));
      g_assert_nonnull (strstr (text->str, test->fault));
      g_assert_null (find_change (plan, QS_CHANGE_ACTIVE, "target", "vda"));
    }
}

static QsFacts *
make_unseen (guint64 ino)
{
  const guint chain[] = { 0 };
  QsFacts *facts = attach_facts (TRUE, chain, NULL);
  QsDiskFacts *disk = g_ptr_array_index (facts->disks, 0);

  disk->error = g_error_new_literal (QS_ERROR, QS_ERROR_IMAGE_FAILED, "it is a link");
  ((QsFile *)qs_facts_find_file (facts, attach_paths[ACTIVE]))->ino = ino;
  return facts;
}

/* what nobody could look at takes the place of no file that was */
static void
test_unseen (void)
{
  g_autoptr (QsDomain) domain = attach_domain (TRUE);
  g_autoptr (QsDomain) new_disk = attach_domain (TRUE);
  g_autoptr (QsRequest) other = attach_request (domain, "/images/link", NULL);
  g_autoptr (QsRequest) same = attach_request (domain, attach_paths[ACTIVE], NULL);
  g_autoptr (QsFacts) facts = make_unseen (ACTIVE);
  g_autoptr (QsFacts) never_seen = make_unseen (0);
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (QsPlan) added = NULL;

  attach_check_refusal (domain, other, facts, QS_ERROR_IMAGE_FAILED, "with ‘/images/vda.s1’");
  open_file (facts, 2049, ACTIVE);
  attach_check_refusal (domain, other, facts, QS_ERROR_IMAGE_FAILED, "with ‘/images/vda.s1’");

  /* a disk that could not be looked at before either, or is new: what is open is none of theirs */
  attach_check_refusal (domain, same, never_seen, QS_ERROR_IMAGE_FAILED, "it is a link");
  open_file (never_seen, 2049, OTHER);
  attach_check_refusal (domain, other, never_seen, QS_ERROR_IMAGE_FAILED, "it is a link");
  plan = make_plan (domain, same, never_seen);
  g_assert_nonnull (strstr (plan->notes->pdata[0], "it is a link"));
  g_assert_null (find_change (plan, QS_CHANGE_ACTIVE, "target", "vda"));

  g_ptr_array_set_size (new_disk->actives, 0);
  added = make_plan (new_disk, other, never_seen);
  g_assert_null (find_change (added, QS_CHANGE_ACTIVE, "target", "vda"));
  g_ptr_array_unref (g_steal_pointer (&never_seen->open_files));
  attach_check_refusal (new_disk, other, never_seen, QS_ERROR_IMAGE_FAILED, "without this disk");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/attach/device", test_device);
  g_test_add_func ("/plan/attach/device-again", test_device_again);
  g_test_add_func ("/plan/attach/replaced", test_replaced);
  g_test_add_func ("/plan/attach/device-asked", test_device_asked);
  g_test_add_func ("/plan/attach/moved", test_moved);
  g_test_add_func ("/plan/attach/unseen", test_unseen);
  for (guint i = 0; i < G_N_ELEMENTS (misuse_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/plan/attach/misuse/", misuse_cases[i].name, NULL);

      g_test_add_data_func (path, &misuse_cases[i], test_misuse);
    }
  return g_test_run ();
}
