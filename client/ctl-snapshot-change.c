/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include <string.h>

#include "ctl-file.h"
#include "ctl-operation.h"
#include "ctl-output.h"
#include "qs-flags.h"

typedef struct
{
  char *path;
  char *name;
} Found;

static void
found_clear (Found *found)
{
  g_free (found->path);
  g_free (found->name);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Found, found_clear)

/* the name is asked for beforehand: afterwards the snapshot may be gone */
static gboolean
find (QsCtl *ctl, const QsCtlArguments *arguments, Found *found, GError **error)
{
  g_autofree char *domain = qs_ctl_find_domain (ctl, arguments, error);

  if (domain == NULL)
    return FALSE;
  found->path = qs_ctl_find_snapshot (ctl, arguments, domain, error);
  if (found->path == NULL)
    return FALSE;
  found->name = qs_ctl_get_string (ctl, found->path, "DomainSnapshot.Name", error);
  return found->name != NULL;
}

/* what is discarded is not kept; the other two lose nothing */
#define NO_SAFETY (QS_REVERT_DISCARD | QS_REVERT_COMMIT | QS_REVERT_TIP)

static GVariant *
revert_options_of (const QsCtlArguments *arguments)
{
  const char *name = qs_ctl_arguments_get (arguments, "safety-name");
  gboolean wanted = !qs_ctl_arguments_has (arguments, "no-safety-snapshot")
                    && (arguments->flags & NO_SAFETY) == 0;
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);

  if (wanted)
    g_variant_dict_insert (&options, "safety-snapshot", "b", TRUE);
  if (name != NULL)
    g_variant_dict_insert (&options, "safety-name", "s", name);
  return g_variant_dict_end (&options);
}

/* afterwards the way back is known by its name */
static void
tell_safety (QsCtl *ctl, const QsCtlOutcome *outcome)
{
  g_autofree char *name = NULL;
  const char *path;

  if (outcome->is_told || !g_variant_lookup (outcome->result, "safety-snapshot", "&o", &path))
    return;
  name = qs_ctl_get_string (ctl, path, "DomainSnapshot.Name", NULL);
  if (name != NULL)
    qs_ctl_outcome_tell (ctl, outcome, "State before kept as domain snapshot %s", name);
}

static gboolean
run_revert (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  static const char *const exclusive[][2] = {
    { "safety-name", "no-safety-snapshot" },
    { "safety-name", "discard" },
    { "safety-name", "commit" },
    { "safety-name", "tip" },
    { NULL, NULL },
  };
  QsCtlOperation operation = { NULL, "DomainSnapshot.Revert", "DomainSnapshot.RevertPlan", NULL };
  g_auto (QsCtlOutcome) outcome = { NULL };
  g_auto (Found) found = { NULL };

  if (!qs_ctl_arguments_exclude (arguments, exclusive, error)
      || !find (ctl, arguments, &found, error))
    return FALSE;
  operation.path = found.path;
  operation.arguments =
      g_variant_new ("(u@a{sv})", arguments->flags, revert_options_of (arguments));
  if (!qs_ctl_operate (ctl, arguments, &operation, &outcome, error))
    return FALSE;
  qs_ctl_outcome_tell (ctl, &outcome, "Domain snapshot %s reverted", found.name);
  tell_safety (ctl, &outcome);
  return TRUE;
}

static gboolean
run_delete (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  QsCtlOperation operation = { NULL, "DomainSnapshot.Delete", "DomainSnapshot.DeletePlan", NULL };
  g_auto (QsCtlOutcome) outcome = { NULL };
  g_auto (Found) found = { NULL };
  gboolean keeps_itself = (arguments->flags & QS_DELETE_CHILDREN_ONLY) != 0;

  if (!find (ctl, arguments, &found, error))
    return FALSE;
  operation.path = found.path;
  operation.arguments = g_variant_new ("(u)", arguments->flags);
  if (!qs_ctl_operate (ctl, arguments, &operation, &outcome, error))
    return FALSE;
  qs_ctl_outcome_tell (ctl, &outcome, "Domain snapshot %s %sdeleted", found.name,
                       keeps_itself ? "children " : "");
  return TRUE;
}

/* the description as it is after the user edited it; without the newline that editors add */
static char *
ask_description (QsCtl *ctl, const char *path, GError **error)
{
  g_autofree char *old = qs_ctl_get_string (ctl, path, "DomainSnapshot.Description", error);
  char *edited;

  if (old == NULL)
    return NULL;
  edited = qs_ctl_file_edit (old, error);
  /* what was pressed while the editor had the terminal was not meant for us */
  ctl->interrupts = 0;
  if (edited != NULL && g_str_has_suffix (edited, "\n") && !g_str_has_suffix (old, "\n"))
    edited[strlen (edited) - 1] = '\0';
  return edited;
}

static gboolean
edit (QsCtl *ctl, const Found *found, GVariantDict *options, GError **error)
{
  g_autoptr (GVariant) reply =
      qs_ctl_call_patiently (ctl, found->path, "DomainSnapshot.Edit",
                             g_variant_new ("(@a{sv})", g_variant_dict_end (options)), error);

  if (reply == NULL)
    return FALSE;
  if (!ctl->quiet)
    qs_ctl_print ("Snapshot %s edited", found->name);
  return TRUE;
}

static gboolean
run_edit (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  const char *name = qs_ctl_arguments_get (arguments, "rename");
  const char *description = qs_ctl_arguments_get (arguments, "description");
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_auto (Found) found = { NULL };
  g_autofree char *edited = NULL;

  if (!find (ctl, arguments, &found, error))
    return FALSE;
  if (name == NULL && description == NULL)
    {
      edited = ask_description (ctl, found.path, error);
      if (edited == NULL)
        return FALSE;
      description = edited;
    }
  if (name != NULL)
    g_variant_dict_insert (&options, "name", "s", name);
  if (description != NULL)
    g_variant_dict_insert (&options, "description", "s", description);
  return edit (ctl, &found, &options, error);
}

static const QsCtlOption revert_options[] = {
  QS_CTL_DOMAIN,
  QS_CTL_SNAPSHOT,
  QS_CTL_CURRENT,
  { .name = "running", .flag = QS_REVERT_RUNNING, .help = "the domain runs afterwards" },
  { .name = "paused", .flag = QS_REVERT_PAUSED, .help = "the domain is paused afterwards" },
  { .name = "force", .flag = QS_REVERT_FORCE, .help = "also where the definition has changed" },
  { .name = "reset-nvram",
    .flag = QS_REVERT_RESET_NVRAM,
    .help = "take the firmware's variables from their template again" },
  { .name = "discard",
    .flag = QS_REVERT_DISCARD,
    .help = "delete what was made after the snapshot" },
  { .name = "commit",
    .flag = QS_REVERT_COMMIT,
    .help = "merge what the disks hold now into the snapshot's files" },
  { .name = "tip",
    .flag = QS_REVERT_TIP,
    .help = "go to the changes that were kept after the snapshot" },
  { .name = "no-safety-snapshot", .help = "keep nothing of what the domain holds now" },
  { .name = "safety-name",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "name",
    .help = "name of the snapshot that is taken beforehand" },
  QS_CTL_DRY_RUN,
  QS_CTL_NO_WAIT,
  QS_CTL_JSON,
  QS_CTL_END,
};

static const QsCtlOption delete_options[] = {
  QS_CTL_DOMAIN,
  QS_CTL_SNAPSHOT,
  QS_CTL_CURRENT,
  { .name = "children", .flag = QS_DELETE_CHILDREN, .help = "with all below it" },
  { .name = "children-only", .flag = QS_DELETE_CHILDREN_ONLY, .help = "only those below it" },
  { .name = "metadata",
    .flag = QS_DELETE_METADATA_ONLY,
    .help = "forget the record, and leave the data where it is" },
  { .name = "reopen-mirror",
    .flag = QS_DELETE_REOPEN_MIRROR,
    .help = "go on with the mirror and what it stands on" },
  { .name = "remove-mirror",
    .flag = QS_DELETE_REMOVE_MIRROR,
    .help = "end the mirror and go on without it" },
  QS_CTL_DRY_RUN,
  QS_CTL_NO_WAIT,
  QS_CTL_JSON,
  QS_CTL_END,
};

static const QsCtlOption edit_options[] = {
  QS_CTL_DOMAIN,
  QS_CTL_SNAPSHOT,
  QS_CTL_CURRENT,
  { .name = "rename",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "name",
    .help = "the new name" },
  { .name = "description",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "text",
    .help = "the new description" },
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_snapshot_change_commands[] = {
  { "snapshot-revert", "bring a domain back to a snapshot",
    "What the domain holds now is kept in a snapshot that is taken beforehand, unless "
    "--no-safety-snapshot, --discard, --commit or --tip is given.",
    revert_options, run_revert },
  { "snapshot-delete", "delete a snapshot", "Never changes what the guest sees.", delete_options,
    run_delete },
  { "snapshot-edit", "change the name or the description of a snapshot",
    "Without --rename and --description an editor opens with the description: the one that "
    "VISUAL or EDITOR names, else vi.",
    edit_options, run_edit },
  { NULL },
};
