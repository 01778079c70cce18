/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "real-domain.h"

/**
 * Beside:
 *
 * A domain whose QEMU the steps themselves have started, with an overlay on the image of its disk and
 * its memory of a moment before in a file, so that another process can go on from there beside it.
 */
typedef struct
{
  RealDomain *domain;
  char *runtime;    /* folder */
  char *definition; /* document */
  char *base;       /* of both processes */
  char *active;     /* what the first one writes to */
  char *fresh;      /* and the second one */
  char *memory;     /* a stream */
  char *image;      /* the same as snapshot-save makes it; see beside_save_image() */
  char *picture;    /* the same memory, a part of it as plain bytes */
  QsProcess *first;
} Beside;

/* steps of the plan that beside_plan() makes */
enum
{
  BESIDE_SPAWN,
  BESIDE_LOAD,
  BESIDE_STOP,
  BESIDE_RECORD,
  BESIDE_QUIT,
  BESIDE_CONNECT,
  BESIDE_CONT,
  BESIDE_N_STEPS,
};

typedef enum
{
  BESIDE_FRESH,  /* the second process has an overlay of its own */
  BESIDE_SHARED, /* it has the one that the first writes to */
  BESIDE_IMAGE,  /* its own, and memory comes from an image */
} BesideDisk;

void beside_set_up (Beside *b, gconstpointer data);
void beside_tear_down (Beside *b, gconstpointer data);

void beside_save_image (Beside *b);

/* all of a revert by a second process, up to step number @last */
QsPlan *beside_plan (Beside *b, BesideDisk disk, guint last);

/* until @condition holds; the main loop turns */
void beside_wait (Beside *b, gboolean (*condition) (Beside *b));

/* processes of this domain that listen on a socket in its runtime folder */
guint beside_count (const Beside *b);
gboolean beside_is_first (const Beside *b);

/* the memory of the domain's guest is what was saved */
void beside_assert_memory (Beside *b);
void beside_assert_state (Beside *b, QsDomainState state);

/* the first process is the domain's and runs; of the other nothing is left */
void beside_assert_untouched (Beside *b);

/* the second one is, and of the first nothing is left */
void beside_assert_replaced (Beside *b);
