/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-exchange.h"

#include <string.h>

#define WRITE_BITS 0222u
#define ASIDE ".snapd-"

/* what a running QEMU must know for it */
static const char *const commands[] = { "transaction", "blockdev-add", "blockdev-del",
                                        "blockdev-reopen", NULL };

/**
 * qs_exchange_obstacle:
 * @image: the active file of the disk
 *
 * Returns: (nullable): why no overlay can take over the name of @image, as the end of a sentence
 */
const char *
qs_exchange_obstacle (const QsDomain *domain, const QsFacts *facts, const QsImage *image)
{
  if (domain->attachment == NULL || !domain->attachment->stable_path)
    return "stable-path is off, as it was asked for or because QEMU is started with backing files "
           "by name";
  /* the script may name the format; a raw file of that name would be taken for the disk itself */
  if (!g_str_equal (image->format, "qcow2"))
    return "it is not of format qcow2";
  if (!image->linkable)
    return "it lies where a file cannot have two names";
  if (image->n_links != 1)
    return "it has other names already";
  if (facts->state != QS_DOMAIN_SHUTOFF && !qs_facts_has_commands (facts, commands))
    return "this QEMU is too old for it";
  if (facts->names_backing)
    return "QEMU was told backing files by name";
  return NULL;
}

/**
 * qs_exchange_aside:
 *
 * Returns: (transfer full): a hidden name in the folder of @active
 */
char *
qs_exchange_aside (const char *active, const char *op, guint n)
{
  return g_strdup_printf ("%.*s" ASIDE "%s-%u", (int)(strrchr (active, '/') + 1 - active), active,
                          op, n);
}

/**
 * qs_exchange_is_aside:
 *
 * Whether a file was opened under a name that it had only until it took over another one: what it is
 * called now, such a name does not tell.
 */
gboolean
qs_exchange_is_aside (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash != NULL && g_str_has_prefix (slash + 1, ASIDE);
}

void
qs_exchange_add_link (QsPlan *plan, const QsExchange *exchange)
{
  qs_plan_add (plan, QS_STEP_FILE_LINK, QS_PHASE_PREPARE, exchange->target,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'from': <%s>, 'dev': <%t>,"
                                     " 'ino': <%t>, 'btime': <%x>}",
                                     exchange->target, exchange->kept, exchange->active,
                                     exchange->image->dev, exchange->image->ino,
                                     exchange->image->btime));
}

/**
 * qs_exchange_is_protectable:
 *
 * Only the owner of a file may change its mode.
 */
gboolean
qs_exchange_is_protectable (const QsImage *image, guint32 owner)
{
  return image->uid == owner && image->rdev == 0;
}

/**
 * qs_exchange_is_protected:
 *
 * Returns: whether qs_exchange_add_protection() changes the mode of @image, which is to be recorded
 */
gboolean
qs_exchange_is_protected (const QsImage *image, guint32 owner)
{
  return qs_exchange_is_protectable (image, owner) && (image->mode & WRITE_BITS) != 0;
}

/* @step: that it depends on, as argument @key; G_MAXUINT: none */
static void
add_mode (QsPlan *plan, QsPhase phase, const QsProtection *file, const char *key, guint step)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  guint32 mode = file->image->mode & 07777u;

  g_variant_dict_insert (&dict, "target", "s", file->target);
  g_variant_dict_insert (&dict, "path", "s", file->path);
  g_variant_dict_insert (&dict, "dev", "t", file->image->dev);
  g_variant_dict_insert (&dict, "ino", "t", file->image->ino);
  g_variant_dict_insert (&dict, "btime", "x", file->image->btime);
  g_variant_dict_insert (&dict, "mode", "u", mode & ~WRITE_BITS);
  g_variant_dict_insert (&dict, "before", "u", mode);
  if (step != G_MAXUINT)
    g_variant_dict_insert (&dict, key, "u", step);
  qs_plan_add (plan, QS_STEP_FILE_MODE, phase, file->target, g_variant_dict_end (&dict));
}

/**
 * qs_exchange_add_protection:
 *
 * Takes the write bits off a file that becomes a state file.
 *
 * Returns: FALSE if that cannot be done: only the owner of a file may
 */
gboolean
qs_exchange_add_protection (QsPlan *plan, const QsProtection *file, guint32 owner)
{
  if (qs_exchange_is_protected (file->image, owner))
    add_mode (plan, QS_PHASE_PREPARE, file, NULL, G_MAXUINT);
  return qs_exchange_is_protectable (file->image, owner);
}

/**
 * qs_exchange_add_late_protection:
 * @step: index of the step that switches this disk alone, and may fail after others were switched
 *
 * The same, once it is known that the file has become a state file.
 */
gboolean
qs_exchange_add_late_protection (QsPlan *plan, const QsProtection *file, guint32 owner, guint step)
{
  if (qs_exchange_is_protected (file->image, owner))
    add_mode (plan, QS_PHASE_FINISH, file, "switch", step);
  return qs_exchange_is_protectable (file->image, owner);
}

/**
 * qs_exchange_add_protection_if:
 * @step: index of a step that says whether it was done; G_MAXUINT: there is none
 *
 * Of a file that qs_exchange_is_protected(), when no disk is on it any more.
 */
void
qs_exchange_add_protection_if (QsPlan *plan, const QsProtection *file, guint step)
{
  add_mode (plan, QS_PHASE_FINISH, file, "if-done", step);
}

/**
 * qs_exchange_add_rename:
 * @step: index of the step that made the overlay, if it was not there before
 * @off: no QEMU runs that has gone over to it
 */
void
qs_exchange_add_rename (QsPlan *plan, QsPhase phase, const QsExchange *exchange, guint step,
                        gboolean off)
{
  const QsImage *waiting = exchange->waiting;
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add_parsed (&arguments, "{'target', <%s>}", exchange->target);
  g_variant_builder_add_parsed (&arguments, "{'path', <%s>}", exchange->aside);
  g_variant_builder_add_parsed (&arguments, "{'over', <%s>}", exchange->active);
  g_variant_builder_add_parsed (&arguments, "{'kept', <%s>}", exchange->kept);
  if (waiting == NULL)
    g_variant_builder_add_parsed (&arguments, "{'image', <%u>}", step);
  else
    {
      g_variant_builder_add_parsed (&arguments, "{'from-dev', <%t>}", waiting->dev);
      g_variant_builder_add_parsed (&arguments, "{'from-ino', <%t>}", waiting->ino);
      g_variant_builder_add_parsed (&arguments, "{'from-btime', <%x>}", waiting->btime);
    }
  g_variant_builder_add_parsed (&arguments, "{'dev', <%t>}", exchange->image->dev);
  g_variant_builder_add_parsed (&arguments, "{'ino', <%t>}", exchange->image->ino);
  g_variant_builder_add_parsed (&arguments, "{'btime', <%x>}", exchange->image->btime);
  g_variant_builder_add_parsed (&arguments, "{'off', <%b>}", off);
  qs_plan_add (plan, QS_STEP_FILE_RENAME, phase, exchange->target,
               g_variant_builder_end (&arguments));
}
