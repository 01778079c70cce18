/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-object-path.h"

#include "qs-names.h"

#define UUID "0d1c2b3a-0000-4000-8000-00000000000f"
#define ELEMENT "0d1c2b3a_0000_4000_8000_00000000000f"

static const struct
{
  const char *text;
  QsObjectKind kind;
} cases[] = {
  { QS_PATH, QS_OBJECT_MANAGER },
  { QS_PATH "/domain", QS_OBJECT_DOMAIN_FOLDER },
  { QS_PATH "/domain/" ELEMENT, QS_OBJECT_DOMAIN },
  { QS_PATH "/domain/" ELEMENT "/snapshot", QS_OBJECT_SNAPSHOT_FOLDER },
  { QS_PATH "/domain/" ELEMENT "/snapshot/" ELEMENT, QS_OBJECT_SNAPSHOT },
  { QS_PATH "/job", QS_OBJECT_JOB_FOLDER },
  { QS_PATH "/job/17", QS_OBJECT_JOB },
  { QS_PATH "/domain/" ELEMENT "/other", QS_OBJECT_NONE },
  { QS_PATH "/domain/" ELEMENT "/snapshot/" ELEMENT "/x", QS_OBJECT_NONE },
  { QS_PATH "/job/1/2", QS_OBJECT_NONE },
  { QS_PATH "/other", QS_OBJECT_NONE },
  { QS_PATH "s", QS_OBJECT_NONE },
  { "/org/example", QS_OBJECT_NONE },
  { "/", QS_OBJECT_NONE },
};

static void
test_kinds (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (QsObjectPath) path = { 0 };

      qs_object_path_parse (&path, cases[i].text);
      g_test_message ("%s", cases[i].text);
      g_assert_cmpint (path.kind, ==, cases[i].kind);
    }
}

static void
test_round_trip (void)
{
  g_autofree char *text = qs_object_path_snapshot (UUID, "a-b");
  g_auto (QsObjectPath) path = { 0 };

  g_assert_cmpstr (text, ==, QS_PATH "/domain/" ELEMENT "/snapshot/a_b");
  qs_object_path_parse (&path, text);
  g_assert_cmpstr (path.domain, ==, UUID);
  g_assert_cmpstr (path.snapshot, ==, "a-b");
}

static void
test_jobs (void)
{
  static const struct
  {
    const char *text;
    guint64 job;
  } numbers[] = {
    { "/job/1", 1 },
    { "/job/0", 0 },
    { "/job/01", 0 },
    { "/job/x", 0 },
    { "/job/1x", 0 },
    { "/job/18446744073709551615", G_MAXUINT64 },
    { "/job/18446744073709551616", 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autofree char *text = g_strconcat (QS_PATH, numbers[i].text, NULL);
      g_auto (QsObjectPath) path = { 0 };

      qs_object_path_parse (&path, text);
      g_assert_cmpint (path.kind, ==, QS_OBJECT_JOB);
      g_assert_cmpuint (path.job, ==, numbers[i].job);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/object-path/kinds", test_kinds);
  g_test_add_func ("/object-path/round-trip", test_round_trip);
  g_test_add_func ("/object-path/jobs", test_jobs);
  return g_test_run ();
}
