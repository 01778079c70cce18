/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qmp-peer.h"
#include "qs-error.h"
#include "qs-guest.h"
#include "qs-json-scan.h"
#include "qs-process.h"

#include <string.h>
#include <unistd.h>

/* what a program says that it were a QEMU; NULL: it refuses */
typedef struct
{
  const char *name;
  const char *devices;
  const char *port;  /* property `name` of the device */
  const char *label; /* property `chardev` */
  const char *chardevs;
  const char *known; /* what the caller was told */
  const char *path;  /* what is found */
  gboolean is_open;
  const char *error; /* NULL: there is none */
} Case;

#define PORT                                                                                       \
  "[{\"name\": \"type\", \"type\": \"string\"}, 7, {\"name\": \"device[1]\", \"type\": "           \
  "\"child<virtserialport>\"}]"
#define AGENT "\"org.qemu.guest_agent.0\""
#define CHARDEV(label, filename, open)                                                             \
  "{\"label\": \"" label "\", \"filename\": \"" filename "\", \"frontend-open\": " open "}"
#define OTHER CHARDEV ("mon", "unix:/run/mon.sock,server=on", "true")

static const Case cases[] = {
  { "found", PORT, AGENT, "\"qga\"",
    "[" OTHER ", " CHARDEV ("qga", "disconnected:unix:/run/a,b.sock,server=on", "true") "]", NULL,
    "/run/a,b.sock", TRUE, NULL },
  { "connected", PORT, AGENT, "\"qga\"",
    "[" CHARDEV ("qga", "unix:/run/qga.sock,server=on", "true") "]", NULL, "/run/qga.sock", TRUE,
    NULL },
  { "older", PORT, AGENT, "\"qga\"", "[" CHARDEV ("qga", "unix:/run/qga.sock,server", "false") "]",
    NULL, "/run/qga.sock", FALSE, NULL },
  { "closed", PORT, AGENT, "\"qga\"",
    "[" CHARDEV ("qga", "disconnected:unix:/run/qga.sock,server=on", "false") "]", NULL,
    "/run/qga.sock", FALSE, NULL },
  { "another-port", PORT, "\"com.redhat.spice.0\"", "\"qga\"",
    "[" CHARDEV ("qga", "unix:/run/qga.sock,server=on", "true") "]", NULL, NULL, FALSE, NULL },
  { "no-port", "[]", NULL, NULL, "[" OTHER "]", NULL, NULL, FALSE, NULL },
  { "no-name", PORT, NULL, NULL, "[" OTHER "]", NULL, NULL, FALSE, NULL },
  { "no-label", PORT, AGENT, "7", "[" OTHER "]", NULL, NULL, FALSE, NULL },
  { "relative", PORT, AGENT, "\"qga\"",
    "[" CHARDEV ("qga", "disconnected:unix:qga.sock,server=on", "true") "]", NULL, NULL, TRUE,
    NULL },
  { "client", PORT, AGENT, "\"qga\"", "[" CHARDEV ("qga", "unix:/run/qga.sock", "true") "]", NULL,
    NULL, TRUE, NULL },
  { "abstract", PORT, AGENT, "\"qga\"",
    "[" CHARDEV ("qga", "unix:/run/qga.sock,abstract=on,server=on,x", "true") "]", NULL, NULL, TRUE,
    NULL },
  { "told", PORT, AGENT, "\"qga\"",
    "[" CHARDEV ("qga", "disconnected:unix:/run/qga.sock,server=on", "false") "]",
    "/run/proxy.sock", "/run/proxy.sock", FALSE, NULL },
  { "told-no-port", "[]", NULL, NULL,
    "[" CHARDEV ("serial", "disconnected:unix:/run/isa.sock,server=on", "false") "]",
    "/run/isa.sock", "/run/isa.sock", FALSE, NULL },
  { "told-unheard", "[]", NULL, NULL, "[" OTHER "]", "/run/isa.sock", "/run/isa.sock", TRUE, NULL },
  { "nonsense", PORT, AGENT, "\"qga\"",
    "[1, {}, {\"filename\": 3}, {\"filename\": \"\"}, {\"filename\": \"unix:\", \"label\": 1}]",
    NULL, NULL, FALSE, NULL },
  { "devices", "{}", AGENT, "\"qga\"", "[]", NULL, NULL, FALSE, "‘qom-list’" },
  { "chardevs", PORT, AGENT, "\"qga\"", "{}", NULL, NULL, FALSE, "‘query-chardev’" },
};

static const char *
find_answer (const Case *test, JsonObject *command)
{
  const char *name = qs_json_string (command, "execute");
  JsonObject *arguments = qs_json_object (command, "arguments");

  if (g_str_equal (name, "qom-list"))
    return test->devices;
  if (g_str_equal (name, "query-chardev"))
    return test->chardevs;
  if (!g_str_equal (name, "qom-get"))
    return NULL;
  g_assert_true (g_str_has_suffix (qs_json_string (arguments, "path"), "/device[1]"));
  return g_str_equal (qs_json_string (arguments, "property"), "name") ? test->port : test->label;
}

static void
pretend (Peer *peer, gpointer data)
{
  g_autoptr (JsonNode) uuid = NULL;

  peer_greet (peer);
  uuid = peer_read (peer);
  peer_answer (peer, "\"return\": {\"UUID\": \"00000000-0000-0000-0000-000000000000\"}");
  for (;;)
    {
      g_autoptr (JsonNode) command = peer_read (peer);
      const char *answer = NULL;
      g_autofree char *text = NULL;

      if (command == NULL)
        return;
      answer = find_answer (data, json_node_get_object (command));
      text = answer != NULL ? g_strconcat ("\"return\": ", answer, NULL)
                            : g_strdup ("\"error\": {\"class\": \"GenericError\", \"desc\": \"\"}");
      peer_answer (peer, text);
    }
}

static void
test_find (gconstpointer data)
{
  const Case *test = data;
  g_autoptr (QsProcess) self = qs_process_identify (getpid (), getuid (), "", "");
  QsGuestIdentity identity = { NULL, NULL, getuid (), self };
  g_autoptr (QsGuest) guest = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  gboolean is_open = FALSE;
  Peer *peer;
  int fd;

  peer = peer_new (pretend, (gpointer)test, &fd);
  guest = qs_guest_new (fd, &identity, NULL, &error);
  g_assert_no_error (error);
  qs_guest_find_agent (guest, test->known, &path, &is_open, &error);
  qs_guest_close (guest);
  peer_free (peer);
  if (test->error != NULL)
    {
      g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
      g_assert_nonnull (strstr (error->message, test->error));
      return;
    }
  g_assert_no_error (error);
  g_assert_cmpstr (path, ==, test->path);
  g_assert_true (is_open == test->is_open);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/guest/agent/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_find);
    }
  return g_test_run ();
}
