/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-attach.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-scope.h"

#include <string.h>

static const char *
text_option (const QsRequest *request, const char *key)
{
  const char *value = "";

  g_variant_lookup (request->options, key, "&s", &value);
  return value;
}

static gboolean
boolean_option (const QsRequest *request, const char *key)
{
  gboolean value = FALSE;

  g_variant_lookup (request->options, key, "b", &value);
  return value;
}

static gboolean
check_namesake (const QsDomain *domain, const QsDomainDef *def, GError **error)
{
  if (domain == NULL)
    return TRUE;
  if (domain->attachment == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS,
                   "a domain with uuid %s is defined already, with the name ‘%s’", domain->uuid,
                   domain->name);
      return FALSE;
    }
  if (g_str_equal (domain->name, def->name))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS,
               "this QEMU is domain ‘%s’, which cannot be called ‘%s’", domain->name, def->name);
  return FALSE;
}

static gboolean
check_socket (const QsDomain *domain, const QsRequest *request, const QsQuestions *questions,
              const char *key, GError **error)
{
  const char *path = text_option (request, key);

  if (*path == '\0')
    return TRUE;
  if (strlen (path) > QS_MAX_PATH_BYTES)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "the path of a socket is too long");
      return FALSE;
    }
  return qs_scope_check_path (domain, request, questions, path, error);
}

gboolean
qs_ask_attach (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  const QsDomainDef *def = request->domain_def;

  if (!check_namesake (domain, def, error) || !qs_name_check (def->name, error)
      || !check_socket (domain, request, questions, "socket", error)
      || !check_socket (domain, request, questions, "agent", error))
    return FALSE;
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);

      if (qs_attach_is_watched (disk))
        g_ptr_array_add (questions->disks, (gpointer)disk);
    }
  questions->files = TRUE;
  questions->open_files = TRUE;
  return TRUE;
}

/* number of files that QEMU has below the image; -1: not told */
static gint64
told_depth (const QsRequest *request, const char *target)
{
  g_autoptr (GVariant) depths =
      g_variant_lookup_value (request->options, "depths", G_VARIANT_TYPE ("a{su}"));
  guint32 depth;

  return depths != NULL && g_variant_lookup (depths, target, "u", &depth) ? (gint64)depth : -1;
}

static gboolean
check_depth (const QsRequest *request, const QsDiskFacts *disk, GError **error)
{
  gint64 depth = told_depth (request, disk->target);

  if (depth < 0 || depth + 1 == (gint64)disk->chain->len)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "disk ‘%s’: QEMU has %" G_GINT64_FORMAT " files open below the image, but the "
               "images name %u; start QEMU without options for the backing files",
               disk->target, depth, disk->chain->len - 1);
  return FALSE;
}

/* whether QEMU writes to the image; where what it has open is not told, its locks are asked, if more
   hangs on the answer than this attachment */
static gboolean
is_written (const QsDomain *domain, const QsFacts *facts, const QsImage *image)
{
  const QsFile *recorded = domain != NULL ? qs_facts_find_file (facts, image->path) : NULL;

  if (facts->open_files != NULL)
    return qs_facts_has_open (facts, image);
  return recorded == NULL || !recorded->ours || image->in_use;
}

static gboolean
refuse_unseen (const QsActive *active, const QsDiskFacts *disk, GError **error)
{
  g_autofree char *way_out =
      active != NULL ? g_strdup_printf ("end QEMU and start it with ‘%s’ (%s) on this disk",
                                        active->path, active->format)
                     : g_strdup ("end QEMU and start it without this disk");

  g_set_error (error, disk->error->domain, disk->error->code,
               "disk ‘%s’: %s; nobody can tell whether snapshots are in danger: %s", disk->target,
               disk->error->message, way_out);
  return FALSE;
}

/* a chain that cannot be looked at is no obstacle, the disk cannot be snapshotted then; where there
   are snapshots, nobody knows whether they are in danger: unless it was the same before, or is a new
   disk, and what QEMU has open tells that it is none of their files */
static gboolean
check_readable (QsPlan *plan, const QsDomain *domain, const QsFacts *facts, const QsDiskFacts *disk,
                const QsDiskDef *def, GError **error)
{
  const QsActive *active = domain != NULL ? qs_domain_find_active (domain, disk->target) : NULL;
  const QsFile *recorded = active != NULL ? qs_facts_find_file (facts, active->path) : NULL;
  gboolean as_before =
      recorded == NULL || (recorded->ino == 0 && g_strcmp0 (recorded->path, def->source) == 0);
  gboolean known = facts->open_files != NULL || (recorded == NULL && disk->chain->len > 0);

  if (domain != NULL && qs_attach_is_bound (domain, recorded) && !(as_before && known))
    return refuse_unseen (active, disk, error);
  qs_plan_note (plan, "disk ‘%s’ cannot be snapshotted as it is: %s", disk->target,
                disk->error->message);
  return TRUE;
}

static gboolean
check_disk (QsPlan *plan, const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
            const QsDiskFacts *disk, GError **error)
{
  const QsDiskDef *def = qs_domain_def_find_disk (request->domain_def, disk->target);
  const QsImage *image = disk->chain->len > 0 ? g_ptr_array_index (disk->chain, 0) : NULL;

  if (image != NULL && qs_planning_is_foreign (facts, image->path))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: its image is already used by another domain", disk->target);
      return FALSE;
    }
  if (image != NULL && !is_written (domain, facts, image))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: QEMU does not write to ‘%s’ as it is there now; was it moved, or "
                   "replaced by another file?",
                   disk->target, image->path);
      return FALSE;
    }
  return disk->error == NULL ? check_depth (request, disk, error)
                             : check_readable (plan, domain, facts, disk, def, error);
}

static void
record_process (QsChangeList *changes, const QsRequest *request, const char *xml)
{
  gint64 pid = 0;
  guint64 start_time = 0;

  g_variant_lookup (request->options, "pid", "x", &pid);
  g_variant_lookup (request->options, "start-time", "t", &start_time);
  qs_changes_add (changes, QS_CHANGE_PROCESS, "pid", "x", pid, "start-time", "t", start_time,
                  "boot-id", "s", text_option (request, "boot-id"), "socket", "s",
                  text_option (request, "socket"), "unit", "s", "", NULL);
  qs_changes_add (changes, QS_CHANGE_LIVE_DEF, "definition", "s", xml, NULL);
  qs_changes_add (changes, QS_CHANGE_DOMAIN_STATE, "state", "s", text_option (request, "state"),
                  NULL);
}

static void
record_domain (QsChangeList *changes, const QsDomain *domain, const QsRequest *request)
{
  const QsDomainDef *def = request->domain_def;
  g_autofree char *xml = qs_domain_def_format (def, TRUE);
  guint32 owner = request->caller;

  g_variant_lookup (request->options, "owner", "u", &owner);
  qs_changes_add (changes, QS_CHANGE_DOMAIN_PUT, "definition", "s", xml, "owner", "u",
                  domain != NULL ? domain->owner : owner, "name", "s", def->name, "uuid", "s",
                  def->uuid, NULL);
  qs_changes_add (changes, QS_CHANGE_ATTACHMENT, "socket", "s", text_option (request, "socket"),
                  "agent", "s", text_option (request, "agent"), "stable-path", "b",
                  boolean_option (request, "stable-path"), "follow", "b",
                  boolean_option (request, "follow"), "hindered", "b",
                  boolean_option (request, "hindered"), NULL);
  record_process (changes, request, xml);
}

static void
add_connect (QsPlan *plan, const QsRequest *request)
{
  gint64 pid = 0;
  guint64 start_time = 0;

  g_variant_lookup (request->options, "pid", "x", &pid);
  g_variant_lookup (request->options, "start-time", "t", &start_time);
  qs_plan_add (plan, QS_STEP_CONNECT, QS_PHASE_FINISH, request->domain_def->name,
               g_variant_new_parsed (
                   "{'pid': <%x>, 'start-time': <%t>, 'boot-id': <%s>, 'socket': <%s>}", pid,
                   start_time, text_option (request, "boot-id"), text_option (request, "socket")));
}

/**
 * qs_plan_attach:
 *
 * A QEMU that somebody else has started becomes a domain, or the one that it was before.
 */
QsPlan *
qs_plan_attach (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autofree char *misuse = domain != NULL ? qs_attach_misuse (domain, facts) : NULL;
  QsChangeList changes;

  /* snapshots in danger are told of, whatever else is wrong */
  for (guint i = 0; misuse == NULL && i < facts->disks->len; i++)
    if (!check_disk (plan, domain, request, facts, g_ptr_array_index (facts->disks, i), error))
      return NULL;

  if (boolean_option (request, "hindered"))
    qs_plan_note (plan, "QEMU was told backing files by name, or what it was told cannot be "
                        "known: until it is started without that, overlays have names of their "
                        "own, in spite of stable-path");
  qs_changes_init (&changes);
  record_domain (&changes, domain, request);
  if (misuse == NULL)
    qs_attach_record_disks (plan, &changes, domain, request, facts);
  else
    qs_attach_record_fault (plan, &changes, misuse);
  qs_planning_add_record (plan, QS_PHASE_COMMIT, request->domain_def->name, &changes);
  add_connect (plan, request);
  return g_steal_pointer (&plan);
}
