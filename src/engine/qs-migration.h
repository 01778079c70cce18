/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-guest.h"

/**
 * QsMigrationPhase:
 *
 * What QEMU's many words for the state of a migration come to.
 */
typedef enum
{
  QS_MIGRATION_NONE, /* never begun, or cancelled */
  QS_MIGRATION_UNDERWAY,
  QS_MIGRATION_WAITING, /* in pre-switchover: the guest stands still, its images are still active */
  QS_MIGRATION_COMPLETED,
  QS_MIGRATION_FAILED,
} QsMigrationPhase;

/**
 * QsMigrationState:
 * @problem: (nullable): why it failed
 * @done, @remaining: bytes of memory
 * @speed, @dirty_rate: bytes a second, of the stream and of what the guest changes
 */
typedef struct
{
  QsMigrationPhase phase;
  char *problem;
  guint64 done;
  guint64 remaining;
  guint64 speed;
  guint64 dirty_rate;
} QsMigrationState;

/* how memory is saved */
typedef enum
{
  QS_MIGRATE_STOPPED, /* of a guest that stands still */
  QS_MIGRATE_LIVE,    /* while the guest runs, until it has to stand still */
} QsMigrateWay;

void qs_migration_state_clear (QsMigrationState *state);
gboolean qs_migration_query (QsGuest *guest, QsMigrationState *state, GError **error);

/* of a QEMU that may be too busy to answer: QS_ERROR_TIMEOUT */
gboolean qs_migration_query_within (QsGuest *guest, guint seconds, QsMigrationState *state,
                                    GError **error);

/**
 * qs_migration_learn:
 *
 * Returns: (transfer full): a{sv}: the settings that QEMU has for migrations, to be put back as they
 *   are by qs_migration_restore()
 */
GVariant *qs_migration_learn (QsGuest *guest, GError **error);
gboolean qs_migration_set (QsGuest *guest, GVariant *learnt, QsMigrateWay way, GError **error);
gboolean qs_migration_restore (QsGuest *guest, GVariant *learnt, GError **error);

/* @fd: to which the stream goes; stays the caller's */
gboolean qs_migration_start (QsGuest *guest, int fd, GError **error);

/**
 * qs_migration_load:
 * @fd: from which the stream comes; stays the caller's
 * @late: the images are left alone until the guest is continued
 *
 * Begins to load what was saved, into a QEMU that was started to wait for it. While it does so it
 * answers nobody, so that QS_ERROR_TIMEOUT means that it may have begun; if the stream is bad it ends.
 */
gboolean qs_migration_load (QsGuest *guest, int fd, gboolean late, GError **error);

/* a descriptor that was passed, and that no migration has taken: FALSE: there is none */
gboolean qs_migration_forget_fd (QsGuest *guest);

/* that there is none is a success; what was completed stays so */
gboolean qs_migration_cancel (QsGuest *guest, GError **error);

/**
 * qs_migration_settle:
 * @run_state: (out): QEMU's word for it
 *
 * Waits until the guest has the run state in which the end of a migration leaves it, which QEMU says
 * a moment later than the end: to continue it before that fails, or does nothing.
 */
gboolean qs_migration_settle (QsGuest *guest, char **run_state, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsMigrationState, qs_migration_state_clear)
