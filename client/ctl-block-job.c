/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-block.h"
#include "ctl-output.h"
#include "qs-error.h"
#include "qs-flags.h"

#define MIB (1024.0 * 1024)

static const char *const exclusive[][2] = {
  { "abort", "info" },      { "pivot", "info" },      { "async", "info" },
  { "abort", "bandwidth" }, { "pivot", "bandwidth" }, { "async", "bandwidth" },
  { "info", "bandwidth" },  { "abort", "raw" },       { "pivot", "raw" },
  { "async", "raw" },       { "bandwidth", "raw" },   { NULL, NULL },
};

/* virsh's words */
static const struct
{
  const char *type;
  const char *text;
} type_texts[] = {
  { "copy", "Block Copy" },     { "pull", "Block Pull" },
  { "commit", "Block Commit" }, { "active-commit", "Active Block Commit" },
  { "mirror", "Mirror" },
};

static const char *
get_word (GVariant *row, const char *key)
{
  const char *word = "";

  g_variant_lookup (row, key, "&s", &word);
  return word;
}

static guint64
get_number (GVariant *row, const char *key)
{
  guint64 number = 0;

  g_variant_lookup (row, key, "t", &number);
  return number;
}

static const char *
get_type_text (GVariant *row)
{
  const char *type = get_word (row, "type");

  for (guint i = 0; i < G_N_ELEMENTS (type_texts); i++)
    if (g_str_equal (type_texts[i].type, type))
      return type_texts[i].text;
  return type;
}

/* (transfer full) (nullable): the row of an aa{sv} that has @word under @key */
static GVariant *
find_row (GVariant *rows, const char *key, const char *word)
{
  for (gsize i = 0; i < g_variant_n_children (rows); i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (rows, i);

      if (g_str_equal (get_word (row, key), word))
        return g_steal_pointer (&row);
    }
  return NULL;
}

/* a job has the target of its disk */
static GVariant *
find_job (QsCtl *ctl, const char *domain, const char *path, GVariant *jobs)
{
  g_autoptr (GVariant) job = find_row (jobs, "disk", path);
  g_autoptr (GVariant) disks = NULL;
  g_autoptr (GVariant) disk = NULL;

  if (job == NULL)
    disks = qs_ctl_get_property (ctl, domain, "Domain.Disks", NULL);
  if (disks != NULL)
    disk = find_row (disks, "source", path);
  return disk != NULL ? find_row (jobs, "disk", get_word (disk, "target")) : g_steal_pointer (&job);
}

static void
print_raw (GVariant *job)
{
  qs_ctl_print (" type=%s", get_type_text (job));
  qs_ctl_print (" bandwidth=%" G_GUINT64_FORMAT, get_number (job, "bandwidth"));
  qs_ctl_print (" cur=%" G_GUINT64_FORMAT, get_number (job, "cur"));
  qs_ctl_print (" end=%" G_GUINT64_FORMAT, get_number (job, "end"));
}

static void
print_job (GVariant *job)
{
  guint64 cur = get_number (job, "cur"), end = get_number (job, "end");
  guint64 bandwidth = get_number (job, "bandwidth");
  int percent = end > 0 ? (int)(100.0 * (double)cur / (double)end) : 0;

  qs_ctl_print ("%s: [%3d %%] %s", get_type_text (job), MIN (percent, 100),
                get_word (job, "state"));
  if (bandwidth > 0)
    qs_ctl_print ("    Bandwidth limit: %" G_GUINT64_FORMAT " bytes/s (%.3f MiB/s)", bandwidth,
                  (double)bandwidth / MIB);
}

static gboolean
show (QsCtl *ctl, const QsCtlArguments *arguments, const char *domain, GError **error)
{
  const char *path = qs_ctl_arguments_get (arguments, "path");
  g_autoptr (GVariant) jobs = qs_ctl_get_property (ctl, domain, "Domain.BlockJobs", error);
  g_autoptr (GVariant) job = jobs != NULL ? find_job (ctl, domain, path, jobs) : NULL;

  if (jobs == NULL)
    return FALSE;
  if (qs_ctl_arguments_has (arguments, "json"))
    qs_ctl_print_json (job != NULL ? g_variant_ref (job) : g_variant_new ("a{sv}", NULL));
  else if (job == NULL)
    qs_ctl_print ("No current block job for %s", path);
  else if (qs_ctl_arguments_has (arguments, "raw"))
    print_raw (job);
  else
    print_job (job);
  return TRUE;
}

static gboolean
end (QsCtl *ctl, const QsCtlArguments *arguments, const char *domain, GError **error)
{
  g_autoptr (GVariant) reply = qs_ctl_call_patiently (
      ctl, domain, "Domain.BlockJobAbort",
      g_variant_new ("(su)", qs_ctl_arguments_get (arguments, "path"), arguments->flags), error);

  return reply != NULL;
}

static gboolean
set_speed (QsCtl *ctl, const QsCtlArguments *arguments, const char *domain, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  guint64 bandwidth;

  if (!qs_ctl_block_get_bandwidth (arguments, &bandwidth, error))
    return FALSE;
  reply = qs_ctl_call_patiently (ctl, domain, "Domain.BlockJobSetSpeed",
                                 g_variant_new ("(stu)", qs_ctl_arguments_get (arguments, "path"),
                                                bandwidth, QS_BLOCK_JOB_SPEED_BANDWIDTH_BYTES),
                                 error);
  return reply != NULL;
}

static gboolean
run_blockjob (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autofree char *domain = NULL;

  if (!qs_ctl_arguments_exclude (arguments, exclusive, error))
    return FALSE;
  domain = qs_ctl_find_domain (ctl, arguments, error);
  if (domain == NULL)
    return FALSE;
  if (qs_ctl_arguments_has (arguments, "bandwidth"))
    return set_speed (ctl, arguments, domain, error);
  if (qs_ctl_arguments_has (arguments, "abort") || arguments->flags != 0)
    return end (ctl, arguments, domain, error);
  return show (ctl, arguments, domain, error);
}

static const QsCtlOption blockjob_options[] = {
  QS_CTL_DOMAIN,
  QS_CTL_BLOCK_PATH,
  QS_CTL_BLOCK_BANDWIDTH,
  QS_CTL_BLOCK_BYTES,
  { .name = "info", .help = "show the job, as is done without any option" },
  { .name = "raw", .help = "show it as numbers, for scripts" },
  { .name = "abort",
    .help = "cancel the job; a copy that is ready stays as a copy of this moment" },
  { .name = "pivot",
    .flag = QS_BLOCK_JOB_ABORT_PIVOT,
    .help = "let the guest go over to what was written" },
  { .name = "async",
    .flag = QS_BLOCK_JOB_ABORT_ASYNC,
    .help = "as --abort, without waiting for the end; also with --pivot" },
  QS_CTL_JSON,
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_block_job_commands[] = {
  { "blockjob", "show the block job of a disk, slow it down, or end it", NULL, blockjob_options,
    run_blockjob },
  { NULL },
};
