/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-attach.h"

#include "qs-error.h"
#include "qs-plan-mirror.h"

/* how a domain is let go of, and let out of quarantine */

static gboolean
is_accepted (const QsRequest *request)
{
  gboolean accept = FALSE;

  if (request->options != NULL)
    g_variant_lookup (request->options, "accept", "b", &accept);
  return accept;
}

static gboolean
check_attached (const QsDomain *domain, GError **error)
{
  if (domain->attachment != NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "domain ‘%s’ is defined, not attached; undefine it", domain->name);
  return FALSE;
}

/* nobody would notice its end, nor could end it */
static gboolean
check_no_mirror (const QsDomain *domain, GError **error)
{
  g_autoptr (GError) busy = NULL;

  if (qs_mirror_check_none (domain, NULL, &busy))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, busy->message);
  return FALSE;
}

gboolean
qs_ask_detach (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  return check_attached (domain, error) && check_no_mirror (domain, error);
}

/**
 * qs_plan_detach:
 *
 * The QEMU goes on. What its snapshots need stays on record, else nothing does.
 */
QsPlan *
qs_plan_detach (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  const QsAttachment *attachment = domain->attachment;
  gint64 pid = domain->process != NULL ? domain->process->pid : 0;
  QsChangeList changes;

  qs_changes_init (&changes);
  if (qs_tree_size (domain->tree) == 0)
    qs_changes_add (&changes, QS_CHANGE_DOMAIN_DELETE, NULL);
  else
    {
      qs_changes_add (&changes, QS_CHANGE_ATTACHMENT, "socket", "s", attachment->socket, "agent",
                      "s", attachment->agent, "stable-path", "b", attachment->stable_path, "follow",
                      "b", FALSE, "hindered", "b", attachment->hindered, NULL);
      qs_changes_add_end_of_process (&changes);
    }
  qs_planning_add_record (plan, QS_PHASE_COMMIT, domain->name, &changes);
  qs_plan_add (plan, QS_STEP_DISCONNECT, QS_PHASE_FINISH, domain->name,
               g_variant_new_parsed ("{'pid': <%x>}", pid));
  return g_steal_pointer (&plan);
}

gboolean
qs_ask_accept (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  if (domain->quarantine_reason == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "domain ‘%s’ is not quarantined",
                   domain->name);
      return FALSE;
    }
  if (!is_accepted (request))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "domain ‘%s’ leaves quarantine only with ‘accept’: %s", domain->name,
                   domain->quarantine_reason);
      return FALSE;
    }
  questions->files = TRUE;
  questions->open_files = qs_domain_is_active (domain);
  for (guint i = 0; i < domain->def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (domain->def->disks, i);

      if (qs_attach_is_watched (disk))
        g_ptr_array_add (questions->disks, (gpointer)disk);
    }
  return TRUE;
}

static gboolean
check_repaired (const QsDomain *domain, const QsFacts *facts, const QsDiskFacts *disk,
                GError **error)
{
  const QsDiskDef *def = qs_domain_def_find_disk (domain->def, disk->target);
  g_autofree char *fault = NULL;
  const QsImage *image;

  if (disk->error != NULL)
    {
      g_set_error (error, disk->error->domain, disk->error->code, "disk ‘%s’: %s", disk->target,
                   disk->error->message);
      return FALSE;
    }
  image = g_ptr_array_index (disk->chain, 0);
  fault = qs_attach_fault (domain, def, facts);
  if (fault == NULL && qs_domain_is_active (domain) && facts->open_files == NULL)
    fault = g_strdup_printf ("disk ‘%s’: which files the running QEMU has open cannot be told; end "
                             "it first",
                             disk->target);
  if (fault == NULL && qs_domain_is_active (domain) && !qs_facts_has_open (facts, image))
    fault = g_strdup_printf ("disk ‘%s’: the running QEMU does not write to ‘%s’; end it first",
                             disk->target, image->path);
  if (fault == NULL)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_QUARANTINED, fault);
  return FALSE;
}

/**
 * qs_plan_accept:
 *
 * The domain leaves quarantine if its files, and the QEMU that runs on them, are what is recorded.
 */
QsPlan *
qs_plan_accept (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autofree char *misuse = qs_attach_misuse (domain, facts);
  QsChangeList changes;

  if (misuse != NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_QUARANTINED, misuse);
      return NULL;
    }
  for (guint i = 0; i < facts->disks->len; i++)
    if (!check_repaired (domain, facts, g_ptr_array_index (facts->disks, i), error))
      return NULL;
  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_QUARANTINE, "reason", "s", "", NULL);
  qs_planning_add_record (plan, QS_PHASE_COMMIT, domain->name, &changes);
  return g_steal_pointer (&plan);
}
