/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"
#include "qs-genid.h"

/* whether the QEMU that runs can go on: it keeps its consoles, its connections and, to its owner, its
   process */

typedef struct
{
  QsError code;
  const char *text;
} Obstacle;

static const Obstacle no_switch = {
  QS_ERROR_OPERATION_UNSUPPORTED, "this QEMU has no ‘blockdev-add’, ‘blockdev-del’ or ‘qom-set’"
};
static const Obstacle no_load = { QS_ERROR_OPERATION_UNSUPPORTED,
                                  "this QEMU has no ‘snapshot-load’" };
static const Obstacle no_reset = { QS_ERROR_OPERATION_UNSUPPORTED,
                                   "this QEMU has no ‘system_reset’" };
/* QEMU 7.2 aborts, now and then, where nodes are added to such that live in I/O threads */
static const Obstacle io_threads = { QS_ERROR_OPERATION_UNSUPPORTED,
                                     "this QEMU has I/O threads, whose disks cannot be exchanged" };
static const Obstacle unseen = {
  QS_ERROR_OPERATION_UNSUPPORTED,
  "it cannot be seen how this QEMU was started and what it has open",
};
static const Obstacle elsewhere = {
  QS_ERROR_OPERATION_INVALID, "the image with the snapshot is not the one that the guest uses"
};
static const Obstacle unnamed = { QS_ERROR_OPERATION_UNSUPPORTED,
                                  "an image does not name the one that it stands on" };
static const Obstacle stream = { QS_ERROR_OPERATION_INVALID,
                                 "the memory lies in a stream, which only a new process can load" };
static const Obstacle machine = { QS_ERROR_OPERATION_INVALID,
                                  "the machine is not the one that the memory was saved of" };
static const Obstacle genid = {
  QS_ERROR_OPERATION_INVALID,
  "the domain has a <genid>, which changes with a revert, and not while QEMU runs"
};
static const Obstacle firmware = {
  QS_ERROR_OPERATION_INVALID,
  "a running QEMU keeps its firmware variables and would write them back"
};
static const Obstacle no_reboot = {
  QS_ERROR_OPERATION_INVALID,
  "this QEMU was started with -no-reboot and would end with the reset of the guest"
};
static const Obstacle run_state = {
  QS_ERROR_OPERATION_INVALID, "the guest is in a state in which its disks cannot be exchanged"
};

static const char *const switching[] = { "blockdev-add", "blockdev-del", "qom-set", NULL };
static const char *const loading[] = { "snapshot-load", NULL };
static const char *const borrowing[] = { "snapshot-save", "snapshot-load", "system_reset", NULL };
static const char *const resetting[] = { "system_reset", NULL };

/* those in which a guest can be stopped, and goes on when it is continued */
static const char *const run_states[] = { "running",  "paused", "prelaunch", "io-error",
                                          "watchdog", "debug",  NULL };

/**
 * qs_revert_must_stay:
 *
 * A QEMU that somebody else has started is not ended, and none is started in its place.
 */
gboolean
qs_revert_must_stay (const QsDomain *domain)
{
  return domain->attachment != NULL && qs_domain_is_active (domain);
}

/* QEMU follows the names in the images */
static gboolean
names_all (const QsRevertDisk *disk)
{
  const GPtrArray *chain = disk->facts->chain;

  for (guint i = 0; i + 1 < chain->len; i++)
    if (((const QsImage *)g_ptr_array_index (chain, i))->backing_name == NULL)
      return FALSE;
  return TRUE;
}

/* a file that the guest goes over to is opened beside those that it has: an overlay that is below no
   other can be, an image with snapshots that others stand on cannot */
static const Obstacle *
find_switch_obstacle (const QsRevert *revert)
{
  const QsFacts *facts = revert->facts;

  if (!qs_facts_has_commands (facts, switching))
    return &no_switch;
  if (facts->has_io_threads)
    return &io_threads;
  if (revert->domain->attachment != NULL && facts->open_files == NULL)
    return &unseen;
  for (guint i = 0; i < revert->disks->len; i++)
    {
      const QsRevertDisk *disk = qs_revert_disk (revert, i);

      if (disk->kind == QS_REVERT_DISK_TAG && qs_revert_moves (revert, disk))
        return &elsewhere;
      if (qs_revert_moves (revert, disk) && !names_all (disk))
        return &unnamed;
    }
  return NULL;
}

static gboolean
switches (const QsRevert *revert)
{
  for (guint i = 0; i < revert->disks->len; i++)
    if (qs_revert_moves (revert, qs_revert_disk (revert, i)))
      return TRUE;
  return FALSE;
}

static gboolean
has_tags (const QsRevert *revert)
{
  for (guint i = 0; i < revert->disks->len; i++)
    if (qs_revert_disk (revert, i)->kind == QS_REVERT_DISK_TAG)
      return TRUE;
  return FALSE;
}

/* of a guest whose memory is the snapshot's */
static const Obstacle *
find_load_obstacle (const QsRevert *revert)
{
  if (revert->save == QS_SAVE_STREAM)
    return &stream;
  if (revert->definition != NULL || !qs_revert_is_same_machine (revert))
    return &machine;
  if (!qs_facts_has_commands (revert->facts, loading))
    return &no_load;
  return NULL;
}

/* of one that boots from other disks */
static const Obstacle *
find_reset_obstacle (const QsRevert *revert)
{
  if (qs_domain_get_def (revert->domain)->nvram != NULL)
    return &firmware;
  if (revert->facts->ends_at_reset)
    return &no_reboot;
  if (!qs_facts_has_commands (revert->facts, has_tags (revert) ? borrowing : resetting))
    return has_tags (revert) ? &no_load : &no_reset;
  return NULL;
}

static const Obstacle *
find_obstacle (const QsRevert *revert)
{
  const char *state = revert->facts->run_state;
  const Obstacle *obstacle = NULL;

  if (state != NULL && !g_strv_contains (run_states, state))
    return &run_state;
  if (qs_genid_is_asked_for (qs_domain_get_def (revert->domain)))
    return &genid;
  if (switches (revert))
    obstacle = find_switch_obstacle (revert);
  if (obstacle != NULL)
    return obstacle;
  return revert->loads ? find_load_obstacle (revert) : find_reset_obstacle (revert);
}

/**
 * qs_revert_choose_way:
 *
 * Settles whether the process that runs goes on. One of ours does if the memory can be loaded into it;
 * one that is attached has to.
 */
gboolean
qs_revert_choose_way (QsRevert *revert, GError **error)
{
  gboolean must = qs_revert_must_stay (revert->domain);
  const Obstacle *obstacle;

  if (revert->save == QS_SAVE_NONE && !must)
    {
      revert->reason = "the snapshot has no memory";
      return TRUE;
    }
  if (!revert->runs || !qs_domain_is_active (revert->domain))
    {
      revert->reason = revert->runs ? "the domain was off" : "the guest does not run afterwards";
      return TRUE;
    }
  obstacle = find_obstacle (revert);
  revert->in_place = obstacle == NULL;
  revert->reason = obstacle != NULL ? obstacle->text : "";
  if (obstacle == NULL || !must)
    return TRUE;
  g_set_error (error, QS_ERROR, obstacle->code, "%s; shut the guest down first", obstacle->text);
  return FALSE;
}
