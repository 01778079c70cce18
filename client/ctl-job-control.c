/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-job-control.h"

#include "ctl-arguments.h"
#include "ctl-bus.h"
#include "ctl-output.h"
#include "qs-error.h"
#include "qs-names.h"

/* what is asked of a job without a value; in this order, after its speed */
static const struct
{
  const char *option;
  const char *method;
} requests[] = {
  { "pause", "Job.Pause" },
  { "resume", "Job.Resume" },
  { "cancel", "Job.Cancel" },
};

static const char *const opposites[][2] = {
  { "pause", "resume" },
  { "pause", "cancel" },
  { "resume", "cancel" },
  { NULL, NULL },
};

/* as `jobs` prints it, or its path */
static char *
find_job (const char *word, GError **error)
{
  g_autofree char *path = g_strconcat (QS_PATH "/job/", word, NULL);
  guint64 number;

  if (g_str_has_prefix (word, QS_PATH "/job/") && g_variant_is_object_path (word))
    return g_strdup (word);
  if (g_ascii_string_to_unsigned (word, 10, 1, G_MAXUINT64, &number, NULL))
    return g_steal_pointer (&path);
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "‘%s’ is no number of a job", word);
  return NULL;
}

static gboolean
call (QsCtl *ctl, const char *job, const char *method, GVariant *values, GError **error)
{
  g_autoptr (GVariant) reply = qs_ctl_call_patiently (ctl, job, method, values, error);

  return reply != NULL;
}

static gboolean
set_speed (QsCtl *ctl, const char *job, const char *text, GError **error)
{
  guint64 speed;

  if (g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &speed, NULL))
    return call (ctl, job, "Job.SetSpeed", g_variant_new ("(t)", speed), error);
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "‘%s’ is no number of bytes", text);
  return FALSE;
}

static const char *
get_word (GVariant *properties, const char *key)
{
  const char *word = "";

  g_variant_lookup (properties, key, "&s", &word);
  return word;
}

static guint64
get_number (GVariant *properties, const char *key)
{
  guint64 number = 0;

  g_variant_lookup (properties, key, "t", &number);
  return number;
}

static gboolean
is_set (GVariant *properties, const char *key)
{
  gboolean set = FALSE;

  g_variant_lookup (properties, key, "b", &set);
  return set;
}

static void
print_speed (GVariant *job)
{
  guint64 speed = get_number (job, "Bandwidth");

  if (speed == 0)
    qs_ctl_print ("%-15s %s", "Speed limit:", "-");
  else
    qs_ctl_print ("%-15s %" G_GUINT64_FORMAT " bytes/s", "Speed limit:", speed);
}

static void
print_info (GVariant *job)
{
  double progress = -1;

  g_variant_lookup (job, "Progress", "d", &progress);
  qs_ctl_print ("%-15s %s", "Operation:", get_word (job, "Operation"));
  qs_ctl_print ("%-15s %s", "State:", get_word (job, "State"));
  qs_ctl_print ("%-15s %s", "Step:", get_word (job, "Step"));
  if (progress >= 0)
    qs_ctl_print ("%-15s %d %%", "Progress:", (int)(progress * 100));
  qs_ctl_print ("%-15s %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes",
                "Moved:", get_number (job, "BytesDone"), get_number (job, "BytesTotal"));
  print_speed (job);
  qs_ctl_print ("%-15s %s", "Paused:", is_set (job, "Paused") ? "yes" : "no");
  qs_ctl_print ("%-15s %s", "Cancelable:", is_set (job, "Cancelable") ? "yes" : "no");
}

static gboolean
show (QsCtl *ctl, QsCtlArguments *arguments, const char *job, GError **error)
{
  g_autoptr (GVariant) properties = qs_ctl_get_properties (ctl, job, "Job", error);

  if (properties == NULL)
    return FALSE;
  if (qs_ctl_arguments_has (arguments, "json"))
    qs_ctl_print_json (qs_ctl_add_path (properties, job));
  else
    print_info (properties);
  return TRUE;
}

static gboolean
ask (QsCtl *ctl, QsCtlArguments *arguments, const char *job, GError **error)
{
  const char *speed = qs_ctl_arguments_get (arguments, "speed");

  if (speed != NULL && !set_speed (ctl, job, speed, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    if (qs_ctl_arguments_has (arguments, requests[i].option)
        && !call (ctl, job, requests[i].method, NULL, error))
      return FALSE;
  return TRUE;
}

static gboolean
is_asked (QsCtlArguments *arguments)
{
  gboolean asked = qs_ctl_arguments_has (arguments, "speed");

  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    asked = asked || qs_ctl_arguments_has (arguments, requests[i].option);
  return asked;
}

/* without a request it is shown, as virsh does it */
gboolean
qs_ctl_run_job (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autofree char *job = NULL;

  if (!qs_ctl_arguments_exclude (arguments, opposites, error))
    return FALSE;
  job = find_job (qs_ctl_arguments_get (arguments, "job"), error);
  if (job == NULL)
    return FALSE;
  return is_asked (arguments) ? ask (ctl, arguments, job, error)
                              : show (ctl, arguments, job, error);
}

const QsCtlOption qs_ctl_job_options[] = {
  { .name = "job",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_REQUIRED,
    .value = "id",
    .help = "number of the job, as jobs prints it, or its path" },
  { .name = "pause", .help = "let its block job stand still" },
  { .name = "resume", .help = "let it go on" },
  { .name = "speed",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "bytes",
    .help = "move no more than so many bytes a second; 0: no limit" },
  { .name = "cancel", .help = "take it back" },
  QS_CTL_JSON,
  QS_CTL_END,
};
