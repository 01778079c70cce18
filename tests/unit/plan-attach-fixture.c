/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "plan-attach-fixture.h"

#include "qs-change.h"
#include "qs-error.h"

#include <string.h>

const char *const attach_paths[] = {
  [BASE] = "/images/base",
  [STATE] = "/images/vda.qcow2",
  [ACTIVE] = "/images/vda.s1",
  [OTHER] = "/images/other",
};

QsDomain *
attach_domain (gboolean with_snapshot)
{
  QsDomain *domain = fixture_attached (fixture_running_domain (1), TRUE);

  return with_snapshot ? fixture_with_snapshot (domain, "s1", QS_KIND_EXTERNAL) : domain;
}

QsRequest *
attach_request (const QsDomain *like, const char *source, const char *options)
{
  QsRequest *request = fixture_request (QS_VERB_ATTACH, 0, NULL);
  const QsDiskPatch patch = { "vda", source, "qcow2" };
  g_autoptr (GError) error = NULL;

  request->domain_def = qs_domain_def_patch (like->def, like->uuid, &patch, 1, &error);
  g_assert_no_error (error);
  request->options = g_variant_ref_sink (g_variant_new_parsed (
      options != NULL ? options
                      : "{'owner': <uint32 1000>, 'socket': <'/run/qmp.sock'>, 'agent': <''>,"
                        " 'stable-path': <true>, 'follow': <true>, 'pid': <int64 4343>,"
                        " 'start-time': <uint64 78>, 'boot-id': <'boot'>, 'state': <'running'>}"));
  return request;
}

QsImage *
attach_image (guint ino, const char *path)
{
  QsImage *image = qs_image_new ();

  image->path = g_strdup (path != NULL ? path : attach_paths[ino]);
  image->format = g_strdup ("qcow2");
  image->dev = 2049;
  image->ino = ino;
  image->btime = 5;
  image->writable = TRUE;
  image->in_use = TRUE;
  return image;
}

void
attach_add_file (QsFacts *facts, guint ino, guint backing)
{
  QsFile *file = qs_file_new (attach_paths[ino], "qcow2");

  file->role = g_strdup ("disk");
  file->backing = backing != 0 ? g_strdup (attach_paths[backing]) : NULL;
  file->dev = 2049;
  file->ino = ino;
  file->btime = 5;
  file->ours = ino == ACTIVE;
  if (ino == STATE)
    g_ptr_array_add (file->state_of, g_strdup (FIXTURE_SNAPSHOT));
  g_ptr_array_add (facts->files, file);
}

/* @chain: inodes, 0 ends them; @name: of the topmost, NULL: the one that it had */
QsFacts *
attach_facts (gboolean recorded, const guint *chain, const char *name)
{
  QsFacts *facts = qs_facts_new ();
  QsDiskFacts *disk = g_new0 (QsDiskFacts, 1);

  facts->now = FIXTURE_NOW;
  disk->target = g_strdup ("vda");
  disk->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  for (guint i = 0; chain[i] != 0; i++)
    g_ptr_array_add (disk->chain, attach_image (chain[i], i == 0 ? name : NULL));
  g_ptr_array_add (facts->disks, disk);
  if (recorded)
    {
      attach_add_file (facts, BASE, 0);
      attach_add_file (facts, STATE, BASE);
      attach_add_file (facts, ACTIVE, STATE);
    }
  return facts;
}

const char *
attach_quarantine_reason (const QsPlan *plan, const QsDomain *domain, GString *text)
{
  g_autoptr (GVariant) changes = qs_step_value (qs_plan_step (plan, 0), "changes");
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomain) after = qs_domain_apply (domain, changes, &error);

  g_assert_no_error (error);
  if (after->quarantine_reason == NULL)
    return NULL;
  g_string_assign (text, after->quarantine_reason);
  return text->str;
}

void
attach_check_refusal (const QsDomain *domain, QsRequest *request, QsFacts *facts, QsError code,
                      const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);

  g_assert_null (plan);
  g_assert_error (error, QS_ERROR, (int)code);
  g_assert_nonnull (strstr (error->message, text));
}
