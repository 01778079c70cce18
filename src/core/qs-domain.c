/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-domain.h"

#include "qs-name.h"

static void
active_free (QsActive *active)
{
  g_free (active->target);
  g_free (active->path);
  g_free (active->format);
  g_free (active->stem);
  g_free (active);
}

static GPtrArray *
actives_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify)active_free);
}

static GPtrArray *
mirrors_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify)qs_mirror_free);
}

/**
 * qs_domain_new:
 * @def: (transfer none)
 *
 * A domain that is shut off and has no snapshots. It may be changed until it is handed on.
 */
QsDomain *
qs_domain_new (const char *id, guint32 owner, QsDomainDef *def)
{
  QsDomain *domain = g_atomic_rc_box_new0 (QsDomain);

  domain->id = g_strdup (id);
  domain->uuid = g_strdup (def->uuid);
  domain->name = g_strdup (def->name);
  domain->owner = owner;
  domain->def = qs_domain_def_ref (def);
  domain->actives = actives_new ();
  domain->mirrors = mirrors_new ();
  domain->tree = qs_tree_new ();
  return domain;
}

/**
 * qs_domain_copy:
 *
 * Returns: (transfer full): a domain that may be changed until it is handed on; documents and
 *   snapshots are shared
 */
QsDomain *
qs_domain_copy (const QsDomain *domain)
{
  QsDomain *copy = g_atomic_rc_box_new0 (QsDomain);

  copy->id = g_strdup (domain->id);
  copy->uuid = g_strdup (domain->uuid);
  copy->name = g_strdup (domain->name);
  copy->owner = domain->owner;
  copy->rev = domain->rev;
  copy->state = domain->state;
  copy->def = qs_domain_def_ref (domain->def);
  copy->live_def = domain->live_def != NULL ? qs_domain_def_ref (domain->live_def) : NULL;
  copy->process = domain->process != NULL ? qs_process_copy (domain->process) : NULL;
  copy->attachment = domain->attachment != NULL ? qs_attachment_copy (domain->attachment) : NULL;
  copy->connected = domain->connected;
  copy->tree = qs_tree_ref (domain->tree);
  copy->quarantine_reason = g_strdup (domain->quarantine_reason);
  copy->actives = actives_new ();
  for (guint i = 0; i < domain->actives->len; i++)
    {
      const QsActive *active = g_ptr_array_index (domain->actives, i);

      qs_domain_put_active (copy, active->target, active->path, active->format, active->stem);
    }
  copy->mirrors = mirrors_new ();
  for (guint i = 0; i < domain->mirrors->len; i++)
    qs_domain_put_mirror (copy, g_ptr_array_index (domain->mirrors, i));
  return copy;
}

QsDomain *
qs_domain_ref (QsDomain *domain)
{
  return g_atomic_rc_box_acquire (domain);
}

static void
domain_clear (QsDomain *domain)
{
  g_free (domain->id);
  g_free (domain->uuid);
  g_free (domain->name);
  qs_domain_def_unref (domain->def);
  g_clear_pointer (&domain->live_def, qs_domain_def_unref);
  g_clear_pointer (&domain->process, qs_process_free);
  g_clear_pointer (&domain->attachment, qs_attachment_free);
  g_ptr_array_unref (domain->actives);
  g_ptr_array_unref (domain->mirrors);
  qs_tree_unref (domain->tree);
  g_free (domain->quarantine_reason);
}

void
qs_domain_unref (QsDomain *domain)
{
  if (domain != NULL)
    g_atomic_rc_box_release_full (domain, (GDestroyNotify)domain_clear);
}

/**
 * qs_domain_get_def:
 *
 * Returns: (transfer none): the definition of the running process, else the one for the next start
 */
QsDomainDef *
qs_domain_get_def (const QsDomain *domain)
{
  return domain->live_def != NULL ? domain->live_def : domain->def;
}

/**
 * qs_domain_is_active:
 *
 * Whether there is a QEMU process; a crashed guest still has one.
 */
gboolean
qs_domain_is_active (const QsDomain *domain)
{
  return domain->state != QS_DOMAIN_SHUTOFF;
}

static gboolean
find_target (const QsDomain *domain, const char *target, guint *index)
{
  for (guint i = 0; i < domain->actives->len; i++)
    {
      const QsActive *active = g_ptr_array_index (domain->actives, i);

      if (g_str_equal (active->target, target))
        {
          *index = i;
          return TRUE;
        }
    }
  return FALSE;
}

/**
 * qs_domain_find_active:
 *
 * Returns: (transfer none): NULL if the disk uses the source of its definition
 */
const QsActive *
qs_domain_find_active (const QsDomain *domain, const char *target)
{
  guint index;

  return find_target (domain, target, &index) ? g_ptr_array_index (domain->actives, index) : NULL;
}

/**
 * qs_domain_disk_path:
 *
 * Returns: the file the disk uses now; NULL for an empty drive
 */
const char *
qs_domain_disk_path (const QsDomain *domain, const QsDiskDef *disk)
{
  const QsActive *active = qs_domain_find_active (domain, disk->target);

  return active != NULL ? active->path : disk->source;
}

const char *
qs_domain_disk_format (const QsDomain *domain, const QsDiskDef *disk)
{
  const QsActive *active = qs_domain_find_active (domain, disk->target);

  return active != NULL ? active->format : disk->format;
}

QsSourceType
qs_domain_disk_source_type (const QsDomain *domain, const QsDiskDef *disk)
{
  const QsActive *active = qs_domain_find_active (domain, disk->target);

  if (active == NULL)
    return disk->source_type;
  return qs_path_is_device (active->path) ? QS_SOURCE_BLOCK : QS_SOURCE_FILE;
}

/**
 * qs_domain_true_def:
 * @inactive: the definition for the next start, even if the domain runs
 *
 * Returns: (transfer full): the kept document with the uuid and files that are really used
 */
QsDomainDef *
qs_domain_true_def (const QsDomain *domain, gboolean inactive, GError **error)
{
  const QsDomainDef *def = inactive ? domain->def : qs_domain_get_def (domain);
  g_autofree QsDiskPatch *patches = g_new0 (QsDiskPatch, domain->actives->len);
  guint n_patches = 0;

  for (guint i = 0; i < domain->actives->len; i++)
    {
      const QsActive *active = g_ptr_array_index (domain->actives, i);

      /* a disk may have left the definition since */
      if (qs_domain_def_find_disk (def, active->target) != NULL)
        patches[n_patches++] = (QsDiskPatch){ active->target, active->path, active->format, NULL };
    }
  return qs_domain_def_patch (def, domain->uuid, patches, n_patches, error);
}

/**
 * qs_domain_put_active:
 * @path: file of the disk from now on; "" or NULL: the source of its definition counts again
 * @stem: (nullable): what generated overlay names begin with
 *
 * Only for a domain that was not handed on yet.
 */
void
qs_domain_put_active (QsDomain *domain, const char *target, const char *path, const char *format,
                      const char *stem)
{
  QsActive *active;
  guint index;

  if (find_target (domain, target, &index))
    g_ptr_array_remove_index (domain->actives, index);
  else
    index = domain->actives->len;
  if (path == NULL || *path == '\0')
    return;

  active = g_new0 (QsActive, 1);
  active->target = g_strdup (target);
  active->path = g_strdup (path);
  active->format = g_strdup (format);
  active->stem = stem != NULL && *stem != '\0' ? g_strdup (stem) : NULL;
  g_ptr_array_insert (domain->actives, (int)index, active);
}

QsProcess *
qs_process_new (gint64 pid, guint64 start_time, const char *boot_id, const char *socket,
                const char *unit)
{
  QsProcess *process = g_new0 (QsProcess, 1);

  process->pid = pid;
  process->start_time = start_time;
  process->boot_id = g_strdup (boot_id);
  process->socket = g_strdup (socket);
  process->unit = g_strdup (unit);
  return process;
}

QsProcess *
qs_process_copy (const QsProcess *process)
{
  return qs_process_new (process->pid, process->start_time, process->boot_id, process->socket,
                         process->unit);
}

void
qs_process_free (QsProcess *process)
{
  if (process == NULL)
    return;
  g_free (process->boot_id);
  g_free (process->socket);
  g_free (process->unit);
  g_free (process);
}

gboolean
qs_process_is_same (const QsProcess *one, const QsProcess *other)
{
  return one != NULL && other != NULL && one->pid == other->pid
         && one->start_time == other->start_time && g_strcmp0 (one->boot_id, other->boot_id) == 0;
}

QsAttachment *
qs_attachment_new (const char *socket, const char *agent, gboolean stable_path, gboolean follow)
{
  QsAttachment *attachment = g_new0 (QsAttachment, 1);

  attachment->socket = g_strdup (socket);
  attachment->agent = g_strdup (agent);
  attachment->stable_path = stable_path;
  attachment->follow = follow;
  return attachment;
}

QsAttachment *
qs_attachment_copy (const QsAttachment *attachment)
{
  QsAttachment *copy = qs_attachment_new (attachment->socket, attachment->agent,
                                          attachment->stable_path, attachment->follow);

  copy->hindered = attachment->hindered;
  return copy;
}

void
qs_attachment_free (QsAttachment *attachment)
{
  if (attachment == NULL)
    return;
  g_free (attachment->socket);
  g_free (attachment->agent);
  g_free (attachment);
}
