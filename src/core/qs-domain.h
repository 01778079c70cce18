/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain-def.h"
#include "qs-mirror.h"
#include "qs-tree.h"

/**
 * QsActive:
 *
 * The file a disk of the domain uses now, as the store has it. It overrides the `<source>` of the
 * kept document.
 */
typedef struct
{
  char *target;
  char *path;
  char *format;
  char *stem; /* what generated overlay names begin with; NULL: made from the path */
} QsActive;

/**
 * QsProcess:
 *
 * The identity of a QEMU process: a pid alone may be somebody else's by now.
 */
typedef struct
{
  gint64 pid;
  guint64 start_time; /* clock ticks since boot, field 22 of /proc/PID/stat */
  char *boot_id;
  char *socket; /* of QMP */
  char *unit;   /* systemd unit, or "" */
} QsProcess;

/**
 * QsAttachment:
 *
 * How the service reaches a QEMU that somebody else starts.
 */
typedef struct
{
  char *socket; /* of QMP; "" where the connection was handed over and its path is unknown */
  char *agent;  /* socket of the guest agent, or "" */
  gboolean stable_path; /* overlays take over the name that the owner's start script knows */
  gboolean hindered;    /* that is wanted, and off for the QEMU that names backing files itself */
  gboolean follow;      /* the next QEMU at @socket is connected to without being asked to */
} QsAttachment;

/**
 * QsDomain:
 *
 * All that the service knows of a domain: an immutable, atomically reference-counted value.
 */
typedef struct
{
  char *id; /* in object paths and the store */
  char *uuid;
  char *name;
  guint32 owner; /* uid */
  guint64 rev;
  QsDomainState state;
  QsDomainDef *def;         /* used from the next start on */
  QsDomainDef *live_def;    /* of the running process, or NULL */
  GPtrArray *actives;       /* of QsActive */
  QsProcess *process;       /* or NULL */
  QsAttachment *attachment; /* NULL: a defined domain, which the service starts itself */
  gboolean connected;       /* its QEMU can be asked now; not recorded */
  GPtrArray *mirrors;       /* of QsMirror, live or not: one goes with its snapshot */
  QsTree *tree;
  char *quarantine_reason; /* or NULL */
} QsDomain;

QsDomain *qs_domain_new (const char *id, guint32 owner, QsDomainDef *def);
QsDomain *qs_domain_copy (const QsDomain *domain);
QsDomain *qs_domain_ref (QsDomain *domain);
void qs_domain_unref (QsDomain *domain);
QsDomainDef *qs_domain_get_def (const QsDomain *domain);
gboolean qs_domain_is_active (const QsDomain *domain);
const QsActive *qs_domain_find_active (const QsDomain *domain, const char *target);
const char *qs_domain_disk_path (const QsDomain *domain, const QsDiskDef *disk);
const char *qs_domain_disk_format (const QsDomain *domain, const QsDiskDef *disk);
QsSourceType qs_domain_disk_source_type (const QsDomain *domain, const QsDiskDef *disk);
QsDomainDef *qs_domain_true_def (const QsDomain *domain, gboolean inactive, GError **error);
void qs_domain_put_active (QsDomain *domain, const char *target, const char *path,
                           const char *format, const char *stem);

/* qs-mirror.c */
void qs_domain_put_mirror (QsDomain *domain, const QsMirror *mirror);
gboolean qs_domain_forget_mirror (QsDomain *domain, const char *path);
void qs_domain_forget_mirrors (QsDomain *domain, const char *snapshot);
const QsMirror *qs_domain_find_mirror (const QsDomain *domain, const char *path);
const QsMirror *qs_domain_live_mirror (const QsDomain *domain, const char *target);
const QsMirror *qs_domain_snapshot_mirror (const QsDomain *domain, const char *snapshot,
                                           const char *target);

QsProcess *qs_process_new (gint64 pid, guint64 start_time, const char *boot_id, const char *socket,
                           const char *unit);
QsProcess *qs_process_copy (const QsProcess *process);
void qs_process_free (QsProcess *process);

/* (nullable): either; no process is the same as none */
gboolean qs_process_is_same (const QsProcess *one, const QsProcess *other);

QsAttachment *qs_attachment_new (const char *socket, const char *agent, gboolean stable_path,
                                 gboolean follow);
QsAttachment *qs_attachment_copy (const QsAttachment *attachment);
void qs_attachment_free (QsAttachment *attachment);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsDomain, qs_domain_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsProcess, qs_process_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsAttachment, qs_attachment_free)
