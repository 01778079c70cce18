/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-imagine.h"

#include "qs-limits.h"

#define STRING(key) qs_change_string (arguments, key)

static QsFile *
find_file (const QsFacts *facts, const char *path)
{
  return (QsFile *)qs_facts_find_file (facts, path);
}

/* a file that a disk or snapshot uses is known from then on, as not ours */
static QsFile *
know_file (QsFacts *facts, const char *path, const char *format)
{
  QsFile *file = find_file (facts, path);

  if (file != NULL)
    return file;
  file = qs_file_new (path, format);
  file->role = g_strdup ("disk");
  g_ptr_array_add (facts->files, file);
  return file;
}

static void
replace (char **string, const char *value)
{
  g_free (*string);
  *string = *value != '\0' ? g_strdup (value) : NULL;
}

static gboolean
is_layer (const QsFile *file, GVariant *arguments)
{
  guint64 ino = qs_change_uint64 (arguments, "ino");
  gint64 btime = qs_change_int64 (arguments, "btime");

  return g_strcmp0 (file->role, "layer") == 0 && g_str_equal (STRING ("role"), "disk")
         && (file->ino == 0 || file->ino == ino)
         && (file->btime == 0 || btime == 0 || file->btime == btime);
}

/* one that a step is yet to make has no identity */
static void
imagine_file_put (QsFacts *facts, GVariant *arguments)
{
  QsFile *file = know_file (facts, STRING ("path"), STRING ("format"));
  g_autoptr (GVariant) step = g_variant_lookup_value (arguments, "step", G_VARIANT_TYPE_UINT32);

  /* a layer that is written down again stays one */
  if (!is_layer (file, arguments) || step != NULL)
    replace (&file->role, STRING ("role"));
  replace (&file->format, STRING ("format"));
  replace (&file->backing, STRING ("backing"));
  file->ours = qs_change_boolean (arguments, "ours");
  file->dev = qs_change_uint64 (arguments, "dev");
  file->ino = qs_change_uint64 (arguments, "ino");
  file->btime = qs_change_int64 (arguments, "btime");
  file->is_planned = step != NULL;
}

static void
rename_string (char **string, const char *from, const char *to)
{
  if (g_strcmp0 (*string, from) != 0)
    return;
  g_free (*string);
  *string = g_strdup (to);
}

static void
imagine_file_rename (QsFacts *facts, GVariant *arguments)
{
  const char *from = STRING ("path");
  const char *to = STRING ("to");
  QsFile *file = find_file (facts, from);

  if (file != NULL && file->as_yet == NULL)
    file->as_yet = g_strdup (from);
  for (guint i = 0; i < facts->files->len; i++)
    {
      QsFile *other = g_ptr_array_index (facts->files, i);

      rename_string (&other->path, from, to);
      rename_string (&other->backing, from, to);
    }
  for (guint i = 0; i < facts->tips->len; i++)
    rename_string (&((QsTip *)g_ptr_array_index (facts->tips, i))->path, from, to);
}

static void
move_users (GPtrArray *from, GPtrArray *to)
{
  for (guint i = 0; i < from->len; i++)
    g_ptr_array_add (to, g_strdup (g_ptr_array_index (from, i)));
  g_ptr_array_set_size (from, 0);
}

static void
imagine_file_merge (QsFacts *facts, GVariant *arguments)
{
  const char *path = STRING ("path");
  const char *to = STRING ("into");
  QsFile *into = know_file (facts, to, STRING ("format"));
  QsFile *file = find_file (facts, path);

  if (file != NULL && !file->is_planned)
    qs_facts_imagine_merged (facts, path, to, TRUE);
  for (guint i = 0; i < facts->files->len; i++)
    if (g_ptr_array_index (facts->files, i) != into)
      rename_string (&((QsFile *)g_ptr_array_index (facts->files, i))->backing, path, to);
  for (guint i = 0; i < facts->tips->len; i++)
    rename_string (&((QsTip *)g_ptr_array_index (facts->tips, i))->path, path, to);
  if (file == NULL || file == into)
    return;
  move_users (file->state_of, into->state_of);
  move_users (file->tip_of, into->tip_of);
  if (file->active_of == NULL)
    return;
  g_free (into->active_of);
  into->active_of = g_steal_pointer (&file->active_of);
}

/* all that it stands on no more has gone into it */
static void
imagine_file_backing (QsFacts *facts, GVariant *arguments)
{
  const char *backing = STRING ("backing");
  QsFile *file = find_file (facts, STRING ("path"));
  const QsFile *before = file;

  if (file == NULL)
    return;
  /* records cannot loop, but a bound costs nothing */
  for (guint i = 0; i < QS_MAX_CHAIN_FILES; i++)
    {
      before = before->backing != NULL ? find_file (facts, before->backing) : NULL;
      if (before == NULL || g_str_equal (before->path, backing))
        break;
      if (!before->is_planned)
        qs_facts_imagine_merged (facts, before->path, file->path, FALSE);
    }
  replace (&file->backing, backing);
}

static void
imagine_file_role (QsFacts *facts, GVariant *arguments)
{
  QsFile *file = find_file (facts, STRING ("path"));

  if (file != NULL)
    replace (&file->role, STRING ("role"));
}

static void
imagine_file_mode (QsFacts *facts, GVariant *arguments)
{
  QsFile *file = find_file (facts, STRING ("path"));
  guint32 mode = 0;

  g_variant_lookup (arguments, "mode", "u", &mode);
  if (file != NULL)
    file->mode = mode;
}

static void
imagine_file_gone (QsFacts *facts, GVariant *arguments)
{
  QsFile *file = find_file (facts, STRING ("path"));

  if (file != NULL)
    g_ptr_array_remove (facts->files, file);
}

static void
imagine_active (QsFacts *facts, GVariant *arguments)
{
  const char *target = STRING ("target");

  for (guint i = 0; i < facts->files->len; i++)
    {
      QsFile *file = g_ptr_array_index (facts->files, i);

      if (g_strcmp0 (file->active_of, target) == 0)
        g_clear_pointer (&file->active_of, g_free);
    }
  if (*STRING ("path") != '\0')
    replace (&know_file (facts, STRING ("path"), STRING ("format"))->active_of, target);
}

/* a snapshot that is written down again has its users added to: what more is needed is kept */
static void
imagine_snapshot_file (QsFacts *facts, GVariant *arguments)
{
  QsFile *file = know_file (facts, STRING ("path"), "");

  if (*STRING ("tag") == '\0')
    {
      g_ptr_array_add (file->state_of, g_strdup (STRING ("uuid")));
      return;
    }
  g_ptr_array_add (file->tags, g_strdup (STRING ("tag")));
  g_ptr_array_add (file->tag_of, g_strdup (STRING ("uuid")));
}

/* @names: (nullable): of the same length */
static void
forget_user (GPtrArray *users, GPtrArray *names, const char *uuid)
{
  for (guint i = users->len; i > 0; i--)
    {
      if (!g_str_equal (g_ptr_array_index (users, i - 1), uuid))
        continue;
      g_ptr_array_remove_index (users, i - 1);
      if (names != NULL)
        g_ptr_array_remove_index (names, i - 1);
    }
}

/* @target: (nullable): NULL: of all disks */
static void
forget_tips (QsFacts *facts, const char *uuid, const char *target)
{
  for (guint i = facts->tips->len; i > 0; i--)
    {
      const QsTip *tip = g_ptr_array_index (facts->tips, i - 1);
      QsFile *file = find_file (facts, tip->path);

      if (!g_str_equal (tip->snapshot, uuid)
          || (target != NULL && !g_str_equal (tip->target, target)))
        continue;
      if (file != NULL)
        forget_user (file->tip_of, NULL, uuid);
      g_ptr_array_remove_index (facts->tips, i - 1);
    }
}

static void
imagine_snapshot_delete (QsFacts *facts, GVariant *arguments)
{
  const char *uuid = STRING ("uuid");

  forget_tips (facts, uuid, NULL);
  for (guint i = 0; i < facts->files->len; i++)
    {
      QsFile *file = g_ptr_array_index (facts->files, i);

      forget_user (file->state_of, NULL, uuid);
      forget_user (file->tag_of, file->tags, uuid);
    }
}

static void
imagine_tip (QsFacts *facts, GVariant *arguments)
{
  forget_tips (facts, STRING ("uuid"), STRING ("target"));
  g_ptr_array_add (facts->tips, qs_tip_new (STRING ("uuid"), STRING ("target"), STRING ("path")));
  g_ptr_array_add (know_file (facts, STRING ("path"), "")->tip_of, g_strdup (STRING ("uuid")));
}

static void
imagine_tip_forget (QsFacts *facts, GVariant *arguments)
{
  forget_tips (facts, STRING ("uuid"), NULL);
}

static void
imagine_domain_delete (QsFacts *facts, GVariant *arguments)
{
  g_ptr_array_set_size (facts->tips, 0);
  g_ptr_array_set_size (facts->files, 0);
}

/* those that are not here concern no file */
static void (*const imagine_funcs[QS_N_CHANGE_KINDS]) (QsFacts *facts, GVariant *arguments) = {
  [QS_CHANGE_DOMAIN_DELETE] = imagine_domain_delete,
  [QS_CHANGE_ACTIVE] = imagine_active,
  [QS_CHANGE_FILE_PUT] = imagine_file_put,
  [QS_CHANGE_FILE_RENAME] = imagine_file_rename,
  [QS_CHANGE_FILE_MERGE] = imagine_file_merge,
  [QS_CHANGE_FILE_BACKING] = imagine_file_backing,
  [QS_CHANGE_FILE_ROLE] = imagine_file_role,
  [QS_CHANGE_FILE_MODE] = imagine_file_mode,
  [QS_CHANGE_FILE_TOMBSTONE] = imagine_file_gone,
  [QS_CHANGE_FILE_FORGET] = imagine_file_gone,
  [QS_CHANGE_SNAPSHOT_FILE] = imagine_snapshot_file,
  [QS_CHANGE_SNAPSHOT_DELETE] = imagine_snapshot_delete,
  [QS_CHANGE_TIP] = imagine_tip,
  [QS_CHANGE_TIP_FORGET] = imagine_tip_forget,
};

/**
 * qs_facts_imagine:
 * @facts: just gathered, with all recorded files: not handed to a planner yet
 *
 * The recorded files and tips after @changes. Whatever they depend on is taken to be done.
 */
void
qs_facts_imagine (QsFacts *facts, GVariant *changes)
{
  GVariantIter iter;
  const char *name;
  GVariant *arguments;
  QsChangeKind kind;

  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_loop (&iter, "(&s@a{sv})", &name, &arguments))
    if (qs_change_lookup (name, &kind) && imagine_funcs[kind] != NULL)
      imagine_funcs[kind](facts, arguments);
}

static QsSnapshotFile *
put_row (QsFacts *facts, const char *target)
{
  QsSnapshotFile *row;

  for (guint i = 0; i < facts->snapshot_files->len; i++)
    {
      row = g_ptr_array_index (facts->snapshot_files, i);
      if (g_str_equal (row->target, target))
        return row;
    }
  row = g_new0 (QsSnapshotFile, 1);
  row->target = g_strdup (target);
  g_ptr_array_add (facts->snapshot_files, row);
  return row;
}

static void
imagine_row (QsFacts *facts, const QsFacts *imagined, GVariant *arguments)
{
  const QsFile *file = qs_facts_find_file (imagined, STRING ("path"));
  QsSnapshotFile *row = put_row (facts, STRING ("target"));

  replace (&row->path, STRING ("path"));
  replace (&row->format, file != NULL && file->format != NULL ? file->format : "");
  replace (&row->tag, STRING ("tag"));
}

static void
imagine_document (QsFacts *facts, GVariant *arguments)
{
  if (*STRING ("document") != '\0')
    replace (&facts->snapshot_document, STRING ("document"));
}

/* @format: (nullable): of the other file; NULL: it is the same one */
static void
rename_rows (QsFacts *facts, const char *from, const char *to, const char *format)
{
  for (guint i = 0; i < facts->snapshot_files->len; i++)
    {
      QsSnapshotFile *row = g_ptr_array_index (facts->snapshot_files, i);

      if (!g_str_equal (row->path, from))
        continue;
      rename_string (&row->path, from, to);
      if (format != NULL)
        replace (&row->format, format);
    }
}

static void
imagine_of_snapshot (QsFacts *facts, const QsFacts *imagined, QsChangeKind kind,
                     GVariant *arguments)
{
  if (kind == QS_CHANGE_SNAPSHOT_FILE)
    imagine_row (facts, imagined, arguments);
  if (kind == QS_CHANGE_SNAPSHOT_PUT || kind == QS_CHANGE_SNAPSHOT_EDIT)
    imagine_document (facts, arguments);
  if (kind == QS_CHANGE_FILE_RENAME)
    rename_rows (facts, STRING ("path"), STRING ("to"), NULL);
  if (kind == QS_CHANGE_FILE_MERGE)
    rename_rows (facts, STRING ("path"), STRING ("into"), STRING ("format"));
}

/**
 * qs_facts_imagine_snapshot:
 * @facts: with the rows of @uuid as they are recorded, if they are
 * @imagined: with the files as they will be
 *
 * The rows of a snapshot, which @changes may make, after these, and its document if they change it.
 */
void
qs_facts_imagine_snapshot (QsFacts *facts, const char *uuid, const QsFacts *imagined,
                           GVariant *changes)
{
  GVariantIter iter;
  const char *name;
  GVariant *arguments;
  QsChangeKind kind;

  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_loop (&iter, "(&s@a{sv})", &name, &arguments))
    if (qs_change_lookup (name, &kind)
        && (kind == QS_CHANGE_FILE_RENAME || kind == QS_CHANGE_FILE_MERGE
            || g_str_equal (STRING ("uuid"), uuid)))
      imagine_of_snapshot (facts, imagined, kind, arguments);
}

static QsNode *
put_node (QsFacts *facts, const char *target)
{
  QsNode *node = (QsNode *)qs_facts_find_node (facts, target);

  if (node != NULL)
    return node;
  node = g_new0 (QsNode, 1);
  node->target = g_strdup (target);
  node->node_name = g_strdup (target);
  g_ptr_array_add (facts->nodes, node);
  return node;
}

/**
 * qs_facts_imagine_nodes:
 * @facts: with the chains of the disks as they will be
 * @domain: as it will be
 *
 * A guest that goes on is on other files by then, and one that will be started has nodes.
 */
void
qs_facts_imagine_nodes (QsFacts *facts, const QsDomain *domain)
{
  const QsDomainDef *def = qs_domain_get_def (domain);

  for (guint i = 0; qs_domain_is_active (domain) && i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);
      const QsActive *active = qs_domain_find_active (domain, disk->target);
      const QsDiskFacts *chain = qs_facts_find_disk (facts, disk->target);
      QsNode *node;

      if (active == NULL)
        continue;
      node = put_node (facts, disk->target);
      replace (&node->path, active->path);
      replace (&node->format, active->format);
      if (chain != NULL && chain->chain->len > 0)
        node->depth = (gint64)chain->chain->len - 1;
    }
}
