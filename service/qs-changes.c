/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-changes.h"

#include "qs-names.h"
#include "qs-properties.h"
#include "qs-visibility.h"

static const char *const domain_interfaces[] = { QS_DOMAIN_INTERFACE, QS_OBJECT_MANAGER_INTERFACE,
                                                 NULL };
static const char *const snapshot_interfaces[] = { QS_SNAPSHOT_INTERFACE, NULL };

QsAudience
qs_domain_audience (const QsDomain *domain)
{
  return (QsAudience){ domain->owner, domain->id, NULL, FALSE };
}

/* how one version of a domain became the next */
typedef struct
{
  QsService *service;
  const QsDomain *before;
  const QsDomain *after;
  char *path;
  QsAudience audience;
  GHashTable *touched; /* uuids of snapshots whose properties may differ */
} QsTransition;

static void
touch (QsTransition *transition, const char *uuid)
{
  if (*uuid != '\0')
    g_hash_table_add (transition->touched, g_strdup (uuid));
}

static void
announce_new_snapshot (QsTransition *transition, const QsSnapshot *snapshot)
{
  QsSubject subject = { .service = transition->service,
                        .domain = transition->after,
                        .snapshot = snapshot };
  g_autofree char *path = qs_object_path_snapshot (transition->after->id, snapshot->uuid);

  qs_announce_added (transition->service, &transition->audience, transition->path, path,
                     qs_properties_interfaces (QS_OBJECT_SNAPSHOT, &subject));
}

static void
announce_old_snapshot (QsTransition *transition, const QsSnapshot *snapshot)
{
  g_autofree char *path = qs_object_path_snapshot (transition->before->id, snapshot->uuid);

  qs_announce_removed (transition->service, &transition->audience, transition->path, path,
                       snapshot_interfaces);
}

/* the parents of what comes and goes have other children now */
static void
on_snapshot_differs (gpointer before, gpointer after, gpointer user_data)
{
  QsTransition *transition = user_data;
  const QsSnapshot *old = before, *new = after;

  if (old == NULL)
    announce_new_snapshot (transition, new);
  else if (new == NULL)
    announce_old_snapshot (transition, old);
  else
    touch (transition, new->uuid);
  if (old != NULL)
    touch (transition, old->parent);
  if (new != NULL)
    touch (transition, new->parent);
}

static void
touch_current (QsTransition *transition)
{
  const QsSnapshot *old = qs_tree_get_current (transition->before->tree);
  const QsSnapshot *new = qs_tree_get_current (transition->after->tree);

  if (old != NULL)
    touch (transition, old->uuid);
  if (new != NULL)
    touch (transition, new->uuid);
}

static void
announce_touched (QsTransition *transition, const char *uuid)
{
  QsSubject before = { .domain = transition->before,
                       .snapshot = qs_tree_lookup (transition->before->tree, uuid) };
  QsSubject after = { .domain = transition->after,
                      .snapshot = qs_tree_lookup (transition->after->tree, uuid) };
  g_autofree char *path = qs_object_path_snapshot (transition->after->id, uuid);
  GVariant *changed;

  if (before.snapshot == NULL || after.snapshot == NULL)
    return;
  changed = qs_properties_diff (QS_OBJECT_SNAPSHOT, &before, &after);
  if (changed != NULL)
    qs_announce_changed (transition->service, &transition->audience, path, QS_SNAPSHOT_INTERFACE,
                         changed, NULL);
}

static gboolean
has_same_actives (const QsDomain *before, const QsDomain *after)
{
  if (before->actives->len != after->actives->len)
    return FALSE;
  for (guint i = 0; i < after->actives->len; i++)
    {
      const QsActive *new = g_ptr_array_index (after->actives, i);
      const QsActive *old = qs_domain_find_active (before, new->target);

      if (old == NULL || !g_str_equal (old->path, new->path))
        return FALSE;
    }
  return TRUE;
}

static gboolean
has_same_mirrors (const QsDomain *before, const QsDomain *after)
{
  if (before->mirrors->len != after->mirrors->len)
    return FALSE;
  for (guint i = 0; i < after->mirrors->len; i++)
    {
      const QsMirror *new = g_ptr_array_index (after->mirrors, i);
      const QsMirror *old = qs_domain_find_mirror (before, new->path);

      if (old == NULL || qs_mirror_is_live (old) != qs_mirror_is_live (new))
        return FALSE;
    }
  return TRUE;
}

static void
announce_properties (QsTransition *transition)
{
  QsSubject before = { .service = transition->service, .domain = transition->before };
  QsSubject after = { .service = transition->service, .domain = transition->after };
  GVariant *changed = qs_properties_diff (QS_OBJECT_DOMAIN, &before, &after);
  gboolean same_mirrors = has_same_mirrors (transition->before, transition->after);
  gboolean same_disks = has_same_actives (transition->before, transition->after) && same_mirrors
                        && transition->before->def == transition->after->def;

  if (changed != NULL || !same_disks)
    qs_announce_changed (transition->service, &transition->audience, transition->path,
                         QS_DOMAIN_INTERFACE, changed, same_disks ? NULL : "Disks");
  if (!same_mirrors)
    qs_announce_changed (transition->service, &transition->audience, transition->path,
                         QS_DOMAIN_INTERFACE, NULL, "BlockJobs");
}

static void
announce_change (QsTransition *transition)
{
  GHashTableIter iter;
  const char *uuid;

  qs_tree_diff (transition->before->tree, transition->after->tree, on_snapshot_differs, transition);
  touch_current (transition);
  g_hash_table_iter_init (&iter, transition->touched);
  while (g_hash_table_iter_next (&iter, (gpointer *)&uuid, NULL))
    announce_touched (transition, uuid);
  announce_properties (transition);
}

static void
announce_new_domain (QsService *service, const QsDomain *domain)
{
  QsSubject subject = { .service = service, .domain = domain };
  QsAudience audience = qs_domain_audience (domain);
  g_autofree char *path = qs_object_path_domain (domain->id);

  qs_announce_added (service, &audience, QS_PATH, path,
                     qs_properties_interfaces (QS_OBJECT_DOMAIN, &subject));
}

static void
announce_old_domain (QsTransition *transition)
{
  g_autoptr (GPtrArray) snapshots = qs_tree_list (transition->before->tree, "", 0);

  for (guint i = 0; i < snapshots->len; i++)
    announce_old_snapshot (transition, g_ptr_array_index (snapshots, i));
  qs_announce_removed (transition->service, &transition->audience, QS_PATH, transition->path,
                       domain_interfaces);
}

static void
keep (QsService *service, const QsDomain *before, QsDomain *after)
{
  if (after != NULL)
    g_hash_table_replace (service->domains, after->id, qs_domain_ref (after));
  else
    g_hash_table_remove (service->domains, before->id);
}

/**
 * qs_domain_changed:
 * @before: (nullable): NULL: it is new
 * @after: (nullable): NULL: it is gone
 *
 * Takes a domain as it is now into the index, and announces how it differs. A snapshot is added or
 * removed at once, changes of properties follow at the end of the turn.
 */
void
qs_domain_changed (QsService *service, const QsDomain *before, QsDomain *after)
{
  const QsDomain *any = after != NULL ? after : before;
  g_autofree char *path = qs_object_path_domain (any->id);
  g_autoptr (GHashTable) touched = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  QsTransition transition = { service, before, after, path, qs_domain_audience (any), touched };

  keep (service, before, after);
  if (service->connection == NULL)
    return;
  if (before == NULL)
    {
      announce_new_domain (service, after);
      qs_visibility_add_domain (service, after);
    }
  else if (after == NULL)
    announce_old_domain (&transition);
  else
    announce_change (&transition);
}

/**
 * qs_guest_frozen:
 * @id: of a domain that may be gone by now
 *
 * Tells that the guest's file systems are frozen, or thawed again.
 */
void
qs_guest_frozen (QsService *service, const char *id, gboolean frozen, guint64 milliseconds)
{
  g_autoptr (QsDomain) domain = qs_service_lookup (service, id);
  g_autofree char *path = qs_object_path_domain (id);
  QsAudience audience;

  if (domain == NULL || service->connection == NULL)
    return;
  audience = qs_domain_audience (domain);
  qs_announce_signal (service, &audience, path, QS_DOMAIN_INTERFACE, "GuestFrozen",
                      g_variant_new ("(bt)", frozen, milliseconds));
}
