/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-enums.h"
#include "qs-xml.h"

/**
 * QsDiskDef:
 *
 * What the service reads of one `<disk>` of a libvirt domain document.
 */
typedef struct
{
  char *target; /* vda */
  char *bus;    /* virtio, or NULL */
  char *alias;  /* <alias name=>, or NULL */
  QsDiskDevice device;
  QsSourceType source_type; /* NONE: an empty drive */
  char *source;             /* absolute path of a file or block device, else NULL */
  char *format; /* driver type; never NULL: raw where the document has none, as in libvirt */
  QsLocation snapshot;
  gboolean readonly; /* a cdrom always is */
  gboolean shareable;
  gboolean transient;
} QsDiskDef;

/**
 * QsDomainDef:
 *
 * A libvirt `<domain>` document, kept whole, and the parts of it that the service reads. Immutable
 * and atomically reference-counted; @doc must not be written to.
 */
typedef struct
{
  xmlDoc *doc;
  gboolean kvm; /* type='kvm', else type='qemu' */
  char *name;
  char *uuid; /* lower case; NULL if the document has none */
  char *emulator;
  char *machine;
  char *loader;
  char *nvram;
  char *nvram_template;
  char *nvram_format; /* raw, unless the document says otherwise */
  guint64 memory_kib; /* 0 if the document has none */
  guint vcpus;        /* the most, 1 if the document has none */
  GPtrArray *disks;   /* of QsDiskDef, in document order */
} QsDomainDef;

QsDomainDef *qs_domain_def_new (const char *xml, GError **error);
QsDomainDef *qs_domain_def_new_record (const char *xml, GError **error);
QsDomainDef *qs_domain_def_new_node (const xmlNode *domain, GError **error);
QsDomainDef *qs_domain_def_ref (QsDomainDef *def);
void qs_domain_def_unref (QsDomainDef *def);
const QsDiskDef *qs_domain_def_find_disk (const QsDomainDef *def, const char *target);
const QsDiskDef *qs_domain_def_find_alias (const QsDomainDef *def, const char *alias);
char *qs_domain_def_format (const QsDomainDef *def, gboolean secure);

/**
 * QsDiskPatch:
 * @source: (nullable): absolute path; NULL: as it is
 * @format: (nullable): driver type; NULL: as it is
 *
 * The truth of one disk, to be written over what the kept document says of it.
 */
typedef struct
{
  const char *target;
  const char *source;
  const char *format;
  const char *mirror; /* NULL: none, and what the document says of one stays */
} QsDiskPatch;

QsDomainDef *qs_domain_def_patch (const QsDomainDef *def, const char *uuid,
                                  const QsDiskPatch *patches, guint n_patches, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsDomainDef, qs_domain_def_unref)
