/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-store.h"

/* a store in a folder of its own, which goes with it */
typedef struct
{
  char *folder;
  QsStore *store;
} StoreFixture;

void store_fixture_open (StoreFixture *fixture);
void store_fixture_clear (StoreFixture *fixture);
void store_reopen (StoreFixture *fixture);
char *store_path (const StoreFixture *fixture, const char *name);

char *make_definition (const char *name, const char *uuid);
GVariant *make_domain_put (const char *name, const char *uuid, guint32 owner);
void add_snapshot (QsChangeList *list, const char *uuid, const char *name, const char *parent);
void apply_now (QsStore *store, const char *domain, GVariant *changes);

/* all that a domain holds, as text: two domains are equal if these are */
char *describe_domain (const QsDomain *domain);
char *describe_files (QsStore *store, const char *domain);
QsDomain *load_domain (QsStore *store, const char *id);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (StoreFixture, store_fixture_clear)
