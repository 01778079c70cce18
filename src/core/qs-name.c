/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-name.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <string.h>

/* below these no image lies: what they show is the kernel's or another process's */
static const char *const refused_folders[] = {
  "/proc", "/sys", "/dev/fd", "/dev/shm", "/dev/pts", "/dev/mqueue", "/dev/hugepages",
};

/* the unit has its own, so a file there is not the one the caller means */
static const char *const private_folders[] = { "/tmp", "/var/tmp" };

/* neither shown nor written as themselves: they reorder or hide what stands beside them */
static gboolean
is_deceptive (gunichar c)
{
  return c == 0x061c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e)
         || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* U+FFFE and U+FFFF are valid UTF-8, but no XML document can hold them */
static gboolean
is_control (gunichar c)
{
  return g_unichar_iscntrl (c) || c == 0xfffe || c == 0xffff;
}

static gboolean
has_control (const char *text, const char *allowed)
{
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (is_control (g_utf8_get_char (p)) && strchr (allowed, *p) == NULL)
      return TRUE;
  return FALSE;
}

static gboolean
name_fail (GError **error, const char *message)
{
  g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, message);
  return FALSE;
}

/**
 * qs_name_check:
 *
 * Checks the name of a snapshot or domain. A name that passes is still not safe as an option, a
 * path or a tag.
 */
gboolean
qs_name_check (const char *name, GError **error)
{
  if (*name == '\0')
    return name_fail (error, "a name is empty");
  if (strlen (name) > QS_MAX_NAME_BYTES)
    return name_fail (error, "a name is longer than " G_STRINGIFY (QS_MAX_NAME_BYTES) " bytes");
  if (!g_utf8_validate (name, -1, NULL))
    return name_fail (error, "a name is not valid UTF-8");
  if (has_control (name, ""))
    return name_fail (error, "a name contains a control character");
  if (*name == '.' || strchr (name, '/') != NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "the name ‘%s’ starts with ‘.’ or contains ‘/’", name);
      return FALSE;
    }
  return TRUE;
}

/**
 * qs_description_check:
 */
gboolean
qs_description_check (const char *description, GError **error)
{
  if (strlen (description) > QS_MAX_DESCRIPTION_BYTES)
    return name_fail (
        error, "the description is longer than " G_STRINGIFY (
                                 QS_MAX_DESCRIPTION_BYTES) " bytes");
  if (!g_utf8_validate (description, -1, NULL))
    return name_fail (error, "the description is not valid UTF-8");
  if (has_control (description, "\t\n\r"))
    return name_fail (error, "the description contains a control character");
  return TRUE;
}

G_GNUC_PRINTF (2, 3)
static gboolean
path_fail (GError **error, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  if (error != NULL)
    *error = g_error_new_valist (QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, format, arguments);
  va_end (arguments);
  return FALSE;
}

/* "json:" and "nbd:" make QEMU open something that is no file */
static gboolean
has_scheme (const char *path)
{
  const char *p = path;

  if (!g_ascii_isalpha (*p))
    return FALSE;
  while (g_ascii_isalnum (*p) || strchr ("+.-", *p) != NULL)
    {
      if (*p == '\0')
        return FALSE;
      p++;
    }
  return *p == ':';
}

static gboolean
check_component (const char *path, const char *start, gsize length, GError **error)
{
  if (length > QS_MAX_COMPONENT_BYTES)
    return path_fail (error, "a part of the path ‘%s’ is longer than %d bytes", path,
                      QS_MAX_COMPONENT_BYTES);
  if ((length == 1 && start[0] == '.') || (length == 2 && start[0] == '.' && start[1] == '.'))
    return path_fail (error, "the path ‘%s’ contains ‘.’ or ‘..’", path);
  return TRUE;
}

/* checks each component, and writes the path without doubled slashes to @plain */
static gboolean
check_components (const char *path, GString *plain, GError **error)
{
  const char *start = path;

  while (*start != '\0')
    {
      gsize length = strcspn (start, "/");

      if (!check_component (path, start, length, error))
        return FALSE;
      if (length > 0)
        g_string_append_printf (plain, "/%.*s", (int)length, start);
      start += length + (start[length] == '/');
    }
  return TRUE;
}

static gboolean
is_below (const char *path, const char *folder)
{
  gsize length = strlen (folder);

  return strncmp (path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static gboolean
check_folders (const char *path, const char *const *folders, gsize n_folders, GError **error)
{
  for (gsize i = 0; i < n_folders; i++)
    if (is_below (path, folders[i]))
      return path_fail (error, "the path ‘%s’ lies below ‘%s’, which is refused", path, folders[i]);
  return TRUE;
}

static gboolean
check_text (const char *path, GError **error)
{
  if (!g_utf8_validate (path, -1, NULL))
    return path_fail (error, "a path is not valid UTF-8");
  if (strlen (path) > QS_MAX_PATH_BYTES)
    return path_fail (error, "a path is longer than %d bytes", QS_MAX_PATH_BYTES);
  if (has_control (path, ""))
    return path_fail (error, "a path contains a control character");
  if (has_scheme (path))
    return path_fail (error, "‘%s’ names a protocol, not a file", path);
  if (*path != '/')
    return path_fail (error, "the path ‘%s’ is not absolute", path);
  return TRUE;
}

/**
 * qs_path_check:
 * @system_mode: also refuses what the sandbox of the system service hides
 *
 * Whether a caller may name this path. Device nodes pass: the system service sees them only where
 * its administrator has opened /dev to it.
 */
gboolean
qs_path_check (const char *path, gboolean system_mode, GError **error)
{
  g_autoptr (GString) plain = g_string_new (NULL);

  if (!check_text (path, error) || !check_components (path, plain, error)
      || !check_folders (plain->str, refused_folders, G_N_ELEMENTS (refused_folders), error))
    return FALSE;
  return !system_mode
         || check_folders (plain->str, private_folders, G_N_ELEMENTS (private_folders), error);
}

/**
 * qs_path_is_device:
 *
 * Block devices lie below /dev, and nothing else that is an image does.
 */
gboolean
qs_path_is_device (const char *path)
{
  return g_str_has_prefix (path, "/dev/");
}

/**
 * qs_uuid_check:
 *
 * Returns: whether @uuid is a uuid in the form with dashes
 */
gboolean
qs_uuid_check (const char *uuid)
{
  return g_uuid_string_is_valid (uuid);
}

/**
 * qs_uuid_canonical:
 * @text: a uuid as libvirt reads it: any case, dashes and blanks around it are optional
 *
 * Returns: (transfer full) (nullable): in lower case and with dashes; NULL if it is none
 */
char *
qs_uuid_canonical (const char *text)
{
  g_autofree char *digits = g_strdup (text);
  GString *uuid = g_string_new (NULL);

  for (const char *p = g_strstrip (digits); *p != '\0'; p++)
    {
      if (*p == '-')
        continue;
      if (uuid->len == 8 || uuid->len == 13 || uuid->len == 18 || uuid->len == 23)
        g_string_append_c (uuid, '-');
      g_string_append_c (uuid, g_ascii_tolower (*p));
    }
  return g_string_free (uuid, !g_uuid_string_is_valid (uuid->str));
}

/**
 * qs_overlay_stem:
 * @active: path of an active file
 *
 * Returns: (transfer full): its base name without what follows the last dot
 */
char *
qs_overlay_stem (const char *active)
{
  const char *slash = strrchr (active, '/');
  const char *base = slash != NULL ? slash + 1 : active;
  const char *dot = strrchr (base, '.');

  return dot != NULL && dot != base ? g_strndup (base, dot - base) : g_strdup (base);
}

/**
 * qs_overlay_path:
 * @active: (nullable): the file the disk uses now
 * @stem: (nullable): recorded when @active was generated; NULL: made from @active
 * @name: of the snapshot
 *
 * Returns: (transfer full): where the overlay goes if the caller names no file
 */
char *
qs_overlay_path (const char *active, const char *stem, const char *name, GError **error)
{
  g_autofree char *own_stem = NULL;
  g_autofree char *base = NULL;
  g_autofree char *path = NULL;

  if (active == NULL || *active != '/')
    {
      path_fail (error, "a disk without a file needs the overlay named by <source>");
      return NULL;
    }
  if (stem == NULL)
    stem = own_stem = qs_overlay_stem (active);
  base = g_strdup_printf ("%s.%s", stem, name);
  path = g_strdup_printf ("%.*s%s", (int)(strrchr (active, '/') + 1 - active), active, base);
  if (strlen (base) <= QS_MAX_COMPONENT_BYTES && strlen (path) <= QS_MAX_PATH_BYTES)
    return g_steal_pointer (&path);

  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "the generated file name ‘%s’ is too long, use a shorter snapshot name", base);
  return NULL;
}

/**
 * qs_escape_for_terminal:
 *
 * Returns: (transfer full): @text in one line that a terminal shows as it is: control, bidi and
 *   invisible characters and invalid bytes are written as escapes
 */
char *
qs_escape_for_terminal (const char *text)
{
  GString *escaped = g_string_new (NULL);

  while (*text != '\0')
    {
      gunichar c = g_utf8_get_char_validated (text, -1);
      gboolean is_valid = c != (gunichar)-1 && c != (gunichar)-2;

      if (!is_valid || (c < 0x100 && is_control (c)))
        g_string_append_printf (escaped, "\\x%02x", is_valid ? c : (guchar)*text);
      else if (is_control (c) || is_deceptive (c))
        g_string_append_printf (escaped, "\\u%04x", c);
      else
        g_string_append_unichar (escaped, c);
      text = is_valid ? g_utf8_next_char (text) : text + 1;
    }
  return g_string_free (escaped, FALSE);
}
