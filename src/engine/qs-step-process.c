/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-step-process.h"

#include "qs-command-line.h"
#include "qs-error.h"
#include "qs-limits.h"

#include <unistd.h>

/* steps that start and end QEMU processes */

static void
clear_chain (gpointer data)
{
  QsDiskChain *chain = data;

  g_free ((gpointer)chain->files);
}

/* strings are those of @value, which must stay */
static GArray *
read_chains (GVariant *value)
{
  GArray *chains = g_array_new (FALSE, FALSE, sizeof (QsDiskChain));

  g_array_set_clear_func (chains, clear_chain);
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (value, i);
      g_autoptr (GVariant) files = g_variant_get_child_value (disk, 1);
      gsize n = g_variant_n_children (files);
      QsChainFile *list = g_new0 (QsChainFile, n);
      QsDiskChain chain = { NULL, list, (guint)n };

      g_variant_get_child (disk, 0, "&s", &chain.target);
      for (gsize k = 0; k < n; k++)
        g_variant_get_child (files, k, "(&s&s)", &list[k].path, &list[k].format);
      g_array_append_val (chains, chain);
    }
  return chains;
}

static QsSharing
sharing_of (const QsStepCall *call)
{
  g_autoptr (QsDomain) domain = NULL;

  if (call->step->kind == QS_STEP_PROOF_START)
    return QS_SHARING_PROOF;
  if (!qs_step_boolean (call->step, "beside"))
    return QS_SHARING_NONE;
  domain = qs_registry_get (call->world->engine->registry, call->world->domain);
  return domain != NULL && qs_domain_is_active (domain) ? QS_SHARING_BESIDE : QS_SHARING_NONE;
}

static char *
beside_suffix (const QsStepCall *call)
{
  return g_strdup_printf (QS_BESIDE_SUFFIX "%" G_GUINT64_FORMAT, call->world->op);
}

static GStrv
make_argv (QsStepCall *call, const char *socket, QsIncoming incoming, GError **error)
{
  g_autoptr (QsDomainDef) def =
      qs_domain_def_new_record (qs_step_string (call->step, "definition"), error);
  g_autoptr (GVariant) value = qs_step_value (call->step, "chains");
  g_autoptr (GArray) chains = read_chains (value);
  g_autofree char *beside = beside_suffix (call);
  QsCommandLineOptions options = {
    .qmp_socket = socket,
    .sharing = sharing_of (call),
    .beside = beside,
    .chains = (const QsDiskChain *)chains->data,
    .n_chains = chains->len,
    .incoming = incoming,
    .allow_custom = TRUE, /* what an owner may not define was refused at define */
    .system_mode = call->world->engine->config.system_mode,
  };

  return def != NULL ? qs_command_line_new (def, &options, error) : NULL;
}

static void
add_device (GStrvBuilder *devices, const char *path)
{
  if (path != NULL && g_str_has_prefix (path, "/dev/"))
    g_strv_builder_add (devices, path);
}

/* a unit may open only the block devices that are named when it is started */
static GStrv
list_devices (QsStepCall *call)
{
  g_autoptr (QsDomainDef) def =
      qs_domain_def_new_record (qs_step_string (call->step, "definition"), NULL);
  g_autoptr (GVariant) value = qs_step_value (call->step, "chains");
  g_autoptr (GArray) chains = read_chains (value);
  g_autoptr (GStrvBuilder) devices = g_strv_builder_new ();

  for (guint i = 0; def != NULL && i < def->disks->len; i++)
    add_device (devices, ((const QsDiskDef *)g_ptr_array_index (def->disks, i))->source);
  for (guint i = 0; i < chains->len; i++)
    for (guint k = 0; k < g_array_index (chains, QsDiskChain, i).n_files; k++)
      add_device (devices, g_array_index (chains, QsDiskChain, i).files[k].path);
  return g_strv_builder_end (devices);
}

GVariant *
qs_step_process_result (const QsProcess *process)
{
  return g_variant_ref_sink (g_variant_new_parsed (
      "{'pid': <%x>, 'start-time': <%t>, 'boot-id': <%s>, 'socket': <%s>, 'unit': <%s>}",
      process->pid, process->start_time, process->boot_id, process->socket,
      process->unit != NULL ? process->unit : ""));
}

/* with what its display needs when it takes over from another process */
static GVariant *
beside_result (QsStepCall *call, const QsProcess *process)
{
  g_autoptr (QsDomainDef) def =
      qs_domain_def_new_record (qs_step_string (call->step, "definition"), NULL);
  const QsCommandLineOptions options = { .qmp_socket = process->socket };
  g_autoptr (GVariant) plain = qs_step_process_result (process);
  g_autoptr (GVariant) display = NULL;
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (plain);

  if (def != NULL && sharing_of (call) == QS_SHARING_BESIDE)
    display = qs_command_line_display (def, &options);
  if (display != NULL)
    g_variant_dict_insert_value (&result, "display", display);
  return g_variant_ref_sink (g_variant_dict_end (&result));
}

/* before QEMU listens: an undo after a crash must know the process */
gboolean
qs_step_note_process (const QsProcess *process, gpointer data, GError **error)
{
  g_autoptr (GVariant) learnt = qs_step_process_result (process);

  return qs_step_call_note (data, learnt, error);
}

/* @log: (out) (optional): what it goes on saying */
static QsProcess *
start (QsStepCall *call, const char *id, QsIncoming incoming, int *log, GError **error)
{
  QsLauncher *launcher = call->world->engine->launcher;
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autofree char *folder =
      worker != NULL ? qs_launcher_folder (launcher, worker, id, error) : NULL;
  g_autofree char *socket = NULL;
  g_auto (GStrv) argv = NULL;
  g_auto (GStrv) devices = list_devices (call);

  if (folder == NULL)
    return NULL;
  socket = g_build_filename (folder, "qmp.sock", NULL);
  argv = make_argv (call, socket, incoming, error);
  if (argv == NULL)
    return NULL;
  return qs_launcher_start (launcher, worker,
                            &(QsLaunch){ call->world->owner, id, (const char *const *)argv, socket,
                                         (const char *const *)devices, qs_step_note_process, call,
                                         log },
                            error);
}

static QsProcess *
read_process (GVariant *value)
{
  gint64 pid = 0;
  guint64 start_time = 0;
  const char *boot_id = "";
  const char *socket = "";
  const char *unit = "";

  if (value == NULL || !g_variant_lookup (value, "pid", "x", &pid) || pid == 0)
    return NULL;
  g_variant_lookup (value, "start-time", "t", &start_time);
  g_variant_lookup (value, "boot-id", "&s", &boot_id);
  g_variant_lookup (value, "socket", "&s", &socket);
  g_variant_lookup (value, "unit", "&s", &unit);
  return qs_process_new (pid, start_time, boot_id, socket, unit);
}

QsProcess *
qs_step_process_of (const QsStepCall *call, guint64 step)
{
  return step < call->results->len ? read_process (g_ptr_array_index (call->results, step)) : NULL;
}

static char *
proof_id (const QsStepCall *call)
{
  return g_strconcat (qs_step_string (call->step, "id"), "-proof", NULL);
}

gboolean
qs_step_end_process (QsStepCall *call, const QsProcess *process, GError **error)
{
  QsLauncher *launcher = call->world->engine->launcher;
  g_autoptr (GError) ignored = NULL;
  QsWorker *worker;

  if (qs_process_is_alive (process) && !qs_launcher_kill (launcher, process, error))
    return FALSE;
  worker = qs_real_world_worker (call->world, &ignored);
  if (worker == NULL || !qs_launcher_clear (launcher, worker, process, &ignored))
    g_debug ("%s, ignoring", ignored->message);
  return TRUE;
}

gboolean
qs_step_undo_start (QsStepCall *call, const char *id, GError **error)
{
  g_autoptr (QsProcess) process = read_process (qs_step_call_result (call));
  QsWorker *worker;

  if (process != NULL)
    return qs_step_end_process (call, process, error);
  /* a crash has kept its identity from us */
  worker = qs_real_world_worker (call->world, error);
  return worker != NULL
         && qs_launcher_end_unknown (call->world->engine->launcher, worker, call->world->owner, id,
                                     error);
}

/* QEMU listens before it opens its images and makes its devices, and answers after that */
static gboolean
prove (QsStepCall *call, const QsProcess *process, int log, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autoptr (GError) problem = NULL;
  g_autofree char *text = NULL;
  int fd = worker != NULL ? qs_worker_connect (worker, process->socket, &problem) : -1;
  QsQmp *qmp = fd >= 0 ? qs_qmp_new (fd, NULL, NULL, NULL, &problem) : NULL;

  if (qmp != NULL)
    {
      qs_qmp_unref (qmp);
      return TRUE;
    }
  if (worker == NULL)
    return FALSE;
  text = qs_launcher_read_log (log);
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "%s: %s",
               qs_process_is_alive (process) ? problem->message : "QEMU has ended while it started",
               text);
  return FALSE;
}

/* `-incoming defer` opens every image and takes no lock: the old QEMU may still run on them. What
   is proved is that the new one will start; not that its consoles and display will find their names and
   ports, which are the old one's */
gboolean
qs_run_proof_start (QsStepCall *call, GVariant **result, GError **error)
{
  g_autofree char *id = proof_id (call);
  int log = -1;
  g_autoptr (QsProcess) process = start (call, id, QS_INCOMING_DEFER, &log, error);
  gboolean proved = process != NULL && prove (call, process, log, error);

  if (log >= 0)
    close (log);
  if (!proved)
    {
      g_prefix_error (error, "a trial start of the new state failed: ");
      return FALSE;
    }
  *result = qs_step_process_result (process);
  return qs_step_end_process (call, process, error);
}

gboolean
qs_undo_proof_start (QsStepCall *call, GError **error)
{
  g_autofree char *id = proof_id (call);

  return qs_step_undo_start (call, id, error);
}

static gboolean
connect_guest (QsStepCall *call, const QsProcess *process, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autoptr (QsDomain) domain =
      qs_registry_get (call->world->engine->registry, call->world->domain);
  g_autoptr (QsGuest) guest = NULL;

  if (worker == NULL || domain == NULL)
    return FALSE;
  guest = qs_watch_connect (call->world->engine, worker, domain, process, error);
  return guest != NULL;
}

/* beside the domain's process, whose folder and unit have the name of the domain */
static char *
spawn_id (const QsStepCall *call)
{
  const char *id = qs_step_string (call->step, "id");

  return qs_step_boolean (call->step, "beside")
             ? g_strdup_printf ("%s-%" G_GUINT64_FORMAT, id, call->world->op)
             : g_strdup (id);
}

/* it is the domain's, or will be with step `connect` */
static gboolean
introduce (QsStepCall *call, const QsProcess *process, int log, GError **error)
{
  if (qs_step_boolean (call->step, "beside"))
    {
      qs_beside_begin (call->world, process, log);
      return TRUE;
    }
  close (log);
  return connect_guest (call, process, error);
}

/* in phase finish it may be run again: a QEMU that an earlier try has left is ended first */
gboolean
qs_run_spawn (QsStepCall *call, GVariant **result, GError **error)
{
  g_autofree char *id = spawn_id (call);
  gboolean waits = qs_step_boolean (call->step, "incoming");
  g_autoptr (QsProcess) process = NULL;
  int log = -1;

  if (call->step->phase == QS_PHASE_FINISH && !qs_step_undo_start (call, id, error))
    return FALSE;
  process = start (call, id, waits ? QS_INCOMING_DEFER : QS_INCOMING_NONE, &log, error);
  if (process == NULL)
    return FALSE;
  *result = beside_result (call, process);
  return introduce (call, process, log, error);
}

/* a QEMU that was killed, or could not load its memory, leaves its names behind */
static void
clear_sockets (QsStepCall *call)
{
  g_autofree char *suffix = beside_suffix (call);
  g_autoptr (QsDomainDef) def =
      qs_domain_def_new_record (qs_step_string (call->step, "definition"), NULL);
  g_auto (GStrv) paths = def != NULL ? qs_command_line_sockets (def) : NULL;
  QsWorker *worker = qs_real_world_worker (call->world, NULL);

  if (worker == NULL || !qs_step_boolean (call->step, "beside"))
    return;
  for (guint i = 0; paths != NULL && paths[i] != NULL; i++)
    {
      g_autofree char *path = g_strconcat (paths[i], suffix, NULL);
      g_autoptr (GError) ignored = NULL;

      if (!qs_worker_unlink_socket (worker, path, &ignored))
        g_debug ("%s, ignoring", ignored->message);
    }
}

gboolean
qs_undo_spawn (QsStepCall *call, GError **error)
{
  g_autofree char *id = spawn_id (call);

  qs_beside_end (call->world);
  if (!qs_step_undo_start (call, id, error))
    return FALSE;
  clear_sockets (call);
  return TRUE;
}

static QsProcess *
step_process (const QsStepCall *call)
{
  return read_process (call->step->arguments);
}

static void
forget_guest (QsStepCall *call, const QsProcess *process)
{
  QsRegistry *registry = call->world->engine->registry;
  g_autoptr (QsGuest) guest = qs_registry_get_guest (registry, call->world->domain);

  if (guest == NULL || qs_guest_get_process (guest)->pid != process->pid)
    return;
  qs_step_end_process (call, qs_guest_get_process (guest), NULL);
  qs_registry_drop_guest (registry, call->world->domain, guest);
}

/**
 * qs_step_call_end_guest:
 *
 * Ends a QEMU whose guest must not go on; TRUE if it has ended.
 */
gboolean
qs_step_call_end_guest (QsStepCall *call, QsGuest *guest, GError **error)
{
  if (!qs_step_end_process (call, qs_guest_get_process (guest), error))
    return FALSE;
  qs_registry_drop_guest (call->world->engine->registry, call->world->domain, guest);
  return TRUE;
}

/* asked nicely first: QEMU then closes its images in order */
static void
ask_to_quit (QsStepCall *call, const QsProcess *process)
{
  g_autoptr (QsGuest) guest =
      qs_registry_get_guest (call->world->engine->registry, call->world->domain);
  g_autoptr (GError) error = NULL;

  if (guest == NULL || qs_guest_get_process (guest)->pid != process->pid)
    return;
  if (!qs_qmp_run (qs_guest_get_qmp (guest), "quit", NULL, QS_QUIT_SECONDS, &error))
    g_debug ("quit: %s, ignoring", error->message);
  qs_process_wait (process, QS_QUIT_SECONDS);
}

gboolean
qs_run_quit (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsProcess) process = step_process (call);

  if (process == NULL)
    return TRUE;
  if (qs_process_is_alive (process))
    ask_to_quit (call, process);
  if (!qs_step_end_process (call, process, error))
    return FALSE;
  forget_guest (call, process);
  return TRUE;
}

QsProbe
qs_probe_quit (QsStepCall *call, GError **error)
{
  g_autoptr (QsProcess) process = step_process (call);

  return process != NULL && qs_process_is_alive (process) ? QS_PROBE_NOT_DONE : QS_PROBE_DONE;
}
