/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-snapshot-def.h"

#include "xml-compare.h"

static QsSnapshotDef *
parse (const char *xml)
{
  g_autoptr (GError) error = NULL;
  QsSnapshotDef *def = qs_snapshot_def_parse (xml, &error);

  g_assert_no_error (error);
  return def;
}

static void
test_request (void)
{
  g_autoptr (QsSnapshotDef) def =
      parse ("<domainsnapshot><name>s 1</name><description>a\n b</description><branch>b0</branch>"
             "<memory disk='vdb'/><disks>"
             "<disk name='vda' snapshot='external' mode='existing'>"
             "<driver type='qcow2'><metadata_cache/></driver><source file='/i/a.1'/>"
             "<mirror file='/m/a.1'/></disk>"
             "<disk name='/i/b.qcow2' snapshot='manual'/>"
             "<disk name='vdc' type='block'><source dev='/dev/x'/></disk>"
             "<disk name='vdd' snapshot='no'/></disks></domainsnapshot>");
  const QsSnapshotDisk *vda = qs_snapshot_def_find_disk (def, "vda");
  const QsSnapshotDisk *vdc = qs_snapshot_def_find_disk (def, "vdc");

  g_assert_cmpstr (def->name, ==, "s 1");
  g_assert_cmpstr (def->description, ==, "a\n b");
  g_assert_cmpstr (def->branch, ==, "b0");
  g_assert_cmpint (def->memory, ==, QS_LOCATION_DEFAULT);
  g_assert_cmpstr (def->memory_disk, ==, "vdb");
  g_assert_cmpint (def->state, ==, QS_STATE_NONE);
  g_assert_false (def->has_creation_time);
  g_assert_true (def->has_disks);
  g_assert_cmpuint (def->disks->len, ==, 4);

  g_assert_cmpint (vda->snapshot, ==, QS_LOCATION_EXTERNAL);
  g_assert_cmpint (vda->mode, ==, QS_DISK_MODE_EXISTING);
  g_assert_cmpint (vda->source_type, ==, QS_SOURCE_FILE);
  g_assert_cmpstr (vda->source, ==, "/i/a.1");
  g_assert_cmpstr (vda->driver, ==, "qcow2");
  g_assert_cmpstr (vda->mirror, ==, "/m/a.1");
  g_assert_true (vda->has_metadata_cache);
  g_assert_cmpint (vdc->source_type, ==, QS_SOURCE_BLOCK);
  g_assert_cmpstr (vdc->source, ==, "/dev/x");
  g_assert_cmpint (vdc->snapshot, ==, QS_LOCATION_DEFAULT);
  g_assert_cmpint (qs_snapshot_def_find_disk (def, "/i/b.qcow2")->snapshot, ==, QS_LOCATION_MANUAL);
  g_assert_cmpint (qs_snapshot_def_find_disk (def, "vdd")->source_type, ==, QS_SOURCE_NONE);
  g_assert_null (qs_snapshot_def_find_disk (def, "vde"));
}

static void
test_absent (void)
{
  g_autoptr (QsSnapshotDef) def =
      parse ("<domainsnapshot><name/><unheard><name>x</name></unheard></domainsnapshot>");
  g_autoptr (QsSnapshotDef) empty = parse ("<domainsnapshot><disks/></domainsnapshot>");

  g_assert_null (def->name);
  g_assert_null (def->description);
  g_assert_null (def->parent);
  g_assert_null (def->domain);
  g_assert_false (def->has_disks);
  g_assert_true (empty->has_disks);
  g_assert_cmpuint (empty->disks->len, ==, 0);
}

/* refused, and where */
static const struct
{
  const char *xml;
  const char *message;
} invalid[] = {
  { "<disks>\n<disk snapshot='no'/></disks>", "line 2: a <disk> has no attribute ‘name’" },
  { "<disks><disk name=''/></disks>", "line 1: a <disk> has no attribute ‘name’" },
  { "<disks>\n\n<disk name='vda' snapshot='extern'/></disks>",
    "line 3: ‘extern’ is no value of attribute ‘snapshot’ of <disk>" },
  { "<disks><disk name='vda' mode='new'/></disks>",
    "line 1: ‘new’ is no value of attribute ‘mode’ of <disk>" },
  { "<disks><disk name='vda' type='tape'/></disks>",
    "line 1: ‘tape’ is no value of attribute ‘type’ of <disk>" },
  { "<disks><disk name='i/a.qcow2'/></disks>",
    "line 1: disk ‘i/a.qcow2’: a path must be absolute" },
  { "<disks><disk name='vda'>\n<source file='a.1'/></disk></disks>",
    "line 2: disk ‘vda’: ‘a.1’ is not an absolute path" },
  { "<disks><disk name='vda' type='block'><source dev='sda'/></disk></disks>",
    "line 1: disk ‘vda’: ‘sda’ is not an absolute path" },
  { "<disks><disk name='vda'><source file='json:{}'/></disk></disks>",
    "line 1: disk ‘vda’: ‘json:{}’ is not an absolute path" },
  { "<disks><disk name='vda'><mirror file='m'/></disk></disks>",
    "line 1: disk ‘vda’: ‘m’ is not an absolute path" },
  { "<disks><disk name='vda'><mirror/></disk></disks>",
    "line 1: disk ‘vda’: <mirror> names no file" },
  { "\n<memory snapshot='manual'/>", "line 2: memory cannot be ‘manual’" },
  { "\n<nvram file='v'/>", "line 2: <nvram> needs an absolute path" },
  { "\n<nvram file='/v' format='qed'/>", "line 2: ‘qed’ is no format of firmware variables" },
  { "<memory snapshot='yes'/>", "line 1: ‘yes’ is no value of attribute ‘snapshot’ of <memory>" },
  { "<memory snapshot='external'/>", "line 1: external memory needs attribute ‘file’" },
  { "<memory snapshot='internal' file='/m'/>",
    "line 1: a memory file is for external memory only" },
  { "<memory snapshot='no' file='/m'/>", "line 1: a memory file is for external memory only" },
  { "<memory file='m'/>", "line 1: <memory>: ‘m’ is not an absolute path" },
  { "<memory file=''/>", "line 1: <memory>: ‘’ is not an absolute path" },
  { "<memory snapshot='internal' sidecar='m'/>", "line 1: <memory>: ‘m’ is not an absolute path" },
  { "<memory file='/m' format='raw'/>", "line 1: ‘raw’ is no format of memory" },
  { "<branch/>", "line 1: <branch> names no snapshot" },
  { "<state>Running</state>", "line 1: ‘Running’ is no state of a snapshot" },
  { "<creationTime>yesterday</creationTime>",
    "line 1: ‘yesterday’ is no time in seconds since the epoch" },
  { "<creationTime>99999999999999999999</creationTime>",
    "line 1: ‘99999999999999999999’ is no time in seconds since the epoch" },
  { "\n<domain><name>d</name></domain>", "line 2: <domain> has no attribute ‘type’" },
  { "<name>s", "line 1: " },
};

static void
test_invalid (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autofree char *xml = g_strdup_printf ("<domainsnapshot>%s</domainsnapshot>", invalid[i].xml);
  g_autoptr (GError) error = NULL;

  g_assert_null (qs_snapshot_def_parse (xml, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_XML_INVALID);
  g_assert_true (g_str_has_prefix (error->message, invalid[i].message));
}

/* what libvirt wrote comes out equal in meaning, and stays so */
static void
test_round_trip (gconstpointer name)
{
  g_autofree char *xml = read_data (name);
  g_autoptr (QsSnapshotDef) def = parse (xml);
  g_autoptr (QsSnapshotDef) copy = qs_snapshot_def_copy (def);
  g_autofree char *text = qs_snapshot_def_format (def, TRUE);
  g_autofree char *again = qs_snapshot_def_format (copy, TRUE);
  g_autoptr (QsSnapshotDef) second = parse (text);
  g_autofree char *third = qs_snapshot_def_format (second, TRUE);

  assert_same_meaning (text, xml);
  g_assert_cmpstr (again, ==, text);
  g_assert_cmpstr (third, ==, text);
}

/* older than the <memory> element: it is written, for what it was then */
static void
test_memory_written (void)
{
  static const struct
  {
    const char *state;
    const char *memory;
  } cases[] = {
    { "running", "internal" },
    { "paused", "internal" },
    { "shutoff", "no" },
    { "disk-snapshot", "no" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *xml =
          g_strdup_printf ("<domainsnapshot><state>%s</state></domainsnapshot>", cases[i].state);
      g_autofree char *expected = g_strdup_printf (
          "<domainsnapshot><state>%s</state><memory snapshot='%s'/></domainsnapshot>",
          cases[i].state, cases[i].memory);
      g_autoptr (QsSnapshotDef) def = parse (xml);
      g_autofree char *text = qs_snapshot_def_format (def, TRUE);

      assert_same_meaning (text, expected);
    }
}

/* a request is kept in the journal: what it left open stays open */
static void
test_request_stays (void)
{
  static const char xml[] =
      "<domainsnapshot><name>s</name><disks><disk name='/i/a' snapshot='external'/><disk "
      "name='vdb' type='network'><source protocol='nbd'/></disk></disks></domainsnapshot>";
  g_autoptr (QsSnapshotDef) def = parse (xml);
  g_autofree char *text = qs_snapshot_def_format (def, TRUE);

  assert_same_meaning (text, xml);
}

static void
test_build (void)
{
  g_autoptr (QsSnapshotDef) def = qs_snapshot_def_new ();
  g_autofree char *text = NULL;
  QsSnapshotDisk *disk;

  def->name = g_strdup ("a<b>&");
  def->parent = g_strdup ("p");
  def->state = QS_STATE_DISK_SNAPSHOT;
  def->has_creation_time = TRUE;
  def->creation_time = 1700000000;
  def->domain = qs_domain_def_new ("<domain type='kvm'><name>d</name></domain>", NULL);
  def->inactive_domain = qs_domain_def_new ("<domain type='qemu'><name>d</name></domain>", NULL);
  disk = qs_snapshot_def_add_disk (def, "vda", QS_LOCATION_EXTERNAL);
  disk->source_type = QS_SOURCE_FILE;
  disk->source = g_strdup ("/i/a.s");
  disk->driver = g_strdup ("qcow2");
  disk = qs_snapshot_def_add_disk (def, "vdb", QS_LOCATION_INTERNAL);
  disk->tag = g_strdup ("s-1");
  text = qs_snapshot_def_format (def, FALSE);
  g_assert_cmpstr (text, ==,
                   "<domainsnapshot>\n"
                   "  <name>a&lt;b&gt;&amp;</name>\n"
                   "  <state>disk-snapshot</state>\n"
                   "  <parent>\n"
                   "    <name>p</name>\n"
                   "  </parent>\n"
                   "  <creationTime>1700000000</creationTime>\n"
                   "  <memory snapshot=\"no\"/>\n"
                   "  <disks>\n"
                   "    <disk name=\"vda\" snapshot=\"external\" type=\"file\">\n"
                   "      <driver type=\"qcow2\"/>\n"
                   "      <source file=\"/i/a.s\"/>\n"
                   "    </disk>\n"
                   "    <disk name=\"vdb\" snapshot=\"internal\" tag=\"s-1\"/>\n"
                   "  </disks>\n"
                   "  <domain type=\"kvm\">\n"
                   "    <name>d</name>\n"
                   "  </domain>\n"
                   "  <inactiveDomain type=\"qemu\">\n"
                   "    <name>d</name>\n"
                   "  </inactiveDomain>\n"
                   "</domainsnapshot>\n");
}

/* fields change, the rest of the document stays */
static void
test_patch (void)
{
  g_autoptr (QsSnapshotDef) parsed =
      parse ("<domainsnapshot><cookie><cpu/></cookie><name>old</name><description>d"
             "</description><parent><name>p</name></parent><disks><disk name='vda'/>"
             "<disk name='/i/b' type='file'><source file='/i/b.1'><seclabel model='dac'/>"
             "</source></disk></disks></domainsnapshot>");
  g_autoptr (QsSnapshotDef) def = qs_snapshot_def_copy (parsed);
  g_autofree char *text = NULL;
  QsSnapshotDisk *disk = g_ptr_array_index (def->disks, 1);

  g_free (def->name);
  def->name = g_strdup ("new");
  g_clear_pointer (&def->description, g_free);
  g_clear_pointer (&def->parent, g_free);
  def->state = QS_STATE_SHUTOFF;
  g_free (disk->name);
  disk->name = g_strdup ("vdb");
  disk->snapshot = QS_LOCATION_EXTERNAL;
  g_ptr_array_remove_index (def->disks, 0);
  text = qs_snapshot_def_format (def, TRUE);
  g_assert_cmpstr (text, ==,
                   "<domainsnapshot>\n"
                   "  <cookie>\n    <cpu/>\n  </cookie>\n"
                   "  <name>new</name>\n"
                   "  <state>shutoff</state>\n"
                   "  <memory snapshot=\"no\"/>\n"
                   "  <disks>\n"
                   "    <disk name=\"vdb\" type=\"file\" snapshot=\"external\">\n"
                   "      <source file=\"/i/b.1\">\n"
                   "        <seclabel model=\"dac\"/>\n"
                   "      </source>\n"
                   "    </disk>\n"
                   "  </disks>\n"
                   "</domainsnapshot>\n");
  g_assert_cmpstr (parsed->name, ==, "old");
}

static void
test_secure (void)
{
  g_autoptr (QsSnapshotDef) def =
      parse ("<domainsnapshot><domain type='kvm'><name>d</name><devices>"
             "<graphics type='vnc' passwd='hidden'/></devices></domain></domainsnapshot>");
  g_autofree char *plain = qs_snapshot_def_format (def, FALSE);
  g_autofree char *secure = qs_snapshot_def_format (def, TRUE);

  g_assert_null (strstr (plain, "hidden"));
  g_assert_nonnull (strstr (plain, "graphics"));
  g_assert_nonnull (strstr (secure, "hidden"));
}

/* the record of a domain that was just within the limits of a caller is over them, and is read */
static void
test_record (void)
{
  g_autofree char *filling = g_strnfill (QS_MAX_XML_BYTES - 100, 'x');
  g_autofree char *xml =
      g_strdup_printf ("<domain type='kvm'><name>d</name><title>%s</title></domain>", filling);
  g_autoptr (QsSnapshotDef) def = qs_snapshot_def_new ();
  g_autoptr (QsSnapshotDef) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autofree char *twice = NULL;

  def->name = g_strdup ("s");
  def->domain = qs_domain_def_new (xml, &error);
  g_assert_no_error (error);
  def->inactive_domain = qs_domain_def_ref (def->domain);
  text = qs_snapshot_def_format (def, TRUE);
  g_assert_null (qs_snapshot_def_parse (text, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED);
  g_clear_error (&error);
  again = qs_snapshot_def_parse_record (text, &error);
  g_assert_no_error (error);
  twice = qs_snapshot_def_format (again, TRUE);
  g_assert_cmpstr (twice, ==, text);
}

int
main (int argc, char **argv)
{
  g_auto (GStrv) corpus = NULL;

  g_test_init (&argc, &argv, NULL);
  corpus = list_data ("snapshot");
  for (guint i = 0; corpus[i] != NULL; i++)
    {
      g_autofree char *path = g_strconcat ("/snapshot-def/round-trip/", corpus[i], NULL);

      g_test_add_data_func (path, corpus[i], test_round_trip);
    }
  for (guint i = 0; i < G_N_ELEMENTS (invalid); i++)
    {
      g_autofree char *path = g_strdup_printf ("/snapshot-def/invalid/%u", i);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_invalid);
    }
  g_test_add_func ("/snapshot-def/request", test_request);
  g_test_add_func ("/snapshot-def/absent", test_absent);
  g_test_add_func ("/snapshot-def/memory-written", test_memory_written);
  g_test_add_func ("/snapshot-def/request-stays", test_request_stays);
  g_test_add_func ("/snapshot-def/build", test_build);
  g_test_add_func ("/snapshot-def/patch", test_patch);
  g_test_add_func ("/snapshot-def/secure", test_secure);
  g_test_add_func ("/snapshot-def/record", test_record);
  return g_test_run ();
}
