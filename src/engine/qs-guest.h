/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-facts.h"
#include "qs-json-scan.h"
#include "qs-qmp.h"
#include "qs-worker.h"

/**
 * QsGuest:
 *
 * The connection to one running QEMU, whose process and uuid were checked when it was made.
 * Atomically reference-counted; may be used by any thread but the reading one. Its last reference
 * ends the connection, never the process.
 */
typedef struct QsGuest QsGuest;

/**
 * QsGuestNews:
 * @has_state: an event told the state since the connection was made
 * @ask: a guest was reset or events were lost: only qs_guest_query_state() knows the state
 * @jobs: a block job has ended, or waits to be ended, or events were lost
 * @gone: the connection has ended; the process may be alive
 *
 * What has been heard since the last time. A state in it is never older than what a
 * qs_guest_query_state() before it returned.
 */
typedef struct
{
  gboolean has_state;
  QsDomainState state;
  gboolean ask;
  gboolean jobs;
  gboolean gone;
} QsGuestNews;

/**
 * QsGuestListener:
 * @notify: (nullable): called in the reading thread when there is news, and not again before
 *   qs_guest_take_news(): a guest that changes its state without end costs its listener one call
 * @destroy: (nullable): of @user_data, in the reading thread, after the connection's end
 */
typedef struct
{
  void (*notify) (gpointer user_data);
  gpointer user_data;
  GDestroyNotify destroy;
} QsGuestListener;

/**
 * QsGuestIdentity:
 * @is_storage: it is a qemu-storage-daemon, which has neither guest nor uuid
 *
 * Whom a connection must lead to.
 */
typedef struct
{
  const char *domain; /* id, or NULL */
  const char *uuid;   /* NULL: any */
  guint32 owner;      /* uid */
  const QsProcess *process;
  gboolean is_storage;
} QsGuestIdentity;

QsGuest *qs_guest_connect (QsWorker *worker, const QsGuestIdentity *identity,
                           const QsGuestListener *listener, GError **error);

/* @fd: (transfer full): connected to the monitor */
QsGuest *qs_guest_new (int fd, const QsGuestIdentity *identity, const QsGuestListener *listener,
                       GError **error);
QsGuest *qs_guest_ref (QsGuest *guest);
void qs_guest_unref (QsGuest *guest);
void qs_guest_close (QsGuest *guest);

const char *qs_guest_get_domain (QsGuest *guest);
const QsProcess *qs_guest_get_process (QsGuest *guest);
QsQmp *qs_guest_get_qmp (QsGuest *guest);

/* what qs_guest_commands() has heard; NULL before. @commands: (transfer full) */
const char *const *qs_guest_get_known_commands (QsGuest *guest);
void qs_guest_take_known_commands (QsGuest *guest, GStrv commands);
gboolean qs_guest_is_open (QsGuest *guest);

/* FALSE: nothing new */
gboolean qs_guest_take_news (QsGuest *guest, QsGuestNews *news);

/**
 * qs_guest_check:
 *
 * Asked again before every commit point: the process at the other end is the recorded one and
 * alive.
 */
gboolean qs_guest_check (QsGuest *guest, GError **error);

/* @run_state: (out) (optional): QEMU's own word */
gboolean qs_guest_query_state (QsGuest *guest, QsDomainState *state, char **run_state,
                               GError **error);

/**
 * qs_guest_nodes:
 * @nodes: (out): new array of QsNode: the root node of each disk of @domain that has a medium
 *
 * The disk with target vda is the device with id `disk-vda`, whatever its node is called by now; in
 * a QEMU that somebody else has started it is the device that is the disk's alias.
 */
gboolean qs_guest_nodes (QsGuest *guest, const QsDomain *domain, GPtrArray **nodes, GError **error);

/* @chips: (out): new array of QsNode: the root node of each flash chip that the guest can write to */
gboolean qs_guest_flash (QsGuest *guest, GPtrArray **chips, GError **error);

/* a QEMU is asked once: what it can does not change, and the answer is the longest of all */
/**
 * qs_guest_names_backing:
 *
 * Whether a block node that QEMU was told by name stands below another: then what the images say of
 * their backing files is not what the next start will use.
 */
gboolean qs_guest_names_backing (QsGuest *guest, gboolean *names, GError **error);
gboolean qs_guest_commands (QsGuest *guest, GStrv *commands, GError **error);

/* ids of jobs that are not ours (ours begin with snapd-), concluded ones left out */
gboolean qs_guest_io_threads (QsGuest *guest, gboolean *has_some, GError **error);
gboolean qs_guest_block_jobs (QsGuest *guest, GStrv *jobs, GError **error);

JsonNode *qs_guest_query (QsGuest *guest, const char *command, JsonNodeType type, GError **error);

/**
 * qs_guest_migration:
 * @status: (out) (nullable): of a migration that is under way
 * @blockers: (out): why QEMU would not migrate
 */
gboolean qs_guest_migration (QsGuest *guest, char **status, GStrv *blockers, GError **error);

/* @bytes: (out): of RAM that the guest has now */
gboolean qs_guest_memory_bytes (QsGuest *guest, guint64 *bytes, GError **error);
gboolean qs_guest_has_tpm (QsGuest *guest, gboolean *has_tpm, GError **error);

/* qs-guest-agent.c */
char *qs_guest_socket_path (const char *filename);
gboolean qs_guest_find_agent (QsGuest *guest, const char *known, char **path, gboolean *is_open,
                              GError **error);

/* QEMU's word for its run state, as libvirt would call it; any that is unknown: paused */
QsDomainState qs_guest_state_from_word (const char *run_state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsGuest, qs_guest_unref)
