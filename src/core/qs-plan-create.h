/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-planners.h"

/**
 * QsCreate:
 *
 * A create that is allowed, on its way to a plan.
 */
typedef struct
{
  const QsDomain *domain;
  const QsRequest *request;
  const QsFacts *facts;
  const QsSelection *selection;
  char *tag;
  GHashTable *steps; /* disk target -> index of the step that made its overlay */
  GHashTable
      *exchanged;     /* of targets whose new file takes over another name -> its own until then */
  GHashTable *syncs;  /* disk target -> index of the step that switches this disk alone */
  gboolean committed; /* the plan has its commit: what comes now is repeated until it is done */
  gboolean recorded;
  guint stop; /* indexes of steps that later ones refer to */
  guint freeze;
  guint thaw;
  guint memory_file;
  guint firmware_file;
  gboolean has_firmware_file;
  const QsNode *flash; /* of a running guest, whose content goes to the firmware file */
  guint migrate;
} QsCreate;

/* qs-plan-create-ask.c */
QsSelection *qs_create_select (const QsDomain *domain, const QsRequest *request, gint64 now,
                               GError **error);

typedef gboolean (*QsCreateFunc) (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                                  GError **error);
gboolean qs_create_each (QsCreate *create, QsPlan *plan, QsLocation choice, QsCreateFunc func,
                         GError **error);

gboolean qs_create_add_file (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                             GError **error);
gboolean qs_create_add_overlay (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                                const QsImage *base, guint64 size, GError **error);
const char *qs_create_file_path (const QsCreate *create, const QsSelected *selected);

/* qs-plan-create-exchange.c: domains that somebody else starts */
gboolean qs_create_is_exchanged (const QsCreate *create, const QsSelected *selected);
gboolean qs_create_settle_exchange (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                                    GError **error);
gboolean qs_create_add_link (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                             GError **error);
gboolean qs_create_add_protection (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                                   GError **error);
void qs_create_add_exchange (QsCreate *create, QsPlan *plan, gboolean off);
void qs_create_record_exchange (const QsCreate *create, QsChangeList *changes,
                                const QsSelected *selected);

/* qs-plan-create-memory-file.c */
gboolean qs_create_is_stream (const QsCreate *create);
const char *qs_create_memory_path (const QsCreate *create);
void qs_create_ask_memory_room (const QsSelection *selection, QsQuestions *questions);
gboolean qs_create_add_memory_file (QsCreate *create, QsPlan *plan, GError **error);
gboolean qs_create_add_memory_rename (QsCreate *create, QsPlan *plan, GError **error);

/* qs-plan-create-memory.c */
gboolean qs_create_add_memory_node (QsCreate *create, QsPlan *plan, GError **error);
gboolean qs_create_add_memory_release (QsCreate *create, QsPlan *plan, GError **error);
gboolean qs_create_add_save (QsCreate *create, QsPlan *plan, GError **error);
gboolean qs_create_add_stream (QsCreate *create, QsPlan *plan, GError **error);
gboolean qs_create_saves_disk (const QsCreate *create, const QsSelected *selected);
void qs_create_describe_memory (const QsCreate *create, QsSnapshotDef *def);
void qs_create_record_memory (const QsCreate *create, QsChangeList *changes, gboolean metadata);

/* qs-plan-create-mirror.c */
gboolean qs_create_has_mirrors (const QsCreate *create);
gboolean qs_create_check_mirrors (const QsDomain *domain, const QsSelection *selection, guint flags,
                                  guint limit, GError **error);
gboolean qs_create_ask_mirror (const QsDomain *domain, const QsRequest *request,
                               QsQuestions *questions, const QsSelected *selected, GError **error);
gboolean qs_create_add_mirror_files (QsCreate *create, QsPlan *plan, GError **error);
gboolean qs_create_add_mirror_nodes (QsCreate *create, QsPlan *plan, GError **error);
gboolean qs_create_add_mirrors (QsCreate *create, QsPlan *plan, GError **error);
void qs_create_record_mirror (const QsCreate *create, const QsPlan *plan,
                              const QsSelected *selected, QsChangeList *changes);

/* qs-plan-create-quiesce.c */
gboolean qs_create_check_quiesce (const QsRequest *request, QsDomainState state, GError **error);
gboolean qs_create_check_thawed (const QsCreate *create, GError **error);
gboolean qs_create_add_freeze (QsCreate *create, QsPlan *plan, GError **error);
gboolean qs_create_add_thaw (QsCreate *create, QsPlan *plan, GError **error);
void qs_create_record_quiesce (const QsCreate *create, QsChangeList *changes);

/* qs-plan-create-firmware.c */
gboolean qs_create_add_firmware_file (QsCreate *create, QsPlan *plan, GError **error);
gboolean qs_create_add_firmware_node (QsCreate *create, QsPlan *plan, GError **error);
void qs_create_add_firmware_row (const QsCreate *create, const QsPlan *plan,
                                 GVariantBuilder *disks);
gboolean qs_create_copies_firmware (const QsCreate *create);
void qs_create_record_firmware (const QsCreate *create, QsChangeList *changes, gboolean metadata);

/* qs-plan-create-switch.c: all disks of a running guest at one point in time */
const QsNode *qs_create_find_node (const QsCreate *create, const QsSelected *selected,
                                   GError **error);
gboolean qs_create_add_nodes (QsCreate *create, QsPlan *plan, GError **error);
const QsStep *qs_create_find_added (const QsPlan *plan, const char *target);
GVariant *qs_create_condition (const QsCreate *create, const char *target);
gboolean qs_create_switches_at_once (const QsCreate *create);
gboolean qs_create_add_switch (QsCreate *create, QsPlan *plan, GError **error);
gboolean qs_create_add_record (QsCreate *create, QsPlan *plan, GError **error);
void qs_create_record_file (const QsCreate *create, QsChangeList *changes,
                            const QsSelected *selected, const char *path);
