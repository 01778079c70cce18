/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-attach-options.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-options.h"
#include "qs-owner.h"
#include "qs-scope.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NULL_UUID "00000000-0000-0000-0000-000000000000"

static gboolean
check_name (const char *key, GVariant *value, GError **error)
{
  return qs_name_check (g_variant_get_string (value, NULL), error);
}

static gboolean
check_uuid (const char *key, GVariant *value, GError **error)
{
  const char *uuid = g_variant_get_string (value, NULL);

  if (qs_uuid_check (uuid) && !g_str_equal (uuid, NULL_UUID))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "option ‘%s’ is no uuid", key);
  return FALSE;
}

static const QsOption attach_options[] = {
  { "name", "s", check_name },  { "uuid", "s", check_uuid },  { "owner", "u", qs_owner_check },
  { "guest-agent", "s", NULL }, { "stable-path", "b", NULL }, { NULL, NULL, NULL },
};

/**
 * qs_attach_check_socket:
 * @owner: whose worker connects there
 *
 * Returns: whether the caller may name @path; nothing is looked up
 */
gboolean
qs_attach_check_socket (const QsCall *call, guint32 owner, const char *path, GError **error)
{
  guint32 uid = qs_call_get_uid (call);
  QsQuestions questions = {
    .system_mode = call->service->system_mode,
    .image_roots = (const char *const *)call->service->settings.image_roots,
  };
  QsRequest request = { .caller = uid, .caller_is_owner = owner == uid };

  if (strlen (path) > QS_MAX_SOCKET_BYTES)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "the path of a socket has more than %d bytes, which no socket's can have",
                   QS_MAX_SOCKET_BYTES);
      return FALSE;
    }
  return qs_scope_check_path (NULL, &request, &questions, path, error);
}

/**
 * qs_attach_options_read:
 * @options: a{sv} of the caller
 * @visit: (out): gets what they say; its strings belong to @options
 */
gboolean
qs_attach_options_read (const QsCall *call, GVariant *options, QsVisit *visit, GError **error)
{
  *visit = (QsVisit){ .fd = -1 };
  if (!qs_options_check (attach_options, options, error)
      || !qs_owner_settle (call, options, &visit->owner, error))
    return FALSE;
  g_variant_lookup (options, "name", "&s", &visit->name);
  g_variant_lookup (options, "uuid", "&s", &visit->uuid);
  g_variant_lookup (options, "guest-agent", "&s", &visit->agent);
  visit->has_stable_path = g_variant_lookup (options, "stable-path", "b", &visit->stable_path);
  return visit->agent == NULL || qs_attach_check_socket (call, visit->owner, visit->agent, error);
}

static gboolean
agrees (const QsDomain *domain, const char *key, GVariant *value)
{
  const QsAttachment *attachment = domain->attachment;

  if (g_str_equal (key, "name"))
    return g_str_equal (g_variant_get_string (value, NULL), domain->name);
  if (g_str_equal (key, "uuid"))
    return g_ascii_strcasecmp (g_variant_get_string (value, NULL), domain->uuid) == 0;
  if (g_str_equal (key, "guest-agent"))
    return attachment != NULL
           && g_str_equal (g_variant_get_string (value, NULL), attachment->agent);
  if (g_str_equal (key, "stable-path"))
    return attachment != NULL
           && g_variant_get_boolean (value) == (attachment->stable_path || attachment->hindered);
  return TRUE;
}

/**
 * qs_attach_options_agree:
 * @options: that were let in
 * @domain: that is connected already
 *
 * Returns: whether all that was said holds of @domain: nothing is changed of one that is connected
 */
gboolean
qs_attach_options_agree (GVariant *options, const QsDomain *domain, GError **error)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) owned = value;

      if (agrees (domain, key, owned))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "this QEMU is connected already, as domain ‘%s’, of which option ‘%s’ says "
                   "something else; detach it first to attach it anew",
                   domain->name, key);
      return FALSE;
    }
  return TRUE;
}

static gboolean
has_option (int fd, int name, int value)
{
  int found = -1;
  socklen_t length = sizeof found;

  return getsockopt (fd, SOL_SOCKET, name, &found, &length) == 0 && found == value;
}

static gboolean
is_connected (int fd)
{
  struct sockaddr_storage address;
  socklen_t length = sizeof address;

  return getpeername (fd, (struct sockaddr *)&address, &length) == 0;
}

/**
 * qs_attach_take_fd:
 * @list: (nullable): all descriptors of the message
 *
 * Returns: a descriptor of our own of the one connected stream socket that the caller has sent;
 *   -1 if it sent anything else
 */
int
qs_attach_take_fd (GUnixFDList *list, GVariant *handle, GError **error)
{
  int fd;

  if (list == NULL || g_unix_fd_list_get_length (list) != 1 || g_variant_get_handle (handle) != 0)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                           "the call must bring one file descriptor, no less and no more");
      return -1;
    }
  fd = g_unix_fd_list_get (list, 0, error);
  if (fd < 0)
    return -1;
  if (has_option (fd, SO_DOMAIN, AF_UNIX) && has_option (fd, SO_TYPE, SOCK_STREAM)
      && is_connected (fd))
    return fd;
  close (fd);
  g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                       "the file descriptor must be a unix stream socket that is connected to QMP");
  return -1;
}
