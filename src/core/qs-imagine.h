/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-change.h"
#include "qs-facts.h"

/* facts as earlier parts of a request will leave them: what the refusals of the next part are checked
   against before the first one has begun. Changes are a(sa{sv}) as planned, without the results of
   steps */

void qs_facts_imagine (QsFacts *facts, GVariant *changes);
void qs_facts_imagine_snapshot (QsFacts *facts, const char *uuid, const QsFacts *imagined,
                                GVariant *changes);
void qs_facts_imagine_merged (QsFacts *facts, const char *path, const char *into, gboolean is_down);
void qs_node_merge (QsNode *node, const char *top, const GArray *places, guint n_files);
void qs_facts_imagine_nodes (QsFacts *facts, const QsDomain *domain);

/* walking a chain by names that are not true yet; @imagined: with all recorded files */
const char *qs_imagined_top (const QsFacts *imagined, const char *path, GPtrArray *chain,
                             const char **format);
const char *qs_imagined_start (const QsFacts *imagined, const char *name);
GArray *qs_imagined_merge (const QsFacts *imagined, GPtrArray *chain);
void qs_imagined_rename (const QsFacts *imagined, GPtrArray *chain);
