/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain.h"
#include "qs-peers.h"

/**
 * QsAuthority:
 *
 * Asks polkit. Fails closed: no polkit, an error, no answer in time or a caller that is gone are
 * a no. Nothing is remembered here. Main thread only, never waits.
 */
typedef struct QsAuthority QsAuthority;

typedef enum
{
  QS_ANSWER_NO,
  QS_ANSWER_CHALLENGE, /* no, but a password could make it a yes */
  QS_ANSWER_YES,
  QS_ANSWER_TOO_MANY, /* prompts at once; not asked */
} QsAnswer;

typedef enum
{
  QS_INTERACTION_NONE,
  QS_INTERACTION_ALLOWED, /* by the caller's message: polkit may ask for a password */
} QsInteraction;

/**
 * QsQuestion:
 * @action: without the prefix
 *
 * What polkit is asked, and what it may show in a dialog.
 */
typedef struct
{
  const char *action;
  const char *operation;
  const QsDomain *domain;     /* or NULL */
  const QsSnapshot *snapshot; /* or NULL */
  QsInteraction interaction;
} QsQuestion;

typedef void (*QsAuthorityFunc) (QsAnswer answer, gpointer user_data);

QsAuthority *qs_authority_new (GCallback on_changed, gpointer user_data);
void qs_authority_free (QsAuthority *authority);
void qs_authority_ask (QsAuthority *authority, QsPeer *peer, const QsQuestion *question,
                       QsAuthorityFunc func, gpointer user_data);
char *qs_authority_printable (const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsAuthority, qs_authority_free)
