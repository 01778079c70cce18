/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "real-domain.h"

#include "worker-fixture.h"

#include <unistd.h>

#define ID "1"

static void
put_domain (RealDomain *domain)
{
  g_autofree char *definition = qs_domain_def_format (domain->qemu->def, TRUE);
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_PUT, "definition", "s", definition, "owner", "u",
                  getuid (), "name", "s", "real", "uuid", "s", REAL_UUID, NULL);
  apply_now (domain->store.store, ID, qs_changes_end (&list));
}

static void
on_changed (const QsDomain *before, QsDomain *after, gpointer data)
{
}

RealDomain *
real_domain_new (const RealQemuOptions *options)
{
  RealDomain *domain = g_new0 (RealDomain, 1);
  g_autoptr (QsDomain) value = NULL;
  g_autoptr (QsGuest) guest = NULL;

  /* what is asked of the main context is then done at once */
  g_assert_true (g_main_context_acquire (NULL));
  domain->qemu = real_qemu_new_with (options);
  store_fixture_open (&domain->store);
  put_domain (domain);
  domain->engine.store = domain->store.store;
  domain->engine.workers = qs_worker_pool_new (worker_program (), FALSE);
  domain->engine.registry = qs_registry_new (on_changed, NULL);
  value = qs_domain_copy (domain->qemu->domain);
  value->process = qs_process_copy (domain->qemu->process);
  qs_registry_put (domain->engine.registry, value);
  guest = real_qemu_guest (domain->qemu, NULL);
  qs_registry_set_guest (domain->engine.registry, ID, guest);
  return domain;
}

void
real_domain_free (RealDomain *domain)
{
  qs_registry_free (domain->engine.registry);
  qs_worker_pool_free (domain->engine.workers);
  store_fixture_clear (&domain->store);
  real_qemu_free (domain->qemu);
  g_main_context_release (NULL);
  g_free (domain);
}

void
real_domain_kill_qemu (RealDomain *domain)
{
  real_qemu_kill (domain->qemu);
  qs_registry_set_guest (domain->engine.registry, ID, NULL);
}

char *
real_domain_path (const RealDomain *domain, const char *name)
{
  return real_qemu_path (domain->qemu, name);
}

static void
begin_world (RealDomain *domain, QsRealWorld *world)
{
  qs_real_world_init (world, &domain->engine, ID, getuid (), domain->op, 0);
  world->world.control = domain->control;
  world->world.tell = domain->tell;
  world->world.tell_ready = domain->tell_ready;
  world->world.user_data = domain->user_data;
}

static void
begin_op (RealDomain *domain)
{
  g_autoptr (QsRequest) request = qs_request_new (QS_VERB_SNAPSHOT_DELETE, 0);
  g_autoptr (GError) error = NULL;

  domain->op = qs_store_begin_op (domain->store.store, ID, "0123abcd", request, NULL, &error);
  g_assert_no_error (error);
}

static void
check_plan (const QsPlan *plan)
{
  g_autoptr (GError) error = NULL;

  qs_plan_check (plan, &error);
  g_assert_no_error (error);
}

QsOutcome
real_domain_run (RealDomain *domain, const QsPlan *plan, GPtrArray **results, GError **error)
{
  g_auto (QsRealWorld) world = { 0 };
  QsOutcome outcome;
  QsRunner runner;

  check_plan (plan);
  begin_op (domain);
  begin_world (domain, &world);
  runner = (QsRunner){ .journal = world.journal, .world = &world.world };
  outcome = qs_runner_run (&runner, plan, domain->cancellable, results, error);
  if (outcome == QS_OUTCOME_DONE || outcome == QS_OUTCOME_UNDONE)
    g_assert_true (qs_store_close_op (domain->store.store, domain->op, NULL, NULL));
  return outcome;
}

static void
unref_result (gpointer result)
{
  g_clear_pointer (&result, g_variant_unref);
}

static void
must_mark (QsRealWorld *world, guint index, QsStepState state, GVariant *result)
{
  g_autoptr (GError) error = NULL;

  world->journal->vtable->step (world->journal, 0, index, state, result, &error);
  g_assert_no_error (error);
}

static void
must_do (QsRealWorld *world, const QsPlan *plan, guint index, GPtrArray *results)
{
  g_autoptr (GError) error = NULL;
  GVariant *result = NULL;

  world->world.vtable->run (&world->world, plan, index, results, &result, &error);
  g_assert_no_error (error);
  if (result != NULL)
    g_ptr_array_index (results, index) = g_variant_take_ref (result);
}

void
real_domain_run_until (RealDomain *domain, const QsPlan *plan, guint index, RealPoint point)
{
  g_auto (QsRealWorld) world = { 0 };
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (unref_result);
  g_autoptr (GError) error = NULL;

  check_plan (plan);
  begin_op (domain);
  g_ptr_array_set_size (results, plan->steps->len);
  begin_world (domain, &world);
  world.journal->vtable->begin_part (world.journal, 0, plan, &error);
  g_assert_no_error (error);
  for (guint i = 0; i <= index; i++)
    {
      must_mark (&world, i, QS_STEP_STATE_BEGUN, NULL);
      if (i < index || point == REAL_AFTER)
        must_do (&world, plan, i, results);
      if (i < index)
        must_mark (&world, i, QS_STEP_STATE_DONE, g_ptr_array_index (results, i));
    }
}

QsOutcome
real_domain_resume (RealDomain *domain, GPtrArray **results, GError **error)
{
  g_auto (QsRealWorld) world = { 0 };
  g_autoptr (GPtrArray) ops = NULL;
  const QsPartRecord *part;
  QsOutcome outcome;
  QsRunner runner;

  ops = qs_store_load_open_ops (domain->store.store, error);
  g_assert_nonnull (ops);
  g_assert_cmpuint (ops->len, ==, 1);
  part = g_ptr_array_index (((QsOpenOp *)g_ptr_array_index (ops, 0))->parts, 0);
  qs_real_world_init (&world, &domain->engine, ID, getuid (), domain->op, 0);
  world.recovering = TRUE;
  runner = (QsRunner){ .journal = world.journal, .world = &world.world };
  outcome = qs_runner_resume (&runner, part, results, error);
  if (outcome == QS_OUTCOME_DONE || outcome == QS_OUTCOME_UNDONE)
    g_assert_true (qs_store_close_op (domain->store.store, domain->op, NULL, NULL));
  return outcome;
}

void
real_plan_add (QsPlan *plan, QsStepKind kind, QsPhase phase, const char *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) parsed =
      g_variant_parse (G_VARIANT_TYPE_VARDICT, arguments, NULL, NULL, &error);
  const char *target = NULL;

  g_assert_no_error (error);
  g_variant_lookup (parsed, "target", "&s", &target);
  qs_plan_add (plan, kind, phase, target, parsed);
}
