/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-step-qmp.h"

/* qs-step-node.c */
gboolean qs_node_add_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error);
gboolean qs_node_add_undo (QsGuest *guest, const QsStep *step, GVariant *result, GError **error);
QsProbe qs_node_add_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error);
gboolean qs_node_snapshot_delete_run (QsGuest *guest, const QsStep *step, GVariant **result,
                                      GError **error);
QsProbe qs_node_snapshot_delete_probe (QsGuest *guest, const QsStep *step, GVariant *result,
                                       GError **error);

/* that it is not there is as good */
gboolean qs_node_drop (QsGuest *guest, const char *name, GError **error);

/* qs-step-transaction.c */
gboolean qs_transaction_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error);
QsProbe qs_transaction_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error);

gboolean qs_blockdev_snapshot_sync_run (QsGuest *guest, const QsStep *step, GVariant **result,
                                        GError **error);
QsProbe qs_blockdev_snapshot_sync_probe (QsGuest *guest, const QsStep *step, GVariant *result,
                                         GError **error);

/* qs-step-save.c */
gboolean qs_snapshot_save_run (QsGuest *guest, const QsStep *step, GVariant **result,
                               GError **error);
gboolean qs_snapshot_save_undo (QsGuest *guest, const QsStep *step, GVariant *result,
                                GError **error);

/* qs-step-load-check.c */
gboolean qs_snapshot_load_check (QsGuest *guest, const QsStep *step, GError **error);

/* qs-step-load.c: floating */
GVariant *qs_snapshot_load_arguments (const QsStep *step);

/* qs-step-rebase.c */
gboolean qs_node_rebase_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error);
QsProbe qs_node_rebase_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error);

gboolean qs_node_backing_run (QsGuest *guest, const QsStep *step, GVariant **result,
                              GError **error);
gboolean qs_node_backing_undo (QsGuest *guest, const QsStep *step, GVariant *result,
                               GError **error);

/* qs-step-switch.c */
gboolean qs_node_hold_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error);
gboolean qs_node_hold_undo (QsGuest *guest, const QsStep *step, GVariant *result, GError **error);
gboolean qs_node_switch_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error);
gboolean qs_node_switch_undo (QsGuest *guest, const QsStep *step, GVariant *result, GError **error);
QsProbe qs_node_switch_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error);
gboolean qs_node_release_run (QsGuest *guest, const QsStep *step, GVariant **result,
                              GError **error);
gboolean qs_reset_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error);

/* of a step that is no commit and so is never asked */
QsProbe qs_step_probe_nothing (QsGuest *guest, const QsStep *step, GVariant *result,
                               GError **error);

/**
 * qs_node_query:
 *
 * Returns: the answer of `query-named-block-nodes`, flat: nested, each of 200 files of a chain would
 *   bring the rest of its chain along
 */
JsonNode *qs_node_query (QsGuest *guest, GError **error);

/* (nullable) (transfer none): the entry of the node with this name */
JsonObject *qs_node_find (JsonNode *nodes, const char *name);
gboolean qs_node_has_tag (JsonObject *node, const char *tag);

/* @vm_state: (inout): bytes of memory under it, if there are any of that name */
gint64 qs_node_count_tag (JsonObject *node, const char *tag, gint64 *vm_state);

/* the answer of query-block, seen to be a list */
JsonNode *qs_device_query (QsGuest *guest, GError **error);
JsonObject *qs_device_find_root (JsonNode *devices, const char *node);
gint64 qs_device_virtual_size (JsonObject *node);
