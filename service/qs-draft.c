/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-draft.h"

#include "qs-dbus-error.h"

typedef struct
{
  QsDraft *draft;
  GDBusMethodInvocation *invocation;
  QsDraftFunc func;
  GError *error;
} QsDraftWork;

/* @request: (transfer full) */
QsDraft *
qs_draft_new (QsRequest *request, const char *xml, gboolean validate)
{
  QsDraft *draft = g_new0 (QsDraft, 1);

  *draft = (QsDraft){ request, g_strdup (xml), validate };
  return draft;
}

static gboolean
read_snapshot (QsDraft *draft, GError **error)
{
  g_autofree char *text = NULL;

  if (draft->request->def == NULL)
    draft->request->def = qs_snapshot_def_parse (draft->xml, error);
  if (draft->request->def == NULL)
    return FALSE;
  if (!draft->validate)
    return TRUE;
  if (draft->xml == NULL)
    text = qs_snapshot_def_format (draft->request->def, TRUE);
  return qs_schema_check (QS_SCHEMA_SNAPSHOT, draft->xml != NULL ? draft->xml : text, NULL, error);
}

static gboolean
read_domain (QsDraft *draft, GError **error)
{
  draft->request->domain_def = qs_domain_def_new (draft->xml, error);
  if (draft->request->domain_def == NULL)
    return FALSE;
  return !draft->validate || qs_schema_check (QS_SCHEMA_DOMAIN, draft->xml, NULL, error);
}

static void
read_draft (gpointer data)
{
  QsDraftWork *work = data;

  if (work->draft->request->verb == QS_VERB_DEFINE)
    read_domain (work->draft, &work->error);
  else
    read_snapshot (work->draft, &work->error);
}

static void
on_read (gpointer data)
{
  g_autofree QsDraftWork *work = data;
  g_autofree QsDraft *draft = work->draft;
  g_autofree char *xml = draft->xml;
  QsCall *call = qs_call_get (work->invocation);

  qs_call_look_up (call);
  if (work->error == NULL)
    qs_call_check_there (call, &work->error);
  if (work->error == NULL)
    {
      work->func (work->invocation, draft->request);
      return;
    }
  qs_request_unref (draft->request);
  qs_dbus_error_return (work->invocation, work->error);
}

/**
 * qs_draft_read:
 * @invocation: (transfer full)
 * @draft: (transfer full)
 * @func: called on the main thread with the complete request; errors answer the call
 */
void
qs_draft_read (GDBusMethodInvocation *invocation, QsDraft *draft, QsDraftFunc func)
{
  QsDraftWork *work = g_new0 (QsDraftWork, 1);

  *work = (QsDraftWork){ draft, invocation, func, NULL };
  qs_work_push (qs_call_get (invocation)->service->work, read_draft, on_read, work);
}
