/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-facts.h"
#include "qs-request.h"

/**
 * qs_scope_check_path:
 * @domain: (nullable): whose images widen the scope
 *
 * A caller who is not the owner may name only paths below an image root of the configuration, or in
 * the folder of an image that the domain has already: the work is done with the owner's rights, and
 * those reach further than the caller's.
 */
gboolean qs_scope_check_path (const QsDomain *domain, const QsRequest *request,
                              const QsQuestions *questions, const char *path, GError **error);

/**
 * qs_scope_check_definition:
 *
 * The same for every path of a definition; and another's QEMU is a stock one, without arguments of
 * the caller's making.
 */
gboolean qs_scope_check_definition (const QsDomain *domain, const QsRequest *request,
                                    const QsQuestions *questions, const QsDomainDef *def,
                                    GError **error);

/**
 * qs_scope_check_recorded:
 *
 * The same for a definition that was read only after the questions were asked.
 */
gboolean qs_scope_check_recorded (const QsDomain *domain, const QsRequest *request,
                                  const QsFacts *facts, const QsDomainDef *def, GError **error);
