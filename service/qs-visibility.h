/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-service.h"

/**
 * QsVisibleFunc:
 * @ids: the domains of other owners that the caller may inspect, besides its own; NULL if none at
 *   all
 */
typedef void (*QsVisibleFunc) (GHashTable *ids, gpointer user_data);

void qs_visibility_gather (QsService *service, QsPeer *peer, QsInteraction interaction,
                           QsVisibleFunc func, gpointer user_data);
gboolean qs_visibility_subscribe (QsService *service, QsPeer *peer, GError **error);
void qs_visibility_refresh (QsService *service);
void qs_visibility_add_domain (QsService *service, QsDomain *domain);
