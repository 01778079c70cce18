/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-limits.h"
#include "qs-proc.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* what the kernel tells of a process, this one or one with words of ours */

typedef struct
{
  const char *word;
  gboolean naming;
} WordCase;

static const WordCase word_cases[] = {
  { "-drive", FALSE },
  { "file=/vm-backing/disk.qcow2,format=qcow2", FALSE },
  { "file=/vm/disk.backing.qcow2,if=virtio", FALSE },
  { "backing", FALSE },
  { "guest=backing,debug-threads=on", FALSE },
  { "{\"driver\": \"file\", \"filename\": \"/vm/backing\"}", FALSE },
  { "{\"driver\": \"file\", \"filename\": \"backing.qcow2\", \"node-name\": \"a\"}", FALSE },
  { "qcow2,file=f0,backing=f1", TRUE },
  { "backing=f1", TRUE },
  { "file=a.qcow2,backing.file.filename=b.qcow2", TRUE },
  { "driver=throttle,file.backing=b", TRUE },
  { "drive.d0.backing=b", TRUE },
  { "{\"driver\": \"qcow2\", \"backing\": \"f1\"}", TRUE },
  { "{'driver': 'qcow2', 'backing' \t: 'f1'}", TRUE },
  { "file=json:{\"file.backing.driver\":\"qcow2\"}", TRUE },
  { "{\"driver\": \"qcow2\", \"\\u0062acking\": \"f1\"}", TRUE },
  { "-readconfig", TRUE },
  { "--readconfig", TRUE },
};

static gboolean
is_naming (gint64 pid)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) told = qs_proc_read (pid, &error);
  gboolean naming;

  g_assert_no_error (error);
  g_variant_ref_sink (told);
  g_variant_get_child (told, 3, "b", &naming);
  return naming;
}

static void
test_word (gconstpointer data)
{
  const WordCase *test = data;
  const char *const words[] = { "/bin/sh", "-c", "read line", "sh", test->word, NULL };
  g_autoptr (GError) error = NULL;
  int input;
  GPid pid;

  g_spawn_async_with_pipes (NULL, (char **)words, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                            &input, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (is_naming (pid), ==, test->naming);
  close (input);
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
}

/* NULL: it is not told */
static GVariant *
read_files (void)
{
  g_autoptr (GVariant) told = qs_proc_read (getpid (), NULL);
  GVariant *files = NULL;

  g_variant_ref_sink (told);
  g_variant_get_child (told, 2, "m@a(sttb)", &files);
  return files;
}

/* a list that is short would say that a file is not written to */
static void
test_many (void)
{
  const rlim_t needed = QS_MAX_OPEN_FILES + 64;
  g_autoptr (GVariant) few = NULL;
  g_autoptr (GVariant) many = NULL;
  struct rlimit limit;
  int null = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  limit.rlim_cur = MIN (limit.rlim_max, needed);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  g_assert_cmpuint (limit.rlim_cur, ==, needed);
  few = read_files ();
  g_assert_nonnull (few);
  for (guint i = 0; i < QS_MAX_OPEN_FILES; i++)
    g_assert_cmpint (dup (null), >=, 0);
  many = read_files ();
  g_assert_null (many);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (word_cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/proc/word/%u", i);

      g_test_add_data_func (path, &word_cases[i], test_word);
    }
  g_test_add_func ("/proc/many", test_many);
  return g_test_run ();
}
