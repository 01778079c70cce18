/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-enums.h"

/* every word, in the order of its enum; "" where the value is "not given" */
static const struct
{
  QsEnum type;
  const char *words;
} expected[] = {
  { QS_ENUM_DOMAIN_STATE, "shutoff running paused crashed pmsuspended" },
  { QS_ENUM_SNAPSHOT_STATE,
    " running blocked paused shutdown shutoff crashed pmsuspended disk-snapshot" },
  { QS_ENUM_LOCATION, " no internal external manual" },
  { QS_ENUM_KIND, "internal external mixed" },
  { QS_ENUM_DISK_MODE, " absolute-paths existing no-backing-file" },
  { QS_ENUM_SOURCE_TYPE, " file block network dir volume nvme vhostuser vhostvdpa" },
  { QS_ENUM_DISK_DEVICE, "disk cdrom floppy lun" },
  { QS_ENUM_ORIGIN, "user safety" },
};

static void
check_words (QsEnum type, const char *words)
{
  g_auto (GStrv) list = g_strsplit (words, " ", -1);

  for (guint i = 0; list[i] != NULL; i++)
    {
      guint value = 99;

      if (*list[i] == '\0')
        {
          g_assert_null (qs_enum_to_string (type, i));
          continue;
        }
      g_assert_cmpstr (qs_enum_to_string (type, i), ==, list[i]);
      g_assert_true (qs_enum_from_string (type, list[i], &value));
      g_assert_cmpuint (value, ==, i);
    }
}

static void
test_words (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    check_words (expected[i].type, expected[i].words);
}

static void
test_unknown (void)
{
  guint value = 7;

  g_assert_false (qs_enum_from_string (QS_ENUM_LOCATION, "default", &value));
  g_assert_false (qs_enum_from_string (QS_ENUM_LOCATION, "", &value));
  g_assert_false (qs_enum_from_string (QS_ENUM_LOCATION, NULL, &value));
  g_assert_false (qs_enum_from_string (QS_ENUM_SNAPSHOT_STATE, "Running", &value));
  g_assert_cmpuint (value, ==, 7);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/enums/words", test_words);
  g_test_add_func ("/enums/unknown", test_unknown);
  return g_test_run ();
}
