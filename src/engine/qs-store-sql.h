/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/* "Snpd" */
#define QS_STORE_APPLICATION_ID 0x536e7064
#define QS_STORE_VERSION 2

/**
 * QsSql:
 *
 * Every statement the store ever runs after it was opened. Prepared once, always bound.
 */
typedef enum
{
  QS_SQL_BEGIN,
  QS_SQL_COMMIT,
  QS_SQL_ROLLBACK,

  QS_SQL_DOMAIN_LIST,
  QS_SQL_DOMAIN_FIND_OTHER,
  QS_SQL_DOMAIN_PUT,
  QS_SQL_DOMAIN_BUMP,
  QS_SQL_DOMAIN_DELETE,
  QS_SQL_DOMAIN_STATE,
  QS_SQL_DOMAIN_PROCESS,
  QS_SQL_DOMAIN_CURRENT,
  QS_SQL_DOMAIN_QUARANTINE,
  QS_SQL_DEFINITION_LIST,
  QS_SQL_DEFINITION_PUT,
  QS_SQL_DEFINITION_DELETE,

  QS_SQL_ATTACHMENT_LIST,
  QS_SQL_ATTACHMENT_PUT,

  QS_SQL_ACTIVE_LIST,
  QS_SQL_ACTIVE_PUT,
  QS_SQL_ACTIVE_DELETE,

  QS_SQL_FILE_KNOW,
  QS_SQL_FILE_PUT,
  QS_SQL_FILE_RENAME,
  QS_SQL_FILE_RENAME_BACKING,
  QS_SQL_FILE_MODE_PUT,
  QS_SQL_FILE_MODE_FORGET,
  QS_SQL_FILE_FORGET,
  QS_SQL_FILE_LIST,
  QS_SQL_FILE_USERS,
  QS_SQL_SNAPSHOT_FILES,
  QS_SQL_FILE_FOREIGN,
  QS_SQL_TOMBSTONE_PUT,
  QS_SQL_TOMBSTONE_FORGET,

  QS_SQL_SNAPSHOT_LIST,
  QS_SQL_SNAPSHOT_FIND,
  QS_SQL_SNAPSHOT_FIND_NAME,
  QS_SQL_SNAPSHOT_IS_BELOW,
  QS_SQL_SNAPSHOT_PUT,
  QS_SQL_SNAPSHOT_FILE,
  QS_SQL_SNAPSHOT_EDIT,
  QS_SQL_SNAPSHOT_LEAVE_CURRENT,
  QS_SQL_SNAPSHOT_MOVE_CHILDREN,
  QS_SQL_SNAPSHOT_DELETE,
  QS_SQL_DOCUMENT_PUT,
  QS_SQL_DOCUMENT_GET,

  QS_SQL_DOMAIN_GET_REV,
  QS_SQL_COPY_DOMAIN,
  QS_SQL_COPY_DEFINITION,
  QS_SQL_COPY_ATTACHMENT,
  QS_SQL_COPY_ACTIVE,
  QS_SQL_COPY_FILE,
  QS_SQL_COPY_FILE_MODE,
  QS_SQL_COPY_SNAPSHOT,
  QS_SQL_COPY_DOCUMENT,
  QS_SQL_COPY_SNAP_FILE,
  QS_SQL_COPY_TIP,
  QS_SQL_COPY_TOMBSTONE,

  QS_SQL_OP_ADD,
  QS_SQL_OP_FIND_OPEN,
  QS_SQL_OP_GET_DOMAIN,
  QS_SQL_OP_CLOSE,
  QS_SQL_OP_PRUNE,
  QS_SQL_OP_LIST_OPEN,
  QS_SQL_OP_COUNT_OPEN,
  QS_SQL_REQUEST_ADD,
  QS_SQL_REQUEST_LIST,
  QS_SQL_REQUEST_DELETE,
  QS_SQL_PART_ADD,
  QS_SQL_PART_STATE,
  QS_SQL_PART_LIST,
  QS_SQL_PART_DELETE,
  QS_SQL_STEP_PUT,
  QS_SQL_STEP_STATE,
  QS_SQL_STEP_LIST,
} QsSql;
#define QS_N_SQL (QS_SQL_STEP_LIST + 1)

const char *qs_sql_text (QsSql id);

/* in order, each NULL-terminated; the last element is NULL */
extern const char *const qs_sql_settings[];

/**
 * QsUpgrade:
 *
 * What leads from the schema version that is its index in the table to the next one; the first one
 * makes a new database.
 */
typedef const char *const *QsUpgrade;
extern const QsUpgrade qs_sql_upgrades[QS_STORE_VERSION];

/* for each schema version from 1: the first row names a table with a row that is not as it was
   written */
extern const char *const qs_sql_verify[QS_STORE_VERSION];
