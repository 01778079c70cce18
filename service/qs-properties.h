/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-jobs.h"
#include "qs-service.h"

/**
 * QsSubject:
 *
 * What properties are read of; as much as the kind of object has. For snapshots @service is not
 * used, so that they can be read in any thread.
 */
typedef struct
{
  QsService *service;
  const QsDomain *domain;
  const QsSnapshot *snapshot;
  QsJob *job;
} QsSubject;

/**
 * QsProperty:
 * @get: NULL for what has to be looked up: qs-slow-properties.c reads it in a thread
 */
typedef struct
{
  const char *name;
  GVariant *(*get) (const QsSubject *subject);
} QsProperty;

extern const QsProperty qs_manager_properties[];
extern const QsProperty qs_domain_properties[];
extern const QsProperty qs_snapshot_properties[];
extern const QsProperty qs_job_properties[];

const char *qs_properties_interface (QsObjectKind kind);
const QsProperty *qs_properties_find (QsObjectKind kind, const char *name);
GVariant *qs_properties_get_all (QsObjectKind kind, const QsSubject *subject);
GVariant *qs_properties_get_some (QsObjectKind kind, const QsSubject *subject,
                                  const char *const *names);
void qs_properties_add_all (GVariantBuilder *builder, QsObjectKind kind, const QsSubject *subject);
GVariant *qs_properties_diff (QsObjectKind kind, const QsSubject *before, const QsSubject *after);
GVariant *qs_properties_interfaces (QsObjectKind kind, const QsSubject *subject);
