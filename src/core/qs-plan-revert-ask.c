/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"
#include "qs-name.h"
#include "qs-plan-mirror.h"
#include "qs-plan-revert-commit.h"

/* what is refused at once, and what must be looked up for the rest */

static gboolean
check_state (const QsSnapshot *snapshot, GError **error)
{
  if (snapshot->state != QS_STATE_PMSUSPENDED)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "snapshot ‘%s’ is of a guest suspended to memory", snapshot->name);
  return FALSE;
}

/* a QEMU that somebody else has started is not ended, and none is started in its place */
static gboolean
check_attached (const QsDomain *domain, const QsSnapshot *snapshot, guint flags, GError **error)
{
  gboolean wants_run = (flags & (QS_REVERT_RUNNING | QS_REVERT_PAUSED)) != 0;
  gboolean active = qs_domain_is_active (domain);

  if (domain->attachment == NULL)
    return TRUE;
  if (!active && wants_run)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                           "this QEMU is started by its owner, not by the service; revert without "
                           "RUNNING or PAUSED, then start it");
      return FALSE;
    }
  if (!active || wants_run || (snapshot->memory != QS_LOCATION_NO && !(flags & QS_REVERT_TIP)))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                       "this would end a QEMU that is not ours; add RUNNING or PAUSED, or shut it "
                       "down first");
  return FALSE;
}

static gboolean
ask_tip (const QsDomain *domain, const QsRequest *request, const QsSnapshot *snapshot,
         QsQuestions *questions, GError **error)
{
  const QsSnapshot *holder = snapshot;

  /* it goes there, or drops what waits there */
  if (request->flags & QS_REVERT_TIP)
    holder = qs_revert_find_holder (domain, snapshot, error);
  if (holder == NULL)
    return FALSE;
  questions->tip_of = g_strdup (holder->uuid);
  return TRUE;
}

gboolean
qs_ask_revert (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  gboolean active = qs_domain_is_active (domain);
  const QsSnapshot *snapshot;

  if (!qs_mirror_check_none (domain, NULL, error))
    return FALSE;
  if (request->flags & QS_REVERT_COMMIT)
    return qs_ask_revert_commit (domain, request, questions, error);
  snapshot = qs_planning_snapshot (domain, request, error);
  if (snapshot == NULL || !qs_flags_check (&qs_revert_flag_set, request->flags, error))
    return FALSE;
  if (!qs_revert_ask_firmware (domain, request, questions, error))
    return FALSE;
  if (!check_state (snapshot, error) || !check_attached (domain, snapshot, request->flags, error))
    return FALSE;
  questions->document = TRUE;
  if (snapshot->unverified)
    {
      questions->snapshot_rows = TRUE;
      return TRUE;
    }
  questions->users = TRUE;
  questions->files = TRUE;
  questions->snapshot_files = TRUE;
  questions->snapshot_memory = TRUE;
  questions->monitor = active;
  questions->open_files = active;
  questions->io_threads = active;
  qs_planning_ask_start (domain, questions);
  qs_revert_ask_targets (domain, questions);
  return ask_tip (domain, request, snapshot, questions, error);
}

/* beside what a fresh overlay is made: no file is made below /dev, but beside the file with which a
   disk began that has gone over to a device */
static const char *
find_neighbour (const QsDomain *domain, const char *target, GError **error)
{
  const QsActive *active = qs_domain_find_active (domain, target);
  const QsDiskDef *disk = qs_domain_def_find_disk (domain->def, target);
  const char *first = disk != NULL ? disk->source : NULL;
  const char *path = active != NULL ? active->path : first;

  if (path != NULL && qs_path_is_device (path))
    path = first;
  if (path == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                 "disk ‘%s’ has no file in today's definition", target);
  else if (qs_path_is_device (path))
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "disk ‘%s’ lies on block devices only, and a revert makes a file: no name can be "
                 "made for it",
                 target);
  else
    return path;
  return NULL;
}

/**
 * qs_revert_overlay_path:
 * @stem: (out) (optional) (transfer full): what the next generated name begins with
 */
char *
qs_revert_overlay_path (const QsDomain *domain, const char *target, gint64 now, char **stem,
                        GError **error)
{
  const QsActive *active = qs_domain_find_active (domain, target);
  const char *path = find_neighbour (domain, target, error);
  g_autofree char *name = g_strdup_printf ("%" G_GINT64_FORMAT, now / 1000);
  g_autofree char *own_stem = NULL;
  char *overlay;

  if (path == NULL)
    return NULL;
  own_stem = active != NULL && active->stem != NULL && active->stem[0] != '\0'
                 ? g_strdup (active->stem)
                 : qs_overlay_stem (path);
  overlay = qs_overlay_path (path, own_stem, name, error);
  if (overlay != NULL && stem != NULL)
    *stem = g_steal_pointer (&own_stem);
  return overlay;
}

/**
 * qs_revert_ask_targets:
 *
 * A revert makes a fresh overlay `<stem>.<milliseconds>` beside the file each disk uses now. Which
 * disks need one is known only with the snapshot's files, so all are asked, and one that can have
 * none is refused then.
 */
void
qs_revert_ask_targets (const QsDomain *domain, QsQuestions *questions)
{
  for (guint i = 0; i < questions->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (questions->disks, i);
      char *path = qs_revert_overlay_path (domain, disk->target, questions->now, NULL, NULL);

      if (path != NULL)
        g_ptr_array_add (questions->targets, path);
    }
}
