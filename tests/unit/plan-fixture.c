/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "plan-fixture.h"

#include "qs-change.h"
#include "qs-error.h"

static char *
domain_xml (guint n_disks)
{
  g_autoptr (GString) xml = g_string_new ("<domain type='qemu'><name>demo</name><uuid>" FIXTURE_UUID
                                          "</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu><os>"
                                          "<type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>"
                                          "</os><devices>");

  for (guint i = 0; i < n_disks; i++)
    g_string_append_printf (xml,
                            "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
                            "<source file='/images/vd%c.qcow2'/><target dev='vd%c' bus='virtio'/>"
                            "</disk>",
                            'a' + i, 'a' + i);
  g_string_append (xml, "</devices></domain>");
  return g_string_free (g_steal_pointer (&xml), FALSE);
}

QsDomain *
fixture_domain (guint n_disks)
{
  g_autofree char *xml = domain_xml (n_disks);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = qs_domain_def_new (xml, &error);

  g_assert_no_error (error);
  return qs_domain_new (FIXTURE_UUID, 1000, def);
}

static QsDomain *
apply (QsDomain *domain, QsChangeList *list)
{
  g_autoptr (QsDomain) before = domain;
  g_autoptr (GVariant) changes = g_variant_ref_sink (qs_changes_end (list));
  g_autoptr (GError) error = NULL;
  QsDomain *after = qs_domain_apply (before, changes, &error);

  g_assert_no_error (error);
  return after;
}

QsDomain *
fixture_running_domain (guint n_disks)
{
  g_autofree char *xml = domain_xml (n_disks);
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_PROCESS, "pid", "x", G_GINT64_CONSTANT (4242), "start-time", "t",
                  (guint64)77, "boot-id", "s", "boot", "socket", "s", "/run/qmp.sock", "unit", "s",
                  "", NULL);
  qs_changes_add (&list, QS_CHANGE_LIVE_DEF, "definition", "s", xml, NULL);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_STATE, "state", "s", "running", NULL);
  return apply (fixture_domain (n_disks), &list);
}

/**
 * fixture_attached:
 * @domain: (transfer full)
 *
 * The same as one that its owner starts.
 */
QsDomain *
fixture_attached (QsDomain *domain, gboolean stable_path)
{
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_ATTACHMENT, "socket", "s", "/run/qmp.sock", "agent", "s", "",
                  "stable-path", "b", stable_path, "follow", "b", TRUE, NULL);
  for (guint i = 0; i < domain->def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (domain->def->disks, i);

      if (qs_domain_find_active (domain, disk->target) == NULL)
        qs_changes_add (&list, QS_CHANGE_ACTIVE, "target", "s", disk->target, "path", "s",
                        disk->source, "format", "s", disk->format, "stem", "s", "", NULL);
    }
  return apply (domain, &list);
}

/**
 * fixture_with_snapshot:
 * @domain: (transfer full)
 *
 * A snapshot of all disks, current; an external one leaves the domain on overlays `/images/vdX.NAME`.
 */
QsDomain *
fixture_with_snapshot (QsDomain *domain, const char *name, QsKind kind)
{
  QsSnapshot *current = qs_tree_get_current (domain->tree);
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_SNAPSHOT_PUT, "uuid", "s", FIXTURE_SNAPSHOT, "name", "s", name,
                  "parent", "s", current != NULL ? current->uuid : "", "description", "s", "",
                  "state", "s", "shutoff", "kind", "s", qs_enum_to_string (QS_ENUM_KIND, kind),
                  "memory", "s", "no", "origin", "s", "user", "created", "x", FIXTURE_NOW,
                  "document", "s", "", NULL);
  for (guint i = 0; kind == QS_KIND_EXTERNAL && i < domain->def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (domain->def->disks, i);
      g_autofree char *path = g_strdup_printf ("/images/%s.%s", disk->target, name);

      qs_changes_add (&list, QS_CHANGE_ACTIVE, "target", "s", disk->target, "path", "s", path,
                      "format", "s", "qcow2", "stem", "s", disk->target, NULL);
    }
  qs_changes_add (&list, QS_CHANGE_CURRENT, "uuid", "s", FIXTURE_SNAPSHOT, NULL);
  return apply (domain, &list);
}

QsRequest *
fixture_create (const char *xml, guint flags)
{
  QsRequest *request = qs_request_new (QS_VERB_SNAPSHOT_CREATE, flags);
  g_autoptr (GError) error = NULL;

  request->def = qs_snapshot_def_parse (xml, &error);
  g_assert_no_error (error);
  request->caller = 1000;
  request->caller_is_owner = TRUE;
  return request;
}

QsRequest *
fixture_request (QsVerb verb, guint flags, const char *snapshot)
{
  QsRequest *request = qs_request_new (verb, flags);

  request->snapshot = g_strdup (snapshot);
  request->caller = 1000;
  request->caller_is_owner = TRUE;
  return request;
}

static QsImage *
make_image (const char *path, const char *format, guint64 ino)
{
  QsImage *image = qs_image_new ();

  image->path = g_strdup (path);
  image->format = g_strdup (format);
  image->dev = 2049;
  image->ino = ino;
  image->btime = 5;
  image->virtual_size = 64 * 1024 * 1024;
  image->cluster_size = 64 * 1024;
  image->mode = 0600;
  image->uid = 1000;
  image->gid = 1000;
  image->n_links = 1;
  image->linkable = TRUE;
  image->writable = TRUE;
  return image;
}

static QsDiskFacts *
make_disk (const char *target, const char *path, const char *format)
{
  QsDiskFacts *disk = g_new0 (QsDiskFacts, 1);

  disk->target = g_strdup (target);
  disk->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  g_ptr_array_add (disk->chain, make_image (path, format, 100 + g_str_hash (path) % 1000));
  return disk;
}

static void
answer_nodes (QsFacts *facts, const QsDomain *domain)
{
  static const char *const commands[] = {
    "transaction",
    "blockdev-add",
    "blockdev-del",
    "blockdev-reopen",
    "add-fd",
    "qom-set",
    "system_reset",
    "snapshot-save",
    "snapshot-load",
    "snapshot-delete",
    "getfd",
    "migrate",
    "migrate_cancel",
    "block-commit",
    "blockdev-mirror",
    "job-complete",
    "job-finalize",
    "job-dismiss",
    "x-debug-query-block-graph",
    NULL,
  };

  facts->commands = g_strdupv ((char **)commands);
  for (guint i = 0; i < domain->def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (domain->def->disks, i);
      QsNode *node = g_new0 (QsNode, 1);

      node->target = g_strdup (disk->target);
      node->node_name = g_strdup_printf ("snapd-%s", disk->target);
      node->path = g_strdup (qs_domain_disk_path (domain, disk));
      node->format = g_strdup ("qcow2");
      node->device = g_strdup_printf ("/machine/peripheral/disk-%s/virtio-backend", disk->target);
      node->virtual_size = 64 * 1024 * 1024;
      g_ptr_array_add (facts->nodes, node);
    }
}

/* a sound one: on the active file, and empty */
static QsDiskFacts *
make_reused (const QsFile *file)
{
  QsDiskFacts *reused = make_disk (file->path, file->path, file->format);
  QsImage *overlay = g_ptr_array_index (reused->chain, 0);

  overlay->backing_name = g_strdup (file->backing != NULL ? file->backing : "copy.qcow2");
  overlay->size = 256 * 1024;
  overlay->mtime = 77;
  if (file->backing == NULL)
    return reused;
  g_ptr_array_add (reused->chain,
                   make_image (file->backing, "qcow2", 100 + g_str_hash (file->backing) % 1000));
  return reused;
}

/* found as it is said to be; what is below it too, for an overlay that is taken for one */
static QsDiskFacts *
make_claim (const QsSnapshotFile *claim)
{
  QsDiskFacts *found = make_disk (claim->target, claim->path, claim->format);
  QsImage *image = g_ptr_array_index (found->chain, 0);
  g_autofree char *below = g_strconcat (claim->path, ".below", NULL);
  QsTag *tag;

  image->size = 4096;
  g_ptr_array_add (found->chain, make_image (below, "qcow2", 7));
  if (claim->tag == NULL)
    return found;
  tag = g_new0 (QsTag, 1);
  tag->id = g_strdup ("17");
  tag->name = g_strdup (claim->tag);
  tag->vm_state_size = 4096;
  g_ptr_array_add (image->tags, tag);
  return found;
}

static void
answer_paths (QsFacts *facts, const QsDomain *domain, const QsQuestions *questions)
{
  for (guint i = 0; i < questions->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (questions->disks, i);

      g_ptr_array_add (facts->disks, make_disk (disk->target, qs_domain_disk_path (domain, disk),
                                                qs_domain_disk_format (domain, disk)));
    }
  for (guint i = 0; i < questions->claims->len; i++)
    g_ptr_array_add (facts->claims, make_claim (g_ptr_array_index (questions->claims, i)));
  for (guint i = 0; i < questions->reused->len; i++)
    g_ptr_array_add (facts->reused, make_reused (g_ptr_array_index (questions->reused, i)));
  for (guint i = 0; i < questions->targets->len; i++)
    {
      QsTarget *target = qs_target_new (g_ptr_array_index (questions->targets, i));

      target->free_bytes = G_GUINT64_CONSTANT (1) << 30;
      g_ptr_array_add (facts->targets, target);
    }
}

/* the document of the snapshot: its definition is today's with the files of then */
static char *
snapshot_document (const QsDomain *domain)
{
  g_autoptr (QsSnapshotDef) def = qs_snapshot_def_new ();

  def->name = g_strdup ("s1");
  def->state = QS_STATE_SHUTOFF;
  def->memory = QS_LOCATION_NO;
  def->domain = qs_domain_def_ref (domain->def);
  return qs_snapshot_def_format (def, TRUE);
}

static QsFile *
make_file (const char *path, const char *backing, gboolean ours)
{
  QsFile *file = qs_file_new (path, "qcow2");

  file->role = g_strdup ("disk");
  file->backing = g_strdup (backing);
  file->dev = 2049;
  file->ino = 100 + g_str_hash (path) % 1000;
  file->btime = 5;
  file->ours = ours;
  return file;
}

static void
answer_snapshot_disk (QsFacts *facts, const QsDomain *domain, const QsDiskDef *disk, QsKind kind)
{
  QsSnapshotFile *file = g_new0 (QsSnapshotFile, 1);
  QsFile *base = make_file (disk->source, NULL, FALSE);
  QsDiskFacts *chain = make_disk (disk->target, disk->source, "qcow2");

  file->target = g_strdup (disk->target);
  file->path = g_strdup (disk->source);
  file->format = g_strdup ("qcow2");
  g_ptr_array_add (facts->snapshot_files, file);
  g_ptr_array_add (facts->snapshot_disks, chain);
  g_ptr_array_add (facts->files, base);
  if (kind == QS_KIND_EXTERNAL)
    {
      g_ptr_array_add (base->state_of, g_strdup (FIXTURE_SNAPSHOT));
      g_ptr_array_add (facts->files,
                       make_file (qs_domain_disk_path (domain, disk), disk->source, TRUE));
      return;
    }
  file->tag = g_strdup ("s-" FIXTURE_SNAPSHOT);
  g_ptr_array_add (base->tag_of, g_strdup (FIXTURE_SNAPSHOT));
  g_ptr_array_add (base->tags, g_strdup (file->tag));
  QsTag *tag = g_new0 (QsTag, 1);
  tag->id = g_strdup ("1");
  tag->name = g_strdup (file->tag);
  g_ptr_array_add (((QsImage *)g_ptr_array_index (chain->chain, 0))->tags, tag);
}

static void
answer_snapshot (QsFacts *facts, const QsDomain *domain, const char *uuid)
{
  const QsSnapshot *snapshot = qs_tree_lookup (domain->tree, uuid);

  facts->snapshot_document = snapshot_document (domain);
  for (guint i = 0; i < domain->def->disks->len; i++)
    answer_snapshot_disk (facts, domain, g_ptr_array_index (domain->def->disks, i), snapshot->kind);
}

QsFacts *
fixture_facts (const QsDomain *domain, const QsRequest *request, GError **error)
{
  g_autoptr (QsQuestions) questions = qs_questions_new ();
  g_autoptr (QsFacts) facts = qs_facts_new ();

  questions->now = FIXTURE_NOW;
  questions->fresh_uuid = g_strdup ("99999999-0000-4000-8000-000000000001");
  questions->op = g_strdup ("0badcafe");
  questions->mirrors = 1;
  if (!qs_operation_get (request->verb)->ask (domain, request, questions, error))
    return NULL;

  facts->now = questions->now;
  facts->fresh_uuid = g_strdup (questions->fresh_uuid);
  facts->op = g_strdup (questions->op);
  facts->live_seconds = 60;
  facts->system_mode = questions->system_mode;
  facts->image_roots = questions->image_roots;
  facts->state = domain->state;
  answer_paths (facts, domain, questions);
  if (questions->snapshot_files)
    answer_snapshot (facts, domain,
                     questions->snapshot != NULL ? questions->snapshot : request->snapshot);
  if (questions->monitor && qs_domain_is_active (domain))
    answer_nodes (facts, domain);
  facts->agent = questions->agent ? g_strdup ("/run/agent.sock") : NULL;
  facts->agent_open = questions->agent;
  return g_steal_pointer (&facts);
}

QsPlan *
fixture_plan (const QsDomain *domain, const QsRequest *request, QsFacts **facts, GError **error)
{
  g_autoptr (QsFacts) own = fixture_facts (domain, request, error);
  QsPlan *plan;

  if (own == NULL)
    return NULL;
  plan = qs_operation_get (request->verb)->plan (domain, request, own, error);
  if (plan != NULL)
    g_assert_true (qs_plan_check (plan, NULL));
  if (facts != NULL)
    *facts = g_steal_pointer (&own);
  return plan;
}
