/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-genid.h"

#include "qs-name.h"

static xmlNode *
find_node (const QsDomainDef *def)
{
  return qs_xml_child (xmlDocGetRootElement (def->doc), "genid");
}

gboolean
qs_genid_is_asked_for (const QsDomainDef *def)
{
  return find_node (def) != NULL;
}

/**
 * qs_genid_get:
 *
 * Returns: (transfer full) (nullable): the number in lower case; NULL if there is none, or none that
 *   can be read
 */
char *
qs_genid_get (const QsDomainDef *def)
{
  const xmlNode *node = find_node (def);
  g_autofree char *text = node != NULL ? qs_xml_text (node) : NULL;

  return text != NULL ? qs_uuid_canonical (g_strstrip (text)) : NULL;
}

/**
 * qs_genid_set:
 * @genid: (nullable): NULL leaves @def as it is
 *
 * Returns: (transfer full): @def with another number, if it has an element for it
 */
QsDomainDef *
qs_genid_set (const QsDomainDef *def, const char *genid, GError **error)
{
  g_autoptr (xmlDoc) doc = NULL;
  xmlNode *root;

  if (genid == NULL || !qs_genid_is_asked_for (def))
    return qs_domain_def_ref ((QsDomainDef *)def);
  doc = xmlCopyDoc (def->doc, 1);
  root = xmlDocGetRootElement (doc);
  qs_xml_set_text (qs_xml_child (root, "genid"), genid);
  return qs_domain_def_new_node (root, error);
}

/* a first one need not be random: what counts is that the next one is another */
static char *
make_first (const xmlNode *root)
{
  g_autofree char *uuid = qs_xml_child_text (root, "uuid");
  g_autofree char *seed = g_strdup_printf ("genid %s", uuid != NULL ? uuid : "");
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, seed, -1);

  return g_strdup_printf ("%.8s-%.4s-4%.3s-8%.3s-%.12s", sum, sum + 8, sum + 12, sum + 15,
                          sum + 18);
}

/**
 * qs_genid_complete:
 *
 * Writes the number that an empty element leaves open: that of @previous, or a first one.
 */
void
qs_genid_complete (xmlNode *root, const QsDomainDef *previous)
{
  xmlNode *node = qs_xml_child (root, "genid");
  g_autofree char *text = node != NULL ? qs_xml_text (node) : NULL;
  g_autofree char *genid = NULL;

  if (node == NULL || (text != NULL && *g_strstrip (text) != '\0'))
    return;
  genid = previous != NULL ? qs_genid_get (previous) : NULL;
  if (genid == NULL)
    genid = make_first (root);
  qs_xml_set_text (node, genid);
}
