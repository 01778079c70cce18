/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-guest.h"

/**
 * QsWakeFrom:
 * @QS_WAKE_PAUSED: what `stop` has made of a guest
 * @QS_WAKE_MIGRATED: the same, or what a migration of ours has: its images are given up
 * @QS_WAKE_STOPPED: whatever it stands still for, if it has its images
 * @QS_WAKE_ANY: whoever asks for it knows what he does
 *
 * What a guest may be continued from. One that somebody has migrated runs elsewhere, on the same
 * images: to continue it here, too, would destroy them.
 */
typedef enum
{
  QS_WAKE_PAUSED,
  QS_WAKE_MIGRATED,
  QS_WAKE_STOPPED,
  QS_WAKE_ANY,
} QsWakeFrom;

/**
 * qs_wake:
 * @seconds: how long QEMU may refuse: what holds a lock on an image may let it go
 * @state: (out) (optional): what the guest has come to
 *
 * Lets the guest go on. One that runs, or that has stopped for a reason of its own since, is left as
 * it is, and that is a success.
 */
gboolean qs_wake (QsGuest *guest, QsWakeFrom from, guint seconds, QsDomainState *state,
                  GError **error);

/* QEMU does not let the guest go on now, and may do so later */
gboolean qs_wake_is_refusal (const GError *error);

/* FALSE: QEMU has given up the guest's images, or is about to: nothing may write to them here */
gboolean qs_wake_check_home (QsGuest *guest, GError **error);

/* the same while a migration of ours may wait for its end, with the images in QEMU's hands still */
gboolean qs_wake_check_images (QsGuest *guest, GError **error);
