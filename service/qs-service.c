/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-service.h"

#include "qs-announce.h"
#include "qs-bus.h"
#include "qs-changes.h"
#include "qs-jobs.h"
#include "qs-mirrors.h"
#include "qs-names.h"
#include "qs-properties.h"
#include "qs-reconnect.h"
#include "qs-visibility.h"

#define REFRESH_SECONDS 300

static void
on_authority_changed (gpointer user_data)
{
  qs_visibility_refresh (user_data);
}

static gboolean
on_refresh (gpointer user_data)
{
  qs_visibility_refresh (user_data);
  return G_SOURCE_CONTINUE;
}

QsService *
qs_service_new (GDBusConnection *connection, gboolean system_mode, const QsSettings *settings)
{
  QsService *self = g_new0 (QsService, 1);

  self->system_mode = system_mode;
  self->settings = *settings;
  self->connection = g_object_ref (connection);
  self->domains =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)qs_domain_unref);
  self->peers = qs_peers_new (connection);
  self->announcer = qs_announcer_new (self);
  self->jobs = qs_jobs_new (self);
  self->reconnect = qs_reconnect_new (self);
  self->mirrors = qs_mirrors_new (self);
  self->work = qs_work_new ();
  self->found = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_task_unref);
  self->registrations = g_array_new (FALSE, FALSE, sizeof (guint));
  if (system_mode)
    {
      self->authority = qs_authority_new (G_CALLBACK (on_authority_changed), self);
      self->refresh = g_timeout_add_seconds (REFRESH_SECONDS, on_refresh, self);
    }
  return self;
}

static void
on_domain_changed (const QsDomain *before, QsDomain *after, gpointer user_data)
{
  QsService *self = user_data;

  qs_domain_changed (self, before, after);
  if (after != NULL)
    qs_mirrors_changed (self->mirrors, before, after);
}

static void
on_qemu_appeared (const char *domain, gpointer user_data)
{
  QsService *self = user_data;

  qs_reconnect_appeared (self->reconnect, domain);
}

static void
on_guest_frozen (const char *domain, gboolean frozen, guint64 milliseconds, gpointer user_data)
{
  qs_guest_frozen (user_data, domain, frozen, milliseconds);
}

/* what is found before the engine is there waits for it */
static void
on_task_found (QsTask *task, gpointer user_data)
{
  QsService *self = user_data;

  if (self->found != NULL)
    g_ptr_array_add (self->found, task);
  else
    qs_jobs_go_on (self->jobs, task);
}

/* before the bus name is owned: their domains are not free for a moment */
static void
go_on (QsService *self)
{
  g_autoptr (GPtrArray) found = g_steal_pointer (&self->found);

  for (guint i = 0; i < found->len; i++)
    qs_jobs_go_on (self->jobs, qs_task_ref (g_ptr_array_index (found, i)));
}

static void
on_jobs_changed (const char *domain, gpointer user_data)
{
  QsService *self = user_data;

  qs_mirrors_doubt (self->mirrors, domain);
}

/* what has ended while no service was there to notice */
static void
doubt_mirrors (QsService *self)
{
  GHashTableIter iter;
  const char *id;

  g_hash_table_iter_init (&iter, self->domains);
  while (g_hash_table_iter_next (&iter, (gpointer *)&id, NULL))
    qs_mirrors_doubt (self->mirrors, id);
}

/**
 * qs_service_start:
 *
 * Opens the engine, which recovers what was left open and tells of the domains, and lets calls in.
 */
gboolean
qs_service_start (QsService *self, const QsConfig *config, GError **error)
{
  static const QsEngineSink sink = { on_domain_changed, on_qemu_appeared, on_guest_frozen,
                                     on_task_found, on_jobs_changed };

  self->engine = qs_engine_new (config, &sink, self, error);
  if (self->engine == NULL)
    return FALSE;
  self->degraded = qs_engine_degraded (self->engine);
  if (!qs_bus_register (self, error))
    return FALSE;
  go_on (self);
  doubt_mirrors (self);
  return TRUE;
}

/**
 * qs_service_stop:
 *
 * Nothing new is begun. Jobs are asked to leave their work where the next start finds it, or else to
 * take themselves back, which needs the main loop still; nobody waits any more for a QEMU to say who it
 * is.
 */
void
qs_service_stop (QsService *self)
{
  self->stopping = TRUE;
  qs_jobs_stop (self->jobs);
  qs_engine_end_visits (self->engine);
}

/* threads first: they use the engine */
void
qs_service_free (QsService *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->refresh, g_source_remove);
  g_clear_handle_id (&self->refresh_soon, g_source_remove);
  qs_bus_unregister (self);
  qs_work_free (self->work);
  g_clear_pointer (&self->engine, qs_engine_free);
  g_clear_pointer (&self->found, g_ptr_array_unref);
  qs_jobs_free (self->jobs);
  qs_reconnect_free (self->reconnect);
  qs_mirrors_free (self->mirrors);
  qs_announcer_free (self->announcer);
  qs_authority_free (self->authority);
  qs_peers_free (self->peers);
  g_hash_table_unref (self->domains);
  g_array_unref (self->registrations);
  g_object_unref (self->connection);
  g_free (self->degraded);
  g_free (self);
}

/**
 * qs_service_lookup:
 *
 * Returns: (transfer full) (nullable): the domain as it is now
 */
QsDomain *
qs_service_lookup (QsService *self, const char *id)
{
  QsDomain *domain = g_hash_table_lookup (self->domains, id);

  return domain != NULL ? qs_domain_ref (domain) : NULL;
}

/**
 * qs_service_is_settled:
 *
 * Returns: whether the QEMUs that listen at the sockets of attached domains have been found, and are
 *   connected to as far as that is possible
 */
gboolean
qs_service_is_settled (QsService *self)
{
  return !qs_engine_is_looking (self->engine) && !qs_reconnect_is_busy (self->reconnect);
}

/* nobody else would notice its next QEMU */
static gboolean
is_followed (const QsDomain *domain)
{
  return domain->attachment != NULL && domain->attachment->follow
         && *domain->attachment->socket != '\0';
}

/**
 * qs_service_is_idle:
 *
 * Returns: whether nobody would miss the service: no client, no open job, no running domain,
 *   no QEMU that is listened to or waited for, no guest that may be frozen still
 */
gboolean
qs_service_is_idle (QsService *self)
{
  GHashTableIter iter;
  QsDomain *domain;

  if (qs_peers_count (self->peers) > 0 || qs_jobs_count_open (self->jobs) > 0
      || qs_engine_is_thawing (self->engine) || qs_mirrors_is_busy (self->mirrors))
    return FALSE;
  g_hash_table_iter_init (&iter, self->domains);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&domain))
    if (qs_domain_is_active (domain) || domain->connected || is_followed (domain))
      return FALSE;
  return TRUE;
}

/**
 * qs_service_check_degraded:
 *
 * Called after work on the records: tells when they cannot be written any more, or can again.
 */
void
qs_service_check_degraded (QsService *self)
{
  static const char *const names[] = { "Degraded", "DegradedReason", NULL };
  g_autofree char *degraded = qs_engine_degraded (self->engine);
  QsAudience audience = { .everybody = TRUE };
  QsSubject subject = { .service = self };

  if (g_strcmp0 (degraded, self->degraded) == 0)
    return;
  g_free (self->degraded);
  self->degraded = g_steal_pointer (&degraded);
  qs_announce_changed (self, &audience, QS_PATH, QS_MANAGER_INTERFACE,
                       qs_properties_get_some (QS_OBJECT_MANAGER, &subject, names), NULL);
}
