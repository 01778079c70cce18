/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-change.h"

#include "qs-error.h"

#include <string.h>

#define CHANGES_TYPE "a(sa{sv})"
#define MAX_ARGUMENTS 12
#define CONDITION "if-done"

/* an argument is its key, what it needs, its type: `:` always there, `?` optional, `|` there unless
   `step` is, from whose result it then comes */
typedef struct
{
  const char *name;
  const char *arguments[MAX_ARGUMENTS];
} ChangeType;

static const ChangeType change_types[] = {
  [QS_CHANGE_DOMAIN_PUT] = { "domain-put", { "definition:s", "owner:u", "name:s", "uuid:s" } },
  [QS_CHANGE_DOMAIN_DELETE] = { "domain-delete", { NULL } },
  [QS_CHANGE_DOMAIN_STATE] = { "domain-state", { "state:s" } },
  [QS_CHANGE_LIVE_DEF] = { "live-def", { "definition:s" } },
  [QS_CHANGE_PROCESS] = { "process",
                          { "pid|x", "start-time?t", "boot-id?s", "socket?s", "unit?s",
                            "step?u" } },
  [QS_CHANGE_ATTACHMENT] = { "attachment",
                             { "socket:s", "agent:s", "stable-path:b", "follow:b", "hindered?b" } },
  [QS_CHANGE_ACTIVE] = { "active", { "target:s", "path:s", "format:s", "stem?s" } },
  [QS_CHANGE_FILE_PUT] = { "file-put",
                           { "path:s", "format:s", "role:s", "backing?s", "ours:b", "dev|t",
                             "ino|t", "btime?x", "step?u" } },
  [QS_CHANGE_FILE_RENAME] = { "file-rename", { "path:s", "to:s" } },
  [QS_CHANGE_FILE_MERGE] = { "file-merge", { "path:s", "into:s", "format:s" } },
  [QS_CHANGE_FILE_BACKING] = { "file-backing", { "path:s", "backing:s" } },
  [QS_CHANGE_FILE_ROLE] = { "file-role", { "path:s", "role:s" } },
  [QS_CHANGE_FILE_MODE] = { "file-mode", { "path:s", "mode|u", "step?u" } },
  [QS_CHANGE_FILE_TOMBSTONE] = { "file-tombstone", { "path:s" } },
  [QS_CHANGE_FILE_FORGET] = { "file-forget", { "path:s" } },
  [QS_CHANGE_SNAPSHOT_PUT] = { "snapshot-put",
                               { "uuid:s", "name:s", "parent:s", "description?s", "state:s",
                                 "kind:s", "memory:s", "origin:s", "created:x", "document:s",
                                 "unverified?b" } },
  [QS_CHANGE_SNAPSHOT_FILE] = { "snapshot-file", { "uuid:s", "target:s", "path:s", "tag?s" } },
  [QS_CHANGE_SNAPSHOT_DELETE] = { "snapshot-delete", { "uuid:s" } },
  [QS_CHANGE_SNAPSHOT_EDIT] = { "snapshot-edit",
                                { "uuid:s", "name:s", "description:s", "document?s" } },
  [QS_CHANGE_SNAPSHOT_QUIESCE] = { "snapshot-quiesce",
                                   { "uuid:s", "freeze-time|t", "quiesced|b", "step?u" } },
  [QS_CHANGE_CURRENT] = { "current", { "uuid:s" } },
  [QS_CHANGE_QUARANTINE] = { "quarantine", { "reason:s" } },
  [QS_CHANGE_TIP] = { "tip", { "uuid:s", "target:s", "path:s" } },
  [QS_CHANGE_TIP_FORGET] = { "tip-forget", { "uuid:s" } },
  [QS_CHANGE_MIRROR] = { "mirror",
                         { "target:s", "path:s", "format:s", "snapshot:s", "job:s", "node:s" } },
  [QS_CHANGE_MIRROR_DROP] = { "mirror-drop", { "path:s", "reason:s" } },
  [QS_CHANGE_MIRROR_FORGET] = { "mirror-forget", { "path:s" } },
};
G_STATIC_ASSERT (G_N_ELEMENTS (change_types) == QS_N_CHANGE_KINDS);

const char *
qs_change_name (QsChangeKind kind)
{
  g_return_val_if_fail (kind < QS_N_CHANGE_KINDS, NULL);
  return change_types[kind].name;
}

/**
 * qs_change_lookup:
 *
 * Returns: FALSE, and @kind untouched, if there is no change of that name
 */
gboolean
qs_change_lookup (const char *name, QsChangeKind *kind)
{
  for (guint i = 0; i < QS_N_CHANGE_KINDS; i++)
    if (g_str_equal (change_types[i].name, name))
      {
        *kind = i;
        return TRUE;
      }
  return FALSE;
}

static gsize
key_length (const char *argument)
{
  return strlen (argument) - 2;
}

static char
argument_need (const char *argument)
{
  return argument[key_length (argument)];
}

static const char *
argument_type (const char *argument)
{
  return argument + key_length (argument) + 1;
}

/* its place among the arguments of @kind; MAX_ARGUMENTS: it has none of that name */
static guint
find_argument (QsChangeKind kind, const char *key)
{
  const char *const *arguments = change_types[kind].arguments;
  gsize length = strlen (key);

  for (guint i = 0; i < MAX_ARGUMENTS && arguments[i] != NULL; i++)
    if (length == key_length (arguments[i]) && memcmp (arguments[i], key, length) == 0)
      return i;
  return MAX_ARGUMENTS;
}

void
qs_changes_init (QsChangeList *list)
{
  g_variant_builder_init (list, G_VARIANT_TYPE (CHANGES_TYPE));
}

static GVariant *
collect (char type, va_list *values)
{
  const char *text;

  switch (type)
    {
    case 's':
      text = va_arg (*values, const char *);
      return g_variant_new_string (text ?: "");
    case 'b':
      return g_variant_new_boolean (va_arg (*values, gboolean));
    case 'u':
      return g_variant_new_uint32 (va_arg (*values, guint32));
    case 't':
      return g_variant_new_uint64 (va_arg (*values, guint64));
    case 'x':
      return g_variant_new_int64 (va_arg (*values, gint64));
    default:
      g_assert_not_reached ();
    }
}

/* (nullable) @steps: a floating au */
static void
add_condition (QsChangeList *list, GVariant *steps)
{
  if (steps != NULL)
    g_variant_builder_add (list, "{sv}", CONDITION, steps);
}

/**
 * qs_changes_add:
 *
 * Arguments are a key, its type, its value, the next key … NULL. A string that is NULL is recorded
 * as "".
 */
void
qs_changes_add (QsChangeList *list, QsChangeKind kind, ...)
{
  va_list values;

  g_variant_builder_open (list, G_VARIANT_TYPE ("(sa{sv})"));
  g_variant_builder_add (list, "s", qs_change_name (kind));
  g_variant_builder_open (list, G_VARIANT_TYPE_VARDICT);

  va_start (values, kind);
  for (const char *key; (key = va_arg (values, const char *)) != NULL;)
    {
      const char *type = va_arg (values, const char *);
      guint i = find_argument (kind, key);

      if (g_str_equal (key, CONDITION))
        {
          add_condition (list, va_arg (values, GVariant *));
          continue;
        }
      g_assert (i < MAX_ARGUMENTS
                && g_str_equal (argument_type (change_types[kind].arguments[i]), type));
      g_variant_builder_add (list, "{sv}", key, collect (*type, &values));
    }
  va_end (values);

  g_variant_builder_close (list);
  g_variant_builder_close (list);
}

/**
 * qs_changes_add_end_of_process:
 *
 * What changes when the domain's QEMU has ended, or is not the domain's any more.
 */
void
qs_changes_add_end_of_process (QsChangeList *list)
{
  qs_changes_add (list, QS_CHANGE_PROCESS, "pid", "x", G_GINT64_CONSTANT (0), NULL);
  qs_changes_add (list, QS_CHANGE_LIVE_DEF, "definition", "s", "", NULL);
  qs_changes_add (list, QS_CHANGE_DOMAIN_STATE, "state", "s", "shutoff", NULL);
}

/**
 * qs_changes_end:
 *
 * Returns: (transfer none): a floating a(sa{sv})
 */
GVariant *
qs_changes_end (QsChangeList *list)
{
  return g_variant_builder_end (list);
}

static gboolean
check_present (QsChangeKind kind, guint present, GError **error)
{
  const char *const *arguments = change_types[kind].arguments;
  guint step = find_argument (kind, "step");
  gboolean has_step = step < MAX_ARGUMENTS && (present & (1u << step)) != 0;

  for (guint i = 0; i < MAX_ARGUMENTS && arguments[i] != NULL; i++)
    {
      char need = argument_need (arguments[i]);

      if ((present & (1u << i)) != 0 || need == '?' || (need == '|' && has_step))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "change ‘%s’ lacks ‘%.*s’",
                   change_types[kind].name, (int)key_length (arguments[i]), arguments[i]);
      return FALSE;
    }
  return TRUE;
}

/* @present: (out): a bit for each argument that is there */
static gboolean
check_known (QsChangeKind kind, GVariant *arguments, guint *present, GError **error)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  *present = 0;
  g_variant_iter_init (&iter, arguments);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      guint i = find_argument (kind, key);

      if (g_str_equal (key, CONDITION) && g_variant_is_of_type (value, G_VARIANT_TYPE ("au")))
        continue;
      if (i < MAX_ARGUMENTS
          && g_str_equal (g_variant_get_type_string (value),
                          argument_type (change_types[kind].arguments[i])))
        {
          *present |= 1u << i;
          continue;
        }
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "change ‘%s’ has an unknown ‘%s’ of type ‘%s’",
                   change_types[kind].name, key, g_variant_get_type_string (value));
      g_variant_unref (value);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_change (const char *name, GVariant *arguments, GError **error)
{
  QsChangeKind kind;
  guint present;

  if (!qs_change_lookup (name, &kind))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "there is no change ‘%s’", name);
      return FALSE;
    }
  return check_known (kind, arguments, &present, error) && check_present (kind, present, error);
}

/**
 * qs_changes_check:
 *
 * Whether every change is known and has its arguments, with the right types and no others.
 */
gboolean
qs_changes_check (GVariant *changes, GError **error)
{
  GVariantIter iter;
  const char *name;
  GVariant *arguments;

  if (!g_variant_is_of_type (changes, G_VARIANT_TYPE (CHANGES_TYPE)))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "a list of changes cannot be of type ‘%s’",
                   g_variant_get_type_string (changes));
      return FALSE;
    }
  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_loop (&iter, "(&s@a{sv})", &name, &arguments))
    if (!check_change (name, arguments, error))
      {
        g_variant_unref (arguments);
        return FALSE;
      }
  return TRUE;
}

static GVariant *
find_result (const char *name, guint32 step, GPtrArray *results, GError **error)
{
  if (results != NULL && step < results->len && g_ptr_array_index (results, step) != NULL)
    return g_ptr_array_index (results, step);
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "change ‘%s’ needs the result of step %u", name,
               step);
  return NULL;
}

/* what the step learnt stands above what the plan said of the same key */
static GVariant *
merge_result (QsChangeKind kind, GVariant *arguments, GVariant *result)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (arguments);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_dict_remove (&dict, "step");
  g_variant_iter_init (&iter, result);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    if (find_argument (kind, key) < MAX_ARGUMENTS)
      g_variant_dict_insert_value (&dict, key, value);
  return g_variant_dict_end (&dict);
}

/**
 * qs_change_is_step_done:
 * @result: (nullable): what a step learnt
 *
 * Steps that are tried once say whether they took effect; all others did if they came to an end.
 */
gboolean
qs_change_is_step_done (GVariant *result)
{
  gboolean done = TRUE;

  if (result != NULL)
    (void)g_variant_lookup (result, "done", "b", &done);
  return done;
}

static gboolean
meets_condition (GVariant *arguments, GPtrArray *results)
{
  g_autoptr (GVariant) steps = g_variant_lookup_value (arguments, CONDITION, G_VARIANT_TYPE ("au"));

  for (gsize i = 0; steps != NULL && i < g_variant_n_children (steps); i++)
    {
      guint32 step;

      g_variant_get_child (steps, i, "u", &step);
      if (results != NULL && step < results->len
          && !qs_change_is_step_done (g_ptr_array_index (results, step)))
        return FALSE;
    }
  return TRUE;
}

static GVariant *
drop_condition (GVariant *arguments)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (arguments);

  g_variant_dict_remove (&dict, CONDITION);
  return g_variant_dict_end (&dict);
}

static gboolean
resolve_change (GVariantBuilder *list, const char *name, GVariant *planned, GPtrArray *results,
                GError **error)
{
  g_autoptr (GVariant) arguments = g_variant_ref_sink (drop_condition (planned));
  g_autoptr (GVariant) merged = NULL;
  QsChangeKind kind;
  GVariant *result;
  guint32 step;

  if (!meets_condition (planned, results))
    return TRUE;
  if (!g_variant_lookup (arguments, "step", "u", &step))
    {
      g_variant_builder_add (list, "(s@a{sv})", name, arguments);
      return TRUE;
    }
  if (!qs_change_lookup (name, &kind)
      || (result = find_result (name, step, results, error)) == NULL)
    return FALSE;
  merged = g_variant_ref_sink (merge_result (kind, arguments, result));
  if (!check_change (name, merged, error))
    return FALSE;
  g_variant_builder_add (list, "(s@a{sv})", name, merged);
  return TRUE;
}

/**
 * qs_changes_resolve:
 * @results: (element-type GVariant) (nullable): a{sv} of each step of the part, or NULL
 *
 * Replaces `step` by what that step has learnt: identity of a file, of a process.
 *
 * Returns: (transfer full): checked changes that say all by themselves
 */
GVariant *
qs_changes_resolve (GVariant *changes, GPtrArray *results, GError **error)
{
  g_auto (GVariantBuilder) list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE (CHANGES_TYPE));
  GVariantIter iter;
  const char *name;
  GVariant *arguments;

  if (!qs_changes_check (changes, error))
    return NULL;
  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_loop (&iter, "(&s@a{sv})", &name, &arguments))
    if (!resolve_change (&list, name, arguments, results, error))
      {
        g_variant_unref (arguments);
        return NULL;
      }
  return g_variant_ref_sink (g_variant_builder_end (&list));
}

/**
 * qs_change_string:
 *
 * Returns: "" if @arguments have no such string
 */
const char *
qs_change_string (GVariant *arguments, const char *key)
{
  const char *value = "";

  (void)g_variant_lookup (arguments, key, "&s", &value);
  return value;
}

gint64
qs_change_int64 (GVariant *arguments, const char *key)
{
  gint64 value = 0;

  (void)g_variant_lookup (arguments, key, "x", &value);
  return value;
}

guint64
qs_change_uint64 (GVariant *arguments, const char *key)
{
  guint64 value = 0;

  (void)g_variant_lookup (arguments, key, "t", &value);
  return value;
}

gboolean
qs_change_boolean (GVariant *arguments, const char *key)
{
  gboolean value = FALSE;

  (void)g_variant_lookup (arguments, key, "b", &value);
  return value;
}
