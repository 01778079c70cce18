/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-discovery.h"
#include "qs-error.h"
#include "qs-json-scan.h"

#include <string.h>

/* tests/data/discovery/NAME.json holds what QEMU 7.2 answered, NAME.xml the document that follows
   from it; SNAPSHOTD_GOLDEN=write makes the documents anew */

static const char *const recorded[] = {
  "drive", "drive-absolute", "blockdev", "hda", "q35", "snapshot", "usb",
};

static char *
data_path (const char *name, const char *suffix)
{
  g_autofree char *file = g_strconcat (name, suffix, NULL);

  return g_test_build_filename (G_TEST_DIST, "data", "discovery", file, NULL);
}

static JsonNode *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  JsonNode *root = qs_json_parse (text, strlen (text), QS_ERROR_MONITOR_FAILED, &error);

  g_assert_no_error (error);
  return root;
}

static JsonNode *
load (const char *name)
{
  g_autofree char *path = data_path (name, ".json");
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return parse (text);
}

static void
describe_devices (QsDiscovery *discovery, JsonObject *devices)
{
  for (guint i = 0; i < discovery->disks->len; i++)
    {
      QsFoundDisk *disk = g_ptr_array_index (discovery->disks, i);
      JsonObject *device = qs_json_object (devices, disk->qdev);

      g_assert_nonnull (device);
      g_free (disk->type);
      g_free (disk->bus);
      disk->type = g_strdup (qs_json_string (device, "type"));
      disk->bus = g_strdup (qs_json_string (device, "bus"));
    }
}

static gboolean
read_all (QsDiscovery *discovery, JsonObject *answers, GError **error)
{
  const char *command;

  for (guint i = 0; (command = qs_discovery_command (i)) != NULL; i++)
    {
      g_assert_true (json_object_has_member (answers, command));
      if (qs_discovery_wants (discovery, i)
          && !qs_discovery_read (discovery, i, json_object_get_member (answers, command), error))
        return FALSE;
    }
  return TRUE;
}

static QsDiscovery *
read_recorded (const char *name)
{
  g_autoptr (JsonNode) root = load (name);
  JsonObject *object = json_node_get_object (root);
  QsDiscovery *discovery = qs_discovery_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (
      qs_discovery_read_machine (discovery, json_object_get_member (object, "machine"), &error));
  g_assert_true (read_all (discovery, qs_json_object (object, "answers"), &error));
  g_assert_no_error (error);
  describe_devices (discovery, qs_json_object (object, "devices"));
  return discovery;
}

static QsProcessFiles *
make_process (const char *cwd)
{
  QsProcessFiles *process = qs_process_files_new ();

  process->exe = g_strdup ("/usr/bin/qemu-system-x86_64");
  process->cwd = g_strdup (cwd);
  return process;
}

static void
add_open (QsProcessFiles *process, const char *path, guint64 ino)
{
  if (process->files == NULL)
    process->files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  g_ptr_array_add (process->files, qs_open_file_new (path, 1, ino, TRUE));
}

static QsDomainDef *
make_definition (QsDiscovery *discovery, const QsDomainDef *before)
{
  g_autoptr (QsProcessFiles) process = make_process ("/images");
  g_autoptr (GError) error = NULL;
  QsDomainDef *def;

  g_assert_true (qs_discovery_resolve (discovery, process, NULL, NULL, &error));
  def = qs_discovery_definition (discovery, before, "guest", "0d7f2a9c-5f6b-4a35-9d4e-0f3f5a3b7c11",
                                 &error);
  g_assert_no_error (error);
  return def;
}

static void
test_recorded (gconstpointer data)
{
  g_autoptr (QsDiscovery) discovery = read_recorded (data);
  g_autoptr (QsDomainDef) def = make_definition (discovery, NULL);
  g_autofree char *xml = qs_domain_def_format (def, TRUE);
  g_autofree char *path = data_path (data, ".xml");
  g_autofree char *golden = NULL;

  if (g_strcmp0 (g_getenv ("SNAPSHOTD_GOLDEN"), "write") == 0)
    g_assert_true (g_file_set_contents (path, xml, -1, NULL));
  g_assert_true (g_file_get_contents (path, &golden, NULL, NULL));
  g_assert_cmpstr (xml, ==, golden);
}

/* a uuid of zeros is none, a name of nothing too */
static void
test_nobody (void)
{
  g_autoptr (QsDiscovery) somebody = read_recorded ("drive");
  g_autoptr (QsDiscovery) nobody = read_recorded ("hda");

  g_assert_cmpstr (somebody->uuid, ==, "0d7f2a9c-5f6b-4a35-9d4e-0f3f5a3b7c11");
  g_assert_cmpstr (somebody->name, ==, "guest");
  g_assert_cmpuint (somebody->vcpus, ==, 2);
  g_assert_cmpuint (somebody->memory_kib, ==, 64 * 1024);
  g_assert_cmpuint (((QsFoundDisk *)somebody->disks->pdata[0])->depth, ==, 1);
  g_assert_null (nobody->uuid);
  g_assert_null (nobody->name);
}

static QsFoundDisk *
add_disk (QsDiscovery *discovery, const char *qdev, const char *type)
{
  QsFoundDisk *disk = g_new0 (QsFoundDisk, 1);

  disk->qdev = g_strdup (qdev);
  disk->type = g_strdup (type);
  disk->bus = g_strdup ("");
  disk->format = g_strdup ("qcow2");
  disk->source_type = QS_SOURCE_FILE;
  disk->name = g_strdup ("/images/x.qcow2");
  g_ptr_array_add (discovery->disks, disk);
  return disk;
}

static void
set_path (QsFoundDisk *disk, const char *path)
{
  g_free (disk->name);
  disk->name = g_strdup (path);
  disk->path = g_strdup (path);
}

static void
check_targets (const QsDiscovery *discovery, const QsDomainDef *before, const char *expected)
{
  g_auto (GStrv) targets = qs_discovery_targets (discovery, before);
  g_autofree char *text = g_strjoinv (" ", targets);

  g_assert_cmpstr (text, ==, expected);
}

/* disks keep their targets by their devices; a new one gets a letter that none had before */
static void
test_targets (void)
{
  g_autoptr (QsDiscovery) first = qs_discovery_new ();
  g_autoptr (QsDiscovery) second = qs_discovery_new ();
  g_autoptr (QsDiscovery) many = qs_discovery_new ();
  g_autoptr (QsDiscovery) third = qs_discovery_new ();
  g_autoptr (QsDomainDef) def = NULL;

  first->memory_kib = first->vcpus = second->memory_kib = second->vcpus = 1;
  set_path (add_disk (first, "a", "virtio-blk-device"), "/images/a0");
  set_path (add_disk (first, "b", "virtio-blk-device"), "/images/a1");
  add_disk (first, "c", "scsi-hd");
  add_disk (first, "d", "what-is-that");
  check_targets (first, NULL, "vda vdb sda xvda");
  def = make_definition (first, NULL);

  add_disk (second, "new", "virtio-blk-device");
  add_disk (second, "b", "virtio-blk-device");
  add_disk (second, "c", "virtio-blk-device");
  add_disk (second, "b", "virtio-blk-device");
  check_targets (second, def, "vdc vdb vdd vde");
  /* numbered otherwise, on the files of before */
  set_path (add_disk (third, "b", "virtio-blk-device"), "/images/a0");
  set_path (add_disk (third, "c", "virtio-blk-device"), "/images/a1");
  check_targets (third, def, "vda vdb");

  for (guint i = 0; i < 28; i++)
    add_disk (many, "x", "ide-hd");
  {
    g_auto (GStrv) targets = qs_discovery_targets (many, NULL);

    g_assert_cmpstr (targets[25], ==, "hdz");
    g_assert_cmpstr (targets[27], ==, "hdab");
  }
}

typedef struct
{
  const char *name;
  const char *cwd;
  const char *open[3];
  const char *path; /* NULL: it cannot be told */
} NameCase;

static const NameCase name_cases[] = {
  { "/d/a.qcow2", NULL, { NULL }, "/d/a.qcow2" },
  { "/d//./a.qcow2", NULL, { NULL }, "/d/a.qcow2" },
  { "/../a.qcow2", NULL, { NULL }, "/a.qcow2" },
  { "/d/../../../a.qcow2", NULL, { NULL }, "/a.qcow2" },
  { "a.qcow2", "/d", { NULL }, "/d/a.qcow2" },
  { "../e/a.qcow2", "/d/f", { NULL }, "/d/e/a.qcow2" },
  { "../../../a.qcow2", "/d", { NULL }, "/a.qcow2" },
  { "a.qcow2", "/", { "/d/a.qcow2", "/d/b.qcow2" }, "/d/a.qcow2" },
  { "./x/a.qcow2", "/", { "/d/x/a.qcow2", "/d/a.qcow2" }, "/d/x/a.qcow2" },
  { "a.qcow2", "/d", { "/d/a.qcow2", "/e/a.qcow2" }, "/d/a.qcow2" },
  /* two that it may be; none; nothing to tell by */
  { "a.qcow2", "/", { "/d/a.qcow2", "/e/a.qcow2" }, NULL },
  { "a.qcow2", "/d", { "/d/ba.qcow2" }, NULL },
  { "a.qcow2", NULL, { NULL }, NULL },
  { "/dev/fdset/3", "/d", { "/d/a.qcow2" }, NULL },
  { "/proc/self/fd/3", "/d", { NULL }, NULL },
};

static void
test_name (gconstpointer data)
{
  const NameCase *test = data;
  g_autoptr (QsDiscovery) discovery = qs_discovery_new ();
  g_autoptr (QsProcessFiles) process = make_process (test->cwd);
  QsFoundDisk *disk = add_disk (discovery, "a", "virtio-blk-device");
  g_autoptr (GError) error = NULL;
  gboolean resolved;

  g_free (disk->name);
  disk->name = g_strdup (test->name);
  for (guint i = 0; i < G_N_ELEMENTS (test->open) && test->open[i] != NULL; i++)
    add_open (process, test->open[i], i + 1);
  resolved = qs_discovery_resolve (discovery, process, NULL, NULL, &error);
  if (test->path == NULL)
    {
      g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
      g_assert_nonnull (strstr (error->message, "‘a’"));
      g_clear_error (&error);
      /* what is not written to is shown without it */
      disk->readonly = TRUE;
      resolved = qs_discovery_resolve (discovery, process, NULL, NULL, &error);
    }
  g_assert_no_error (error);
  g_assert_true (resolved);
  g_assert_cmpstr (disk->path, ==, test->path);
}

typedef struct
{
  const char *command;
  const char *answer;
} HostileCase;

#define DEVICE(member) "[{\"device\": \"x\", \"qdev\": \"/machine/x\", " member "}]"
#define LONG                                                                                       \
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
  "aaaaaa"                                                                                         \
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
  "aaaaaa"

static const HostileCase hostile_cases[] = {
  { "query-status", "{\"status\": \"run ning\"}" },
  { "query-status", "{\"status\": 3}" },
  { "query-status", "[]" },
  { "query-uuid", "{}" },
  { "query-uuid", "{\"UUID\": \"../../etc\"}" },
  { "query-memory-size-summary", "{\"base-memory\": -1}" },
  { "query-memory-size-summary", "{\"base-memory\": \"many\"}" },
  { "query-cpus-fast", "[]" },
  { "query-block", "[3]" },
  { "query-block", "{}" },
  { "query-block", "[{\"qdev\": \"\"}]" },
  { "query-block", "[{\"qdev\": \"a b\"}]" },
  { "query-block", "[{\"qdev\": \"a\\u0001\"}]" },
  { "query-block", "[{\"qdev\": \"\\u00e4\"}]" },
  { "query-block", "[{\"qdev\": \"" LONG LONG "\"}]" },
  { "query-block", DEVICE ("\"inserted\": {}") },
  { "query-block", DEVICE ("\"inserted\": {\"drv\": \"qcow2\"}") },
  { "query-block", DEVICE ("\"inserted\": {\"drv\": \"q'><x\", \"file\": \"/a\"}") },
  { "query-block",
    DEVICE ("\"inserted\": {\"drv\": \"raw\", \"file\": \"/a\", \"backing_file_depth\": -1}") },
  { "query-block", DEVICE ("\"inserted\": {\"drv\": \"raw\", \"file\": \"json:{\"}") },
  { "query-block", DEVICE ("\"inserted\": {\"drv\": \"raw\", \"file\": \"json:[]\"}") },
};

static guint
find_command (const char *command)
{
  guint i = 0;

  while (g_strcmp0 (qs_discovery_command (i), command) != 0)
    i++;
  return i;
}

static void
test_hostile (gconstpointer data)
{
  const HostileCase *test = data;
  g_autoptr (QsDiscovery) discovery = qs_discovery_new ();
  g_autoptr (JsonNode) answer = parse (test->answer);
  g_autoptr (GError) error = NULL;

  g_assert_false (qs_discovery_read (discovery, find_command (test->command), answer, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
  g_assert_nonnull (strstr (error->message, test->command));
}

static void
test_too_many (void)
{
  g_autoptr (QsDiscovery) discovery = qs_discovery_new ();
  g_autoptr (GString) text = g_string_new ("[{\"qdev\": \"a\"}");
  g_autoptr (JsonNode) answer = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 200; i++)
    g_string_append_printf (text, ", {\"qdev\": \"a%u\"}", i);
  g_string_append_c (text, ']');
  answer = parse (text->str);
  g_assert_false (qs_discovery_read (discovery, find_command ("query-block"), answer, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
}

/* with a job that has ended and was not dismissed QEMU may crash when it is asked for nodes */
static void
test_unstable (void)
{
  g_autoptr (QsDiscovery) discovery = qs_discovery_new ();
  g_autoptr (JsonNode) jobs = parse ("[{\"id\": \"j\", \"status\": \"concluded\"}]");
  g_autoptr (JsonNode) block =
      parse (DEVICE ("\"inserted\": {\"drv\": \"qcow2\", \"file\": \"/images/a\"}"));
  guint nodes = find_command ("query-named-block-nodes");

  g_assert_true (qs_discovery_wants (discovery, nodes));
  g_assert_cmpuint (find_command ("query-jobs"), ==, 0);
  g_assert_true (qs_discovery_read (discovery, 0, jobs, NULL));
  g_assert_false (qs_discovery_wants (discovery, nodes));
  g_assert_true (qs_discovery_read (discovery, find_command ("query-block"), block, NULL));
  g_assert_cmpint (((QsFoundDisk *)discovery->disks->pdata[0])->source_type, ==, QS_SOURCE_FILE);
}

static void
add_cases (const char *group, gconstpointer cases, gsize size, guint n, GTestDataFunc func)
{
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *path = g_strdup_printf ("/discovery/%s/%u", group, i);

      g_test_add_data_func (path, (const char *)cases + i * size, func);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (recorded); i++)
    {
      g_autofree char *path = g_strconcat ("/discovery/recorded/", recorded[i], NULL);

      g_test_add_data_func (path, recorded[i], test_recorded);
    }
  g_test_add_func ("/discovery/nobody", test_nobody);
  g_test_add_func ("/discovery/targets", test_targets);
  g_test_add_func ("/discovery/too-many", test_too_many);
  g_test_add_func ("/discovery/unstable", test_unstable);
  add_cases ("name", name_cases, sizeof name_cases[0], G_N_ELEMENTS (name_cases), test_name);
  add_cases ("hostile", hostile_cases, sizeof hostile_cases[0], G_N_ELEMENTS (hostile_cases),
             test_hostile);
  return g_test_run ();
}
