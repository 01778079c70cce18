/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "beside-fixture.h"
#include "qs-error.h"
#include "qs-process.h"
#include "worker-fixture.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* a second QEMU loads what the first has saved, and takes its place: with real ones, a real worker, and
   a daemon that is killed at any moment of it */

static void
must_end (Beside *b, const QsPlan *plan, QsOutcome expected)
{
  g_autoptr (GError) error = NULL;
  QsOutcome outcome = real_domain_run (b->domain, plan, NULL, &error);

  g_assert_cmpint (outcome, ==, expected);
  if (expected == QS_OUTCOME_DONE)
    g_assert_no_error (error);
}

static void
must_resume (Beside *b, QsOutcome expected)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (real_domain_resume (b->domain, NULL, &error), ==, expected);
  g_assert_no_error (error);
}

/* nothing of what was loaded is undone but all of it, and the first process runs on */
static void
must_fail_from (Beside *b, BesideDisk disk, int code, const char *text)
{
  g_autoptr (QsPlan) plan = beside_plan (b, disk, BESIDE_CONT);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (real_domain_run (b->domain, plan, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_error (error, QS_ERROR, code);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, text));
  beside_assert_untouched (b);
}

static void
must_fail (Beside *b, int code, const char *text)
{
  must_fail_from (b, BESIDE_FRESH, code, text);
}

static void
must_cont (Beside *b)
{
  g_autoptr (QsPlan) cont = qs_plan_new ();

  qs_plan_add (cont, QS_STEP_CONT, QS_PHASE_COMMIT, "real", g_variant_new ("a{sv}", NULL));
  must_end (b, cont, QS_OUTCOME_DONE);
  beside_assert_state (b, QS_DOMAIN_RUNNING);
}

/* paused, with the memory of then, and then it runs on */
static void
test_load (Beside *b, gconstpointer disk)
{
  g_autoptr (QsPlan) plan = NULL;

  if (GPOINTER_TO_UINT (disk) == BESIDE_IMAGE)
    beside_save_image (b);
  plan = beside_plan (b, GPOINTER_TO_UINT (disk), BESIDE_CONNECT);
  must_end (b, plan, QS_OUTCOME_DONE);
  beside_assert_replaced (b);
  beside_assert_state (b, QS_DOMAIN_PAUSED);
  beside_assert_memory (b);
  must_cont (b);
}

static gboolean
is_locked (const char *path)
{
  g_autoptr (GSubprocess) child =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL,
                        "qemu-img", "info", "-f", "qcow2", path, NULL);

  return !g_subprocess_wait_check (child, NULL, NULL);
}

static void
take_tag (Beside *b)
{
  g_autoptr (QsGuest) guest = qs_registry_get_guest (b->domain->engine.registry, "1");
  g_autoptr (GError) error = NULL;

  qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-snapshot-internal-sync",
              g_variant_new_parsed ("{'device': <'snapd-vda'>, 'name': <'tag'>}"), 20, &error);
  g_assert_no_error (error);
}

static void
add_activate (QsPlan *plan)
{
  qs_plan_add (plan, QS_STEP_ACTIVATE, QS_PHASE_FINISH, "real", g_variant_new ("a{sv}", NULL));
}

static const char *
find_note (GPtrArray *results, guint index)
{
  GVariant *result = g_ptr_array_index (results, index);
  const char *note = NULL;

  if (result != NULL)
    (void)g_variant_lookup (result, "note", "&s", &note);
  return note;
}

/* a guest that is to stay paused has its image nevertheless. Twice is as good as once */
static void
test_activate (Beside *b, gconstpointer data)
{
  g_autoptr (QsPlan) plan = beside_plan (b, BESIDE_SHARED, BESIDE_CONNECT);
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GError) error = NULL;

  add_activate (plan);
  add_activate (plan);
  g_assert_cmpint (real_domain_run (b->domain, plan, &results, &error), ==, QS_OUTCOME_DONE);
  g_assert_no_error (error);
  g_assert_null (find_note (results, BESIDE_CONNECT + 1));
  g_assert_null (find_note (results, BESIDE_CONNECT + 2));
  beside_assert_state (b, QS_DOMAIN_PAUSED);
  beside_assert_memory (b);
  g_assert_true (is_locked (b->active));
  take_tag (b);
  must_cont (b);
}

/* without it the image is nobody's, and is somebody else's if he is faster: that is told */
static void
test_not_active (Beside *b, gconstpointer data)
{
  g_autoptr (QsPlan) plan = beside_plan (b, BESIDE_SHARED, BESIDE_CONNECT);
  g_autoptr (QsPlan) late = qs_plan_new ();
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GError) error = NULL;
  GSubprocess *other;

  must_end (b, plan, QS_OUTCOME_DONE);
  g_assert_false (is_locked (b->active));
  other = open_in_qemu (b->active, "qcow2");
  qs_plan_add (late, QS_STEP_STOP, QS_PHASE_COMMIT, "real", g_variant_new ("a{sv}", NULL));
  add_activate (late);
  g_assert_cmpint (real_domain_run (b->domain, late, &results, &error), ==, QS_OUTCOME_DONE);
  g_assert_no_error (error);
  g_assert_nonnull (strstr (find_note (results, 1), "snapd-vda"));
  close_in_qemu (other);
  must_cont (b);
  g_assert_true (is_locked (b->active));
}

/* and once more, from the second to a third */
static void
test_again (Beside *b, gconstpointer data)
{
  g_autoptr (QsPlan) plan = beside_plan (b, BESIDE_FRESH, BESIDE_CONT);
  g_autoptr (QsPlan) again = NULL;
  g_autoptr (QsDomain) domain = NULL;

  must_end (b, plan, QS_OUTCOME_DONE);
  domain = qs_registry_get (b->domain->engine.registry, "1");
  qs_process_free (b->first);
  b->first = qs_process_copy (domain->process);
  again = beside_plan (b, BESIDE_SHARED, BESIDE_CONT);
  g_assert_no_errno (g_unlink (b->active));
  run_tool ("qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", b->base, "-F", "qcow2",
            b->active, "64M", NULL);
  must_end (b, again, QS_OUTCOME_DONE);
  beside_assert_replaced (b);
  beside_assert_state (b, QS_DOMAIN_RUNNING);
}

static void
test_bad_stream (Beside *b, gconstpointer data)
{
  write_file (b->memory, "this is no memory at all, but it is long enough to be looked at");
  must_fail (b, QS_ERROR_IMAGE_FAILED, "Not a migration stream");
  must_fail (b, QS_ERROR_IMAGE_FAILED, b->memory);
}

static void
test_truncated (Beside *b, gconstpointer data)
{
  GStatBuf info;

  g_assert_no_errno (g_stat (b->memory, &info));
  g_assert_no_errno (truncate (b->memory, info.st_size / 2));
  must_fail (b, QS_ERROR_IMAGE_FAILED, "cannot be loaded: QEMU has ended: ");
}

static void
test_missing (Beside *b, gconstpointer data)
{
  g_assert_no_errno (g_unlink (b->memory));
  must_fail (b, QS_ERROR_IMAGE_FAILED, b->memory);
}

/* another file has the name since it was looked at */
static void
test_other_file (Beside *b, gconstpointer data)
{
  g_autoptr (QsPlan) plan = beside_plan (b, BESIDE_FRESH, BESIDE_CONT);
  g_autofree char *kept = g_strconcat (b->memory, ".kept", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (b->memory, &text, &length, NULL));
  g_assert_no_errno (g_rename (b->memory, kept));
  g_assert_true (g_file_set_contents (b->memory, text, length, NULL));
  g_assert_cmpint (real_domain_run (b->domain, plan, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
  g_assert_nonnull (strstr (error->message, "no longer the file"));
  beside_assert_untouched (b);
}

/* the image is another one by now, has not got the tag, or is none */
static void
test_bad_image (Beside *b, gconstpointer data)
{
  beside_save_image (b);
  run_tool ("qemu-img", "snapshot", "-d", "t", b->image, NULL);
  must_fail_from (b, BESIDE_IMAGE, QS_ERROR_IMAGE_FAILED, "exactly one snapshot with the tag ‘t’");
  write_file (b->image, "this is no image");
  must_fail_from (b, BESIDE_IMAGE, QS_ERROR_IMAGE_FAILED, b->image);
  g_assert_no_errno (g_unlink (b->image));
  must_fail_from (b, BESIDE_IMAGE, QS_ERROR_IMAGE_FAILED, "is gone");
}

/* memory of another machine takes nothing with it but the process that it was for */
static void
test_image_of_other (Beside *b, gconstpointer data)
{
  g_auto (GStrv) parts = g_strsplit (b->definition, ">32<", -1);

  beside_save_image (b);
  g_free (b->definition);
  b->definition = g_strjoinv (">48<", parts);
  must_fail_from (b, BESIDE_IMAGE, QS_ERROR_IMAGE_FAILED, "pc.ram");
}

/* the machine of the memory had more of it */
static void
test_other_machine (Beside *b, gconstpointer data)
{
  g_auto (GStrv) parts = g_strsplit (b->definition, ">32<", -1);

  g_assert_cmpuint (g_strv_length (parts), >, 1);
  g_free (b->definition);
  b->definition = g_strjoinv (">48<", parts);
  must_fail (b, QS_ERROR_IMAGE_FAILED, "pc.ram");
}

static void
cancel (const QsAmount *amount, gpointer cancellable)
{
  g_assert_cmpuint (amount->total, >, 0);
  g_cancellable_cancel (cancellable);
}

static void
test_cancel (Beside *b, gconstpointer data)
{
  b->domain->cancellable = g_cancellable_new ();
  b->domain->tell = cancel;
  b->domain->user_data = b->domain->cancellable;
  must_fail (b, QS_ERROR_CANCELLED, "");
  g_object_unref (b->domain->cancellable);
}

static void
test_undo (Beside *b, gconstpointer data)
{
  g_autoptr (QsPlan) plan = beside_plan (b, BESIDE_FRESH, BESIDE_STOP);

  real_plan_add (plan, QS_STEP_NODE_ADD, QS_PHASE_PREPARE,
                 "{'target': <'vda'>, 'node': <'n'>, 'path': <'/nonexistent/image'>,"
                 " 'format': <'qcow2'>, 'direct': <false>, 'no-flush': <false>}");
  qs_plan_add (plan, QS_STEP_CONT, QS_PHASE_COMMIT, "real", g_variant_new ("a{sv}", NULL));
  must_end (b, plan, QS_OUTCOME_UNDONE);
  beside_assert_untouched (b);
}

/* the daemon is killed: before the record the first goes on, after it the second */
static void
test_crash (Beside *b, gconstpointer data)
{
  guint index = GPOINTER_TO_UINT (data) / 2;
  RealPoint point = GPOINTER_TO_UINT (data) % 2 == 0 ? REAL_BEFORE : REAL_AFTER;
  g_autoptr (QsPlan) plan = beside_plan (b, BESIDE_FRESH, BESIDE_CONT);
  gboolean reached = index > BESIDE_RECORD || (index == BESIDE_RECORD && point == REAL_AFTER);

  real_domain_run_until (b->domain, plan, index, point);
  must_resume (b, reached ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE);
  if (!reached)
    beside_assert_untouched (b);
  if (reached)
    beside_assert_replaced (b);
  beside_assert_state (b, QS_DOMAIN_RUNNING);
}

static gboolean
is_closed (Beside *b)
{
  g_autoptr (QsGuest) guest = qs_registry_get_guest (b->domain->engine.registry, "1");

  return !qs_process_is_alive (b->first) && (guest == NULL || !qs_guest_is_open (guest));
}

static gboolean
is_quiet (Beside *b)
{
  return !qs_errands_is_busy (b->domain->engine.errands);
}

/* what the old one does on its way out is nothing that the domain does */
static void
test_old_one_ends (Beside *b, gconstpointer data)
{
  g_autoptr (QsPlan) plan = beside_plan (b, BESIDE_FRESH, BESIDE_CONT);
  g_autoptr (QsDomain) domain = NULL;

  real_domain_run_until (b->domain, plan, BESIDE_RECORD, REAL_AFTER);
  g_assert_no_errno (kill (b->first->pid, SIGKILL));
  beside_wait (b, is_closed);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  beside_wait (b, is_quiet);
  g_assert_false (beside_is_first (b));
  domain = qs_registry_get (b->domain->engine.registry, "1");
  g_assert_cmpint (domain->state, ==, QS_DOMAIN_PAUSED);
  must_resume (b, QS_OUTCOME_DONE);
  beside_assert_replaced (b);
  beside_assert_state (b, QS_DOMAIN_RUNNING);
}

/* nothing is left to connect to: the domain is off, which is what its record says by then */
static void
test_new_one_ends (Beside *b, gconstpointer data)
{
  g_autoptr (QsPlan) plan = beside_plan (b, BESIDE_FRESH, BESIDE_CONT);
  g_autoptr (QsDomain) before = NULL;
  g_autoptr (QsDomain) after = NULL;
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GError) error = NULL;
  real_domain_run_until (b->domain, plan, BESIDE_QUIT, REAL_AFTER);
  before = qs_registry_get (b->domain->engine.registry, "1");
  g_assert_no_errno (kill (before->process->pid, SIGKILL));
  g_assert_true (qs_process_wait (before->process, 10));
  g_assert_cmpint (real_domain_resume (b->domain, &results, &error), ==, QS_OUTCOME_DONE);
  g_assert_no_error (error);
  after = qs_registry_get (b->domain->engine.registry, "1");
  g_assert_null (after->process);
  g_assert_cmpint (after->state, ==, QS_DOMAIN_SHUTOFF);
  g_assert_cmpuint (beside_count (b), ==, 0);
  g_assert_nonnull (strstr (find_note (results, BESIDE_CONNECT), "is off"));
}

#define add(path, data, func)                                                                      \
  g_test_add ("/step-beside/" path, Beside, data, beside_set_up, func, beside_tear_down)

static void
add_crashes (void)
{
  for (guint i = 0; i < BESIDE_N_STEPS * 2; i++)
    {
      g_autofree char *path = g_strdup_printf ("/step-beside/crash/%u/%u", i / 2, i % 2);

      g_test_add (path, Beside, GUINT_TO_POINTER (i), beside_set_up, test_crash, beside_tear_down);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* no systemd on a bus that is not there */
  g_setenv ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent", TRUE);
  add ("load", GUINT_TO_POINTER (BESIDE_FRESH), test_load);
  add ("load-shared", GUINT_TO_POINTER (BESIDE_SHARED), test_load);
  add ("load-image", GUINT_TO_POINTER (BESIDE_IMAGE), test_load);
  add ("bad-image", NULL, test_bad_image);
  add ("image-of-other", NULL, test_image_of_other);
  add ("activate", NULL, test_activate);
  add ("not-active", NULL, test_not_active);
  add ("again", NULL, test_again);
  add ("bad-stream", NULL, test_bad_stream);
  add ("truncated", NULL, test_truncated);
  add ("missing", NULL, test_missing);
  add ("other-file", NULL, test_other_file);
  add ("other-machine", NULL, test_other_machine);
  add ("cancel", NULL, test_cancel);
  add ("undo", NULL, test_undo);
  add ("old-one-ends", NULL, test_old_one_ends);
  add ("new-one-ends", NULL, test_new_one_ends);
  add_crashes ();
  return g_test_run ();
}
