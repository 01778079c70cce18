/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-command-line-address.h"

#include <json-glib/json-glib.h>

/* shared by the qs-command-line-*.c only */

typedef enum
{
  QS_BOOT_HD,
  QS_BOOT_CDROM,
  QS_BOOT_FD,
  QS_BOOT_NETWORK,
} QsBootClass;
#define QS_N_BOOT_CLASSES (QS_BOOT_NETWORK + 1)

/**
 * QsLine:
 *
 * A command line being made.
 */
typedef struct
{
  const QsDomainDef *def; /* addresses are assigned */
  const QsCommandLineOptions *options;
  gboolean dry; /* nothing is started with it: no chains at hand */
  const xmlNode *root;
  const xmlNode *devices;
  QsChipset chipset;
  GPtrArray *words;
  GPtrArray *paths;
  guint boot[QS_N_BOOT_CLASSES]; /* bootindex of the first device of a class; 0: none, or taken */
  guint n_disks;
  GHashTable *counts; /* of devices so far, by prefix of their ids */
} QsLine;

/* a word of libvirt and QEMU's for it; tables end with a NULL */
typedef struct
{
  const char *libvirt;
  const char *qemu;
} QsWord;

typedef enum
{
  QS_PROP_TEXT,
  QS_PROP_NUMBER,
  QS_PROP_BOOLEAN,
  QS_PROP_WORD,
} QsPropType;

/**
 * QsProp:
 * @child: NULL: the element itself
 * @attribute: NULL: the text of the element
 * @max: of a number; also the longest text
 *
 * How a value of a device element becomes a property of -device. Tables end with a NULL property.
 */
typedef struct
{
  const char *child;
  const char *attribute;
  const char *property;
  QsPropType type;
  guint64 max;
  const QsWord *words;
} QsProp;

extern const QsWord qs_words_on_off[];

gboolean qs_line_refuse (GError **error, const xmlNode *node, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
gboolean qs_line_word (const xmlNode *node, const char *attribute, const QsWord *words,
                       const char **word, GError **error);
gboolean qs_line_number (const xmlNode *node, const char *attribute, guint64 max, guint64 *value,
                         GError **error);
gboolean qs_line_properties (const xmlNode *node, const QsProp *properties, JsonObject *object,
                             GError **error);
gboolean qs_line_path (QsLine *line, const xmlNode *node, const char *path, GError **error);
gboolean qs_line_is_word (const char *text, const char *extra, gsize max);

void qs_line_add (QsLine *line, const char *option, const char *value);
void qs_line_take (QsLine *line, const char *option, char *value);
void qs_line_take_json (QsLine *line, const char *option, JsonObject *object);
char *qs_line_escape (const char *value);
char *qs_line_id (QsLine *line, const char *prefix);
gboolean qs_line_boot_index (QsLine *line, const xmlNode *device, QsBootClass boot, guint64 *index,
                             GError **error);
gboolean qs_line_set_boot (QsLine *line, const xmlNode *device, QsBootClass boot,
                           JsonObject *object, GError **error);
JsonObject *qs_line_device (const char *driver, const char *id);
gboolean qs_line_pci (QsLine *line, const xmlNode *device, JsonObject *object, GError **error);
gboolean qs_line_usb (const xmlNode *device, JsonObject *object, GError **error);

gboolean qs_line_known (const xmlNode *root, GError **error);

/* the groups of the command line */
gboolean qs_line_machine (QsLine *line, GError **error);
gboolean qs_line_cpu (QsLine *line, GError **error);
gboolean qs_line_boot (QsLine *line, GError **error);
gboolean qs_line_events (QsLine *line, GError **error);
gboolean qs_line_clock (QsLine *line, GError **error);

gboolean qs_line_disk (QsLine *line, const xmlNode *device, GError **error);
gboolean qs_line_nodes (QsLine *line, const xmlNode *device, const QsDiskDef *disk, GError **error);
gboolean qs_line_source (QsLine *line, const xmlNode *device, JsonObject *node, GError **error);
gboolean qs_line_controller (QsLine *line, const xmlNode *device, GError **error);
gboolean qs_line_interface (QsLine *line, const xmlNode *device, GError **error);
gboolean qs_line_serial (QsLine *line, const xmlNode *device, GError **error);
gboolean qs_line_console (QsLine *line, const xmlNode *device, GError **error);
gboolean qs_line_channel (QsLine *line, const xmlNode *device, GError **error);
/* how many words of custom arguments a trial leaves out from @word on */
guint qs_line_outward_words (const char *word);
gboolean qs_line_graphics (QsLine *line, const xmlNode *device, GError **error);
GVariant *qs_line_display (QsLine *line, const xmlNode *graphics);
gboolean qs_line_video (QsLine *line, const xmlNode *device, GError **error);
gboolean qs_line_input (QsLine *line, const xmlNode *device, GError **error);
gboolean qs_line_rng (QsLine *line, const xmlNode *device, GError **error);
gboolean qs_line_memballoon (QsLine *line, const xmlNode *device, GError **error);
gboolean qs_line_watchdog (QsLine *line, const xmlNode *device, GError **error);
gboolean qs_line_panic (QsLine *line, const xmlNode *device, GError **error);
gboolean qs_line_audio (QsLine *line, const xmlNode *device, GError **error);
