/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-dbus-error.h"
#include "qs-jobs.h"
#include "qs-names.h"
#include "qs-service.h"
#include "qs-watchdog.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define IDLE_CHECK_SECONDS 1
#define STOP_SECONDS 60

/* how long those are kept waiting for whom the service was started */
#define SETTLE_SECONDS 5
#define SETTLE_CHECK_MILLISECONDS 20

typedef struct
{
  gboolean session;
  gboolean system;
  gboolean version;
  char *state_folder;
  char *runtime_folder;
  char *worker_program;
  char *config_file;
} Options;

typedef struct
{
  GMainLoop *loop;
  QsService *service;
  guint name;
  gint64 begun; /* monotonic time */
  gboolean stopping;
  gboolean failed;
  guint idle_seconds;
} Daemon;

static gboolean
parse_options (Options *options, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "session", 0, 0, G_OPTION_ARG_NONE, &options->session, "Serve one user on the session bus",
      NULL },
    { "system", 0, 0, G_OPTION_ARG_NONE, &options->system,
      "Serve all users on the system bus "
      "(default)",
      NULL },
    { "state-folder", 0, 0, G_OPTION_ARG_FILENAME, &options->state_folder,
      "Where the records are kept", "FOLDER" },
    { "runtime-folder", 0, 0, G_OPTION_ARG_FILENAME, &options->runtime_folder,
      "Where the sockets of guests lie", "FOLDER" },
    { "worker-program", 0, 0, G_OPTION_ARG_FILENAME, &options->worker_program,
      "The program that does the work on files", "PROGRAM" },
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &options->config_file, "The settings", "FILE" },
    { "version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version and end", NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (context, "Snapshots of virtual machines, as a D-Bus service.");
  g_option_context_add_main_entries (context, entries, NULL);
  return g_option_context_parse (context, argc, argv, error);
}

static void
set_default (char **option, char *value)
{
  if (*option == NULL)
    *option = value;
  else
    g_free (value);
}

static void
complete_options (Options *options)
{
  set_default (&options->worker_program, g_strdup (QS_LIBEXECDIR "/snapshotd-worker"));
  if (!options->session)
    {
      set_default (&options->state_folder, g_strdup (QS_STATEDIR "/snapshotd"));
      set_default (&options->runtime_folder, g_strdup ("/run/snapshotd"));
      set_default (&options->config_file, g_strdup (QS_SYSCONFDIR "/snapshotd/snapshotd.conf"));
      return;
    }
  set_default (&options->state_folder,
               g_build_filename (g_get_user_state_dir (), "snapshotd", NULL));
  set_default (&options->runtime_folder,
               g_build_filename (g_get_user_runtime_dir (), "snapshotd", NULL));
  set_default (&options->config_file,
               g_build_filename (g_get_user_config_dir (), "snapshotd", "snapshotd.conf", NULL));
}

static void
clear_options (Options *options)
{
  g_free (options->state_folder);
  g_free (options->runtime_folder);
  g_free (options->worker_program);
  g_free (options->config_file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, clear_options)

static gboolean
on_stop_timeout (gpointer user_data)
{
  g_warning ("an operation did not stop in %d seconds; it is taken up at the next start",
             STOP_SECONDS);
  _exit (EXIT_FAILURE);
}

static gboolean
on_stopping (gpointer user_data)
{
  Daemon *daemon = user_data;

  if (qs_jobs_count_open (daemon->service->jobs) > 0)
    return G_SOURCE_CONTINUE;
  g_main_loop_quit (daemon->loop);
  return G_SOURCE_REMOVE;
}

/* the loop runs on until all jobs have ended. The time also holds for what is waited for after it */
static void
stop (Daemon *daemon)
{
  if (daemon->stopping)
    return;
  daemon->stopping = TRUE;
  g_timeout_add_seconds (STOP_SECONDS, on_stop_timeout, NULL);
  qs_service_stop (daemon->service);
  if (on_stopping (daemon))
    g_timeout_add (50, on_stopping, daemon);
}

static gboolean
on_signal (gpointer user_data)
{
  stop (user_data);
  return G_SOURCE_CONTINUE;
}

static void
fail (Daemon *daemon, const char *why)
{
  g_printerr ("snapshotd: %s\n", why);
  daemon->failed = TRUE;
  stop (daemon);
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  fail (user_data, "the name " QS_BUS_NAME " is taken, or not allowed by the bus's policy");
}

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer user_data)
{
  fail (user_data, "the bus is gone");
}

static gboolean
on_idle_check (gpointer user_data)
{
  Daemon *daemon = user_data;

  daemon->idle_seconds =
      qs_service_is_idle (daemon->service) ? daemon->idle_seconds + IDLE_CHECK_SECONDS : 0;
  if (daemon->idle_seconds < daemon->service->settings.idle_exit_seconds)
    return G_SOURCE_CONTINUE;
  stop (daemon);
  return G_SOURCE_REMOVE;
}

/* one that a person started stays */
static gboolean
is_activated (void)
{
  return g_getenv ("DBUS_STARTER_BUS_TYPE") != NULL || g_getenv ("INVOCATION_ID") != NULL;
}

/* the first call is to find the QEMUs of attached domains connected that were started meanwhile */
static gboolean
on_settle_check (gpointer user_data)
{
  Daemon *daemon = user_data;
  gint64 waited = g_get_monotonic_time () - daemon->begun;

  if (daemon->stopping)
    return G_SOURCE_REMOVE;
  if (!qs_service_is_settled (daemon->service) && waited < SETTLE_SECONDS * G_USEC_PER_SEC)
    return G_SOURCE_CONTINUE;
  daemon->name = g_bus_own_name_on_connection (daemon->service->connection, QS_BUS_NAME,
                                               G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE, NULL,
                                               on_name_lost, daemon, NULL);
  return G_SOURCE_REMOVE;
}

static void
run (Daemon *daemon)
{
  guint watchdog = qs_watchdog_start ();
  guint idle = 0;

  g_unix_signal_add (SIGTERM, on_signal, daemon);
  g_unix_signal_add (SIGINT, on_signal, daemon);
  g_signal_connect (daemon->service->connection, "closed", G_CALLBACK (on_closed), daemon);
  if (is_activated () && daemon->service->settings.idle_exit_seconds > 0)
    idle = g_timeout_add_seconds (IDLE_CHECK_SECONDS, on_idle_check, daemon);
  daemon->begun = g_get_monotonic_time ();
  if (on_settle_check (daemon))
    g_timeout_add (SETTLE_CHECK_MILLISECONDS, on_settle_check, daemon);
  g_main_loop_run (daemon->loop);

  g_signal_handlers_disconnect_by_data (daemon->service->connection, daemon);
  g_clear_handle_id (&watchdog, g_source_remove);
  if (idle != 0 && g_main_context_find_source_by_id (NULL, idle) != NULL)
    g_source_remove (idle);
  if (daemon->name != 0)
    g_bus_unown_name (daemon->name);
  g_dbus_connection_flush_sync (daemon->service->connection, NULL, NULL);
}

static gboolean
serve (const Options *options, GError **error)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GDBusConnection) connection = NULL;
  g_autoptr (QsService) service = NULL;
  Daemon daemon = { .loop = loop };
  g_auto (QsSettings) settings = { 0 };
  QsConfig config = {
    .system_mode = !options->session,
    .state_folder = options->state_folder,
    .runtime_folder = options->runtime_folder,
    .worker_program = options->worker_program,
  };

  qs_settings_init (&settings);
  if (options->session) /* nobody else to be protected */
    settings.mutations_per_second = 0;
  if (!qs_settings_read (&settings, options->config_file, error))
    return FALSE;
  config.snapshots_per_domain = settings.snapshots_per_domain;
  config.image_roots = settings.image_roots;
  config.live_seconds = settings.live_seconds;
  config.mirrors_per_domain = settings.mirrors_per_domain;
  connection =
      g_bus_get_sync (options->session ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM, NULL, error);
  if (connection == NULL)
    return FALSE;
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  service = qs_service_new (connection, !options->session, &settings);
  if (!qs_service_start (service, &config, error))
    return FALSE;
  daemon.service = service;
  run (&daemon);
  return !daemon.failed;
}

int
main (int argc, char **argv)
{
  g_auto (Options) options = { 0 };
  g_autoptr (GError) error = NULL;

  /* a file that may not grow is an error of a write like any other */
  signal (SIGXFSZ, SIG_IGN);
  qs_dbus_error_register ();
  if (!parse_options (&options, &argc, &argv, &error))
    {
      g_printerr ("snapshotd: %s\n", error->message);
      return EXIT_FAILURE;
    }
  if (options.version)
    {
      g_print ("snapshotd %s\n", QS_VERSION);
      return EXIT_SUCCESS;
    }
  complete_options (&options);
  if (!options.session && g_getenv ("INVOCATION_ID") == NULL)
    g_warning ("not started by systemd: its sandbox does not hold");
  if (serve (&options, &error))
    return EXIT_SUCCESS;
  if (error != NULL)
    g_printerr ("snapshotd: %s\n", error->message);
  return EXIT_FAILURE;
}
