/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-engine.h"

/**
 * Bench:
 *
 * An engine of its own in a folder that is deleted at the end, and at most one QEMU that somebody
 * else (the test) has started there. What blocks runs in a thread, while the main loop turns.
 */
typedef struct
{
  char *folder;
  char *socket;
  QsConfig config;
  QsEngine *engine;
  GHashTable *domains; /* id -> QsDomain, as the engine announced them */
  GPtrArray *appeared; /* of char: ids of domains whose QEMU has appeared */
  GSubprocess *qemu;
  gboolean privileged; /* QEMU keeps the capabilities that this process has */
} Bench;

#define BENCH_UUID "0d7f2a9c-5f6b-4a35-9d4e-0f3f5a3b7c11"

void bench_set_up (Bench *bench, gconstpointer data);
void bench_tear_down (Bench *bench, gconstpointer data);
void bench_start (Bench *bench);
void bench_stop (Bench *bench);
void bench_restart (Bench *bench);

char *bench_path (Bench *bench, const char *name);
void bench_make_image (Bench *bench, const char *name, const char *backing);

/* words of a command line, divided by blanks, besides those that every QEMU here has */
void bench_start_qemu (Bench *bench, const char *words);
void bench_end_qemu (Bench *bench);

/* the main loop turns until @done; the test fails if that takes too long */
typedef gboolean (*BenchFunc) (Bench *bench, gconstpointer data);
void bench_wait (Bench *bench, BenchFunc done, gconstpointer data);

QsVisit bench_visit (Bench *bench);
QsCandidate *bench_discover (Bench *bench, const QsVisit *visit, GError **error);
void bench_free_candidate (Bench *bench, QsCandidate *candidate);

/* plans and runs; notes of the plan go to @notes if that is not NULL */
gboolean bench_do (Bench *bench, const char *domain, QsRequest *request, GPtrArray **notes,
                   GError **error);
/* all of it. Returns: (transfer none): the domain as it is afterwards */
QsDomain *bench_attach (Bench *bench, const QsVisit *visit, GError **error);
gboolean bench_snapshot (Bench *bench, const char *domain, const char *xml, guint flags,
                         GError **error);
gboolean bench_detach (Bench *bench, const char *domain, GError **error);
QsDomain *bench_domain (Bench *bench, const char *id);

#define add_bench_test(path, func)                                                                 \
  g_test_add (path, Bench, NULL, bench_set_up, func, bench_tear_down)
