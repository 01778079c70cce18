/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-engine-private.h"

/* shared by the files that make a candidate */

struct QsCandidate
{
  QsEngine *engine;
  guint32 owner;
  char *socket; /* "": no way there but the connection is known */
  char *agent;
  gboolean stable_path; /* as it is wanted */
  gboolean hindered;    /* it is off all the same */
  QsProcess *process;
  QsDomain *known;    /* the recorded domain that it is, or NULL */
  gboolean connected; /* which talks to this very process already */
  QsWatch *watch;
  QsGuest *guest;
  int door; /* while QEMU is asked: ends the connection; written on the main context only */
  QsDiscovery *discovery;
  QsDomainDef *def;
};

/* qs-candidate-door.c */
void qs_candidate_open_door (QsCandidate *candidate, int fd);
void qs_candidate_close_door (QsCandidate *candidate);

/* qs-candidate-reach.c */
int qs_candidate_reach (QsCandidate *candidate, QsWorker *worker, const QsVisit *visit,
                        GError **error);
