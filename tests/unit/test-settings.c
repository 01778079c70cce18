/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-settings.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <glib/gstdio.h>

static gboolean
read_text (QsSettings *settings, const char *text, GError **error)
{
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp ("qs-settings-XXXXXX", &path, NULL);
  gboolean ok;

  g_assert_cmpint (fd, >=, 0);
  close (fd);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  qs_settings_init (settings);
  ok = qs_settings_read (settings, path, error);
  g_unlink (path);
  return ok;
}

static void
test_defaults (void)
{
  g_auto (QsSettings) settings = { 0 };
  g_autoptr (GError) error = NULL;

  qs_settings_init (&settings);
  g_assert_true (qs_settings_read (&settings, "/no/such/file", &error));
  g_assert_no_error (error);
  g_assert_cmpuint (settings.snapshots_per_domain, ==, QS_MAX_SNAPSHOTS_PER_DOMAIN);
  g_assert_cmpuint (settings.snapshots_per_uid, ==, QS_MAX_SNAPSHOTS_PER_UID);
  g_assert_cmpuint (settings.idle_exit_seconds, ==, 60);
  g_assert_cmpuint (settings.live_seconds, ==, 60);
  g_assert_cmpuint (settings.safety_keep, ==, 3);
  g_assert_cmpuint (settings.mirrors_per_domain, ==, 1);
}

static void
test_read (void)
{
  g_auto (QsSettings) settings = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (read_text (&settings,
                            "[limits]\nsnapshots-per-domain = 5000\nmirrors-per-domain=4\n"
                            "[snapshots]\nlive-timeout-seconds=7\nsafety-keep=5\n"
                            "[service]\nidle-exit-seconds=0\n",
                            &error));
  g_assert_no_error (error);
  g_assert_cmpuint (settings.snapshots_per_domain, ==, 5000);
  g_assert_cmpuint (settings.idle_exit_seconds, ==, 0);
  g_assert_cmpuint (settings.live_seconds, ==, 7);
  g_assert_cmpuint (settings.safety_keep, ==, 5);
  g_assert_cmpuint (settings.mirrors_per_domain, ==, 4);
}

static GLogWriterOutput
keep_message (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      g_string_append (user_data, fields[i].value);
  return G_LOG_WRITER_HANDLED;
}

static GString *log_text;

static void
test_unknown (void)
{
  g_auto (QsSettings) settings = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (read_text (&settings, "[limits]\ncolour=red\n", &error));
  g_assert_nonnull (strstr (log_text->str, "unknown key ‘colour’ in group ‘limits’, ignoring"));
}

static void
test_bad (void)
{
  static const char *const texts[] = {
    "[limits]\nsnapshots-per-domain=0\n",    "[limits]\nsnapshots-per-domain=100001\n",
    "[limits]\nsnapshots-per-domain=many\n", "[limits]\nsnapshots-per-domain=-1\n",
    "[service]\nidle-exit-seconds=0x10\n",   "snapshots-per-domain=5\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_auto (QsSettings) settings = { 0 };
      g_autoptr (GError) error = NULL;

      g_assert_false (read_text (&settings, texts[i], &error));
      g_assert_nonnull (error);
      g_assert_nonnull (strstr (error->message, "qs-settings-"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  log_text = g_string_new (NULL);
  g_log_set_writer_func (keep_message, log_text, NULL);
  g_test_add_func ("/settings/defaults", test_defaults);
  g_test_add_func ("/settings/read", test_read);
  g_test_add_func ("/settings/unknown", test_unknown);
  g_test_add_func ("/settings/bad", test_bad);
  return g_test_run ();
}
