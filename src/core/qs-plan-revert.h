/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-exchange.h"
#include "qs-planners.h"

/* what becomes of one disk */
typedef enum
{
  QS_REVERT_DISK_FRESH, /* a new overlay on its state file */
  QS_REVERT_DISK_TAG,   /* the snapshot inside its image is applied */
  QS_REVERT_DISK_TIP,   /* it goes to an overlay that waits */
} QsRevertDiskKind;

/**
 * QsRevertDisk:
 * @path: the state file, the image with the tag, or the waiting overlay
 * @image: the same, as it was seen; NULL of a waiting overlay that could not be seen
 */
typedef struct
{
  QsRevertDiskKind kind;
  const char *target;
  const char *path;
  const char *format;
  const char *tag;
  const QsDiskFacts *facts;
  const QsImage *image;
} QsRevertDisk;

/**
 * QsRevert:
 *
 * A revert on its way to a plan.
 */
typedef struct
{
  const QsDomain *domain;
  const QsRequest *request;
  const QsFacts *facts;
  const QsSnapshot *snapshot;
  const QsSnapshot *holder; /* whose disks it goes to, and which is current then */
  QsSnapshotDef *def;
  char *definition; /* the one to bring back, NULL: today's stays */
  char *renewed;    /* the same, or today's, with another <genid>; NULL: it stays, or has none */
  GArray *disks;    /* of QsRevertDisk */

  /* the guest afterwards */
  gboolean runs; /* there is one */
  gboolean resumes;
  gboolean loads;    /* its memory is the snapshot's */
  gboolean onto_tip; /* the overlays of a branch that was made for this wait for it */

  /* where its memory is */
  QsMemorySave save;
  const QsSnapshotFile *memory; /* NULL: in a disk */
  const char *memory_disk;

  gboolean in_place;  /* the process goes on */
  const char *reason; /* why it does not */
} QsRevert;

void qs_revert_clear (QsRevert *revert);

static inline const QsRevertDisk *
qs_revert_disk (const QsRevert *revert, guint i)
{
  return &g_array_index (revert->disks, QsRevertDisk, i);
}

/* qs-plan-revert.c */
gboolean qs_revert_option (const QsRequest *request, const char *key);
const char *qs_revert_text (const QsRequest *request, const char *key);

/* qs-plan-revert-ask.c */
void qs_revert_ask_targets (const QsDomain *domain, QsQuestions *questions);
char *qs_revert_overlay_path (const QsDomain *domain, const char *target, gint64 now, char **stem,
                              GError **error);

/* qs-plan-revert-tip.c */
const QsSnapshot *qs_revert_find_holder (const QsDomain *domain, const QsSnapshot *snapshot,
                                         GError **error);
const char *qs_revert_find_tip (const QsFacts *facts, const char *snapshot, const char *target);
gboolean qs_revert_is_there (const QsRevert *revert);

/* qs-plan-revert-disks.c */
gboolean qs_revert_collect_disks (QsRevert *revert, GError **error);
const char *qs_revert_active_path (const QsRevert *revert, const char *target);
const QsImage *qs_revert_active_image (const QsRevert *revert, const char *target);
gboolean qs_revert_moves (const QsRevert *revert, const QsRevertDisk *disk);
const QsRevertDisk *qs_revert_find_disk (const QsRevert *revert, const char *target);
const QsDiskDef *qs_revert_uncovered (const QsRevert *revert);

/* qs-plan-revert-check.c */
gboolean qs_revert_check_tree (const QsRevert *revert, GError **error);

/* qs-plan-revert-check-files.c */
gboolean qs_revert_check_files (const QsRevert *revert, GError **error);

/* qs-plan-revert-definition.c */
gboolean qs_revert_check_definition (QsRevert *revert, GError **error);
char *qs_revert_comparable (const QsDomain *domain, const QsDomainDef *recorded, GError **error);
gboolean qs_revert_is_same_machine (const QsRevert *revert);
gboolean qs_revert_renew_genid (QsRevert *revert, GError **error);

/* qs-plan-revert-memory.c */
gboolean qs_revert_find_memory (QsRevert *revert, GError **error);

/* qs-plan-revert-way.c */
gboolean qs_revert_must_stay (const QsDomain *domain);
gboolean qs_revert_choose_way (QsRevert *revert, GError **error);

/* a file with changes that nobody asks for any more */
typedef struct
{
  const QsFile *file;
  char *path; /* where it is when it is unlinked */
} QsDropped;

/* a disk of an attached domain that keeps the active name, with another file */
typedef struct
{
  QsExchange names;
  char *kept;
  char *aside;
  const char *waiting; /* the name that this file had until now; NULL: it is a fresh overlay */
  guint step;          /* that makes the overlay */
} QsRevertExchange;

typedef struct
{
  QsRevert *revert;
  QsPlan *plan;
  GHashTable *overlays; /* target -> path of the fresh overlay */
  GPtrArray *dropped;   /* of QsDropped */
  GPtrArray *given_up;  /* of char: paths of such files that are the caller's: forgotten, left
                           alone */
  GPtrArray *exchanges; /* of QsRevertExchange */
  GArray *protections;  /* of QsProtection, that a QEMU that goes on must not meet */
  GPtrArray *nodes;     /* of guint: the steps that open overlays in a QEMU that goes on */
  QsDomain *after;      /* the domain as it will be, for the definition that is started */
  gboolean was_active;
  guint n_tags;
  guint spawn;           /* the step that starts the new process */
  guint vmstate;         /* the step that makes a file for the memory of the moment */
  gboolean beside;       /* it was started while the old one was there, and is connected to later */
  gboolean late;         /* its images are not its own before it runs */
  guint firmware;        /* the step that copies the firmware variables */
  gboolean has_firmware; /* there is one */
} QsRevertBuild;

QsPlan *qs_revert_build (QsRevert *revert, GError **error);

/* qs-plan-revert-overlays.c */
void qs_revert_build_init (QsRevertBuild *build, QsRevert *revert, QsPlan *plan);
void qs_revert_build_clear (QsRevertBuild *build);
gboolean qs_revert_plan_disks (QsRevertBuild *build, QsChangeList *changes, GError **error);

/* qs-plan-revert-exchange.c */
gboolean qs_revert_keeps_names (const QsRevert *revert, const char *target);
QsRevertExchange *qs_revert_settle_exchange (QsRevertBuild *build, QsChangeList *changes,
                                             const QsRevertDisk *disk, const char *path);
void qs_revert_plan_old_names (QsRevertBuild *build);

/* qs-plan-revert-left.c */
gboolean qs_revert_drops_left (const QsRevert *revert);
gboolean qs_revert_is_dropped (QsRevertBuild *build, const char *target);
void qs_revert_leave_behind (QsRevertBuild *build, QsChangeList *changes, const char *target,
                             const QsRevertExchange *exchange);
void qs_revert_drop_tips (QsRevertBuild *build, QsChangeList *changes);

/* qs-plan-revert-build.c */
QsPhase qs_revert_plan_exchanges (QsRevertBuild *build, QsPhase phase, gboolean off);
void qs_revert_add_tags (QsRevertBuild *build, QsPhase phase, guint load);

/* qs-plan-revert-process.c */
gboolean qs_revert_plan_process (QsRevertBuild *build, QsChangeList *changes, GError **error);

/* qs-plan-revert-firmware.c */
gboolean qs_revert_ask_firmware (const QsDomain *domain, const QsRequest *request,
                                 QsQuestions *questions, GError **error);
gboolean qs_revert_plan_firmware_prepare (QsRevertBuild *build, GError **error);
void qs_revert_plan_firmware_finish (QsRevertBuild *build);

/* qs-plan-revert-in-place.c */
gboolean qs_revert_add_node (QsRevertBuild *build, const QsRevertDisk *disk, const char *path,
                             gboolean exchanged, GError **error);
gboolean qs_revert_plan_in_place (QsRevertBuild *build, QsChangeList *changes, GError **error);

/* qs-plan-revert-load.c */
gboolean qs_revert_add_load (QsRevertBuild *build, QsPhase phase, GError **error);
void qs_revert_add_memory_node (QsRevertBuild *build);
void qs_revert_add_save (QsRevertBuild *build);
void qs_revert_add_memory_release (QsRevertBuild *build);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsRevert, qs_revert_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsRevertBuild, qs_revert_build_clear)
