/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "plan-fixture.h"
#include "qs-change.h"
#include "qs-error.h"

/* redefines that reach for what is not theirs: paths, files and tags of others */

#define DISK(letter)                                                                               \
  "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"                             \
  "<source file='/images/vd" letter ".qcow2'/><target dev='vd" letter "' bus='virtio'/></disk>"
#define DISKS                                                                                      \
  "<disks><disk name='vda' snapshot='internal' tag='s-1'/><disk name='vdb' "                       \
  "snapshot='no'/></disks>"
#define OTHERS(more) "<devices>" DISK ("a") DISK ("b") more "</devices>"
#define OF_OTHERS(element, more)                                                                   \
  "<" element " type='qemu'><name>demo</name><uuid>" FIXTURE_UUID "</uuid>"                        \
  "<memory unit='MiB'>64</memory><vcpu>1</vcpu><os>"                                               \
  "<type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type></os>" OTHERS (more) "</" element ">"

typedef struct
{
  const char *name;
  const char *domain;
  const char *text; /* NULL: no objection */
} ScopeCase;

static const ScopeCase scope_cases[] = {
  { "plain", OF_OTHERS ("domain", ""), NULL },
  { "emulator", OF_OTHERS ("domain", "<emulator>/images/qemu</emulator>"),
    "<domain>: only the owner of a domain may name the emulator ‘/images/qemu’" },
  { "inactive",
    OF_OTHERS ("domain", "") OF_OTHERS ("inactiveDomain", "<emulator>/images/qemu</emulator>"),
    "<inactiveDomain>: only the owner of a domain may name the emulator" },
  { "disk",
    OF_OTHERS ("domain", "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
                         "<source file='/home/x/secret'/><target dev='sda' bus='scsi'/></disk>"),
    "<domain>: ‘/home/x/secret’ lies in no image folder" },
};

/* with the owner's rights a definition reaches further than another caller's */
static void
test_scope (gconstpointer data)
{
  const ScopeCase *test = data;
  g_autofree char *xml = g_strconcat ("<domainsnapshot><name>new</name><state>shutoff</state>"
                                      "<creationTime>1</creationTime>" DISKS,
                                      test->domain, "</domainsnapshot>", NULL);
  g_autoptr (QsDomain) domain = fixture_domain (2);
  g_autoptr (QsRequest) request = fixture_create (xml, QS_CREATE_REDEFINE);
  g_autoptr (QsPlan) owners = fixture_plan (domain, request, NULL, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = NULL;

  g_assert_nonnull (owners);
  request->caller = 4711;
  request->caller_is_owner = FALSE;
  plan = fixture_plan (domain, request, NULL, &error);
  if (test->text == NULL)
    {
      g_assert_no_error (error);
      return;
    }
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_assert_true (g_str_has_prefix (error->message, test->text));
}

/* what the owner has recorded, another caller does not put in force */
static void
test_scope_of_revert (gconstpointer data)
{
  const ScopeCase *test = data;
  g_autofree char *document = g_strconcat ("<domainsnapshot><name>s1</name><state>shutoff</state>",
                                           test->domain, "</domainsnapshot>", NULL);
  g_autoptr (QsDomain) domain = fixture_with_snapshot (fixture_domain (2), "s1", QS_KIND_INTERNAL);
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_REVERT, QS_REVERT_FORCE, FIXTURE_SNAPSHOT);
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) owners = NULL;
  g_autoptr (QsPlan) plan = NULL;

  g_free (facts->snapshot_document);
  facts->snapshot_document = g_strdup (document);
  owners = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  request->caller = 4711;
  request->caller_is_owner = FALSE;
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  if (test->text == NULL)
    {
      g_assert_no_error (error);
      return;
    }
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_assert_true (g_str_has_prefix (error->message, "the definition of snapshot ‘s1’: "));
}

static void
add (const char *kind, const char *name, gconstpointer data, GTestDataFunc func)
{
  g_autofree char *path = g_strconcat ("/redefine/", kind, name, NULL);

  g_test_add_data_func (path, data, func);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  qs_xml_init ();
  for (guint i = 0; i < G_N_ELEMENTS (scope_cases); i++)
    {
      add ("scope/", scope_cases[i].name, &scope_cases[i], test_scope);
      add ("scope/revert-", scope_cases[i].name, &scope_cases[i], test_scope_of_revert);
    }
  return g_test_run ();
}
