/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "load-bed.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

const LoadKind load_side_car = { "snapd-m", "['snapd-m']", "" };
const LoadKind load_in_disk = { "snapd-vda", "['snapd-vda', 'snapd-vdb', 'snapd-vdc', 'snapd-vdd']",
                                "vda vdb vdc vdd" };
const LoadKind load_with_disks = {
  "snapd-m", "['snapd-m', 'snapd-vda', 'snapd-vdb', 'snapd-vdc', 'snapd-vdd']", "vda vdb vdc vdd"
};

/* the last whole line of the guest's */
static guint
read_counter (const LoadBed *bed, guint *errors)
{
  g_autofree char *path = real_domain_path (bed->domain, "serial");
  g_autofree char *text = NULL;
  const char *line;
  guint n = 0;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  *strrchr (text, '\n') = '\0';
  line = g_strrstr (text, "n=");
  g_assert_cmpint (sscanf (line, "n=%X e=%X", &n, errors), ==, 2);
  return n;
}

static guint
count_boots (const LoadBed *bed)
{
  g_autofree char *path = real_domain_path (bed->domain, "serial");
  g_autofree char *text = NULL;
  g_auto (GStrv) parts = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  parts = g_strsplit (text, "boot=", -1);
  return g_strv_length (parts) - 1;
}

static void
add_memory_node (const LoadBed *bed)
{
  g_autofree char *path = real_domain_path (bed->domain, "memory.qcow2");
  g_autofree char *node = g_strdup_printf ("{'driver': <'qcow2'>, 'node-name': <'snapd-m'>,"
                                           " 'file': <{'driver': <'file'>, 'filename': <'%s'>}>}",
                                           path);
  const char *const create[] = { "qemu-img", "create", "-q", "-f", "qcow2", path, "1M", NULL };

  real_run (create);
  real_qemu_do (bed->domain->qemu, "blockdev-add", node);
}

char *
load_bed_arguments (const LoadBed *bed, const char *job)
{
  return g_strdup_printf ("{'job-id': <'%s'>, 'tag': <'t'>, 'vmstate': <'%s'>, 'devices': <%s>}",
                          job, bed->kind->memory, bed->kind->devices);
}

static void
save (const LoadBed *bed)
{
  g_autofree char *arguments = load_bed_arguments (bed, "save");
  g_autoptr (GError) error = NULL;

  real_qemu_do (bed->domain->qemu, "snapshot-save", arguments);
  qs_qmp_finish_job (bed->domain->qemu->control, "save", 30, &error);
  g_assert_no_error (error);
}

/* the guest has counted, was saved, has counted on */
void
load_bed_open (LoadBed *bed, const LoadKind *kind)
{
  const RealQemuOptions options = { .guest = g_getenv ("SNAPSHOTD_COUNTER") };
  guint errors;

  g_assert_nonnull (options.guest);
  bed->kind = kind;
  bed->domain = real_domain_new (&options);
  bed->domain->engine.launcher =
      qs_launcher_new (bed->domain->engine.workers, FALSE, bed->domain->qemu->folder);
  add_memory_node (bed);
  real_qemu_do (bed->domain->qemu, "cont", "@a{sv} {}");
  real_qemu_wait_counter (bed->domain->qemu, 2);
  real_qemu_write (bed->domain->qemu, "vdb", "write -q -P 1 1M 64k");
  save (bed);
  bed->saved = read_counter (bed, &errors);
  real_qemu_write (bed->domain->qemu, "vdb", "write -q -P 2 1M 64k");
  real_qemu_write (bed->domain->qemu, "vdb", "flush");
  real_qemu_wait_counter (bed->domain->qemu, 6);
}

void
load_bed_clear (LoadBed *bed)
{
  qs_launcher_free (bed->domain->engine.launcher);
  g_clear_pointer (&bed->domain, real_domain_free);
}
static char *
disk_text (const LoadBed *bed, const char *target)
{
  g_autofree char *name = g_strconcat (target, ".qcow2", NULL);
  g_autofree char *path = real_domain_path (bed->domain, name);
  GStatBuf info;

  g_assert_no_errno (g_stat (path, &info));
  return g_strdup_printf ("'target': <'%s'>, 'path': <'%s'>, 'format': <'qcow2'>,"
                          " 'dev': <uint64 %" G_GUINT64_FORMAT
                          ">, 'ino': <uint64 %" G_GUINT64_FORMAT ">",
                          target, path, (guint64)info.st_dev, (guint64)info.st_ino);
}

static char *
load_text (const LoadBed *bed, const char *tag, char **targets)
{
  GString *text = g_string_new (NULL);

  g_string_printf (text,
                   "{'job': <'" LOAD_JOB "'>, 'tag': <'%s'>, 'vmstate': <'%s'>, 'devices': <%s>,"
                   " 'disks': <@aa{sv} [",
                   tag, bed->kind->memory, bed->kind->devices);
  for (guint i = 0; targets[i] != NULL; i++)
    {
      g_autofree char *disk = disk_text (bed, targets[i]);

      g_string_append_printf (text, "%s{%s, 'node': <'snapd-%s'>}", i > 0 ? ", " : "", disk,
                              targets[i]);
    }
  g_string_append (text, "]>}");
  return g_string_free (text, FALSE);
}

/* 0: stop; LOAD_STEP; then whatever is left to do where QEMU does not live to do it; the last lets go on */
QsPlan *
load_bed_plan (const LoadBed *bed, const char *tag)
{
  g_auto (GStrv) targets = g_strsplit (bed->kind->disks, " ", -1);
  QsPlan *plan = qs_plan_new ();
  g_autofree char *load = NULL;

  load = load_text (bed, tag, targets);
  real_plan_add (plan, QS_STEP_STOP, QS_PHASE_PREPARE, "@a{sv} {}");
  real_plan_add (plan, QS_STEP_SNAPSHOT_LOAD, QS_PHASE_COMMIT, load);
  for (guint i = 0; targets[i] != NULL; i++)
    {
      g_autofree char *disk = disk_text (bed, targets[i]);
      g_autofree char *apply = g_strdup_printf ("{%s, 'tag': <'t'>, 'load': <uint32 1>}", disk);

      real_plan_add (plan, QS_STEP_IMAGE_SNAPSHOT_APPLY, QS_PHASE_FINISH, apply);
    }
  real_plan_add (plan, QS_STEP_CONT, QS_PHASE_FINISH, "{'stop': <uint32 0>}");
  return plan;
}

QsDomainState
load_bed_state (const LoadBed *bed)
{
  g_autoptr (QsGuest) guest = qs_registry_get_guest (bed->domain->engine.registry, "1");
  QsDomainState state = QS_DOMAIN_SHUTOFF;

  if (guest != NULL)
    qs_guest_query_state (guest, &state, NULL, NULL);
  return state;
}

gboolean
load_bed_disk_has (const LoadBed *bed, guint pattern)
{
  g_autofree char *path = real_domain_path (bed->domain, "vdb.qcow2");
  g_autofree char *command = g_strdup_printf ("read -P %u 1M 64k", pattern);

  return real_image_reads (path, command);
}

void
load_bed_assert_no_jobs (const LoadBed *bed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) jobs =
      qs_qmp_execute (bed->domain->qemu->control, "query-jobs", NULL, 10, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (json_array_get_length (json_node_get_array (jobs)), ==, 0);
}

const char *
load_bed_lost (GPtrArray *results)
{
  GVariant *result = g_ptr_array_index (results, LOAD_STEP);
  const char *why = NULL;

  if (result != NULL)
    g_variant_lookup (result, "memory-lost", "&s", &why);
  return why;
}

/* the memory is that of the snapshot, and so are the disks if they were asked for; the guest runs */
void
load_bed_assert_loaded (const LoadBed *bed)
{
  gboolean disks = *bed->kind->disks != '\0';
  guint errors = 0;
  guint n = 0;

  g_assert_cmpint (load_bed_state (bed), ==, QS_DOMAIN_RUNNING);
  load_bed_assert_no_jobs (bed);
  g_assert_true (load_bed_disk_has (bed, disks ? 1 : 2));
  for (guint i = 0; i < 200 && (n == 0 || n > bed->saved + 4); i++)
    {
      g_usleep (G_USEC_PER_SEC / 20);
      n = read_counter (bed, &errors);
    }
  g_assert_cmpuint (n, <=, bed->saved + 4);
  g_assert_cmpuint (count_boots (bed), ==, 1);
  /* memory alone does not belong to the disks, which it may not notice */
  g_assert_true (errors == 0 || !disks);
}

/* as if nobody had asked for anything */
void
load_bed_assert_untouched (const LoadBed *bed)
{
  guint errors = 0;

  g_assert_cmpint (load_bed_state (bed), ==, QS_DOMAIN_RUNNING);
  load_bed_assert_no_jobs (bed);
  g_assert_true (load_bed_disk_has (bed, 2));
  real_qemu_wait_counter (bed->domain->qemu, 3);
  g_assert_cmpuint (read_counter (bed, &errors), >, bed->saved + 4);
}

/* the clusters in which a stream of memory begins */
void
load_bed_damage (const LoadBed *bed)
{
  g_autofree char *path = real_domain_path (bed->domain, "memory.qcow2");
  g_autofree char *junk = g_malloc0 (65536);
  char magic[4];
  int fd = g_open (path, O_RDWR | O_CLOEXEC);
  guint n = 0;

  for (off_t at = 0; pread (fd, magic, 4, at) == 4; at += 65536)
    if (memcmp (magic, "QEVM", 4) == 0)
      {
        g_assert_cmpint (pwrite (fd, junk, 65536, at), ==, 65536);
        n++;
      }
  g_assert_cmpuint (n, >, 0);
  g_assert_no_errno (close (fd));
}

void
load_bed_attach (const LoadBed *bed)
{
  QsRegistry *registry = bed->domain->engine.registry;
  g_autoptr (QsDomain) now = qs_registry_get (registry, "1");
  QsDomain *attached = qs_domain_copy (now);

  attached->attachment = qs_attachment_new ("/socket", "", FALSE, FALSE);
  qs_registry_put (registry, attached);
  qs_domain_unref (attached);
}
