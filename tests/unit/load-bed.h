/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "real-domain.h"

#define LOAD_STEP 1
#define LOAD_JOB "snapd-1-l"

/* @memory: node; @devices: all that has the tag `t`; @disks: those of them that are disks */
typedef struct
{
  const char *memory;
  const char *devices;
  const char *disks;
} LoadKind;

extern const LoadKind load_side_car;
extern const LoadKind load_in_disk;
extern const LoadKind load_with_disks;

/**
 * LoadBed:
 * @saved: counter that the guest had got to at least
 *
 * A guest that counts in its memory and on its disks, and says on its serial line how often the two did not
 * belong together. It was saved, and has gone on. vdb is written to by the test: 1 before, 2 after.
 */
typedef struct
{
  RealDomain *domain;
  const LoadKind *kind;
  guint saved;
} LoadBed;

void load_bed_open (LoadBed *bed, const LoadKind *kind);
void load_bed_clear (LoadBed *bed);

/* step 0: stop; LOAD_STEP; then what is left to do where QEMU does not live to do it; the last: go on */
QsPlan *load_bed_plan (const LoadBed *bed, const char *tag);

/* of the job `snapshot-load` */
char *load_bed_arguments (const LoadBed *bed, const char *job);

QsDomainState load_bed_state (const LoadBed *bed);
gboolean load_bed_disk_has (const LoadBed *bed, guint pattern);
const char *load_bed_lost (GPtrArray *results);
void load_bed_assert_no_jobs (const LoadBed *bed);

/* the memory is that of the snapshot, and so are the disks if they were asked for; the guest runs */
void load_bed_assert_loaded (const LoadBed *bed);

/* as if nobody had asked for anything */
void load_bed_assert_untouched (const LoadBed *bed);

/* memory.qcow2 cannot be loaded from any more */
void load_bed_damage (const LoadBed *bed);

/* its QEMU is somebody else's */
void load_bed_attach (const LoadBed *bed);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LoadBed, load_bed_clear)
