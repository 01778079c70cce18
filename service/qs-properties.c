/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-properties.h"

#include "qs-names.h"
#include "qs-operation.h"

static GVariant *
get_version (const QsSubject *subject)
{
  return g_variant_new_string (QS_VERSION);
}

static GVariant *
get_features (const QsSubject *subject)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);

  for (guint verb = 0; verb < QS_N_VERBS; verb++)
    g_variant_builder_add (&builder, "s", qs_operation_get (verb)->name);
  return g_variant_builder_end (&builder);
}

static GVariant *
get_degraded (const QsSubject *subject)
{
  return g_variant_new_boolean (subject->service->degraded != NULL);
}

static GVariant *
get_degraded_reason (const QsSubject *subject)
{
  const char *reason = subject->service->degraded;

  return g_variant_new_string (reason != NULL ? reason : "");
}

const QsProperty qs_manager_properties[] = {
  { "Version", get_version },
  { "Features", get_features },
  { "Degraded", get_degraded },
  { "DegradedReason", get_degraded_reason },
  { NULL, NULL },
};

static const struct
{
  const char *interface;
  const QsProperty *properties;
} kinds[QS_N_OBJECT_KINDS] = {
  [QS_OBJECT_MANAGER] = { QS_MANAGER_INTERFACE, qs_manager_properties },
  [QS_OBJECT_DOMAIN] = { QS_DOMAIN_INTERFACE, qs_domain_properties },
  [QS_OBJECT_SNAPSHOT] = { QS_SNAPSHOT_INTERFACE, qs_snapshot_properties },
  [QS_OBJECT_JOB] = { QS_JOB_INTERFACE, qs_job_properties },
};

/* NULL for a kind of object that is a mere folder */
const char *
qs_properties_interface (QsObjectKind kind)
{
  return kinds[kind].interface;
}

const QsProperty *
qs_properties_find (QsObjectKind kind, const char *name)
{
  for (const QsProperty *property = kinds[kind].properties; property->name != NULL; property++)
    if (g_str_equal (property->name, name))
      return property;
  return NULL;
}

/* a getter gives a floating reference or one of its own */
static GVariant *
read_property (const QsProperty *property, const QsSubject *subject)
{
  return g_variant_take_ref (property->get (subject));
}

static void
add_property (GVariantBuilder *builder, const QsProperty *property, const QsSubject *subject)
{
  g_autoptr (GVariant) value = read_property (property, subject);

  g_variant_builder_add (builder, "{sv}", property->name, value);
}

/**
 * qs_properties_add_all:
 * @builder: of an a{sv}
 *
 * Adds what is at hand; what has to be looked up is left out.
 */
void
qs_properties_add_all (GVariantBuilder *builder, QsObjectKind kind, const QsSubject *subject)
{
  for (const QsProperty *property = kinds[kind].properties; property->name != NULL; property++)
    if (property->get != NULL)
      add_property (builder, property, subject);
}

/* floating a{sv} */
GVariant *
qs_properties_get_all (QsObjectKind kind, const QsSubject *subject)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  qs_properties_add_all (&builder, kind, subject);
  return g_variant_builder_end (&builder);
}

/* floating a{sv} of those in @names */
GVariant *
qs_properties_get_some (QsObjectKind kind, const QsSubject *subject, const char *const *names)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  for (; *names != NULL; names++)
    add_property (&builder, qs_properties_find (kind, *names), subject);
  return g_variant_builder_end (&builder);
}

/**
 * qs_properties_diff:
 *
 * Returns: (transfer floating) (nullable): a{sv} of those that differ, with the values of @after
 */
GVariant *
qs_properties_diff (QsObjectKind kind, const QsSubject *before, const QsSubject *after)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  guint n = 0;

  for (const QsProperty *property = kinds[kind].properties; property->name != NULL; property++)
    {
      g_autoptr (GVariant) old = NULL;
      g_autoptr (GVariant) new = NULL;

      if (property->get == NULL)
        continue;
      old = read_property (property, before);
      new = read_property (property, after);
      if (g_variant_equal (old, new))
        continue;
      g_variant_builder_add (&builder, "{sv}", property->name, new);
      n++;
    }
  return n > 0 ? g_variant_builder_end (&builder) : NULL;
}

/**
 * qs_properties_interfaces:
 *
 * Returns: (transfer floating): the a{sa{sv}} with which an object is announced
 */
GVariant *
qs_properties_interfaces (QsObjectKind kind, const QsSubject *subject)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sa{sv}}"));

  g_variant_builder_add (&builder, "{s@a{sv}}", kinds[kind].interface,
                         qs_properties_get_all (kind, subject));
  if (kind == QS_OBJECT_DOMAIN)
    g_variant_builder_add (&builder, "{sa{sv}}", QS_OBJECT_MANAGER_INTERFACE, NULL);
  return g_variant_builder_end (&builder);
}
