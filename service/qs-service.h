/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-authority.h"
#include "qs-engine.h"
#include "qs-object-path.h"
#include "qs-peers.h"
#include "qs-settings.h"
#include "qs-work.h"

typedef struct QsAnnouncer QsAnnouncer;
typedef struct QsJobs QsJobs;
typedef struct QsMirrors QsMirrors;
typedef struct QsReconnect QsReconnect;

/**
 * QsService:
 *
 * The façade: what the bus shows of the engine. Main thread only; it holds immutable values and
 * takes no decision on a domain.
 */
typedef struct
{
  gboolean system_mode;
  gboolean stopping; /* nothing new is begun */
  QsSettings settings;
  GDBusConnection *connection;
  QsEngine *engine;
  GHashTable *domains; /* by id, of QsDomain: the truth of now */
  QsPeers *peers;
  QsAuthority *authority; /* NULL in session mode */
  QsAnnouncer *announcer;
  QsJobs *jobs;
  QsReconnect *reconnect;
  GPtrArray *found; /* of QsTask: to be gone on with when the engine is there; else NULL */
  QsMirrors *mirrors;
  QsWork *work;
  GDBusInterfaceSkeleton *skeletons[QS_N_OBJECT_KINDS]; /* unpack arguments, hold no state */
  GArray *registrations;
  guint filter;
  guint refresh;
  guint refresh_soon;
  char *degraded; /* as last announced, or NULL */
} QsService;

QsService *qs_service_new (GDBusConnection *connection, gboolean system_mode,
                           const QsSettings *settings);
gboolean qs_service_start (QsService *service, const QsConfig *config, GError **error);
void qs_service_stop (QsService *service);
void qs_service_free (QsService *service);
gboolean qs_service_is_settled (QsService *service);
gboolean qs_service_is_idle (QsService *service);
QsDomain *qs_service_lookup (QsService *service, const char *id);
void qs_service_check_degraded (QsService *service);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsService, qs_service_free)
