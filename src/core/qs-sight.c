/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-facts.h"

/* what is at a path, whatever it is */

QsSight *
qs_sight_new (const char *path)
{
  QsSight *sight = g_new0 (QsSight, 1);

  sight->path = g_strdup (path);
  return sight;
}

void
qs_sight_free (QsSight *sight)
{
  if (sight == NULL)
    return;
  g_free (sight->path);
  g_free (sight->below);
  g_clear_pointer (&sight->image, qs_image_free);
  g_clear_error (&sight->error);
  g_free (sight);
}
