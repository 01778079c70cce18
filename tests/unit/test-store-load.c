/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "store-fixture.h"

#include <stdlib.h>

#define N_DOMAINS 10
#define N_PER_DOMAIN 1000
#define N_THREADS 8
#define N_CALLS 40

static char *
make_uuid (guint domain, guint snapshot)
{
  return g_strdup_printf ("%08x-0000-4000-8000-%012x", domain, snapshot);
}

/* every third one begins a branch at the one ten before */
static char *
make_parent (guint domain, guint snapshot)
{
  if (snapshot == 0)
    return g_strdup ("");
  return make_uuid (domain, snapshot % 3 == 0 && snapshot > 10 ? snapshot - 10 : snapshot - 1);
}

static void
fill_domain (QsStore *store, guint domain, guint n_snapshots)
{
  g_autofree char *id = make_uuid (domain, 0xffffff);
  g_autofree char *current = make_uuid (domain, n_snapshots / 2);
  g_autofree char *name = g_strdup_printf ("d%u", domain);
  QsChangeList list;

  apply_now (store, id, make_domain_put (name, id, domain));
  qs_changes_init (&list);
  for (guint i = 0; i < n_snapshots; i++)
    {
      g_autofree char *uuid = make_uuid (domain, i);
      g_autofree char *snapshot = g_strdup_printf ("snapshot %u", i);
      g_autofree char *parent = make_parent (domain, i);

      add_snapshot (&list, uuid, snapshot, parent);
    }
  qs_changes_add (&list, QS_CHANGE_CURRENT, "uuid", "s", current, NULL);
  apply_now (store, id, qs_changes_end (&list));
}

static void
assert_snapshot (QsStore *store, const QsDomain *domain, guint number, guint i)
{
  g_autofree char *uuid = make_uuid (number, i);
  g_autofree char *parent = make_parent (number, i);
  g_autofree char *name = g_strdup_printf ("snapshot %u", i);
  const QsSnapshot *snapshot = qs_tree_lookup (domain->tree, uuid);

  g_assert_nonnull (snapshot);
  g_assert_cmpstr (snapshot->name, ==, name);
  g_assert_cmpstr (snapshot->parent, ==, parent);
  g_assert_cmpuint (snapshot->rev, ==, i + 2);
  g_assert_true (qs_tree_lookup_name (domain->tree, name) == snapshot);
  if (i % 100 == 0)
    {
      g_autofree char *document = qs_store_get_document (store, uuid, NULL);
      g_autofree char *expected =
          g_strdup_printf ("<domainsnapshot><name>%s</name></domainsnapshot>", name);

      g_assert_cmpstr (document, ==, expected);
    }
}

static void
test_content (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GPtrArray) domains = NULL;

  store_fixture_open (&fixture);
  for (guint i = 0; i < N_DOMAINS; i++)
    fill_domain (fixture.store, i, N_PER_DOMAIN);
  store_reopen (&fixture);
  domains = qs_store_load_domains (fixture.store, NULL);
  g_assert_cmpuint (domains->len, ==, N_DOMAINS);
  for (guint i = 0; i < N_DOMAINS; i++)
    {
      QsDomain *domain = g_ptr_array_index (domains, i);
      g_autofree char *current = make_uuid (i, N_PER_DOMAIN / 2);

      g_assert_cmpuint (domain->owner, ==, i);
      g_assert_cmpuint (domain->rev, ==, N_PER_DOMAIN + 2);
      g_assert_cmpuint (qs_tree_size (domain->tree), ==, N_PER_DOMAIN);
      g_assert_cmpstr (qs_tree_get_current (domain->tree)->uuid, ==, current);
      for (guint n = 0; n < N_PER_DOMAIN; n++)
        assert_snapshot (fixture.store, domain, i, n);
    }
}

typedef struct
{
  QsStore *store;
  guint number;
} Client;

/* each thread has a domain of its own and finds just what it put there */
static gpointer
client_main (gpointer data)
{
  const Client *client = data;
  g_autofree char *id = make_uuid (client->number, 0xffffff);

  fill_domain (client->store, client->number, 1);
  for (guint i = 1; i < N_CALLS; i++)
    {
      g_autofree char *uuid = make_uuid (client->number, i);
      g_autofree char *name = g_strdup_printf ("snapshot %u", i);
      g_autofree char *parent = make_uuid (client->number, i - 1);
      g_autofree char *document = NULL;
      QsChangeList list;

      qs_changes_init (&list);
      add_snapshot (&list, uuid, name, parent);
      apply_now (client->store, id, qs_changes_end (&list));
      document = qs_store_get_document (client->store, uuid, NULL);
      g_assert_nonnull (strstr (document, name));
    }
  return NULL;
}

static void
test_threads (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  GThread *threads[N_THREADS];
  Client clients[N_THREADS];
  g_autoptr (GPtrArray) domains = NULL;

  store_fixture_open (&fixture);
  for (guint i = 0; i < N_THREADS; i++)
    {
      clients[i] = (Client){ fixture.store, i };
      threads[i] = g_thread_new ("client", client_main, &clients[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);

  store_reopen (&fixture);
  domains = qs_store_load_domains (fixture.store, NULL);
  g_assert_cmpuint (domains->len, ==, N_THREADS);
  for (guint i = 0; i < N_THREADS; i++)
    {
      const QsDomain *domain = g_ptr_array_index (domains, i);

      g_assert_cmpuint (qs_tree_size (domain->tree), ==, N_CALLS);
      g_assert_cmpuint (domain->rev, ==, N_CALLS + 2);
    }
}

/* not run by itself, as time on a busy machine proves nothing: -m perf */
static void
test_speed (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GPtrArray) domains = NULL;
  g_autoptr (GTimer) timer = g_timer_new ();

  if (!g_test_perf ())
    return;
  store_fixture_open (&fixture);
  for (guint i = 0; i < 100; i++)
    fill_domain (fixture.store, i, N_PER_DOMAIN);
  g_test_message ("100,000 snapshots put in %.3f s", g_timer_elapsed (timer, NULL));
  g_clear_pointer (&fixture.store, qs_store_free);
  g_timer_start (timer);
  store_reopen (&fixture);
  g_test_message ("opened in %.3f s", g_timer_elapsed (timer, NULL));
  domains = qs_store_load_domains (fixture.store, NULL);
  g_test_message ("and loaded in %.3f s", g_timer_elapsed (timer, NULL));
  g_assert_cmpfloat (g_timer_elapsed (timer, NULL), <, 1.0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store-load/content", test_content);
  g_test_add_func ("/store-load/threads", test_threads);
  g_test_add_func ("/store-load/speed", test_speed);
  return g_test_run ();
}
