/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-operation.h"

#include "ctl-job.h"
#include "ctl-output.h"
#include "ctl-plan.h"
#include "qs-error.h"
#include "qs-names.h"

/* how often a busy domain is tried again, and how long to wait if no job is named */
#define BUSY_ATTEMPTS 20
#define BUSY_MILLISECONDS 250

/* lists of a result that people should see, each word in a line of its own */
static const struct
{
  const char *key;
  const char *text;
} told_keys[] = {
  { "uncovered-disks", "not in the snapshot: disk" },
  { "not-restored", "not restored:" },
  { "dropped-files", "dropped:" },
  { "kept", "kept:" },
};

void
qs_ctl_outcome_clear (QsCtlOutcome *outcome)
{
  g_clear_pointer (&outcome->snapshot, g_free);
  g_clear_pointer (&outcome->result, g_variant_unref);
}

/**
 * qs_ctl_outcome_tell:
 *
 * Prints what was done, in virsh's words, unless a program asked or -q was given.
 */
void
qs_ctl_outcome_tell (const QsCtl *ctl, const QsCtlOutcome *outcome, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list values;

  if (outcome->is_told || ctl->quiet)
    return;
  va_start (values, format);
  text = g_strdup_vprintf (format, values);
  va_end (values);
  qs_ctl_print ("%s", text);
}

static gboolean
print_plan (QsCtl *ctl, const QsCtlArguments *arguments, const QsCtlOperation *operation,
            GError **error)
{
  g_autoptr (GVariant) plan =
      qs_ctl_call (ctl, operation->path, operation->plan, operation->arguments, error);
  g_autofree char *text = NULL;

  if (plan == NULL)
    return FALSE;
  if (qs_ctl_arguments_has (arguments, "json"))
    qs_ctl_print_json (qs_ctl_plan_to_json (plan));
  else
    {
      text = qs_ctl_plan_format (plan);
      qs_ctl_print_document (text);
    }
  return qs_ctl_plan_check (plan, error);
}

static gboolean
on_timeout (gpointer user_data)
{
  *(gboolean *)user_data = TRUE;
  return G_SOURCE_REMOVE;
}

static gboolean
pause_shortly (QsCtl *ctl, GError **error)
{
  gboolean is_over = FALSE;
  guint source = g_timeout_add (BUSY_MILLISECONDS, on_timeout, &is_over);

  while (!is_over && ctl->interrupts == 0)
    g_main_context_iteration (NULL, TRUE);
  if (is_over)
    return TRUE;
  g_source_remove (source);
  g_set_error_literal (error, QS_ERROR, QS_ERROR_CANCELLED, "interrupted while the domain is busy");
  return FALSE;
}

static gboolean
wait_while_busy (QsCtl *ctl, const char *message, GError **error)
{
  g_autofree char *job = qs_ctl_job_path_in (message);

  if (job == NULL)
    return pause_shortly (ctl, error);
  return qs_ctl_job_wait_for_other (ctl, job, error);
}

/* calls again after DomainBusy, once the job that runs has ended */
static GVariant *
call_when_free (QsCtl *ctl, const QsCtlArguments *arguments, const QsCtlOperation *operation,
                GError **error)
{
  guint attempts = qs_ctl_arguments_has (arguments, "no-wait") ? 1 : BUSY_ATTEMPTS;
  g_autoptr (GError) busy = NULL;

  for (guint i = 0; i < attempts; i++)
    {
      GVariant *reply;

      if (i == 1 && !ctl->quiet)
        qs_ctl_note ("waiting: %s", busy->message);
      if (busy != NULL && !wait_while_busy (ctl, busy->message, error))
        return NULL;
      g_clear_error (&busy);
      reply = qs_ctl_call_patiently (ctl, operation->path, operation->member, operation->arguments,
                                     &busy);
      if (reply != NULL)
        return reply;
      if (!g_error_matches (busy, QS_ERROR, QS_ERROR_DOMAIN_BUSY))
        break;
    }
  g_propagate_error (error, g_steal_pointer (&busy));
  return NULL;
}

/* @reply: (o job) or (o snapshot, o job) */
static char *
take_paths (GVariant *reply, QsCtlOutcome *outcome)
{
  gsize n = g_variant_n_children (reply);
  char *job;

  if (n > 1)
    g_variant_get_child (reply, 0, "o", &outcome->snapshot);
  g_variant_get_child (reply, n - 1, "o", &job);
  if (outcome->snapshot != NULL && g_str_equal (outcome->snapshot, "/"))
    g_clear_pointer (&outcome->snapshot, g_free);
  return job;
}

static void
print_json (QsCtl *ctl, const QsCtlOutcome *outcome, const char *job, const char *const *notes)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *name = NULL;

  if (outcome->snapshot != NULL)
    name = qs_ctl_get_string (ctl, outcome->snapshot, "DomainSnapshot.Name", NULL);
  g_variant_dict_insert (&dict, "job", "s", job);
  g_variant_dict_insert (&dict, "snapshot", "s", outcome->snapshot ?: "");
  g_variant_dict_insert (&dict, "snapshotname", "s", name ?: "");
  g_variant_dict_insert_value (&dict, "result", outcome->result);
  g_variant_dict_insert_value (&dict, "notes", g_variant_new_strv (notes, -1));
  qs_ctl_print_json (g_variant_dict_end (&dict));
}

static void
tell_result (GVariant *result, const char *const *notes)
{
  for (; *notes != NULL; notes++)
    qs_ctl_note ("%s", *notes);
  for (guint i = 0; i < G_N_ELEMENTS (told_keys); i++)
    {
      g_autofree const char **words = NULL;

      if (!g_variant_lookup (result, told_keys[i].key, "^a&s", &words))
        continue;
      for (guint n = 0; words[n] != NULL; n++)
        qs_ctl_note ("%s %s", told_keys[i].text, words[n]);
    }
}

/**
 * qs_ctl_operate_start:
 * @operation: its arguments may be floating
 *
 * Starts an operation; with --dry-run prints its plan instead. Waits for a busy domain unless
 * --no-wait was given.
 *
 * Returns: (transfer full) (nullable): path of the job; NULL without error: it was a dry run
 */
char *
qs_ctl_operate_start (QsCtl *ctl, const QsCtlArguments *arguments, const QsCtlOperation *operation,
                      QsCtlOutcome *outcome, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) kept = NULL;

  if (operation->arguments != NULL)
    kept = g_variant_ref_sink (operation->arguments);
  outcome->is_told = TRUE;
  if (qs_ctl_arguments_has (arguments, "dry-run"))
    {
      print_plan (ctl, arguments, operation, error);
      return NULL;
    }
  reply = call_when_free (ctl, arguments, operation, error);
  return reply != NULL ? take_paths (reply, outcome) : NULL;
}

/**
 * qs_ctl_operate_end:
 * @outcome: with the result of @job
 *
 * Prints the result with --json, else what people should know of it.
 */
void
qs_ctl_operate_end (QsCtl *ctl, const QsCtlArguments *arguments, const char *job,
                    QsCtlOutcome *outcome)
{
  g_auto (GStrv) notes = qs_ctl_job_get_notes (ctl, job);

  outcome->is_told = qs_ctl_arguments_has (arguments, "json");
  if (outcome->is_told)
    print_json (ctl, outcome, job, (const char *const *)notes);
  else if (!ctl->quiet)
    tell_result (outcome->result, (const char *const *)notes);
}

/**
 * qs_ctl_operate:
 *
 * Starts an operation and waits for its job. Prints the result with --json.
 */
gboolean
qs_ctl_operate (QsCtl *ctl, const QsCtlArguments *arguments, const QsCtlOperation *operation,
                QsCtlOutcome *outcome, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autofree char *job = qs_ctl_operate_start (ctl, arguments, operation, outcome, &failure);

  if (job != NULL)
    outcome->result = qs_ctl_job_wait (ctl, job, &failure);
  if (outcome->result != NULL)
    qs_ctl_operate_end (ctl, arguments, job, outcome);
  if (failure == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

static char *
take_path (GVariant *reply)
{
  char *path = NULL;

  if (reply != NULL)
    g_variant_get (reply, "(o)", &path);
  return path;
}

/**
 * qs_ctl_find_domain:
 *
 * Returns: (transfer full): path of the domain that the arguments name
 */
char *
qs_ctl_find_domain (QsCtl *ctl, const QsCtlArguments *arguments, GError **error)
{
  const char *name = qs_ctl_arguments_get (arguments, "domain");
  g_autoptr (GVariant) reply =
      qs_ctl_call (ctl, QS_PATH, "Manager.LookupDomain", g_variant_new ("(s)", name), error);

  return take_path (reply);
}

/**
 * qs_ctl_find_current:
 * @domain: path of the domain
 *
 * Returns: (transfer full): path of its current snapshot; having none is an error
 */
char *
qs_ctl_find_current (QsCtl *ctl, const char *domain, GError **error)
{
  g_autofree char *current = qs_ctl_get_string (ctl, domain, "Domain.CurrentSnapshot", error);
  g_autofree char *name = NULL;

  if (current == NULL || !g_str_equal (current, "/"))
    return g_steal_pointer (&current);
  name = qs_ctl_get_string (ctl, domain, "Domain.Name", error);
  if (name != NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT, "domain ‘%s’ has no current snapshot",
                 name);
  return NULL;
}

/**
 * qs_ctl_find_snapshot:
 * @domain: path of the domain
 *
 * Returns: (transfer full): path of the snapshot named, or with --current of the current one
 */
char *
qs_ctl_find_snapshot (QsCtl *ctl, const QsCtlArguments *arguments, const char *domain,
                      GError **error)
{
  const char *name = qs_ctl_arguments_get (arguments, "snapshotname");
  gboolean is_current = qs_ctl_arguments_has (arguments, "current");
  g_autoptr (GVariant) reply = NULL;

  if (is_current == (name != NULL))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                           is_current
                               ? "options --current and --snapshotname are mutually exclusive"
                               : "--snapshotname or --current is required");
      return NULL;
    }
  if (is_current)
    return qs_ctl_find_current (ctl, domain, error);
  reply = qs_ctl_call (ctl, domain, "Domain.SnapshotLookup", g_variant_new ("(s)", name), error);
  return take_path (reply);
}
