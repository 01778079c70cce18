/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-fixture.h"
#include "plan-golden.h"
#include "qs-change.h"
#include "qs-error.h"

/* redefines: plans of what is recorded, and one refusal for each rule */

#define DEVICES(a, b) "<devices>" DEVICE_LIST (a, b) "</devices>"
#define MORE_DEVICES(more) "<devices>" DEVICE_LIST ("/a", "/b") more "</devices>"
#define DEVICE_LIST(a, b)                                                                          \
  "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='" a             \
  "'/><target dev='vda' bus='virtio'/></disk><disk type='file' device='disk'>"                     \
  "<driver name='qemu' type='qcow2'/><source file='" b                                             \
  "'/><target dev='vdb' bus='virtio'/></disk>"
#define DOMAIN_OF(uuid, memory, vcpus, machine, devices)                                           \
  "<domain type='qemu'><name>demo</name><uuid>" uuid "</uuid><memory unit='MiB'>" memory           \
  "</memory><vcpu>" vcpus "</vcpu><os><type arch='x86_64' machine='" machine                       \
  "'>hvm</type></os>" devices "</domain>"
#define DOMAIN_THEN                                                                                \
  DOMAIN_OF (FIXTURE_UUID, "64", "1", "pc-i440fx-7.2", DEVICES ("/images/vda.qcow2", "/b.qcow2"))
#define DOCUMENT(name, state, rest)                                                                \
  "<domainsnapshot>\n<name>" name "</name><state>" state "</state>"                                \
  "<creationTime>1600000000</creationTime>" rest "</domainsnapshot>"
#define DISKS(a, b) "<disks><disk name='vda' " a "/><disk name='vdb' " b "/></disks>"
#define INTERNAL DISKS ("snapshot='internal' tag='s-1'", "snapshot='internal' tag='s-1'")
#define OVERLAYS                                                                                   \
  "<disks><disk name='vda' snapshot='external'><source file='/images/vda.s1'/></disk>"             \
  "<disk name='vdb' snapshot='external'><source file='/images/vdb.s1'/></disk></disks>"
#define STATES DOMAIN_OF (FIXTURE_UUID, "64", "1", "pc-i440fx-7.2", DEVICES ("/a.old", "/b.old"))

/* the snapshot that is there already */
#define RECORDED DOCUMENT ("s1", "shutoff", INTERNAL DOMAIN_THEN)

typedef struct
{
  const char *name;
  const char *xml;
  guint flags;
  const char *recorded; /* document of the s1 that is there, or NULL */
  const char *fault;    /* see spoil(), or NULL */
} RedefineCase;

static const RedefineCase redefine_cases[] = {
  { "redefine-internal", DOCUMENT ("new", "shutoff", INTERNAL DOMAIN_THEN), 0, NULL, NULL },
  { "redefine-libvirt",
    DOCUMENT ("new", "shutoff", "<domain><uuid>" FIXTURE_UUID "</uuid></domain>"), 0, NULL, NULL },
  { "redefine-external", DOCUMENT ("new", "disk-snapshot", OVERLAYS STATES), 0, NULL, NULL },
  { "redefine-overlay", DOCUMENT ("new", "disk-snapshot", OVERLAYS), QS_CREATE_DISK_ONLY, NULL,
    NULL },
  { "redefine-mixed-current",
    DOCUMENT ("new", "running",
              "<parent><name>s1</name></parent><memory file='/images/m'/>"
              "<disks><disk name='vda' snapshot='internal' tag='s-2'/>"
              "<disk name='/b.old' snapshot='external'/></disks>" STATES),
    QS_CREATE_CURRENT | QS_CREATE_ATOMIC | QS_CREATE_REUSE_EXT, RECORDED, NULL },
  { "redefine-sidecar",
    DOCUMENT ("new", "paused",
              "<memory snapshot='internal' sidecar='/images/m'/>" DISKS ("snapshot='no'",
                                                                         "snapshot='no'")),
    0, NULL, "only-tag" },
  { "redefine-nvram",
    DOCUMENT ("new", "shutoff", "<nvram file='/images/v' format='raw'/>" INTERNAL DOMAIN_THEN), 0,
    NULL, NULL },
  { "redefine-memory-inside",
    DOCUMENT ("new", "running", "<memory snapshot='internal' disk='vdb'/>" INTERNAL), 0, NULL,
    NULL },
  { "redefine-existing",
    DOCUMENT ("s1", "shutoff", "<description>better</description>" INTERNAL DOMAIN_THEN),
    QS_CREATE_CURRENT, RECORDED, NULL },
  { "redefine-existing-brief", DOCUMENT ("s1", "shutoff", ""), 0, RECORDED, NULL },
  { "redefine-existing-moved",
    DOCUMENT ("s1", "shutoff",
              INTERNAL DOMAIN_OF (FIXTURE_UUID, "64", "1", "pc-i440fx-7.2",
                                  DEVICES ("/images/vda.qcow2", "/moved.qcow2"))),
    0, RECORDED, NULL },
  { "redefine-missing-tag", DOCUMENT ("new", "shutoff", INTERNAL DOMAIN_THEN), 0, NULL, "no-tag" },
  { "redefine-missing-file", DOCUMENT ("new", "disk-snapshot", OVERLAYS STATES), 0, NULL,
    "no-file" },
};

typedef struct
{
  const char *name;
  const char *xml;
  const char *text;
  QsError code;
  guint flags;
  const char *fault;
} RefusalCase;

#define XML QS_ERROR_XML_INVALID
#define ARGUMENT QS_ERROR_INVALID_ARGUMENT
#define CONFIG QS_ERROR_CONFIG_UNSUPPORTED
#define OTHER(memory, vcpus, machine, devices)                                                     \
  DOCUMENT ("s1", "shutoff", INTERNAL DOMAIN_OF (FIXTURE_UUID, memory, vcpus, machine, devices))

/* s1 is there, and s2 below it */
static const RefusalCase refusal_cases[] = {
  { "name",
    "<domainsnapshot>\n<state>shutoff</state><creationTime>1</creationTime></domainsnapshot>",
    "line 1: a snapshot that is redefined needs <name>", XML },
  { "state", "\n<domainsnapshot><name>n</name><creationTime>1</creationTime></domainsnapshot>",
    "line 2: a snapshot that is redefined needs <state>", XML },
  { "time", "<domainsnapshot><name>n</name><state>shutoff</state></domainsnapshot>",
    "needs <creationTime>", XML },
  { "bad-name", DOCUMENT ("a/b", "shutoff", ""), "name", ARGUMENT },
  { "branch", DOCUMENT ("n", "shutoff", "<branch>s1</branch>"), "BRANCH", ARGUMENT },
  { "disk-only", DOCUMENT ("n", "shutoff", ""), "DISK_ONLY needs state ‘disk-snapshot’", ARGUMENT,
    QS_CREATE_DISK_ONLY },
  { "off-with-memory", DOCUMENT ("n", "shutoff", "<memory snapshot='internal'/>"),
    "line 2: state ‘shutoff’ and memory snapshot ‘internal’", XML },
  { "on-without-memory", DOCUMENT ("n", "running", "<memory snapshot='no'/>"),
    "state ‘running’ and memory snapshot ‘no’", XML },
  { "uuid",
    DOCUMENT (
        "n", "shutoff",
        DOMAIN_OF ("00000000-0000-4000-8000-000000000000", "64", "1", "pc", DEVICES ("/a", "/b"))),
    "not of ‘demo’", ARGUMENT },
  { "uuid-alone",
    DOCUMENT ("n", "shutoff", "<domain><uuid>00000000-0000-4000-8000-000000000000</uuid></domain>"),
    "not of ‘demo’", ARGUMENT },
  { "no-parent", DOCUMENT ("n", "shutoff", "<parent><name>x</name></parent>"),
    "to be ‘x’, and the domain has no such snapshot", ARGUMENT },
  { "own-parent", DOCUMENT ("n", "shutoff", "<parent><name>n</name></parent>"), "its own parent",
    ARGUMENT },
  { "cycle", DOCUMENT ("s1", "shutoff", "<parent><name>s2</name></parent>"),
    "cannot be ‘s2’, which descends from it", ARGUMENT },
  { "off-to-on", DOCUMENT ("s1", "running", ""),
    "is of a domain that is off (state ‘shutoff’); a redefine cannot make it one of one that runs",
    ARGUMENT },
  { "off-to-disks", DOCUMENT ("s1", "disk-snapshot", ""), "of disks only (‘disk-snapshot’)",
    ARGUMENT },
  { "unknown-disk", DOCUMENT ("n", "shutoff", "<disks><disk name='vdx'/></disks>"), "no disk ‘vdx’",
    CONFIG },
  { "disk-twice",
    DOCUMENT ("n", "shutoff",
              "<disks><disk name='vda'/><disk name='/images/vda.qcow2'/></disks>" DOMAIN_THEN),
    "‘vda’ is named twice", CONFIG },
  { "nothing", DOCUMENT ("n", "shutoff", DISKS ("snapshot='no'", "snapshot='manual'")),
    "nothing selected", CONFIG },
  { "relative-path",
    DOCUMENT ("n", "disk-snapshot",
              "<disks><disk name='vda' snapshot='external'><source file='/images/../etc/x'/>"
              "</disk></disks>"),
    "disk ‘vda’: the path", CONFIG },
  { "choice",
    DOCUMENT ("s1", "shutoff", DISKS ("snapshot='external'", "snapshot='internal'") DOMAIN_THEN),
    "disk ‘vda’: its snapshot is ‘internal’; a redefine cannot make it ‘external’", ARGUMENT },
  { "tag", DOCUMENT ("s1", "shutoff", DISKS ("snapshot='internal' tag='x'", "")),
    "is ‘s-1’; a redefine cannot make it ‘x’", ARGUMENT },
  { "size", OTHER ("65", "1", "pc-i440fx-7.2", DEVICES ("/a", "/b")), "size of memory", CONFIG },
  { "vcpus", OTHER ("64", "2", "pc-i440fx-7.2", DEVICES ("/a", "/b")), "number of vcpus", CONFIG },
  { "machine", OTHER ("64", "1", "q35", DEVICES ("/a", "/b")), "machine type", CONFIG },
  { "disks",
    OTHER ("64", "1", "pc-i440fx-7.2",
           MORE_DEVICES ("<disk><source file='/c'/><target dev='vdc'/></disk>")),
    "number of disks", CONFIG },
  { "devices", OTHER ("64", "1", "pc-i440fx-7.2", MORE_DEVICES ("<interface type='user'/>")),
    "number of <interface>", CONFIG },
  { "bus",
    OTHER ("64", "1", "pc-i440fx-7.2",
           "<devices><disk><source file='/a'/><target dev='vda' bus='scsi'/></disk>"
           "<disk><source file='/b'/><target dev='vdb' bus='virtio'/></disk></devices>"),
    "another disk ‘vda’", CONFIG },
  { "moved-away",
    DOCUMENT ("s1", "shutoff",
              INTERNAL DOMAIN_OF (FIXTURE_UUID, "64", "1", "pc-i440fx-7.2",
                                  DEVICES ("/images/vda.qcow2", "/moved.qcow2"))),
    "disk ‘vdb’: snapshot ‘s1’ lies in ‘/b.qcow2’, and not where the document says: ‘/moved.qcow2’",
    QS_ERROR_IMAGE_FAILED, 0, "no-tag" },
};

static QsDomain *
apply (QsDomain *domain, QsChangeList *list)
{
  g_autoptr (QsDomain) before = domain;
  g_autoptr (GVariant) changes = g_variant_ref_sink (qs_changes_end (list));
  g_autoptr (GError) error = NULL;
  QsDomain *after = qs_domain_apply (before, changes, &error);

  g_assert_no_error (error);
  return after;
}

#define CHILD "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee"

static QsDomain *
with_child (QsDomain *domain)
{
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_SNAPSHOT_PUT, "uuid", "s", CHILD, "name", "s", "s2", "parent",
                  "s", FIXTURE_SNAPSHOT, "description", "s", "", "state", "s", "shutoff", "kind",
                  "s", "internal", "memory", "s", "no", "origin", "s", "user", "created", "x",
                  FIXTURE_NOW, "document", "s", "", NULL);
  return apply (fixture_with_snapshot (domain, "s1", QS_KIND_INTERNAL), &list);
}

static void
add_row (QsFacts *facts, const char *target, const char *path)
{
  QsSnapshotFile *row = g_new0 (QsSnapshotFile, 1);

  row->target = g_strdup (target);
  row->path = g_strdup (path);
  row->format = g_strdup ("qcow2");
  row->tag = g_strdup ("s-1");
  g_ptr_array_add (facts->snapshot_files, row);
}

static void
spoil (QsDiskFacts *claim, const char *fault)
{
  QsImage *image = g_ptr_array_index (claim->chain, 0);

  if (g_str_equal (fault, "no-tag"))
    g_ptr_array_set_size (image->tags, 0);
  else if (g_str_equal (fault, "no-file"))
    {
      g_ptr_array_set_size (claim->chain, 0);
      claim->error = g_error_new_literal (QS_ERROR, QS_ERROR_IMAGE_FAILED, "‘x’ is not there");
    }
  else if (g_str_equal (fault, "only-tag"))
    {
      QsTag *tag = g_new0 (QsTag, 1);

      tag->id = g_strdup ("1");
      tag->name = g_strdup ("s-old");
      tag->vm_state_size = 1;
      g_ptr_array_add (image->tags, tag);
    }
}

static QsPlan *
plan_redefine (const QsDomain *domain, const QsRequest *request, const char *recorded,
               const char *fault, GError **error)
{
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, error);

  if (facts == NULL)
    return NULL;
  if (recorded != NULL && g_str_equal (request->def->name, "s1"))
    {
      facts->snapshot_document = g_strdup (recorded);
      add_row (facts, "vda", "/images/vda.qcow2");
      add_row (facts, "vdb", "/b.qcow2");
    }
  if (fault != NULL)
    spoil (g_ptr_array_index (facts->claims, facts->claims->len - 1), fault);
  return qs_operation_get (request->verb)->plan (domain, request, facts, error);
}

static void
test_redefine (gconstpointer data)
{
  const RedefineCase *test = data;
  QsDomain *bare = fixture_domain (2);
  g_autoptr (QsDomain) domain =
      test->recorded != NULL ? fixture_with_snapshot (bare, "s1", QS_KIND_INTERNAL) : bare;
  g_autoptr (QsRequest) request = fixture_create (test->xml, test->flags | QS_CREATE_REDEFINE);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = plan_redefine (domain, request, test->recorded, test->fault, &error);

  g_assert_no_error (error);
  g_assert_true (qs_plan_check (plan, NULL));
  plan_golden_check (test->name, plan);
  fake_world_exercise (plan);
}

static void
test_refusal (gconstpointer data)
{
  const RefusalCase *test = data;
  g_autoptr (QsDomain) domain = with_child (fixture_running_domain (2));
  g_autoptr (QsRequest) request = fixture_create (test->xml, test->flags | QS_CREATE_REDEFINE);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = plan_redefine (domain, request, RECORDED, test->fault, &error);

  g_assert_null (plan);
  g_assert_nonnull (error);
  if (strstr (error->message, test->text) == NULL)
    g_error ("‘%s’ is not said by: %s", test->text, error->message);
  g_assert_error (error, QS_ERROR, (int)test->code);
}

/* what is wrong with the place of a new one: it is recorded, but not trusted */
typedef struct
{
  const char *name;
  const char *xml;
  void (*spoil) (QsFacts *facts, QsImage *image);
  const char *note;
} DoubtCase;

static void
double_tag (QsFacts *facts, QsImage *image)
{
  QsTag *tag = g_new0 (QsTag, 1);

  tag->id = g_strdup ("3");
  tag->name = g_strdup ("s-1");
  g_ptr_array_add (image->tags, tag);
}

static void
tag_is_id (QsFacts *facts, QsImage *image)
{
  QsTag *tag = g_new0 (QsTag, 1);

  tag->id = g_strdup ("s-1");
  tag->name = g_strdup ("else");
  g_ptr_array_add (image->tags, tag);
}

static void
tag_of_other (QsFacts *facts, QsImage *image)
{
  ((QsDiskFacts *)g_ptr_array_index (facts->claims, 0))->tag_of = g_strdup (CHILD);
}

static void
no_memory (QsFacts *facts, QsImage *image)
{
  ((QsTag *)g_ptr_array_index (image->tags, 0))->vm_state_size = 0;
}

static void
foreign (QsFacts *facts, QsImage *image)
{
  g_ptr_array_add (facts->foreign_images, g_strdup (image->path));
}

static void
empty (QsFacts *facts, QsImage *image)
{
  image->size = 0;
}

static void
no_backing (QsFacts *facts, QsImage *image)
{
  QsDiskFacts *claim = g_ptr_array_index (facts->claims, 0);

  g_ptr_array_set_size (claim->chain, 1);
}

/* by another name, as a link in a folder makes one */
static void
active (QsFacts *facts, QsImage *image)
{
  QsTarget *target = g_ptr_array_index (facts->targets, 0);

  target->dev = image->dev;
  target->ino = image->ino;
}

static void
stranger (QsFacts *facts, QsImage *image)
{
  QsFile *file = g_new0 (QsFile, 1);

  file->path = g_strdup (image->path);
  file->dev = image->dev;
  file->ino = image->ino + 1;
  g_ptr_array_add (facts->files, file);
}

#define ONE_INSIDE                                                                                 \
  DOCUMENT ("new", "shutoff", DISKS ("snapshot='internal' tag='s-1'", "snapshot='no'") DOMAIN_THEN)
#define ONE_WHOLE                                                                                  \
  DOCUMENT ("new", "disk-snapshot", DISKS ("snapshot='external'", "snapshot='no'") STATES)
#define ONE_BELOW                                                                                  \
  DOCUMENT ("new", "disk-snapshot",                                                                \
            "<disks><disk name='vda' snapshot='external'><source file='/images/o'/></disk>"        \
            "<disk name='vdb' snapshot='no'/></disks>")

static const DoubtCase doubt_cases[] = {
  { "double-tag", ONE_INSIDE, double_tag, "holds 2 snapshots with the tag ‘s-1’" },
  { "tag-is-id", ONE_INSIDE, tag_is_id, "the tag ‘s-1’ is the id of another snapshot" },
  { "tag-of-other", ONE_INSIDE, tag_of_other, "is that of snapshot ‘s2’" },
  { "foreign", ONE_INSIDE, foreign, "is used by another domain" },
  { "stranger", ONE_INSIDE, stranger, "is not the file that is recorded" },
  { "active", ONE_WHOLE, active, "and is written to" },
  { "no-backing", ONE_BELOW, no_backing, "‘/images/o’ has no backing file" },
  { "nowhere", DOCUMENT ("new", "disk-snapshot", DISKS ("snapshot='external'", "snapshot='no'")),
    NULL, "nothing tells the file" },
  { "memory-inside",
    DOCUMENT ("new", "running", DISKS ("snapshot='internal' tag='s-1'", "snapshot='no'")),
    no_memory, "no tag of disk ‘any’ holds memory" },
  { "sidecar",
    DOCUMENT (
        "new", "running",
        "<memory snapshot='internal' sidecar='/m'/>" DISKS ("snapshot='no'", "snapshot='no'")),
    NULL, "‘/m’ holds no memory of a guest" },
  { "stream",
    DOCUMENT ("new", "running", "<memory file='/m'/>" DISKS ("snapshot='no'", "snapshot='no'")),
    empty, "memory: ‘/m’ is empty" },
};

static QsSnapshot *
find_new (const QsDomain *domain, const QsPlan *plan, QsDomain **after)
{
  const QsStep *step = g_ptr_array_index (plan->steps, 0);
  g_autoptr (GVariant) changes = qs_step_value (step, "changes");
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (plan->steps->len, ==, 1);
  *after = qs_domain_apply (domain, changes, &error);
  g_assert_no_error (error);
  return qs_tree_lookup_name ((*after)->tree, "new");
}

static void
test_doubt (gconstpointer data)
{
  const DoubtCase *test = data;
  g_autoptr (QsDomain) domain = with_child (fixture_domain (2));
  g_autoptr (QsDomain) after = NULL;
  g_autoptr (QsRequest) request = fixture_create (test->xml, QS_CREATE_REDEFINE);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;

  g_assert_no_error (error);
  if (test->spoil != NULL)
    {
      QsDiskFacts *claim = g_ptr_array_index (facts->claims, 0);

      test->spoil (facts, g_ptr_array_index (claim->chain, 0));
    }
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (plan->notes->len, ==, 1);
  if (strstr (g_ptr_array_index (plan->notes, 0), test->note) == NULL)
    g_error ("‘%s’ is not said by: %s", test->note, (char *)g_ptr_array_index (plan->notes, 0));
  g_assert_true (find_new (domain, plan, &after)->unverified);
}

/* the other verbs then say what was missing */
static void
test_unverified (gconstpointer data)
{
  QsVerb verb = GPOINTER_TO_UINT (data);
  g_autoptr (QsDomain) domain = with_child (fixture_domain (2));
  g_autoptr (QsRequest) request = fixture_create (ONE_INSIDE, QS_CREATE_REDEFINE);
  g_autoptr (QsPlan) plan = plan_redefine (domain, request, NULL, "no-tag", NULL);
  g_autoptr (QsDomain) after = NULL;
  const QsSnapshot *snapshot = find_new (domain, plan, &after);
  g_autoptr (QsRequest) other = fixture_request (verb, 0, snapshot->uuid);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (after, other, &error);
  g_autoptr (QsPlan) refused = NULL;

  g_assert_no_error (error);
  facts->snapshot_document = g_strdup (ONE_INSIDE);
  refused = qs_operation_get (verb)->plan (after, other, facts, &error);
  g_assert_null (refused);
  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
  g_assert_nonnull (strstr (error->message, "disk ‘vda’: the tag ‘s-1’ in ‘/images/vda.qcow2’"));
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
  for (guint i = 0; i < G_N_ELEMENTS (redefine_cases); i++)
    add ("plan/", redefine_cases[i].name, &redefine_cases[i], test_redefine);
  for (guint i = 0; i < G_N_ELEMENTS (refusal_cases); i++)
    add ("refusal/", refusal_cases[i].name, &refusal_cases[i], test_refusal);
  for (guint i = 0; i < G_N_ELEMENTS (doubt_cases); i++)
    add ("doubt/", doubt_cases[i].name, &doubt_cases[i], test_doubt);
  add ("unverified/", "revert", GUINT_TO_POINTER (QS_VERB_SNAPSHOT_REVERT), test_unverified);
  add ("unverified/", "delete", GUINT_TO_POINTER (QS_VERB_SNAPSHOT_DELETE), test_unverified);
  return g_test_run ();
}
