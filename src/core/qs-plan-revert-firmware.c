/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"
#include "qs-limits.h"

/* the firmware variables of the snapshot, or those of the template, take the place of today's: a copy is
   made aside, which gets their name once no QEMU writes to them any more. With memory they come back
   by themselves, for the flash chip is part of it */

#define WHAT "firmware variables"

/* beyond the disks of a domain, which have the first numbers */
#define COPY_INDEX 9002
#define KEPT_INDEX 9003

static gboolean
resets (const QsRevert *revert)
{
  return (revert->request->flags & QS_REVERT_RESET_NVRAM) != 0;
}

static const QsImage *
find_image (const QsRevert *revert)
{
  const QsDiskFacts *firmware = revert->facts->firmware;

  return firmware != NULL && firmware->chain->len > 0 ? g_ptr_array_index (firmware->chain, 0)
                                                      : NULL;
}

static const QsSnapshotFile *
find_copy (const QsRevert *revert)
{
  for (guint i = 0; i < revert->facts->snapshot_files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (revert->facts->snapshot_files, i);

      if (g_str_equal (file->target, QS_NVRAM_TARGET))
        return file;
    }
  return NULL;
}

/**
 * qs_revert_ask_firmware:
 *
 * What is to be looked up for them: their file, and the template. The copy is one of the snapshot's
 * files.
 */
gboolean
qs_revert_ask_firmware (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                        GError **error)
{
  const QsDomainDef *def = qs_domain_get_def (domain);
  gboolean reset = (request->flags & QS_REVERT_RESET_NVRAM) != 0;

  if (reset && def->nvram == NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                           "the domain has no " WHAT " to reset");
      return FALSE;
    }
  if (reset && def->nvram_template == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   WHAT " ‘%s’: it is not known from which template they were made; give "
                        "<nvram> the attribute ‘template’",
                   def->nvram);
      return FALSE;
    }
  questions->firmware = def->nvram != NULL;
  if (reset)
    g_ptr_array_add (questions->targets, g_strdup (def->nvram_template));
  return TRUE;
}

/* the file of today, unless there is none */
static gboolean
check_image (const QsRevert *revert, GError **error)
{
  const QsDiskFacts *firmware = revert->facts->firmware;
  const QsImage *image = find_image (revert);

  if (firmware != NULL && firmware->error != NULL)
    g_set_error (error, QS_ERROR, firmware->error->code, WHAT ": %s", firmware->error->message);
  else if (firmware != NULL && image == NULL)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                         WHAT ": their file could not be looked at");
  else if (image != NULL && !image->linkable)
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 WHAT " ‘%s’: lie where a file cannot have two names, and are not replaced there",
                 image->path);
  else if (image != NULL && image->in_use && !qs_domain_is_active (revert->domain))
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 WHAT " ‘%s’: are in use by another program, although the domain is shut off",
                 image->path);
  else
    return TRUE;
  return FALSE;
}

/* @format NULL: nothing is known of it */
static gboolean
check_source (const QsRevert *revert, const char *path, const char *format, GError **error)
{
  const QsTarget *source = qs_facts_find_target (revert->facts, path);
  const char *wanted = qs_domain_get_def (revert->domain)->nvram_format;

  if (source == NULL || (source->type != QS_TARGET_REGULAR && source->error == NULL))
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                 "%s of the " WHAT ": ‘%s’ is missing, or no regular file",
                 format != NULL ? "copy" : "template", path);
  else if (source->type != QS_TARGET_REGULAR)
    g_set_error (error, source->error->domain, source->error->code, "%s of the " WHAT ": %s",
                 format != NULL ? "copy" : "template", source->error->message);
  else if (format != NULL && g_strcmp0 (format, wanted) != 0)
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "the " WHAT " of the snapshot are of format ‘%s’, those of today of format ‘%s’",
                 format, wanted);
  else if (source->size > QS_MAX_NVRAM_BYTES)
    g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED, WHAT " ‘%s’: are larger than %d bytes",
                 path, QS_MAX_NVRAM_BYTES);
  else
    return TRUE;
  return FALSE;
}

/* what was there is found under this name until the new ones have its own */
static void
add_link (QsRevertBuild *build, const QsImage *image)
{
  const QsRevert *revert = build->revert;
  g_autofree char *kept = qs_exchange_aside (image->path, revert->facts->op, KEPT_INDEX);

  qs_plan_add (build->plan, QS_STEP_FILE_LINK, QS_PHASE_PREPARE, QS_NVRAM_TARGET,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'from': <%s>, 'dev': <%t>,"
                                     " 'ino': <%t>, 'btime': <%x>}",
                                     QS_NVRAM_TARGET, kept, image->path, image->dev, image->ino,
                                     image->btime));
}

static void
add_copy (QsRevertBuild *build, const char *from)
{
  const QsRevert *revert = build->revert;
  const QsTarget *source = qs_facts_find_target (revert->facts, from);
  const QsImage *image = find_image (revert);
  const char *path = qs_domain_get_def (revert->domain)->nvram;
  g_autofree char *aside = qs_exchange_aside (path, revert->facts->op, COPY_INDEX);

  build->firmware = build->plan->steps->len;
  build->has_firmware = TRUE;
  qs_plan_add (build->plan, QS_STEP_FILE_COPY, QS_PHASE_PREPARE, QS_NVRAM_TARGET,
               g_variant_new_parsed (
                   "{'target': <%s>, 'path': <%s>, 'from': <%s>, 'dev': <%t>,"
                   " 'ino': <%t>, 'mode': <%u>, 'gid': <%u>}",
                   QS_NVRAM_TARGET, image != NULL ? aside : path, from, source->dev, source->ino,
                   image != NULL ? image->mode & 0777u : 0u, image != NULL ? image->gid : 0u));
}

/* what the domain uses after the revert is not the file that was looked at */
static gboolean
has_moved (const QsRevertBuild *build)
{
  return g_strcmp0 (build->after->def->nvram, qs_domain_get_def (build->revert->domain)->nvram)
         != 0;
}

static gboolean
check_reset (const QsRevert *revert, GError **error)
{
  if (!resets (revert) || !revert->loads)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "snapshot ‘%s’ has memory, and the " WHAT " are part of it; RESET_NVRAM would not "
               "last",
               revert->snapshot->name);
  return FALSE;
}

/**
 * qs_revert_plan_firmware_prepare:
 *
 * Adds the steps that make the copy, beside the file that it will replace.
 */
gboolean
qs_revert_plan_firmware_prepare (QsRevertBuild *build, GError **error)
{
  const QsRevert *revert = build->revert;
  const QsSnapshotFile *copy = find_copy (revert);
  const QsDomainDef *def = qs_domain_get_def (revert->domain);
  const char *from = resets (revert) ? def->nvram_template : copy != NULL ? copy->path : NULL;

  if (def->nvram == NULL || !check_reset (revert, error))
    return def->nvram == NULL;
  if (revert->loads || (revert->request->flags & QS_REVERT_TIP))
    return TRUE;
  if (from == NULL || has_moved (build))
    {
      qs_plan_note (build->plan, "the " WHAT " ‘%s’ stay as they are: %s", def->nvram,
                    from == NULL ? "the snapshot has no copy of them"
                                 : "with the definition of the snapshot others are used");
      return TRUE;
    }
  if (!check_image (revert, error)
      || !check_source (revert, from, resets (revert) ? NULL : copy->format, error))
    return FALSE;
  if (find_image (revert) != NULL)
    add_link (build, find_image (revert));
  add_copy (build, from);
  return TRUE;
}

/**
 * qs_revert_plan_firmware_finish:
 *
 * Adds the steps by which the copy takes the place of today's variables: after the QEMU that uses them
 * has ended, and before the next one starts.
 */
void
qs_revert_plan_firmware_finish (QsRevertBuild *build)
{
  const QsImage *image = find_image (build->revert);
  const char *op = build->revert->facts->op;
  g_autofree char *aside = NULL;
  g_autofree char *kept = NULL;

  if (!build->has_firmware || image == NULL)
    return;
  aside = qs_exchange_aside (image->path, op, COPY_INDEX);
  kept = qs_exchange_aside (image->path, op, KEPT_INDEX);
  qs_plan_add (build->plan, QS_STEP_FILE_RENAME, QS_PHASE_FINISH, QS_NVRAM_TARGET,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'over': <%s>, 'kept': <%s>,"
                                     " 'image': <%u>, 'dev': <%t>, 'ino': <%t>, 'btime': <%x>,"
                                     " 'off': <true>}",
                                     QS_NVRAM_TARGET, aside, image->path, kept, build->firmware,
                                     image->dev, image->ino, image->btime));
  qs_plan_add (build->plan, QS_STEP_FILE_UNLINK, QS_PHASE_FINISH, QS_NVRAM_TARGET,
               g_variant_new_parsed ("{'path': <%s>, 'dev': <%t>, 'ino': <%t>, 'btime': <%x>}",
                                     kept, image->dev, image->ino, image->btime));
}
