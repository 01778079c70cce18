/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "plan-golden.h"
#include "qs-error.h"
#include "qs-verify.h"
#include "verify-fixture.h"

#include "qs-planners.h"

#include <string.h>

/* each kind of finding, made on purpose; the golden plans have the words */

static void
lose_state (QsFacts *facts)
{
  verify_lose (facts, VERIFY_STATE);
}

static void
lose_all (QsFacts *facts)
{
  verify_lose (facts, VERIFY_STATE);
  verify_lose (facts, VERIFY_MEMORY);
}

static void
lose_unused (QsFacts *facts)
{
  g_ptr_array_set_size (verify_file (facts, VERIFY_MEMORY)->state_of, 0);
  verify_lose (facts, VERIFY_MEMORY);
}

static void
exchange_state (QsFacts *facts)
{
  verify_sight (facts, VERIFY_STATE)->image->ino = 99;
  verify_sight (facts, VERIFY_STATE)->image->btime++;
}

static void
break_header (QsFacts *facts)
{
  QsSight *sight = verify_sight (facts, VERIFY_STATE);

  g_free (sight->image->format);
  sight->image->format = g_strdup ("");
  sight->error = g_error_new_literal (QS_ERROR, QS_ERROR_IMAGE_FAILED, "no qcow2 header");
}

static void
mark_dirty (QsFacts *facts)
{
  verify_sight (facts, VERIFY_STATE)->image->dirty = TRUE;
}

static void
lose_tag (QsFacts *facts)
{
  QsFile *file = verify_file (facts, VERIFY_TOP);

  g_ptr_array_add (file->tags, g_strdup ("s-1"));
  g_ptr_array_add (file->tag_of, g_strdup (FIXTURE_SNAPSHOT));
}

static void
double_tag (QsFacts *facts)
{
  lose_tag (facts);
  verify_add_tag (verify_sight (facts, VERIFY_TOP), "s-1");
  verify_add_tag (verify_sight (facts, VERIFY_TOP), "s-1");
}

static void
name_other_backing (QsFacts *facts)
{
  QsSight *sight = verify_sight (facts, VERIFY_TOP);

  g_free (sight->below);
  sight->below = g_strdup ("/images/other");
  verify_add_sight (facts->sights, "/images/other", 30);
}

/* the same file by another name is no other file */
static void
name_same_backing (QsFacts *facts)
{
  QsSight *sight = verify_sight (facts, VERIFY_TOP);

  g_free (sight->below);
  sight->below = g_strdup ("/elsewhere/vda.qcow2");
  verify_add_sight (facts->sights, "/elsewhere/vda.qcow2", 10);
}

static void
name_no_backing (QsFacts *facts)
{
  g_clear_pointer (&verify_sight (facts, VERIFY_TOP)->below, g_free);
}

static void
name_new_backing (QsFacts *facts)
{
  g_clear_pointer (&verify_file (facts, VERIFY_TOP)->backing, g_free);
}

static void
name_no_format (QsFacts *facts)
{
  g_clear_pointer (&verify_sight (facts, VERIFY_TOP)->image->backing_format, g_free);
}

static void
name_wrong_format (QsFacts *facts)
{
  name_no_format (facts);
  verify_sight (facts, VERIFY_TOP)->image->backing_format = g_strdup ("raw");
}

static void
make_loop (QsFacts *facts)
{
  verify_sight (facts, VERIFY_STATE)->below = g_strdup (VERIFY_TOP);
  verify_sight (facts, VERIFY_STATE)->image->backing_format = g_strdup ("qcow2");
  verify_file (facts, VERIFY_STATE)->backing = g_strdup (VERIFY_TOP);
}

static void
shrink_top (QsFacts *facts)
{
  verify_sight (facts, VERIFY_TOP)->image->virtual_size /= 2;
}

static void
write_state (QsFacts *facts)
{
  verify_sight (facts, VERIFY_STATE)->image->is_written = TRUE;
}

static void
open_state (QsFacts *facts)
{
  facts->open_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  g_ptr_array_add (facts->open_files, qs_open_file_new (VERIFY_STATE, 1, 10, TRUE));
}

static void
give_write_bits (QsFacts *facts)
{
  verify_file (facts, VERIFY_STATE)->mode = 0600;
}

static void
keep_write_bits (QsFacts *facts)
{
  verify_file (facts, VERIFY_TOP)->mode = 0640;
  verify_sight (facts, VERIFY_TOP)->image->mode = 0440;
}

static void
open_mode (QsFacts *facts)
{
  verify_sight (facts, VERIFY_MEMORY)->image->mode = 0666;
}

static void
open_mode_of_other (QsFacts *facts)
{
  open_mode (facts);
  verify_sight (facts, VERIFY_MEMORY)->image->uid = 0;
}

static void
hide_layer (QsFacts *facts)
{
  g_free (verify_file (facts, VERIFY_STATE)->role);
  verify_file (facts, VERIFY_STATE)->role = g_strdup ("layer");
}

static void
leave_tags (QsFacts *facts)
{
  verify_add_tag (verify_sight (facts, VERIFY_STATE), VERIFY_TAG);
  verify_add_tag (verify_sight (facts, VERIFY_STATE), "mine");
}

static void
leave_used_tag (QsFacts *facts)
{
  verify_add_tag (verify_sight (facts, VERIFY_TOP), VERIFY_TAG);
  verify_sight (facts, VERIFY_TOP)->image->in_use = TRUE;
}

static void
leave_foreign_tag (QsFacts *facts)
{
  verify_add_tag (verify_sight (facts, VERIFY_TOP), VERIFY_TAG);
  g_ptr_array_add (facts->foreign_images, g_strdup (VERIFY_TOP));
}

static void
leave_overlay (QsFacts *facts)
{
  verify_add_sight (facts->strays, "/images/lost", 40)->below = g_strdup (VERIFY_STATE);
}

/* what somebody else knows, and what stands on something else */
static void
leave_known (QsFacts *facts)
{
  verify_add_sight (facts->strays, "/images/theirs", 40)->below = g_strdup (VERIFY_STATE);
  g_ptr_array_add (facts->foreign_images, g_strdup ("/images/theirs"));
  verify_add_sight (facts->strays, "/images/alone", 41)->below = g_strdup ("/images/base");
}

static void
leave_temporary (QsFacts *facts)
{
  verify_add_sight (facts->strays, "/images/.snapd-00112233-0", 40);
}

static void
leave_data (QsFacts *facts)
{
  verify_add_sight (facts->strays, "/images/.snapd-00112233-0", 40)->has_data = TRUE;
}

static void
leave_name (QsFacts *facts)
{
  QsSight *sight = verify_add_sight (facts->strays, "/images/.snapd-00112233-0", 11);

  sight->has_data = TRUE;
  sight->image->n_links = 2;
}

static void
change_nothing (QsFacts *facts)
{
}

static void
cut_short (QsFacts *facts)
{
  facts->sights_cut = TRUE;
}

typedef struct
{
  const char *name;
  void (*make) (QsFacts *facts);
  const char *kinds; /* that are found, by path */
} Case;

static const Case cases[] = {
  { "healthy", change_nothing, "" },
  { "state-missing", lose_state, "missing-file" },
  { "no-data", lose_all, "no-data missing-file missing-file" },
  { "unused-missing", lose_unused, "missing-file" },
  { "exchanged", exchange_state, "wrong-file" },
  { "no-header", break_header, "unreadable-file" },
  { "dirty", mark_dirty, "dirty-image" },
  { "tag-missing", lose_tag, "missing-tag" },
  { "tag-twice", double_tag, "missing-tag" },
  { "backing-other", name_other_backing, "backing-mismatch" },
  { "backing-same", name_same_backing, "" },
  { "backing-none", name_no_backing, "no-backing-name" },
  { "backing-new", name_new_backing, "backing-mismatch" },
  { "format-none", name_no_format, "backing-format" },
  { "format-wrong", name_wrong_format, "backing-format" },
  { "loop", make_loop, "chain-loop" },
  { "smaller", shrink_top, "size-mismatch" },
  { "written", write_state, "state-written" },
  { "opened", open_state, "state-written" },
  { "writable", give_write_bits, "state-writable" },
  { "protected", keep_write_bits, "write-protected" },
  { "open-mode", open_mode, "open-mode" },
  { "open-mode-foreign", open_mode_of_other, "open-mode" },
  { "layer", hide_layer, "hidden-layer" },
  { "tags", leave_tags, "orphan-tag foreign-tag" },
  { "tag-in-use", leave_used_tag, "orphan-tag" },
  { "tag-foreign", leave_foreign_tag, "orphan-tag" },
  { "overlay", leave_overlay, "orphan-overlay" },
  { "known", leave_known, "" },
  { "temporary", leave_temporary, "leftover" },
  { "temporary-data", leave_data, "leftover" },
  { "temporary-name", leave_name, "leftover" },
  { "cut", cut_short, "incomplete" },
};

static char *
list_kinds (const GPtrArray *findings)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < findings->len; i++)
    {
      const QsFinding *finding = g_ptr_array_index (findings, i);

      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", qs_finding_kind_name (finding->kind));
    }
  return g_string_free (text, FALSE);
}

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *name = g_strconcat ("verify-", c->name, NULL);
  g_autoptr (QsDomain) domain = verify_domain ();
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_VERIFY, 0, NULL);
  g_autoptr (QsFacts) facts = verify_facts ();
  g_autoptr (GPtrArray) findings = NULL;
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *kinds = NULL;

  c->make (facts);
  findings = qs_verify_findings (domain, facts);
  kinds = list_kinds (findings);
  g_assert_cmpstr (kinds, ==, c->kinds);
  plan = qs_plan_verify (domain, request, facts, &error);
  g_assert_no_error (error);
  g_assert_true (qs_plan_check_looks (plan, &error));
  g_assert_cmpuint (plan->steps->len, ==, 0);
  plan_golden_check (name, plan);
}

/* images that nobody writes to are read, one after the other */
static void
test_data (void)
{
  g_autoptr (QsDomain) domain = verify_domain ();
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_VERIFY, QS_VERIFY_DATA, NULL);
  g_autoptr (QsFacts) facts = verify_facts ();
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  verify_sight (facts, VERIFY_TOP)->image->is_written = TRUE;
  plan = qs_plan_verify (domain, request, facts, &error);
  g_assert_no_error (error);
  g_assert_true (qs_plan_check_looks (plan, &error));
  g_assert_no_error (error);
  plan_golden_check ("verify-data", plan);
}

/* an id is the same as long as the same is found, and no other finding has it */
static void
test_ids (void)
{
  g_autoptr (QsDomain) domain = verify_domain ();
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (QsFacts) facts = verify_facts ();
      g_autoptr (GPtrArray) findings = NULL;
      g_autoptr (GPtrArray) again = NULL;

      cases[i].make (facts);
      findings = qs_verify_findings (domain, facts);
      again = qs_verify_findings (domain, facts);
      g_hash_table_remove_all (seen);
      for (guint k = 0; k < findings->len; k++)
        {
          const QsFinding *finding = g_ptr_array_index (findings, k);

          g_assert_cmpstr (finding->id, ==, ((QsFinding *)g_ptr_array_index (again, k))->id);
          g_assert_true (g_hash_table_add (seen, g_strdup (finding->id)));
        }
    }
}

static void
test_quarantine (void)
{
  g_autoptr (QsDomain) domain = verify_domain ();
  g_autoptr (QsFacts) facts = verify_facts ();
  g_autoptr (GPtrArray) findings = NULL;
  const QsFinding *finding;

  domain->quarantine_reason = g_strdup ("a disk has moved");
  findings = qs_verify_findings (domain, facts);
  g_assert_cmpuint (findings->len, ==, 1);
  finding = g_ptr_array_index (findings, 0);
  g_assert_cmpstr (qs_finding_kind_name (finding->kind), ==, "quarantine");
  g_assert_nonnull (strstr (finding->text, "a disk has moved"));
  g_assert_cmpint (finding->how, ==, QS_REPAIR_NONE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/verify/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  g_test_add_func ("/verify/data", test_data);
  g_test_add_func ("/verify/ids", test_ids);
  g_test_add_func ("/verify/quarantine", test_quarantine);
  return g_test_run ();
}
