/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "real-domain.h"

/**
 * StorageBed:
 *
 * A domain that is off, with a chain of files base <- s1 <- s2 <- s3, each with data of its own and one
 * place that all of them have written. s2 and s3 are larger than what they stand on, and s2 hides
 * something of the base under zeros.
 */
typedef struct
{
  RealDomain *domain;
  char *runtime;
  const char *format; /* of the base */
} StorageBed;

typedef enum
{
  STORAGE_DOWN,      /* s2 down into s1 */
  STORAGE_DOWN_BASE, /* s1 down into the base */
  STORAGE_DOWN_DEEP, /* s2 and s1 down into the base */
  STORAGE_UP,        /* s1 up into s2 */
  STORAGE_UP_WHOLE,  /* the base up into s1 */
} StorageKind;
#define STORAGE_N_KINDS (STORAGE_UP_WHOLE + 1)

/* the steps of a plan, by kind of merge */
enum
{
  DOWN_RECORD,
  DOWN_STORAGE,
  DOWN_COMMIT,
  DOWN_COMPLETE,
  DOWN_RECORD_AGAIN,
  DOWN_FINALIZE,
  DOWN_DISMISS,
  DOWN_REBASE,
  DOWN_UNLINK,
  DOWN_QUIT,
  N_DOWN,
};
enum
{
  UP_STORAGE,
  UP_STREAM,
  UP_FLUSH,
  UP_RECORD,
  UP_FINALIZE,
  UP_DISMISS,
  UP_UNLINK,
  UP_QUIT,
  N_UP,
};

void storage_bed_set_up (StorageBed *bed, gconstpointer format);
void storage_bed_tear_down (StorageBed *bed, gconstpointer format);

gboolean storage_is_up (StorageKind kind);
QsPlan *storage_plan (StorageBed *bed, StorageKind kind);

/* SIGKILL to every storage daemon; how many there were */
guint storage_kill (StorageBed *bed);
guint storage_count (StorageBed *bed);

/* (transfer full): the only one */
QsProcess *storage_process (StorageBed *bed);

void storage_add_rebase (const StorageBed *bed, QsPlan *plan, const char *name,
                         const char *old_name, const char *into);

char *storage_path (const StorageBed *bed, const char *name);

/* all files as they were */
void storage_check_old (StorageBed *bed);

/* that all has the same content but what is gone, headers name what is there, and no process is left */
void storage_check_new (StorageBed *bed, StorageKind kind);

/* of a chain in whatever state: what is read through its first file */
void storage_check_view (StorageBed *bed);
