/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-step-qmp-private.h"

/* the old file of a disk has got another name. QEMU opens file nodes by name again when they become
   writable, so the node that knows the old name must go before any block job */

static GVariant *
cache_options (const QsStep *step)
{
  return g_variant_new_parsed ("{'direct': <%b>, 'no-flush': <%b>}",
                               qs_step_boolean (step, "direct"),
                               qs_step_boolean (step, "no-flush"));
}

/* not writable now, but a merge may want to make it so */
static GVariant *
backing_file_options (const QsStep *step)
{
  g_autofree char *name = g_strconcat (qs_step_string (step, "backing"), "-f", NULL);
  GVariantDict options;

  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "driver", "s", "file");
  g_variant_dict_insert (&options, "node-name", "s", name);
  g_variant_dict_insert (&options, "filename", "s", qs_step_string (step, "path"));
  g_variant_dict_insert (&options, "read-only", "b", FALSE);
  g_variant_dict_insert (&options, "auto-read-only", "b", TRUE);
  g_variant_dict_insert_value (&options, "cache", cache_options (step));
  return g_variant_dict_end (&options);
}

/* @below: (nullable): the node of ours that the old one stands on; else the header is followed */
static GVariant *
backing_options (const QsStep *step, const char *below)
{
  GVariantDict options;

  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "driver", "s", qs_step_string (step, "backing-format"));
  g_variant_dict_insert (&options, "node-name", "s", qs_step_string (step, "backing"));
  g_variant_dict_insert (&options, "read-only", "b", TRUE);
  if (below != NULL)
    g_variant_dict_insert (&options, "backing", "s", below);
  g_variant_dict_insert_value (&options, "cache", cache_options (step));
  g_variant_dict_insert_value (&options, "file", backing_file_options (step));
  return g_variant_dict_end (&options);
}

/* all that it was added with, since QEMU resets what is left out. @backing: (nullable): nothing */
static GVariant *
overlay_options (const QsStep *step, const char *backing)
{
  const char *detect_zeroes = qs_step_string (step, "detect-zeroes");
  g_autofree char *file = g_strconcat (qs_step_string (step, "node"), "-f", NULL);
  GVariantDict options;

  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "driver", "s", qs_step_string (step, "format"));
  g_variant_dict_insert (&options, "node-name", "s", qs_step_string (step, "node"));
  g_variant_dict_insert (&options, "file", "s", file);
  g_variant_dict_insert (&options, "backing", "ms", backing);
  g_variant_dict_insert (&options, "detect-zeroes", "s", detect_zeroes);
  if (g_str_equal (detect_zeroes, "unmap"))
    g_variant_dict_insert (&options, "discard", "s", "unmap");
  g_variant_dict_insert_value (&options, "cache", cache_options (step));
  return g_variant_dict_end (&options);
}

static gboolean
add_backing (QsGuest *guest, const QsStep *step, JsonNode *nodes, GError **error)
{
  g_autofree char *below = g_strconcat (qs_step_string (step, "old"), "-b", NULL);
  gboolean is_ours = qs_node_find (nodes, below) != NULL;

  if (qs_node_find (nodes, qs_step_string (step, "backing")) != NULL)
    return TRUE;
  return qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-add",
                     backing_options (step, is_ours ? below : NULL), QS_QMP_COMMAND_SECONDS, error);
}

static gboolean
reopen_overlay (QsGuest *guest, const QsStep *step, const char *backing, GError **error)
{
  g_auto (GVariantBuilder) list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  g_variant_builder_add_value (&list, overlay_options (step, backing));
  return qs_qmp_run (
      qs_guest_get_qmp (guest), "blockdev-reopen",
      g_variant_new_parsed ("{'options': <%@aa{sv}>}", g_variant_builder_end (&list)),
      QS_QMP_COMMAND_SECONDS, error);
}

static void
delete_node (QsGuest *guest, JsonNode *nodes, const char *name)
{
  g_autoptr (GError) error = NULL;

  if (qs_node_find (nodes, name) != NULL
      && !qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-del",
                      g_variant_new_parsed ("{'node-name': <%s>}", name), QS_QMP_COMMAND_SECONDS,
                      &error))
    g_debug ("node ‘%s’ stays: %s", name, error->message);
}

/* a node that came with -drive has gone by itself; one that somebody still uses stays */
static void
delete_old (QsGuest *guest, const QsStep *step)
{
  const char *old = qs_step_string (step, "old");
  g_autofree char *file = g_strconcat (old, "-f", NULL);
  g_autoptr (JsonNode) nodes = qs_node_query (guest, NULL);

  if (nodes == NULL)
    return;
  delete_node (guest, nodes, old);
  if (g_str_has_prefix (old, "snapd-"))
    delete_node (guest, nodes, file);
}

/* QEMU 7.2 aborts in `blockdev-reopen` of a node that lives in an I/O thread; which one a node lives
   in, it does not tell */
static gboolean
check_no_threads (QsGuest *guest, GError **error)
{
  gboolean has_some;

  if (!qs_guest_io_threads (guest, &has_some, error))
    return FALSE;
  if (!has_some)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED, "its disks may have I/O threads");
  return FALSE;
}

/* one that nobody stands on would only keep the file open */
static void
take_backing_away (QsGuest *guest, const QsStep *step)
{
  g_autoptr (JsonNode) nodes = qs_node_query (guest, NULL);

  if (nodes != NULL)
    delete_node (guest, nodes, qs_step_string (step, "backing"));
}

static gboolean
rebase (QsGuest *guest, const QsStep *step, GError **error)
{
  g_autoptr (JsonNode) nodes = qs_node_query (guest, error);

  if (nodes == NULL || qs_node_find (nodes, qs_step_string (step, "node")) == NULL)
    return nodes != NULL;
  if (!check_no_threads (guest, error) || !add_backing (guest, step, nodes, error))
    return FALSE;
  if (!reopen_overlay (guest, step, qs_step_string (step, "backing"), error))
    {
      take_backing_away (guest, step);
      return FALSE;
    }
  delete_old (guest, step);
  return TRUE;
}

/* what QEMU refuses here is no reason to keep the operation open: the guest's data are where they
   belong, and block jobs compare names with what is open before they begin */
gboolean
qs_node_rebase_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  g_autoptr (GError) why = NULL;

  if (rebase (guest, step, &why))
    return TRUE;
  if (!g_error_matches (why, QS_ERROR, QS_ERROR_MONITOR_FAILED))
    {
      g_propagate_error (error, g_steal_pointer (&why));
      return FALSE;
    }
  g_message ("disk ‘%s’: QEMU keeps the old name of ‘%s’ until its next start: %s",
             qs_step_string (step, "target"), qs_step_string (step, "path"), why->message);
  *result = g_variant_ref_sink (g_variant_new_parsed ("{'refused': <%s>}", why->message));
  return TRUE;
}

QsProbe
qs_node_rebase_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  g_autoptr (JsonNode) nodes = guest == NULL ? NULL : qs_node_query (guest, error);

  if (nodes == NULL)
    return guest == NULL ? QS_PROBE_DONE : QS_PROBE_UNKNOWN;
  return qs_node_find (nodes, qs_step_string (step, "backing")) != NULL ? QS_PROBE_DONE
                                                                        : QS_PROBE_NOT_DONE;
}

/* the copy of a disk that has files of its own to stand on, which need not be there before it is complete */
gboolean
qs_node_backing_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  return check_no_threads (guest, error)
         && reopen_overlay (guest, step, qs_step_string (step, "backing"), error);
}

gboolean
qs_node_backing_undo (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  g_autoptr (JsonNode) nodes = guest != NULL ? qs_node_query (guest, error) : NULL;

  if (nodes == NULL || qs_node_find (nodes, qs_step_string (step, "node")) == NULL)
    return nodes != NULL || guest == NULL;
  return reopen_overlay (guest, step, NULL, error);
}
