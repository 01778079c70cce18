/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain.h"
#include "qs-snapshot-def.h"

/**
 * QsRecipe:
 *
 * How a snapshot is made. One class of the memory and disk table each.
 */
typedef enum
{
  QS_RECIPE_IMG_INT,
  QS_RECIPE_IMG_EXT,
  QS_RECIPE_IMG_MIX,
  QS_RECIPE_SAVEVM,
  QS_RECIPE_TRANS,
  QS_RECIPE_SC,
  QS_RECIPE_SC_TRANS,
  QS_RECIPE_MIG,
  QS_RECIPE_TRANS_MIG,
} QsRecipe;

/**
 * QsMemorySave:
 *
 * Where the memory of a guest is saved.
 */
typedef enum
{
  QS_SAVE_NONE,
  QS_SAVE_IN_DISK,     /* `snapshot-save` into the image of a disk */
  QS_SAVE_IN_FILE,     /* `snapshot-save` into an image that no device uses: the side-car */
  QS_SAVE_STREAM,      /* `migrate` to a file while the guest stands still */
  QS_SAVE_STREAM_LIVE, /* the same while it runs */
} QsMemorySave;

/**
 * QsSelected:
 *
 * What happens to one disk of the domain.
 */
typedef struct
{
  const QsDiskDef *disk;
  const QsSnapshotDisk *request; /* or NULL */
  QsLocation choice;             /* NO, INTERNAL, EXTERNAL, MANUAL */
  const char *active;            /* its active file */
  const char *active_format;
  char *path;         /* EXTERNAL: the overlay */
  char *stem;         /* EXTERNAL: of the next generated name */
  QsDiskMode mode;    /* EXTERNAL: as it counts, never DEFAULT */
  const char *format; /* EXTERNAL: of the overlay */
  gboolean is_device; /* EXTERNAL: @path shall be a block device */
} QsSelected;

/**
 * QsSelection:
 *
 * A create request laid beside the domain: every disk in domain order with its choice, what becomes
 * of memory, and the recipe that follows from both.
 */
typedef struct
{
  char *name;
  QsLocation memory;
  GPtrArray *disks; /* of QsSelected */
  guint n_internal;
  guint n_external;
  guint n_manual;       /* whose storage the caller copies: neither taken nor left out */
  GPtrArray *uncovered; /* of const char: writable disks that are left out */
  QsRecipe recipe;
  QsMemorySave save;
  const char *memory_disk; /* IN_DISK: the target of the disk that holds it */
  char *memory_path;       /* IN_FILE, STREAM: the file */
  char *firmware_path;     /* what the firmware variables are copied to; NULL: they are not */
} QsSelection;

QsSelection *qs_align (const QsDomain *domain, const QsSnapshotDef *def, guint flags, gint64 now,
                       GError **error);
QsSelection *qs_align_branch (const QsDomain *domain, const QsSnapshotDef *def, guint flags,
                              gint64 now, GError **error);
gboolean qs_align_overlay (QsSelected *selected, const QsDomain *domain, const char *name,
                           guint flags, GError **error);
gboolean qs_align_check_overlays (const QsSelection *selection, GError **error);
void qs_selection_free (QsSelection *selection);

char *qs_align_make_name (const QsDomain *domain, const char *prefix, gint64 now);
const char *qs_recipe_name (QsRecipe recipe);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsSelection, qs_selection_free)
