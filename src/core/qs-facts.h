/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain.h"

/**
 * QsTag:
 *
 * One snapshot inside a qcow2 file.
 */
typedef struct
{
  char *id;
  char *name;
  guint64 vm_state_size;
} QsTag;

/**
 * QsImage:
 *
 * What the header gate found in one image file. All hostile input, bounds already checked.
 */
typedef struct
{
  char *path; /* canonical */
  char *format;
  guint64 dev;
  guint64 ino;
  guint64 rdev; /* of a block device: two nodes with the same one are the same image; else 0 */
  gint64 btime; /* nanoseconds, 0: unknown */
  guint64 mtime;
  guint64 size;
  guint64 allocated;
  guint64 virtual_size;
  guint32 mode;
  guint32 uid;
  guint32 gid;
  guint32 n_links;
  guint cluster_size;
  gboolean dirty; /* dirty or corrupt bit: read-only listing, no mutation */
  gboolean encrypted;
  gboolean extended_l2;
  gboolean writable;
  gboolean in_use;      /* a process writes it, or denies others to, by QEMU's locks */
  gboolean is_written;  /* a process may write it, by these locks */
  gboolean linkable;    /* may have a second name: a regular file where there are hard links */
  char *backing_name;   /* as written in the header, or NULL */
  char *backing_format; /* or NULL; for qed, whose header has no room for it, as recorded */
  GPtrArray *tags;      /* of QsTag */
} QsImage;

typedef enum
{
  QS_TARGET_ABSENT,
  QS_TARGET_EMPTY, /* a regular file of no bytes */
  QS_TARGET_REGULAR,
  QS_TARGET_BLOCK,
  QS_TARGET_OTHER, /* directory, symlink, fifo, socket, character device */
} QsTargetType;

/**
 * QsTarget:
 *
 * A path at which a file is to be made.
 */
typedef struct
{
  char *path;
  QsTargetType type;
  guint64 dev;
  guint64 ino;
  guint64 rdev;       /* of a block device, else 0 */
  guint64 diskseq;    /* which disk is behind it now: a number that no other gets; 0: unknown */
  guint64 size;       /* in bytes, of a file or block device that can be opened */
  guint64 free_bytes; /* of the file system, for this owner */
  gboolean in_use;    /* a process writes it, or denies others to, by QEMU's locks */
  GError *error;      /* its folder is missing, not writable, on a read-only file system … */
} QsTarget;

/**
 * QsQuestions:
 *
 * What a planner wants to be looked up: the survey answers any list of these, so that it holds no
 * decision of its own. What stands before @disks is given: clock, chance and configuration are facts
 * too, and generated names are needed before anything is looked up.
 */
typedef struct
{
  gint64 now;
  char *fresh_uuid;
  char *op;
  gboolean system_mode;
  guint live_seconds;             /* until memory that is saved of a running guest must be there */
  guint mirrors;                  /* how many disks of a domain may be mirrored */
  const char *const *image_roots; /* of the configuration, which outlives this */
  GPtrArray *disks;               /* of const QsDiskDef: walk the chain of its active file */
  GPtrArray *images; /* of char: path of a recorded image to look at, format in @formats */
  GPtrArray *formats;
  /* what a merge within the chains of @disks depends on: each of their files is looked at as a target,
     too, and so is whether others use it; the monitor is asked what the disks' nodes stand on */
  gboolean chains;
  GPtrArray *targets;       /* of char: paths where files are to be made */
  GPtrArray *reused;        /* of QsFile: overlays of somebody else, as they would be recorded */
  gboolean firmware;        /* the firmware variables, and the flash chips of the running QEMU */
  gboolean open_files;      /* of the domain's process */
  gboolean mirror_ends;     /* which mirrors have ended */
  gboolean monitor;         /* ask the running QEMU: state, block nodes, commands */
  gboolean io_threads;      /* ask it for these too */
  gboolean memory;          /* ask it what saving its memory depends on */
  gboolean agent;           /* where the guest agent is to be reached */
  GPtrArray *claims;        /* of QsSnapshotFile: where a snapshot is said to lie. What is found is
                              walked, and what is recorded of it and of its tag looked up */
  char *snapshot;           /* uuid of the one meant below; NULL: the request's */
  gboolean document;        /* of this snapshot */
  gboolean users;           /* which files definitions name, those of other domains too */
  gboolean files;           /* the recorded files of the domain, and its tips */
  gboolean snapshot_files;  /* those of this snapshot: look at each */
  gboolean snapshot_rows;   /* the same, but do not look at them */
  gboolean snapshot_memory; /* look at those of its memory and firmware variables too: images are
                               among @snapshot_disks, other files among @targets */
  gboolean above;  /* the recorded files that stand on those of this snapshot, on its tips or on a
                     layer, and those that stand directly on them: walk the chain of each. Asked
                     with @files and the rows of the snapshot; with @chains each is a target, too */
  gboolean sights; /* everything that is recorded, with all that it stands on, and what else
                      lies beside it; needs @files */
  char *tip_of;    /* uuid: walk what waits as the tip of this snapshot */
  const GPtrArray *expected; /* of GVariant: lists of changes that earlier parts of the request will
                                have made when this one begins; NULL: it is the first; given */
  GPtrArray
      *rows; /* of QsSnapshotFile: where what a revert with safety snapshot goes to lies; NULL:
                      it is none; given */
} QsQuestions;

/**
 * QsOpenFile:
 *
 * A regular file or block device that a process has open.
 */
typedef struct
{
  char *path;  /* the name it has now; NULL: none that can be told */
  guint64 dev; /* these two as qs_image_identity() has them */
  guint64 ino;
  gboolean writable;
} QsOpenFile;

/**
 * QsNode:
 *
 * The root block node of one disk in the running QEMU.
 */
typedef struct
{
  char *target;
  char *node_name;
  char *path; /* file it has open, by its own account */
  char *format;
  char *device; /* qdev path or id */
  gint64 depth; /* files below it */
  guint64 virtual_size;
  gboolean direct;
  gboolean no_flush;
  char *detect_zeroes;
  char *bitmap; /* name of its first dirty bitmap, or NULL */
  GStrv below;  /* names of the nodes it stands on, from the top; NULL if not asked */
} QsNode;

/**
 * QsDiskFacts:
 */
typedef struct
{
  char *target;
  GPtrArray *chain;  /* of QsImage, active file first */
  GError *error;     /* the chain could not be walked to its end */
  gboolean has_data; /* the active file has clusters of its own; asked only of reused overlays */
  char *tag_of;      /* uuid of the snapshot whose tag was asked for, or NULL; of claims only */
  char *other_name;  /* one file of it is recorded under this one, too, or NULL; of claims only */
  guint other_of;    /* index of that file */
} QsDiskFacts;

/**
 * QsMerged:
 *
 * A file whose content another one has when this part of the request begins, by the names that both
 * have as yet.
 */
typedef struct
{
  char *path;
  char *into;
  gboolean is_down; /* @path stands on @into, and not the other way round */
} QsMerged;

/**
 * QsSight:
 *
 * What is at the path of a file, whatever it is. Neither @image nor @error: nothing.
 */
typedef struct
{
  char *path;
  QsImage *image; /* NULL: it cannot be looked at. Its format is "" if it is no image, or one that
                        does not pass the gate */
  char *below;    /* path of the backing file that its header names, or NULL */
  gboolean has_data; /* clusters of its own; told of temporaries only */
  GError *error;     /* why it cannot be looked at, or does not pass the gate */
} QsSight;

/**
 * QsFacts:
 *
 * Everything a planner may know of the world, clock and chance included. Immutable once gathered.
 */
typedef struct
{
  gint64 now;         /* microseconds since the epoch */
  char *fresh_uuid;   /* random, not used before */
  guint live_seconds; /* of the configuration */
  gboolean system_mode;
  const char *const *image_roots; /* of the configuration, which outlives this */
  char *op;            /* 8 hex digits, part of the names of temporaries, nodes and jobs */
  QsDomainState state; /* by QMP; SHUTOFF if there is no process */
  char *run_state;     /* QEMU's own word, or NULL */
  GPtrArray *disks;    /* of QsDiskFacts */
  GPtrArray *images;   /* of QsImage */
  GPtrArray *targets;  /* of QsTarget */
  GPtrArray *reused;   /* of QsDiskFacts, by path */
  GPtrArray *nodes;    /* of QsNode */
  GPtrArray
      *foreign_images;     /* of char: paths, among those asked, of images that other domains use */
  GStrv commands;          /* QMP commands of this QEMU; NULL if not asked */
  GStrv block_jobs;        /* ids of block jobs that are not ours */
  gboolean has_io_threads; /* its disks may live in them */
  char *snapshot_document; /* of request->snapshot, or NULL */
  GPtrArray *files;        /* of QsFile: the recorded files of this domain, see below */
  GPtrArray *tips;         /* of QsTip: asked with @files */
  GPtrArray *merged; /* of QsMerged: what earlier parts of the request merge; known with @files */
  GPtrArray *snapshot_files; /* of QsSnapshotFile */
  gboolean names_backing;    /* somebody told the running QEMU backing files by name */
  GPtrArray *open_files;     /* of QsOpenFile, of the domain's process; NULL: not known */
  gboolean is_later;         /* other parts of the request come before: what the process has open
                                then is not known yet, and looked at when this one begins */
  gboolean ends_at_reset;    /* this process, or so it may be; known with @open_files only */
  GPtrArray *snapshot_disks; /* of QsDiskFacts: the chain of each of them, by disk target */
  GPtrArray *tip_disks;      /* the same of the tip that was asked for */
  GPtrArray *above;          /* the same of what stands on the snapshot's files; target: its path */
  char *migration;      /* QEMU's word for a migration that is under way; NULL: there is none */
  guint64 memory_bytes; /* that saving its RAM takes at most, as far as is known; 0: it is not */
  GStrv migration_blockers; /* why QEMU would not migrate, in its own words; NULL: not asked */
  QsDiskFacts *firmware;    /* the file of the firmware variables; NULL: none, or it is not there */
  GPtrArray *flash;         /* of QsNode: the writable flash chips of the running QEMU */
  gboolean has_tpm;         /* whose state no snapshot holds; known of a running QEMU only */
  char *agent;              /* socket of the guest agent; NULL: none that anybody can connect to */
  gboolean agent_open;      /* a program in the guest has its port open */
  gboolean thaw_owed;       /* the agent has not answered yet whether an earlier freeze is over */
  GPtrArray *claims;        /* of QsDiskFacts, by target */
  GPtrArray *sights;        /* of QsSight: what was recorded, and all that it stands on */
  GPtrArray *strays;        /* of QsSight: images and temporaries beside those, in no order */
  gboolean sights_cut;      /* there is more than was looked at */
  GHashTable *mirror_ends;  /* path -> why nothing is written to that mirror any more */
  GHashTable
      *used_here; /* of char: paths that the definitions of the domain name, see qs-users.h */
  GHashTable
      *used_elsewhere; /* the same of others -> name of that domain, "" if it is not to be told */
} QsFacts;

/* stand where other steps and files have the target of a disk */
#define QS_MEMORY_TARGET "@memory"
#define QS_NVRAM_TARGET "@nvram"

/**
 * QsSnapshotFile:
 *
 * Where one disk of a snapshot lies: in a file as a whole, or under a tag inside it. Or where its
 * memory or firmware variables lie, if that is no disk: qs_snapshot_file_is_disk() tells.
 */
typedef struct
{
  char *target;
  char *path;
  char *format;
  char *tag; /* NULL: @path is the state file */
} QsSnapshotFile;

/**
 * QsTip:
 *
 * What was written to a disk after the snapshot, up to when the domain was reverted elsewhere.
 */
typedef struct
{
  char *snapshot; /* uuid */
  char *target;
  char *path;
} QsTip;

/**
 * QsFile:
 *
 * A file as the store has it, with its users.
 */
typedef struct
{
  char *path;
  char *format;
  char *role; /* disk, memory, nvram; layer: of a disk, see qs_file_is_layer(); mirror: of a disk,
                    which is on another file */
  char *backing; /* path of the recorded backing file, or NULL */
  guint64 dev;
  guint64 ino;
  gint64 btime; /* nanoseconds, 0: unknown */
  gboolean ours;
  guint32 mode;        /* what it was before the write bits were taken off; 0: they were not */
  GPtrArray *state_of; /* of char: uuids of snapshots whose state file it is */
  GPtrArray *tags;     /* of char: tags of recorded snapshots in it */
  GPtrArray *tag_of;   /* of char: uuids of those snapshots */
  GPtrArray *tip_of;   /* of char: uuids of snapshots whose later changes it holds */
  char *active_of;     /* target, or NULL */
  char *as_yet;        /* what an earlier part of the request gives a new name is still called this;
                          NULL: @path */
  gboolean is_planned; /* an earlier part of the request is yet to make it */
} QsFile;

QsFacts *qs_facts_new (void);
QsFacts *qs_facts_ref (QsFacts *facts);
void qs_facts_unref (QsFacts *facts);
const QsDiskFacts *qs_facts_find_disk (const QsFacts *facts, const char *target);
const QsDiskFacts *qs_facts_find_snapshot_disk (const QsFacts *facts, const char *target);
const QsDiskFacts *qs_facts_find_tip_disk (const QsFacts *facts, const char *target);
GPtrArray *qs_facts_list_above (const QsFacts *facts, const char *snapshot, GError **error);
const QsDiskFacts *qs_facts_find_above (const QsFacts *facts, const char *path);
const QsDiskFacts *qs_facts_find_claim (const QsFacts *facts, const char *target);
const QsImage *qs_facts_find_image (const QsFacts *facts, const char *path);
const QsTarget *qs_facts_find_target (const QsFacts *facts, const char *path);
const QsDiskFacts *qs_facts_find_reused (const QsFacts *facts, const char *path);
const QsNode *qs_facts_find_node (const QsFacts *facts, const char *target);
const QsFile *qs_facts_find_file (const QsFacts *facts, const char *path);
gboolean qs_facts_is_backed_by (const QsFacts *facts, const QsFile *file, const char *path);
gboolean qs_facts_has_open (const QsFacts *facts, const QsImage *image);
gboolean qs_facts_sees_open (const QsFacts *facts, const QsImage *image);
gboolean qs_facts_has_command (const QsFacts *facts, const char *command);
gboolean qs_facts_has_commands (const QsFacts *facts, const char *const *commands);

QsQuestions *qs_questions_new (void);
void qs_questions_free (QsQuestions *questions);
void qs_questions_add_reused (QsQuestions *questions, const char *path, const char *format,
                              const char *backing);
void qs_questions_add_image (QsQuestions *questions, const char *path, const char *format);
void qs_questions_add_claim (QsQuestions *questions, const char *target, const char *path,
                             const char *format, const char *tag);

QsImage *qs_image_new (void);
void qs_image_free (QsImage *image);
void qs_image_identity (const QsImage *image, guint64 *dev, guint64 *ino);
gboolean qs_image_is_same (const QsImage *a, const QsImage *b);
guint qs_image_count_tag (const QsImage *image, const char *tag);
const QsTag *qs_image_find_tag (const QsImage *image, const char *tag);
void qs_tag_free (QsTag *tag);
QsTarget *qs_target_new (const char *path);
void qs_target_free (QsTarget *target);
void qs_node_free (QsNode *node);
QsOpenFile *qs_open_file_new (const char *path, guint64 dev, guint64 ino, gboolean writable);
void qs_open_file_free (QsOpenFile *file);
QsSight *qs_sight_new (const char *path);
void qs_sight_free (QsSight *sight);
void qs_disk_facts_free (QsDiskFacts *facts);
QsFile *qs_file_new (const char *path, const char *format);
void qs_file_free (QsFile *file);
gboolean qs_file_is (const QsFile *file, const QsImage *image);
gboolean qs_file_is_disk (const QsFile *file);
gboolean qs_file_is_layer (const QsFile *file);
gboolean qs_file_is_mirror (const QsFile *file);
gboolean qs_file_is_of (const QsFile *file, const char *snapshot);
gboolean qs_file_is_tip (const QsFile *file);
gboolean qs_file_has_other_users (const QsFile *file, const char *snapshot);
gboolean qs_snapshot_file_is_disk (const QsSnapshotFile *file);
void qs_snapshot_file_free (QsSnapshotFile *file);
QsTip *qs_tip_new (const char *snapshot, const char *target, const char *path);
void qs_tip_free (QsTip *tip);
void qs_merged_free (QsMerged *merged);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsFacts, qs_facts_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsQuestions, qs_questions_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsImage, qs_image_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsTarget, qs_target_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsNode, qs_node_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsSight, qs_sight_free)
