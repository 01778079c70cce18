/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-domain.h"
#include "ctl-output.h"
#include "qs-error.h"
#include "qs-flags.h"
#include "qs-limits.h"

/* what is wrong with the files of a domain */

static const char *
get_text (GVariant *finding, const char *key)
{
  const char *text = "";

  g_variant_lookup (finding, key, "&s", &text);
  return text;
}

static gboolean
is_repairable (GVariant *finding)
{
  gboolean repairable = FALSE;

  g_variant_lookup (finding, "repairable", "b", &repairable);
  return repairable;
}

static void
print_finding (GVariant *finding)
{
  const char *subject = get_text (finding, "subject");
  const char *repair = get_text (finding, "repair");

  qs_ctl_print ("%s  %s: %s%s%s", get_text (finding, "id"), get_text (finding, "severity"),
                get_text (finding, "kind"), *subject != '\0' ? " of " : "", subject);
  qs_ctl_print ("    %s", get_text (finding, "text"));
  if (*repair != '\0')
    qs_ctl_print ("    --repair: %s", repair);
}

/* @verified: result of the job */
static GVariant *
get_findings (GVariant *verified)
{
  GVariant *findings = g_variant_lookup_value (verified, "findings", G_VARIANT_TYPE ("aa{sv}"));

  return findings != NULL ? findings : g_variant_ref_sink (g_variant_new ("aa{sv}", NULL));
}

/* @ids: (nullable): gets those that can be repaired. Returns how many are errors */
static guint
look_through (GVariant *findings, gboolean silent, GPtrArray *ids)
{
  guint n_errors = 0;

  for (gsize i = 0; i < g_variant_n_children (findings); i++)
    {
      g_autoptr (GVariant) finding = g_variant_get_child_value (findings, i);

      n_errors += g_str_equal (get_text (finding, "severity"), "error");
      if (ids != NULL && is_repairable (finding))
        g_ptr_array_add (ids, g_strdup (get_text (finding, "id")));
      if (!silent)
        print_finding (finding);
    }
  return n_errors;
}

static gboolean
verify (QsCtl *ctl, const QsCtlArguments *arguments, const char *path, GPtrArray *ids,
        GError **error)
{
  const QsCtlOperation operation = { .path = path,
                                     .member = "Domain.Verify",
                                     .arguments = g_variant_new ("(u)", arguments->flags) };
  g_auto (QsCtlOutcome) outcome = { NULL };
  g_autoptr (GVariant) findings = NULL;
  guint n_errors;
  gsize n;

  if (!qs_ctl_operate (ctl, arguments, &operation, &outcome, error))
    return FALSE;
  findings = get_findings (outcome.result);
  n = g_variant_n_children (findings);
  n_errors = look_through (findings, outcome.is_told, ids);
  if (n == 0)
    qs_ctl_outcome_tell (ctl, &outcome, "%s", "Nothing was found");
  if (n_errors == 0 || ids != NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "%u of %u findings %s", n_errors, (guint)n,
               n_errors == 1 ? "is an error" : "are errors");
  return FALSE;
}

static gboolean
repair_some (QsCtl *ctl, const QsCtlArguments *arguments, const char *path, const GPtrArray *ids,
             GError **error)
{
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  QsCtlOperation operation = { .path = path, .member = "Domain.Repair" };
  g_auto (QsCtlOutcome) outcome = { NULL };

  if (qs_ctl_arguments_has (arguments, "accept"))
    g_variant_dict_insert (&options, "accept", "b", TRUE);
  operation.arguments =
      g_variant_new ("(@as@a{sv})", g_variant_new_strv ((const char *const *)ids->pdata, ids->len),
                     g_variant_dict_end (&options));
  if (!qs_ctl_operate (ctl, arguments, &operation, &outcome, error))
    return FALSE;
  qs_ctl_outcome_tell (ctl, &outcome, "Repaired: %u%s", ids->len,
                       qs_ctl_arguments_has (arguments, "accept") ? ", out of quarantine" : "");
  return TRUE;
}

/* what is more than one call takes comes in the next: ids do not change for it */
static gboolean
repair (QsCtl *ctl, const QsCtlArguments *arguments, const char *path, const GPtrArray *ids,
        GError **error)
{
  g_autoptr (GPtrArray) some = g_ptr_array_new ();

  for (guint i = 0; i < ids->len; i++)
    {
      g_ptr_array_add (some, g_ptr_array_index (ids, i));
      if (some->len < QS_MAX_REPAIRS && i + 1 < ids->len)
        continue;
      if (!repair_some (ctl, arguments, path, some, error))
        return FALSE;
      g_ptr_array_set_size (some, 0);
    }
  return ids->len > 0 || !qs_ctl_arguments_has (arguments, "accept")
         || repair_some (ctl, arguments, path, ids, error);
}

static gboolean
run_fsck (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  static const char *const pairs[][2] = { { "repair", "repair-all" },
                                          { "repair", "data" },
                                          { NULL, NULL } };
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *path = NULL;

  if (!qs_ctl_arguments_exclude (arguments, pairs, error))
    return FALSE;
  path = qs_ctl_find_domain (ctl, arguments, error);
  if (path == NULL)
    return FALSE;
  if (qs_ctl_arguments_has (arguments, "repair"))
    return repair (ctl, arguments, path, qs_ctl_arguments_get_list (arguments, "repair"), error);
  if (qs_ctl_arguments_has (arguments, "repair-all"))
    return verify (ctl, arguments, path, ids, error) && repair (ctl, arguments, path, ids, error);
  if (qs_ctl_arguments_has (arguments, "accept"))
    return repair (ctl, arguments, path, ids, error);
  return verify (ctl, arguments, path, NULL, error);
}

static const QsCtlOption fsck_options[] = {
  QS_CTL_DOMAIN,
  { .name = "data", .flag = QS_VERIFY_DATA, .help = "read the images, too, which takes long" },
  { .name = "repair",
    .kind = QS_CTL_LIST,
    .use = QS_CTL_NAMED,
    .value = "id",
    .help = "repair this finding" },
  { .name = "repair-all", .help = "repair all findings that can be repaired" },
  { .name = "accept", .help = "take the domain as it is now for right: ends its quarantine" },
  QS_CTL_NO_WAIT,
  QS_CTL_JSON,
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_fsck_commands[] = {
  { "fsck", "look for what is wrong with the files of a domain",
    "Without --repair, --repair-all and --accept nothing is changed. Fails if a finding is an "
    "error.",
    fsck_options, run_fsck },
  { NULL },
};
