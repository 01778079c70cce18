/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-step-process.h"

#include "qs-error.h"

#include <unistd.h>

/* a QEMU that is started, and gets its memory, while the domain's own one still runs. There is one
   connection to it, because QEMU talks to one client at a time: it is made by the first step that wants
   it, and the domain gets it with the process */

struct QsBeside
{
  QsProcess *process;
  QsGuest *guest; /* NULL: nobody has asked it anything yet */
  QsWatch *watch;
  int log;
};

void
qs_beside_begin (QsRealWorld *world, const QsProcess *process, int log)
{
  qs_beside_end (world);
  world->beside = g_new0 (QsBeside, 1);
  world->beside->process = qs_process_copy (process);
  world->beside->log = log;
}

static void
drop_guest (QsBeside *beside)
{
  g_clear_pointer (&beside->guest, qs_guest_unref);
  g_clear_pointer (&beside->watch, qs_watch_unref);
}

void
qs_beside_end (QsRealWorld *world)
{
  QsBeside *beside = g_steal_pointer (&world->beside);

  if (beside == NULL)
    return;
  drop_guest (beside);
  if (beside->log >= 0)
    close (beside->log);
  qs_process_free (beside->process);
  g_free (beside);
}

static gboolean
meet (QsStepCall *call, QsBeside *beside, GError **error)
{
  QsEngine *engine = call->world->engine;
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, call->world->domain);
  QsGuestIdentity identity = { call->world->domain, domain != NULL ? domain->uuid : NULL,
                               call->world->owner, beside->process };
  int fd = worker != NULL ? qs_worker_connect (worker, beside->process->socket, error) : -1;

  if (fd < 0)
    return FALSE;
  drop_guest (beside);
  beside->guest = qs_watch_meet (engine, fd, &identity, &beside->watch, error);
  return beside->guest != NULL;
}

static gboolean
is_of (const QsBeside *beside, const QsProcess *process)
{
  return beside != NULL && qs_process_is_same (beside->process, process);
}

QsGuest *
qs_beside_guest (QsStepCall *call, GError **error)
{
  g_autoptr (QsProcess) process = qs_step_process_of (call, qs_step_uint64 (call->step, "spawn"));

  if (process == NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_FAILED,
                           "no QEMU was started for this step to work on");
      return NULL;
    }
  /* after a restart nobody has its words any more */
  if (!is_of (call->world->beside, process))
    qs_beside_begin (call->world, process, -1);
  if (call->world->beside->guest == NULL || !qs_guest_is_open (call->world->beside->guest))
    if (!meet (call, call->world->beside, error))
      return NULL;
  return qs_guest_ref (call->world->beside->guest);
}

char *
qs_beside_last_words (const QsRealWorld *world)
{
  return world->beside != NULL && world->beside->log >= 0
             ? qs_launcher_read_log (world->beside->log)
             : g_strdup ("what it said is lost");
}

gboolean
qs_beside_adopt (QsRealWorld *world, const QsProcess *process)
{
  QsBeside *beside = world->beside;

  if (!is_of (beside, process) || beside->guest == NULL || !qs_guest_is_open (beside->guest))
    return FALSE;
  qs_watch_adopt (beside->watch, beside->guest, world->domain);
  qs_beside_end (world);
  return TRUE;
}
