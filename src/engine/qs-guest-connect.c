/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-guest.h"

QsGuest *
qs_guest_connect (QsWorker *worker, const QsGuestIdentity *identity,
                  const QsGuestListener *listener, GError **error)
{
  int fd = qs_worker_connect (worker, identity->process->socket, error);

  if (fd < 0)
    {
      if (listener != NULL && listener->destroy != NULL)
        listener->destroy (listener->user_data);
      return NULL;
    }
  return qs_guest_new (fd, identity, listener, error);
}
