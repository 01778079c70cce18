/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-scope.h"

#include "qs-command-line.h"
#include "qs-error.h"
#include "qs-name.h"

#include <string.h>

#define STOCK_EMULATOR "/usr/bin/qemu-system-"

static gboolean
is_below (const char *path, const char *folder, gsize length)
{
  while (length > 1 && folder[length - 1] == '/')
    length--;
  return length > 0 && strncmp (path, folder, length) == 0 && path[length] == '/';
}

static gboolean
is_below_root (const QsQuestions *questions, const char *path)
{
  for (guint i = 0; questions->image_roots != NULL && questions->image_roots[i] != NULL; i++)
    if (is_below (path, questions->image_roots[i], strlen (questions->image_roots[i])))
      return TRUE;
  return FALSE;
}

/* @file: (nullable) */
static gboolean
is_beside (const char *file, const char *path)
{
  const char *slash = file != NULL ? strrchr (file, '/') : NULL;

  return slash != NULL && is_below (path, file, (gsize)(slash - file));
}

static gboolean
is_beside_image (const QsDomain *domain, const char *path)
{
  for (guint i = 0; domain != NULL && i < domain->def->disks->len; i++)
    if (is_beside (qs_domain_disk_path (domain, g_ptr_array_index (domain->def->disks, i)), path))
      return TRUE;
  return domain != NULL && is_beside (domain->def->nvram, path);
}

gboolean
qs_scope_check_path (const QsDomain *domain, const QsRequest *request, const QsQuestions *questions,
                     const char *path, GError **error)
{
  if (!qs_path_check (path, questions->system_mode, error))
    return FALSE;
  if (request->caller_is_owner || request->caller == 0 || is_below_root (questions, path)
      || is_beside_image (domain, path))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "‘%s’ lies in no image folder of the configuration and beside no image of the "
               "domain, and only its owner may name such a path",
               path);
  return FALSE;
}

static gboolean
check_emulator (const QsDomainDef *def, GError **error)
{
  const xmlNode *root = xmlDocGetRootElement (def->doc);

  if (def->emulator != NULL
      && (!g_str_has_prefix (def->emulator, STOCK_EMULATOR)
          || strchr (def->emulator + strlen (STOCK_EMULATOR), '/') != NULL))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "only the owner of a domain may name the emulator ‘%s’", def->emulator);
      return FALSE;
    }
  if (qs_xml_child (root, "qemu:commandline") != NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                           "only the owner of a domain may give <qemu:commandline>");
      return FALSE;
    }
  return TRUE;
}

gboolean
qs_scope_check_definition (const QsDomain *domain, const QsRequest *request,
                           const QsQuestions *questions, const QsDomainDef *def, GError **error)
{
  gboolean trusted = request->caller_is_owner || request->caller == 0;
  g_autoptr (GError) refusal = NULL;
  g_auto (GStrv) paths = qs_command_line_paths (def, &refusal);

  if (!trusted && !check_emulator (def, error))
    return FALSE;
  /* a document that is not translated cannot be started, so that its paths reach nobody; the
     worker looks at those of its disks once more */
  if (paths == NULL && trusted && g_error_matches (refusal, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED))
    return TRUE;
  if (paths == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&refusal));
      return FALSE;
    }
  for (guint i = 0; paths[i] != NULL; i++)
    {
      /* the emulator has its own rule; it lies in no image folder */
      if (g_strcmp0 (paths[i], def->emulator) == 0)
        continue;
      if (!qs_scope_check_path (domain, request, questions, paths[i], error))
        return FALSE;
    }
  return TRUE;
}

gboolean
qs_scope_check_recorded (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                         const QsDomainDef *def, GError **error)
{
  g_autoptr (QsQuestions) questions = qs_questions_new ();

  questions->system_mode = facts->system_mode;
  questions->image_roots = facts->image_roots;
  return qs_scope_check_definition (domain, request, questions, def, error);
}
