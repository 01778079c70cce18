/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain.h"
#include "qs-guest.h"

/**
 * QsRegistry:
 *
 * What is true now: the latest value of each domain and the connection to its QEMU. It lives on the
 * main context; the functions below may be called from any thread, which then waits for a turn of
 * the main loop. That is a matter of microseconds, for the main thread never waits for anything.
 *
 * @changed: on the main context, whenever a value is replaced
 */
typedef struct QsRegistry QsRegistry;
typedef void (*QsRegistryFunc) (const QsDomain *before, QsDomain *after, gpointer user_data);

/* on the main context */
typedef gboolean (*QsRegistryMatch) (const QsDomain *domain, gconstpointer data);

QsRegistry *qs_registry_new (QsRegistryFunc changed, gpointer user_data);
void qs_registry_free (QsRegistry *registry);

QsDomain *qs_registry_get (QsRegistry *registry, const char *id);
QsDomain *qs_registry_find (QsRegistry *registry, QsRegistryMatch matches, gconstpointer data);
gboolean qs_registry_has (QsRegistry *registry, const char *id);
void qs_registry_put (QsRegistry *registry, QsDomain *domain);
gboolean qs_registry_apply (QsRegistry *registry, const char *id, GVariant *changes,
                            GError **error);
QsGuest *qs_registry_get_guest (QsRegistry *registry, const char *id);
void qs_registry_set_guest (QsRegistry *registry, const char *id, QsGuest *guest);

/* the QEMU of @guest has ended; nothing happens if the domain has another one by now */
void qs_registry_drop_guest (QsRegistry *registry, const char *id, QsGuest *guest);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsRegistry, qs_registry_free)
