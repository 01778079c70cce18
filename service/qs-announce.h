/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-service.h"

/**
 * QsAudience:
 *
 * Who may get a signal: the owner of the domain it is about, those who may inspect that domain,
 * and of a job the connection that started it. Held by value, for the object may be gone by then.
 */
typedef struct
{
  guint32 owner;
  const char *domain;  /* id */
  const char *starter; /* unique name, or NULL */
  gboolean everybody;  /* it is about the service itself */
} QsAudience;

/**
 * QsAnnouncer:
 *
 * The one place from which signals leave. In session mode they are broadcast; on the system bus
 * each subscriber gets those it may see. PropertiesChanged waits for the end of the turn of the
 * main loop, so that several changes are one signal.
 */
QsAnnouncer *qs_announcer_new (QsService *service);
void qs_announcer_free (QsAnnouncer *announcer);

void qs_announce_signal (QsService *service, const QsAudience *audience, const char *path,
                         const char *interface, const char *name, GVariant *parameters);
void qs_announce_added (QsService *service, const QsAudience *audience, const char *manager,
                        const char *path, GVariant *interfaces);
void qs_announce_added_to (QsService *service, const QsPeer *peer, const char *manager,
                           const char *path, GVariant *interfaces);
void qs_announce_removed (QsService *service, const QsAudience *audience, const char *manager,
                          const char *path, const char *const *interfaces);
void qs_announce_changed (QsService *service, const QsAudience *audience, const char *path,
                          const char *interface, GVariant *changed, const char *invalidated);
void qs_announce_flush (QsService *service);
