/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"
#include "qs-name.h"
#include "qs-plan-branch.h"
#include "qs-plan-mirror.h"
#include "qs-plan-redefine.h"
#include "qs-scope.h"

/* what can be said of a create before anything is looked at, and what has to be looked at */

static gboolean
check_flags (const QsDomain *domain, const QsRequest *request, GError **error)
{
  if (request->def->branch != NULL && !(request->flags & QS_CREATE_BRANCH))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                           "<branch> needs flag BRANCH");
      return FALSE;
    }
  if (request->def->branch == NULL && (request->flags & QS_CREATE_BRANCH))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_XML_INVALID, "flag BRANCH needs <branch>");
      return FALSE;
    }
  return qs_create_check_quiesce (request, domain->state, error);
}

/**
 * qs_create_select:
 * @now: microseconds since the epoch, for a name that is not given
 *
 * Returns: (transfer full): what is to be done of a create, as far as the request and the definition
 *   tell; or NULL with the refusal
 */
QsSelection *
qs_create_select (const QsDomain *domain, const QsRequest *request, gint64 now, GError **error)
{
  g_autoptr (QsSelection) selection = NULL;

  if (!qs_description_check (request->def->description != NULL ? request->def->description : "",
                             error))
    return NULL;
  selection = qs_align (domain, request->def, request->flags, now, error);
  if (selection == NULL)
    return NULL;
  for (guint i = 0; i < selection->disks->len; i++)
    if (!qs_check_disk_snapshot (g_ptr_array_index (selection->disks, i), error))
      return NULL;
  if (!qs_check_manual (selection, domain->state, error))
    return NULL;
  return g_steal_pointer (&selection);
}

/* systemd keeps QEMU from all devices but those it was told of at the start */
static gboolean
check_reach (const QsDomain *domain, const QsQuestions *questions, const QsSelected *selected,
             GError **error)
{
  const char *unit = domain->process != NULL ? domain->process->unit : NULL;

  if (!selected->is_device || !questions->system_mode || unit == NULL || *unit == '\0')
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "disk ‘%s’: the running QEMU may open no other block devices than it was started "
               "with, and ‘%s’ is none of them; shut the guest down first, or choose a file",
               selected->disk->target, selected->path);
  return FALSE;
}

static gboolean
ask_overlay (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
             const QsSelected *selected, GError **error)
{
  if (!qs_scope_check_path (domain, request, questions, selected->path, error))
    {
      g_prefix_error (error, "disk ‘%s’: ", selected->disk->target);
      return FALSE;
    }
  if (!check_reach (domain, questions, selected, error))
    return FALSE;
  g_ptr_array_add (questions->targets, g_strdup (selected->path));
  if (selected->mode == QS_DISK_MODE_EXISTING)
    qs_questions_add_reused (questions, selected->path, selected->format, selected->active);
  return qs_create_ask_mirror (domain, request, questions, selected, error);
}

/* a file that belongs to no disk. @path NULL: none */
static gboolean
ask_file (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
          const char *path, const char *what, GError **error)
{
  if (path == NULL)
    return TRUE;
  if (!qs_scope_check_path (domain, request, questions, path, error))
    {
      g_prefix_error (error, "%s: ", what);
      return FALSE;
    }
  g_ptr_array_add (questions->targets, g_strdup (path));
  return TRUE;
}

static gboolean
is_lent (const QsSelected *selected)
{
  return selected->choice == QS_LOCATION_EXTERNAL
         && (selected->mode == QS_DISK_MODE_EXISTING
             || (selected->request != NULL && selected->request->mirror != NULL)
             || (selected->request != NULL && selected->request->source != NULL));
}

/* a file that the caller names may be an image of the domain by another name, and that of memory has
   the rights of the images: then also of the disks that are left out it has to be known what they
   use */
static void
ask_disks (const QsSelection *selection, QsQuestions *questions)
{
  gboolean all = selection->memory_path != NULL;

  for (guint i = 0; i < selection->disks->len; i++)
    all |= is_lent (g_ptr_array_index (selection->disks, i));
  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (selected->choice == QS_LOCATION_INTERNAL || selected->choice == QS_LOCATION_EXTERNAL
          || (all && selected->active != NULL))
        g_ptr_array_add (questions->disks, (gpointer)selected->disk);
    }
}

gboolean
qs_ask_create (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  g_autoptr (QsSelection) selection = NULL;

  if (!qs_flags_check (&qs_create_flag_set, request->flags, error)
      || !qs_mirror_check_none (domain, NULL, error))
    return FALSE;
  if (request->flags & QS_CREATE_REDEFINE)
    return qs_ask_redefine (domain, request, questions, error);
  if (!check_flags (domain, request, error))
    return FALSE;
  if (request->flags & QS_CREATE_BRANCH)
    return qs_ask_branch (domain, request, questions, error);
  selection = qs_create_select (domain, request, questions->now, error);
  if (selection == NULL
      || !qs_create_check_mirrors (domain, selection, request->flags, questions->mirrors, error))
    return FALSE;

  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (selected->choice == QS_LOCATION_EXTERNAL
          && !ask_overlay (domain, request, questions, selected, error))
        return FALSE;
    }
  if (!ask_file (domain, request, questions, selection->memory_path, "memory file", error)
      || !ask_file (domain, request, questions, selection->firmware_path, "firmware variables",
                    error))
    return FALSE;
  qs_create_ask_memory_room (selection, questions);
  ask_disks (selection, questions);
  questions->memory = selection->save != QS_SAVE_NONE;
  questions->firmware = selection->memory == QS_LOCATION_NO;
  questions->monitor = qs_domain_is_active (domain);
  questions->agent = (request->flags & QS_CREATE_QUIESCE) != 0;
  questions->open_files = domain->attachment != NULL;
  questions->files = TRUE;
  return TRUE;
}
