/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include <string.h>

#include "ctl-job-control.h"
#include "ctl-monitor.h"
#include "ctl-operation.h"
#include "ctl-output.h"
#include "qs-error.h"
#include "qs-names.h"

typedef struct
{
  const char *path;
  GVariant *properties;
} Job;

static const char *
get_word (GVariant *properties, const char *key)
{
  const char *word = "";

  g_variant_lookup (properties, key, "&s", &word);
  return word;
}

static char *
format_progress (GVariant *job)
{
  double progress = -1;

  g_variant_lookup (job, "Progress", "d", &progress);
  return progress < 0 ? g_strdup ("-") : g_strdup_printf ("%d %%", (int)(progress * 100));
}

/* the domain may be gone while its job is still readable */
static char *
get_domain_name (GVariant *objects, GVariant *job)
{
  g_autoptr (GVariant) interfaces = NULL;
  g_autoptr (GVariant) domain = NULL;
  const char *path = "/";

  g_variant_lookup (job, "Domain", "&o", &path);
  interfaces = g_variant_lookup_value (objects, path, G_VARIANT_TYPE ("a{sa{sv}}"));
  if (interfaces != NULL)
    domain = g_variant_lookup_value (interfaces, QS_DOMAIN_INTERFACE, G_VARIANT_TYPE_VARDICT);
  return g_strdup (domain != NULL ? get_word (domain, "Name") : "-");
}

static void
add_row (QsCtlTable *table, GVariant *objects, const char *path, GVariant *job)
{
  g_autofree char *domain = get_domain_name (objects, job);
  g_autofree char *progress = format_progress (job);
  g_autofree char *time = NULL;
  guint64 microseconds = 0;
  const char *cells[] = { path + strlen (QS_PATH "/job/"),
                          get_word (job, "Operation"),
                          domain,
                          get_word (job, "State"),
                          progress,
                          get_word (job, "Step"),
                          NULL };

  g_variant_lookup (job, "StartTime", "t", &microseconds);
  time = qs_ctl_format_time (microseconds);
  cells[G_N_ELEMENTS (cells) - 1] = time;
  qs_ctl_table_add (table, cells);
}

static GVariant *
get_job (GVariant *objects, gsize index, const char **path)
{
  g_autoptr (GVariant) interfaces = NULL;

  g_variant_get_child (objects, index, "{&o@a{sa{sv}}}", path, &interfaces);
  if (!g_str_has_prefix (*path, QS_PATH "/job/"))
    return NULL;
  return g_variant_lookup_value (interfaces, QS_JOB_INTERFACE, G_VARIANT_TYPE_VARDICT);
}

static void
print_jobs (QsCtl *ctl, GVariant *objects)
{
  const char *const header[] = { "Id",       "Operation", "Domain",  "State",
                                 "Progress", "Step",      "Started", NULL };
  g_autoptr (QsCtlTable) table = qs_ctl_table_new (header);

  for (gsize i = 0; i < g_variant_n_children (objects); i++)
    {
      const char *path;
      g_autoptr (GVariant) job = get_job (objects, i, &path);

      if (job != NULL)
        add_row (table, objects, path, job);
    }
  qs_ctl_print_table (table, ctl->quiet);
}

static void
print_json (GVariant *objects)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; i < g_variant_n_children (objects); i++)
    {
      const char *path;
      g_autoptr (GVariant) job = get_job (objects, i, &path);

      if (job != NULL)
        g_variant_builder_add_value (&builder, qs_ctl_add_path (job, path));
    }
  qs_ctl_print_json (g_variant_builder_end (&builder));
}

static gboolean
run_jobs (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autoptr (GVariant) objects = qs_ctl_get_managed_objects (ctl, QS_PATH, error);

  if (objects == NULL)
    return FALSE;
  if (qs_ctl_arguments_has (arguments, "json"))
    print_json (objects);
  else
    print_jobs (ctl, objects);
  return TRUE;
}

static gboolean
run_domjobabort (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autofree char *path = qs_ctl_find_domain (ctl, arguments, error);
  g_autofree char *job = NULL;
  g_autoptr (GVariant) reply = NULL;

  if (path != NULL)
    job = qs_ctl_get_string (ctl, path, "Domain.Job", error);
  if (job == NULL)
    return FALSE;
  if (g_str_equal (job, "/"))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                           "no job works on the domain");
      return FALSE;
    }
  reply = qs_ctl_call_patiently (ctl, job, "Job.Cancel", NULL, error);
  return reply != NULL;
}

static gboolean
run_monitor (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  const char *text = qs_ctl_arguments_get (arguments, "timeout");
  guint64 seconds = 0;

  if (text != NULL && !g_ascii_string_to_unsigned (text, 10, 1, G_MAXINT / 1000, &seconds, error))
    return FALSE;
  return qs_ctl_monitor_run (
      ctl, (guint)seconds,
      qs_ctl_arguments_has (arguments, "json") ? QS_CTL_MONITOR_JSON : QS_CTL_MONITOR_TEXT, error);
}

static const QsCtlOption jobs_options[] = { QS_CTL_JSON, QS_CTL_END };

static const QsCtlOption domjobabort_options[] = { QS_CTL_DOMAIN, QS_CTL_END };

static const QsCtlOption monitor_options[] = {
  { .name = "timeout",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "seconds",
    .help = "end after so many seconds" },
  QS_CTL_JSON,
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_watch_commands[] = {
  { "jobs", "list jobs, those that ended a short while ago too", NULL, jobs_options, run_jobs },
  { "job", "show a job, or pause it, slow it down, cancel it",
    "Without a request it is shown. Block jobs alone can be paused and slowed down.",
    qs_ctl_job_options, qs_ctl_run_job },
  { "domjobabort", "cancel the job that works on a domain",
    "What it did so far is undone; once it is committed it cannot be cancelled.",
    domjobabort_options, run_domjobabort },
  { "monitor", "print what happens, until interrupted", NULL, monitor_options, run_monitor },
  { NULL },
};
