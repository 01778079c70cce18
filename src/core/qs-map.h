/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsMap:
 *
 * An immutable ordered map: an AVL tree whose changed version shares all but a path with the old
 * one, so that a tree of 100,000 snapshots is changed in microseconds and handed to another thread
 * without a lock. NULL is the empty map. Values carry their own key.
 */
typedef struct QsMap QsMap;

/**
 * QsMapType:
 * @compare: orders two values; @b may be a key of the caller's making
 *
 * Held by every call; one static const per kind of map.
 */
typedef struct
{
  GCompareFunc compare;
  gpointer (*ref) (gpointer value);
  GDestroyNotify unref;
} QsMapType;

QsMap *qs_map_ref (QsMap *map);
void qs_map_unref (QsMap *map, const QsMapType *type);
QsMap *qs_map_new_sorted (const QsMapType *type, gpointer *values, guint n_values);
QsMap *qs_map_insert (QsMap *map, const QsMapType *type, gpointer value);
QsMap *qs_map_remove (QsMap *map, const QsMapType *type, gconstpointer key);
gpointer qs_map_lookup (const QsMap *map, const QsMapType *type, gconstpointer key);
guint qs_map_size (const QsMap *map);

/* in order from the first value that is not below @key (NULL: from the start) until @func is FALSE */
typedef gboolean (*QsMapFunc) (gpointer value, gpointer user_data);
gboolean qs_map_foreach (const QsMap *map, const QsMapType *type, gconstpointer key, QsMapFunc func,
                         gpointer user_data);

typedef void (*QsMapDiffFunc) (gpointer before, gpointer after, gpointer user_data);
void qs_map_diff (const QsMap *before, const QsMap *after, const QsMapType *type,
                  QsMapDiffFunc func, gpointer user_data);
