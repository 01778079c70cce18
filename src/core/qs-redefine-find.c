/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-redefine.h"

#include "qs-error.h"
#include "qs-users.h"

#include <string.h>

/**
 * qs_redefine_image:
 *
 * Returns: (transfer none) (nullable): the file that a claim leads to, if it is there
 */
const QsImage *
qs_redefine_image (const QsFacts *facts, const QsClaim *claim)
{
  const QsDiskFacts *found = qs_facts_find_claim (facts, claim->target);
  guint index = claim->below ? 1 : 0;

  if (claim->path == NULL || found == NULL || found->error != NULL || found->chain->len <= index)
    return NULL;
  return g_ptr_array_index (found->chain, index);
}

/* the one under which a file lies in the store, and its tags with it */
static char *
find_other_name (const QsDiskFacts *found)
{
  const QsImage *image;

  if (found->other_name == NULL)
    return NULL;
  image = g_ptr_array_index (found->chain, found->other_of);
  return g_strdup_printf ("‘%s’ is recorded as ‘%s’; give it that name", image->path,
                          found->other_name);
}

/* a stream has no format that an image could have */
static gboolean
is_format (const QsFile *file, const QsImage *image)
{
  if (file->format == NULL || g_str_equal (file->format, image->format))
    return TRUE;
  return g_str_equal (file->format, "migrate") && g_str_equal (image->format, "raw");
}

static const char *
role_of_claim (const QsClaim *claim)
{
  if (g_str_equal (claim->target, QS_MEMORY_TARGET))
    return "memory";
  return g_str_equal (claim->target, QS_NVRAM_TARGET) ? "nvram" : "disk";
}

/* a snapshot may come back to a layer that none stands for */
static gboolean
is_role (const QsFile *file, const char *role)
{
  return qs_file_is_disk (file) ? g_str_equal (role, "disk") : g_str_equal (file->role, role);
}

/* (nullable): in what the record of the file and the document do not agree */
static char *
find_contradiction (const QsFile *file, const QsClaim *claim, const QsImage *image)
{
  if (file->ino != 0 && !qs_file_is (file, image))
    return g_strdup_printf ("‘%s’ is not the file that is recorded", image->path);
  if (!is_format (file, image))
    return g_strdup_printf ("‘%s’ is recorded with format ‘%s’, not ‘%s’", image->path,
                            file->format, image->format);
  if (file->role != NULL && !is_role (file, role_of_claim (claim)))
    return g_strdup_printf ("‘%s’ is recorded as ‘%s’, not as ‘%s’", image->path, file->role,
                            role_of_claim (claim));
  return NULL;
}

/* another file in the place of one that is recorded, by which other snapshots may stand */
static char *
find_stranger (const QsFacts *facts, const QsClaim *claim)
{
  const QsDiskFacts *found = qs_facts_find_claim (facts, claim->target);

  for (guint i = 0; i < found->chain->len; i++)
    {
      const QsImage *image = g_ptr_array_index (found->chain, i);
      const QsFile *file = qs_facts_find_file (facts, image->path);
      char *fault = file != NULL ? find_contradiction (file, claim, image) : NULL;

      if (fault != NULL)
        return fault;
    }
  return find_other_name (found);
}

/* @path is written down as it is, and no file is to have two names there */
static char *
find_spelling (const QsDomain *domain, const QsFacts *facts, const QsImage *image)
{
  const QsDomainDef *def = qs_domain_get_def (domain);

  for (guint i = 0; i < def->disks->len; i++)
    {
      const char *path = qs_domain_disk_path (domain, g_ptr_array_index (def->disks, i));
      const QsTarget *active = path != NULL ? qs_facts_find_target (facts, path) : NULL;

      if (g_strcmp0 (path, image->path) == 0)
        return NULL;
      if (active != NULL && active->ino != 0 && active->dev == image->dev
          && active->ino == image->ino)
        return g_strdup_printf ("‘%s’ is ‘%s’ of the domain by another name", image->path, path);
    }
  if (strstr (image->path, "//") == NULL && !g_str_has_suffix (image->path, "/"))
    return NULL;
  return g_strdup_printf ("‘%s’ has more slashes than it needs", image->path);
}

/* another domain may write it, and delete it with what it keeps */
static char *
find_owner (const QsFacts *facts, const QsClaim *claim)
{
  const QsImage *image = qs_redefine_image (facts, claim);
  g_autofree char *user = qs_users_describe (facts, image->path);

  return user != NULL ? g_strdup_printf ("‘%s’ is used by %s", image->path, user) : NULL;
}

/* the one that holds memory, in a file that holds no disk */
static const QsTag *
find_only_tag (const QsImage *image)
{
  const QsTag *only = image->tags->len == 1 ? g_ptr_array_index (image->tags, 0) : NULL;

  return only != NULL && only->vm_state_size > 0 ? only : NULL;
}

/* qemu-img takes a tag for an id as well */
static gboolean
is_other_id (const QsImage *image, const char *name)
{
  for (guint i = 0; i < image->tags->len; i++)
    {
      const QsTag *tag = g_ptr_array_index (image->tags, i);

      if (g_str_equal (tag->id, name) && !g_str_equal (tag->name, name))
        return TRUE;
    }
  return FALSE;
}

static char *
find_fault_of_tag (const QsDomain *domain, const QsDiskFacts *found, const char *uuid,
                   const char *tag, const QsImage *image)
{
  guint n = qs_image_count_tag (image, tag);

  if (n != 1)
    return g_strdup_printf ("‘%s’ holds %u snapshots with the tag ‘%s’", image->path, n, tag);
  if (is_other_id (image, tag))
    return g_strdup_printf ("the tag ‘%s’ is the id of another snapshot in ‘%s’", tag, image->path);
  if (found->tag_of != NULL && g_strcmp0 (found->tag_of, uuid) != 0)
    {
      const QsSnapshot *other = qs_tree_lookup (domain->tree, found->tag_of);

      return g_strdup_printf ("the tag ‘%s’ in ‘%s’ is that of snapshot ‘%s’", tag, image->path,
                              other != NULL ? other->name : found->tag_of);
    }
  return NULL;
}

static gboolean
is_active (const QsDomain *domain, const QsFacts *facts, const QsImage *image)
{
  const QsDomainDef *def = qs_domain_get_def (domain);

  if (g_strcmp0 (def->nvram, image->path) == 0)
    return TRUE;
  for (guint i = 0; i < def->disks->len; i++)
    {
      const char *path = qs_domain_disk_path (domain, g_ptr_array_index (def->disks, i));
      const QsTarget *active = path != NULL ? qs_facts_find_target (facts, path) : NULL;

      if (g_strcmp0 (path, image->path) == 0
          || (active != NULL && active->ino != 0 && active->dev == image->dev
              && active->ino == image->ino))
        return TRUE;
    }
  return FALSE;
}

static char *
find_fault_inside (const QsDomain *domain, const QsFacts *facts, const char *uuid,
                   const QsClaim *claim, const char **tag)
{
  const QsImage *image = qs_redefine_image (facts, claim);
  gboolean is_memory = g_str_equal (claim->target, QS_MEMORY_TARGET);
  const QsTag *only = claim->tag == NULL ? find_only_tag (image) : NULL;
  const char *name = only != NULL ? only->name : claim->tag;
  const QsTag *found = name != NULL ? qs_image_find_tag (image, name) : NULL;
  char *fault;

  if (is_memory && is_active (domain, facts, image))
    return g_strdup_printf ("‘%s’ is a disk of the domain, and no file with memory alone",
                            image->path);
  if (name == NULL || (is_memory && found != NULL && found->vm_state_size == 0))
    return g_strdup_printf ("‘%s’ holds no memory of a guest", image->path);
  fault = find_fault_of_tag (domain, qs_facts_find_claim (facts, claim->target), uuid, name, image);
  if (fault == NULL)
    *tag = found->name;
  return fault;
}

/* a file that the guest writes is no state of the past */
static char *
find_fault_as_whole (const QsDomain *domain, const QsFacts *facts, const QsClaim *claim)
{
  const QsImage *image = qs_redefine_image (facts, claim);

  if (is_active (domain, facts, image))
    return g_strdup_printf ("‘%s’ is what the domain uses now, and is written to", image->path);
  if (*claim->target == '@' && image->size == 0)
    return g_strdup_printf ("‘%s’ is empty", image->path);
  return NULL;
}

/**
 * qs_redefine_find:
 * @uuid: of the snapshot that is redefined
 * @tag: (out): of a claim to be INTERNAL, the tag that is there
 *
 * Returns: (transfer full) (nullable): what is wrong with the place that @claim names; NULL: the
 *   snapshot is there
 */
char *
qs_redefine_find (const QsDomain *domain, const QsFacts *facts, const char *uuid,
                  const QsClaim *claim, const char **tag)
{
  const QsDiskFacts *found = qs_facts_find_claim (facts, claim->target);
  char *fault;

  *tag = "";
  if (claim->path == NULL)
    return g_strdup ("nothing tells the file that it lies in; give <source> or <domain>");
  if (found == NULL)
    return g_strdup_printf ("‘%s’ was not looked at; give <disks> and <domain>", claim->path);
  if (found->error != NULL)
    return g_strdup (found->error->message);
  if (qs_redefine_image (facts, claim) == NULL)
    return g_strdup_printf ("‘%s’ has no backing file", claim->path);
  fault = find_stranger (facts, claim);
  if (fault == NULL)
    fault = find_owner (facts, claim);
  if (fault != NULL)
    return fault;
  if (claim->choice == QS_LOCATION_INTERNAL)
    fault = find_fault_inside (domain, facts, uuid, claim, tag);
  else
    fault = find_fault_as_whole (domain, facts, claim);
  return fault != NULL ? fault : find_spelling (domain, facts, qs_redefine_image (facts, claim));
}
