/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-fixture.h"
#include "plan-golden.h"
#include "qs-error.h"

/* disks whose storage the caller copies himself: snapshot='manual' */

#define MANUAL(rest)                                                                               \
  "<domainsnapshot><name>s1</name><disks><disk name='vda' snapshot='manual'/>" rest                \
  "</disks></domainsnapshot>"
#define WITH_EXTERNAL MANUAL ("<disk name='vdb' snapshot='external'/>")

typedef struct
{
  const char *name;
  QsDomainState state;
  const char *xml;
  guint flags;
} ManualCase;

static const ManualCase manual_cases[] = {
  { "manual-off", QS_DOMAIN_SHUTOFF, MANUAL (""), 0 },
  { "manual-paused", QS_DOMAIN_PAUSED, WITH_EXTERNAL, QS_CREATE_DISK_ONLY },
  { "manual-paused-halt", QS_DOMAIN_PAUSED, WITH_EXTERNAL, QS_CREATE_DISK_ONLY | QS_CREATE_HALT },
  { "manual-paused-memory", QS_DOMAIN_PAUSED, MANUAL (""), 0 },
};

static QsDomain *
make_domain (QsDomainState state)
{
  QsDomain *domain = state == QS_DOMAIN_SHUTOFF ? fixture_domain (2) : fixture_running_domain (2);

  domain->state = state;
  return domain;
}

static void
test_manual (gconstpointer data)
{
  const ManualCase *test = data;
  g_autoptr (QsDomain) domain = make_domain (test->state);
  g_autoptr (QsRequest) request = fixture_create (test->xml, test->flags);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = fixture_plan (domain, request, NULL, &error);
  g_autofree const char **uncovered = NULL;

  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (plan->result, "uncovered-disks", "^a&s", &uncovered));
  g_assert_null (uncovered[0]);
  plan_golden_check (test->name, plan);
  fake_world_exercise (plan);
}

static void
assert_refused (const QsPlan *plan, const GError *error, QsError code, const char *text)
{
  g_assert_null (plan);
  g_assert_error (error, QS_ERROR, (int)code);
  if (strstr (error->message, text) == NULL)
    g_error ("‘%s’ is not said by: %s", text, error->message);
}

static void
test_running (void)
{
  static const QsDomainState states[] = { QS_DOMAIN_RUNNING, QS_DOMAIN_CRASHED,
                                          QS_DOMAIN_PMSUSPENDED };

  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    {
      g_autoptr (QsDomain) domain = make_domain (states[i]);
      g_autoptr (QsRequest) request = fixture_create (WITH_EXTERNAL, QS_CREATE_DISK_ONLY);
      g_autoptr (GError) error = NULL;
      g_autoptr (QsPlan) plan = fixture_plan (domain, request, NULL, &error);

      assert_refused (plan, error, QS_ERROR_OPERATION_INVALID,
                      "disk ‘vda’: with snapshot='manual' you copy its storage yourself");
    }
}

/* somebody has resumed it between the call and the survey */
static void
test_resumed (void)
{
  g_autoptr (QsDomain) domain = make_domain (QS_DOMAIN_PAUSED);
  g_autoptr (QsRequest) request = fixture_create (WITH_EXTERNAL, QS_CREATE_DISK_ONLY);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;

  g_assert_no_error (error);
  facts->state = QS_DOMAIN_RUNNING;
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  assert_refused (plan, error, QS_ERROR_OPERATION_INVALID,
                  "the guest is running; suspend it first");
}

/* counts for nothing: alone it is no snapshot; and nothing is made for it */
static void
test_alone (void)
{
  static const struct
  {
    const char *disk;
    const char *text;
  } cases[] = {
    { "snapshot='manual'/>", "nothing selected" },
    { "snapshot='manual'><source file='/x'/></disk><disk name='vdb' snapshot='internal'/>",
      "snapshot='external'" },
    { "snapshot='manual' mode='existing'/><disk name='vdb' snapshot='internal'/>",
      "snapshot='external'" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *xml =
          g_strdup_printf ("<domainsnapshot><disks><disk name='vda' %s%s</disks>"
                           "</domainsnapshot>",
                           cases[i].disk, i == 0 ? "<disk name='vdb' snapshot='no'/>" : "");
      g_autoptr (QsDomain) domain = make_domain (QS_DOMAIN_SHUTOFF);
      g_autoptr (QsRequest) request = fixture_create (xml, 0);
      g_autoptr (GError) error = NULL;
      g_autoptr (QsPlan) plan = fixture_plan (domain, request, NULL, &error);

      assert_refused (plan, error, QS_ERROR_CONFIG_UNSUPPORTED, cases[i].text);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  qs_xml_init ();
  for (guint i = 0; i < G_N_ELEMENTS (manual_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-manual/", manual_cases[i].name, NULL);

      g_test_add_data_func (path, &manual_cases[i], test_manual);
    }
  g_test_add_func ("/planners-manual/running", test_running);
  g_test_add_func ("/planners-manual/resumed", test_resumed);
  g_test_add_func ("/planners-manual/alone", test_alone);
  return g_test_run ();
}
