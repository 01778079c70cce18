/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-snapshot-def.h"

typedef enum
{
  QS_VERB_DEFINE,
  QS_VERB_UNDEFINE,
  QS_VERB_START,
  QS_VERB_SHUTDOWN,
  QS_VERB_DESTROY,
  QS_VERB_SUSPEND,
  QS_VERB_RESUME,
  QS_VERB_SNAPSHOT_CREATE,
  QS_VERB_SNAPSHOT_REVERT,
  QS_VERB_SNAPSHOT_DELETE,
  QS_VERB_SNAPSHOT_EDIT,
  QS_VERB_ATTACH,
  QS_VERB_DETACH,
  QS_VERB_REPAIR,
  QS_VERB_VERIFY,
  QS_VERB_BLOCK_PULL,
  QS_VERB_BLOCK_COPY,
  QS_VERB_BLOCK_COMMIT,
  QS_VERB_MIRROR_DROP, /* begun by the service, whenever a mirror may have ended */
} QsVerb;
#define QS_N_VERBS (QS_VERB_MIRROR_DROP + 1)

/**
 * QsRequest:
 *
 * What a caller asks of a domain; kept as text in the journal. Immutable once handed on.
 */
typedef struct
{
  QsVerb verb;
  guint32 flags;
  char *snapshot;     /* uuid of the snapshot that is reverted to, deleted, edited; of one that a
                              part creates for later parts: the uuid it shall have */
  QsSnapshotDef *def; /* create */
  QsDomainDef *domain_def; /* define, attach */
  GVariant *options;       /* a{sv}, checked against the table of its method */
  guint32 caller;          /* uid */
  gboolean caller_is_owner;
  gboolean
      beside; /* another operation of the domain is open: the journal has nothing of this one */
} QsRequest;

QsRequest *qs_request_new (QsVerb verb, guint32 flags);
QsRequest *qs_request_ref (QsRequest *request);
void qs_request_unref (QsRequest *request);
char *qs_request_to_text (const QsRequest *request);
QsRequest *qs_request_from_text (const char *text, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsRequest, qs_request_unref)
