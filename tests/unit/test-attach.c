/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "attach-fixture.h"
#include "qs-error.h"

#include "worker-fixture.h"

#define ONE_DISK "-uuid " BENCH_UUID " -name one -drive file=a.qcow2,if=virtio,format=qcow2"

static void
test_first (Bench *bench, gconstpointer data)
{
  QsVisit visit = bench_visit (bench);
  g_autoptr (GError) error = NULL;
  g_autofree char *path = bench_path (bench, "a.qcow2");
  const QsDiskDef *disk;
  const QsActive *active;
  QsDomain *domain;

  bench_make_image (bench, "a.qcow2", NULL);
  bench_start_qemu (bench, ONE_DISK);
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (domain->name, ==, "one");
  g_assert_cmpstr (domain->uuid, ==, BENCH_UUID);
  g_assert_cmpint (domain->state, ==, QS_DOMAIN_PAUSED);
  g_assert_true (domain->connected);
  g_assert_cmpstr (domain->attachment->socket, ==, bench->socket);
  g_assert_true (domain->attachment->follow);
  disk = qs_domain_def_find_disk (domain->def, "vda");
  g_assert_cmpstr (disk->source, ==, path);
  g_assert_cmpstr (disk->format, ==, "qcow2");
  active = qs_domain_find_active (domain, "vda");
  g_assert_cmpstr (active->path, ==, path);
  g_assert_null (qs_domain_find_active (domain, "hda"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_bench_test ("/attach/first", test_first);
  return g_test_run ();
}
