/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain.h"

/**
 * QsChange:
 *
 * One change of the records. The same list, the argument of the RECORD step, is applied to the
 * store's tables by the engine and to the QsDomain value by qs_domain_apply(), so that both agree.
 */
typedef enum
{
  QS_CHANGE_DOMAIN_PUT, /* definition s, owner u, name s, uuid s */
  QS_CHANGE_DOMAIN_DELETE,
  QS_CHANGE_DOMAIN_STATE, /* state s */
  QS_CHANGE_LIVE_DEF,     /* definition s, "" when the process has ended */
  QS_CHANGE_PROCESS,      /* pid x, start-time t, boot-id s, socket s, unit s; pid 0: gone.
                                 step u: taken from the result of that step instead */
  QS_CHANGE_ATTACHMENT,   /* socket s, agent s, stable-path b, follow b, hindered b */
  QS_CHANGE_ACTIVE,       /* target s, path s, format s, stem s; path "": the definition's source */
  QS_CHANGE_FILE_PUT,     /* path s, format s, role s, backing s, ours b, dev t, ino t, btime x;
                                 step u: identity from the result of that step */
  QS_CHANGE_FILE_RENAME,  /* path s, to s: the same file has another name, all that refer to it
                                follow */
  QS_CHANGE_FILE_MERGE,   /* path s, into s, format s: what lies or stands on the first file lies or
                                stands on the second one, whose format this is, from now on; the
                                first stays recorded, used by nobody. It holds no tag */
  QS_CHANGE_FILE_BACKING, /* path s, backing s: what it stands on, "": nothing */
  QS_CHANGE_FILE_ROLE,    /* path s, role s */
  QS_CHANGE_FILE_MODE,    /* path s, mode u: what its mode was before the write bits were taken
                                off, 0: they were put back; step u: from the result of that step */
  QS_CHANGE_FILE_TOMBSTONE,   /* path s: unlinked by a finish step, forgotten then */
  QS_CHANGE_FILE_FORGET,      /* path s */
  QS_CHANGE_SNAPSHOT_PUT,     /* uuid, name, parent, description, state, kind, memory, origin s,
                                 created x, document s, unverified b */
  QS_CHANGE_SNAPSHOT_FILE,    /* uuid s, target s, path s, tag s */
  QS_CHANGE_SNAPSHOT_DELETE,  /* uuid s; its children move to its parent */
  QS_CHANGE_SNAPSHOT_EDIT,    /* uuid s, name s, description s, document s: may be left out */
  QS_CHANGE_SNAPSHOT_QUIESCE, /* uuid s, freeze-time t, quiesced b; step u: from the result of that
                                 step */
  QS_CHANGE_CURRENT,          /* uuid s, or "" */
  QS_CHANGE_QUARANTINE,       /* reason s, or "" */
  QS_CHANGE_TIP,              /* uuid s, target s, path s: the overlay with what was changed after
                                 the snapshot, kept while the domain is elsewhere */
  QS_CHANGE_TIP_FORGET,       /* uuid s: of all its disks */
  QS_CHANGE_MIRROR,           /* target s, path s, format s, snapshot s, job s, node s: the disk is
                                 written to this file, too; it goes with the snapshot */
  QS_CHANGE_MIRROR_DROP,      /* path s, reason s: it is not written to any more */
  QS_CHANGE_MIRROR_FORGET,    /* path s: of its file */
} QsChangeKind;
#define QS_N_CHANGE_KINDS (QS_CHANGE_MIRROR_FORGET + 1)

const char *qs_change_name (QsChangeKind kind);
gboolean qs_change_lookup (const char *name, QsChangeKind *kind);

/* a list of changes is an a(sa{sv}); an argument is given as key, type, value:
   qs_changes_add (&list, QS_CHANGE_CURRENT, "uuid", "s", uuid, NULL)

   Any change may have `if-done` au, indexes of steps: it is left out if the result of one of them
   says that it was tried and not done (`done` false) */
typedef GVariantBuilder QsChangeList;
void qs_changes_init (QsChangeList *list);
void qs_changes_add (QsChangeList *list, QsChangeKind kind, ...) G_GNUC_NULL_TERMINATED;
void qs_changes_add_end_of_process (QsChangeList *list);
GVariant *qs_changes_end (QsChangeList *list);

gboolean qs_changes_check (GVariant *changes, GError **error);
GVariant *qs_changes_resolve (GVariant *changes, GPtrArray *results, GError **error);

const char *qs_change_string (GVariant *arguments, const char *key);
gint64 qs_change_int64 (GVariant *arguments, const char *key);
guint64 qs_change_uint64 (GVariant *arguments, const char *key);
gboolean qs_change_boolean (GVariant *arguments, const char *key);
gboolean qs_change_is_step_done (GVariant *result);
gboolean qs_change_check_merge (GVariant *arguments, GError **error);
void qs_change_mirror (GVariant *arguments, QsMirror *mirror);
QsSnapshot *qs_change_snapshot (GVariant *arguments, const QsSnapshot *before, guint64 rev,
                                GError **error);

/**
 * qs_domain_apply:
 * @domain: (nullable): NULL if the changes begin with DOMAIN_PUT of a new one
 * @changes: a(sa{sv}), results of steps already filled in
 *
 * Returns: (transfer full): the domain after the changes; NULL with @error not set if they delete
 *   it
 */
QsDomain *qs_domain_apply (const QsDomain *domain, GVariant *changes, GError **error);
