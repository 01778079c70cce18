/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-error.h"

#define IN(state) (1u << (state))

typedef struct
{
  QsVerb verb;
  guint states; /* in which it can be asked for */
  QsStepKind step;
  const char *instead; /* what to do in any other */
} RunState;

/* libvirt's life cycle calls: the one step of each, and when it makes sense */
static const RunState run_states[] = {
  { QS_VERB_SHUTDOWN, IN (QS_DOMAIN_RUNNING) | IN (QS_DOMAIN_PMSUSPENDED), QS_STEP_POWERDOWN,
    "only a running guest can be asked to shut down" },
  { QS_VERB_DESTROY,
    IN (QS_DOMAIN_RUNNING) | IN (QS_DOMAIN_PAUSED) | IN (QS_DOMAIN_PMSUSPENDED)
        | IN (QS_DOMAIN_CRASHED),
    QS_STEP_QUIT, "there is no process to end" },
  { QS_VERB_SUSPEND, IN (QS_DOMAIN_RUNNING) | IN (QS_DOMAIN_PAUSED), QS_STEP_STOP,
    "only a running guest can be suspended" },
  { QS_VERB_RESUME, IN (QS_DOMAIN_RUNNING) | IN (QS_DOMAIN_PAUSED), QS_STEP_CONT,
    "only a paused guest can be resumed" },
};

static const RunState *
find_run_state (QsVerb verb)
{
  for (guint i = 0; i < G_N_ELEMENTS (run_states); i++)
    if (run_states[i].verb == verb)
      return &run_states[i];
  g_assert_not_reached ();
}

static gboolean
check_run_state (const RunState *row, QsDomainState state, GError **error)
{
  if (row->states & IN (state))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "the domain is %s: %s",
               qs_enum_to_string (QS_ENUM_DOMAIN_STATE, state), row->instead);
  return FALSE;
}

gboolean
qs_ask_run_state (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                  GError **error)
{
  questions->monitor = request->verb != QS_VERB_DESTROY;
  return check_run_state (find_run_state (request->verb), domain->state, error);
}

static void
record_end (QsPlan *plan, const QsDomain *domain)
{
  QsChangeList changes;

  qs_changes_init (&changes);
  qs_changes_add_end_of_process (&changes);
  qs_planning_add_record (plan, QS_PHASE_FINISH, domain->name, &changes);
}

QsPlan *
qs_plan_run_state (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                   GError **error)
{
  const RunState *row = find_run_state (request->verb);
  g_autoptr (QsPlan) plan = qs_plan_new ();

  if (request->verb != QS_VERB_DESTROY && !check_run_state (row, facts->state, error))
    return NULL;
  if (row->step == QS_STEP_QUIT)
    {
      qs_planning_quit (plan, QS_PHASE_COMMIT, domain);
      record_end (plan, domain);
    }
  else
    qs_plan_add (plan, row->step, QS_PHASE_COMMIT, domain->name, g_variant_new ("a{sv}", NULL));
  return g_steal_pointer (&plan);
}

/**
 * qs_planning_ask_disks:
 *
 * The chain of every disk is to be looked at, as before a QEMU opens it.
 */
void
qs_planning_ask_disks (const QsDomain *domain, QsQuestions *questions)
{
  for (guint i = 0; i < domain->def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (domain->def->disks, i);

      if (qs_domain_disk_path (domain, disk) != NULL)
        g_ptr_array_add (questions->disks, (gpointer)disk);
    }
}

void
qs_planning_ask_start (const QsDomain *domain, QsQuestions *questions)
{
  const QsDomainDef *def = domain->def;

  qs_planning_ask_disks (domain, questions);
  if (def->nvram != NULL && def->nvram_template != NULL)
    g_ptr_array_add (questions->targets, g_strdup (def->nvram));
}

gboolean
qs_ask_start (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
              GError **error)
{
  if (domain->attachment != NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "domain ‘%s’ is attached: its QEMU is started by whoever did so before, not by "
                   "this service",
                   domain->name);
      return FALSE;
    }
  if (domain->state != QS_DOMAIN_SHUTOFF)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "the domain is %s already",
                   qs_enum_to_string (QS_ENUM_DOMAIN_STATE, domain->state));
      return FALSE;
    }
  qs_planning_ask_start (domain, questions);
  return TRUE;
}

static gboolean
wants (const QsRequest *request, const char *option)
{
  gboolean value = FALSE;

  if (request->options != NULL)
    g_variant_lookup (request->options, option, "b", &value);
  return value;
}

static gboolean
plan_nvram (QsPlan *plan, const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
            GError **error)
{
  const QsDomainDef *def = domain->def;
  const QsTarget *target = def->nvram != NULL ? qs_facts_find_target (facts, def->nvram) : NULL;

  if (wants (request, "reset-nvram"))
    {
      g_set_error (
          error, QS_ERROR,
          def->nvram == NULL ? QS_ERROR_CONFIG_UNSUPPORTED : QS_ERROR_OPERATION_UNSUPPORTED, "%s",
          def->nvram == NULL ? "the domain has no firmware variables to reset"
                             : "resetting the firmware variables is not supported by this version");
      return FALSE;
    }
  if (target == NULL || target->type == QS_TARGET_REGULAR)
    return TRUE;
  if (target->type != QS_TARGET_ABSENT || target->error != NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, "firmware variables ‘%s’: %s",
                   def->nvram,
                   target->error != NULL ? target->error->message : "is no regular file");
      return FALSE;
    }
  qs_plan_add (
      plan, QS_STEP_NVRAM_CREATE, QS_PHASE_PREPARE, "nvram",
      g_variant_new_parsed ("{'path': <%s>, 'template': <%s>}", def->nvram, def->nvram_template));
  return TRUE;
}

/**
 * qs_planning_spawn:
 * @chains: (transfer floating): the files of each disk; see qs_planning_chains()
 *
 * Adds a step that starts QEMU, stopped, with the definition of the next start.
 */
gboolean
qs_planning_spawn (QsPlan *plan, QsStepKind kind, QsPhase phase, const QsDomain *domain,
                   GVariant *chains, GError **error)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (chains);
  g_autoptr (QsDomainDef) def = qs_domain_true_def (domain, TRUE, error);
  g_autofree char *xml = NULL;

  if (def == NULL)
    return FALSE;
  xml = qs_domain_def_format (def, TRUE);
  qs_plan_add (plan, kind, phase, domain->name,
               g_variant_new_parsed ("{'id': <%s>, 'definition': <%s>, 'chains': <%@a(sa(ss))>}",
                                     domain->id, xml, held));
  return TRUE;
}

/**
 * qs_planning_quit:
 *
 * Adds the step that ends the QEMU process which the domain has now, and no other.
 */
void
qs_planning_quit (QsPlan *plan, QsPhase phase, const QsDomain *domain)
{
  const QsProcess *process = domain->process;

  qs_plan_add (
      plan, QS_STEP_QUIT, phase, domain->name,
      g_variant_new_parsed ("{'pid': <%x>, 'start-time': <%t>, 'boot-id': <%s>, 'unit': <%s>}",
                            process != NULL ? process->pid : (gint64)0,
                            process != NULL ? process->start_time : (guint64)0,
                            process != NULL ? process->boot_id : "",
                            process != NULL && process->unit != NULL ? process->unit : ""));
}

/**
 * qs_planning_add_start:
 * @step: index of the spawn step, whose result tells the process
 *
 * Adds to @changes that the domain has that process, which stands still.
 */
void
qs_planning_add_start (QsChangeList *changes, const QsPlan *plan, guint step)
{
  qs_changes_add (changes, QS_CHANGE_PROCESS, "step", "u", step, NULL);
  qs_changes_add (changes, QS_CHANGE_LIVE_DEF, "definition", "s",
                  qs_step_string (qs_plan_step (plan, step), "definition"), NULL);
  qs_changes_add (changes, QS_CHANGE_DOMAIN_STATE, "state", "s", "paused", NULL);
}

/**
 * qs_planning_record_start:
 * @step: index of the spawn step, whose result tells the process
 */
void
qs_planning_record_start (QsPlan *plan, QsPhase phase, const QsDomain *domain, guint step)
{
  QsChangeList changes;

  qs_changes_init (&changes);
  qs_planning_add_start (&changes, plan, step);
  qs_planning_add_record (plan, phase, domain->name, &changes);
}

QsPlan *
qs_plan_start (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
               GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  GVariant *chains = qs_planning_chains (domain, facts, error);
  guint spawn;

  if (chains == NULL)
    return NULL;
  if (!plan_nvram (plan, domain, request, facts, error))
    {
      g_variant_unref (g_variant_ref_sink (chains));
      return NULL;
    }
  spawn = plan->steps->len;
  if (!qs_planning_spawn (plan, QS_STEP_SPAWN, QS_PHASE_PREPARE, domain, chains, error))
    return NULL;
  qs_planning_record_start (plan, QS_PHASE_COMMIT, domain, spawn);
  if (!wants (request, "paused"))
    qs_plan_add (plan, QS_STEP_CONT, QS_PHASE_FINISH, domain->name, g_variant_new ("a{sv}", NULL));
  return g_steal_pointer (&plan);
}
