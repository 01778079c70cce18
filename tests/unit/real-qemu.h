/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-guest.h"

#define REAL_UUID "6d3a2c5e-0f0b-4c53-8b9c-4a2f1c9e7d10"
#define REAL_DISKS 4

/**
 * RealQemu:
 *
 * A qemu-system-x86_64 with four qcow2 disks vda to vdd of 64 MiB in a folder of its own, named as
 * the launcher names them; it stands at its first instruction and dies with the test.
 */
typedef struct
{
  char *folder;
  char *socket;
  GSubprocess *child;
  QsQmp *control; /* a second monitor, to do things behind the back of what is tested */
  QsProcess *process;
  QsDomainDef *def;
  QsDomain *domain;
} RealQemu;

RealQemu *real_qemu_new (void);

/**
 * RealQemuOptions:
 * @drives: disks as people give them to QEMU, with -drive: nodes have names of QEMU's own
 * @guest: (nullable): boot sector that vda begins with
 */
typedef struct
{
  gboolean drives;
  const char *guest;
} RealQemuOptions;

RealQemu *real_qemu_new_with (const RealQemuOptions *options);
void real_qemu_kill (RealQemu *qemu); /* SIGKILL; its end is waited for */
void real_qemu_free (RealQemu *qemu);
QsGuestIdentity real_qemu_identity (const RealQemu *qemu);
int real_qemu_connect (const RealQemu *qemu);
QsGuest *real_qemu_guest (const RealQemu *qemu, const QsGuestListener *listener);
char *real_qemu_path (const RealQemu *qemu, const char *name);

/* how many nodes have this name: one or none */
guint real_qemu_count_nodes (QsGuest *guest, const char *name);

/* an overlay of disk @target, made as the worker makes it: @path in the folder, backing not opened */
char *real_qemu_overlay (const RealQemu *qemu, const char *target, const char *size);

/* what `qemu-img info` says of a file; string member @key, or "" */
char *real_image_string (const char *path, const char *key);
guint real_image_n_tags (const char *path);
void real_run (const char *const *argv);

/* until the counter guest has counted so many times more; fails if it finds what it did not write */
void real_qemu_wait_counter (const RealQemu *qemu, guint lines);

/* writes through the device of a disk, as its guest would; @command is one of qemu-io */
void real_qemu_write (const RealQemu *qemu, const char *target, const char *command);

/* whether a qcow2 image, with all below it, gives what a `read -P` of qemu-io expects */
gboolean real_image_reads (const char *path, const char *command);
gboolean real_image_is_sound (const char *path);

/* @arguments: text form of an a{sv}; must succeed */
void real_qemu_do (const RealQemu *qemu, const char *command, const char *arguments);

/* no file that it writes gets larger: as a full file system */
void real_qemu_limit (const RealQemu *qemu, guint64 bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RealQemu, real_qemu_free)
