/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-qmp.h"

/**
 * QsQmpAnswer:
 * @number: of the command; 0: the greeting
 * @root: NULL: the connection has ended
 */
typedef struct
{
  guint number;
  JsonNode *root;
} QsQmpAnswer;

/* a QsQmp lives in an atomic reference-counted box: its users and the reading thread hold it.
   @users counts the former, so that their last one ends the connection */
struct QsQmp
{
  int fd;
  guint32 nonce; /* of the ids of this connection */
  int users;     /* atomic */
  int open;      /* atomic */
  guint sent;    /* atomic: number of the last command */
  char *reason;  /* atomic: why the connection was dropped, or NULL */
  guint settled; /* number of the last answer taken; of whoever has the turn */

  GAsyncQueue *turn;    /* one token: who has it may send */
  GAsyncQueue *answers; /* of QsQmpAnswer */
  GAsyncQueue *news;    /* a token each time that a job or the migration changed its state */
  gsize stopped;        /* atomic: microseconds that the guest stood still */
  int resumes;          /* atomic: how often it went on */

  /* the rest belongs to the reading thread */
  GSource *source;
  GSource *delivery;
  GByteArray *input;
  GQueue events;
  guint answered;    /* number of the last answer read */
  gint64 stopped_at; /* by QEMU's clock, of a guest that stands still; else 0 */
  guint belated;     /* answers for a connection before this one */
  gboolean greeted;
  gboolean lost;
  gboolean ended;
  QsQmpEventFunc on_event;
  gpointer user_data;
  GDestroyNotify destroy;
};

void qs_qmp_answer_free (QsQmpAnswer *answer);
void qs_qmp_release (gpointer qmp);

#define QS_QMP_ID_PREFIX "qs-"

char *qs_qmp_format_id (const QsQmp *qmp, guint number);

/* qs-qmp-reader.c */
void qs_qmp_reader_start (QsQmp *qmp);
void qs_qmp_reader_stop (QsQmp *qmp);
void qs_qmp_reader_clear (QsQmp *qmp);
gboolean qs_qmp_reader_is_current_thread (void);
