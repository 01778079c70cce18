/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "plan-fixture.h"
#include "qs-change.h"
#include "qs-error.h"
#include "qs-users.h"

#include <string.h>

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

#define DOCUMENT(state, rest)                                                                      \
  "<domainsnapshot><name>new</name><state>" state "</state><creationTime>1</creationTime>" rest    \
  "</domainsnapshot>"
#define NO_DISKS "<disks><disk name='vda' snapshot='no'/><disk name='vdb' snapshot='no'/></disks>"
#define INSIDE DOCUMENT ("shutoff", DISKS OF_OTHERS ("domain", ""))
#define STREAM(path) DOCUMENT ("running", "<memory file='" path "'/>" NO_DISKS)
#define SIDE_CAR(path)                                                                             \
  DOCUMENT ("running", "<memory snapshot='internal' sidecar='" path "'/>" NO_DISKS)

/* what is wrong with the place of a new one: it is recorded, but not trusted */
typedef struct
{
  const char *name;
  const char *xml;
  void (*spoil) (QsFacts *facts, QsDiskFacts *claim);
  const char *note;
} DoubtCase;

static void
other_name (QsFacts *facts, QsDiskFacts *claim)
{
  claim->other_name = g_strdup ("/images/first.qcow2");
}

/* as a link in a folder makes one */
static void
name_of_active (QsFacts *facts, QsDiskFacts *claim)
{
  QsImage *image = g_ptr_array_index (claim->chain, 0);
  QsTarget *target = g_ptr_array_index (facts->targets, 0);

  target->dev = image->dev;
  target->ino = image->ino;
  g_free (image->path);
  image->path = g_strdup ("/link/vda.qcow2");
}

static void
use_elsewhere (QsFacts *facts, QsDiskFacts *claim, const char *name)
{
  const QsImage *image = g_ptr_array_index (claim->chain, 0);

  g_hash_table_insert (facts->used_elsewhere, g_strdup (image->path), g_strdup (name));
}

static void
used_by_own (QsFacts *facts, QsDiskFacts *claim)
{
  use_elsewhere (facts, claim, "web");
}

static void
used_by_hidden (QsFacts *facts, QsDiskFacts *claim)
{
  use_elsewhere (facts, claim, "");
}

static void
recorded_elsewhere (QsFacts *facts, QsDiskFacts *claim)
{
  const QsImage *image = g_ptr_array_index (claim->chain, 0);

  g_ptr_array_add (facts->foreign_images, g_strdup (image->path));
}

static void
add_record (QsFacts *facts, QsDiskFacts *claim, const char *format, const char *role)
{
  const QsImage *image = g_ptr_array_index (claim->chain, 0);
  QsFile *file = g_new0 (QsFile, 1);

  file->path = g_strdup (image->path);
  file->format = g_strdup (format);
  file->role = g_strdup (role);
  file->dev = image->dev;
  file->ino = image->ino;
  file->btime = image->btime;
  g_ptr_array_add (facts->files, file);
}

static void
other_format (QsFacts *facts, QsDiskFacts *claim)
{
  add_record (facts, claim, "raw", "disk");
}

static void
other_role (QsFacts *facts, QsDiskFacts *claim)
{
  add_record (facts, claim, "raw", "disk");
}

static void
add_tag (QsDiskFacts *claim)
{
  QsImage *image = g_ptr_array_index (claim->chain, 0);
  QsTag *tag = g_new0 (QsTag, 1);

  tag->id = g_strdup ("1");
  tag->name = g_strdup ("s-old");
  tag->vm_state_size = 1;
  g_ptr_array_add (image->tags, tag);
}

static void
only_tag_of_other (QsFacts *facts, QsDiskFacts *claim)
{
  add_tag (claim);
  claim->tag_of = g_strdup ("bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee");
}

static void
only_tag (QsFacts *facts, QsDiskFacts *claim)
{
  add_tag (claim);
}

static const DoubtCase doubt_cases[] = {
  { "other-name", INSIDE, other_name,
    "‘/images/vda.qcow2’ is recorded as ‘/images/first.qcow2’; give it that name" },
  { "other-name-of-memory", STREAM ("/m"), other_name, "‘/m’ is recorded as" },
  { "name-of-active", INSIDE, name_of_active,
    "‘/link/vda.qcow2’ is ‘/images/vda.qcow2’ of the domain by another name" },
  { "slashes", STREAM ("/images//m"), NULL, "‘/images//m’ has more slashes than it needs" },
  { "used-by-own", STREAM ("/m"), used_by_own, "‘/m’ is used by domain ‘web’" },
  { "used-by-hidden", STREAM ("/m"), used_by_hidden, "‘/m’ is used by another domain" },
  { "recorded-elsewhere", STREAM ("/m"), recorded_elsewhere, "‘/m’ is used by another domain" },
  { "format", INSIDE, other_format, "is recorded with format ‘raw’, not ‘qcow2’" },
  { "role", STREAM ("/m"), other_role, "‘/m’ is recorded as ‘disk’, not as ‘memory’" },
  { "only-tag", SIDE_CAR ("/m"), only_tag_of_other, "the tag ‘s-old’ in ‘/m’ is that of snapshot" },
  { "active-sidecar", SIDE_CAR ("/images/vdb.qcow2"), only_tag, "is a disk of the domain" },
};

static void
test_doubt (gconstpointer data)
{
  const DoubtCase *test = data;
  g_autoptr (QsDomain) domain = fixture_domain (2);
  g_autoptr (QsRequest) request = fixture_create (test->xml, QS_CREATE_REDEFINE);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;

  g_assert_no_error (error);
  if (test->spoil != NULL)
    test->spoil (facts, g_ptr_array_index (facts->claims, 0));
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (plan->notes->len, ==, 1);
  if (strstr (g_ptr_array_index (plan->notes, 0), test->note) == NULL)
    g_error ("‘%s’ is not said by: %s", test->note, (char *)g_ptr_array_index (plan->notes, 0));
}

/* a snapshot may come back to a layer that none stands for any more */
static void
test_layer (void)
{
  g_autoptr (QsDomain) domain = fixture_domain (2);
  g_autoptr (QsRequest) request = fixture_create (INSIDE, QS_CREATE_REDEFINE);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;

  g_assert_no_error (error);
  add_record (facts, g_ptr_array_index (facts->claims, 0), "qcow2", "layer");
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (plan->notes->len, ==, 0);
}

/* what the domain has given up may be another's by now */
static void
test_returning (void)
{
  g_autoptr (QsDomain) domain = fixture_with_snapshot (fixture_domain (2), "s1", QS_KIND_INTERNAL);
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_REVERT, QS_REVERT_FORCE, FIXTURE_SNAPSHOT);
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) before = NULL;
  g_autoptr (QsPlan) plan = NULL;

  g_free (facts->snapshot_document);
  facts->snapshot_document = g_strdup (DOCUMENT ("shutoff", OF_OTHERS ("domain", DISK ("c"))));
  before = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  g_hash_table_insert (facts->used_elsewhere, g_strdup ("/images/vdc.qcow2"), g_strdup ("web"));
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "‘/images/vdc.qcow2’, which domain ‘web’ uses"));
}

/* every spelling of a path is one file, whoever names it */
static void
test_users (void)
{
  g_autoptr (QsFacts) facts = qs_facts_new ();
  g_autoptr (QsDomain) domain = fixture_domain (1);
  g_autofree char *user = NULL;
  g_autofree char *nobody = NULL;

  qs_users_add (facts->used_elsewhere, domain, "web");
  user = qs_users_describe (facts, "//images//vda.qcow2");
  nobody = qs_users_describe (facts, "/images/vdb.qcow2");
  g_assert_cmpstr (user, ==, "domain ‘web’");
  g_assert_null (nobody);
  g_assert_false (qs_users_is_here (facts, "/images/vda.qcow2"));
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
  for (guint i = 0; i < G_N_ELEMENTS (doubt_cases); i++)
    add ("doubt/", doubt_cases[i].name, &doubt_cases[i], test_doubt);
  g_test_add_func ("/redefine/layer", test_layer);
  g_test_add_func ("/redefine/returning", test_returning);
  g_test_add_func ("/redefine/users", test_users);
  return g_test_run ();
}
