/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-redefine.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-scope.h"

#include <string.h>

/* a place of the snapshot: as recorded already, found now, or neither */
typedef struct
{
  QsClaim claim;
  const QsSnapshotFile *row; /* of the snapshot that is replaced, or NULL */
  gboolean kept;             /* that row says the same */
  char *fault;               /* why it is not as the document says, or NULL */
  const char *tag;           /* "" of a file as a whole */
} Place;

typedef struct
{
  const QsDomain *domain;
  const QsRequest *request;
  const QsFacts *facts;
  const QsSnapshot *before; /* the one of this name, or NULL */
  const char *uuid;
  QsSnapshotDef *recorded; /* its document */
  QsSnapshotDef *def;      /* complete */
  GArray *places;          /* of Place */
} Redefine;

static void
clear_place (gpointer place)
{
  g_free (((Place *)place)->fault);
}

static void
redefine_clear (Redefine *redefine)
{
  qs_snapshot_def_unref (redefine->recorded);
  qs_snapshot_def_unref (redefine->def);
  if (redefine->places != NULL)
    g_array_unref (redefine->places);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Redefine, redefine_clear)

static gboolean
ask_claims (const QsDomain *domain, const QsRequest *request, const QsSnapshotDef *def,
            QsQuestions *questions, GError **error)
{
  g_autoptr (GArray) claims = qs_redefine_claims (domain, def);

  for (guint i = 0; i < claims->len; i++)
    {
      const QsClaim *claim = &g_array_index (claims, QsClaim, i);

      if (claim->path == NULL)
        continue;
      if (!qs_scope_check_path (domain, request, questions, claim->path, error))
        {
          g_autofree char *part = qs_redefine_part (claim);

          g_prefix_error (error, "%s: ", part);
          return FALSE;
        }
      qs_questions_add_claim (questions, claim->target, claim->path, claim->format, claim->tag);
    }
  return TRUE;
}

/* a state file must not be what the guest writes, whatever it is called; and a disk has one name */
static void
ask_actives (const QsDomain *domain, QsQuestions *questions)
{
  const QsDomainDef *def = qs_domain_get_def (domain);

  for (guint i = 0; i < def->disks->len; i++)
    {
      const char *path = qs_domain_disk_path (domain, g_ptr_array_index (def->disks, i));

      if (path != NULL)
        g_ptr_array_add (questions->targets, g_strdup (path));
    }
}

/* a revert brings these back: they say no more than a definition of this caller may */
static gboolean
check_scope (const QsDomain *domain, const QsRequest *request, const QsQuestions *questions,
             GError **error)
{
  const QsDomainDef *const defs[] = { request->def->domain, request->def->inactive_domain };

  for (guint i = 0; i < G_N_ELEMENTS (defs); i++)
    if (defs[i] != NULL && !qs_scope_check_definition (domain, request, questions, defs[i], error))
      {
        g_prefix_error (error, "<%s>: ", i == 0 ? "domain" : "inactiveDomain");
        return FALSE;
      }
  return TRUE;
}

/* no guest is asked, and nothing that the number of snapshots makes larger */
gboolean
qs_ask_redefine (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                 GError **error)
{
  const QsSnapshot *before;
  g_autoptr (QsSnapshotDef) def = NULL;

  if (!qs_redefine_check (domain, request, error)
      || !check_scope (domain, request, questions, error))
    return FALSE;
  def = qs_redefine_complete (domain, request->def, NULL, error);
  if (def == NULL || !ask_claims (domain, request, def, questions, error))
    return FALSE;
  ask_actives (domain, questions);
  questions->users = TRUE;

  before = qs_tree_lookup_name (domain->tree, request->def->name);
  questions->document = before != NULL;
  questions->snapshot_rows = before != NULL;
  questions->snapshot = before != NULL ? g_strdup (before->uuid) : NULL;
  return TRUE;
}

static const QsSnapshotFile *
find_row (const Redefine *redefine, const char *target)
{
  for (guint i = 0; redefine->before != NULL && i < redefine->facts->snapshot_files->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (redefine->facts->snapshot_files, i);

      if (g_str_equal (row->target, target))
        return row;
    }
  return NULL;
}

/* where the document does not say it, the record does */
static gboolean
is_kept (const Redefine *redefine, const Place *place)
{
  const QsSnapshotFile *row = place->row;
  const QsImage *image;

  if (row == NULL || g_strcmp0 (row->tag, place->claim.tag) != 0)
    return FALSE;
  if (place->claim.path == NULL || (redefine->request->def->domain == NULL && *row->target != '@'))
    return TRUE;
  image = qs_redefine_image (redefine->facts, &place->claim);
  if (*row->target != '@' && !place->claim.below
      && g_strcmp0 (row->format, place->claim.format) != 0)
    return FALSE;
  return g_strcmp0 (row->path, image != NULL ? image->path : place->claim.path) == 0;
}

/* a tag that a record leaves behind nobody would delete any more */
static gboolean
check_tag (const Redefine *redefine, const Place *place, GError **error)
{
  const QsSnapshotFile *row = place->row;

  g_autofree char *part = qs_redefine_part (&place->claim);

  if (row == NULL || place->claim.tag == NULL || g_strcmp0 (row->tag, place->claim.tag) == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "%s: the tag of snapshot ‘%s’ is ‘%s’; a redefine cannot make it ‘%s’", part,
               redefine->before->name, row->tag, place->claim.tag);
  return FALSE;
}

static gboolean
settle_place (const Redefine *redefine, Place *place, GError **error)
{
  g_autofree char *part = qs_redefine_part (&place->claim);

  place->row = find_row (redefine, place->claim.target);
  if (!check_tag (redefine, place, error))
    return FALSE;
  place->kept = is_kept (redefine, place);
  if (place->kept)
    return TRUE;
  place->fault = qs_redefine_find (redefine->domain, redefine->facts, redefine->uuid, &place->claim,
                                   &place->tag);
  if (place->fault == NULL || place->row == NULL)
    return TRUE;
  /* what is known to be there is not given up for what is not */
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "%s: snapshot ‘%s’ lies in ‘%s’, and not where the document says: %s", part,
               redefine->before->name, place->row->path, place->fault);
  return FALSE;
}

static gboolean
settle_places (Redefine *redefine, GError **error)
{
  g_autoptr (GArray) claims = qs_redefine_claims (redefine->domain, redefine->def);

  redefine->places = g_array_new (FALSE, TRUE, sizeof (Place));
  g_array_set_clear_func (redefine->places, clear_place);
  for (guint i = 0; i < claims->len; i++)
    {
      const Place place = { .claim = g_array_index (claims, QsClaim, i), .tag = "" };

      g_array_append_val (redefine->places, place);
      if (!settle_place (redefine, &g_array_index (redefine->places, Place, i), error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_recorded (Redefine *redefine, GError **error)
{
  if (redefine->before == NULL)
    return TRUE;
  if (redefine->facts->snapshot_document == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "snapshot ‘%s’ has no document",
                   redefine->before->name);
      return FALSE;
    }
  redefine->recorded = qs_snapshot_def_parse_record (redefine->facts->snapshot_document, error);
  return redefine->recorded != NULL;
}

/* memory inside of a disk is part of its snapshot there */
static gboolean
has_memory_in (const Redefine *redefine, const QsImage *image, const Place *place)
{
  if (place->kept)
    return TRUE;
  for (guint i = 0; i < image->tags->len; i++)
    {
      const QsTag *tag = g_ptr_array_index (image->tags, i);

      if (g_str_equal (tag->name, place->tag) && tag->vm_state_size > 0)
        return TRUE;
    }
  return FALSE;
}

/* (nullable): what is wrong with memory that lies in a disk; NULL: nothing */
static char *
find_memory_fault (const Redefine *redefine)
{
  const QsSnapshotDef *def = redefine->def;

  if (def->memory != QS_LOCATION_INTERNAL || def->memory_sidecar != NULL)
    return NULL;
  for (guint i = 0; i < redefine->places->len; i++)
    {
      const Place *place = &g_array_index (redefine->places, Place, i);
      const QsImage *image = qs_redefine_image (redefine->facts, &place->claim);

      if ((def->memory_disk == NULL || g_str_equal (def->memory_disk, place->claim.target))
          && place->claim.choice == QS_LOCATION_INTERNAL && place->fault == NULL
          && (image != NULL || place->kept) && has_memory_in (redefine, image, place))
        return NULL;
    }
  return g_strdup_printf ("no tag of disk ‘%s’ holds memory",
                          def->memory_disk != NULL ? def->memory_disk : "any");
}

/* notes what is missing. FALSE: all is there */
static gboolean
note_faults (const Redefine *redefine, QsPlan *plan)
{
  g_autofree char *memory = find_memory_fault (redefine);
  gboolean unverified = memory != NULL;

  if (memory != NULL)
    qs_plan_note (plan, "snapshot ‘%s’ is unverified: %s", redefine->def->name, memory);
  for (guint i = 0; i < redefine->places->len; i++)
    {
      const Place *place = &g_array_index (redefine->places, Place, i);

      g_autofree char *part = qs_redefine_part (&place->claim);

      if (place->fault == NULL)
        continue;
      unverified = TRUE;
      qs_plan_note (plan, "snapshot ‘%s’ is unverified: %s: %s", redefine->def->name, part,
                    place->fault);
    }
  return unverified;
}

/* a document tells whole seconds */
static gint64
creation_time (const Redefine *redefine)
{
  gint64 seconds = redefine->def->creation_time;

  if (redefine->before != NULL && redefine->before->created / G_USEC_PER_SEC == seconds)
    return redefine->before->created;
  return MIN (seconds, G_MAXINT64 / G_USEC_PER_SEC) * G_USEC_PER_SEC;
}

static gboolean
record_snapshot (const Redefine *redefine, QsChangeList *changes, gboolean unverified,
                 GError **error)
{
  const QsSnapshotDef *def = redefine->def;
  const QsSnapshot *parent =
      def->parent != NULL ? qs_tree_lookup_name (redefine->domain->tree, def->parent) : NULL;
  QsOrigin origin = redefine->before != NULL ? redefine->before->origin : QS_ORIGIN_USER;
  g_autofree char *document = qs_snapshot_def_format (def, TRUE);

  if (strlen (document) > QS_MAX_RECORD_BYTES)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                           "the document of the snapshot would be too large");
      return FALSE;
    }
  qs_changes_add (changes, QS_CHANGE_SNAPSHOT_PUT, "uuid", "s", redefine->uuid, "name", "s",
                  def->name, "parent", "s", parent != NULL ? parent->uuid : "", "description", "s",
                  def->description != NULL ? def->description : "", "state", "s",
                  qs_enum_to_string (QS_ENUM_SNAPSHOT_STATE, def->state), "kind", "s",
                  qs_enum_to_string (QS_ENUM_KIND, qs_redefine_kind (def)), "memory", "s",
                  qs_enum_to_string (QS_ENUM_LOCATION, def->memory), "origin", "s",
                  qs_enum_to_string (QS_ENUM_ORIGIN, origin), "created", "x",
                  creation_time (redefine), "document", "s", document, "unverified", "b",
                  unverified, NULL);
  return TRUE;
}

/* memory and firmware variables: a stream has no format that an image could have */
static void
record_other_file (const Redefine *redefine, QsChangeList *changes, const Place *place)
{
  const QsImage *image = qs_redefine_image (redefine->facts, &place->claim);
  const QsFile *known = qs_facts_find_file (redefine->facts, image->path);
  gboolean is_memory = g_str_equal (place->claim.target, QS_MEMORY_TARGET);
  gboolean is_stream = is_memory && g_str_equal (image->format, "raw");
  guint64 dev, ino;

  if (known != NULL && known->ino != 0)
    return;
  qs_image_identity (image, &dev, &ino);
  qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", image->path, "format", "s",
                  is_stream ? "migrate" : image->format, "role", "s",
                  is_memory ? "memory" : "nvram", "backing", "s", "", "ours", "b", FALSE, "dev",
                  "t", dev, "ino", "t", ino, "btime", "x", image->btime, NULL);
}

/* what is not there is not recorded either: a name in a document makes no file ours to keep */
static void
record_place (const Redefine *redefine, QsChangeList *changes, const Place *place)
{
  const QsFacts *facts = redefine->facts;
  const QsImage *image = qs_redefine_image (facts, &place->claim);

  if (place->kept || place->fault != NULL)
    return;
  if (*place->claim.target == '@')
    record_other_file (redefine, changes, place);
  else
    qs_planning_record_chain (changes, facts, qs_facts_find_claim (facts, place->claim.target));
  qs_changes_add (changes, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", redefine->uuid, "target", "s",
                  place->claim.target, "path", "s", image->path, "tag", "s", place->tag, NULL);
}

/* it may be the only one of its kind: nothing tells that nobody wants it any more */
static void
note_left (const Place *place, QsPlan *plan)
{
  if (place->row != NULL && !place->kept && *place->claim.target == '@')
    qs_plan_note (plan, "‘%s’ stays: the snapshot lies elsewhere now", place->row->path);
}

static QsPlan *
build (const Redefine *redefine, GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  gboolean unverified = note_faults (redefine, plan);
  QsChangeList changes;

  qs_changes_init (&changes);
  if (!record_snapshot (redefine, &changes, unverified, error))
    {
      g_variant_builder_clear (&changes);
      return NULL;
    }
  for (guint i = 0; i < redefine->places->len; i++)
    note_left (&g_array_index (redefine->places, Place, i), plan);
  for (guint i = 0; i < redefine->places->len; i++)
    record_place (redefine, &changes, &g_array_index (redefine->places, Place, i));
  if (redefine->request->flags & QS_CREATE_CURRENT)
    qs_changes_add (&changes, QS_CHANGE_CURRENT, "uuid", "s", redefine->uuid, NULL);
  qs_planning_add_record (plan, QS_PHASE_COMMIT, redefine->def->name, &changes);
  return g_steal_pointer (&plan);
}

QsPlan *
qs_plan_redefine (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                  GError **error)
{
  g_auto (Redefine) redefine = { .domain = domain, .request = request, .facts = facts };

  redefine.before = qs_tree_lookup_name (domain->tree, request->def->name);
  redefine.uuid = redefine.before != NULL ? redefine.before->uuid : facts->fresh_uuid;
  if (!read_recorded (&redefine, error))
    return NULL;
  redefine.def = qs_redefine_complete (domain, request->def, redefine.recorded, error);
  if (redefine.def == NULL
      || (redefine.recorded != NULL
          && !qs_redefine_check_recorded (redefine.def, redefine.recorded, error))
      || !settle_places (&redefine, error))
    return NULL;
  return build (&redefine, error);
}
