/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-schema.h"
#include "qs-snapshot-def.h"

#include "xml-compare.h"

static void
assert_valid (QsSchemaKind kind, const char *xml)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) problems = NULL;
  gboolean ok = qs_schema_check (kind, xml, &problems, &error);

  g_assert_no_error (error);
  g_assert_true (ok);
  g_assert_null (problems);
}

static void
test_corpus_domain (gconstpointer name)
{
  g_autofree char *xml = read_data (name);

  assert_valid (QS_SCHEMA_DOMAIN, xml);
}

static void
test_corpus_snapshot (gconstpointer name)
{
  g_autofree char *xml = read_data (name);

  assert_valid (QS_SCHEMA_SNAPSHOT, xml);
}

static void
test_corpus_hostile (gconstpointer name)
{
  g_autofree char *xml = read_data (name);
  g_autoptr (GError) error = NULL;

  g_assert_false (qs_schema_check (QS_SCHEMA_DOMAIN, xml, NULL, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_XML_INVALID);
}

/* what the service writes itself fits its own schema */
static void
test_written (gconstpointer name)
{
  g_autofree char *xml = read_data (name);
  g_autoptr (QsSnapshotDef) def = qs_snapshot_def_parse (xml, NULL);
  g_autofree char *text = qs_snapshot_def_format (def, FALSE);

  assert_valid (QS_SCHEMA_SNAPSHOT, text);
}

#define DISKS(disk) "<disks>\n<disk name='vda' " disk "</disks>"
#define DEVICE(disk) "<devices>\n<disk " disk "<target dev='vda'/></disk></devices>"

typedef struct
{
  QsSchemaKind kind;
  const char *xml; /* inside the root */
  guint line;      /* of the problem; 0: valid */
} Case;

static const Case cases[] = {
  { QS_SCHEMA_SNAPSHOT, "", 0 },
  { QS_SCHEMA_SNAPSHOT, "<name/><description/><disks/>", 0 },
  { QS_SCHEMA_SNAPSHOT, "<disks/><memory disk='vda'/><name>-s</name>", 0 },
  { QS_SCHEMA_SNAPSHOT, DISKS ("snapshot='manual'/>"), 0 },
  { QS_SCHEMA_SNAPSHOT, DISKS ("><source><seclabel model='dac'/></source></disk>"), 0 },
  { QS_SCHEMA_SNAPSHOT, "\n<unheard/>", 2 },
  { QS_SCHEMA_SNAPSHOT, "<name>a</name>\n<name>b</name>", 1 },
  { QS_SCHEMA_SNAPSHOT, "\n<name>a/b</name>", 2 },
  { QS_SCHEMA_SNAPSHOT, "\n<name>.a</name>", 2 },
  { QS_SCHEMA_SNAPSHOT, "\n<state>going</state>", 2 },
  { QS_SCHEMA_SNAPSHOT, "\n<creationTime>now</creationTime>", 2 },
  { QS_SCHEMA_SNAPSHOT, "\n<memory snapshot='manual'/>", 2 },
  { QS_SCHEMA_SNAPSHOT, "\n<memory snapshot='no' file='/m'/>", 2 },
  { QS_SCHEMA_SNAPSHOT, "\n<memory snapshot='external'/>", 2 },
  { QS_SCHEMA_SNAPSHOT, "\n<memory file='m'/>", 2 },
  { QS_SCHEMA_SNAPSHOT, "\n<memory unheard='1'/>", 2 },
  { QS_SCHEMA_SNAPSHOT, "\n<disks>\n<disk/>\n</disks>", 3 },
  { QS_SCHEMA_SNAPSHOT, DISKS ("snapshot='extern'/>"), 2 },
  { QS_SCHEMA_SNAPSHOT, DISKS ("mode='new'/>"), 2 },
  { QS_SCHEMA_SNAPSHOT, DISKS ("unheard='1'/>"), 2 },
  { QS_SCHEMA_SNAPSHOT, DISKS (">\n<unheard/></disk>"), 3 },
  { QS_SCHEMA_SNAPSHOT, DISKS (">\n<source file='a'/></disk>"), 3 },
  { QS_SCHEMA_SNAPSHOT, DISKS ("type='block'>\n<source dev='a'/></disk>"), 3 },
  { QS_SCHEMA_SNAPSHOT, DISKS (">\n<mirror/></disk>"), 3 },
  { QS_SCHEMA_SNAPSHOT, "\n<domain type='kvm'><memory>1</memory></domain>", 2 },
  { QS_SCHEMA_DOMAIN, "", 0 },
  { QS_SCHEMA_DOMAIN, "<devices><unheard><of/></unheard></devices>", 0 },
  { QS_SCHEMA_DOMAIN, "<metadata><x:y xmlns:x='urn:x'>z</x:y></metadata>", 0 },
  { QS_SCHEMA_DOMAIN, "<x:y xmlns:x='urn:x'>z</x:y>", 0 },
  { QS_SCHEMA_DOMAIN, DEVICE ("><source file='/a'/>"), 0 },
  { QS_SCHEMA_DOMAIN, DEVICE ("device='cdrom'>"), 0 },
  { QS_SCHEMA_DOMAIN, DEVICE ("type='volume'><source pool='a' volume='b'/>"), 0 },
  { QS_SCHEMA_DOMAIN, "\n<memroy>1</memroy>", 2 },
  { QS_SCHEMA_DOMAIN, "\n<memory>much</memory>", 2 },
  { QS_SCHEMA_DOMAIN, "\n<memory unit='acre'>1</memory>", 2 },
  { QS_SCHEMA_DOMAIN, "\n<vcpu>0</vcpu>", 2 },
  { QS_SCHEMA_DOMAIN, "\n<uuid>1234</uuid>", 2 },
  { QS_SCHEMA_DOMAIN, "<os>\n<loader>a</loader></os>", 2 },
  { QS_SCHEMA_DOMAIN, "<os>\n<type>xen</type></os>", 2 },
  { QS_SCHEMA_DOMAIN, "<devices>\n<emulator>a</emulator></devices>", 2 },
  { QS_SCHEMA_DOMAIN, DEVICE ("type='tape'>"), 2 },
  { QS_SCHEMA_DOMAIN, DEVICE ("snapshot='yes'>"), 2 },
  { QS_SCHEMA_DOMAIN, DEVICE (">\n<source file='a'/>"), 3 },
  { QS_SCHEMA_DOMAIN, "<devices>\n<disk><source file='/a'/></disk></devices>", 2 },
};

static char *
whole (QsSchemaKind kind, const char *xml)
{
  if (kind == QS_SCHEMA_SNAPSHOT)
    return g_strdup_printf ("<domainsnapshot>%s</domainsnapshot>", xml);
  return g_strdup_printf ("<domain type='kvm'><name>d</name>%s</domain>", xml);
}

static void
test_case (gconstpointer data)
{
  const Case *one = data;
  g_autofree char *xml = whole (one->kind, one->xml);
  g_autofree char *prefix = g_strdup_printf ("line %u: <", one->line);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) problems = NULL;

  if (one->line == 0)
    {
      assert_valid (one->kind, xml);
      return;
    }
  g_assert_false (qs_schema_check (one->kind, xml, &problems, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_XML_INVALID);
  g_assert_nonnull (problems);
  g_assert_cmpstr (error->message, ==, problems[0]);
  g_assert_cmpuint (g_strv_length (problems), ==, 1);
  if (!g_str_has_prefix (error->message, prefix))
    g_test_message ("%s is not the line %u of %s", error->message, one->line, xml);
  g_assert_true (g_str_has_prefix (error->message, prefix));
}

/* all that is read of a snapshot, in the ways in which it may come together */
static const char *const all_read[] = {
  "<memory snapshot='internal' disk='vda' sidecar='/m' format='qcow2'/>",
  "<memory snapshot='external' file='/m' format='migrate'/>",
  "<memory snapshot='no'/><nvram file='/v' format='qcow2'/>",
  "<disks><disk name='/a' snapshot='internal' tag='t'/>"
  "<disk name='vdb' snapshot='external' type='file' mode='no-backing-file'>"
  "<source file='/b'><seclabel model='dac' relabel='no'/><encryption format='luks'/>"
  "<reservations managed='yes'/></source><driver "
  "type='qcow2'><metadata_cache><max_size>1</max_size>"
  "</metadata_cache></driver><mirror file='/c' state='active'/></disk>"
  "<disk name='vdc' snapshot='external' type='block' mode='existing'><source dev='/dev/d'/></disk>"
  "<disk name='vdd' snapshot='manual' type='network'><source protocol='nbd' name='x'>"
  "<host name='h'/></source></disk><disk name='vde' snapshot='no' mode='absolute-paths'/></disks>",
  "<domain type='kvm'><name>d</name></domain><inactiveDomain type='kvm'><name>d</name>"
  "</inactiveDomain><cookie><any/></cookie>",
  "<branch>b</branch>",
};

/* what the parser reads, the schema knows: what it writes again is the same and valid */
static void
test_all_read (gconstpointer data)
{
  g_autofree char *xml = g_strdup_printf (
      "<domainsnapshot><name>n</name><description>d</description><state>running</state>"
      "<parent><name>p</name></parent><creationTime>1</creationTime>%s</domainsnapshot>",
      (const char *)data);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsSnapshotDef) def = qs_snapshot_def_parse (xml, &error);
  g_autofree char *text = NULL;
  g_autofree char *again = NULL;
  g_autoptr (QsSnapshotDef) second = NULL;

  g_assert_no_error (error);
  assert_valid (QS_SCHEMA_SNAPSHOT, xml);
  text = qs_snapshot_def_format (def, TRUE);
  assert_valid (QS_SCHEMA_SNAPSHOT, text);
  second = qs_snapshot_def_parse (text, &error);
  g_assert_no_error (error);
  again = qs_snapshot_def_format (second, TRUE);
  g_assert_cmpstr (again, ==, text);
}

/* all of them are told, in order */
static void
test_several (void)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) problems = NULL;

  g_assert_false (qs_schema_check (QS_SCHEMA_SNAPSHOT,
                                   "<domainsnapshot>\n<state>x</state>\n<disks>\n"
                                   "<disk name='vda' mode='new'/>\n<disk name='vdb'/>\n"
                                   "<disk name='vdc'><unheard/></disk></disks>\n"
                                   "<domain type='kvm'><name>d</name><vcpu>x</vcpu></domain>"
                                   "</domainsnapshot>",
                                   &problems, &error));
  g_assert_cmpuint (g_strv_length (problems), ==, 4);
  g_assert_true (g_str_has_prefix (problems[0], "line 2: <state> does not fit the schema: "));
  g_assert_true (g_str_has_prefix (problems[1], "line 4: <disk> does not fit the schema: "));
  g_assert_true (g_str_has_prefix (problems[2], "line 6: <unheard> does not fit the schema: "));
  g_assert_true (g_str_has_prefix (problems[3], "line 7: <vcpu> does not fit the schema: "));
}

/* as many disks as a document can hold are checked in good time, and problems do not pile up */
static void
test_large (void)
{
  g_autoptr (GString) xml = g_string_new ("<domainsnapshot><disks>");
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) problems = NULL;
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < 2000; i++)
    g_string_append_printf (xml, "<disk name='vd%u' snapshot='wrong'><source/></disk>", i);
  g_string_append (xml, "</disks></domainsnapshot>");
  g_assert_false (qs_schema_check (QS_SCHEMA_SNAPSHOT, xml->str, &problems, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_XML_INVALID);
  g_assert_cmpuint (g_strv_length (problems), ==, QS_MAX_SCHEMA_PROBLEMS);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 10 * G_USEC_PER_SEC);
}

static gpointer
check_many (gpointer data)
{
  for (guint i = 0; i < 20; i++)
    assert_valid (QS_SCHEMA_SNAPSHOT, "<domainsnapshot><creationTime>1</creationTime>"
                                      "<name>s</name></domainsnapshot>");
  return NULL;
}

static void
test_threads (void)
{
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new (NULL, check_many, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static void
add_corpus (const char *test, const char *folder, GTestDataFunc func)
{
  GStrv corpus = list_data (folder);

  for (guint i = 0; corpus[i] != NULL; i++)
    {
      g_autofree char *path = g_strdup_printf ("/schema/%s/%s", test, corpus[i]);

      g_test_add_data_func_full (path, corpus[i], func, g_free);
    }
  g_free (corpus);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/schema/threads", test_threads);
  add_corpus ("corpus", "domain", test_corpus_domain);
  add_corpus ("corpus", "snapshot", test_corpus_snapshot);
  add_corpus ("corpus", "hostile", test_corpus_hostile);
  add_corpus ("written", "snapshot", test_written);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/schema/case/%u", i);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  for (guint i = 0; i < G_N_ELEMENTS (all_read); i++)
    {
      g_autofree char *path = g_strdup_printf ("/schema/all-read/%u", i);

      g_test_add_data_func (path, all_read[i], test_all_read);
    }
  g_test_add_func ("/schema/several", test_several);
  g_test_add_func ("/schema/large", test_large);
  return g_test_run ();
}
