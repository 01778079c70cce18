/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-file.h"
#include "ctl-operation.h"
#include "ctl-output.h"
#include "ctl-spec.h"
#include "qs-flags.h"

/* @name: (nullable): as asked for; the name of the snapshot that was made, or NULL */
static char *
find_out_name (QsCtl *ctl, const QsCtlOutcome *outcome, const char *name, GError **error)
{
  if (outcome->snapshot == NULL)
    return g_strdup (name != NULL ? name : "");
  return qs_ctl_get_string (ctl, outcome->snapshot, "DomainSnapshot.Name", error);
}

/* without a record nobody could look this up later */
static void
tell_unrecorded (const QsCtl *ctl, const QsCtlOutcome *outcome)
{
  g_autofree const char **files = NULL;
  const char *tag;

  if (outcome->is_told || ctl->quiet || outcome->snapshot != NULL)
    return;
  if (g_variant_lookup (outcome->result, "tag", "&s", &tag) && *tag != '\0')
    qs_ctl_print ("%-15s %s", "Tag:", tag);
  if (!g_variant_lookup (outcome->result, "files", "^a&s", &files))
    return;
  for (guint i = 0; files[i] != NULL; i++)
    qs_ctl_print ("%-15s %s", "File:", files[i]);
}

static void
tell_frozen (const QsCtl *ctl, const QsCtlOutcome *outcome)
{
  guint64 milliseconds;

  if (!ctl->quiet && g_variant_lookup (outcome->result, "freeze-time", "t", &milliseconds))
    qs_ctl_print ("%-15s %" G_GUINT64_FORMAT " ms", "Frozen:", milliseconds);
}

/* @name, @file: (nullable): for what is said at the end */
static gboolean
create (QsCtl *ctl, const QsCtlArguments *arguments, const char *xml, const char *name,
        const char *file, GError **error)
{
  g_autofree char *path = qs_ctl_find_domain (ctl, arguments, error);
  QsCtlOperation operation = { path, "Domain.SnapshotCreateXML", "Domain.SnapshotPlan", NULL };
  g_auto (QsCtlOutcome) outcome = { NULL };
  g_autofree char *made = NULL;

  if (path == NULL)
    return FALSE;
  operation.arguments = g_variant_new ("(su)", xml, arguments->flags);
  if (!qs_ctl_operate (ctl, arguments, &operation, &outcome, error))
    return FALSE;
  if (outcome.is_told)
    return TRUE;
  made = find_out_name (ctl, &outcome, name, error);
  if (made == NULL)
    return FALSE;
  qs_ctl_outcome_tell (ctl, &outcome, "Domain snapshot%s%s created%s%s%s", *made != '\0' ? " " : "",
                       made, file != NULL ? " from '" : "", file != NULL ? file : "",
                       file != NULL ? "'" : "");
  tell_unrecorded (ctl, &outcome);
  tell_frozen (ctl, &outcome);
  return TRUE;
}

static gboolean
run_create (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  const char *file = qs_ctl_arguments_get (arguments, "xmlfile");
  g_autofree char *xml = NULL;

  if (file == NULL)
    xml = g_strdup ("<domainsnapshot/>");
  else
    xml = qs_ctl_file_read_document (file, error);
  return xml != NULL && create (ctl, arguments, xml, NULL, file, error);
}

static gboolean
run_create_as (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  QsCtlDraft draft = {
    .name = qs_ctl_arguments_get (arguments, "name"),
    .description = qs_ctl_arguments_get (arguments, "description"),
    .branch = qs_ctl_arguments_get (arguments, "branch"),
    .memspec = qs_ctl_arguments_get (arguments, "memspec"),
    .diskspecs = qs_ctl_arguments_get_list (arguments, "diskspec"),
  };
  static const char *const exclusive[][2] = { { "branch", "memspec" }, { NULL, NULL } };
  g_autofree char *xml = NULL;

  if (qs_ctl_arguments_exclude (arguments, exclusive, error))
    xml = qs_ctl_draft_to_xml (&draft, error);
  if (xml == NULL)
    return FALSE;
  if (!qs_ctl_arguments_has (arguments, "print-xml"))
    return create (ctl, arguments, xml, draft.name, NULL, error);
  qs_ctl_print_document (xml);
  return TRUE;
}

/* flags of both commands */
#define NO_METADATA                                                                                \
  {                                                                                                \
    .name = "no-metadata", .flag = QS_CREATE_NO_METADATA, .help = "take it, but keep no record"    \
  }
#define HALT                                                                                       \
  {                                                                                                \
    .name = "halt", .flag = QS_CREATE_HALT, .help = "the domain is off afterwards"                 \
  }
#define DISK_ONLY                                                                                  \
  {                                                                                                \
    .name = "disk-only", .flag = QS_CREATE_DISK_ONLY, .help = "disks, not memory"                  \
  }
#define REUSE_EXTERNAL                                                                             \
  {                                                                                                \
    .name = "reuse-external", .flag = QS_CREATE_REUSE_EXT,                                         \
    .help = "use files that exist already as external targets"                                     \
  }
#define QUIESCE                                                                                    \
  {                                                                                                \
    .name = "quiesce", .flag = QS_CREATE_QUIESCE, .help = "freeze the guest's file systems"        \
  }
#define ATOMIC                                                                                     \
  {                                                                                                \
    .name = "atomic", .flag = QS_CREATE_ATOMIC, .help = "all disks or none"                        \
  }
#define LIVE                                                                                       \
  {                                                                                                \
    .name = "live", .flag = QS_CREATE_LIVE, .help = "the guest runs while memory is written"       \
  }

static const QsCtlOption create_options[] = {
  QS_CTL_DOMAIN,
  { .name = "xmlfile",
    .kind = QS_CTL_STRING,
    .subject = QS_CTL_FILE_NAME,
    .value = "file",
    .help = "libvirt domainsnapshot document" },
  { .name = "redefine", .flag = QS_CREATE_REDEFINE, .help = "record one that exists already" },
  { .name = "current",
    .flag = QS_CREATE_CURRENT,
    .help = "with --redefine or --branch: make it the current one" },
  NO_METADATA,
  HALT,
  DISK_ONLY,
  REUSE_EXTERNAL,
  QUIESCE,
  ATOMIC,
  LIVE,
  { .name = "branch",
    .flag = QS_CREATE_BRANCH,
    .help = "a second snapshot of the point that <branch> names" },
  { .name = "validate", .flag = QS_CREATE_VALIDATE, .help = "check the document by the schema" },
  QS_CTL_DRY_RUN,
  QS_CTL_NO_WAIT,
  QS_CTL_JSON,
  QS_CTL_END,
};

static const QsCtlOption create_as_options[] = {
  QS_CTL_DOMAIN,
  { .name = "name", .kind = QS_CTL_STRING, .value = "name", .help = "name of the snapshot" },
  { .name = "description", .kind = QS_CTL_STRING, .value = "text", .help = "what it is for" },
  { .name = "print-xml", .help = "print the document, and take no snapshot" },
  NO_METADATA,
  HALT,
  DISK_ONLY,
  REUSE_EXTERNAL,
  QUIESCE,
  ATOMIC,
  LIVE,
  { .name = "memspec",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "[file=]name[,snapshot=type]",
    .help = "where memory goes" },
  { .name = "branch",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .subject = QS_CTL_SNAPSHOT_NAME,
    .flag = QS_CREATE_BRANCH,
    .value = "snapshot",
    .help = "a second snapshot of the same point as this one" },
  { .name = "current",
    .flag = QS_CREATE_CURRENT,
    .help = "with --branch: make it the current one" },
  { .name = "diskspec",
    .kind = QS_CTL_LIST,
    .subject = QS_CTL_DISK_TARGET,
    .value = "disk[,snapshot=type][,driver=type][,stype=type][,file=name][,mode=mode]"
             "[,mirror=name]",
    .help = "how a disk is snapshotted; may be given several times" },
  QS_CTL_DRY_RUN,
  QS_CTL_NO_WAIT,
  QS_CTL_JSON,
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_create_commands[] = {
  { "snapshot-create", "take a snapshot as a document describes it",
    "Without a file a snapshot with a generated name is taken.", create_options, run_create },
  { "snapshot-create-as", "take a snapshot as options describe it",
    "A comma inside of a --diskspec or --memspec is written twice. Types of snapshot are no, "
    "internal, external and manual; modes are absolute-paths, existing and no-backing-file.",
    create_as_options, run_create_as },
  { NULL },
};
