/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-fixture.h"
#include "plan-golden.h"
#include "qs-change.h"
#include "qs-error.h"
#include "qs-flags.h"

#include <string.h>

/* copies of firmware variables: golden plans, and what is in the way of one */

#define SNAPSHOT(disks) "<domainsnapshot><name>s1</name><disks>" disks "</disks></domainsnapshot>"
#define VDA(choice) SNAPSHOT ("<disk name='vda' snapshot='" choice "'/>")
#define VARIABLES "/images/demo_VARS.fd"
#define COPY "/images/demo_VARS.s1"

typedef enum
{
  OFF,
  ON,
  ATTACHED,
} State;

static char *
add_firmware (const QsDomainDef *def, const char *path, const char *format)
{
  g_autofree char *before = qs_domain_def_format (def, TRUE);
  g_auto (GStrv) halves = g_strsplit (before, "</os>", 2);

  return g_strdup_printf ("%s<loader type='pflash' readonly='yes'>/firmware/code.fd</loader>"
                          "<nvram format='%s'>%s</nvram></os>%s",
                          halves[0], format, path, halves[1]);
}

static QsDomain *
make_domain (State state, const char *path, const char *format)
{
  g_autoptr (QsDomain) plain = state == OFF ? fixture_domain (1) : fixture_running_domain (1);
  g_autofree char *xml = add_firmware (plain->def, path, format);
  g_autoptr (GVariant) changes = NULL;
  g_autoptr (GError) error = NULL;
  QsDomain *domain;
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_PUT, "definition", "s", xml, "owner", "u", (guint32)1000,
                  "name", "s", "demo", "uuid", "s", FIXTURE_UUID, NULL);
  if (state != OFF)
    qs_changes_add (&list, QS_CHANGE_LIVE_DEF, "definition", "s", xml, NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  domain = qs_domain_apply (plain, changes, &error);
  g_assert_no_error (error);
  return state == ATTACHED ? fixture_attached (domain, TRUE) : domain;
}

static QsDiskFacts *
make_variables (const char *path, const char *format)
{
  QsDiskFacts *variables = g_new0 (QsDiskFacts, 1);
  QsImage *image = qs_image_new ();

  image->path = g_strdup (path);
  image->format = g_strdup (format);
  image->dev = 2049;
  image->ino = 7777;
  image->size = image->virtual_size = 128 * 1024;
  image->mode = 0640;
  image->uid = 1000;
  image->gid = 36;
  variables->target = g_strdup (QS_NVRAM_TARGET);
  variables->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  g_ptr_array_add (variables->chain, image);
  return variables;
}

static void
add_chip (QsFacts *facts, const char *node_name, const char *path, const char *format)
{
  QsNode *chip = g_new0 (QsNode, 1);

  chip->target = g_strdup (QS_NVRAM_TARGET);
  chip->node_name = g_strdup (node_name);
  chip->path = g_strdup (path);
  chip->format = g_strdup (format);
  chip->virtual_size = 128 * 1024;
  g_ptr_array_add (facts->flash, chip);
}

static void
add_command (QsFacts *facts, const char *command)
{
  g_autoptr (GStrvBuilder) commands = g_strv_builder_new ();

  g_strv_builder_addv (commands, (const char **)facts->commands);
  g_strv_builder_add (commands, command);
  g_strfreev (facts->commands);
  facts->commands = g_strv_builder_end (commands);
}

static QsFacts *
make_facts (const QsDomain *domain, const QsRequest *request, GError **error)
{
  const QsDomainDef *def = qs_domain_get_def (domain);
  QsFacts *facts = fixture_facts (domain, request, error);

  if (facts == NULL)
    return NULL;
  facts->firmware = make_variables (def->nvram, def->nvram_format);
  if (!qs_domain_is_active (domain))
    return facts;
  add_chip (facts, "snapd-pflash1", def->nvram, def->nvram_format);
  add_command (facts, "blockdev-backup");
  add_command (facts, "snapshot-save");
  add_command (facts, "snapshot-delete");
  return facts;
}

typedef struct
{
  const char *name;
  State state;
  const char *format;
  const char *xml;
  guint flags;
} Case;

static const Case cases[] = {
  { "firmware-off-internal", OFF, "raw", VDA ("internal"), 0 },
  { "firmware-off-external", OFF, "qcow2", VDA ("external"), 0 },
  { "firmware-on-external", ON, "raw", VDA ("external"), QS_CREATE_DISK_ONLY },
  { "firmware-on-internal", ON, "qcow2", VDA ("internal"), QS_CREATE_DISK_ONLY },
  { "firmware-on-halt", ON, "raw", VDA ("external"), QS_CREATE_DISK_ONLY | QS_CREATE_HALT },
  { "firmware-on-no-metadata", ON, "raw", VDA ("external"),
    QS_CREATE_DISK_ONLY | QS_CREATE_NO_METADATA },
  { "firmware-attached", ATTACHED, "raw", VDA ("external"), QS_CREATE_DISK_ONLY },
  { "firmware-memory", ON, "raw", VDA ("internal"), 0 },
};

static QsPlan *
make_plan (const Case *test, GError **error)
{
  g_autoptr (QsDomain) domain = make_domain (test->state, VARIABLES, test->format);
  g_autoptr (QsRequest) request = fixture_create (test->xml, test->flags);
  g_autoptr (QsFacts) facts = make_facts (domain, request, error);

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

static void
take_backup_away (QsFacts *facts)
{
  facts->commands[g_strv_length (facts->commands) - 3][0] = 'X';
}

static void
take_chip_away (QsFacts *facts)
{
  g_ptr_array_set_size (facts->flash, 0);
}

static void
add_strange_chips (QsFacts *facts)
{
  take_chip_away (facts);
  add_chip (facts, "a", "/x", "raw");
  add_chip (facts, "b", "/y", "raw");
}

static void
take_file_away (QsFacts *facts)
{
  g_clear_pointer (&facts->firmware, qs_disk_facts_free);
}

/* what leaves the variables out, plainly */
static const struct
{
  const char *name;
  State state;
  void (*change) (QsFacts *facts);
  const char *note;
} notes[] = {
  { "no-backup", ON, take_backup_away, "cannot copy them" },
  { "no-chip", ON, take_chip_away, "no flash chip" },
  { "strange-chips", ON, add_strange_chips, "no flash chip" },
  { "not-there", OFF, take_file_away, "yet" },
};

static void
test_left_out (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (notes); i++)
    {
      g_autoptr (QsDomain) domain = make_domain (notes[i].state, VARIABLES, "raw");
      g_autoptr (QsRequest) request =
          fixture_create (VDA ("external"), notes[i].state == ON ? QS_CREATE_DISK_ONLY : 0);
      g_autoptr (GError) error = NULL;
      g_autoptr (QsFacts) facts = make_facts (domain, request, &error);
      g_autoptr (QsPlan) plan = NULL;
      g_autofree char *text = NULL;

      notes[i].change (facts);
      plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
      g_assert_no_error (error);
      text = qs_plan_describe (plan);
      g_test_message ("%s: %s", notes[i].name, text);
      g_assert_nonnull (strstr (text, notes[i].note));
      g_assert_null (strstr (text, COPY));
    }
}

static void
put_target (QsFacts *facts)
{
  for (guint i = 0; i < facts->targets->len; i++)
    {
      QsTarget *target = g_ptr_array_index (facts->targets, i);

      if (g_str_equal (target->path, COPY))
        target->type = QS_TARGET_OTHER;
    }
}

static void
use_file (QsFacts *facts)
{
  ((QsImage *)g_ptr_array_index (facts->firmware->chain, 0))->in_use = TRUE;
}

static void
grow_file (QsFacts *facts)
{
  ((QsImage *)g_ptr_array_index (facts->firmware->chain, 0))->size = 65 * 1024 * 1024;
}

static void
close_file (QsFacts *facts)
{
  QsImage *active =
      g_ptr_array_index (((QsDiskFacts *)g_ptr_array_index (facts->disks, 0))->chain, 0);

  facts->open_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  g_ptr_array_add (facts->open_files,
                   qs_open_file_new (active->path, active->dev, active->ino, TRUE));
}

static void
rename_file (QsFacts *facts)
{
  QsNode *chip = g_ptr_array_index (facts->flash, 0);

  g_free (chip->path);
  chip->path = g_strdup ("/elsewhere/vars.fd");
}

static const struct
{
  const char *name;
  State state;
  const char *path;
  void (*change) (QsFacts *facts);
  QsError code;
  const char *text;
} refusals[] = {
  { "in the way", OFF, VARIABLES, put_target, QS_ERROR_CONFIG_UNSUPPORTED, "‘" COPY "’" },
  { "in use", OFF, VARIABLES, use_file, QS_ERROR_OPERATION_INVALID, "in use" },
  { "large", OFF, VARIABLES, grow_file, QS_ERROR_LIMIT_EXCEEDED, "larger" },
  { "moved", ON, VARIABLES, take_file_away, QS_ERROR_OPERATION_INVALID, "moved" },
  { "replaced", ON, VARIABLES, close_file, QS_ERROR_OPERATION_INVALID, "replaced" },
  { "another", ON, VARIABLES, rename_file, QS_ERROR_OPERATION_INVALID, "another one" },
  { "device", OFF, "/dev/vg/vars", NULL, QS_ERROR_CONFIG_UNSUPPORTED, "/dev/vg/vars" },
  { "the disk's name", OFF, "/images/vda.fd", NULL, QS_ERROR_CONFIG_UNSUPPORTED, "disk ‘vda’" },
};

static void
test_refused (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autoptr (QsDomain) domain = make_domain (refusals[i].state, refusals[i].path, "raw");
      g_autoptr (QsRequest) request =
          fixture_create (VDA ("external"), refusals[i].state == ON ? QS_CREATE_DISK_ONLY : 0);
      g_autoptr (GError) error = NULL;
      g_autoptr (QsFacts) facts = make_facts (domain, request, &error);
      g_autoptr (QsPlan) plan = NULL;

      g_test_message ("%s", refusals[i].name);
      if (facts != NULL && refusals[i].change != NULL)
        refusals[i].change (facts);
      if (facts != NULL)
        plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
      g_assert_null (plan);
      g_assert_error (error, QS_ERROR, (gint)refusals[i].code);
      g_assert_nonnull (strstr (error->message, refusals[i].text));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-firmware/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_plan);
    }
  g_test_add_func ("/planners-firmware/left-out", test_left_out);
  g_test_add_func ("/planners-firmware/refused", test_refused);
  return g_test_run ();
}
