/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-redefine.h"

#include "qs-error.h"
#include "qs-name.h"

/* from one of these no redefine leads to another */
typedef enum
{
  STATE_OFF,
  STATE_ON,
  STATE_DISK_ONLY,
} StateClass;

static const char *const class_words[] = { "of a domain that is off", "of one that runs",
                                           "of disks only" };

static StateClass
state_class (QsSnapshotState state)
{
  if (state == QS_STATE_DISK_SNAPSHOT)
    return STATE_DISK_ONLY;
  return state == QS_STATE_SHUTOFF ? STATE_OFF : STATE_ON;
}

static gboolean
check_required (const QsSnapshotDef *def, GError **error)
{
  const struct
  {
    gboolean is_there;
    const char *element;
  } required[] = { { def->name != NULL, "name" },
                   { def->state != QS_STATE_NONE, "state" },
                   { def->has_creation_time, "creationTime" } };

  for (guint i = 0; i < G_N_ELEMENTS (required); i++)
    if (!required[i].is_there)
      {
        qs_xml_fail (error, def->doc != NULL ? xmlDocGetRootElement (def->doc) : NULL,
                     "a snapshot that is redefined needs <%s>", required[i].element);
        return FALSE;
      }
  return TRUE;
}

/* memory is there if, and only if, the guest ran and more than its disks was kept */
static gboolean
check_state (const QsSnapshotDef *def, guint flags, GError **error)
{
  gboolean has_memory = qs_snapshot_def_memory (def) != QS_LOCATION_NO;
  const char *word = qs_enum_to_string (QS_ENUM_SNAPSHOT_STATE, def->state);

  if ((flags & QS_CREATE_DISK_ONLY) && def->state != QS_STATE_DISK_SNAPSHOT)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "flag DISK_ONLY needs state ‘disk-snapshot’, not ‘%s’", word);
      return FALSE;
    }
  if (has_memory == (state_class (def->state) == STATE_ON))
    return TRUE;
  qs_xml_fail (error,
               def->doc != NULL ? qs_xml_child (xmlDocGetRootElement (def->doc), "state") : NULL,
               "state ‘%s’ and memory snapshot ‘%s’ exclude each other", word,
               qs_enum_to_string (QS_ENUM_LOCATION, qs_snapshot_def_memory (def)));
  return FALSE;
}

/* a document of long ago has of the domain only that */
static char *
domain_uuid (const QsSnapshotDef *def)
{
  const xmlNode *root = def->doc != NULL ? xmlDocGetRootElement (def->doc) : NULL;
  g_autofree char *text = qs_xml_child_text (qs_xml_child (root, "domain"), "uuid");

  if (def->domain != NULL)
    return g_strdup (def->domain->uuid);
  return text != NULL ? qs_uuid_canonical (text) : NULL;
}

static gboolean
check_uuid (const QsDomain *domain, const QsSnapshotDef *def, GError **error)
{
  g_autofree char *uuid = domain_uuid (def);

  if (uuid == NULL || g_strcmp0 (uuid, domain->uuid) == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "the document is of a domain with uuid %s, not of ‘%s’ with uuid %s", uuid,
               domain->name, domain->uuid);
  return FALSE;
}

static gboolean
check_parent (const QsDomain *domain, const QsSnapshotDef *def, GError **error)
{
  const QsSnapshot *before = qs_tree_lookup_name (domain->tree, def->name);
  const QsSnapshot *parent;

  if (def->parent == NULL)
    return TRUE;
  parent = qs_tree_lookup_name (domain->tree, def->parent);
  if (g_str_equal (def->parent, def->name))
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 "snapshot ‘%s’ cannot be its own parent", def->name);
  else if (parent == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 "the parent of snapshot ‘%s’ is to be ‘%s’, and the domain has no such snapshot; "
                 "redefine parents before their children",
                 def->name, def->parent);
  else if (before != NULL && !g_str_equal (before->parent, parent->uuid)
           && qs_tree_is_ancestor (domain->tree, before->uuid, parent->uuid))
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 "the parent of snapshot ‘%s’ cannot be ‘%s’, which descends from it", def->name,
                 def->parent);
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_kept (const QsDomain *domain, const QsSnapshotDef *def, GError **error)
{
  const QsSnapshot *before = qs_tree_lookup_name (domain->tree, def->name);
  QsLocation memory = qs_snapshot_def_memory (def);

  if (before == NULL)
    return TRUE;
  if (state_class (before->state) != state_class (def->state))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "snapshot ‘%s’ is %s (state ‘%s’); a redefine cannot make it one %s (‘%s’)",
                   def->name, class_words[state_class (before->state)],
                   qs_enum_to_string (QS_ENUM_SNAPSHOT_STATE, before->state),
                   class_words[state_class (def->state)],
                   qs_enum_to_string (QS_ENUM_SNAPSHOT_STATE, def->state));
      return FALSE;
    }
  if (before->memory == memory)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "the memory of snapshot ‘%s’ is ‘%s’; a redefine cannot make it ‘%s’", def->name,
               qs_enum_to_string (QS_ENUM_LOCATION, before->memory),
               qs_enum_to_string (QS_ENUM_LOCATION, memory));
  return FALSE;
}

/**
 * qs_redefine_check:
 *
 * What can be told of a redefine without having looked at anything.
 */
gboolean
qs_redefine_check (const QsDomain *domain, const QsRequest *request, GError **error)
{
  const QsSnapshotDef *def = request->def;

  if (def->branch != NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                           "<branch> needs flag BRANCH");
      return FALSE;
    }
  return check_required (def, error) && qs_name_check (def->name, error)
         && qs_description_check (def->description != NULL ? def->description : "", error)
         && check_state (def, request->flags, error) && check_uuid (domain, def, error)
         && check_parent (domain, def, error) && check_kept (domain, def, error);
}

/* devices that a guest sees, besides its disks */
static const char *const visible_devices[] = { "controller", "interface", "video",      "sound",
                                               "hostdev",    "rng",       "memballoon", "watchdog",
                                               "tpm",        "filesystem" };

static guint
count_devices (const QsDomainDef *def, const char *name)
{
  const xmlNode *devices = qs_xml_child (xmlDocGetRootElement (def->doc), "devices");
  guint n = 0;

  for (const xmlNode *node = qs_xml_child (devices, name); node != NULL;
       node = qs_xml_next (node, name))
    n++;
  return n;
}

static gboolean
differ (GError **error, const char *what)
{
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "the <domain> of the document has %s than the one that is recorded with the "
               "snapshot: a guest would find another machine",
               what);
  return FALSE;
}

static gboolean
check_machine (const QsDomainDef *then, const QsDomainDef *now, GError **error)
{
  if (then->kvm != now->kvm)
    return differ (error, "another type");
  if (g_strcmp0 (then->machine, now->machine) != 0)
    return differ (error, "another machine type");
  if (then->memory_kib != now->memory_kib)
    return differ (error, "another size of memory");
  if (then->vcpus != now->vcpus)
    return differ (error, "another number of vcpus");
  if (g_strcmp0 (then->loader, now->loader) != 0)
    return differ (error, "another firmware");
  for (guint i = 0; i < G_N_ELEMENTS (visible_devices); i++)
    if (count_devices (then, visible_devices[i]) != count_devices (now, visible_devices[i]))
      {
        g_autofree char *what = g_strdup_printf ("another number of <%s>", visible_devices[i]);

        return differ (error, what);
      }
  return TRUE;
}

/* where it lies may change; what the guest sees of it must not */
static gboolean
check_disks (const QsDomainDef *then, const QsDomainDef *now, GError **error)
{
  if (then->disks->len != now->disks->len)
    return differ (error, "another number of disks");
  for (guint i = 0; i < then->disks->len; i++)
    {
      const QsDiskDef *old = g_ptr_array_index (then->disks, i);
      const QsDiskDef *new = qs_domain_def_find_disk (now, old->target);
      g_autofree char *what = g_strdup_printf ("another disk ‘%s’", old->target);

      if (new == NULL || old->device != new->device || g_strcmp0 (old->bus, new->bus) != 0
          || old->readonly != new->readonly || old->shareable != new->shareable)
        return differ (error, what);
    }
  return TRUE;
}

static gboolean
check_choice (const QsSnapshotDisk *now, const QsSnapshotDisk *then, GError **error)
{
  QsLocation before = then != NULL ? then->snapshot : QS_LOCATION_NO;

  if (now->snapshot == before)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "disk ‘%s’: its snapshot is ‘%s’; a redefine cannot make it ‘%s’", now->name,
               qs_enum_to_string (QS_ENUM_LOCATION, before),
               qs_enum_to_string (QS_ENUM_LOCATION, now->snapshot));
  return FALSE;
}

static gboolean
check_kept_disks (const QsSnapshotDef *def, const QsSnapshotDef *recorded, GError **error)
{
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsSnapshotDisk *disk = g_ptr_array_index (def->disks, i);

      if (!check_choice (disk, qs_snapshot_def_find_disk (recorded, disk->name), error))
        return FALSE;
    }
  for (guint i = 0; i < recorded->disks->len; i++)
    {
      const QsSnapshotDisk *disk = g_ptr_array_index (recorded->disks, i);

      if (qs_snapshot_def_find_disk (def, disk->name) != NULL || disk->snapshot == QS_LOCATION_NO)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "disk ‘%s’ is part of the snapshot; a redefine cannot leave it out", disk->name);
      return FALSE;
    }
  return TRUE;
}

/**
 * qs_redefine_check_recorded:
 * @def: of qs_redefine_complete()
 * @recorded: the document that it is to replace
 */
gboolean
qs_redefine_check_recorded (const QsSnapshotDef *def, const QsSnapshotDef *recorded, GError **error)
{
  if (def->domain != NULL && recorded->domain != NULL
      && (!check_machine (recorded->domain, def->domain, error)
          || !check_disks (recorded->domain, def->domain, error)))
    return FALSE;
  return check_kept_disks (def, recorded, error);
}
