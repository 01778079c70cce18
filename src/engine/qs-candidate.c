/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-candidate-private.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-main-call.h"
#include "qs-name.h"
#include "qs-process.h"

#include <unistd.h>

typedef struct
{
  const QsCandidate *candidate;
  const char *text;
} Match;

static gboolean
is_same_process (const QsProcess *a, const QsProcess *b)
{
  return a != NULL && a->pid == b->pid && a->start_time == b->start_time
         && g_strcmp0 (a->boot_id, b->boot_id) == 0;
}

static gboolean
has_process (const QsDomain *domain, gconstpointer data)
{
  const Match *match = data;

  return is_same_process (domain->process, match->candidate->process);
}

static gboolean
has_uuid (const QsDomain *domain, gconstpointer data)
{
  const Match *match = data;

  return domain->owner == match->candidate->owner && g_strcmp0 (domain->uuid, match->text) == 0;
}

static gboolean
has_name (const QsDomain *domain, gconstpointer data)
{
  const Match *match = data;

  return domain->owner == match->candidate->owner && g_strcmp0 (domain->name, match->text) == 0
         && (match->candidate->known == NULL
             || !g_str_equal (domain->id, match->candidate->known->id));
}

static gboolean
has_socket (const QsDomain *domain, gconstpointer data)
{
  const Match *match = data;

  return domain->owner == match->candidate->owner && domain->attachment != NULL
         && !domain->connected && *match->text != '\0'
         && g_str_equal (domain->attachment->socket, match->text);
}

static QsDomain *
find (const QsCandidate *candidate, QsRegistryMatch matches, const char *text)
{
  const Match match = { candidate, text };

  return qs_registry_find (candidate->engine->registry, matches, &match);
}

/* one that is listened to already would not talk to a second client */
static gboolean
find_process (QsCandidate *candidate)
{
  g_autoptr (QsGuest) guest = NULL;

  candidate->known = find (candidate, has_process, NULL);
  if (candidate->known == NULL)
    return FALSE;
  guest = qs_registry_get_guest (candidate->engine->registry, candidate->known->id);
  candidate->connected = guest != NULL && qs_guest_is_open (guest);
  return candidate->connected;
}

static gboolean
talk (QsCandidate *candidate, int fd, GError **error)
{
  QsGuestIdentity identity = { NULL, NULL, candidate->owner, candidate->process };
  g_autoptr (GError) problem = NULL;

  candidate->guest = qs_watch_meet (candidate->engine, fd, &identity, &candidate->watch, &problem);
  if (candidate->guest == NULL)
    {
      g_propagate_prefixed_error (
          error, g_steal_pointer (&problem),
          "QEMU cannot be asked; a monitor has one client at a time, and a second monitor "
          "(-qmp unix:PATH,server=on,wait=off) lets this service in beside another: ");
      return FALSE;
    }
  candidate->discovery = qs_guest_discover (candidate->guest, error);
  return candidate->discovery != NULL;
}

static gboolean
check_uuid (const QsCandidate *candidate, const QsVisit *visit, GError **error)
{
  if (visit->uuid == NULL || candidate->discovery->uuid == NULL
      || g_ascii_strcasecmp (visit->uuid, candidate->discovery->uuid) == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "this QEMU has the uuid %s, and cannot have another one",
               candidate->discovery->uuid);
  return FALSE;
}

/* what it is by now: a domain, as its uuid says, else as its socket does */
static gboolean
recognize (QsCandidate *candidate, const QsVisit *visit, GError **error)
{
  const char *uuid = candidate->discovery->uuid;

  if (!check_uuid (candidate, visit, error))
    return FALSE;
  if (candidate->known == NULL && uuid != NULL)
    candidate->known = find (candidate, has_uuid, uuid);
  else if (candidate->known == NULL)
    candidate->known = find (candidate, has_socket, candidate->socket);
  if (candidate->known == NULL && uuid == NULL && visit->uuid != NULL)
    candidate->known = find (candidate, has_uuid, visit->uuid);

  if (candidate->known == NULL || candidate->known->process == NULL
      || is_same_process (candidate->known->process, candidate->process)
      || !qs_process_is_alive (candidate->known->process))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS,
               "domain ‘%s’ with this uuid runs already, as process %" G_GINT64_FORMAT,
               candidate->known->name, candidate->known->process->pid);
  return FALSE;
}

/* what is not said stays as it is */
static void
settle (QsCandidate *candidate, const QsVisit *visit)
{
  const QsAttachment *before = candidate->known != NULL ? candidate->known->attachment : NULL;
  const char *agent = before != NULL ? before->agent : "";
  gboolean stable_path = before == NULL || before->stable_path || before->hindered;

  candidate->agent = g_strdup (visit->agent != NULL ? visit->agent : agent);
  candidate->stable_path = visit->has_stable_path ? visit->stable_path : stable_path;
}

static char *
choose_uuid (const QsCandidate *candidate, const QsVisit *visit)
{
  if (candidate->known != NULL)
    return g_strdup (candidate->known->uuid);
  if (candidate->discovery->uuid != NULL)
    return g_strdup (candidate->discovery->uuid);
  return visit->uuid != NULL ? g_ascii_strdown (visit->uuid, -1) : g_uuid_string_random ();
}

static char *
choose_name (const QsCandidate *candidate, const QsVisit *visit, const char *uuid)
{
  if (visit->name != NULL)
    return g_strdup (visit->name);
  if (candidate->known != NULL)
    return g_strdup (candidate->known->name);
  if (candidate->discovery->name != NULL)
    return g_strdup (candidate->discovery->name);
  return g_strdup_printf ("qemu-%.8s", uuid);
}

static gboolean
check_name (const QsCandidate *candidate, const char *name, GError **error)
{
  g_autoptr (QsDomain) other = NULL;

  if (!qs_name_check (name, error))
    return FALSE;
  other = find (candidate, has_name, name);
  if (other == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS,
               "uid %u has a domain ‘%s’ already; give another one with option ‘name’",
               candidate->owner, name);
  return FALSE;
}

/* an overlay under the old name would stand on what whoever starts QEMU names, not on the old file. A
   QEMU that cannot say what it was told is taken for one that was; of a process that nobody may look
   at what is recorded holds */
static void
find_hindrance (QsCandidate *candidate, const QsProcessFiles *process)
{
  const QsAttachment *before = candidate->known != NULL ? candidate->known->attachment : NULL;
  gboolean named =
      process != NULL ? process->names_backing : before == NULL || !before->stable_path;
  gboolean told = TRUE;

  if (!candidate->stable_path)
    return;
  if (!named && qs_guest_names_backing (candidate->guest, &told, NULL) && !told)
    return;
  g_message ("QEMU %" G_GINT64_FORMAT " was told backing files by name: overlays will have names "
             "of their own",
             candidate->process->pid);
  candidate->hindered = TRUE;
}

static gboolean
resolve (QsCandidate *candidate, QsWorker *worker, const QsVisit *visit, GError **error)
{
  g_autoptr (GPtrArray) files = NULL;
  g_autoptr (QsProcessFiles) process = NULL;
  g_autoptr (GError) ignored = NULL;

  settle (candidate, visit);
  if (candidate->known != NULL)
    {
      files = qs_store_get_files (candidate->engine->store, candidate->known->id, error);
      if (files == NULL)
        return FALSE;
    }
  process = qs_worker_process_files (worker, candidate->process->pid, &ignored);
  find_hindrance (candidate, process);
  if (process == NULL)
    process = qs_process_files_new ();
  return qs_guest_check (candidate->guest, error)
         && qs_discovery_resolve (candidate->discovery, process, candidate->known, files, error);
}

static gboolean
synthesize (QsCandidate *candidate, const QsVisit *visit, GError **error)
{
  g_autofree char *uuid = choose_uuid (candidate, visit);
  g_autofree char *name = choose_name (candidate, visit, uuid);
  g_autoptr (QsDomainDef) before = NULL;

  if (!check_name (candidate, name, error))
    return FALSE;
  if (candidate->known != NULL)
    {
      before = qs_domain_true_def (candidate->known, TRUE, error);
      if (before == NULL)
        return FALSE;
    }
  candidate->def = qs_discovery_definition (candidate->discovery, before, name, uuid, error);
  return candidate->def != NULL;
}

static void
add_candidate (gpointer data)
{
  QsCandidate *candidate = data;

  g_ptr_array_add (candidate->engine->candidates, candidate);
}

static void
remove_candidate (gpointer data)
{
  QsCandidate *candidate = data;

  g_ptr_array_remove_fast (candidate->engine->candidates, candidate);
}

static gboolean
learn (QsCandidate *candidate, QsWorker *worker, const QsVisit *visit, GError **error)
{
  int fd = qs_candidate_reach (candidate, worker, visit, error);
  gboolean learned;

  if (fd < 0)
    return FALSE;
  if (find_process (candidate))
    {
      close (fd);
      return TRUE;
    }
  qs_candidate_open_door (candidate, fd);
  learned = talk (candidate, fd, error) && recognize (candidate, visit, error)
            && resolve (candidate, worker, visit, error) && synthesize (candidate, visit, error);
  qs_candidate_close_door (candidate);
  return learned;
}

QsCandidate *
qs_engine_discover (QsEngine *engine, const QsVisit *visit, GError **error)
{
  g_autoptr (QsCandidate) candidate = g_new0 (QsCandidate, 1);
  g_autoptr (QsWorker) worker = qs_worker_pool_acquire (engine->workers, visit->owner, error);

  candidate->engine = engine;
  candidate->door = -1;
  candidate->owner = visit->owner;
  qs_main_call (add_candidate, candidate);
  if (worker == NULL && visit->fd >= 0)
    close (visit->fd);
  if (worker == NULL || !learn (candidate, worker, visit, error))
    return NULL;
  return g_steal_pointer (&candidate);
}

void
qs_candidate_free (QsCandidate *candidate)
{
  if (candidate == NULL)
    return;
  qs_main_call (remove_candidate, candidate);
  g_free (candidate->socket);
  g_free (candidate->agent);
  qs_process_free (candidate->process);
  qs_domain_unref (candidate->known);
  qs_watch_unref (candidate->watch);
  qs_guest_unref (candidate->guest);
  qs_discovery_free (candidate->discovery);
  qs_domain_def_unref (candidate->def);
  g_free (candidate);
}

const char *
qs_candidate_get_domain (const QsCandidate *candidate)
{
  return candidate->known != NULL ? candidate->known->id : NULL;
}

gboolean
qs_candidate_is_connected (const QsCandidate *candidate)
{
  return candidate->connected;
}

gboolean
qs_candidate_look_again (QsCandidate *candidate, GError **error)
{
  g_autoptr (QsDomain) domain = find (candidate, has_process, NULL);
  g_autoptr (QsGuest) guest =
      domain != NULL ? qs_registry_get_guest (candidate->engine->registry, domain->id) : NULL;

  if (guest != NULL && qs_guest_is_open (guest))
    {
      qs_domain_unref (candidate->known);
      candidate->known = g_steal_pointer (&domain);
      candidate->connected = TRUE;
    }
  if (domain == NULL || candidate->known != NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "this QEMU has become domain ‘%s’ while it was looked at, attach it again",
               domain->name);
  return FALSE;
}

/* files that QEMU has below each image, to be compared with what the images say */
static GVariant *
list_depths (const QsCandidate *candidate)
{
  g_auto (GVariantBuilder) depths = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{su}"));

  for (guint i = 0; i < candidate->discovery->disks->len; i++)
    {
      const QsFoundDisk *found = g_ptr_array_index (candidate->discovery->disks, i);
      const QsDiskDef *disk = qs_domain_def_find_alias (candidate->def, found->qdev);

      if (disk != NULL && !found->transient)
        g_variant_builder_add (&depths, "{su}", disk->target, found->depth);
    }
  return g_variant_builder_end (&depths);
}

QsRequest *
qs_candidate_make_request (const QsCandidate *candidate)
{
  QsRequest *request = qs_request_new (QS_VERB_ATTACH, 0);
  const QsProcess *process = candidate->process;
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);

  g_return_val_if_fail (!candidate->connected, request);
  g_variant_dict_insert (&options, "owner", "u", candidate->owner);
  g_variant_dict_insert (&options, "socket", "s", candidate->socket);
  g_variant_dict_insert (&options, "agent", "s", candidate->agent);
  g_variant_dict_insert (&options, "stable-path", "b",
                         candidate->stable_path && !candidate->hindered);
  g_variant_dict_insert (&options, "hindered", "b", candidate->hindered);
  g_variant_dict_insert (&options, "follow", "b", *candidate->socket != '\0');
  g_variant_dict_insert (&options, "pid", "x", process->pid);
  g_variant_dict_insert (&options, "start-time", "t", process->start_time);
  g_variant_dict_insert (&options, "boot-id", "s", process->boot_id);
  g_variant_dict_insert (
      &options, "state", "s",
      qs_enum_to_string (QS_ENUM_DOMAIN_STATE,
                         qs_guest_state_from_word (candidate->discovery->run_state)));
  g_variant_dict_insert_value (&options, "depths", list_depths (candidate));
  request->options = g_variant_ref_sink (g_variant_dict_end (&options));
  request->domain_def = qs_domain_def_ref (candidate->def);
  return request;
}

typedef struct
{
  QsEngine *engine;
  const QsDomain *domain;
  gboolean done;
} HandOver;

static void
hand_over (gpointer data)
{
  HandOver *call = data;

  for (guint i = 0; !call->done && i < call->engine->candidates->len; i++)
    {
      const QsCandidate *candidate = g_ptr_array_index (call->engine->candidates, i);

      if (candidate->guest == NULL || candidate->owner != call->domain->owner
          || !is_same_process (call->domain->process, candidate->process)
          || !qs_guest_is_open (candidate->guest))
        continue;
      qs_watch_adopt (candidate->watch, candidate->guest, call->domain->id);
      call->done = TRUE;
    }
}

gboolean
qs_candidate_hand_over (QsEngine *engine, const QsDomain *domain)
{
  HandOver call = { engine, domain, FALSE };

  qs_main_call (hand_over, &call);
  return call.done;
}
