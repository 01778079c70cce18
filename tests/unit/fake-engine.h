/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-engine.h"
#include "qs-flags.h"

/**
 * QsEngine:
 *
 * An engine in memory, linked in the place of the real one: the façade cannot tell. It does no
 * work; tests make it wait, refuse and fail.
 */
struct QsEngine
{
  char *folder;
  QsEngineSink sink;
  gpointer user_data;
  GMutex lock;
  GHashTable *domains;   /* by id */
  GHashTable *documents; /* of snapshots, by uuid */
  guint64 last_rev;
  guint timer; /* looks for those who appear */
};

void fake_engine_hold (QsEngine *engine, const char *name);
gboolean fake_engine_look (gpointer engine);
void fake_engine_record (QsEngine *engine, QsDomain *domain, QsRequest *request, const char *id,
                         const char *snapshot);
