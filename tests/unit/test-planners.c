/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-fixture.h"
#include "plan-golden.h"
#include "qs-error.h"

/* each case is a golden file, tests/data/plans/NAME.plan; SNAPSHOTD_GOLDEN=write makes them anew.
   Every golden plan is also failed and crashed at each of its steps in a fake world */

#define EXTERNAL_VDA                                                                               \
  "<domainsnapshot><name>s1</name><disks><disk name='vda' snapshot='external'/></disks>"           \
  "</domainsnapshot>"

#define VDA(attributes, children)                                                                  \
  "<domainsnapshot><name>s1</name><disks><disk name='vda' snapshot='external' " attributes         \
  ">" children "</disk></disks></domainsnapshot>"

typedef enum
{
  OFF,
  ON,
  ON_OLD, /* in a QEMU that has no `transaction` */
} Running;

typedef struct
{
  const char *name;
  Running running;
  guint n_disks;
  const char *xml;
  guint flags;
  QsTargetType found; /* at the path of each overlay */
} CreateCase;

static const CreateCase create_cases[] = {
  { "create-off-default", OFF, 2, "<domainsnapshot><name>s1</name></domainsnapshot>", 0 },
  { "create-off-disk-only", OFF, 1, "<domainsnapshot><name>s1</name></domainsnapshot>",
    QS_CREATE_DISK_ONLY },
  { "create-off-external", OFF, 1, EXTERNAL_VDA, 0 },
  { "create-off-mixed", OFF, 2, EXTERNAL_VDA, 0 },
  { "create-off-partial", OFF, 2,
    "<domainsnapshot><name>s1</name><disks><disk name='vdb' snapshot='no'/></disks>"
    "</domainsnapshot>",
    0 },
  { "create-off-no-metadata", OFF, 1, EXTERNAL_VDA, QS_CREATE_NO_METADATA },
  { "create-off-unnamed", OFF, 1, "<domainsnapshot/>", 0 },
  { "create-on-disk-only", ON, 1, "<domainsnapshot><name>s1</name></domainsnapshot>",
    QS_CREATE_DISK_ONLY },
  { "create-on-four-disks", ON, 4,
    "<domainsnapshot><name>s1</name><memory snapshot='no'/></domainsnapshot>", QS_CREATE_ATOMIC },
  { "create-on-by-path", ON, 2,
    "<domainsnapshot><name>s1</name><memory snapshot='no'/><disks>"
    "<disk name='/images/vdb.qcow2' snapshot='external'><source file='/other/x.qcow2'/></disk>"
    "<disk name='vda' snapshot='no'/></disks></domainsnapshot>",
    0 },
  { "create-on-one-by-one", ON_OLD, 3,
    "<domainsnapshot><name>s1</name><memory snapshot='no'/></domainsnapshot>", 0 },
  { "create-on-one-alone", ON_OLD, 1,
    "<domainsnapshot><name>s1</name><memory snapshot='no'/></domainsnapshot>", QS_CREATE_ATOMIC },
  { "create-off-no-backing", OFF, 1, VDA ("mode='no-backing-file'", ""), 0 },
  { "create-on-no-backing", ON, 1, VDA ("mode='no-backing-file'", ""), QS_CREATE_DISK_ONLY },
  { "create-off-existing", OFF, 1, VDA ("mode='existing'", ""), 0, QS_TARGET_REGULAR },
  { "create-on-reuse-external", ON, 2, "<domainsnapshot><name>s1</name></domainsnapshot>",
    QS_CREATE_DISK_ONLY | QS_CREATE_REUSE_EXT, QS_TARGET_REGULAR },
  { "create-on-reuse-alone", ON_OLD, 1, "<domainsnapshot><name>s1</name></domainsnapshot>",
    QS_CREATE_DISK_ONLY | QS_CREATE_REUSE_EXT, QS_TARGET_REGULAR },
  { "create-off-qed", OFF, 1, VDA ("", "<driver type='qed'/>"), 0 },
  { "create-on-qed", ON, 1, VDA ("mode='no-backing-file'", "<driver type='qed'/>"),
    QS_CREATE_DISK_ONLY },
  { "create-on-empty-file", ON, 1, VDA ("", "<source file='/other/x.qcow2'/>"), QS_CREATE_DISK_ONLY,
    QS_TARGET_EMPTY },
  { "create-off-device", OFF, 1, VDA ("type='block'", "<source dev='/dev/vg/x'/>"), 0,
    QS_TARGET_BLOCK },
  { "create-on-device", ON, 1, VDA ("type='block'", "<source dev='/dev/vg/x'/>"),
    QS_CREATE_DISK_ONLY, QS_TARGET_BLOCK },
  { "create-off-device-existing", OFF, 1,
    VDA ("type='block' mode='existing'", "<source dev='/dev/vg/x'/>"), 0, QS_TARGET_BLOCK },
  { "create-on-device-no-backing", ON, 1,
    VDA ("type='block' mode='no-backing-file'", "<source dev='/dev/vg/x'/>"), QS_CREATE_DISK_ONLY,
    QS_TARGET_BLOCK },
  { "create-on-mirror", ON, 1, VDA ("", "<mirror file='/mirror/vda'/>"), QS_CREATE_DISK_ONLY },
  { "create-on-mirror-taken", ON, 1, VDA ("", "<source file='/x/y'/><mirror file='/mirror/vda'/>"),
    QS_CREATE_DISK_ONLY, QS_TARGET_EMPTY },
  { "create-on-mirror-existing", ON, 1, VDA ("", "<mirror file='/mirror/vda'/>"),
    QS_CREATE_DISK_ONLY | QS_CREATE_REUSE_EXT, QS_TARGET_REGULAR },
  { "create-on-empty-one-by-one", ON_OLD, 2,
    "<domainsnapshot><name>s1</name><memory snapshot='no'/></domainsnapshot>", 0, QS_TARGET_EMPTY },
};

typedef struct
{
  const char *name;
  Running running;
  const char *xml;
  guint flags;
  QsError code;
  const char *text;
  QsTargetType found; /* at the path of the overlay */
  const char *fault;  /* of an overlay that is reused, or of the image in use */
} RefusalCase;

#define DISK(attributes)                                                                           \
  "<domainsnapshot><name>s1</name><disks><disk " attributes "/></disks></domainsnapshot>"

#define REUSED(fault, text)                                                                        \
  {                                                                                                \
    "existing " fault, ON, VDA ("mode='existing'", ""), QS_CREATE_DISK_ONLY,                       \
        QS_ERROR_IMAGE_FAILED, text, QS_TARGET_REGULAR, fault                                      \
  }

static const RefusalCase refusal_cases[] = {
  { "memory off", OFF,
    "<domainsnapshot><name>s1</name><memory snapshot='internal'/></domainsnapshot>", 0,
    QS_ERROR_OPERATION_INVALID, "shut off" },
  { "memory and disk-only", ON,
    "<domainsnapshot><name>s1</name><memory snapshot='internal'/></domainsnapshot>",
    QS_CREATE_DISK_ONLY, QS_ERROR_INVALID_ARGUMENT, "DISK_ONLY" },
  { "nothing", OFF, DISK ("name='vda' snapshot='no'"), 0, QS_ERROR_CONFIG_UNSUPPORTED,
    "nothing selected" },
  { "unknown disk", OFF, DISK ("name='vdz'"), 0, QS_ERROR_CONFIG_UNSUPPORTED, "‘vdz’" },
  { "too many disks", OFF,
    "<domainsnapshot><disks><disk name='vda'/><disk name='vda'/></disks></domainsnapshot>", 0,
    QS_ERROR_CONFIG_UNSUPPORTED, "2 disks" },
  { "bad name", OFF, "<domainsnapshot><name>.s1</name></domainsnapshot>", 0,
    QS_ERROR_INVALID_ARGUMENT, "name" },
  { "slash", OFF, "<domainsnapshot><name>a/b</name></domainsnapshot>", QS_CREATE_NO_METADATA,
    QS_ERROR_INVALID_ARGUMENT, "name" },
  { "unknown flag", OFF, "<domainsnapshot/>", 1u << 20, QS_ERROR_INVALID_ARGUMENT, "0x100000" },
  { "quiesce off", OFF, "<domainsnapshot/>", QS_CREATE_QUIESCE | QS_CREATE_DISK_ONLY,
    QS_ERROR_OPERATION_INVALID, "QUIESCE" },
  { "branch without flag", OFF, "<domainsnapshot><branch>b</branch></domainsnapshot>", 0,
    QS_ERROR_INVALID_ARGUMENT, "BRANCH" },
  { "manual", OFF, DISK ("name='vda' snapshot='manual'"), 0, QS_ERROR_CONFIG_UNSUPPORTED,
    "nothing selected" },
  { "target of itself", OFF,
    "<domainsnapshot><disks><disk name='vda' snapshot='external'><source "
    "file='/images/vda.qcow2'/></disk></disks></domainsnapshot>",
    0, QS_ERROR_CONFIG_UNSUPPORTED, "vda" },
  { "source without external", OFF,
    "<domainsnapshot><disks><disk name='vda' snapshot='internal' mode='existing'/></disks>"
    "</domainsnapshot>",
    0, QS_ERROR_CONFIG_UNSUPPORTED, "snapshot='external'" },
  { "driver", OFF, VDA ("", "<driver type='vmdk'/>"), 0, QS_ERROR_CONFIG_UNSUPPORTED, "qed" },
  { "target network", OFF, VDA ("type='network'", "<source protocol='nbd' name='x'/>"), 0,
    QS_ERROR_CONFIG_UNSUPPORTED, "block device" },
  { "block without source", OFF, VDA ("type='block'", ""), 0, QS_ERROR_CONFIG_UNSUPPORTED,
    "names nothing" },
  { "block outside of dev", OFF, VDA ("type='block'", "<source dev='/images/x'/>"), 0,
    QS_ERROR_CONFIG_UNSUPPORTED, "below /dev" },
  { "device as file", OFF, VDA ("", "<source file='/dev/vg/x'/>"), 0, QS_ERROR_CONFIG_UNSUPPORTED,
    "type='block'" },
  { "qed on device", OFF, VDA ("type='block'", "<source dev='/dev/x'/><driver type='qed'/>"), 0,
    QS_ERROR_CONFIG_UNSUPPORTED, "qed" },
  { "qed with cache", OFF, VDA ("", "<driver type='qed'><metadata_cache/></driver>"), 0,
    QS_ERROR_CONFIG_UNSUPPORTED, "metadata_cache" },
  { "mirror off", OFF, VDA ("", "<mirror file='/images/m'/>"), 0, QS_ERROR_OPERATION_INVALID,
    "a guest that runs" },
  { "mirror and halt", ON, VDA ("", "<mirror file='/images/m'/>"),
    QS_CREATE_DISK_ONLY | QS_CREATE_HALT, QS_ERROR_INVALID_ARGUMENT, "HALT" },
  { "mirror without record", ON, VDA ("", "<mirror file='/images/m'/>"),
    QS_CREATE_DISK_ONLY | QS_CREATE_NO_METADATA, QS_ERROR_INVALID_ARGUMENT, "NO_METADATA" },
  { "mirror on a device", ON, VDA ("", "<mirror file='/dev/m'/>"), QS_CREATE_DISK_ONLY,
    QS_ERROR_CONFIG_UNSUPPORTED, "regular file" },
  { "mirror of qed", ON, VDA ("", "<driver type='qed'/><mirror file='/images/m'/>"),
    QS_CREATE_DISK_ONLY, QS_ERROR_CONFIG_UNSUPPORTED, "qcow2" },
  { "mirror onto the disk", ON, VDA ("", "<mirror file='/images/vda.qcow2'/>"), QS_CREATE_DISK_ONLY,
    QS_ERROR_CONFIG_UNSUPPORTED, "another disk" },
  { "mirror onto the overlay", ON, VDA ("", "<source file='/x/m'/><mirror file='/x/m'/>"),
    QS_CREATE_DISK_ONLY, QS_ERROR_CONFIG_UNSUPPORTED, "another disk" },
  { "reuse and mode", OFF, VDA ("mode='absolute-paths'", ""), QS_CREATE_REUSE_EXT,
    QS_ERROR_INVALID_ARGUMENT, "REUSE_EXT" },
  { "regular", OFF, VDA ("", ""), 0, QS_ERROR_CONFIG_UNSUPPORTED, "not overwritten",
    QS_TARGET_REGULAR },
  { "regular no-backing", OFF, VDA ("mode='no-backing-file'", ""), 0, QS_ERROR_CONFIG_UNSUPPORTED,
    "not overwritten", QS_TARGET_REGULAR },
  { "other", OFF, VDA ("", ""), 0, QS_ERROR_CONFIG_UNSUPPORTED, "links", QS_TARGET_OTHER },
  { "device for a file", OFF, VDA ("", "<source file='/x/y'/>"), 0, QS_ERROR_CONFIG_UNSUPPORTED,
    "is a block device", QS_TARGET_BLOCK },
  { "file for a device", OFF, VDA ("type='block'", "<source dev='/dev/x'/>"), 0,
    QS_ERROR_CONFIG_UNSUPPORTED, "no block device", QS_TARGET_EMPTY },
  { "device absent", OFF, VDA ("type='block'", "<source dev='/dev/x'/>"), 0,
    QS_ERROR_CONFIG_UNSUPPORTED, "no block device", QS_TARGET_ABSENT },
  { "existing absent", ON, VDA ("mode='existing'", ""), QS_CREATE_DISK_ONLY,
    QS_ERROR_CONFIG_UNSUPPORTED, "does not exist", QS_TARGET_ABSENT },
  { "existing empty", ON, VDA ("mode='existing'", ""), QS_CREATE_DISK_ONLY, QS_ERROR_IMAGE_FAILED,
    "is empty", QS_TARGET_EMPTY },
  { "existing other", ON, VDA ("mode='existing'", ""), QS_CREATE_DISK_ONLY,
    QS_ERROR_CONFIG_UNSUPPORTED, "neither", QS_TARGET_OTHER },
  REUSED ("no-backing", "names no backing file"),
  REUSED ("size", "virtual size"),
  REUSED ("backing", "another backing file"),
  REUSED ("format", "another format"),
  REUSED ("dirty", "repair"),
  REUSED ("links", "more than one name"),
  REUSED ("in-use", "in use"),
  REUSED ("error", "broken"),
  { "taken in use", OFF, VDA ("", ""), 0, QS_ERROR_CONFIG_UNSUPPORTED, "in use", QS_TARGET_EMPTY,
    "target-in-use" },
  { "taken is the image", OFF, VDA ("", ""), 0, QS_ERROR_CONFIG_UNSUPPORTED, "uses already",
    QS_TARGET_EMPTY, "target-is-active" },
  { "taken is the device", OFF, VDA ("type='block'", "<source dev='/dev/x'/>"), 0,
    QS_ERROR_CONFIG_UNSUPPORTED, "uses already", QS_TARGET_BLOCK, "device-is-active" },
  { "of another domain", OFF, VDA ("", ""), 0, QS_ERROR_CONFIG_UNSUPPORTED, "another domain",
    QS_TARGET_EMPTY, "foreign" },
  { "small device", OFF, VDA ("type='block'", "<source dev='/dev/x'/>"), 0, QS_ERROR_NO_SPACE,
    "4095 bytes", QS_TARGET_BLOCK, "small" },
  { "image in use", OFF, VDA ("", ""), 0, QS_ERROR_OPERATION_INVALID, "in use by another program",
    QS_TARGET_ABSENT, "active-in-use" },
};

/* makes one thing wrong in the world as it was found */
static void
spoil (QsFacts *facts, const char *fault)
{
  QsTarget *target = g_ptr_array_index (facts->targets, 0);
  QsDiskFacts *disk = g_ptr_array_index (facts->disks, 0);
  QsImage *active = g_ptr_array_index (disk->chain, 0);

  if (g_str_equal (fault, "target-in-use"))
    target->in_use = TRUE;
  else if (g_str_equal (fault, "target-is-active"))
    {
      target->dev = active->dev;
      target->ino = active->ino;
    }
  else if (g_str_equal (fault, "device-is-active"))
    active->rdev = target->rdev;
  else if (g_str_equal (fault, "foreign"))
    g_ptr_array_add (facts->foreign_images, g_strdup (target->path));
  else if (g_str_equal (fault, "small"))
    target->size = 4095;
  else if (g_str_equal (fault, "active-in-use"))
    active->in_use = TRUE;
}

static void
spoil_reused (QsFacts *facts, const char *fault)
{
  QsDiskFacts *reused = g_ptr_array_index (facts->reused, 0);
  QsImage *overlay = g_ptr_array_index (reused->chain, 0);
  QsImage *below = g_ptr_array_index (reused->chain, 1);

  if (g_str_equal (fault, "no-backing"))
    g_clear_pointer (&overlay->backing_name, g_free);
  else if (g_str_equal (fault, "size"))
    overlay->virtual_size /= 2;
  else if (g_str_equal (fault, "backing"))
    below->ino++;
  else if (g_str_equal (fault, "format"))
    (g_free (below->format), below->format = g_strdup ("raw"));
  else if (g_str_equal (fault, "error"))
    reused->error = g_error_new_literal (QS_ERROR, QS_ERROR_IMAGE_FAILED, "it is broken");
  overlay->dirty = g_str_equal (fault, "dirty");
  overlay->in_use = g_str_equal (fault, "in-use");
  overlay->n_links = g_str_equal (fault, "links") ? 2 : 1;
}

static QsDomain *
make_domain (Running running, guint n_disks)
{
  return running != OFF ? fixture_running_domain (n_disks) : fixture_domain (n_disks);
}

static void
find_targets (QsFacts *facts, QsTargetType type)
{
  for (guint i = 0; i < facts->targets->len && type != QS_TARGET_ABSENT; i++)
    {
      QsTarget *target = g_ptr_array_index (facts->targets, i);

      target->type = type;
      target->dev = 2050;
      target->ino = 9000 + i;
      target->size = G_GUINT64_CONSTANT (1) << 30;
      target->rdev = type == QS_TARGET_BLOCK ? 1800 + i : 0;
      target->diskseq = type == QS_TARGET_BLOCK ? 18 + i : 0;
    }
}

static QsPlan *
make_plan (const CreateCase *test, const QsDomain *domain, const QsRequest *request, GError **error)
{
  static const char *const old[] = { "blockdev-snapshot-sync", NULL };
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, error);

  if (facts == NULL)
    return NULL;
  find_targets (facts, test->found);
  if (test->running == ON_OLD)
    {
      g_strfreev (facts->commands);
      facts->commands = g_strdupv ((char **)old);
    }
  return qs_operation_get (request->verb)->plan (domain, request, facts, error);
}

static void
test_create (gconstpointer data)
{
  const CreateCase *test = data;
  g_autoptr (QsDomain) domain = make_domain (test->running, test->n_disks);
  g_autoptr (QsRequest) request = fixture_create (test->xml, test->flags);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = make_plan (test, domain, request, &error);

  g_assert_no_error (error);
  plan_golden_check (test->name, plan);
  fake_world_exercise (plan);
}

/* the unit of a QEMU of the system service is closed to a device that comes later */
static void
test_device_out_of_reach (void)
{
  g_autoptr (QsDomain) domain = fixture_running_domain (1);
  g_autoptr (QsRequest) request =
      fixture_create (VDA ("type='block'", "<source dev='/dev/x'/>"), QS_CREATE_DISK_ONLY);
  g_autoptr (QsQuestions) questions = qs_questions_new ();
  g_autoptr (GError) error = NULL;

  questions->system_mode = TRUE;
  g_assert_true (qs_operation_get (request->verb)->ask (domain, request, questions, &error));
  g_assert_no_error (error);
  g_free (domain->process->unit);
  domain->process->unit = g_strdup ("snapshotd-guest.service");
  g_assert_false (qs_operation_get (request->verb)->ask (domain, request, questions, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "/dev/x"));
}

/* ATOMIC wants what such a QEMU cannot do */
static void
test_not_atomic (void)
{
  g_autoptr (QsDomain) domain = fixture_running_domain (2);
  g_autoptr (QsRequest) request =
      fixture_create ("<domainsnapshot><memory snapshot='no'/></domainsnapshot>", QS_CREATE_ATOMIC);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = make_plan (&(CreateCase){ .running = ON_OLD }, domain, request, &error);

  g_assert_null (plan);
  g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "ATOMIC"));
}

static void
test_refusal (gconstpointer data)
{
  const RefusalCase *test = data;
  g_autoptr (QsDomain) domain = make_domain (test->running, 1);
  g_autoptr (QsRequest) request = fixture_create (test->xml, test->flags);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;

  if (facts != NULL)
    {
      find_targets (facts, test->found);
      if (test->fault != NULL)
        facts->reused->len > 0 ? spoil_reused (facts, test->fault) : spoil (facts, test->fault);
      plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
    }
  g_assert_null (plan);
  g_assert_error (error, QS_ERROR, (int)test->code);
  if (strstr (error->message, test->text) == NULL)
    g_error ("‘%s’ is not said by: %s", test->text, error->message);
}

/* the other verbs, on a domain that has an external or an internal snapshot */
typedef struct
{
  const char *name;
  Running running;
  QsVerb verb;
  guint flags;
  QsKind kind;
  guint n_disks;
} SnapshotCase;

static const SnapshotCase snapshot_cases[] = {
  { "revert-off-internal", OFF, QS_VERB_SNAPSHOT_REVERT, 0, QS_KIND_INTERNAL, 2 },
  { "revert-off-external", OFF, QS_VERB_SNAPSHOT_REVERT, 0, QS_KIND_EXTERNAL, 2 },
  { "revert-off-external-running", OFF, QS_VERB_SNAPSHOT_REVERT, QS_REVERT_RUNNING,
    QS_KIND_EXTERNAL, 1 },
  { "revert-on-internal-paused", ON, QS_VERB_SNAPSHOT_REVERT, QS_REVERT_PAUSED, QS_KIND_INTERNAL,
    2 },
  { "revert-on-external-running", ON, QS_VERB_SNAPSHOT_REVERT, QS_REVERT_RUNNING, QS_KIND_EXTERNAL,
    1 },
  { "revert-on-external", ON, QS_VERB_SNAPSHOT_REVERT, 0, QS_KIND_EXTERNAL, 1 },
  { "delete-off-internal", OFF, QS_VERB_SNAPSHOT_DELETE, 0, QS_KIND_INTERNAL, 2 },
  { "delete-on-internal", ON, QS_VERB_SNAPSHOT_DELETE, 0, QS_KIND_INTERNAL, 1 },
  { "delete-metadata", OFF, QS_VERB_SNAPSHOT_DELETE, QS_DELETE_METADATA_ONLY, QS_KIND_EXTERNAL, 1 },
  { "undefine-metadata", OFF, QS_VERB_UNDEFINE, QS_UNDEFINE_SNAPSHOTS_METADATA, QS_KIND_EXTERNAL,
    1 },
  { "start", OFF, QS_VERB_START, 0, QS_KIND_INTERNAL, 2 },
  { "shutdown", ON, QS_VERB_SHUTDOWN, 0, QS_KIND_INTERNAL, 1 },
  { "destroy", ON, QS_VERB_DESTROY, 0, QS_KIND_INTERNAL, 1 },
  { "suspend", ON, QS_VERB_SUSPEND, 0, QS_KIND_INTERNAL, 1 },
};

static void
test_snapshot (gconstpointer data)
{
  const SnapshotCase *test = data;
  g_autoptr (QsDomain) domain =
      fixture_with_snapshot (make_domain (test->running, test->n_disks), "s1", test->kind);
  g_autoptr (QsRequest) request = fixture_request (test->verb, test->flags, FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = fixture_plan (domain, request, NULL, &error);

  g_assert_no_error (error);
  plan_golden_check (test->name, plan);
  fake_world_exercise (plan);
}

/* one that the disk does not come from was made the current one: its revert would drop what belongs
   to no snapshot */
static void
test_stranger_is_current (void)
{
  g_autoptr (QsDomain) domain = fixture_with_snapshot (fixture_domain (1), "s1", QS_KIND_EXTERNAL);
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_SNAPSHOT_REVERT, 0, FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;
  QsFile *overlay;

  g_assert_no_error (error);
  overlay = g_ptr_array_index (facts->files, facts->files->len - 1);
  g_clear_pointer (&overlay->backing, g_free);
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_null (plan);
  g_assert_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY);
  g_assert_nonnull (strstr (error->message, "disk ‘vda’: what it holds now"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  qs_xml_init ();
  for (guint i = 0; i < G_N_ELEMENTS (create_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners/", create_cases[i].name, NULL);

      g_test_add_data_func (path, &create_cases[i], test_create);
    }
  g_test_add_func ("/planners/refusal/not-atomic", test_not_atomic);
  g_test_add_func ("/planners/refusal/stranger-is-current", test_stranger_is_current);
  g_test_add_func ("/planners/refusal/device-out-of-reach", test_device_out_of_reach);
  for (guint i = 0; i < G_N_ELEMENTS (refusal_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners/refusal/", refusal_cases[i].name, NULL);

      g_test_add_data_func (path, &refusal_cases[i], test_refusal);
    }
  for (guint i = 0; i < G_N_ELEMENTS (snapshot_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners/", snapshot_cases[i].name, NULL);

      g_test_add_data_func (path, &snapshot_cases[i], test_snapshot);
    }
  return g_test_run ();
}
