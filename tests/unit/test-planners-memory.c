/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers
 *
 * The plans of the memory and disk table, for a guest that is on: a golden plan a row. */
#include "plan-fixture.h"
#include "plan-golden.h"

#include "fake-world.h"
#include "qs-error.h"
#include "qs-flags.h"
#include "qs-operation.h"

#include <string.h>

#define SNAPSHOT(memory, disks)                                                                    \
  "<domainsnapshot><name>s1</name>" memory "<disks>" disks "</disks></domainsnapshot>"
#define MEMORY_INT "<memory snapshot='internal'/>"
#define MEMORY_EXT "<memory snapshot='external' file='/memory/s1.mem'/>"
#define LENT                                                                                       \
  "<disk name='vda' snapshot='no'/>"                                                               \
  "<disk name='vdb' snapshot='external' mode='existing'><source file='/images/own'/></disk>"
#define DISKS(a, b) "<disk name='vda' snapshot='" a "'/><disk name='vdb' snapshot='" b "'/>"

typedef enum
{
  RUNNING,
  PAUSED,
  ATTACHED,
} State;

/* @rows: of the table */
typedef struct
{
  const char *name;
  const char *rows;
  State state;
  const char *xml;
  guint flags;
  QsTargetType found; /* at the memory file */
  gboolean has_data;  /* the overlay of the caller */
  gboolean full;      /* the file system of the images */
} Case;

static const Case cases[] = {
  { "memory-savevm", "11, 17, 27, 30", RUNNING, "<domainsnapshot><name>s1</name></domainsnapshot>",
    0 },
  { "memory-savevm-paused", "the same", PAUSED, SNAPSHOT (MEMORY_INT, ""), 0 },
  { "memory-savevm-disk", "the same", RUNNING,
    SNAPSHOT ("<memory snapshot='internal' disk='vdb'/>", ""), 0 },
  { "memory-savevm-halt", "the same", RUNNING, SNAPSHOT ("", ""), QS_CREATE_HALT },
  { "memory-side-car", "13, 28", RUNNING, SNAPSHOT ("", DISKS ("no", "no")), 0 },
  { "memory-side-car-external", "14, 29", RUNNING,
    SNAPSHOT (MEMORY_INT, DISKS ("external", "external")), 0 },
  { "memory-side-car-mixed", "M2", RUNNING, SNAPSHOT ("", DISKS ("internal", "external")), 0 },
  { "memory-side-car-some", "M6", RUNNING, SNAPSHOT ("", DISKS ("internal", "no")), 0 },
  { "memory-disk-mixed", "M2, memory in a disk", RUNNING,
    SNAPSHOT ("<memory snapshot='internal' disk='vda'/>", DISKS ("internal", "external")), 0 },
  { "memory-disk-some", "M6, memory in a disk", RUNNING,
    SNAPSHOT ("<memory snapshot='internal' disk='vda'/>", DISKS ("internal", "no")), 0 },
  { "memory-side-car-no-metadata", "14", RUNNING,
    SNAPSHOT (MEMORY_INT, DISKS ("external", "external")), QS_CREATE_NO_METADATA },
  { "memory-side-car-attached", "14", ATTACHED,
    SNAPSHOT (MEMORY_INT, DISKS ("external", "external")), 0 },
  { "disks-internal", "18, 22", RUNNING, SNAPSHOT ("", DISKS ("internal", "internal")),
    QS_CREATE_DISK_ONLY },
  { "disks-mixed", "25, M1", RUNNING, SNAPSHOT ("", DISKS ("internal", "external")),
    QS_CREATE_DISK_ONLY },
  { "disks-halt", "12", RUNNING, SNAPSHOT ("", ""), QS_CREATE_DISK_ONLY | QS_CREATE_HALT },
  { "stream", "31, 34", RUNNING, SNAPSHOT (MEMORY_EXT, ""), 0 },
  { "stream-no-disk", "32", RUNNING, SNAPSHOT (MEMORY_EXT, DISKS ("no", "no")), 0 },
  { "stream-internal", "33", RUNNING, SNAPSHOT (MEMORY_EXT, DISKS ("internal", "internal")), 0 },
  { "stream-mixed", "M3", RUNNING, SNAPSHOT (MEMORY_EXT, DISKS ("internal", "external")), 0 },
  { "stream-some", "M7", RUNNING, SNAPSHOT (MEMORY_EXT, DISKS ("external", "no")), 0 },
  { "stream-live", "34", RUNNING, SNAPSHOT (MEMORY_EXT, ""), QS_CREATE_LIVE },
  { "stream-live-no-disk", "32", RUNNING, SNAPSHOT (MEMORY_EXT, DISKS ("no", "no")),
    QS_CREATE_LIVE },
  { "stream-halt", "34", RUNNING, SNAPSHOT (MEMORY_EXT, ""), QS_CREATE_HALT },
  { "stream-halt-live", "34", RUNNING, SNAPSHOT (MEMORY_EXT, ""), QS_CREATE_HALT | QS_CREATE_LIVE },
  { "stream-paused", "31, 34", PAUSED, SNAPSHOT (MEMORY_EXT, ""), 0 },
  { "stream-paused-live", "31, 34", PAUSED, SNAPSHOT (MEMORY_EXT, ""), QS_CREATE_LIVE },
  { "stream-attached", "34", ATTACHED, SNAPSHOT (MEMORY_EXT, ""), 0 },
  { "stream-replacing", "32", RUNNING, SNAPSHOT (MEMORY_EXT, DISKS ("no", "no")),
    QS_CREATE_REUSE_EXT, QS_TARGET_REGULAR },
  { "stream-lent", "M7, into the caller's own overlay", RUNNING, SNAPSHOT (MEMORY_EXT, LENT), 0 },
  { "stream-paused-replacing", "32", PAUSED, SNAPSHOT (MEMORY_EXT, DISKS ("no", "no")),
    QS_CREATE_REUSE_EXT, QS_TARGET_EMPTY },
};

static QsDomain *
make_domain (State state)
{
  QsDomain *domain = fixture_running_domain (2);

  if (state == PAUSED)
    domain->state = QS_DOMAIN_PAUSED;
  return state == ATTACHED ? fixture_attached (domain, TRUE) : domain;
}

static void
find_target (QsTarget *target, QsTargetType type)
{
  if (g_str_equal (target->path, "/images/own"))
    target->type = QS_TARGET_REGULAR;
  if (!g_str_has_prefix (target->path, "/memory/") && !g_str_has_suffix (target->path, ".vmstate"))
    return;
  target->type = type;
  target->dev = type == QS_TARGET_ABSENT ? 0 : 2050;
  target->ino = type == QS_TARGET_ABSENT ? 0 : 9000;
}

static void
fill_up (QsFacts *facts)
{
  for (guint i = 0; i < facts->targets->len; i++)
    ((QsTarget *)g_ptr_array_index (facts->targets, i))->free_bytes = (guint64)400 * 1024;
}

static QsPlan *
make_plan (const Case *test, GError **error)
{
  g_autoptr (QsDomain) domain = make_domain (test->state);
  g_autoptr (QsRequest) request = fixture_create (test->xml, test->flags);
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, error);

  for (guint i = 0; facts != NULL && i < facts->targets->len; i++)
    find_target (g_ptr_array_index (facts->targets, i), test->found);
  for (guint i = 0; facts != NULL && i < facts->reused->len; i++)
    ((QsDiskFacts *)g_ptr_array_index (facts->reused, i))->has_data = test->has_data;
  if (facts != NULL && test->full)
    fill_up (facts);
  return facts == NULL ? NULL
                       : qs_operation_get (request->verb)->plan (domain, request, facts, error);
}

static void
test_plan (gconstpointer data)
{
  const Case *test = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = make_plan (test, &error);

  g_assert_no_error (error);
  plan_golden_check (test->name, plan);
  fake_world_exercise (plan);
}

typedef struct
{
  const char *name;
  State state;
  const char *xml;
  guint flags;
  QsError code;
  const char *why;
  QsTargetType found;
  gboolean has_data; /* the overlay of the caller */
  gboolean full;     /* the file system of the images */
} Refusal;

static const Refusal refusals[] = {
  { "live-internal", RUNNING, SNAPSHOT (MEMORY_INT, ""), QS_CREATE_LIVE,
    QS_ERROR_OPERATION_UNSUPPORTED, "external" },
  { "live-disk-only", RUNNING, SNAPSHOT ("", ""), QS_CREATE_LIVE | QS_CREATE_DISK_ONLY,
    QS_ERROR_OPERATION_UNSUPPORTED, "external" },
  { "disk-not-internal", RUNNING,
    SNAPSHOT ("<memory snapshot='internal' disk='vdb'/>", DISKS ("internal", "external")), 0,
    QS_ERROR_CONFIG_UNSUPPORTED, "‘vdb’" },
  { "disk-unknown", RUNNING, SNAPSHOT ("<memory snapshot='internal' disk='vdz'/>", ""), 0,
    QS_ERROR_CONFIG_UNSUPPORTED, "‘vdz’" },
  { "file-of-a-disk", RUNNING,
    SNAPSHOT ("<memory snapshot='external' file='/images/vda.qcow2'/>", ""), 0,
    QS_ERROR_CONFIG_UNSUPPORTED, "‘vda’" },
  { "file-of-an-overlay", RUNNING,
    SNAPSHOT ("<memory snapshot='external' file='/images/vda.s1'/>", ""), 0,
    QS_ERROR_CONFIG_UNSUPPORTED, "‘vda’" },
  { "file-there", RUNNING, SNAPSHOT (MEMORY_EXT, ""), 0, QS_ERROR_CONFIG_UNSUPPORTED,
    "not overwritten", QS_TARGET_REGULAR },
  { "file-there-empty", RUNNING, SNAPSHOT (MEMORY_EXT, ""), 0, QS_ERROR_CONFIG_UNSUPPORTED,
    "not overwritten", QS_TARGET_EMPTY },
  { "file-other", RUNNING, SNAPSHOT (MEMORY_EXT, DISKS ("no", "no")), QS_CREATE_REUSE_EXT,
    QS_ERROR_CONFIG_UNSUPPORTED, "not overwritten", QS_TARGET_OTHER },
  { "side-car-there", RUNNING, SNAPSHOT ("", DISKS ("no", "no")), QS_CREATE_REUSE_EXT,
    QS_ERROR_CONFIG_UNSUPPORTED, "not overwritten", QS_TARGET_REGULAR },
  { "stream-lent-data", RUNNING, SNAPSHOT (MEMORY_EXT, LENT), 0, QS_ERROR_CONFIG_UNSUPPORTED,
    "DISK_ONLY", QS_TARGET_ABSENT, TRUE },
  { "side-car-lent-data", RUNNING, SNAPSHOT (MEMORY_INT, LENT), 0, QS_ERROR_CONFIG_UNSUPPORTED,
    "DISK_ONLY", QS_TARGET_ABSENT, TRUE },
  { "stream-live-lent-data", RUNNING, SNAPSHOT (MEMORY_EXT, LENT), QS_CREATE_LIVE,
    QS_ERROR_CONFIG_UNSUPPORTED, "‘vdb’", QS_TARGET_ABSENT, TRUE },
  { "savevm-full", RUNNING, SNAPSHOT ("", ""), 0, QS_ERROR_NO_SPACE, "‘/images/vda.qcow2’",
    QS_TARGET_ABSENT, FALSE, TRUE },
  { "disk-full", RUNNING,
    SNAPSHOT ("<memory snapshot='internal' disk='vdb'/>", DISKS ("no", "internal")), 0,
    QS_ERROR_NO_SPACE, "‘/images/vdb.qcow2’", QS_TARGET_ABSENT, FALSE, TRUE },
};

static void
test_refusal (gconstpointer data)
{
  const Refusal *test = data;
  const Case wanted = { .state = test->state,
                        .xml = test->xml,
                        .flags = test->flags,
                        .found = test->found,
                        .has_data = test->has_data,
                        .full = test->full };
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = make_plan (&wanted, &error);

  g_assert_null (plan);
  g_assert_error (error, QS_ERROR, (int)test->code);
  g_assert_nonnull (strstr (error->message, test->why));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-memory/plan/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_plan);
    }
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-memory/refusal/", refusals[i].name, NULL);

      g_test_add_data_func (path, &refusals[i], test_refusal);
    }
  return g_test_run ();
}
