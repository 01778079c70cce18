/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-block-job.h"

/* the words of Domain.BlockJobs; one that ends is shown as ending until that is recorded */
static const char *
state_word (const QsBlockJob *job)
{
  switch (job->state)
    {
    case QS_BLOCK_JOB_READY:
      return "ready";
    case QS_BLOCK_JOB_RUNNING:
      return job->is_paused ? "paused" : "running";
    case QS_BLOCK_JOB_PENDING:
      return "pending";
    case QS_BLOCK_JOB_ABSENT:
    case QS_BLOCK_JOB_CONCLUDED:
      return "aborting";
    }
  g_assert_not_reached ();
}

/* one of which QEMU cannot be asked counts as at work */
static void
look (QsGuest *guest, const QsMirror *mirror, QsBlockJob *job)
{
  g_autoptr (GError) error = NULL;

  if (guest != NULL && qs_block_job_look (qs_guest_get_qmp (guest), mirror->job, job, &error))
    return;
  if (error != NULL)
    g_debug ("mirror ‘%s’: %s, ignoring", mirror->path, error->message);
  qs_block_job_clear (job);
  job->state = QS_BLOCK_JOB_RUNNING;
}

static GVariant *
describe (QsGuest *guest, const QsMirror *mirror)
{
  g_auto (QsBlockJob) job = { 0 };
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

  look (guest, mirror, &job);
  g_variant_dict_insert (&dict, "disk", "s", mirror->target);
  g_variant_dict_insert (&dict, "type", "s", "mirror");
  g_variant_dict_insert (&dict, "state", "s", state_word (&job));
  g_variant_dict_insert (&dict, "cur", "t", job.done);
  g_variant_dict_insert (&dict, "end", "t", job.total);
  g_variant_dict_insert (&dict, "bandwidth", "t", G_GUINT64_CONSTANT (0));
  g_variant_dict_insert (&dict, "destination", "s", mirror->path);
  g_variant_dict_insert (&dict, "job", "o", "/");
  return g_variant_dict_end (&dict);
}

/**
 * qs_engine_add_mirror_jobs:
 * @builder: of the aa{sv} of Domain.BlockJobs
 *
 * Adds the mirrors of snapshots that something is written to: they are no operation's.
 */
void
qs_engine_add_mirror_jobs (QsEngine *engine, const QsDomain *domain, GVariantBuilder *builder)
{
  g_autoptr (QsGuest) guest = NULL;

  for (guint i = 0; i < domain->mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i);

      if (!qs_mirror_is_live (mirror))
        continue;
      if (guest == NULL)
        guest = qs_registry_get_guest (engine->registry, domain->id);
      g_variant_builder_add_value (builder, describe (guest, mirror));
    }
}
