/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-limits.h"
#include "qs-verify.h"

gboolean
qs_ask_verify (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  if (!qs_flags_check (&qs_verify_flag_set, request->flags, error))
    return FALSE;
  qs_verify_ask (domain, questions);
  return TRUE;
}

/* why the tables of an image are not gone through, or NULL */
static const char *
data_obstacle (const QsFacts *facts, const QsImage *image)
{
  if (qs_verify_is_written (facts, image))
    return "a process writes to it; shut the guest down first";
  return image->encrypted ? "it is encrypted" : NULL;
}

/* raw has no tables */
static void
add_check (QsPlan *plan, const QsFacts *facts, const QsSight *sight, GPtrArray *findings)
{
  const QsImage *image = sight->image;
  const char *obstacle = data_obstacle (facts, image);
  guint64 dev, ino;
  QsFinding *finding;

  if (g_str_equal (image->format, "raw"))
    return;
  if (obstacle != NULL)
    {
      finding = qs_finding_new (QS_FINDING_NOT_READ, sight->path, "");
      finding->text = g_strdup_printf ("the data of ‘%s’ were not read: %s", sight->path, obstacle);
      g_ptr_array_add (findings, finding);
      return;
    }
  qs_image_identity (image, &dev, &ino);
  qs_plan_add (plan, QS_STEP_IMAGE_CHECK, QS_PHASE_FINISH, sight->path,
               g_variant_new_parsed ("{'target': <%s>, 'files': <[(%s, %s, %t, %t)]>}", sight->path,
                                     sight->path, image->format, dev, ino));
}

static void
add_checks (QsPlan *plan, const QsFacts *facts, GPtrArray *findings)
{
  for (guint i = 0; i < facts->sights->len; i++)
    {
      const QsSight *sight = g_ptr_array_index (facts->sights, i);

      if (qs_verify_is_image (sight))
        add_check (plan, facts, sight, findings);
    }
}

static void
set_findings (QsPlan *plan, GPtrArray *findings)
{
  GVariantBuilder list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);

  for (guint i = 0; i < MIN (findings->len, QS_MAX_FINDINGS); i++)
    g_variant_builder_add_value (&list, qs_finding_to_variant (g_ptr_array_index (findings, i)));
  g_variant_dict_insert_value (&result, "findings", g_variant_builder_end (&list));
  qs_plan_set_result (plan, g_variant_dict_end (&result));
  if (findings->len > QS_MAX_FINDINGS)
    qs_plan_note (plan, "%u more findings are not told", findings->len - QS_MAX_FINDINGS);
}

/**
 * qs_plan_verify:
 *
 * What can be found by looking is the result already; steps read the data.
 */
QsPlan *
qs_plan_verify (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GPtrArray) findings = qs_verify_findings (domain, facts);

  if ((request->flags & QS_VERIFY_DATA) != 0)
    add_checks (plan, facts, findings);
  set_findings (plan, findings);
  return g_steal_pointer (&plan);
}
