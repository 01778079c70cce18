/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-step.h"

#include "qs-error.h"

#include <string.h>

#define IMAGE_CREATE                                                                               \
  "target:s path:s format:s size:t cluster-size:u extended-l2:b? backing:s? backing-format:s? "    \
  "mode:u gid:u"
#define CONDITIONS "if-done:u? unless-done:u?"
#define HEADER "backing:s? backing-format:s? old:s? old-format:s?"
#define IMAGE_SNAPSHOT "target:s path:s format:s tag:s dev:t ino:t"

static const QsStepType step_types[] = {
  [QS_STEP_IMAGE_CREATE] = { "image-create", "unlink", QS_MAY_PREPARE | QS_MAKES_FILE,
                             IMAGE_CREATE },
  /* the same in an empty file or a block device that is the caller's */
  [QS_STEP_IMAGE_TAKE] = { "image-take", "wipe", QS_MAY_PREPARE,
                           IMAGE_CREATE " dev:t ino:t rdev:t diskseq:t" },
  [QS_STEP_IMAGE_SNAPSHOT] = { "image-snapshot", "snapshot -d", QS_MAY_PREPARE, IMAGE_SNAPSHOT },
  /* @load: that step has done it already, unless QEMU ended over it */
  [QS_STEP_IMAGE_SNAPSHOT_APPLY] = { "image-snapshot-apply", NULL,
                                     QS_MAY_COMMIT | QS_MAY_FINISH | QS_IS_FINAL,
                                     IMAGE_SNAPSHOT " load:u?" },
  [QS_STEP_IMAGE_SNAPSHOT_DELETE] = { "image-snapshot-delete", NULL,
                                      QS_MAY_COMMIT | QS_MAY_FINISH | QS_IS_FINAL, IMAGE_SNAPSHOT },
  /* @backing: an existing node that it stands on; left out, or "": none, whatever its header says */
  [QS_STEP_NODE_ADD] = { "blockdev-add", "blockdev-del", QS_MAY_PREPARE | QS_INTENT_MAY_WAIT,
                         "target:s node:s path:s format:s direct:b no-flush:b detect-zeroes:s? "
                         "auto-read-only:b? open-backing:b? backing:s? read-only:b?" },
  /* all disks at one point in time. A row has one of: `overlay`, which the guest goes over to; `tag`,
     a snapshot inside the image; `backup`, a node that gets the content of firmware variables */
  [QS_STEP_TRANSACTION] = { "transaction", "block-commit",
                            QS_MAY_PREPARE | QS_MAY_COMMIT | QS_CLEARS_COMMIT, "disks:aa{sv}",
                            "target:s node:s overlay:s? path:s active:s? format:s? before:(ttb)? "
                            "tag:s? dev:t? ino:t? btime:x? backup:s? job:s?" },
  /* for a QEMU that has no `transaction`: one disk after the other */
  [QS_STEP_BLOCKDEV_SNAPSHOT_SYNC] = { "blockdev-snapshot-sync", NULL,
                                       QS_MAY_COMMIT | QS_MAY_FINISH,
                                       "target:s node:s overlay:s path:s format:s size:t "
                                       "before:(ttb)? dev:t? ino:t? btime:x?" },
  [QS_STEP_NODE_SNAPSHOT_DELETE] = { "blockdev-snapshot-delete-internal-sync", NULL,
                                     QS_MAY_FINISH | QS_IS_FINAL,
                                     "target:s node:s tag:s path:s format:s dev:t ino:t "
                                     "writable:u?" },
  [QS_STEP_NVRAM_CREATE] = { "nvram-create", "unlink", QS_MAY_PREPARE, "path:s template:s" },
  [QS_STEP_PROOF_START] = { "proof-start", "kill", QS_MAY_PREPARE,
                            "id:s definition:s chains:a(sa(ss))" },
  /* @beside: another process of the domain may run, and stays the domain's until step `connect`;
     @incoming: it waits for a stream */
  [QS_STEP_SPAWN] = { "spawn", "kill", QS_MAY_PREPARE | QS_MAY_FINISH,
                      "id:s definition:s chains:a(sa(ss)) incoming:b? beside:b?" },
  [QS_STEP_STOP] = { "stop", "cont",
                     QS_MAY_PREPARE | QS_MAY_COMMIT | QS_MAY_FINISH | QS_RELEASES_GUEST
                         | QS_INTENT_MAY_WAIT,
                     "" },
  /* @stop: only if that step has paused the guest */
  [QS_STEP_CONT] = { "cont", "stop", QS_MAY_PREPARE | QS_MAY_COMMIT | QS_MAY_FINISH, "stop:u?" },
  [QS_STEP_POWERDOWN] = { "system_powerdown", NULL, QS_MAY_COMMIT | QS_IS_FINAL, "" },
  [QS_STEP_QUIT] = { "quit", NULL, QS_MAY_COMMIT | QS_MAY_FINISH | QS_IS_FINAL,
                     "pid:x start-time:t boot-id:s unit:s" },
  [QS_STEP_RECORD] = { "record", NULL, QS_MAY_COMMIT | QS_MAY_FINISH | QS_INTENT_MAY_WAIT,
                       "changes:a(sa{sv})" },
  /* @keep: only while the file has this name as well */
  [QS_STEP_FILE_UNLINK] = { "file-unlink", NULL,
                            QS_MAY_COMMIT | QS_MAY_FINISH | QS_IS_FINAL | QS_REMOVES_FILE,
                            "path:s dev:t ino:t btime:x keep:s?" },
  /* the file of step `image`: if step `switch` was tried in vain, or, without that, in any case */
  [QS_STEP_IMAGE_DISCARD] = { "image-discard", NULL, QS_MAY_FINISH,
                              "target:s path:s image:u switch:u?" },
  /* a second name @path for the file @from, which is dev:ino */
  [QS_STEP_FILE_LINK] = { "link", "unlink", QS_MAY_PREPARE,
                          "target:s path:s from:s dev:t ino:t btime:x" },
  /* the file that step `image` has made, or from-dev:from-ino, takes over the name @over of the file
     dev:ino; @off: no QEMU may have that one open */
  [QS_STEP_FILE_RENAME] = { "rename", NULL, QS_MAY_COMMIT | QS_MAY_FINISH,
                            "target:s path:s over:s kept:s image:u? from-dev:t? from-ino:t? "
                            "from-btime:x? "
                            "dev:t ino:t btime:x off:b" },
  [QS_STEP_FILE_MODE] = { "chmod", "chmod", QS_MAY_PREPARE | QS_MAY_FINISH,
                          "target:s path:s dev:t ino:t btime:x mode:u before:u switch:u?" },
  /* node @old, whose file has got another name, is replaced below @node by one that knows it */
  [QS_STEP_NODE_REBASE] = { "blockdev-reopen", NULL, QS_MAY_FINISH,
                            "target:s node:s format:s backing:s path:s backing-format:s old:s "
                            "direct:b no-flush:b detect-zeroes:s" },
  /* node @node keeps @old alive while no device stands on that */
  [QS_STEP_NODE_HOLD] = { "blockdev-hold", "blockdev-del", QS_MAY_PREPARE | QS_INTENT_MAY_WAIT,
                          "target:s node:s old:s" },
  /* the @device of a guest that stands still goes from @old to @node */
  [QS_STEP_NODE_SWITCH] = { "qom-set", "qom-set", QS_MAY_PREPARE | QS_INTENT_MAY_WAIT,
                            "target:s device:s node:s old:s" },
  [QS_STEP_NODE_RELEASE] = { "blockdev-del", NULL, QS_MAY_FINISH | QS_INTENT_MAY_WAIT,
                             "target:s node:s? old:s holder:s?" },
  [QS_STEP_RESET] = { "system_reset", NULL, QS_MAY_FINISH, "" },
  /* to the QEMU that somebody else has started, or to that of step @spawn */
  [QS_STEP_CONNECT] = { "connect", NULL, QS_MAY_FINISH,
                        "pid:x? start-time:t? boot-id:s? socket:s? spawn:u?" },
  [QS_STEP_DISCONNECT] = { "disconnect", NULL, QS_MAY_FINISH, "pid:x" },
  /* an empty file, for the stream of a `migrate` */
  [QS_STEP_FILE_CREATE] = { "file-create", "unlink", QS_MAY_PREPARE | QS_MAKES_FILE,
                            "target:s path:s mode:u gid:u" },
  /* memory goes to node @vmstate under @tag, and the state of all @devices; the rows are those of them
     that are disks of the domain */
  [QS_STEP_SNAPSHOT_SAVE] = { "snapshot-save", "snapshot-delete", QS_MAY_PREPARE,
                              "job:s tag:s vmstate:s devices:as disks:aa{sv}",
                              "target:s node:s path:s format:s dev:t ino:t" },
  /* memory goes to the file that step @file has made. @live: while the guest runs, up to where it
     stands still, which it has to within @timeout seconds */
  [QS_STEP_MIGRATE] = { "migrate", "migrate_cancel", QS_MAY_PREPARE | QS_RELEASES_GUEST,
                        "path:s file:u live:b timeout:u" },
  /* the rest of what step @migrate has begun */
  [QS_STEP_MIGRATE_CONTINUE] = { "migrate-continue", "cont", QS_MAY_PREPARE | QS_RELEASES_GUEST,
                                 "path:s file:u migrate:u" },
  [QS_STEP_FREEZE] = { "guest-fsfreeze-freeze", "guest-fsfreeze-thaw",
                       QS_MAY_PREPARE | QS_RELEASES_GUEST, "socket:s" },
  /* what step @freeze has frozen */
  [QS_STEP_THAW] = { "guest-fsfreeze-thaw", "guest-fsfreeze-thaw", QS_MAY_PREPARE | QS_MAY_FINISH,
                     "freeze:u" },
  /* of the file @from, which is dev:ino and which nobody writes to */
  [QS_STEP_FILE_COPY] = { "file-copy", "unlink", QS_MAY_PREPARE | QS_MAKES_FILE,
                          "target:s path:s from:s dev:t ino:t mode:u gid:u" },
  /* the content of the first @layers of @files, of the first if that is left out, goes into the next,
     on which they stand; the rest is what that stands on. Without @above the first is what the guest
     writes to, and the device goes over to the file that is written; else @above is the node on the
     first, and its file gets @backing for @old into its header. @reopen: all that node @base was made
     with; @drop: nodes that are not needed afterwards, those on top first. Where no QEMU ran when this
     was planned, the names of nodes are empty. @storage: not in the domain's QEMU, but in the process
     of that step, whose nodes have the names that it gives them. @speed: bytes a
     second that the job begins with */
  [QS_STEP_BLOCK_COMMIT] = { "block-commit", "job-cancel",
                             QS_MAY_PREPARE | QS_MAY_FINISH | QS_IS_FINAL | QS_CAN_RESUME,
                             "target:s job:s device:s top:s base:s files:a(ssttx) layers:u? "
                             "drop:as "
                             "above:s? above-file:(ssttx)? reopen:a{sv}? storage:u? "
                             "speed:t? " HEADER },
  /* the content of all @files goes into the first of them, node @node; it stands on @base then, or on
     nothing. @storage, @speed: as above */
  [QS_STEP_BLOCK_STREAM] = { "block-stream", "job-cancel", QS_MAY_PREPARE | QS_CAN_RESUME,
                             "target:s job:s node:s base:s? files:a(ssttx) drop:as "
                             "reopen:a{sv}? storage:u? speed:t? " HEADER },
  /* the rest of the steps belong to the merge of step @merge */
  [QS_STEP_JOB_COMPLETE] = { "job-complete", "job-cancel",
                             QS_MAY_PREPARE | QS_MAY_FINISH | QS_CAN_RESUME, "target:s merge:u" },
  [QS_STEP_FLUSH] = { "flush", "job-cancel", QS_MAY_PREPARE | QS_MAY_FINISH | QS_CAN_RESUME,
                      "target:s merge:u" },
  [QS_STEP_JOB_FINALIZE] = { "job-finalize", NULL, QS_MAY_COMMIT | QS_MAY_FINISH,
                             "target:s merge:u" },
  [QS_STEP_JOB_DISMISS] = { "job-dismiss", NULL, QS_MAY_FINISH | QS_INTENT_MAY_WAIT,
                            "target:s merge:u" },
  /* memory is loaded into the process of step @spawn from the stream in the file, which is dev:ino;
     @late: it gets its images only with `cont` or `activate`, for another process has them open. What
     undoes it is the end of that process */
  [QS_STEP_MIGRATE_INCOMING] = { "migrate-incoming", "kill", QS_MAY_PREPARE,
                                 "spawn:u path:s dev:t ino:t btime:x size:t? late:b" },
  /* the domain's guest gets its images without being continued */
  [QS_STEP_ACTIVATE] = { "block-export-add", NULL, QS_MAY_FINISH, "" },
  /* memory from node @vmstate, and all @devices, go back to @tag while the guest stands still; the rows
     are those of the devices that are disks. @pid, @start-time: of the QEMU that is meant. @spawn: it is
     that of this step, which may get the image @file as @vmstate for it */
  [QS_STEP_SNAPSHOT_LOAD] = { "snapshot-load", "none",
                              QS_MAY_PREPARE | QS_MAY_COMMIT | QS_MAY_FINISH,
                              "job:s tag:s vmstate:s devices:as disks:aa{sv} spawn:u? pid:x? "
                              "start-time:t? file:s? file-dev:t? file-ino:t?",
                              "target:s node:s path:s format:s dev:t ino:t" },
  /* a process of the owner that has @files open, each of which stands on the next, for jobs without a
     guest: as nodes "n0", "n1" and so on, and a filter "t" on the first. No other process has @id */
  [QS_STEP_STORAGE] = { "storage-daemon", "kill", QS_MAY_PREPARE | QS_MAY_FINISH,
                        "target:s id:s files:a(ssttx)" },
  /* ends the process of step @storage */
  [QS_STEP_STORAGE_QUIT] = { "storage-quit", NULL, QS_MAY_FINISH, "storage:u" },
  /* the header of the one file, which nobody may have open, names @backing where it named @old */
  [QS_STEP_IMAGE_REBASE] = { "image-rebase", NULL, QS_MAY_COMMIT | QS_MAY_FINISH,
                             "target:s files:a(ssttx) old:s backing:s backing-format:s" },
  /* of @files, one row: whether its tables are sound */
  [QS_STEP_IMAGE_CHECK] = { "image-check", NULL, QS_MAY_FINISH | QS_ONLY_LOOKS,
                            "target:s files:a(sstt)" },
  /* its clusters that nobody refers to are free again */
  [QS_STEP_IMAGE_REPAIR] = { "image-repair", NULL, QS_MAY_COMMIT, "target:s files:a(sstt)" },
  /* node @node, on which others stand, can be written to */
  [QS_STEP_NODE_WRITABLE] = { "blockdev-writable", "blockdev-reopen", QS_MAY_PREPARE,
                              "target:s node:s path:s" },
  /* what the guest sees of @device, a block node, is copied to @node, which has the file @path open: that
     of step @image, or @file; and all that it writes after that. @until-ready: until both are equal, and
     stay so; else the job is only begun. @drop: nodes that are not needed when the device has gone over
     to @node, @added: if it has not, those on top first. @keep: it was begun before, and goes on if the
     device stays. The rest is as of a commit of what the guest writes to */
  [QS_STEP_MIRROR] = { "blockdev-mirror", "job-cancel", QS_MAY_PREPARE | QS_CAN_RESUME,
                       "target:s job:s device:s node:s path:s image:u? file:(ssttx)? sync:s "
                       "copy-mode:s speed:t? until-ready:b keep:b? drop:as added:as" },
  /* of step @merge, a mirror or a commit of what the guest writes to: until the caller says what is to
     come. Done: the device is to go over; not done: it is not, and what was written is a copy of the
     moment */
  [QS_STEP_JOB_HOLD] = { "job-hold", "job-cancel", QS_MAY_PREPARE | QS_CAN_RESUME,
                         "target:s merge:u" },
  /* node @node, whose file has the format @format, stands on node @backing */
  [QS_STEP_NODE_BACKING] = { "blockdev-backing", "blockdev-reopen", QS_MAY_PREPARE,
                             "target:s node:s format:s backing:s direct:b no-flush:b "
                             "detect-zeroes:s" },
  /* QEMU forgets @job, whatever has become of it, and closes @node that it wrote to */
  [QS_STEP_MIRROR_END] = { "job-cancel", NULL, QS_MAY_FINISH, "target:s job:s node:s" },
};
G_STATIC_ASSERT (G_N_ELEMENTS (step_types) == QS_N_STEP_KINDS);

static const char *const phase_names[] = {
  [QS_PHASE_PREPARE] = "prepare",
  [QS_PHASE_COMMIT] = "commit",
  [QS_PHASE_FINISH] = "finish",
};
G_STATIC_ASSERT (G_N_ELEMENTS (phase_names) == QS_N_PHASES);

/**
 * qs_step_type:
 *
 * Returns: the row of @kind in the step table
 */
const QsStepType *
qs_step_type (QsStepKind kind)
{
  g_return_val_if_fail (kind < QS_N_STEP_KINDS, NULL);
  return &step_types[kind];
}

/**
 * qs_step_kind_lookup:
 *
 * Returns: FALSE, and @kind untouched, if no kind has this name
 */
gboolean
qs_step_kind_lookup (const char *name, QsStepKind *kind)
{
  for (guint i = 0; i < QS_N_STEP_KINDS; i++)
    if (g_str_equal (step_types[i].name, name))
      {
        *kind = i;
        return TRUE;
      }
  return FALSE;
}

const char *
qs_phase_name (QsPhase phase)
{
  g_return_val_if_fail (phase < QS_N_PHASES, NULL);
  return phase_names[phase];
}

gboolean
qs_phase_lookup (const char *name, QsPhase *phase)
{
  for (guint i = 0; i < QS_N_PHASES; i++)
    if (g_str_equal (phase_names[i], name))
      {
        *phase = i;
        return TRUE;
      }
  return FALSE;
}

/**
 * qs_step_new:
 * @target: (nullable): what it works on, for people; NULL: nothing in particular
 * @arguments: (nullable): a{sv}, a floating reference is sunk; NULL: none
 */
QsStep *
qs_step_new (QsStepKind kind, QsPhase phase, const char *target, GVariant *arguments)
{
  QsStep *step = g_new0 (QsStep, 1);

  if (arguments == NULL)
    arguments = g_variant_new ("a{sv}", NULL);
  step->kind = kind;
  step->phase = phase;
  step->target = g_strdup (target == NULL ? "" : target);
  step->arguments = g_variant_ref_sink (arguments);
  return step;
}

void
qs_step_free (QsStep *step)
{
  if (step == NULL)
    return;
  g_free (step->target);
  g_variant_unref (step->arguments);
  g_free (step);
}

/* @word is "key:type" or, where it may be left out, "key:type?" */
static gboolean
check_argument (const QsStep *step, GVariant *values, const char *word, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (word, ":", 2);
  gboolean optional = g_str_has_suffix (parts[1], "?");
  g_autoptr (GVariant) value = g_variant_lookup_value (values, parts[0], NULL);

  if (optional)
    parts[1][strlen (parts[1]) - 1] = '\0';
  if (value == NULL && optional)
    return TRUE;
  if (value == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "step ‘%s’ of ‘%s’ lacks the argument ‘%s’",
                   step_types[step->kind].name, step->target, parts[0]);
      return FALSE;
    }
  if (g_strcmp0 (g_variant_get_type_string (value), parts[1]) == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
               "step ‘%s’ of ‘%s’ has argument ‘%s’ of type ‘%s’, not ‘%s’",
               step_types[step->kind].name, step->target, parts[0],
               g_variant_get_type_string (value), parts[1]);
  return FALSE;
}

static gboolean
check_arguments (const QsStep *step, GVariant *values, const char *words, GError **error)
{
  g_auto (GStrv) list = g_strsplit (words, " ", -1);

  for (guint i = 0; list[i] != NULL; i++)
    if (*list[i] != '\0' && !check_argument (step, values, list[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
check_rows (const QsStep *step, GError **error)
{
  const QsStepType *type = &step_types[step->kind];
  g_autoptr (GVariant) disks = NULL;

  if (type->rows == NULL)
    return TRUE;
  disks = g_variant_lookup_value (step->arguments, "disks", G_VARIANT_TYPE ("aa{sv}"));
  /* memory alone is nothing on any disk */
  if (disks != NULL && g_variant_n_children (disks) == 0
      && (step->kind == QS_STEP_SNAPSHOT_SAVE || step->kind == QS_STEP_SNAPSHOT_LOAD))
    return TRUE;
  if (disks == NULL || g_variant_n_children (disks) == 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "step ‘%s’ has no disks", type->name);
      return FALSE;
    }
  for (gsize i = 0; i < g_variant_n_children (disks); i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);

      if (!check_arguments (step, disk, type->rows, error))
        return FALSE;
    }
  return TRUE;
}

/**
 * qs_step_check:
 *
 * Compares a step with the step table: its phase, and the keys and types of its arguments. Keys
 * that the table does not have are none of its business: a later version may have written them.
 */
gboolean
qs_step_check (const QsStep *step, GError **error)
{
  const QsStepType *type = &step_types[step->kind];

  if ((type->phases & (1u << step->phase)) == 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "step ‘%s’ cannot stand in phase ‘%s’",
                   type->name, phase_names[step->phase]);
      return FALSE;
    }
  if (step->phase == QS_PHASE_PREPARE && type->undo == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "step ‘%s’ has no undo", type->name);
      return FALSE;
    }
  return check_arguments (step, step->arguments, type->arguments, error)
         && check_arguments (step, step->arguments, CONDITIONS, error) && check_rows (step, error);
}

/**
 * qs_step_string:
 *
 * Returns: (nullable) (transfer none): the argument, NULL if there is none
 */
const char *
qs_step_string (const QsStep *step, const char *key)
{
  const char *value = NULL;

  g_variant_lookup (step->arguments, key, "&s", &value);
  return value;
}

/**
 * qs_step_uint64:
 *
 * Returns: an argument of type u, t or x (if not negative); 0 if there is none
 */
guint64
qs_step_uint64 (const QsStep *step, const char *key)
{
  guint32 small;
  guint64 large;
  gint64 number;

  if (g_variant_lookup (step->arguments, key, "u", &small))
    return small;
  if (g_variant_lookup (step->arguments, key, "t", &large))
    return large;
  if (g_variant_lookup (step->arguments, key, "x", &number))
    return MAX (number, 0);
  return 0;
}

gboolean
qs_step_boolean (const QsStep *step, const char *key)
{
  gboolean value = FALSE;

  g_variant_lookup (step->arguments, key, "b", &value);
  return value;
}

/**
 * qs_step_value:
 *
 * Returns: (nullable) (transfer full): the argument, NULL if there is none
 */
GVariant *
qs_step_value (const QsStep *step, const char *key)
{
  return g_variant_lookup_value (step->arguments, key, NULL);
}
