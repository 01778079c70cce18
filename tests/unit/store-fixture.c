/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "store-fixture.h"

#include <gio/gio.h>
#include <glib/gstdio.h>

void
store_reopen (StoreFixture *fixture)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&fixture->store, qs_store_free);
  fixture->store = qs_store_open (fixture->folder, &error);
  g_assert_no_error (error);
}

void
store_fixture_open (StoreFixture *fixture)
{
  g_autoptr (GError) error = NULL;

  fixture->folder = g_dir_make_tmp ("qs-store-XXXXXX", &error);
  g_assert_no_error (error);
  store_reopen (fixture);
}

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);

  for (const char *name; dir != NULL && (name = g_dir_read_name (dir)) != NULL;)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR))
        remove_folder (child);
      else
        g_assert_cmpint (g_unlink (child), ==, 0);
    }
  g_assert_cmpint (g_rmdir (path), ==, 0);
}

void
store_fixture_clear (StoreFixture *fixture)
{
  g_clear_pointer (&fixture->store, qs_store_free);
  if (fixture->folder != NULL)
    remove_folder (fixture->folder);
  g_clear_pointer (&fixture->folder, g_free);
}

char *
store_path (const StoreFixture *fixture, const char *name)
{
  return g_build_filename (fixture->folder, name, NULL);
}

char *
make_definition (const char *name, const char *uuid)
{
  return g_strdup_printf (
      "<domain type='qemu'><name>%s</name><uuid>%s</uuid><memory unit='MiB'>64</memory>"
      "<vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os><devices>"
      "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
      "<source file='/images/vda.qcow2'/><target dev='vda' bus='virtio'/></disk>"
      "<disk type='file' device='disk'><source file='/images/vdb.raw'/>"
      "<target dev='vdb' bus='virtio'/></disk></devices></domain>",
      name, uuid);
}

GVariant *
make_domain_put (const char *name, const char *uuid, guint32 owner)
{
  g_autofree char *definition = make_definition (name, uuid);
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_PUT, "definition", "s", definition, "owner", "u", owner,
                  "name", "s", name, "uuid", "s", uuid, NULL);
  return qs_changes_end (&list);
}

void
add_snapshot (QsChangeList *list, const char *uuid, const char *name, const char *parent)
{
  g_autofree char *document =
      g_strdup_printf ("<domainsnapshot><name>%s</name></domainsnapshot>", name);

  qs_changes_add (list, QS_CHANGE_SNAPSHOT_PUT, "uuid", "s", uuid, "name", "s", name, "parent", "s",
                  parent, "description", "s", "", "state", "s", "shutoff", "kind", "s", "external",
                  "memory", "s", "no", "origin", "s", "user", "created", "x",
                  (gint64)1700000000000000, "document", "s", document, NULL);
}

void
apply_now (QsStore *store, const char *domain, GVariant *changes)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (changes);
  g_autoptr (GError) error = NULL;

  qs_store_apply (store, domain, sunk, &error);
  g_assert_no_error (error);
}

static void
describe_def (GString *text, const char *key, const QsDomainDef *def)
{
  g_autofree char *xml = def != NULL ? qs_domain_def_format (def, TRUE) : NULL;

  g_string_append_printf (text, "%s: %s\n", key, xml);
}

static void
describe_tree (GString *text, const QsTree *tree)
{
  g_autoptr (GPtrArray) snapshots = qs_tree_list (tree, "", 0);
  const QsSnapshot *current = qs_tree_get_current (tree);

  g_string_append_printf (text, "current: %s\n", current != NULL ? current->uuid : "none");
  for (guint i = 0; i < snapshots->len; i++)
    {
      const QsSnapshot *snapshot = g_ptr_array_index (snapshots, i);

      g_string_append_printf (text,
                              "snapshot: %s ‘%s’ below ‘%s’ ‘%s’ %" G_GINT64_FORMAT
                              " rev %" G_GUINT64_FORMAT " %s %s %s %s %d %d, %u children\n",
                              snapshot->uuid, snapshot->name, snapshot->parent,
                              snapshot->description, snapshot->created, snapshot->rev,
                              qs_enum_to_string (QS_ENUM_SNAPSHOT_STATE, snapshot->state),
                              qs_enum_to_string (QS_ENUM_KIND, snapshot->kind),
                              qs_enum_to_string (QS_ENUM_LOCATION, snapshot->memory),
                              qs_enum_to_string (QS_ENUM_ORIGIN, snapshot->origin),
                              snapshot->unverified, snapshot->has_tip,
                              qs_tree_n_children (tree, snapshot->uuid));
      if (snapshot->freeze_time > 0 || snapshot->quiesced)
        g_string_append_printf (text, "frozen: %" G_GUINT64_FORMAT " ms, quiesced %d\n",
                                snapshot->freeze_time, snapshot->quiesced);
    }
}

static int
compare_targets (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 ((*(QsActive *const *)a)->target, (*(QsActive *const *)b)->target);
}

static void
describe_actives (GString *text, const QsDomain *domain)
{
  g_autoptr (GPtrArray) actives = g_ptr_array_copy (domain->actives, NULL, NULL);

  g_ptr_array_set_free_func (actives, NULL);
  g_ptr_array_sort (actives, compare_targets);
  for (guint i = 0; i < actives->len; i++)
    {
      const QsActive *active = g_ptr_array_index (actives, i);

      g_string_append_printf (text, "active: %s %s %s %s\n", active->target, active->path,
                              active->format, active->stem);
    }
}

static void
describe_mirrors (GString *text, const QsDomain *domain)
{
  for (guint i = 0; i < domain->mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i);

      g_string_append_printf (text, "mirror of %s: %s %s %s %s %s %s\n", mirror->target,
                              mirror->path, mirror->format, mirror->snapshot, mirror->job,
                              mirror->node, mirror->reason);
    }
}

char *
describe_domain (const QsDomain *domain)
{
  GString *text = g_string_new (NULL);
  const QsProcess *process = domain->process;

  g_string_append_printf (text, "%s ‘%s’ %s owner %u rev %" G_GUINT64_FORMAT " %s quarantine %s\n",
                          domain->id, domain->name, domain->uuid, domain->owner, domain->rev,
                          qs_enum_to_string (QS_ENUM_DOMAIN_STATE, domain->state),
                          domain->quarantine_reason);
  describe_def (text, "inactive", domain->def);
  describe_def (text, "live", domain->live_def);
  if (process != NULL)
    g_string_append_printf (
        text, "process: %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %s %s ‘%s’\n", process->pid,
        process->start_time, process->boot_id, process->socket, process->unit);
  if (domain->attachment != NULL)
    g_string_append_printf (text, "attachment: ‘%s’ ‘%s’ stable %d hindered %d follow %d\n",
                            domain->attachment->socket, domain->attachment->agent,
                            domain->attachment->stable_path, domain->attachment->hindered,
                            domain->attachment->follow);
  describe_actives (text, domain);
  describe_mirrors (text, domain);
  describe_tree (text, domain->tree);
  return g_string_free (text, FALSE);
}

static char *
join (GPtrArray *words)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < words->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? "," : "", (char *)g_ptr_array_index (words, i));
  return g_string_free (text, FALSE);
}

char *
describe_files (QsStore *store, const char *domain)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) files = qs_store_get_files (store, domain, &error);
  GString *text = g_string_new (NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (files, i);
      g_autofree char *state_of = join (file->state_of);
      g_autofree char *tags = join (file->tags);
      g_autofree char *tag_of = join (file->tag_of);
      g_autofree char *tip_of = join (file->tip_of);

      g_string_append_printf (
          text,
          "%s %s %s backing %s ours %d %" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT
          " %" G_GINT64_FORMAT " state of [%s] tags [%s] of [%s] active of %s mode %o",
          file->path, file->format, file->role, file->backing, file->ours, file->dev, file->ino,
          file->btime, state_of, tags, tag_of, file->active_of, file->mode);
      g_string_append_printf (text, *tip_of != '\0' ? " tip of [%s]\n" : "%s\n", tip_of);
    }
  return g_string_free (text, FALSE);
}

QsDomain *
load_domain (QsStore *store, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) domains = qs_store_load_domains (store, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < domains->len; i++)
    {
      QsDomain *domain = g_ptr_array_index (domains, i);

      if (g_str_equal (domain->id, id))
        return qs_domain_ref (domain);
    }
  return NULL;
}
