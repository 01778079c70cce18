/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-delete.h"

#include "qs-error.h"
#include "qs-merge.h"
#include "qs-plan-mirror.h"

#define MIRROR_FLAGS (QS_DELETE_REOPEN_MIRROR | QS_DELETE_REMOVE_MIRROR)

/* a mirror is what the disk goes over to, or it goes with its snapshot */

static gboolean
refuse (const QsSnapshot *snapshot, const char *why, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "snapshot ‘%s’ %s", snapshot->name,
               why);
  return FALSE;
}

static const QsMirror *
find_live (const QsDomain *domain, const QsSnapshot *snapshot)
{
  for (guint i = 0; i < domain->mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i);

      if (qs_mirror_is_live (mirror) && g_str_equal (mirror->snapshot, snapshot->uuid))
        return mirror;
    }
  return NULL;
}

/**
 * qs_delete_check_mirror:
 *
 * Whether the delete is the one that the mirrors of the domain allow.
 */
gboolean
qs_delete_check_mirror (const QsDomain *domain, const QsSnapshot *snapshot, guint flags,
                        GError **error)
{
  if (!(flags & MIRROR_FLAGS))
    return qs_mirror_check_none (domain, NULL, error);
  if (qs_domain_snapshot_mirror (domain, snapshot->uuid, NULL) == NULL)
    return refuse (snapshot, "has no mirror", error);
  if (find_live (domain, snapshot) == NULL)
    return refuse (snapshot,
                   "has no mirror any more, it was dropped; delete it without a flag for mirrors",
                   error);
  return qs_tree_get_current (domain->tree) == snapshot
         || refuse (snapshot, "is not the current one", error);
}

/**
 * qs_delete_ask_mirror:
 *
 * What a disk that goes over to its mirror depends on: both chains, and the nodes that QEMU has.
 */
void
qs_delete_ask_mirror (const QsDomain *domain, const QsSnapshot *snapshot, guint flags,
                      QsQuestions *questions)
{
  questions->files = TRUE;
  questions->users = TRUE;
  if (!(flags & QS_DELETE_REOPEN_MIRROR))
    return;
  qs_merging_ask (domain, questions);
  questions->io_threads = TRUE;
  for (guint i = 0; i < domain->mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i);

      if (qs_mirror_is_live (mirror) && g_str_equal (mirror->snapshot, snapshot->uuid))
        qs_questions_add_claim (questions, mirror->target, mirror->path, mirror->format, NULL);
    }
}

/* one disk on its way to its mirror */
typedef struct
{
  QsDelete *delete;
  const QsMirror *mirror;
  const QsNode *node;
  const GPtrArray *source; /* of QsImage: what it is on now */
  const GPtrArray *chain;  /* of QsImage: the mirror, and what that stands on */
  guint shared;            /* index in @chain of the first file that is in both; else its length */
  guint source_shared;     /* the same in @source */
} Reopening;

static gboolean
refuse_file (const Reopening *reopening, const char *path, const char *why, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "disk ‘%s’: ‘%s’, which %s %s",
               reopening->mirror->target, path,
               g_str_equal (path, reopening->mirror->path) ? "is its mirror," : "its mirror is on,",
               why);
  return FALSE;
}

static gboolean
find_chains (Reopening *reopening, GError **error)
{
  const QsFacts *facts = reopening->delete->facts;
  const char *target = reopening->mirror->target;
  const QsDiskFacts *disk = qs_facts_find_disk (facts, target);
  const QsDiskFacts *claim = qs_facts_find_claim (facts, target);
  const GError *problem = disk->error != NULL ? disk->error : claim->error;

  reopening->node = qs_facts_find_node (facts, target);
  if (problem != NULL)
    {
      g_set_error (error, problem->domain, problem->code, "disk ‘%s’: %s", target,
                   problem->message);
      return FALSE;
    }
  reopening->source = disk->chain;
  reopening->chain = claim->chain;
  if (reopening->node != NULL && reopening->node->below != NULL
      && g_strv_length (reopening->node->below) + 1 >= disk->chain->len)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "disk ‘%s’: the running QEMU does not tell what the disk stands on", target);
  return FALSE;
}

static void
find_shared (Reopening *reopening)
{
  reopening->shared = reopening->chain->len;
  reopening->source_shared = reopening->source->len;
  for (guint i = 1; i < reopening->chain->len; i++)
    for (guint k = 0; k < reopening->source->len; k++)
      if (qs_image_is_same (g_ptr_array_index (reopening->chain, i),
                            g_ptr_array_index (reopening->source, k)))
        {
          reopening->shared = i;
          reopening->source_shared = k;
          return;
        }
}

/* what the guest has written before the snapshot is there, by all that can be told of it */
static gboolean
check_below (const Reopening *reopening, const QsImage *image, GError **error)
{
  if (image->dirty)
    return refuse_file (reopening, image->path,
                        "is marked dirty or corrupt; copy it once more, while nobody writes to it",
                        error);
  if (image->in_use)
    return refuse_file (reopening, image->path, "is in use by another program", error);
  return TRUE;
}

static gboolean
check_chain (const Reopening *reopening, GError **error)
{
  const QsFile *file = qs_facts_find_file (reopening->delete->facts, reopening->mirror->path);
  const QsImage *top = g_ptr_array_index (reopening->chain, 0);
  const QsImage *below = reopening->chain->len > 1 ? g_ptr_array_index (reopening->chain, 1) : NULL;
  const QsImage *state =
      reopening->source->len > 1 ? g_ptr_array_index (reopening->source, 1) : NULL;

  if (file == NULL || !qs_file_is (file, top))
    return refuse_file (reopening, top->path,
                        "is not the file any more that QEMU writes to; delete the snapshot with "
                        "REMOVE_MIRROR",
                        error);
  if (below == NULL || reopening->source_shared == 0)
    return refuse_file (reopening, top->path, "does not stand on a copy of what the disk stood on",
                        error);
  if (state == NULL || below->virtual_size != state->virtual_size)
    return refuse_file (reopening, below->path,
                        "is not as large as what the disk stood on before the snapshot", error);
  for (guint i = 1; i < reopening->shared; i++)
    if (!check_below (reopening, g_ptr_array_index (reopening->chain, i), error))
      return FALSE;
  return TRUE;
}

/* QEMU 7.2 aborts when a node in an I/O thread is given another backing file */
static gboolean
check_threads (const QsDelete *delete, GError **error)
{
  if (!delete->facts->has_io_threads)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "the guest has I/O threads, and in those QEMU cannot be told what a mirror stands "
               "on; delete snapshot ‘%s’ with REMOVE_MIRROR",
               delete->snapshot->name);
  return FALSE;
}

/* of the source: file @index */
static const char *
source_node (const Reopening *reopening, guint index)
{
  return index == 0 ? reopening->node->node_name : reopening->node->below[index - 1];
}

static GVariant *
dropped_nodes (const Reopening *reopening)
{
  g_auto (GVariantBuilder) names = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);

  for (guint i = 0; i < reopening->source_shared; i++)
    g_variant_builder_add (&names, "s", source_node (reopening, i));
  return g_variant_builder_end (&names);
}

/* the job is there, and is left as it is if the disk does not go over */
static guint32
add_wait (const Reopening *reopening, QsPlan *plan)
{
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  const QsMirror *mirror = reopening->mirror;
  const QsImage *image = g_ptr_array_index (reopening->chain, 0);
  guint64 dev, ino;

  qs_image_identity (image, &dev, &ino);
  g_variant_builder_add_parsed (&arguments, "{'target', <%s>}", mirror->target);
  g_variant_builder_add_parsed (&arguments, "{'job', <%s>}", mirror->job);
  g_variant_builder_add_parsed (&arguments, "{'device', <%s>}", reopening->node->node_name);
  g_variant_builder_add_parsed (&arguments, "{'node', <%s>}", mirror->node);
  g_variant_builder_add_parsed (&arguments, "{'path', <%s>}", mirror->path);
  g_variant_builder_add_parsed (&arguments, "{'file', <(%s, %s, %t, %t, %x)>}", mirror->path,
                                mirror->format, dev, ino, image->btime);
  g_variant_builder_add_parsed (&arguments, "{'sync', <'top'>}");
  g_variant_builder_add_parsed (&arguments, "{'copy-mode', <'background'>}");
  g_variant_builder_add_parsed (&arguments, "{'until-ready', <true>}");
  g_variant_builder_add_parsed (&arguments, "{'keep', <true>}");
  g_variant_builder_add (&arguments, "{sv}", "drop", dropped_nodes (reopening));
  g_variant_builder_add_parsed (&arguments, "{'added', <@as []>}");
  qs_plan_add (plan, QS_STEP_MIRROR, QS_PHASE_PREPARE, mirror->target,
               g_variant_builder_end (&arguments));
  return plan->steps->len - 1;
}

/* (transfer full): its name */
static char *
add_node (const Reopening *reopening, const QsImage *image, const char *below, QsPlan *plan)
{
  const QsNode *node = reopening->node;
  char *name = g_strdup_printf ("snapd-%s-%u", reopening->delete->facts->op, plan->steps->len);

  qs_plan_add (plan, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, reopening->mirror->target,
               g_variant_new_parsed ("{'target': <%s>, 'node': <%s>, 'path': <%s>, 'format': <%s>,"
                                     " 'direct': <%b>, 'no-flush': <%b>, 'backing': <%s>,"
                                     " 'read-only': <true>}",
                                     reopening->mirror->target, name, image->path, image->format,
                                     node->direct, node->no_flush, below));
  return name;
}

/* what the mirror stands on, the deepest first */
static void
add_backing (const Reopening *reopening, QsPlan *plan)
{
  const QsNode *node = reopening->node;
  gboolean joins = reopening->shared < reopening->chain->len;
  g_autofree char *below =
      g_strdup (joins ? source_node (reopening, reopening->source_shared) : "");

  for (guint i = reopening->shared; i > 1; i--)
    {
      char *name = add_node (reopening, g_ptr_array_index (reopening->chain, i - 1), below, plan);

      g_free (below);
      below = name;
    }
  qs_plan_add (
      plan, QS_STEP_NODE_BACKING, QS_PHASE_PREPARE, reopening->mirror->target,
      g_variant_new_parsed ("{'target': <%s>, 'node': <%s>, 'format': <%s>, 'backing': <%s>,"
                            " 'direct': <%b>, 'no-flush': <%b>, 'detect-zeroes': <%s>}",
                            reopening->mirror->target, reopening->mirror->node,
                            reopening->mirror->format, below, node->direct, node->no_flush,
                            node->detect_zeroes != NULL ? node->detect_zeroes : "off"));
}

static void
add_part (const Reopening *reopening, QsStepKind kind, QsPhase phase, guint32 wait, QsPlan *plan)
{
  qs_plan_add (
      plan, kind, phase, reopening->mirror->target,
      g_variant_new_parsed ("{'target': <%s>, 'merge': <%u>}", reopening->mirror->target, wait));
}

static gboolean
stands_in (const GPtrArray *chain, const char *path)
{
  for (guint i = 0; i < chain->len; i++)
    if (g_str_equal (((const QsImage *)g_ptr_array_index (chain, i))->path, path))
      return TRUE;
  return FALSE;
}

/* by a snapshot that stays, or by what is recorded above it besides this chain */
static gboolean
is_needed (const Reopening *reopening, const QsFile *file)
{
  const QsFileBook book = qs_delete_book (reopening->delete);
  const GPtrArray *files = reopening->delete->facts->files;
  QsFileUsers users;

  qs_file_book_count (&book, file, &users);
  if (users.n_states > 0 || users.n_tags > 0 || users.n_tips > 0)
    return TRUE;
  for (guint i = 0; i < files->len; i++)
    {
      const QsFile *other = g_ptr_array_index (files, i);

      if (g_strcmp0 (other->backing, file->path) == 0
          && !stands_in (reopening->source, other->path))
        return TRUE;
    }
  return FALSE;
}

/* they stay. If a snapshot lies in one, all stay recorded: a merge would spoil what stands on it */
static void
record_source (const Reopening *reopening, QsChangeList *changes)
{
  const QsFacts *facts = reopening->delete->facts;
  gboolean needed = FALSE;

  for (guint i = 0; i < reopening->source_shared; i++)
    {
      const QsImage *image = g_ptr_array_index (reopening->source, i);
      const QsFile *file = qs_facts_find_file (facts, image->path);

      g_strv_builder_add (reopening->delete->kept, image->path);
      needed |= file != NULL && is_needed (reopening, file);
    }
  for (guint i = 0; i < reopening->source_shared; i++)
    {
      const QsImage *image = g_ptr_array_index (reopening->source, i);
      const QsFile *file = qs_facts_find_file (facts, image->path);

      if (file != NULL && needed)
        qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", file->path, "format", "s",
                        file->format, "role", "s", "disk", "backing", "s", file->backing, "ours",
                        "b", FALSE, "dev", "t", file->dev, "ino", "t", file->ino, "btime", "x",
                        file->btime, NULL);
      else if (file != NULL)
        qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", file->path, NULL);
    }
}

static void
record_disk (const Reopening *reopening, QsChangeList *changes)
{
  const QsMirror *mirror = reopening->mirror;
  const QsImage *below = g_ptr_array_index (reopening->chain, 1);
  const QsDiskFacts *claim = qs_facts_find_claim (reopening->delete->facts, mirror->target);

  qs_planning_record_chain (changes, reopening->delete->facts, claim);
  qs_changes_add (changes, QS_CHANGE_MIRROR_FORGET, "path", "s", mirror->path, NULL);
  qs_changes_add (changes, QS_CHANGE_FILE_ROLE, "path", "s", mirror->path, "role", "s", "disk",
                  NULL);
  qs_changes_add (changes, QS_CHANGE_FILE_BACKING, "path", "s", mirror->path, "backing", "s",
                  below->path, NULL);
  qs_changes_add (changes, QS_CHANGE_ACTIVE, "target", "s", mirror->target, "path", "s",
                  mirror->path, "format", "s", mirror->format, "stem", "s", "", NULL);
  record_source (reopening, changes);
  if (reopening->delete->domain->attachment != NULL)
    qs_plan_note (reopening->delete->plan, "disk ‘%s’: start QEMU with ‘%s’ from now on",
                  mirror->target, mirror->path);
}

static gboolean
begin_disk (QsDelete *delete, const QsMirror *mirror, Reopening *reopening, GError **error)
{
  *reopening = (Reopening){ .delete = delete, .mirror = mirror };
  if (!find_chains (reopening, error))
    return FALSE;
  find_shared (reopening);
  return check_chain (reopening, error);
}

/* (transfer full) (element-type Reopening) */
static GArray *
begin_disks (QsDelete *delete, GError **error)
{
  g_autoptr (GArray) disks = g_array_new (FALSE, TRUE, sizeof (Reopening));
  const GPtrArray *mirrors = delete->domain->mirrors;

  for (guint i = 0; i < mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (mirrors, i);
      Reopening reopening;

      if (!qs_mirror_is_live (mirror) || !g_str_equal (mirror->snapshot, delete->snapshot->uuid))
        continue;
      if (!begin_disk (delete, mirror, &reopening, error))
        return NULL;
      g_array_append_val (disks, reopening);
    }
  return g_steal_pointer (&disks);
}

static void
record_reopen (QsDelete *delete, const GArray *disks)
{
  QsChangeList changes;

  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_SNAPSHOT_DELETE, "uuid", "s", delete->snapshot->uuid, NULL);
  qs_changes_add (&changes, QS_CHANGE_CURRENT, "uuid", "s", qs_delete_find_next (delete), NULL);
  qs_delete_settle_files (delete, &changes);
  for (guint i = 0; i < disks->len; i++)
    record_disk (&g_array_index (disks, Reopening, i), &changes);
  qs_planning_add_record (delete->plan, QS_PHASE_COMMIT, delete->snapshot->name, &changes);
}

/**
 * qs_delete_reopen_mirror:
 *
 * While the job is pending both files are equal, so that the record is the commit: from then on the
 * mirror is the true one.
 */
gboolean
qs_delete_reopen_mirror (QsDelete *delete, GError **error)
{
  g_autoptr (GArray) disks = begin_disks (delete, error);
  g_autofree guint32 *waits = NULL;

  if (disks == NULL || !check_threads (delete, error))
    return FALSE;
  waits = g_new0 (guint32, disks->len);
  for (guint i = 0; i < disks->len; i++)
    waits[i] = add_wait (&g_array_index (disks, Reopening, i), delete->plan);
  for (guint i = 0; i < disks->len; i++)
    add_backing (&g_array_index (disks, Reopening, i), delete->plan);
  for (guint i = 0; i < disks->len; i++)
    add_part (&g_array_index (disks, Reopening, i), QS_STEP_JOB_COMPLETE, QS_PHASE_PREPARE,
              waits[i], delete->plan);
  record_reopen (delete, disks);
  for (guint i = 0; i < disks->len; i++)
    {
      const Reopening *reopening = &g_array_index (disks, Reopening, i);

      add_part (reopening, QS_STEP_JOB_FINALIZE, QS_PHASE_FINISH, waits[i], delete->plan);
      add_part (reopening, QS_STEP_JOB_DISMISS, QS_PHASE_FINISH, waits[i], delete->plan);
    }
  return TRUE;
}

/**
 * qs_delete_settle_mirrors:
 *
 * The files of mirrors go with their snapshot, if they were made here.
 */
void
qs_delete_settle_mirrors (QsDelete *delete, QsChangeList *changes)
{
  gboolean keep = delete->metadata_only && !delete->removes_mirrors;
  const GPtrArray *mirrors = delete->domain->mirrors;

  for (guint i = 0; i < mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (mirrors, i);
      const QsFile *file = qs_facts_find_file (delete->facts, mirror->path);

      if (!g_str_equal (mirror->snapshot, delete->snapshot->uuid))
        continue;
      qs_changes_add (changes, QS_CHANGE_MIRROR_FORGET, "path", "s", mirror->path, NULL);
      if (file == NULL)
        continue;
      if (file->ours && !keep && !qs_delete_keep_used (delete, file, changes))
        qs_delete_unlink_file (delete, file, changes);
      else if (!file->ours || keep)
        {
          qs_delete_keep_file (delete, file,
                               file->ours ? "only the record was to be deleted"
                                          : "it was not made here");
          qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", mirror->path, NULL);
        }
    }
}

/**
 * qs_delete_end_mirrors:
 *
 * Adds the steps after which nothing is written to the mirrors of the snapshot.
 */
void
qs_delete_end_mirrors (QsDelete *delete)
{
  const GPtrArray *mirrors = delete->domain->mirrors;

  for (guint i = 0; i < mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (mirrors, i);

      if (qs_mirror_is_live (mirror) && g_str_equal (mirror->snapshot, delete->snapshot->uuid))
        qs_mirror_plan_end (mirror, delete->plan);
    }
}
