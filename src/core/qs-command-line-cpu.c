/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-error.h"
#include "qs-limits.h"

static const QsWord modes[] = {
  { "host-passthrough", "host" },
  { "host-model", "max" },
  { "maximum", "max" },
  { "custom", NULL },
  { NULL },
};

static const QsWord policies[] = {
  { "force", "on" },    { "require", "on" }, { "optional", "on" },
  { "disable", "off" }, { "forbid", "off" }, { NULL },
};

/* timers that are features of the processor to QEMU */
static const struct
{
  const char *timer;
  const char *feature;
} timers[] = {
  { "kvmclock", "kvmclock" },
  { "hypervclock", "hv-time" },
};

static gboolean
append_features (const xmlNode *cpu, GString *value, GError **error)
{
  for (const xmlNode *node = qs_xml_child (cpu, "feature"); node;
       node = qs_xml_next (node, "feature"))
    {
      g_autofree char *name = qs_xml_attribute (node, "name");
      const char *policy = "on";

      if (!qs_line_is_word (name, "-._", QS_MAX_WORD_BYTES))
        return qs_line_refuse (error, node, "has no usable name");
      if (!qs_line_word (node, "policy", policies, &policy, error))
        return FALSE;
      g_string_append_printf (value, ",%s=%s", name, policy);
    }
  return TRUE;
}

static gboolean
append_timers (QsLine *line, GString *value, GError **error)
{
  const xmlNode *timer = qs_xml_child (qs_xml_child (line->root, "clock"), "timer");

  for (; timer; timer = qs_xml_next (timer, "timer"))
    {
      g_autofree char *name = qs_xml_attribute (timer, "name");
      const char *present = "on";

      for (guint i = 0; i < G_N_ELEMENTS (timers); i++)
        {
          if (g_strcmp0 (name, timers[i].timer) != 0)
            continue;
          if (!qs_line_word (timer, "present", qs_words_on_off, &present, error))
            return FALSE;
          g_string_append_printf (value, ",%s=%s", timers[i].feature, present);
        }
    }
  return TRUE;
}

/* the emulator cannot pass its host's processor on: it gives all it has, as with libvirt */
static const char *
choose_model (const QsLine *line, const char *mode, const char *model)
{
  if (!mode)
    return model;
  return line->def->kvm || !g_str_equal (mode, "host") ? mode : "max";
}

static gboolean
append_model (QsLine *line, const xmlNode *cpu, GString *value, GError **error)
{
  g_autofree char *model = qs_xml_child_text (cpu, "model");
  const char *migratable = NULL;
  const char *mode = NULL;
  const char *name = NULL;

  if (!qs_line_word (cpu, "mode", modes, &mode, error)
      || !qs_line_word (cpu, "migratable", qs_words_on_off, &migratable, error))
    return FALSE;
  if (model && !qs_line_is_word (model, "-._", QS_MAX_WORD_BYTES))
    return qs_line_refuse (error, qs_xml_child (cpu, "model"), "names no processor");

  name = choose_model (line, mode, model);
  if (name)
    g_string_append (value, name);
  if (mode && migratable)
    g_string_append_printf (value, ",migratable=%s", migratable);
  return TRUE;
}

static gboolean
add_model (QsLine *line, const xmlNode *cpu, GError **error)
{
  g_autoptr (GString) value = g_string_new (NULL);
  gsize bare = 0;

  if (!append_model (line, cpu, value, error))
    return FALSE;
  /* features need a processor: QEMU's own default */
  bare = value->len;
  if (!bare)
    g_string_append (value, "qemu64");
  if (!append_features (cpu, value, error) || !append_timers (line, value, error))
    return FALSE;
  if (bare || value->len > sizeof "qemu64" - 1)
    qs_line_add (line, "-cpu", value->str);
  return TRUE;
}

static gboolean
append_topology (QsLine *line, const xmlNode *topology, GString *value, GError **error)
{
  static const char *const parts[] = { "sockets", "dies", "cores", "threads" };
  guint64 product = 1;

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      guint64 count = 1;

      if (!qs_line_number (topology, parts[i], QS_MAX_VCPUS, &count, error))
        return FALSE;
      product *= count;
      g_string_append_printf (value, ",%s=%" G_GUINT64_FORMAT, parts[i], count);
    }
  if (product != line->def->vcpus)
    return qs_line_refuse (error, topology,
                           "makes %" G_GUINT64_FORMAT " processors, but <vcpu> is %u", product,
                           line->def->vcpus);
  return TRUE;
}

static gboolean
add_smp (QsLine *line, const xmlNode *cpu, GError **error)
{
  g_autoptr (GString) value = g_string_new (NULL);
  const xmlNode *topology = qs_xml_child (cpu, "topology");
  const xmlNode *vcpu = qs_xml_child (line->root, "vcpu");
  guint64 current = line->def->vcpus;

  if (!qs_line_number (vcpu, "current", line->def->vcpus, &current, error))
    return FALSE;
  if (!current)
    return qs_line_refuse (error, vcpu, "has no processor in use");

  g_string_append_printf (value, "%" G_GUINT64_FORMAT, current);
  if (current != line->def->vcpus)
    g_string_append_printf (value, ",maxcpus=%u", line->def->vcpus);
  if (topology)
    {
      if (!append_topology (line, topology, value, error))
        return FALSE;
    }
  else
    g_string_append_printf (value, ",sockets=%u,cores=1,threads=1", line->def->vcpus);
  qs_line_add (line, "-smp", value->str);
  return TRUE;
}

/* -cpu, -m and -smp */
gboolean
qs_line_cpu (QsLine *line, GError **error)
{
  const xmlNode *cpu = qs_xml_child (line->root, "cpu");

  if (!line->def->memory_kib)
    return qs_line_refuse (error, line->root, "has no <memory>");
  if (!add_model (line, cpu, error))
    return FALSE;
  /* all of <memory>: the balloon is the guest's and the user's to move */
  qs_line_take (line, "-m", g_strdup_printf ("size=%" G_GUINT64_FORMAT "k", line->def->memory_kib));
  return add_smp (line, cpu, error);
}
