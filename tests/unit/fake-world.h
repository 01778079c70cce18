/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "fake-pages.h"
#include "qs-runner.h"

/**
 * FakeTrouble:
 *
 * What goes wrong, and when: every point at which it can is an event, counted from 1; 0 is never.
 *
 * @fail: this one event fails, the next ones do not
 * @stuck: from this event on whatever that step does fails
 * @mute: from this event on the journal cannot be written
 * @cancel: the caller cancels
 * @crash: nothing happens any more, as after SIGKILL
 * @leave: the service ends
 * @power: at the crash what was not synchronized is lost, and QEMU with what only it has
 */
typedef struct
{
  guint fail;
  guint stuck;
  guint mute;
  guint cancel;
  guint crash;
  guint leave;
  gboolean power;
} FakeTrouble;

typedef enum
{
  FAKE_NONE,
  FAKE_HALF,
  FAKE_WHOLE,
} FakeEffect;

/**
 * FakeWorld:
 *
 * A world of one effect a step, and a journal in memory. Both refuse to go on (the test fails) as
 * soon as the runner breaks a rule: intent before effect, order, backwards undo, no undo once the
 * commit took effect, no effect twice, results handed on.
 */
typedef struct
{
  QsWorld world;
  QsJournal *journal;

  const QsPlan *plan;
  guint commit;
  FakeEffect *effects;
  guint n_changes; /* of effects and journal */
  gboolean blind;  /* the probe cannot tell */
  gboolean lax;    /* rules are not watched */
  const char *commit_learns;

  FakePages pages;
  FakePages disk; /* as it was synchronized last */

  FakeTrouble trouble;
  guint clock;
  guint stuck_step;
  gboolean crashed;
  gboolean muted;
  GCancellable *cancellable;
  guint n_committed; /* times the sink was told */
} FakeWorld;

FakeWorld *fake_world_new (const QsPlan *plan);
void fake_world_free (FakeWorld *fake);
QsOutcome fake_world_run (FakeWorld *fake, const FakeTrouble *trouble, GError **error);
QsOutcome fake_world_resume (FakeWorld *fake, const FakeTrouble *trouble, GError **error);

/* the same, and a job goes on with it if that is possible */
gboolean fake_world_may_go_on (FakeWorld *fake);
QsOutcome fake_world_go_on (FakeWorld *fake, const FakeTrouble *trouble, GError **error);
gboolean fake_world_is_before (const FakeWorld *fake);
gboolean fake_world_is_after (const FakeWorld *fake);

/**
 * fake_world_exercise:
 * @plan: a plan, as the planner made it
 *
 * Fails it, cancels it, crashes it and takes its power away at every event of every step, crashes its
 * undo and its recovery too, and asserts that the world is as before or as after, never between, that each
 * effect came once, and that a second recovery does nothing.
 */
void fake_world_exercise (const QsPlan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FakeWorld, fake_world_free)
