/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-spec.h"

#include "qs-error.h"

static void
assert_split (const char *spec, const char *joined)
{
  g_auto (GStrv) words = qs_ctl_spec_split (spec);
  g_autofree char *found = g_strjoinv ("|", words);

  g_assert_cmpstr (found, ==, joined);
}

static void
test_split (void)
{
  assert_split ("vda", "vda");
  assert_split ("vda,file=/a,snapshot=no", "vda|file=/a|snapshot=no");
  assert_split ("vda,file=/a,,b", "vda|file=/a,b");
  assert_split ("vda,file=,,", "vda|file=,");
  assert_split ("vda,,,file=/a", "vda,|file=/a");
  assert_split ("vda,", "vda|");
  assert_split ("", "");
}

/* @specs: separated by blanks, "" for none */
static char *
to_xml (const QsCtlDraft *base, const char *specs, GError **error)
{
  g_auto (GStrv) words = g_strsplit (specs, " ", -1);
  g_autoptr (GPtrArray) array = g_ptr_array_new ();
  QsCtlDraft draft = *base;

  for (guint i = 0; words[i] != NULL; i++)
    g_ptr_array_add (array, words[i]);
  if (array->len > 0)
    draft.diskspecs = array;
  return qs_ctl_draft_to_xml (&draft, error);
}

static void
assert_xml (const QsCtlDraft *draft, const char *specs, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *xml = to_xml (draft, specs, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (xml, ==, expected);
}

static void
assert_refused (const QsCtlDraft *draft, const char *specs, const char *expected)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (to_xml (draft, specs, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, expected);
}

static void
test_plain (void)
{
  assert_xml (&(QsCtlDraft){ 0 }, "", "<domainsnapshot>\n</domainsnapshot>\n");
  assert_xml (&(QsCtlDraft){ .name = "a<b&'c", .description = "d>e" }, "",
              "<domainsnapshot>\n"
              "  <name>a&lt;b&amp;&apos;c</name>\n"
              "  <description>d&gt;e</description>\n"
              "</domainsnapshot>\n");
  assert_xml (&(QsCtlDraft){ .name = "b", .branch = "a" }, "",
              "<domainsnapshot>\n  <name>b</name>\n  <branch>a</branch>\n</domainsnapshot>\n");
}

static void
test_memory (void)
{
  const char *expected = "<domainsnapshot>\n"
                         "  <memory snapshot='external' file='/m,1'/>\n"
                         "</domainsnapshot>\n";

  assert_xml (&(QsCtlDraft){ .memspec = "/m,,1,snapshot=external" }, "", expected);
  assert_xml (&(QsCtlDraft){ .memspec = "file=/m,,1,snapshot=external" }, "", expected);
  assert_xml (&(QsCtlDraft){ .memspec = "snapshot=external,file=/m,,1" }, "", expected);
  assert_xml (&(QsCtlDraft){ .memspec = "snapshot=no" }, "",
              "<domainsnapshot>\n  <memory snapshot='no'/>\n</domainsnapshot>\n");
  assert_refused (&(QsCtlDraft){ .memspec = "m" }, "",
                  "malformed --memspec ‘m’: ‘m’ is not expected");
  assert_refused (&(QsCtlDraft){ .memspec = "/m,file=/n" }, "",
                  "malformed --memspec ‘/m,file=/n’: ‘file=/n’ is not expected");
}

static void
test_disks (void)
{
  const QsCtlDraft draft = { 0 };

  assert_xml (&draft, "vda,snapshot=external,driver=qcow2,file=/o'1,mode=existing vdb,snapshot=no",
              "<domainsnapshot>\n"
              "  <disks>\n"
              "    <disk name='vda' snapshot='external' mode='existing'>\n"
              "      <driver type='qcow2'/>\n"
              "      <source file='/o&apos;1'/>\n"
              "    </disk>\n"
              "    <disk name='vdb' snapshot='no'/>\n"
              "  </disks>\n"
              "</domainsnapshot>\n");
  assert_xml (&draft, "vda,mirror=/m<1",
              "<domainsnapshot>\n"
              "  <disks>\n"
              "    <disk name='vda'>\n"
              "      <mirror file='/m&lt;1'/>\n"
              "    </disk>\n"
              "  </disks>\n"
              "</domainsnapshot>\n");
  assert_xml (&draft, "vda,stype=block,file=/dev/sdx",
              "<domainsnapshot>\n"
              "  <disks>\n"
              "    <disk name='vda' type='block'>\n"
              "      <source dev='/dev/sdx'/>\n"
              "    </disk>\n"
              "  </disks>\n"
              "</domainsnapshot>\n");
  assert_refused (&draft, ",file=/a", "malformed --diskspec ‘,file=/a’: ‘’ is not expected");
  assert_refused (&draft, "vda,/a", "malformed --diskspec ‘vda,/a’: ‘/a’ is not expected");
  assert_refused (&draft, "vda,fil=/a",
                  "malformed --diskspec ‘vda,fil=/a’: ‘fil=/a’ is not expected");
  assert_refused (&draft, "vda,file2=/a",
                  "malformed --diskspec ‘vda,file2=/a’: ‘file2=/a’ is not expected");
  assert_refused (&draft, "vda,mode=a,mode=b",
                  "malformed --diskspec ‘vda,mode=a,mode=b’: ‘mode=b’ is not expected");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl-spec/split", test_split);
  g_test_add_func ("/ctl-spec/plain", test_plain);
  g_test_add_func ("/ctl-spec/memory", test_memory);
  g_test_add_func ("/ctl-spec/disks", test_disks);
  return g_test_run ();
}
