/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

/* restart after a shutdown is not among them: QEMU has ended by then */
static const QsWord on_poweroff[] = { { "destroy", NULL },
                                      { "preserve", "shutdown=pause" },
                                      { NULL } };

static const QsWord on_reboot[] = { { "restart", NULL },
                                    { "destroy", "reboot=shutdown" },
                                    { NULL } };

static const QsWord on_crash[] = { { "destroy", NULL }, { "preserve", "panic=pause" }, { NULL } };

/* without a device that tells of a crash it means nothing */
static const QsWord on_no_crash[] = {
  { "destroy", NULL },
  { "preserve", NULL },
  { "restart", NULL },
  { "coredump-destroy", NULL },
  { "coredump-restart", NULL },
  { "rename-restart", NULL },
  { NULL },
};

static const QsWord watchdog_actions[] = {
  { "reset", NULL },
  { "shutdown", "watchdog=shutdown" },
  { "poweroff", "watchdog=poweroff" },
  { "pause", "watchdog=pause" },
  { "none", "watchdog=none" },
  { "inject-nmi", "watchdog=inject-nmi" },
  { NULL },
};

static const QsWord clock_offsets[] = { { "utc", "utc" }, { "localtime", "localtime" }, { NULL } };
static const QsWord rtc_policies[] = { { "delay", "" }, { "catchup", ",driftfix=slew" }, { NULL } };
static const QsWord pit_policies[] = { { "delay", NULL }, { "discard", "discard" }, { NULL } };

/* the sleep states that a chip set can be told not to have */
static const struct
{
  const char *element;
  const char *property;
} sleeps[] = {
  { "suspend-to-mem", "disable_s3" },
  { "suspend-to-disk", "disable_s4" },
};
static const char *const power_managers[] = { "PIIX4_PM", "ICH9-LPC" };

static gboolean
add_action (const xmlNode *parent, const char *element, const QsWord *words, GString *actions,
            GError **error)
{
  const QsProp content[] = { { NULL, NULL, "action", QS_PROP_WORD, 0, words }, { NULL } };
  g_autoptr (JsonObject) found = json_object_new ();
  const xmlNode *node = qs_xml_child (parent, element);

  if (node && !qs_line_properties (node, content, found, error))
    return FALSE;
  if (json_object_has_member (found, "action"))
    g_string_append_printf (actions, "%s%s", actions->len ? "," : "",
                            json_object_get_string_member (found, "action"));
  return TRUE;
}

static gboolean
add_watchdog (const QsLine *line, GString *actions, GError **error)
{
  const char *action = NULL;

  if (!qs_line_word (qs_xml_child (line->devices, "watchdog"), "action", watchdog_actions, &action,
                     error))
    return FALSE;
  if (action)
    g_string_append_printf (actions, "%s%s", actions->len ? "," : "", action);
  return TRUE;
}

static gboolean
add_sleeps (QsLine *line, GError **error)
{
  const xmlNode *pm = qs_xml_child (line->root, "pm");

  for (guint i = 0; i < G_N_ELEMENTS (sleeps); i++)
    {
      const char *enabled = NULL;

      if (!qs_line_word (qs_xml_child (pm, sleeps[i].element), "enabled", qs_words_on_off, &enabled,
                         error))
        return FALSE;
      if (enabled)
        qs_line_take (line, "-global",
                      g_strdup_printf ("%s.%s=%u", power_managers[line->chipset],
                                       sleeps[i].property, g_str_equal (enabled, "off")));
    }
  return TRUE;
}

/* -action and the sleep states */
gboolean
qs_line_events (QsLine *line, GError **error)
{
  g_autoptr (GString) actions = g_string_new (NULL);
  gboolean has_panic = qs_xml_child (line->devices, "panic") != NULL;

  if (!add_action (line->root, "on_poweroff", on_poweroff, actions, error)
      || !add_action (line->root, "on_reboot", on_reboot, actions, error)
      || !add_action (line->root, "on_crash", has_panic ? on_crash : on_no_crash, actions, error)
      || !add_watchdog (line, actions, error))
    return FALSE;
  if (actions->len)
    qs_line_add (line, "-action", actions->str);
  return add_sleeps (line, error);
}

/* the hpet is the machine's, others are the processor's */
static gboolean
add_timer (QsLine *line, const xmlNode *timer, GString *rtc, GError **error)
{
  static const QsWord names[] = { { "rtc", "rtc" },           { "pit", "pit" },
                                  { "hpet", "hpet" },         { "kvmclock", "kvmclock" },
                                  { "hypervclock", "hyper" }, { NULL } };
  const char *name = NULL;
  const char *policy = NULL;

  if (!qs_line_word (timer, "name", names, &name, error))
    return FALSE;
  if (g_strcmp0 (name, "rtc") == 0)
    {
      if (!qs_line_word (timer, "tickpolicy", rtc_policies, &policy, error))
        return FALSE;
      g_string_append (rtc, policy ? policy : "");
      return TRUE;
    }
  if (!qs_line_word (timer, "tickpolicy", pit_policies, &policy, error))
    return FALSE;
  if (policy && g_str_equal (name, "pit") && line->def->kvm)
    qs_line_add (line, "-global", "kvm-pit.lost_tick_policy=discard");
  return TRUE;
}

gboolean
qs_line_clock (QsLine *line, GError **error)
{
  const xmlNode *clock = qs_xml_child (line->root, "clock");
  g_autoptr (GString) rtc = g_string_new ("base=");
  const char *offset = "utc";

  if (!qs_line_word (clock, "offset", clock_offsets, &offset, error))
    return FALSE;
  g_string_append (rtc, offset);
  for (const xmlNode *node = qs_xml_child (clock, "timer"); node;
       node = qs_xml_next (node, "timer"))
    if (!add_timer (line, node, rtc, error))
      return FALSE;
  qs_line_add (line, "-rtc", rtc->str);
  return TRUE;
}
