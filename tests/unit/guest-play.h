/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qmp-peer.h"
#include "qs-guest.h"

/* what is asked for, and answered, in this order; one without a command is the last */
typedef struct
{
  const char *command;
  const char *answer;
} GuestLine;

/**
 * GuestPlay:
 *
 * A guest whose QEMU is a list of lines. Who it is, it tells besides.
 */
typedef struct
{
  const GuestLine *lines;
  guint n; /* answered */
  Peer *peer;
  QsGuest *guest;
} GuestPlay;

void guest_play_open (GuestPlay *play, const GuestLine *lines);
void guest_play_clear (GuestPlay *play); /* all lines must have been played */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (GuestPlay, guest_play_clear)
