/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-authority.h"

#include "qs-limits.h"
#include "qs-names.h"

#include <polkit/polkit.h>

#define MAX_DETAIL_CHARS 64

struct QsAuthority
{
  PolkitAuthority *polkit; /* NULL until the first question */
  GCallback on_changed;
  gpointer user_data;
  guint n_prompts;
};

typedef struct
{
  QsAuthority *authority;
  QsPeer *peer;
  char *action;
  PolkitDetails *details;
  QsInteraction interaction;
  QsAuthorityFunc func;
  gpointer user_data;
  GCancellable *cancellable;
  gulong on_gone;
  guint timeout;
} QsCheck;

QsAuthority *
qs_authority_new (GCallback on_changed, gpointer user_data)
{
  QsAuthority *self = g_new0 (QsAuthority, 1);

  self->on_changed = on_changed;
  self->user_data = user_data;
  return self;
}

void
qs_authority_free (QsAuthority *self)
{
  if (self == NULL)
    return;
  if (self->polkit != NULL)
    g_signal_handlers_disconnect_by_data (self->polkit, self->user_data);
  g_clear_object (&self->polkit);
  g_free (self);
}

/**
 * qs_authority_printable:
 *
 * Returns: (transfer full): @text as it may stand in an administrator's dialog
 */
char *
qs_authority_printable (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_new (NULL);
  guint n = 0;

  for (const char *p = valid; *p != '\0' && n < MAX_DETAIL_CHARS; p = g_utf8_next_char (p), n++)
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_unichar (out, g_unichar_isprint (c) ? c : '?');
    }
  return g_string_free (out, FALSE);
}

static void
insert_detail (PolkitDetails *details, const char *key, const char *value)
{
  g_autofree char *printable = qs_authority_printable (value);

  polkit_details_insert (details, key, printable);
}

static PolkitDetails *
make_details (const QsQuestion *question)
{
  PolkitDetails *details = polkit_details_new ();

  insert_detail (details, "operation", question->operation);
  insert_detail (details, "domain_name", question->domain != NULL ? question->domain->name : "");
  insert_detail (details, "domain_uuid", question->domain != NULL ? question->domain->uuid : "");
  insert_detail (details, "snapshot_name",
                 question->snapshot != NULL ? question->snapshot->name : "");
  return details;
}

/* only what may ask a person is limited here: the rest is by the calls of the uid */
static void
count_prompt (QsCheck *check, int change)
{
  if (check->interaction == QS_INTERACTION_NONE)
    return;
  check->authority->n_prompts += change;
  check->peer->user->n_prompts += change;
}

static gboolean
has_too_many (QsAuthority *self, QsPeer *peer, const QsQuestion *question)
{
  return question->interaction == QS_INTERACTION_ALLOWED
         && (self->n_prompts >= QS_MAX_PROMPTS || peer->user->n_prompts >= QS_MAX_PROMPTS_PER_UID);
}

static void
check_end (QsCheck *check, QsAnswer answer)
{
  if (g_cancellable_is_cancelled (check->peer->gone))
    answer = QS_ANSWER_NO;
  count_prompt (check, -1);
  g_clear_signal_handler (&check->on_gone, check->peer->gone);
  g_source_remove (check->timeout);
  check->func (answer, check->user_data);

  qs_peer_unref (check->peer);
  g_free (check->action);
  g_object_unref (check->details);
  g_object_unref (check->cancellable);
  g_free (check);
}

static QsAnswer
answer_of (PolkitAuthorizationResult *result)
{
  if (result == NULL)
    return QS_ANSWER_NO;
  if (polkit_authorization_result_get_is_authorized (result))
    return QS_ANSWER_YES;
  return polkit_authorization_result_get_is_challenge (result) ? QS_ANSWER_CHALLENGE : QS_ANSWER_NO;
}

static void
on_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PolkitAuthorizationResult) answer = NULL;
  g_autoptr (GError) error = NULL;
  QsCheck *check = user_data;

  answer = polkit_authority_check_authorization_finish (POLKIT_AUTHORITY (source), result, &error);
  if (answer == NULL && !g_cancellable_is_cancelled (check->cancellable))
    g_warning ("polkit did not answer, denying: %s", error->message);
  check_end (check, answer_of (answer));
}

static void
check_send (QsCheck *check)
{
  g_autoptr (PolkitSubject) subject = polkit_system_bus_name_new (check->peer->name);

  polkit_authority_check_authorization (
      check->authority->polkit, subject, check->action, check->details,
      check->interaction == QS_INTERACTION_ALLOWED
          ? POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION
          : POLKIT_CHECK_AUTHORIZATION_FLAGS_NONE,
      check->cancellable, on_checked, check);
}

static void
on_polkit (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (PolkitAuthority) polkit = NULL;
  g_autoptr (GError) error = NULL;
  QsCheck *check = user_data;
  QsAuthority *self = check->authority;

  polkit = polkit_authority_get_finish (result, &error);
  if (polkit == NULL)
    {
      g_warning ("polkit is not there, denying: %s", error->message);
      check_end (check, QS_ANSWER_NO);
      return;
    }
  if (self->polkit == NULL)
    {
      self->polkit = g_object_ref (polkit);
      g_signal_connect_swapped (polkit, "changed", self->on_changed, self->user_data);
    }
  check_send (check);
}

static gboolean
on_timeout (gpointer user_data)
{
  QsCheck *check = user_data;

  g_cancellable_cancel (check->cancellable);
  return G_SOURCE_CONTINUE;
}

static QsCheck *
check_new (QsAuthority *self, QsPeer *peer, const QsQuestion *question)
{
  QsCheck *check = g_new0 (QsCheck, 1);

  check->authority = self;
  check->peer = qs_peer_ref (peer);
  check->action = g_strconcat (QS_ACTION_PREFIX, question->action, NULL);
  check->details = make_details (question);
  check->interaction = question->interaction;
  check->cancellable = g_cancellable_new ();
  check->on_gone = g_signal_connect_swapped (peer->gone, "cancelled",
                                             G_CALLBACK (g_cancellable_cancel), check->cancellable);
  check->timeout = g_timeout_add_seconds (question->interaction == QS_INTERACTION_ALLOWED
                                              ? QS_PROMPT_SECONDS
                                              : QS_AUTHORIZATION_SECONDS,
                                          on_timeout, check);
  count_prompt (check, 1);
  return check;
}

/**
 * qs_authority_ask:
 * @func: called with the answer, always, perhaps before this returns
 */
void
qs_authority_ask (QsAuthority *self, QsPeer *peer, const QsQuestion *question, QsAuthorityFunc func,
                  gpointer user_data)
{
  QsCheck *check;

  if (has_too_many (self, peer, question))
    {
      func (QS_ANSWER_TOO_MANY, user_data);
      return;
    }
  check = check_new (self, peer, question);
  check->func = func;
  check->user_data = user_data;
  if (self->polkit != NULL)
    check_send (check);
  else
    polkit_authority_get_async (check->cancellable, on_polkit, check);
}
