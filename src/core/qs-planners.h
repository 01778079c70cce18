/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-align.h"
#include "qs-change.h"
#include "qs-operation.h"

/* the planners, one file an operation, and what they share (qs-planning.c) */

gboolean qs_ask_define (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                        GError **error);
QsPlan *qs_plan_define (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                        GError **error);

gboolean qs_ask_undefine (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                          GError **error);
QsPlan *qs_plan_undefine (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                          GError **error);
GPtrArray *qs_parts_undefine (const QsDomain *domain, const QsRequest *request,
                              const QsQuestions *given, GError **error);

gboolean qs_ask_start (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                       GError **error);
QsPlan *qs_plan_start (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                       GError **error);

gboolean qs_ask_run_state (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                           GError **error);
QsPlan *qs_plan_run_state (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                           GError **error);

gboolean qs_ask_create (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                        GError **error);
QsPlan *qs_plan_create (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                        GError **error);
GPtrArray *qs_parts_create (const QsDomain *domain, const QsRequest *request,
                            const QsQuestions *given, GError **error);

gboolean qs_ask_revert (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                        GError **error);
QsPlan *qs_plan_revert (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                        GError **error);
GPtrArray *qs_parts_revert (const QsDomain *domain, const QsRequest *request,
                            const QsQuestions *given, GError **error);

gboolean qs_ask_delete (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                        GError **error);
QsPlan *qs_plan_delete (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                        GError **error);
void qs_parts_add_descendants (GPtrArray *parts, const QsDomain *domain, const QsRequest *request,
                               guint flags);
GPtrArray *qs_parts_delete (const QsDomain *domain, const QsRequest *request,
                            const QsQuestions *given, GError **error);

gboolean qs_ask_edit (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                      GError **error);
QsPlan *qs_plan_edit (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                      GError **error);

gboolean qs_ask_attach (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                        GError **error);
QsPlan *qs_plan_attach (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                        GError **error);

gboolean qs_ask_detach (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                        GError **error);
QsPlan *qs_plan_detach (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                        GError **error);

gboolean qs_ask_repair (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                        GError **error);
QsPlan *qs_plan_repair (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                        GError **error);

GPtrArray *qs_parts_repair (const QsDomain *domain, const QsRequest *request,
                            const QsQuestions *given, GError **error);

gboolean qs_ask_mirror_drop (const QsDomain *domain, const QsRequest *request,
                             QsQuestions *questions, GError **error);
QsPlan *qs_plan_mirror_drop (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                             GError **error);

gboolean qs_ask_verify (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                        GError **error);
QsPlan *qs_plan_verify (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                        GError **error);

gboolean qs_ask_block_copy (const QsDomain *domain, const QsRequest *request,
                            QsQuestions *questions, GError **error);
QsPlan *qs_plan_block_copy (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                            GError **error);
GPtrArray *qs_parts_block_copy (const QsDomain *domain, const QsRequest *request,
                                const QsQuestions *given, GError **error);

gboolean qs_ask_block_pull (const QsDomain *domain, const QsRequest *request,
                            QsQuestions *questions, GError **error);
QsPlan *qs_plan_block_pull (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                            GError **error);

gboolean qs_ask_block_commit (const QsDomain *domain, const QsRequest *request,
                              QsQuestions *questions, GError **error);
QsPlan *qs_plan_block_commit (const QsDomain *domain, const QsRequest *request,
                              const QsFacts *facts, GError **error);

/* refuses an unverified snapshot, and names what is missing; asked for are its document and rows */
gboolean qs_redefine_check_verified (const QsDomain *domain, const QsSnapshot *snapshot,
                                     const QsFacts *facts, GError **error);

/* what can be said of a disk before and after its files were looked at */
gboolean qs_check_disk_snapshot (const QsSelected *selected, GError **error);
gboolean qs_check_manual (const QsSelection *selection, QsDomainState state, GError **error);
const QsImage *qs_check_disk_image (const QsSelected *selected, const QsFacts *facts,
                                    GError **error);
gboolean qs_check_recorded (const QsDiskFacts *disk, const QsFacts *facts, GError **error);
gboolean qs_check_one_name (const QsFacts *facts, const char *target, const QsImage *image,
                            GError **error);
gboolean qs_check_unused (const QsFacts *facts, const char *target, const QsImage *image,
                          GError **error);
const char *qs_check_target_known (const QsFacts *facts, const QsTarget *target);
gboolean qs_check_target (const QsSelected *selected, const QsFacts *facts, GError **error);
const QsDiskFacts *qs_check_reused (const QsSelected *selected, const QsFacts *facts,
                                    const QsImage *active, guint64 size, GError **error);

/* what saving the memory of a guest depends on */
gboolean qs_check_memory (const QsFacts *facts, GError **error);
gboolean qs_check_memory_room (const QsFacts *facts, const char *path, GError **error);
guint64 qs_check_memory_bytes (const QsFacts *facts);

/* an overlay on @base, with its rights and cluster size. @format NULL: qcow2; @no_backing: its header
   does not name the base; @taken: the caller's own empty file or block device is written, NULL: a
   file is made */
typedef struct
{
  const char *target;
  const char *path;
  const char *base;
  const char *base_format;
  const QsImage *base_image;
  guint64 virtual_size;
  guint32 owner;
  const char *format;
  gboolean no_backing;
  const QsTarget *taken;
} QsOverlay;

guint32 qs_planning_mode (const QsImage *base, guint32 owner);
void qs_planning_image_create (QsPlan *plan, const QsOverlay *overlay);
void qs_planning_record_chain (QsChangeList *changes, const QsFacts *facts,
                               const QsDiskFacts *disk);
void qs_planning_record_overlay (QsChangeList *changes, const char *path, const char *base,
                                 guint step);
void qs_planning_unlink (QsPlan *plan, const char *path, const QsFile *file);
void qs_planning_unlink_if (QsPlan *plan, const char *path, const QsFile *file, guint step);
void qs_planning_add_record (QsPlan *plan, QsPhase phase, const char *target,
                             QsChangeList *changes);
GVariant *qs_planning_chains (const QsDomain *domain, const QsFacts *facts, GError **error);
QsSnapshot *qs_planning_snapshot (const QsDomain *domain, const QsRequest *request, GError **error);
const QsImage *qs_planning_snapshot_image (const QsFacts *facts, const char *target,
                                           GError **error);
void qs_planning_add_chain (GVariantBuilder *builder, const char *target, const char *overlay,
                            const GPtrArray *chain);
void qs_planning_ask_disks (const QsDomain *domain, QsQuestions *questions);
void qs_planning_ask_start (const QsDomain *domain, QsQuestions *questions);
gboolean qs_planning_spawn (QsPlan *plan, QsStepKind kind, QsPhase phase, const QsDomain *domain,
                            GVariant *chains, GError **error);
void qs_planning_quit (QsPlan *plan, QsPhase phase, const QsDomain *domain);
void qs_planning_add_start (QsChangeList *changes, const QsPlan *plan, guint step);
void qs_planning_record_start (QsPlan *plan, QsPhase phase, const QsDomain *domain, guint step);
gboolean qs_planning_is_foreign (const QsFacts *facts, const char *path);
gboolean qs_planning_check_block_jobs (const QsFacts *facts, GError **error);
