/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-sql.h"

/* EXCLUSIVE first: then WAL needs no shared memory file */
const char *const qs_sql_settings[] = {
  "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA mmap_size = 0",       "PRAGMA cell_size_check = ON",
  "PRAGMA trusted_schema = OFF",     "PRAGMA foreign_keys = ON",   "PRAGMA secure_delete = ON",
  "PRAGMA synchronous = FULL",       "PRAGMA temp_store = MEMORY", NULL,
};

#define DOMAIN_COLUMNS                                                                             \
  "id, owner, uuid, name, rev, state, pid, start_time, boot_id, socket, unit, current, quarantine"
#define DEFINITION_COLUMNS "domain, live, document"
#define FILE_COLUMNS "domain, path, format, role, backing, ours, dev, ino, btime"
#define ACTIVE_COLUMNS "domain, target, path, format, stem"
#define SNAPSHOT_COLUMNS                                                                           \
  "uuid, domain, name, parent, description, state, kind, memory, origin, created, rev, unverified"
#define DOCUMENT_COLUMNS "snapshot, document"
#define SNAP_FILE_COLUMNS "domain, snapshot, target, path, tag"
#define TIP_COLUMNS "domain, snapshot, target, path"
#define TOMBSTONE_COLUMNS "domain, path, dev, ino, btime"
#define ATTACHMENT_COLUMNS "domain, socket, agent, stable_path, follow"
#define FILE_MODE_COLUMNS "domain, path, mode"
#define QUIESCE_COLUMNS "snapshot, freeze_time, quiesced"
#define MIRROR_COLUMNS "domain, target, path, format, snapshot, job, node, reason"
#define FREEZE_COLUMNS "domain, op, owner, pid, start_time, boot_id, socket, ours, since"
#define OP_COLUMNS "id, domain, name, request, parts, caller, state, error, message"
#define REQUEST_COLUMNS "op, n, request"
#define PART_COLUMNS "op, n, plan, state"
#define STEP_COLUMNS "op, part, n, state, result"

/* SQLite keeps no checksum of its pages: each row carries one of its own, so that a flipped bit in a
   text is found too */
#define HASHED(table, columns)                                                                     \
  "CREATE TRIGGER " table "_added AFTER INSERT ON " table " BEGIN UPDATE " table                   \
  " SET hash = row_hash (" columns ") WHERE rowid = new.rowid; END",                               \
      "CREATE TRIGGER " table "_changed AFTER UPDATE OF " columns " ON " table                     \
      " BEGIN UPDATE " table " SET hash = row_hash (" columns ") WHERE rowid = new.rowid; END"

#define HASH_COLUMN "hash INTEGER NOT NULL DEFAULT 0"

static const char *const version_1[] = {
  "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT",

  "CREATE TABLE domain (id TEXT NOT NULL PRIMARY KEY, owner INTEGER NOT NULL, uuid TEXT NOT NULL, "
  "name TEXT NOT NULL, rev INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'shutoff', "
  "pid INTEGER NOT NULL DEFAULT 0, start_time INTEGER NOT NULL DEFAULT 0, "
  "boot_id TEXT NOT NULL DEFAULT '', socket TEXT NOT NULL DEFAULT '', "
  "unit TEXT NOT NULL DEFAULT '', "
  "current TEXT REFERENCES snapshot (uuid) DEFERRABLE INITIALLY DEFERRED, "
  "quarantine TEXT NOT NULL DEFAULT '', " HASH_COLUMN
  ", UNIQUE (owner, uuid), UNIQUE (owner, name)) STRICT",
  HASHED ("domain", DOMAIN_COLUMNS),

  "CREATE TABLE definition (domain TEXT NOT NULL REFERENCES domain (id) ON DELETE CASCADE, "
  "live INTEGER NOT NULL, document TEXT NOT NULL, " HASH_COLUMN
  ", PRIMARY KEY (domain, live)) STRICT",
  HASHED ("definition", DEFINITION_COLUMNS),

  "CREATE TABLE file (domain TEXT NOT NULL REFERENCES domain (id) ON DELETE CASCADE, "
  "path TEXT NOT NULL, format TEXT NOT NULL, role TEXT NOT NULL DEFAULT 'disk', "
  "backing TEXT NOT NULL DEFAULT '', ours INTEGER NOT NULL DEFAULT 0, "
  "dev INTEGER NOT NULL DEFAULT 0, ino INTEGER NOT NULL DEFAULT 0, "
  "btime INTEGER NOT NULL DEFAULT 0, " HASH_COLUMN ", PRIMARY KEY (domain, path)) STRICT",
  "CREATE INDEX file_identity ON file (dev, ino)",
  "CREATE INDEX file_path ON file (path)",
  HASHED ("file", FILE_COLUMNS),

  "CREATE TABLE active (domain TEXT NOT NULL REFERENCES domain (id) ON DELETE CASCADE, "
  "target TEXT NOT NULL, path TEXT NOT NULL, format TEXT NOT NULL, "
  "stem TEXT NOT NULL DEFAULT '', " HASH_COLUMN ", PRIMARY KEY (domain, target), "
  "FOREIGN KEY (domain, path) REFERENCES file (domain, path) ON UPDATE CASCADE "
  "DEFERRABLE INITIALLY DEFERRED) STRICT",
  HASHED ("active", ACTIVE_COLUMNS),

  "CREATE TABLE snapshot (uuid TEXT NOT NULL PRIMARY KEY, "
  "domain TEXT NOT NULL REFERENCES domain (id) ON DELETE CASCADE, name TEXT NOT NULL, "
  "parent TEXT REFERENCES snapshot (uuid) DEFERRABLE INITIALLY DEFERRED, "
  "description TEXT NOT NULL, state TEXT NOT NULL, kind TEXT NOT NULL, memory TEXT NOT NULL, "
  "origin TEXT NOT NULL, created INTEGER NOT NULL, rev INTEGER NOT NULL, "
  "unverified INTEGER NOT NULL DEFAULT 0, " HASH_COLUMN ", UNIQUE (domain, name)) STRICT",
  "CREATE INDEX snapshot_parent ON snapshot (parent)",
  HASHED ("snapshot", SNAPSHOT_COLUMNS),

  /* apart, so that loading the tree does not read past the documents */
  "CREATE TABLE document (snapshot TEXT NOT NULL PRIMARY KEY "
  "REFERENCES snapshot (uuid) ON DELETE CASCADE, document TEXT NOT NULL, " HASH_COLUMN ") STRICT",
  HASHED ("document", DOCUMENT_COLUMNS),

  "CREATE TABLE snap_file (domain TEXT NOT NULL, "
  "snapshot TEXT NOT NULL REFERENCES snapshot (uuid) ON DELETE CASCADE, target TEXT NOT NULL, "
  "path TEXT NOT NULL, tag TEXT NOT NULL DEFAULT '', " HASH_COLUMN
  ", PRIMARY KEY (snapshot, target), "
  "FOREIGN KEY (domain, path) REFERENCES file (domain, path) ON UPDATE CASCADE "
  "DEFERRABLE INITIALLY DEFERRED) STRICT",
  "CREATE INDEX snap_file_path ON snap_file (domain, path)",
  HASHED ("snap_file", SNAP_FILE_COLUMNS),

  "CREATE TABLE tip (domain TEXT NOT NULL, "
  "snapshot TEXT NOT NULL REFERENCES snapshot (uuid) ON DELETE CASCADE, target TEXT NOT NULL, "
  "path TEXT NOT NULL, " HASH_COLUMN ", PRIMARY KEY (snapshot, target), "
  "FOREIGN KEY (domain, path) REFERENCES file (domain, path) ON UPDATE CASCADE "
  "DEFERRABLE INITIALLY DEFERRED) STRICT",
  "CREATE INDEX tip_path ON tip (domain, path)",
  HASHED ("tip", TIP_COLUMNS),

  /* no reference to domain: files are still to be unlinked when it is gone */
  "CREATE TABLE tombstone (domain TEXT NOT NULL, path TEXT NOT NULL, dev INTEGER NOT NULL, "
  "ino INTEGER NOT NULL, btime INTEGER NOT NULL, " HASH_COLUMN
  ", PRIMARY KEY (domain, path)) STRICT",
  HASHED ("tombstone", TOMBSTONE_COLUMNS),

  /* nor here: define begins before its domain is there, undefine ends after */
  "CREATE TABLE op (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, domain TEXT NOT NULL, "
  "name TEXT NOT NULL, request TEXT NOT NULL, parts INTEGER NOT NULL, caller INTEGER NOT NULL, "
  "state TEXT NOT NULL DEFAULT 'open', error TEXT NOT NULL DEFAULT '', "
  "message TEXT NOT NULL DEFAULT '', " HASH_COLUMN ") STRICT",
  "CREATE UNIQUE INDEX op_open ON op (domain) WHERE state = 'open'",
  HASHED ("op", OP_COLUMNS),

  "CREATE TABLE op_request (op INTEGER NOT NULL REFERENCES op (id) ON DELETE CASCADE, "
  "n INTEGER NOT NULL, request TEXT NOT NULL, " HASH_COLUMN ", PRIMARY KEY (op, n)) STRICT",
  HASHED ("op_request", REQUEST_COLUMNS),

  "CREATE TABLE op_part (op INTEGER NOT NULL REFERENCES op (id) ON DELETE CASCADE, "
  "n INTEGER NOT NULL, plan TEXT NOT NULL, state INTEGER NOT NULL, " HASH_COLUMN
  ", PRIMARY KEY (op, n)) STRICT",
  HASHED ("op_part", PART_COLUMNS),

  "CREATE TABLE op_step (op INTEGER NOT NULL, part INTEGER NOT NULL, n INTEGER NOT NULL, "
  "state INTEGER NOT NULL, result TEXT, " HASH_COLUMN ", PRIMARY KEY (op, part, n), "
  "FOREIGN KEY (op, part) REFERENCES op_part (op, n) ON DELETE CASCADE) STRICT",
  HASHED ("op_step", STEP_COLUMNS),
  NULL,
};

/* QEMUs that somebody else starts, and files whose write bits were taken off */
static const char *const version_2[] = {
  "CREATE TABLE attachment (domain TEXT NOT NULL PRIMARY KEY "
  "REFERENCES domain (id) ON DELETE CASCADE, socket TEXT NOT NULL, agent TEXT NOT NULL, "
  "stable_path INTEGER NOT NULL, follow INTEGER NOT NULL, " HASH_COLUMN ") STRICT",
  HASHED ("attachment", ATTACHMENT_COLUMNS),

  "CREATE TABLE file_mode (domain TEXT NOT NULL, path TEXT NOT NULL, mode INTEGER NOT "
  "NULL, " HASH_COLUMN ", PRIMARY KEY (domain, path), "
  "FOREIGN KEY (domain, path) REFERENCES file (domain, path) ON UPDATE CASCADE "
  "ON DELETE CASCADE) STRICT",
  HASHED ("file_mode", FILE_MODE_COLUMNS),
  NULL,
};

/* guests whose file systems were frozen for a snapshot */
static const char *const version_3[] = {
  "CREATE TABLE quiesce (snapshot TEXT NOT NULL PRIMARY KEY "
  "REFERENCES snapshot (uuid) ON DELETE CASCADE, freeze_time INTEGER NOT NULL, "
  "quiesced INTEGER NOT NULL, " HASH_COLUMN ") STRICT",
  HASHED ("quiesce", QUIESCE_COLUMNS),

  /* no reference to domain nor op: both may be gone before the guest is thawed. A domain may owe it
     to several QEMUs: one was detached, and the next one attached */
  "CREATE TABLE freeze (domain TEXT NOT NULL, op INTEGER NOT NULL, "
  "owner INTEGER NOT NULL, pid INTEGER NOT NULL, start_time INTEGER NOT NULL, "
  "boot_id TEXT NOT NULL, socket TEXT NOT NULL, ours INTEGER NOT NULL, since INTEGER NOT "
  "NULL, " HASH_COLUMN ", PRIMARY KEY (domain, op)) STRICT",
  HASHED ("freeze", FREEZE_COLUMNS),
  NULL,
};

/* whose a tag is; a file may hold as many as there are snapshots */
static const char *const version_4[] = {
  "CREATE INDEX snap_file_tag ON snap_file (tag) WHERE tag <> ''",
  NULL,
};

/* second files of disks. A reason: nothing is written to it any more */
static const char *const version_5[] = {
  "CREATE TABLE mirror (domain TEXT NOT NULL REFERENCES domain (id) ON DELETE CASCADE, "
  "target TEXT NOT NULL, path TEXT NOT NULL, format TEXT NOT NULL, "
  "snapshot TEXT NOT NULL REFERENCES snapshot (uuid) ON DELETE CASCADE, job TEXT NOT NULL, "
  "node TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', " HASH_COLUMN
  ", PRIMARY KEY (domain, path), "
  "FOREIGN KEY (domain, path) REFERENCES file (domain, path) ON UPDATE CASCADE "
  "DEFERRABLE INITIALLY DEFERRED) STRICT",
  "CREATE INDEX mirror_snapshot ON mirror (snapshot)",
  HASHED ("mirror", MIRROR_COLUMNS),
  NULL,
};

const QsUpgrade qs_sql_upgrades[QS_STORE_VERSION] = { version_1, version_2, version_3, version_4,
                                                      version_5 };

#define DAMAGED(table, columns)                                                                    \
  "SELECT '" table "' FROM " table " WHERE hash <> row_hash (" columns ")"
#define AND " UNION ALL "

/* documents of snapshots are looked at when they are asked for: there may be gigabytes of them */
#define DAMAGED_1                                                                                  \
  DAMAGED ("domain", DOMAIN_COLUMNS)                                                               \
  AND DAMAGED ("definition", DEFINITION_COLUMNS)                                                   \
  AND DAMAGED ("file", FILE_COLUMNS)                                                               \
  AND DAMAGED ("active", ACTIVE_COLUMNS)                                                           \
  AND DAMAGED ("snapshot", SNAPSHOT_COLUMNS)                                                       \
  AND DAMAGED ("snap_file", SNAP_FILE_COLUMNS)                                                     \
  AND DAMAGED ("tip", TIP_COLUMNS)                                                                 \
  AND DAMAGED ("tombstone", TOMBSTONE_COLUMNS)                                                     \
  AND DAMAGED ("op", OP_COLUMNS)                                                                   \
  AND DAMAGED ("op_request", REQUEST_COLUMNS)                                                      \
  AND DAMAGED ("op_part", PART_COLUMNS)                                                            \
  AND DAMAGED ("op_step", STEP_COLUMNS)
#define DAMAGED_2                                                                                  \
  DAMAGED_1                                                                                        \
  AND DAMAGED ("attachment", ATTACHMENT_COLUMNS)                                                   \
  AND DAMAGED ("file_mode", FILE_MODE_COLUMNS)

#define DAMAGED_3                                                                                  \
  DAMAGED_2                                                                                        \
  AND DAMAGED ("quiesce", QUIESCE_COLUMNS)                                                         \
  AND DAMAGED ("freeze", FREEZE_COLUMNS)

#define DAMAGED_5                                                                                  \
  DAMAGED_3                                                                                        \
  AND DAMAGED ("mirror", MIRROR_COLUMNS)

const char *const qs_sql_verify[QS_STORE_VERSION] = { DAMAGED_1 " LIMIT 1", DAMAGED_2 " LIMIT 1",
                                                      DAMAGED_3 " LIMIT 1", DAMAGED_3 " LIMIT 1",
                                                      DAMAGED_5 " LIMIT 1" };
