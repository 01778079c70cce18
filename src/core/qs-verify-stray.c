/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-exchange.h"
#include "qs-users.h"
#include "qs-verify.h"

#include <string.h>

/* what no record knows: snapshots inside images, and files beside them */

#define TAG_PREFIX "s-"

/* the uuid in a tag of ours, or NULL */
static const char *
tag_uuid (const char *tag)
{
  const char *uuid = g_str_has_prefix (tag, TAG_PREFIX) ? tag + strlen (TAG_PREFIX) : NULL;

  return uuid != NULL && g_uuid_string_is_valid (uuid) ? uuid : NULL;
}

static gboolean
is_recorded_tag (const QsFile *file, const char *tag)
{
  return file != NULL && g_ptr_array_find_with_equal_func (file->tags, tag, g_str_equal, NULL);
}

/* why such a tag stays, or NULL */
static char *
tag_obstacle (const QsVerify *verify, const QsSight *sight, const QsFile *file, const char *tag)
{
  const QsSnapshot *snapshot = qs_tree_lookup (verify->domain->tree, tag_uuid (tag));
  g_autofree char *user = qs_users_describe (verify->facts, sight->path);

  if (snapshot != NULL)
    return g_strdup_printf ("snapshot ‘%s’ has that uuid", snapshot->name);
  if (user != NULL)
    return g_strdup_printf ("%s uses the image, too", user);
  if (file == NULL)
    return g_strdup ("the image is none that is recorded");
  if (sight->image->in_use || sight->image->is_written)
    return g_strdup ("a process has the image open; shut the guest down first");
  if (sight->image->dirty || sight->image->encrypted || !sight->image->writable)
    return g_strdup ("the image cannot be changed as it is");
  return qs_image_count_tag (sight->image, tag) > 1 ? g_strdup ("it is there more than once")
                                                    : NULL;
}

static void
add_orphan_tag (const QsVerify *verify, const QsSight *sight, const char *tag)
{
  const QsFile *file = qs_verify_find_file (verify, sight->path);
  g_autofree char *obstacle = tag_obstacle (verify, sight, file, tag);
  QsFinding *finding = qs_verify_add (
      verify, QS_FINDING_ORPHAN_TAG, sight->path, tag,
      "‘%s’ has a snapshot with the tag ‘%s’ that is recorded nowhere: it was deleted with "
      "METADATA_ONLY, or belongs to a domain that is gone%s%s",
      sight->path, tag, obstacle != NULL ? "; it is left alone: " : "",
      obstacle != NULL ? obstacle : "");

  if (obstacle != NULL)
    return;
  finding->tag = g_strdup (tag);
  qs_finding_offer (finding, QS_REPAIR_DELETE_TAG,
                    "the snapshot inside the image is deleted, with all that it holds");
}

/**
 * qs_verify_tags:
 * @sight: an image
 */
void
qs_verify_tags (const QsVerify *verify, const QsSight *sight)
{
  const QsFile *file = qs_verify_find_file (verify, sight->path);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < sight->image->tags->len; i++)
    {
      const QsTag *tag = g_ptr_array_index (sight->image->tags, i);

      if (is_recorded_tag (file, tag->name) || !g_hash_table_add (seen, tag->name))
        continue;
      if (tag_uuid (tag->name) != NULL)
        add_orphan_tag (verify, sight, tag->name);
      else
        qs_verify_add (verify, QS_FINDING_FOREIGN_TAG, sight->path, tag->name,
                       "‘%s’ has a snapshot ‘%s’ that somebody else has made; it stays",
                       sight->path, tag->name);
    }
}

/* the recorded file that is the same under another name */
static const QsSight *
find_same (const QsVerify *verify, const QsSight *stray)
{
  for (guint i = 0; i < verify->facts->sights->len; i++)
    {
      const QsSight *sight = g_ptr_array_index (verify->facts->sights, i);

      if (sight->image != NULL && qs_image_is_same (sight->image, stray->image))
        return sight;
    }
  return NULL;
}

/* why it cannot be deleted, or NULL */
static const char *
leftover_obstacle (const QsSight *stray, const QsSight *same)
{
  if (same != NULL)
    return NULL;
  if (stray->image->n_links > 1)
    return "it has other names";
  if (stray->image->in_use || stray->image->is_written)
    return "a process has it open";
  return stray->has_data ? "it may hold data that nothing else has; look at it before you delete it"
                         : NULL;
}

/* a hidden name of an operation that has not come to its end, and of which nothing is recorded */
static void
add_leftover (const QsVerify *verify, const QsSight *stray)
{
  const QsSight *same = find_same (verify, stray);
  const char *obstacle = leftover_obstacle (stray, same);
  QsFinding *finding = qs_verify_add (verify, QS_FINDING_LEFTOVER, stray->path, "",
                                      "‘%s’ was left behind by an operation that is forgotten%s%s",
                                      stray->path, obstacle != NULL ? "; it is left alone: " : "",
                                      obstacle != NULL ? obstacle : "");

  if (obstacle != NULL)
    return;
  finding->keep = same != NULL ? g_strdup (same->path) : NULL;
  if (same != NULL)
    qs_finding_offer (finding, QS_REPAIR_UNLINK, "the name goes; the file stays as ‘%s’",
                      same->path);
  else
    qs_finding_offer (finding, QS_REPAIR_UNLINK, "the file is deleted; it holds no data");
}

/**
 * qs_verify_stray:
 * @stray: an image that is not recorded, in a folder with images that are
 */
void
qs_verify_stray (const QsVerify *verify, const QsSight *stray)
{
  g_autofree char *user = qs_users_describe (verify->facts, stray->path);

  if (user != NULL || qs_users_is_here (verify->facts, stray->path))
    return;
  if (qs_exchange_is_aside (stray->path))
    {
      add_leftover (verify, stray);
      return;
    }
  if (stray->below == NULL || qs_verify_find_file (verify, stray->below) == NULL
      || find_same (verify, stray) != NULL)
    return;
  qs_verify_add (
      verify, QS_FINDING_ORPHAN_OVERLAY, stray->path, "",
      "‘%s’ stands on ‘%s’ and is recorded nowhere: what changes that file spoils it. It "
      "is left alone; whoever knows that nobody needs it may delete it",
      stray->path, stray->below);
}
