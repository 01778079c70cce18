/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qmp-peer.h"
#include "qs-engine-private.h"
#include "qs-error.h"
#include "qs-json-scan.h"
#include "qs-process.h"

#include <string.h>
#include <unistd.h>

/* a program that says it were a QEMU. What it answers stands in a table; to anything else it
   answers nothing at all, and leaves */

typedef struct
{
  const char *command;
  const char *answer; /* NULL: it leaves */
} Answer;

typedef struct
{
  const char *name;
  Answer answers[4]; /* before those of all */
  const char *error; /* NULL: there is none */
} Case;

static const Answer common[] = {
  { "query-uuid", "\"return\": {\"UUID\": \"00000000-0000-0000-0000-000000000000\"}" },
  { "qom-get", "\"return\": \"pc-machine\"" },
  { "query-jobs", "\"return\": []" },
  { "query-status", "\"return\": {\"status\": \"running\"}" },
  { "query-name", "\"return\": {}" },
  { "query-kvm", "\"return\": {\"enabled\": true, \"present\": true}" },
  { "query-memory-size-summary", "\"return\": {\"base-memory\": 1048576}" },
  { "query-cpus-fast", "\"return\": [{}]" },
  { "query-named-block-nodes", "\"return\": []" },
  { "query-block", "\"return\": [{\"qdev\": \"a\"}]" },
};

static const Case cases[] = {
  { "all", { { NULL, NULL } }, NULL },
  { "refusal",
    { { "query-kvm", "\"error\": {\"class\": \"GenericError\", \"desc\": \"not to you\"}" } },
    "not to you" },
  { "machine", { { "qom-get", "\"return\": {\"a\": 1}" } }, "‘qom-get’" },
  { "machine-name", { { "qom-get", "\"return\": \"<x>\"" } }, "‘qom-get’" },
  { "type", { { "query-name", "\"return\": 3" } }, "‘query-name’" },
  { "cpus", { { "query-cpus-fast", "\"return\": []" } }, "‘query-cpus-fast’" },
  { "gone", { { "query-block", NULL } }, "query-block" },
};

static const char *
find_answer (const Case *test, const char *command)
{
  for (guint i = 0; i < G_N_ELEMENTS (test->answers) && test->answers[i].command != NULL; i++)
    if (g_str_equal (test->answers[i].command, command))
      return test->answers[i].answer;
  for (guint i = 0; i < G_N_ELEMENTS (common); i++)
    if (g_str_equal (common[i].command, command))
      return common[i].answer;
  return NULL;
}

static void
pretend (Peer *peer, gpointer data)
{
  peer_greet (peer);
  for (;;)
    {
      g_autoptr (JsonNode) command = peer_read (peer);
      const char *answer = NULL;

      if (command != NULL)
        answer = find_answer (data, qs_json_string (json_node_get_object (command), "execute"));
      if (answer == NULL)
        return;
      peer_answer (peer, answer);
    }
}

static void
test_discover (gconstpointer data)
{
  const Case *test = data;
  g_autoptr (QsProcess) self = qs_process_identify (getpid (), getuid (), "", "");
  QsGuestIdentity identity = { NULL, NULL, getuid (), self };
  g_autoptr (QsDiscovery) discovery = NULL;
  g_autoptr (QsGuest) guest = NULL;
  g_autoptr (GError) error = NULL;
  Peer *peer;
  int fd;

  peer = peer_new (pretend, (gpointer)test, &fd);
  guest = qs_guest_new (fd, &identity, NULL, &error);
  g_assert_no_error (error);
  discovery = qs_guest_discover (guest, &error);
  qs_guest_close (guest);
  peer_free (peer);
  if (test->error == NULL)
    {
      g_assert_no_error (error);
      g_assert_cmpstr (discovery->machine, ==, "pc");
      g_assert_cmpuint (discovery->disks->len, ==, 1);
      return;
    }
  g_assert_null (discovery);
  g_assert_nonnull (strstr (error->message, test->error));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/guest/discover/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_discover);
    }
  return g_test_run ();
}
