/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-plan.h"

#define N_GARBLED 3000

static void
add (QsPlan *plan, QsStepKind kind, QsPhase phase, const char *target, const char *arguments)
{
  qs_plan_add (plan, kind, phase, target,
               arguments == NULL ? NULL : g_variant_new_parsed (arguments));
}

static QsPlan *
sample_plan (void)
{
  QsPlan *plan = qs_plan_new ();

  add (plan, QS_STEP_IMAGE_CREATE, QS_PHASE_PREPARE, "vda",
       "{'target': <'vda'>, 'path': <'/img/a b.s1'>, 'format': <'qcow2'>, 'size': <uint64 1048576>,"
       " 'cluster-size': <uint32 65536>, 'backing': <\"it's\">, 'mode': <uint32 384>,"
       " 'gid': <uint32 7>}");
  add (plan, QS_STEP_STOP, QS_PHASE_PREPARE, NULL, NULL);
  add (plan, QS_STEP_TRANSACTION, QS_PHASE_COMMIT, NULL,
       "{'disks': <[{'target': <'vda'>, 'node': <'#block1'>, 'overlay': <'snapd-1'>,"
       " 'path': <'/img/a b.s1'>, 'active': <'/img/a'>}]>}");
  add (plan, QS_STEP_RECORD, QS_PHASE_FINISH, "s1",
       "{'changes': <[('snapshot-put', {'uuid': <'u1'>, 'document': <'<a>\\n</a>'>}),"
       " ('current', {'uuid': <'u1'>})]>}");
  add (plan, QS_STEP_FILE_UNLINK, QS_PHASE_FINISH, NULL,
       "{'path': <'/img/old'>, 'dev': <uint64 1>, 'ino': <uint64 2>, 'btime': <int64 3>}");
  qs_plan_set_result (plan, g_variant_new_parsed ("{'tag': <'s-1'>, 'covered': <['vda']>}"));
  qs_plan_set_pause (plan, "short");
  qs_plan_note (plan, "start from %s", "/img/a");
  return plan;
}

static const char sample_text[] =
    "- image-create vda  target=vda path='/img/a b.s1' format=qcow2 size=1048576"
    " cluster-size=65536 backing=\"it's\" mode=384 gid=7   undo: unlink\n"
    "- stop   undo: cont\n"
    "! transaction\n"
    "    target=vda node=#block1 overlay=snapd-1 path='/img/a b.s1' active=/img/a\n"
    "+ record s1\n"
    "    snapshot-put uuid=u1 document=(8 bytes)\n"
    "    current uuid=u1\n"
    "+ file-unlink  path=/img/old dev=1 ino=2 btime=3\n"
    "pause: short\n"
    "result: tag=s-1 covered=['vda']\n"
    "note: start from /img/a\n";

static void
test_describe (void)
{
  g_autoptr (QsPlan) plan = sample_plan ();
  g_autofree char *text = qs_plan_describe (plan);

  g_assert_cmpstr (text, ==, sample_text);
}

static void
test_members (void)
{
  g_autoptr (QsPlan) plan = sample_plan ();
  g_autoptr (QsPlan) other = qs_plan_ref (plan);
  g_auto (GStrv) files = qs_plan_files (plan, QS_MAKES_FILE);

  g_assert_true (other == plan);
  g_assert_cmpuint (qs_plan_commit_index (plan), ==, 2);
  g_assert_cmpstrv (files, ((const char *[]){ "/img/a b.s1", NULL }));
  g_assert_cmpint (qs_plan_step (plan, 4)->kind, ==, QS_STEP_FILE_UNLINK);
}

static void
test_text (void)
{
  g_autoptr (QsPlan) plan = sample_plan ();
  g_autofree char *text = qs_plan_to_text (plan);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) read = qs_plan_from_text (text, &error);
  g_autofree char *again = NULL;
  g_autofree char *described = NULL;

  g_assert_no_error (error);
  again = qs_plan_to_text (read);
  described = qs_plan_describe (read);
  g_assert_cmpstr (again, ==, text);
  g_assert_cmpstr (described, ==, sample_text);
}

static void
assert_unreadable (const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (qs_plan_from_text (text, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
}

static void
test_garbage (void)
{
  g_autofree char *deep = g_strnfill (100000, '(');

  assert_unreadable ("");
  assert_unreadable ("\xff");
  assert_unreadable (deep);
  assert_unreadable ("('none', @a(sssa{sv}) [], @a{sv} {}, @as [])");
  assert_unreadable ("('none', [('rm', 'commit', '', @a{sv} {})], @a{sv} {}, @as [])");
  assert_unreadable ("('none', [('quit', 'never', '', @a{sv} {})], @a{sv} {}, @as [])");
  assert_unreadable ("('none', [('quit', 'prepare', '', @a{sv} {})], @a{sv} {}, @as [])");
}

/* one byte changed: an error or another good plan, never an abort */
static void
test_garbled (void)
{
  g_autoptr (QsPlan) plan = sample_plan ();
  g_autofree char *text = qs_plan_to_text (plan);
  gsize length = strlen (text);

  for (guint i = 0; i < N_GARBLED; i++)
    {
      g_autofree char *copy = g_strdup (text);
      g_autoptr (GError) error = NULL;
      g_autoptr (QsPlan) read = NULL;

      copy[g_test_rand_int_range (0, length)] = g_test_rand_int_range (1, 256);
      read = qs_plan_from_text (copy, &error);
      g_assert_true ((read == NULL) == (error != NULL));
      if (read != NULL)
        g_assert_true (qs_plan_check (read, NULL));
    }
}

static void
assert_grammar (const char *phases, const char *refusal)
{
  static const QsPhase by_sign[] = {
    ['-'] = QS_PHASE_PREPARE, ['!'] = QS_PHASE_COMMIT, ['+'] = QS_PHASE_FINISH
  };
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; phases[i] != '\0'; i++)
    qs_plan_add (plan, QS_STEP_STOP, by_sign[(guchar)phases[i]], NULL, NULL);
  g_assert_cmpint (qs_plan_check (plan, &error), ==, refusal == NULL);
  if (refusal != NULL)
    g_assert_nonnull (strstr (error->message, refusal));
}

static void
test_grammar (void)
{
  assert_grammar ("!", NULL);
  assert_grammar ("--!", NULL);
  assert_grammar ("!++", NULL);
  assert_grammar ("-!+", NULL);
  assert_grammar ("", "0 commit steps");
  assert_grammar ("-", "0 commit steps");
  assert_grammar ("-+", "0 commit steps");
  assert_grammar ("-!!+", "2 commit steps");
  assert_grammar ("!-", "a prepare step after a commit step");
  assert_grammar ("-!+-", "a prepare step after a finish step");
  assert_grammar ("+!", "a commit step after a finish step");
}

static void
test_no_undo (void)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GError) error = NULL;

  add (plan, QS_STEP_RECORD, QS_PHASE_PREPARE, NULL, "{'changes': <@a(sa{sv}) []>}");
  add (plan, QS_STEP_QUIT, QS_PHASE_COMMIT, NULL, NULL);
  g_assert_false (qs_plan_check (plan, &error));
  g_assert_nonnull (strstr (error->message, "‘record’ cannot stand in phase ‘prepare’"));
}

/* on one before it, and not on itself */
static void
test_condition (void)
{
  for (guint on = 0; on < 3; on++)
    {
      g_autoptr (QsPlan) plan = qs_plan_new ();
      g_autofree char *arguments = g_strdup_printf ("{'if-done': <uint32 %u>}", on);
      g_autoptr (GError) error = NULL;

      add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, NULL, "{'changes': <@a(sa{sv}) []>}");
      add (plan, QS_STEP_RESET, QS_PHASE_FINISH, NULL, arguments);
      g_assert_cmpint (qs_plan_check (plan, &error), ==, on == 0);
      if (on > 0)
        g_assert_nonnull (strstr (error->message, "or comes later"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/describe", test_describe);
  g_test_add_func ("/plan/members", test_members);
  g_test_add_func ("/plan/text", test_text);
  g_test_add_func ("/plan/garbage", test_garbage);
  g_test_add_func ("/plan/garbled", test_garbled);
  g_test_add_func ("/plan/grammar", test_grammar);
  g_test_add_func ("/plan/no-undo", test_no_undo);
  g_test_add_func ("/plan/condition", test_condition);
  return g_test_run ();
}
