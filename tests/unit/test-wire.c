/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-wire-types.h"
#include "qs-wire.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct
{
  int ends[2];
  GArray *fds;
} Pair;

static void
pair_set_up (Pair *p, gconstpointer data)
{
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->ends), ==, 0);
  p->fds = qs_wire_fds_new ();
}

static void
pair_tear_down (Pair *p, gconstpointer data)
{
  close (p->ends[0]);
  if (p->ends[1] >= 0)
    close (p->ends[1]);
  g_array_unref (p->fds);
}

static gint64
soon (void)
{
  return g_get_monotonic_time () + G_USEC_PER_SEC;
}

static GVariant *
receive (Pair *p, const char *type, GError **error)
{
  return qs_wire_receive (p->ends[0], type, p->fds, soon (), error);
}

static void
test_round_trip (Pair *p, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) sent =
      g_variant_ref_sink (g_variant_new ("(sv)", "x", g_variant_new_uint32 (7)));
  g_autoptr (GVariant) got = NULL;

  g_assert_true (qs_wire_send (p->ends[1], sent, NULL, soon (), &error));
  got = receive (p, "(sv)", &error);
  g_assert_no_error (error);
  g_assert_true (g_variant_equal (sent, got));
}

static void
test_descriptor (Pair *p, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) fds = qs_wire_fds_new ();
  g_autoptr (GVariant) got = NULL;
  int pipe_ends[2];
  char byte = 0;
  int fd;

  g_assert_cmpint (pipe (pipe_ends), ==, 0);
  g_array_append_val (fds, pipe_ends[1]);
  g_assert_true (qs_wire_send (p->ends[1], g_variant_new ("()"), fds, soon (), &error));
  got = receive (p, "()", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (p->fds->len, ==, 1);
  fd = qs_wire_fds_steal (p->fds, 0);
  g_assert_cmpint (fcntl (fd, F_GETFD), ==, FD_CLOEXEC);
  g_assert_cmpint (write (fd, "y", 1), ==, 1);
  g_assert_cmpint (read (pipe_ends[0], &byte, 1), ==, 1);
  g_assert_true (byte == 'y');
  g_assert_cmpint (qs_wire_fds_steal (p->fds, 5), ==, -1);
  close (fd);
  close (pipe_ends[0]);
}

static void
write_raw (Pair *p, guint32 length, const void *data, gsize n)
{
  g_assert_cmpint (write (p->ends[1], &length, sizeof length), ==, sizeof length);
  g_assert_cmpint (write (p->ends[1], data, n), ==, (gssize)n);
}

static void
test_hostile (Pair *p, gconstpointer data)
{
  static const struct
  {
    guint32 length;
    const char *data;
    gsize n;
    const char *text;
  } cases[] = {
    { QS_MAX_WORKER_MESSAGE_BYTES + 1, "", 0, "too long" },
    { G_MAXUINT32, "", 0, "too long" },
    { 0, "", 0, "malformed" },
    { 4, "abc", 4, "malformed" },
    { 6, "x\0\0zz\xff", 6, "malformed" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      write_raw (p, cases[i].length, cases[i].data, cases[i].n);
      g_assert_null (receive (p, "(sv)", &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
      g_assert_nonnull (strstr (error->message, cases[i].text));
    }
}

/* variants in variants: deep nesting is refused, not followed */
static void
test_deep (Pair *p, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  g_byte_array_append (bytes, (const guint8 *)"", 1);
  for (guint i = 0; i < 20000; i++)
    g_byte_array_append (bytes, (const guint8 *)"\0v", 2);
  write_raw (p, bytes->len, bytes->data, bytes->len);
  g_assert_null (receive (p, "v", &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
}

static void
test_too_long (Pair *p, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strnfill (QS_MAX_WORKER_MESSAGE_BYTES, 'a');

  g_assert_false (qs_wire_send (p->ends[1], g_variant_new ("(s)", text), NULL, soon (), &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED);
}

static void
test_time_out (Pair *p, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strnfill (QS_MAX_WORKER_MESSAGE_BYTES - 100, 'a');
  gint64 deadline = g_get_monotonic_time () + 50000;

  g_assert_null (qs_wire_receive (p->ends[0], "()", p->fds, deadline, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_TIMEOUT);
  g_clear_error (&error);
  /* nobody reads, so the buffer is full at some time */
  deadline = g_get_monotonic_time () + 50000;
  g_assert_false (qs_wire_send (p->ends[1], g_variant_new ("(s)", text), NULL, deadline, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_TIMEOUT);
}

static void
test_end (Pair *p, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (write (p->ends[1], "\5\0\0\0ab", 6), ==, 6);
  close (g_steal_fd (&p->ends[1]));
  g_assert_null (receive (p, "()", &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "has ended"));
}

static void
test_image (void)
{
  g_autoptr (QsImage) image = qs_image_new ();
  g_autoptr (QsImage) copy = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) again = NULL;
  QsTag *tag = g_new0 (QsTag, 1);

  *tag = (QsTag){ g_strdup ("1"), g_strdup ("s-x"), 99 };
  g_ptr_array_add (image->tags, tag);
  image->path = g_strdup ("/a");
  image->format = g_strdup ("qcow2");
  image->backing_name = g_strdup ("b");
  image->ino = G_MAXUINT64;
  image->btime = -5;
  image->mode = 0640;
  image->writable = TRUE;
  value = g_variant_ref_sink (qs_wire_image_to_variant (image));
  copy = qs_wire_image_from_variant (value);
  g_assert_cmpint (copy->btime, ==, -5);
  g_assert_cmpuint (copy->ino, ==, G_MAXUINT64);
  g_assert_cmpuint (copy->mode, ==, 0640);
  g_assert_true (copy->writable && !copy->dirty);
  g_assert_null (copy->backing_format);
  again = g_variant_ref_sink (qs_wire_image_to_variant (copy));
  g_assert_true (g_variant_equal (value, again));
}

static void
test_target (void)
{
  g_autoptr (QsTarget) target = qs_target_new ("/a");
  g_autoptr (QsTarget) copy = NULL;
  g_autoptr (GVariant) value = NULL;

  target->type = QS_TARGET_BLOCK;
  target->free_bytes = 12345;
  target->error = g_error_new (QS_ERROR, QS_ERROR_NO_SPACE, "full");
  value = g_variant_ref_sink (qs_wire_target_to_variant (target));
  copy = qs_wire_target_from_variant (value);
  g_assert_cmpstr (copy->path, ==, "/a");
  g_assert_cmpint (copy->type, ==, QS_TARGET_BLOCK);
  g_assert_cmpuint (copy->free_bytes, ==, 12345);
  g_assert_error (copy->error, QS_ERROR, QS_ERROR_NO_SPACE);
  g_assert_cmpstr (copy->error->message, ==, "full");
}

#define add(path, func) g_test_add (path, Pair, NULL, pair_set_up, func, pair_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/wire/round-trip", test_round_trip);
  add ("/wire/descriptor", test_descriptor);
  add ("/wire/hostile", test_hostile);
  add ("/wire/deep", test_deep);
  add ("/wire/too-long", test_too_long);
  add ("/wire/time-out", test_time_out);
  add ("/wire/end", test_end);
  g_test_add_func ("/wire/image", test_image);
  g_test_add_func ("/wire/target", test_target);
  return g_test_run ();
}
