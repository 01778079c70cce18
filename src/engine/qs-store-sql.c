/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-sql.h"

static const char *const statements[] = {
  [QS_SQL_BEGIN] = "BEGIN IMMEDIATE",
  [QS_SQL_COMMIT] = "COMMIT",
  [QS_SQL_ROLLBACK] = "ROLLBACK",

  [QS_SQL_DOMAIN_LIST] =
      "SELECT id, owner, uuid, name, rev, state, pid, start_time, boot_id, socket, unit, "
      "COALESCE (current, ''), quarantine FROM domain ORDER BY rowid",
  [QS_SQL_DOMAIN_FIND_OTHER] =
      "SELECT name FROM domain WHERE owner = ?1 AND (uuid = ?2 OR name = ?3) AND id <> ?4",
  [QS_SQL_DOMAIN_PUT] = "INSERT INTO domain (id, owner, uuid, name) VALUES (?1, ?2, ?3, ?4) "
                        "ON CONFLICT (id) DO UPDATE SET uuid = ?3, name = ?4 "
                        "WHERE owner = ?2",
  [QS_SQL_DOMAIN_BUMP] = "UPDATE domain SET rev = rev + 1 WHERE id = ?1",
  [QS_SQL_DOMAIN_DELETE] = "DELETE FROM domain WHERE id = ?1",
  [QS_SQL_DOMAIN_STATE] = "UPDATE domain SET state = ?2 WHERE id = ?1",
  [QS_SQL_DOMAIN_PROCESS] =
      "UPDATE domain SET pid = ?2, start_time = ?3, boot_id = ?4, socket = ?5, unit = ?6 "
      "WHERE id = ?1",
  [QS_SQL_DOMAIN_CURRENT] = "UPDATE domain SET current = NULLIF (?2, '') WHERE id = ?1",
  [QS_SQL_DOMAIN_QUARANTINE] = "UPDATE domain SET quarantine = ?2 WHERE id = ?1",
  [QS_SQL_DEFINITION_LIST] = "SELECT domain, live, document FROM definition ORDER BY live, rowid",
  [QS_SQL_DEFINITION_PUT] = "INSERT INTO definition (domain, live, document) VALUES (?1, ?2, ?3) "
                            "ON CONFLICT (domain, live) DO UPDATE SET document = ?3",
  [QS_SQL_DEFINITION_DELETE] = "DELETE FROM definition WHERE domain = ?1 AND live = ?2",

  [QS_SQL_ATTACHMENT_LIST] =
      "SELECT domain, socket, agent, stable_path, follow FROM attachment ORDER BY rowid",
  [QS_SQL_ATTACHMENT_PUT] =
      "INSERT INTO attachment (domain, socket, agent, stable_path, follow) "
      "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (domain) DO UPDATE SET socket = ?2, agent = ?3, "
      "stable_path = ?4, follow = ?5",

  [QS_SQL_ACTIVE_LIST] = "SELECT domain, target, path, format, stem FROM active ORDER BY rowid",
  [QS_SQL_ACTIVE_PUT] =
      "INSERT INTO active (domain, target, path, format, stem) VALUES (?1, ?2, ?3, ?4, ?5) "
      "ON CONFLICT (domain, target) DO UPDATE SET path = ?3, format = ?4, stem = ?5",
  [QS_SQL_ACTIVE_DELETE] = "DELETE FROM active WHERE domain = ?1 AND target = ?2",

  [QS_SQL_FILE_KNOW] =
      "INSERT INTO file (domain, path, format) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
  [QS_SQL_FILE_PUT] =
      "INSERT INTO file (domain, path, format, role, backing, ours, dev, ino, btime) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (domain, path) DO UPDATE SET "
      "format = ?3, role = CASE WHEN role = 'layer' AND ?4 = 'disk' AND (ino = 0 OR ino = ?8) "
      "AND (btime = ?9 OR btime = 0 OR ?9 = 0) THEN role ELSE ?4 END, "
      "backing = ?5, ours = ?6, dev = ?7, ino = ?8, btime = ?9",
  /* whoever refers to the file follows by its foreign key */
  [QS_SQL_FILE_RENAME] = "UPDATE file SET path = ?3 WHERE domain = ?1 AND path = ?2",
  [QS_SQL_FILE_RENAME_BACKING] = "UPDATE file SET backing = ?3 WHERE domain = ?1 AND backing = ?2",
  [QS_SQL_FILE_MERGE_SNAPSHOTS] = "UPDATE snap_file SET path = ?3 WHERE domain = ?1 AND path = ?2",
  [QS_SQL_FILE_MERGE_TIPS] = "UPDATE tip SET path = ?3 WHERE domain = ?1 AND path = ?2",
  [QS_SQL_FILE_MERGE_ACTIVE] =
      "UPDATE active SET path = ?3, format = ?4 WHERE domain = ?1 AND path = ?2",
  [QS_SQL_FILE_FIND_ABOVE] =
      "SELECT path FROM file WHERE domain = ?1 AND backing = ?2 AND path = ?3",
  [QS_SQL_FILE_FIND_TAG] =
      "SELECT tag FROM snap_file WHERE domain = ?1 AND path = ?2 AND tag <> '' LIMIT 1",
  [QS_SQL_FILE_BACKING] = "UPDATE file SET backing = ?3 WHERE domain = ?1 AND path = ?2",
  [QS_SQL_FILE_ROLE] = "UPDATE file SET role = ?3 WHERE domain = ?1 AND path = ?2",
  [QS_SQL_FILE_MODE_PUT] = "INSERT INTO file_mode (domain, path, mode) VALUES (?1, ?2, ?3) "
                           "ON CONFLICT (domain, path) DO UPDATE SET mode = ?3",
  [QS_SQL_FILE_MODE_FORGET] = "DELETE FROM file_mode WHERE domain = ?1 AND path = ?2",
  [QS_SQL_FILE_FORGET] = "DELETE FROM file WHERE domain = ?1 AND path = ?2",
  [QS_SQL_FILE_LIST] =
      "SELECT path, format, role, NULLIF (backing, ''), ours, dev, ino, btime, "
      "(SELECT target FROM active WHERE active.domain = file.domain AND active.path = file.path), "
      "(SELECT mode FROM file_mode WHERE file_mode.domain = file.domain "
      "AND file_mode.path = file.path) "
      "FROM file WHERE domain = ?1 ORDER BY rowid",
  [QS_SQL_FILE_USERS] =
      "SELECT path, snapshot, tag FROM snap_file WHERE domain = ?1 ORDER BY rowid",
  [QS_SQL_FILE_FIND] =
      "SELECT path, format, role, NULLIF (backing, ''), ours, dev, ino, btime, "
      "(SELECT target FROM active WHERE active.domain = file.domain AND active.path = file.path), "
      "(SELECT mode FROM file_mode WHERE file_mode.domain = file.domain "
      "AND file_mode.path = file.path) "
      "FROM file WHERE domain = ?1 AND path = ?2",
  [QS_SQL_TAG_FIND] = "SELECT snapshot FROM snap_file WHERE tag = ?3 AND tag <> '' "
                      "AND domain = ?1 AND path = ?2 LIMIT 1",
  [QS_SQL_SNAPSHOT_FILES] = "SELECT target, path, NULLIF (tag, ''), (SELECT format FROM file "
                            "WHERE file.domain = snap_file.domain AND file.path = snap_file.path) "
                            "FROM snap_file WHERE snapshot = ?1 ORDER BY rowid",
  [QS_SQL_TIP_PUT] = "INSERT INTO tip (domain, snapshot, target, path) VALUES (?1, ?2, ?3, ?4) "
                     "ON CONFLICT (snapshot, target) DO UPDATE SET path = ?4",
  [QS_SQL_TIP_FORGET] = "DELETE FROM tip WHERE snapshot = ?1",
  [QS_SQL_TIP_LIST] = "SELECT path, snapshot, target FROM tip WHERE domain = ?1 ORDER BY rowid",
  [QS_SQL_FILE_FOREIGN] =
      "SELECT domain FROM file WHERE domain <> ?1 AND ((dev = ?2 AND ino = ?3 AND ino <> 0) "
      "OR path = ?4) LIMIT 1",
  [QS_SQL_FILE_OTHER_NAME] =
      "SELECT path FROM file WHERE dev = ?2 AND ino = ?3 AND ino <> 0 AND domain = ?1 "
      "AND path <> ?4 AND (btime = ?5 OR btime = 0 OR ?5 = 0) LIMIT 1",
  [QS_SQL_TOMBSTONE_PUT] =
      "INSERT INTO tombstone (domain, path, dev, ino, btime) "
      "SELECT domain, path, dev, ino, btime FROM file WHERE domain = ?1 AND path = ?2 "
      "ON CONFLICT (domain, path) DO UPDATE SET dev = excluded.dev, ino = excluded.ino, "
      "btime = excluded.btime",
  [QS_SQL_TOMBSTONE_FORGET] = "DELETE FROM tombstone WHERE domain = ?1 AND path = ?2",

  [QS_SQL_SNAPSHOT_LIST] =
      "SELECT domain, uuid, name, COALESCE (parent, ''), description, created, rev, state, kind, "
      "memory, origin, unverified, EXISTS (SELECT 1 FROM tip WHERE tip.snapshot = snapshot.uuid), "
      "COALESCE (freeze_time, 0), COALESCE (quiesced, 0) "
      "FROM snapshot LEFT JOIN quiesce ON quiesce.snapshot = snapshot.uuid",
  [QS_SQL_SNAPSHOT_FIND] = "SELECT domain FROM snapshot WHERE uuid = ?1",
  [QS_SQL_SNAPSHOT_FIND_NAME] = "SELECT uuid FROM snapshot WHERE domain = ?1 AND name = ?2",
  [QS_SQL_SNAPSHOT_IS_BELOW] =
      "WITH RECURSIVE up (uuid) AS (SELECT ?2 WHERE NOT EXISTS (SELECT 1 FROM snapshot "
      "WHERE uuid = ?1 AND parent = ?2) UNION SELECT snapshot.parent FROM snapshot, up "
      "WHERE snapshot.uuid = up.uuid) SELECT uuid FROM up WHERE uuid = ?1",
  [QS_SQL_SNAPSHOT_PUT] =
      "INSERT INTO snapshot (domain, uuid, name, parent, description, state, kind, memory, origin, "
      "created, unverified, rev) SELECT ?1, ?2, ?3, NULLIF (?4, ''), ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
      "rev FROM domain WHERE id = ?1 ON CONFLICT (uuid) DO UPDATE SET name = ?3, "
      "parent = NULLIF (?4, ''), description = ?5, state = ?6, kind = ?7, memory = ?8, "
      "origin = ?9, created = ?10, unverified = ?11",
  [QS_SQL_SNAPSHOT_FILE] =
      "INSERT INTO snap_file (domain, snapshot, target, path, tag) VALUES (?1, ?2, ?3, ?4, ?5) "
      "ON CONFLICT (snapshot, target) DO UPDATE SET path = ?4, tag = ?5",
  [QS_SQL_SNAPSHOT_EDIT] = "UPDATE snapshot SET name = ?2, description = ?3 WHERE uuid = ?1",
  [QS_SQL_SNAPSHOT_QUIESCE] =
      "INSERT INTO quiesce (snapshot, freeze_time, quiesced) VALUES (?1, ?2, ?3) "
      "ON CONFLICT (snapshot) DO UPDATE SET freeze_time = ?2, quiesced = ?3",
  [QS_SQL_SNAPSHOT_LEAVE_CURRENT] =
      "UPDATE domain SET current = NULL WHERE id = ?1 AND current = ?2",
  [QS_SQL_SNAPSHOT_MOVE_CHILDREN] =
      "UPDATE snapshot SET parent = (SELECT parent FROM snapshot WHERE uuid = ?1) "
      "WHERE parent = ?1",
  [QS_SQL_SNAPSHOT_DELETE] = "DELETE FROM snapshot WHERE uuid = ?1",
  [QS_SQL_MIRROR_LIST] = "SELECT domain, target, path, format, snapshot, job, node, reason "
                         "FROM mirror ORDER BY rowid",
  [QS_SQL_MIRROR_PUT] =
      "INSERT INTO mirror (domain, target, path, format, snapshot, job, node, reason) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '') ON CONFLICT (domain, path) DO UPDATE SET "
      "target = ?2, format = ?4, snapshot = ?5, job = ?6, node = ?7, reason = ''",
  [QS_SQL_MIRROR_DROP] =
      "UPDATE mirror SET reason = ?3 WHERE domain = ?1 AND path = ?2 AND reason = ''",
  [QS_SQL_MIRROR_FORGET] = "DELETE FROM mirror WHERE domain = ?1 AND path = ?2",
  /* a record that goes whatever its mirrors were leaves no file behind that is known for nothing */
  [QS_SQL_MIRROR_FORGET_FILES] =
      "DELETE FROM file WHERE domain = ?1 AND role = 'mirror' "
      "AND path IN (SELECT path FROM mirror WHERE domain = ?1 AND snapshot = ?2)",
  [QS_SQL_DOCUMENT_PUT] = "INSERT INTO document (snapshot, document) VALUES (?1, ?2) "
                          "ON CONFLICT (snapshot) DO UPDATE SET document = ?2",
  [QS_SQL_DOCUMENT_GET] =
      "SELECT document, hash = row_hash (snapshot, document) FROM document WHERE snapshot = ?1",

  [QS_SQL_DOMAIN_GET_REV] = "SELECT rev FROM domain WHERE id = ?1",
  [QS_SQL_COPY_DOMAIN] = "SELECT * FROM domain WHERE id = ?1",
  [QS_SQL_COPY_DEFINITION] = "SELECT * FROM definition WHERE domain = ?1 ORDER BY live",
  [QS_SQL_COPY_ATTACHMENT] = "SELECT * FROM attachment WHERE domain = ?1",
  [QS_SQL_COPY_ACTIVE] = "SELECT * FROM active WHERE domain = ?1 ORDER BY target",
  [QS_SQL_COPY_FILE] = "SELECT * FROM file WHERE domain = ?1 ORDER BY path",
  [QS_SQL_COPY_FILE_MODE] = "SELECT * FROM file_mode WHERE domain = ?1 ORDER BY path",
  [QS_SQL_COPY_SNAPSHOT] = "SELECT * FROM snapshot WHERE domain = ?1 ORDER BY rev",
  [QS_SQL_COPY_DOCUMENT] =
      "SELECT document.* FROM snapshot, document WHERE document.snapshot = snapshot.uuid "
      "AND domain = ?1 ORDER BY rev",
  [QS_SQL_COPY_SNAP_FILE] = "SELECT * FROM snap_file WHERE domain = ?1 ORDER BY snapshot, target",
  [QS_SQL_COPY_QUIESCE] =
      "SELECT quiesce.* FROM snapshot, quiesce WHERE quiesce.snapshot = snapshot.uuid "
      "AND domain = ?1 ORDER BY rev",
  [QS_SQL_COPY_TIP] = "SELECT * FROM tip WHERE domain = ?1 ORDER BY snapshot, target",
  [QS_SQL_COPY_MIRROR] = "SELECT * FROM mirror WHERE domain = ?1 ORDER BY path",
  [QS_SQL_COPY_TOMBSTONE] = "SELECT * FROM tombstone WHERE domain = ?1 ORDER BY path",

  [QS_SQL_FREEZE_PUT] =
      "INSERT INTO freeze (domain, op, owner, pid, start_time, boot_id, socket, ours, since) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (domain, op) DO UPDATE SET "
      "owner = ?3, pid = ?4, start_time = ?5, boot_id = ?6, socket = ?7, ours = ?8, since = ?9",
  [QS_SQL_FREEZE_FORGET] = "DELETE FROM freeze WHERE domain = ?1 AND op = ?2",
  [QS_SQL_FREEZE_LIST] =
      "SELECT domain, op, owner, pid, start_time, boot_id, socket, ours, since FROM freeze "
      "ORDER BY rowid",

  [QS_SQL_OP_ADD] =
      "INSERT INTO op (domain, name, request, parts, caller) VALUES (?1, ?2, ?3, ?4, ?5)",
  [QS_SQL_OP_FIND_OPEN] = "SELECT name FROM op WHERE domain = ?1 AND state = 'open'",
  [QS_SQL_OP_GET_DOMAIN] = "SELECT domain FROM op WHERE id = ?1 AND state = 'open'",
  [QS_SQL_OP_CLOSE] =
      "UPDATE op SET state = 'closed', request = '', error = ?2, message = ?3 WHERE id = ?1",
  [QS_SQL_OP_PRUNE] = "DELETE FROM op WHERE state = 'closed' AND id <= ?1",
  [QS_SQL_OP_LIST_OPEN] =
      "SELECT id, domain, name, request, parts, caller FROM op WHERE state = 'open' ORDER BY id",
  [QS_SQL_PENDING_COUNT] = "SELECT (SELECT COUNT (*) FROM op WHERE state = 'open') "
                           "+ (SELECT COUNT (*) FROM freeze)",
  [QS_SQL_REQUEST_ADD] = "INSERT INTO op_request (op, n, request) VALUES (?1, ?2, ?3)",
  [QS_SQL_REQUEST_LIST] = "SELECT request FROM op_request WHERE op = ?1 ORDER BY n",
  [QS_SQL_REQUEST_DELETE] = "DELETE FROM op_request WHERE op = ?1",
  /* of one that was undone and begins anew the steps go with it */
  [QS_SQL_PART_ADD] = "INSERT OR REPLACE INTO op_part (op, n, plan, state) VALUES (?1, ?2, ?3, ?4)",
  [QS_SQL_PART_STATE] = "UPDATE op_part SET state = ?3 WHERE op = ?1 AND n = ?2",
  [QS_SQL_PART_LIST] = "SELECT n, plan, state FROM op_part WHERE op = ?1 ORDER BY n",
  [QS_SQL_PART_DELETE] = "DELETE FROM op_part WHERE op = ?1",
  /* a result that is known stays when a later state brings none */
  [QS_SQL_STEP_PUT] =
      "INSERT INTO op_step (op, part, n, state, result) VALUES (?1, ?2, ?3, ?4, ?5) "
      "ON CONFLICT (op, part, n) DO UPDATE SET state = ?4, result = COALESCE (?5, result)",
  [QS_SQL_STEP_STATE] = "SELECT state FROM op_step WHERE op = ?1 AND part = ?2 AND n = ?3",
  [QS_SQL_STEP_LIST] =
      "SELECT n, state, result FROM op_step WHERE op = ?1 AND part = ?2 ORDER BY n",
};
G_STATIC_ASSERT (G_N_ELEMENTS (statements) == QS_N_SQL);

const char *
qs_sql_text (QsSql id)
{
  g_return_val_if_fail (id < QS_N_SQL, NULL);
  return statements[id];
}
