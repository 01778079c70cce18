/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "beside-fixture.h"

#include "qs-command-line.h"
#include "qs-migration.h"
#include "qs-process.h"
#include "worker-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#define ID "1"
#define PATIENCE 20

/* where the BIOS lays its tables, which differ after each boot in nothing that matters; and all that it
   has written below 1 MiB */
#define PICTURE_BYTES (1024 * 1024)

static void
make_definition_of (Beside *b)
{
  g_autofree char *xml = g_strdup_printf (
      "<domain type='qemu'><name>real</name><uuid>%s</uuid><memory unit='MiB'>32</memory>"
      "<vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os><devices>"
      "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
      "<source file='%s'/><target dev='vda' bus='virtio'/></disk></devices></domain>",
      REAL_UUID, b->base);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = qs_domain_def_new (xml, &error);
  g_autoptr (QsDomainDef) whole = NULL;

  g_assert_no_error (error);
  whole = qs_domain_def_assign_addresses (def, NULL, NULL, &error);
  g_assert_no_error (error);
  b->definition = qs_domain_def_format (whole, TRUE);
}

static GVariant *
spawn_arguments (Beside *b, const char *overlay, gboolean beside, gboolean incoming)
{
  GVariantDict dict;
  GVariant *chains =
      overlay != NULL
          ? g_variant_new_parsed ("[('vda', [(%s, 'qcow2'), (%s, 'qcow2')])]", overlay, b->base)
          : g_variant_new_parsed ("[('vda', [(%s, 'qcow2')])]", b->base);

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "s", ID);
  g_variant_dict_insert (&dict, "definition", "s", b->definition);
  g_variant_dict_insert_value (&dict, "chains", chains);
  if (beside)
    g_variant_dict_insert (&dict, "beside", "b", TRUE);
  if (incoming)
    g_variant_dict_insert (&dict, "incoming", "b", TRUE);
  return g_variant_dict_end (&dict);
}

static void
add_record (Beside *b, QsPlan *plan)
{
  QsChangeList changes;

  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_PROCESS, "step", "u", (guint)BESIDE_SPAWN, NULL);
  qs_changes_add (&changes, QS_CHANGE_LIVE_DEF, "definition", "s", b->definition, NULL);
  qs_changes_add (&changes, QS_CHANGE_DOMAIN_STATE, "state", "s", "paused", NULL);
  qs_plan_add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, "real",
               g_variant_new_parsed ("{'changes': <%@a(sa{sv})>}", qs_changes_end (&changes)));
}

static void
add_none (QsPlan *plan, QsStepKind kind, QsPhase phase)
{
  qs_plan_add (plan, kind, phase, "real", g_variant_new ("a{sv}", NULL));
}

static GVariant *
load_arguments (Beside *b, BesideDisk disk)
{
  struct stat info = { 0 };

  /* that it is not there is for the step to find out */
  (void)!stat (b->memory, &info);
  return g_variant_new_parsed ("{'spawn': <%u>, 'path': <%s>, 'dev': <%t>, 'ino': <%t>,"
                               " 'btime': <%x>, 'late': <%b>}",
                               (guint32)BESIDE_SPAWN, b->memory, (guint64)info.st_dev,
                               (guint64)info.st_ino, (gint64)0, disk == BESIDE_SHARED);
}

static GVariant *
image_arguments (Beside *b)
{
  struct stat info = { 0 };

  (void)!stat (b->image, &info);
  return g_variant_new_parsed (
      "{'spawn': <%u>, 'job': <'snapd-l'>, 'tag': <'t'>, 'vmstate': <'vms'>,"
      " 'devices': <['vms']>, 'disks': <@aa{sv} []>, 'file': <%s>,"
      " 'file-dev': <%t>, 'file-ino': <%t>}",
      (guint32)BESIDE_SPAWN, b->image, (guint64)info.st_dev, (guint64)info.st_ino);
}

static void
add_quit (Beside *b, QsPlan *plan)
{
  qs_plan_add (plan, QS_STEP_QUIT, QS_PHASE_FINISH, "real",
               g_variant_new_parsed ("{'pid': <%x>, 'start-time': <%t>, 'boot-id': <%s>,"
                                     " 'unit': <''>}",
                                     b->first->pid, b->first->start_time, b->first->boot_id));
}

static void
add_step (Beside *b, QsPlan *plan, BesideDisk disk, guint index)
{
  const char *overlay = disk == BESIDE_SHARED ? b->active : b->fresh;

  if (index == BESIDE_SPAWN)
    qs_plan_add (plan, QS_STEP_SPAWN, QS_PHASE_PREPARE, "real",
                 spawn_arguments (b, overlay, TRUE, disk != BESIDE_IMAGE));
  if (index == BESIDE_LOAD && disk == BESIDE_IMAGE)
    qs_plan_add (plan, QS_STEP_SNAPSHOT_LOAD, QS_PHASE_PREPARE, "real", image_arguments (b));
  if (index == BESIDE_LOAD && disk != BESIDE_IMAGE)
    qs_plan_add (plan, QS_STEP_MIGRATE_INCOMING, QS_PHASE_PREPARE, "real",
                 load_arguments (b, disk));
  if (index == BESIDE_STOP)
    add_none (plan, QS_STEP_STOP, QS_PHASE_PREPARE);
  if (index == BESIDE_RECORD)
    add_record (b, plan);
  if (index == BESIDE_QUIT)
    add_quit (b, plan);
  if (index == BESIDE_CONNECT)
    qs_plan_add (plan, QS_STEP_CONNECT, QS_PHASE_FINISH, "real",
                 g_variant_new_parsed ("{'spawn': <%u>}", (guint32)BESIDE_SPAWN));
  if (index == BESIDE_CONT)
    add_none (plan, QS_STEP_CONT, QS_PHASE_FINISH);
}

QsPlan *
beside_plan (Beside *b, BesideDisk disk, guint last)
{
  QsPlan *plan = qs_plan_new ();

  for (guint i = 0; i <= last; i++)
    add_step (b, plan, disk, i);
  return plan;
}

static QsDomain *
get_domain (const Beside *b)
{
  return qs_registry_get (b->domain->engine.registry, ID);
}

static QsGuest *
get_guest (const Beside *b)
{
  QsGuest *guest = qs_registry_get_guest (b->domain->engine.registry, ID);

  g_assert_nonnull (guest);
  return guest;
}

static void
must_do (const Beside *b, const char *command, GVariant *arguments)
{
  g_autoptr (QsGuest) guest = get_guest (b);
  g_autoptr (GError) error = NULL;

  qs_qmp_run (qs_guest_get_qmp (guest), command, arguments, PATIENCE, &error);
  g_assert_no_error (error);
}

static void
start_first (Beside *b)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (QsDomain) domain = NULL;
  g_autoptr (GError) error = NULL;

  qs_plan_add (plan, QS_STEP_SPAWN, QS_PHASE_PREPARE, "real",
               spawn_arguments (b, NULL, FALSE, FALSE));
  add_record (b, plan);
  add_none (plan, QS_STEP_CONT, QS_PHASE_FINISH);
  g_assert_cmpint (real_domain_run (b->domain, plan, NULL, &error), ==, QS_OUTCOME_DONE);
  g_assert_no_error (error);
  domain = get_domain (b);
  b->first = qs_process_copy (domain->process);
}

static void
take_picture (const Beside *b, const char *path)
{
  must_do (b, "pmemsave",
           g_variant_new_parsed ("{'val': <%t>, 'size': <%t>, 'filename': <%s>}", (guint64)0,
                                 (guint64)PICTURE_BYTES, path));
}

/* the guest stands still, goes over to an overlay, is saved, and goes on */
static void
save_memory (Beside *b)
{
  g_autoptr (QsGuest) guest = get_guest (b);
  g_auto (QsMigrationState) state = { 0 };
  g_autofree char *word = NULL;
  g_autoptr (GError) error = NULL;
  int fd = g_open (b->memory, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

  g_assert_cmpint (fd, >=, 0);
  must_do (b, "stop", NULL);
  must_do (b, "blockdev-snapshot-sync",
           g_variant_new_parsed ("{'node-name': <'snapd-vda'>, 'snapshot-file': <%s>,"
                                 " 'snapshot-node-name': <'over'>}",
                                 b->active));
  take_picture (b, b->picture);
  g_assert_true (qs_migration_start (guest, fd, &error));
  g_assert_no_error (error);
  close (fd);
  while (qs_migration_query (guest, &state, &error) && state.phase != QS_MIGRATION_COMPLETED)
    g_usleep (2000);
  g_assert_no_error (error);
  g_assert_true (qs_migration_settle (guest, &word, &error));
  must_do (b, "cont", NULL);
}

void
beside_save_image (Beside *b)
{
  g_autoptr (QsGuest) guest = get_guest (b);
  g_autoptr (GError) error = NULL;

  run_tool ("qemu-img", "create", "-q", "-f", "qcow2", b->image, "1M", NULL);
  must_do (b, "stop", NULL);
  take_picture (b, b->picture);
  must_do (b, "blockdev-add",
           g_variant_new_parsed ("{'driver': <'qcow2'>, 'node-name': <'vms'>,"
                                 " 'file': <{'driver': <'file'>, 'filename': <%s>}>}",
                                 b->image));
  qs_qmp_run_job (qs_guest_get_qmp (guest), "snapshot-save", "s",
                  g_variant_new_parsed ("{'job-id': <'s'>, 'tag': <'t'>, 'vmstate': <'vms'>,"
                                        " 'devices': <['vms']>}"),
                  PATIENCE, &error);
  g_assert_no_error (error);
  must_do (b, "blockdev-del", g_variant_new_parsed ("{'node-name': <'vms'>}"));
  must_do (b, "cont", NULL);
}

static void
make_overlay (const Beside *b, const char *path)
{
  run_tool ("qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", b->base, "-F", "qcow2", path,
            "64M", NULL);
}

void
beside_set_up (Beside *b, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  b->domain = real_domain_new (&(RealQemuOptions){ 0 });
  real_domain_kill_qemu (b->domain);
  b->runtime = g_dir_make_tmp ("beside-XXXXXX", &error);
  g_assert_no_error (error);
  b->base = real_domain_path (b->domain, "vda.qcow2");
  b->active = real_domain_path (b->domain, "active");
  b->fresh = real_domain_path (b->domain, "fresh");
  b->memory = real_domain_path (b->domain, "memory");
  b->image = real_domain_path (b->domain, "image");
  b->picture = real_domain_path (b->domain, "picture");
  make_definition_of (b);
  b->domain->engine.launcher = qs_launcher_new (b->domain->engine.workers, FALSE, b->runtime);
  b->domain->engine.errands = qs_errands_new (2);
  b->domain->engine.looks = qs_errands_new (1);
  start_first (b);
  save_memory (b);
  make_overlay (b, b->fresh);
}

static GPtrArray *
find_processes (const Beside *b)
{
  g_autofree char *text = g_strdup_printf ("path=%s/", b->runtime);

  return qs_process_find (getuid (), text);
}

void
beside_tear_down (Beside *b, gconstpointer data)
{
  g_autoptr (GPtrArray) left = find_processes (b);
  QsEngine *engine = &b->domain->engine;

  qs_registry_set_guest (engine->registry, ID, NULL);
  for (guint i = 0; i < left->len; i++)
    qs_launcher_kill (engine->launcher, g_ptr_array_index (left, i), NULL);
  qs_errands_close (engine->errands);
  qs_errands_close (engine->looks);
  run_tool ("rm", "-r", b->runtime, NULL);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  qs_errands_unref (engine->errands);
  qs_errands_unref (engine->looks);
  qs_launcher_free (engine->launcher);
  real_domain_free (b->domain);
  qs_process_free (b->first);
  g_free (b->runtime);
  g_free (b->definition);
  g_free (b->base);
  g_free (b->active);
  g_free (b->fresh);
  g_free (b->memory);
  g_free (b->image);
  g_free (b->picture);
}

void
beside_wait (Beside *b, gboolean (*condition) (Beside *b))
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE * G_USEC_PER_SEC;

  while (!condition (b))
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      if (!g_main_context_iteration (NULL, FALSE))
        g_usleep (2000);
    }
}

guint
beside_count (const Beside *b)
{
  g_autoptr (GPtrArray) found = find_processes (b);

  return found->len;
}

gboolean
beside_is_first (const Beside *b)
{
  g_autoptr (QsDomain) domain = get_domain (b);

  return qs_process_is_same (domain->process, b->first);
}

void
beside_assert_memory (Beside *b)
{
  g_autofree char *path = real_domain_path (b->domain, "now");
  g_autofree char *then = NULL;
  g_autofree char *now = NULL;
  gsize length = 0;

  take_picture (b, path);
  g_assert_true (g_file_get_contents (b->picture, &then, &length, NULL));
  g_assert_cmpuint (length, ==, PICTURE_BYTES);
  g_assert_true (g_file_get_contents (path, &now, NULL, NULL));
  g_assert_true (memcmp (then, now, length) == 0);
}

/* the domain's follows the guest's by the events */
void
beside_assert_state (Beside *b, QsDomainState state)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE * G_USEC_PER_SEC;
  g_autoptr (QsDomain) domain = get_domain (b);
  g_autoptr (QsGuest) guest = get_guest (b);
  g_autoptr (GError) error = NULL;
  QsDomainState found;

  qs_guest_query_state (guest, &found, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (found, ==, state);
  while (domain->state != state && g_get_monotonic_time () < deadline)
    {
      if (!g_main_context_iteration (NULL, FALSE))
        g_usleep (2000);
      qs_domain_unref (domain);
      domain = get_domain (b);
    }
  g_assert_cmpint (domain->state, ==, state);
  g_assert_true (domain->connected);
}

static void
assert_one_folder (const Beside *b, const char *socket)
{
  g_autoptr (GDir) folder = g_dir_open (b->runtime, 0, NULL);
  g_autofree char *own = g_path_get_dirname (socket);
  g_autofree char *name = g_path_get_basename (own);

  g_assert_cmpstr (g_dir_read_name (folder), ==, name);
  g_assert_null (g_dir_read_name (folder));
}

void
beside_assert_untouched (Beside *b)
{
  g_assert_true (beside_is_first (b));
  g_assert_cmpuint (beside_count (b), ==, 1);
  assert_one_folder (b, b->first->socket);
  beside_assert_state (b, QS_DOMAIN_RUNNING);
}

void
beside_assert_replaced (Beside *b)
{
  g_autoptr (QsDomain) domain = get_domain (b);
  g_autoptr (QsDomain) stored = load_domain (b->domain->store.store, ID);
  g_autoptr (QsGuest) guest = get_guest (b);

  g_assert_false (beside_is_first (b));
  g_assert_false (qs_process_is_alive (b->first));
  g_assert_true (qs_process_is_alive (domain->process));
  g_assert_true (qs_process_is_same (domain->process, qs_guest_get_process (guest)));
  g_assert_true (qs_process_is_same (domain->process, stored->process));
  g_assert_cmpuint (beside_count (b), ==, 1);
  assert_one_folder (b, domain->process->socket);
}
