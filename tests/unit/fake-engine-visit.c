/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-engine.h"

#include "qs-error.h"

#include <unistd.h>

/* a QEMU is a file with the name and the uuid of its domain in it, or a socket that was handed
   over: nobody asks it anything */
struct QsCandidate
{
  QsEngine *engine;
  char *domain; /* or NULL */
  char *uuid;   /* of that domain */
  gboolean connected;
  QsDomainDef *def;
  char *socket;
  guint32 owner;
  char *agent;
  gboolean stable_path;
  int fd;
};

static QsDomainDef *
make_def (const char *name, const char *uuid, GError **error)
{
  g_autofree char *fresh = g_uuid_string_random ();
  g_autofree char *short_name = g_strdup_printf ("qemu-%.8s", uuid != NULL ? uuid : fresh);
  g_autofree char *xml = g_strdup_printf (
      "<domain type='qemu'><name>%s</name><uuid>%s</uuid><memory>1024</memory><devices>"
      "<disk type='file'><source file='/images/%s.img'/><target dev='vda'/></disk></devices>"
      "</domain>",
      name != NULL ? name : short_name, uuid != NULL ? uuid : fresh, name != NULL ? name : "vm");

  return qs_domain_def_new (xml, error);
}

static gboolean
is_same (const QsDomain *domain, const QsVisit *visit, const char *uuid)
{
  if (domain->owner != visit->owner)
    return FALSE;
  if (uuid != NULL && g_str_equal (domain->uuid, uuid))
    return TRUE;
  return uuid == NULL && domain->attachment != NULL && visit->socket != NULL
         && g_str_equal (domain->attachment->socket, visit->socket);
}

static void
find_domain (QsCandidate *candidate, const QsVisit *visit, const char *uuid)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&candidate->engine->lock);
  GHashTableIter iter;
  QsDomain *domain;

  g_hash_table_iter_init (&iter, candidate->engine->domains);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&domain))
    if (is_same (domain, visit, uuid))
      {
        candidate->domain = g_strdup (domain->id);
        candidate->uuid = g_strdup (domain->uuid);
        candidate->connected = domain->connected;
        if (domain->attachment != NULL && !visit->has_stable_path)
          candidate->stable_path = domain->attachment->stable_path;
        if (domain->attachment != NULL && visit->agent == NULL)
          candidate->agent = g_strdup (domain->attachment->agent);
      }
}

/* the words of the file; NULL with @error: there is nobody */
static GStrv
greet (const QsVisit *visit, GError **error)
{
  g_autofree char *text = NULL;

  if (visit->socket == NULL)
    return g_strsplit ("", " ", -1);
  if (g_file_get_contents (visit->socket, &text, NULL, NULL))
    return g_strsplit (g_strstrip (text), " ", -1);
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "nobody listens at ‘%s’",
               visit->socket);
  return NULL;
}

QsCandidate *
qs_engine_discover (QsEngine *engine, const QsVisit *visit, GError **error)
{
  g_autoptr (QsCandidate) candidate = g_new0 (QsCandidate, 1);
  g_auto (GStrv) words = NULL;
  const char *name, *uuid;

  candidate->fd = visit->fd;
  candidate->engine = engine;
  fake_engine_hold (engine, "hold-discover");
  words = greet (visit, error);
  if (words == NULL)
    return NULL;
  name = g_strv_length (words) > 0 && *words[0] != '\0' ? words[0] : NULL;
  uuid = g_strv_length (words) > 1 ? words[1] : NULL;
  candidate->socket = g_strdup (visit->socket != NULL ? visit->socket : "");
  candidate->owner = visit->owner;
  candidate->stable_path = !visit->has_stable_path || visit->stable_path;
  find_domain (candidate, visit, uuid);
  if (candidate->domain == NULL && uuid == NULL && visit->uuid != NULL)
    find_domain (candidate, visit, visit->uuid);
  if (candidate->agent == NULL)
    candidate->agent = g_strdup (visit->agent != NULL ? visit->agent : "");
  if (uuid == NULL)
    uuid = candidate->uuid != NULL ? candidate->uuid : visit->uuid;
  candidate->def = make_def (visit->name != NULL ? visit->name : name, uuid, error);
  return candidate->def != NULL ? g_steal_pointer (&candidate) : NULL;
}

gboolean
qs_engine_is_looking (QsEngine *engine)
{
  return FALSE;
}

gboolean
qs_engine_is_thawing (QsEngine *engine)
{
  return FALSE;
}

/* what waits in a hold goes on waiting */
void
qs_engine_end_visits (QsEngine *engine)
{
}

void
qs_candidate_free (QsCandidate *candidate)
{
  if (candidate == NULL)
    return;
  if (candidate->fd >= 0)
    close (candidate->fd);
  g_clear_pointer (&candidate->def, qs_domain_def_unref);
  g_free (candidate->domain);
  g_free (candidate->uuid);
  g_free (candidate->socket);
  g_free (candidate->agent);
  g_free (candidate);
}

gboolean
qs_candidate_look_again (QsCandidate *candidate, GError **error)
{
  return TRUE;
}

const char *
qs_candidate_get_domain (const QsCandidate *candidate)
{
  return candidate->domain;
}

gboolean
qs_candidate_is_connected (const QsCandidate *candidate)
{
  return candidate->connected;
}

QsRequest *
qs_candidate_make_request (const QsCandidate *candidate)
{
  QsRequest *request = qs_request_new (QS_VERB_ATTACH, 0);
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "owner", "u", candidate->owner);
  g_variant_dict_insert (&dict, "socket", "s", candidate->socket);
  g_variant_dict_insert (&dict, "agent", "s", candidate->agent);
  g_variant_dict_insert (&dict, "stable-path", "b", candidate->stable_path);
  request->options = g_variant_ref_sink (g_variant_dict_end (&dict));
  request->domain_def = qs_domain_def_ref (candidate->def);
  return request;
}

/* a file appeared-ID in the state folder: somebody listens again for that domain */
gboolean
fake_engine_look (gpointer data)
{
  QsEngine *engine = data;
  g_autoptr (GDir) folder = g_dir_open (engine->folder, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename (engine->folder, name, NULL);

      if (g_str_has_prefix (name, "appeared-") && unlink (path) == 0)
        engine->sink.qemu_appeared (name + strlen ("appeared-"), engine->user_data);
    }
  return G_SOURCE_CONTINUE;
}
