/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "storage-bed.h"

#include "qs-process.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define RECORD "{'changes': <@a(sa{sv}) []>}"
#define MAX_FILES 4

/* @merged: files of the merge from the top, and how many of them go into the next; @gone: what has no
   use afterwards; @above: whose header names it, by a step of its own or by the job; @chain: in the end */
static const struct
{
  const char *files[MAX_FILES];
  guint layers;
  const char *gone;
  const char *above;
  const char *into;
  const char *chain;
} kinds[] = {
  [STORAGE_DOWN] = { { "s2", "s1", "base" }, 1, "s2", "s3", "s1", "s3 s1 base" },
  [STORAGE_DOWN_BASE] = { { "s1", "base" }, 1, "s1", "s2", "base", "s3 s2 base" },
  [STORAGE_DOWN_DEEP] = { { "s2", "s1", "base" }, 2, "s2", "s3", "base", "s3 base" },
  [STORAGE_UP] = { { "s2", "s1" }, 0, "s1", "s2", "base", "s3 s2 base" },
  [STORAGE_UP_WHOLE] = { { "s1", "base" }, 0, "base", "s1", "", "s3 s2 s1" },
};
G_STATIC_ASSERT (G_N_ELEMENTS (kinds) == STORAGE_N_KINDS);

char *
storage_path (const StorageBed *bed, const char *name)
{
  return real_domain_path (bed->domain, name);
}

static const char *
format_of (const StorageBed *bed, const char *name)
{
  return g_strcmp0 (name, "base") == 0 ? bed->format : "qcow2";
}

static void
write_to (const StorageBed *bed, const char *name, const char *command)
{
  g_autofree char *path = storage_path (bed, name);
  const char *const argv[] = { "qemu-io", "-f", format_of (bed, name), "-c", command, path, NULL };

  real_run (argv);
}

static void
add_file (const StorageBed *bed, const char *name, const char *below, const char *size)
{
  g_autofree char *path = storage_path (bed, name);
  g_autofree char *backing = below != NULL ? storage_path (bed, below) : NULL;
  const char *const first[] = { "qemu-img", "create", "-q", "-f", bed->format, path, size, NULL };
  const char *const next[] = { "qemu-img", "create", "-q",
                               "-f",       "qcow2",  "-b",
                               backing,    "-F",     format_of (bed, below),
                               path,       size,     NULL };

  real_run (below != NULL ? next : first);
}

void
storage_bed_set_up (StorageBed *bed, gconstpointer format)
{
  g_autoptr (GError) error = NULL;

  bed->format = format;
  bed->domain = real_domain_new (&(RealQemuOptions){ 0 });
  real_domain_kill_qemu (bed->domain);
  bed->runtime = g_dir_make_tmp ("storage-XXXXXX", &error);
  g_assert_no_error (error);
  bed->domain->engine.launcher = qs_launcher_new (bed->domain->engine.workers, FALSE, bed->runtime);
  add_file (bed, "base", NULL, "64M");
  write_to (bed, "base", "write -q -P 1 10M 1M");
  write_to (bed, "base", "write -q -P 5 8M 64k");
  add_file (bed, "s1", "base", "64M");
  write_to (bed, "s1", "write -q -P 2 2M 1M");
  write_to (bed, "s1", "write -q -P 6 8M 64k");
  add_file (bed, "s2", "s1", "96M");
  write_to (bed, "s2", "write -q -P 3 80M 1M");
  write_to (bed, "s2", "write -q -P 7 8M 64k");
  write_to (bed, "s2", "write -q -z 10M 64k");
  add_file (bed, "s3", "s2", "96M");
  write_to (bed, "s3", "write -q -P 4 4M 64k");
}

static GPtrArray *
find_processes (const StorageBed *bed)
{
  g_autofree char *text = g_strdup_printf ("path=%s/", bed->runtime);

  return qs_process_find (getuid (), text);
}

guint
storage_count (StorageBed *bed)
{
  g_autoptr (GPtrArray) found = find_processes (bed);

  return found->len;
}

QsProcess *
storage_process (StorageBed *bed)
{
  g_autoptr (GPtrArray) found = find_processes (bed);

  g_assert_cmpuint (found->len, ==, 1);
  return qs_process_copy (g_ptr_array_index (found, 0));
}

guint
storage_kill (StorageBed *bed)
{
  g_autoptr (GPtrArray) found = find_processes (bed);

  for (guint i = 0; i < found->len; i++)
    {
      const QsProcess *process = g_ptr_array_index (found, i);

      g_assert_no_errno (kill (process->pid, SIGKILL));
      g_assert_true (qs_process_wait (process, 10));
    }
  return found->len;
}

static void
remove_all (const char *folder)
{
  const char *const argv[] = { "rm", "-r", folder, NULL };

  real_run (argv);
}

/* folders go with the processes */
void
storage_bed_tear_down (StorageBed *bed, gconstpointer format)
{
  if (storage_kill (bed) == 0)
    g_assert_no_errno (g_rmdir (bed->runtime));
  else
    remove_all (bed->runtime);
  qs_launcher_free (bed->domain->engine.launcher);
  real_domain_free (bed->domain);
  g_free (bed->runtime);
}

gboolean
storage_is_up (StorageKind kind)
{
  return kinds[kind].layers == 0;
}

static GVariant *
file_row (const StorageBed *bed, const char *name)
{
  g_autofree char *path = storage_path (bed, name);
  GStatBuf info;

  g_assert_no_errno (g_stat (path, &info));
  return g_variant_new ("(ssttx)", path, format_of (bed, name), (guint64)info.st_dev,
                        (guint64)info.st_ino, (gint64)0);
}

/* @from, and what stands below it */
static GVariant *
rows_of (const StorageBed *bed, const char *from)
{
  static const char *const chain[] = { "s3", "s2", "s1", "base" };
  GVariantBuilder rows;
  gboolean reached = FALSE;

  g_variant_builder_init (&rows, G_VARIANT_TYPE ("a(ssttx)"));
  for (guint i = 0; i < G_N_ELEMENTS (chain); i++)
    {
      reached = reached || g_str_equal (chain[i], from);
      if (reached)
        g_variant_builder_add_value (&rows, file_row (bed, chain[i]));
    }
  return g_variant_builder_end (&rows);
}

static void
add (QsPlan *plan, QsStepKind kind, QsPhase phase, GVariant *arguments)
{
  qs_plan_add (plan, kind, phase, "vda", arguments);
}

static void
add_part (QsPlan *plan, QsStepKind kind, QsPhase phase, guint merge)
{
  add (plan, kind, phase, g_variant_new_parsed ("{'target': <'vda'>, 'merge': <%u>}", merge));
}

static void
add_storage (const StorageBed *bed, StorageKind kind, QsPlan *plan, QsPhase phase)
{
  add (plan, QS_STEP_STORAGE, phase,
       g_variant_new_parsed ("{'target': <'vda'>, 'id': <'1-m'>, 'files': <%@a(ssttx)>}",
                             rows_of (bed, kinds[kind].files[0])));
}

static void
add_unlink (const StorageBed *bed, QsPlan *plan, const char *name, guint merge)
{
  g_autoptr (GVariant) row = g_variant_ref_sink (file_row (bed, name));
  const char *path;
  guint64 dev;
  guint64 ino;

  g_variant_get (row, "(&s&sttx)", &path, NULL, &dev, &ino, NULL);
  add (plan, QS_STEP_FILE_UNLINK, QS_PHASE_FINISH,
       g_variant_new_parsed ("{'path': <%s>, 'dev': <%t>, 'ino': <%t>, 'btime': <%x>,"
                             " 'merge': <%u>}",
                             path, dev, ino, (gint64)0, merge));
}

void
storage_add_rebase (const StorageBed *bed, QsPlan *plan, const char *name, const char *old_name,
                    const char *into)
{
  g_autofree char *old = storage_path (bed, old_name);
  g_autofree char *backing = storage_path (bed, into);
  GVariant *row = file_row (bed, name);

  add (plan, QS_STEP_IMAGE_REBASE, QS_PHASE_FINISH,
       g_variant_new_parsed ("{'target': <'vda'>, 'files': <%@a(ssttx)>, 'old': <%s>,"
                             " 'backing': <%s>, 'backing-format': <%s>}",
                             g_variant_new_array (NULL, &row, 1), old, backing,
                             format_of (bed, into)));
}

static QsPlan *
plan_down (const StorageBed *bed, StorageKind kind)
{
  QsPlan *plan = qs_plan_new ();
  g_autofree char *base = g_strdup_printf ("n%u", kinds[kind].layers);

  real_plan_add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, RECORD);
  add_storage (bed, kind, plan, QS_PHASE_FINISH);
  add (plan, QS_STEP_BLOCK_COMMIT, QS_PHASE_FINISH,
       g_variant_new_parsed (
           "{'target': <'vda'>, 'job': <'snapd-0-1'>, 'device': <'n0'>, 'top': <'n0'>,"
           " 'base': <%s>, 'files': <%@a(ssttx)>, 'layers': <%u>, 'drop': <@as []>,"
           " 'storage': <%u>}",
           base, rows_of (bed, kinds[kind].files[0]), kinds[kind].layers, (guint32)DOWN_STORAGE));
  add_part (plan, QS_STEP_JOB_COMPLETE, QS_PHASE_FINISH, DOWN_COMMIT);
  real_plan_add (plan, QS_STEP_RECORD, QS_PHASE_FINISH, RECORD);
  add_part (plan, QS_STEP_JOB_FINALIZE, QS_PHASE_FINISH, DOWN_COMMIT);
  add_part (plan, QS_STEP_JOB_DISMISS, QS_PHASE_FINISH, DOWN_COMMIT);
  storage_add_rebase (bed, plan, kinds[kind].above, kinds[kind].gone, kinds[kind].into);
  add_unlink (bed, plan, kinds[kind].gone, DOWN_DISMISS);
  add (plan, QS_STEP_STORAGE_QUIT, QS_PHASE_FINISH,
       g_variant_new_parsed ("{'storage': <%u>}", (guint32)DOWN_STORAGE));
  return plan;
}

static GVariant *
stream_arguments (const StorageBed *bed, StorageKind kind)
{
  g_autofree char *old = storage_path (bed, kinds[kind].gone);
  g_autofree char *into = storage_path (bed, kinds[kind].into);
  gboolean is_whole = *kinds[kind].into == '\0';
  GVariant *rows[2] = { file_row (bed, kinds[kind].files[0]),
                        file_row (bed, kinds[kind].files[1]) };
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "target", "s", "vda");
  g_variant_dict_insert (&dict, "job", "s", "snapd-0-1");
  g_variant_dict_insert (&dict, "node", "s", "n0");
  if (!is_whole)
    g_variant_dict_insert (&dict, "base", "s", "n2");
  g_variant_dict_insert_value (&dict, "files", g_variant_new_array (NULL, rows, 2));
  g_variant_dict_insert_value (&dict, "drop", g_variant_new_strv (NULL, 0));
  g_variant_dict_insert (&dict, "storage", "u", (guint32)UP_STORAGE);
  g_variant_dict_insert (&dict, "backing", "s", is_whole ? "" : into);
  g_variant_dict_insert (&dict, "backing-format", "s", is_whole ? "" : bed->format);
  g_variant_dict_insert (&dict, "old", "s", old);
  g_variant_dict_insert (&dict, "old-format", "s", format_of (bed, kinds[kind].gone));
  return g_variant_dict_end (&dict);
}

static QsPlan *
plan_up (const StorageBed *bed, StorageKind kind)
{
  QsPlan *plan = qs_plan_new ();

  add_storage (bed, kind, plan, QS_PHASE_PREPARE);
  add (plan, QS_STEP_BLOCK_STREAM, QS_PHASE_PREPARE, stream_arguments (bed, kind));
  add_part (plan, QS_STEP_FLUSH, QS_PHASE_PREPARE, UP_STREAM);
  real_plan_add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, RECORD);
  add_part (plan, QS_STEP_JOB_FINALIZE, QS_PHASE_FINISH, UP_STREAM);
  add_part (plan, QS_STEP_JOB_DISMISS, QS_PHASE_FINISH, UP_STREAM);
  add_unlink (bed, plan, kinds[kind].gone, UP_DISMISS);
  add (plan, QS_STEP_STORAGE_QUIT, QS_PHASE_FINISH,
       g_variant_new_parsed ("{'storage': <%u>}", (guint32)UP_STORAGE));
  return plan;
}

QsPlan *
storage_plan (StorageBed *bed, StorageKind kind)
{
  return storage_is_up (kind) ? plan_up (bed, kind) : plan_down (bed, kind);
}

static void
check_reads (const StorageBed *bed, const char *name, const char *const *commands)
{
  g_autofree char *path = storage_path (bed, name);

  for (guint i = 0; commands[i] != NULL; i++)
    g_assert_true (real_image_reads (path, commands[i]));
}

void
storage_check_view (StorageBed *bed)
{
  static const char *const all[] = { "read -P 1 10304k 960k", "read -P 0 10M 64k",
                                     "read -P 2 2M 1M",       "read -P 3 80M 1M",
                                     "read -P 4 4M 64k",      "read -P 7 8M 64k",
                                     "read -P 0 64M 16M",     NULL };

  check_reads (bed, "s3", all);
}

static void
check_chain (const StorageBed *bed, const char *expected)
{
  g_auto (GStrv) names = g_strsplit (expected, " ", -1);

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *path = storage_path (bed, names[i]);
      g_autofree char *below =
          names[i + 1] != NULL ? storage_path (bed, names[i + 1]) : g_strdup ("");
      g_autofree char *backing = NULL;

      if (g_str_equal (format_of (bed, names[i]), "raw"))
        continue;
      backing = real_image_string (path, "backing-filename");
      g_assert_cmpstr (backing, ==, below);
      g_assert_true (real_image_is_sound (path));
    }
}

void
storage_check_old (StorageBed *bed)
{
  static const char *const first[] = { "read -P 2 2M 1M", "read -P 6 8M 64k", "read -P 1 10M 1M",
                                       NULL };

  storage_check_view (bed);
  check_reads (bed, "s1", first);
  check_chain (bed, "s3 s2 s1 base");
}

void
storage_check_new (StorageBed *bed, StorageKind kind)
{
  g_autofree char *gone = storage_path (bed, kinds[kind].gone);

  storage_check_view (bed);
  check_chain (bed, kinds[kind].chain);
  g_assert_false (g_file_test (gone, G_FILE_TEST_EXISTS));
  g_assert_cmpuint (storage_count (bed), ==, 0);
}
