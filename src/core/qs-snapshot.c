/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-snapshot.h"

#include <string.h>

static gsize
room_for (const char *string)
{
  return string == NULL ? 1 : strlen (string) + 1;
}

/* copies @string to *@room and moves that on */
static const char *
place (char **room, const char *string)
{
  char *placed = *room;

  *room = g_stpcpy (placed, string == NULL ? "" : string) + 1;
  return placed;
}

/**
 * qs_snapshot_new:
 * @values: (transfer none): what it is to hold; a string that is NULL becomes ""
 */
QsSnapshot *
qs_snapshot_new (const QsSnapshot *values)
{
  gsize size = sizeof (QsSnapshot) + room_for (values->uuid) + room_for (values->name)
               + room_for (values->parent) + room_for (values->description);
  QsSnapshot *snapshot = g_atomic_rc_box_alloc (size);
  char *room = (char *)(snapshot + 1);

  *snapshot = *values;
  snapshot->uuid = place (&room, values->uuid);
  snapshot->name = place (&room, values->name);
  snapshot->parent = place (&room, values->parent);
  snapshot->description = place (&room, values->description);
  return snapshot;
}

QsSnapshot *
qs_snapshot_ref (QsSnapshot *snapshot)
{
  return g_atomic_rc_box_acquire (snapshot);
}

void
qs_snapshot_unref (QsSnapshot *snapshot)
{
  if (snapshot != NULL)
    g_atomic_rc_box_release (snapshot);
}
