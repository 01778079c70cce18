/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-fixture.h"
#include "plan-golden.h"
#include "qs-error.h"
#include "qs-flags.h"

#include <string.h>

#define QUIESCE (QS_CREATE_QUIESCE | QS_CREATE_DISK_ONLY)
#define DISKS(a, b)                                                                                \
  "<domainsnapshot><name>s1</name><disks><disk name='vda' snapshot='" a                            \
  "'/><disk name='vdb' snapshot='" b "'/></disks></domainsnapshot>"

typedef struct
{
  const char *name;
  const char *xml;
  guint flags;
} Case;

static const Case cases[] = {
  { "quiesce-external", DISKS ("external", "external"), QUIESCE },
  { "quiesce-internal", DISKS ("internal", "internal"), QUIESCE },
  { "quiesce-mixed", DISKS ("internal", "external"), QUIESCE },
  { "quiesce-no-metadata", DISKS ("external", "no"), QUIESCE | QS_CREATE_NO_METADATA },
  { "quiesce-halt", DISKS ("external", "no"), QUIESCE | QS_CREATE_HALT },
};

static QsPlan *
make_plan (const Case *wanted, QsDomain *domain, GError **error)
{
  g_autoptr (QsRequest) request = fixture_create (wanted->xml, wanted->flags);

  return fixture_plan (domain, request, NULL, error);
}

static void
test_plan (gconstpointer data)
{
  const Case *wanted = data;
  g_autoptr (QsDomain) domain = fixture_running_domain (2);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = make_plan (wanted, domain, &error);

  g_assert_no_error (error);
  plan_golden_check (wanted->name, plan);
  fake_world_exercise (plan);
}

/* nothing stands between the two but what has to, and above all nothing that stops the guest */
static void
test_order (gconstpointer data)
{
  const Case *wanted = data;
  g_autoptr (QsDomain) domain = fixture_running_domain (2);
  g_autoptr (QsPlan) plan = make_plan (wanted, domain, NULL);
  gboolean halts = (wanted->flags & QS_CREATE_HALT) != 0;
  gboolean frozen = FALSE;
  gboolean stops = FALSE;

  for (guint i = 0; i < plan->steps->len; i++)
    {
      const QsStep *step = g_ptr_array_index (plan->steps, i);

      g_assert_true (!frozen || step->kind == QS_STEP_TRANSACTION || step->kind == QS_STEP_THAW);
      stops |= step->kind == QS_STEP_STOP;
      frozen = step->kind == QS_STEP_FREEZE || (frozen && step->kind != QS_STEP_THAW);
    }
  g_assert_false (frozen);
  g_assert_cmpint (stops, ==, halts);
}

static void
test_state (void)
{
  static const QsDomainState states[] = { QS_DOMAIN_SHUTOFF, QS_DOMAIN_PAUSED,
                                          QS_DOMAIN_PMSUSPENDED, QS_DOMAIN_CRASHED };

  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    {
      g_autoptr (QsDomain) domain = fixture_running_domain (2);
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GError) error = NULL;

      domain->state = states[i];
      plan = make_plan (&cases[0], domain, &error);
      g_assert_null (plan);
      g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID);
      g_assert_nonnull (strstr (error->message, "QUIESCE needs a running guest"));
    }
}

/* that memory is left out is not enough: the flag has to be there */
static void
test_flags (void)
{
  static const Case wanted = { NULL, "<domainsnapshot><memory snapshot='no'/></domainsnapshot>",
                               QS_CREATE_QUIESCE };
  g_autoptr (QsDomain) domain = fixture_running_domain (2);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = make_plan (&wanted, domain, &error);

  g_assert_null (plan);
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "QUIESCE needs DISK_ONLY"));
}

static void
check_agent (QsDomain *domain, QsFacts *facts, QsError code, const char *why)
{
  g_autoptr (QsRequest) request = fixture_create (cases[0].xml, cases[0].flags);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);

  g_assert_null (plan);
  g_assert_error (error, QS_ERROR, (int)code);
  g_assert_nonnull (strstr (error->message, why));
}

static QsFacts *
make_facts (QsDomain *domain)
{
  g_autoptr (QsRequest) request = fixture_create (cases[0].xml, cases[0].flags);

  return fixture_facts (domain, request, NULL);
}

static void
test_agent (void)
{
  g_autoptr (QsDomain) domain = fixture_running_domain (2);
  g_autoptr (QsDomain) attached = fixture_attached (fixture_running_domain (2), FALSE);
  g_autoptr (QsFacts) facts = make_facts (domain);

  facts->thaw_owed = TRUE;
  check_agent (domain, facts, QS_ERROR_AGENT_UNRESPONSIVE, "earlier request");
  facts->agent_open = FALSE;
  check_agent (domain, facts, QS_ERROR_AGENT_UNRESPONSIVE, "start qemu-guest-agent");
  g_clear_pointer (&facts->agent, g_free);
  check_agent (domain, facts, QS_ERROR_AGENT_UNRESPONSIVE, "to its definition");
  check_agent (attached, facts, QS_ERROR_AGENT_UNRESPONSIVE, "when attaching");
  facts->state = QS_DOMAIN_PAUSED;
  check_agent (domain, facts, QS_ERROR_OPERATION_INVALID, "this one is paused");
}

/* disks alone hold nothing of it */
static void
test_owed (void)
{
  static const Case memory = { NULL, "<domainsnapshot/>", 0 };
  static const Case live = {
    NULL, "<domainsnapshot><memory snapshot='external' file='/images/m'/></domainsnapshot>",
    QS_CREATE_LIVE
  };
  static const Case disks = { NULL, "<domainsnapshot/>", QS_CREATE_DISK_ONLY };
  static const Case *const wanted[] = { &memory, &live, &disks };

  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    {
      g_autoptr (QsDomain) domain = fixture_running_domain (2);
      g_autoptr (QsRequest) request = fixture_create (wanted[i]->xml, wanted[i]->flags);
      g_autoptr (QsFacts) facts = fixture_facts (domain, request, NULL);
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GError) error = NULL;

      facts->thaw_owed = TRUE;
      plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
      g_assert_true ((plan != NULL) == (wanted[i] == &disks));
      if (plan != NULL)
        continue;
      g_assert_error (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE);
      g_assert_nonnull (strstr (error->message, "look after the guest first"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *plan = g_strconcat ("/planners-quiesce/plan/", cases[i].name, NULL);
      g_autofree char *order = g_strconcat ("/planners-quiesce/order/", cases[i].name, NULL);

      g_test_add_data_func (plan, &cases[i], test_plan);
      g_test_add_data_func (order, &cases[i], test_order);
    }
  g_test_add_func ("/planners-quiesce/state", test_state);
  g_test_add_func ("/planners-quiesce/flags", test_flags);
  g_test_add_func ("/planners-quiesce/agent", test_agent);
  g_test_add_func ("/planners-quiesce/owed", test_owed);
  return g_test_run ();
}
