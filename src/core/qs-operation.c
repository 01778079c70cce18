/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-flags.h"
#include "qs-planners.h"

static const QsOperation operations[] = {
  [QS_VERB_DEFINE] = { "define", qs_ask_define, qs_plan_define, NULL },
  [QS_VERB_UNDEFINE] = { "undefine", qs_ask_undefine, qs_plan_undefine, qs_parts_undefine,
                         .resumes = TRUE },
  [QS_VERB_START] = { "start", qs_ask_start, qs_plan_start, NULL },
  [QS_VERB_SHUTDOWN] = { "shutdown", qs_ask_run_state, qs_plan_run_state, .passes = TRUE },
  [QS_VERB_DESTROY] = { "destroy", qs_ask_run_state, qs_plan_run_state, NULL },
  [QS_VERB_SUSPEND] = { "suspend", qs_ask_run_state, qs_plan_run_state, .passes = TRUE },
  [QS_VERB_RESUME] = { "resume", qs_ask_run_state, qs_plan_run_state, .passes = TRUE },
  [QS_VERB_SNAPSHOT_CREATE] = { "snapshot-create", qs_ask_create, qs_plan_create, qs_parts_create },
  [QS_VERB_SNAPSHOT_REVERT] = { "snapshot-revert", qs_ask_revert, qs_plan_revert, qs_parts_revert },
  [QS_VERB_SNAPSHOT_DELETE] = { "snapshot-delete", qs_ask_delete, qs_plan_delete, qs_parts_delete,
                                .resumes = TRUE },
  [QS_VERB_SNAPSHOT_EDIT] = { "snapshot-edit", qs_ask_edit, qs_plan_edit, NULL },
  [QS_VERB_ATTACH] = { "attach", qs_ask_attach, qs_plan_attach, NULL },
  [QS_VERB_DETACH] = { "detach", qs_ask_detach, qs_plan_detach, NULL },
  [QS_VERB_REPAIR] = { "repair", qs_ask_repair, qs_plan_repair, qs_parts_repair },
  [QS_VERB_VERIFY] = { "verify", qs_ask_verify, qs_plan_verify, NULL, .looks = TRUE },
  [QS_VERB_BLOCK_COPY] = { "block-copy", qs_ask_block_copy, qs_plan_block_copy, qs_parts_block_copy,
                           .resumes = TRUE },
  [QS_VERB_BLOCK_PULL] = { "block-pull", qs_ask_block_pull, qs_plan_block_pull, NULL,
                           .resumes = TRUE },
  [QS_VERB_BLOCK_COMMIT] = { "block-commit", qs_ask_block_commit, qs_plan_block_commit, NULL,
                             .resumes = TRUE },
  [QS_VERB_MIRROR_DROP] = { "mirror-drop", qs_ask_mirror_drop, qs_plan_mirror_drop, NULL },
};
G_STATIC_ASSERT (G_N_ELEMENTS (operations) == QS_N_VERBS);

const QsOperation *
qs_operation_get (QsVerb verb)
{
  g_return_val_if_fail (verb < QS_N_VERBS, NULL);
  return &operations[verb];
}

/**
 * qs_operation_passes_quarantine:
 *
 * Returns: whether @verb may be done on a domain in quarantine: what changes neither its files nor
 *   its guest, or is the way out
 */
gboolean
qs_operation_passes_quarantine (QsVerb verb)
{
  return operations[verb].looks || verb == QS_VERB_ATTACH || verb == QS_VERB_DETACH
         || verb == QS_VERB_MIRROR_DROP || verb == QS_VERB_REPAIR;
}

/**
 * qs_operation_resumes:
 * @part: of it, or @request itself
 *
 * Returns: whether this part of what @request asks for is begun, or gone on with, after a restart of the
 *   service
 */
gboolean
qs_operation_resumes (const QsRequest *request, const QsRequest *part)
{
  gboolean is_transient =
      request->verb == QS_VERB_BLOCK_COPY && (request->flags & QS_BLOCK_COPY_TRANSIENT_JOB) != 0;

  return operations[part->verb].resumes && !is_transient;
}
