/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-facts.h"

/* values of the core as they travel between worker and daemon */

#define QS_WIRE_IMAGE "(ssa{st}msmsa(sst))"
#define QS_WIRE_TARGET "(sa{st}(ss))"
#define QS_WIRE_SIGHT "(sbm" QS_WIRE_IMAGE "sss)" /* of QsSight, the error last */
#define QS_WIRE_LINKS "a(sss)" /* path; path and format of its recorded backing file */

GVariant *qs_wire_image_to_variant (const QsImage *image);
QsImage *qs_wire_image_from_variant (GVariant *value);

GVariant *qs_wire_target_to_variant (const QsTarget *target);
QsTarget *qs_wire_target_from_variant (GVariant *value);

GVariant *qs_wire_sight_to_variant (const QsSight *sight);
QsSight *qs_wire_sight_from_variant (GVariant *value);

GError *qs_wire_error_new (const char *name, const char *text);
