/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-facts.h"
#include "qs-finding.h"

/**
 * qs_verify_findings:
 * @facts: with the answers to qs_verify_ask()
 *
 * Returns: (transfer full) (element-type QsFinding): where the records of the domain and its files
 *   do not agree, sorted by path, kind and id
 */
GPtrArray *qs_verify_findings (const QsDomain *domain, const QsFacts *facts);
gboolean qs_verify_is_written (const QsFacts *facts, const QsImage *image);

/* what a tool has counted in the tables of an image */
typedef struct
{
  guint64 corruptions;
  guint64 leaks;
} QsImageCheck;

GVariant *qs_verify_check_findings (const char *path, const QsImageCheck *check);
GVariant *qs_verify_unchecked (const char *path, const GError *error);
void qs_verify_ask (const QsDomain *domain, QsQuestions *questions);

/* what the files of qs-verify-*.c share */
typedef struct
{
  const QsDomain *domain;
  const QsFacts *facts;
  GPtrArray *findings;
  GHashTable *files;   /* path -> QsFile */
  GHashTable *sights;  /* path -> QsSight */
  GHashTable *bases;   /* of char: paths on which a recorded file stands by the records */
  GHashTable *present; /* uuids of snapshots of which something was found */
  GHashTable *absent;  /* uuids of those of which something was not */
} QsVerify;

QsFinding *qs_verify_add (const QsVerify *verify, QsFindingKind kind, const char *path,
                          const char *detail, const char *format, ...) G_GNUC_PRINTF (5, 6);
const QsFile *qs_verify_find_file (const QsVerify *verify, const char *path);
const QsSight *qs_verify_find_sight (const QsVerify *verify, const char *path);
char *qs_verify_subject (const QsVerify *verify, const QsFile *file);
const char *qs_verify_snapshot_name (const QsVerify *verify, const char *uuid);
gboolean qs_verify_is_image (const QsSight *sight);

void qs_verify_file (const QsVerify *verify, const QsFile *file, const QsSight *sight);
void qs_verify_mode (const QsVerify *verify, const QsFile *file, const QsImage *image);
void qs_verify_chain (const QsVerify *verify, const QsSight *sight);
void qs_verify_tags (const QsVerify *verify, const QsSight *sight);
void qs_verify_stray (const QsVerify *verify, const QsSight *stray);
