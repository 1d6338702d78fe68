/* One delivery sent again, to where it went or to another URL: what the spool or the history has of it, as a new
 * delivery. */
#include <errno.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/redact.h"
#include "../history/history.h"
#include "../history/target.h"
#include "../history/keep.h"
#include "../history/target.h"
#include "request.h"

static int set_payload(struct delivery *d, struct payload *payload, const char *sender,
                       const char *recipient)
{
    d->payload = payload;
    d->sender = arena_strdup(d->arena, sender ? sender : "");
    d->recipient = arena_strdup(d->arena, recipient ? recipient : "");
    return d->payload && d->sender && d->recipient ? 0 : -ENOMEM;
}

/* ---- Of the spool ---- */

static int copy_payload(const struct payload *from, const char *directory, struct payload **out)
{
    struct spill *bytes = spill_new(directory, NULL);
    char buffer[16384];
    uint64_t offset = 0;
    ssize_t n = bytes ? 0 : -ENOMEM;
    while (bytes && (n = payload_read(from, offset, buffer, sizeof buffer)) > 0) {
        int code = spill_write(bytes, buffer, (size_t)n);
        offset += (uint64_t)n;
        if (code != 0)
            n = code;
        if (code != 0)
            break;
    }
    *out = n == 0 ? payload_new(bytes, NULL) : NULL;
    if (!*out)
        spill_free(bytes);
    return n < 0 ? (int)n : *out ? 0 : -ENOMEM;
}

static int of_spool(struct request *request, const char *id, struct delivery *d,
                    struct destination *to, struct error *err)
{
    struct queue *queue = NULL;
    struct delivery *found = NULL;
    struct payload *payload = NULL;
    int code = queue_open(&request->config->spool, &queue, err);
    if (code == 0)
        code = queue_show(queue, id, &found, err);
    if (code == 0 && destination_is_mail(&found->destination))
        code = error_set(err, -ENOTSUP, "%s: e-mail is sent again by a retry only", id);
    if (code == 0)
        code = copy_payload(found->payload, request->config->spool.directory, &payload);
    if (code == 0)
        code = set_payload(d, payload, found->sender, found->recipient);
    if (code == 0 && !to->url) /* copied, since the other one goes */
        code = delivery_set_destination(d, &found->destination);
    delivery_free(found);
    queue_close(queue);
    return code;
}

/* ---- Of the history ---- */

struct finding {
    const char *id;
    struct delivery *d;
    const struct history_ops *ops;
    struct history_store *store;
    bool same;
    int code;
};

static int take(struct finding *f, const struct history_message *m,
                const struct history_delivery *from)
{
    struct spill *bytes = NULL;
    struct destination to;
    if (!from->body || !from->target || !strchr(from->target, '/'))
        return -ENODATA;
    int code = f->ops->body(f->store, from->body, &bytes);
    struct payload *payload = code == 0 ? payload_new(bytes, NULL) : NULL;
    if (code == 0 && !payload) {
        spill_free(bytes);
        code = -ENOMEM;
    }
    if (code == 0)
        code = set_payload(f->d, payload, m->sender, from->recipient);
    if (code == 0 && f->same)
        code = history_target_read(f->d->arena, from->target, &to);
    if (code == 0 && f->same)
        code = delivery_set_destination(f->d, &to);
    return code;
}

static int look(void *context, const struct history_message *m)
{
    struct finding *f = context;
    char id[ID_SIZE];
    for (size_t i = 0; i < m->delivery_count; i++) {
        id_child(id, m->id, m->deliveries[i].number);
        if (strcmp(id, f->id) == 0) {
            f->code = take(f, m, &m->deliveries[i]);
            return 1;
        }
    }
    return 0;
}

static int of_history(struct request *request, const char *id, struct delivery *d,
                      struct destination *to, struct error *err)
{
    struct finding f = {.id = id, .d = d, .same = !to->url, .code = -ENOENT};
    char message[ID_SIZE];
    snprintf(message, sizeof message, "%s", id);
    char *last = strrchr(message, '-');
    if (last)
        *last = 0;
    f.ops = history_ops_of(request->config);
    if (request->config->history.keep_ms == 0 ||
        f.ops->open(&request->config->spool, false, &f.store, err) != 0)
        return error_set(err, -ENOENT, "%s: it is not in the spool, and there is no history", id);
    struct history_filter filter = {.id = message, .limit = 10};
    f.ops->list(f.store, &filter, look, &f);
    f.ops->close(f.store);
    if (f.code == -ENOENT)
        return error_set(err, f.code, "%s: no such delivery", id);
    if (f.code == -ENODATA)
        return error_set(err, f.code, "%s: its bytes were not kept (history.bodies)", id);
    return f.code == 0 ? 0 : error_set(err, f.code, "%s: %s", id, strerror(-f.code));
}

/* ---- It goes ---- */

/* It has a story of its own, which names the one that it comes from. */
static void note(const struct request *request, const char *from, const struct delivery *d)
{
    char reply[ID_SIZE + ADMIN_NAME_SIZE + 32];
    struct history_message *m = history_is_on() ? history_sent_again(d) : NULL;
    if (!m)
        return;
    snprintf(reply, sizeof reply, "250 sent again: %s, by %s", from, request->who);
    m->reply = arena_strdup(m->arena, reply);
    history_note_message(m);
}

static int status_of(int code)
{
    return code == -ENOENT ? 404 : code == -ENODATA ? 409 : code == -ENOTSUP ? 400 : 503;
}

static void response_sent(struct request *request, const char *from, const struct delivery *d)
{
    char what[ID_SIZE + REDACT_SIZE], url[REDACT_SIZE];
    redact_url(d->destination.url, url);
    snprintf(what, sizeof what, "%s to %s", from, url);
    request_audit(request, "resend", what, 1);
    struct json *json = response_json(request);
    if (!json)
        return;
    json_begin_object(json);
    json_pair(json, "id", d->id);
    json_pair(json, "destination", url);
    json_end_object(json);
}

static void send_again(struct request *request, const char *id, struct destination *to)
{
    char new[ID_SIZE];
    struct error err = {""};
    id_new(new);
    id_child(new, new, 1); /* a message's, then its only delivery's */
    id_child(new, new, 1);
    struct delivery *d = delivery_new(new);
    int code = d ? of_spool(request, id, d, to, &err) : -ENOMEM;
    if (code == -ENOENT)
        code = of_history(request, id, d, to, &err);
    if (code == 0 && to->url)
        code = delivery_set_destination(d, to);
    if (code == 0) {
        d->created_ms = d->due_ms = clock_unix_ms();
        note(request, id, d);
        code = request->admin->hooks->send(request->admin->context, d);
    }
    if (code == 0)
        response_sent(request, id, d);
    else
        response_error(request, status_of(code), "%s", *err.text ? err.text : strerror(-code));
    delivery_free(d);
}

void api_resend(struct request *request)
{
    struct lua_State *L = request_body(request);
    struct destination to = {0};
    struct pause named;
    struct error err = {""};
    if (!L)
        return;
    const char *id = body_text(L, "id");
    to.url = body_text(L, "url");
    if (!id || strlen(id) >= ID_SIZE)
        response_error(request, 400, "id: of a delivery");
    else if (to.url && strncasecmp(to.url, "http://", 7) != 0 &&
             strncasecmp(to.url, "https://", 8) != 0)
        response_error(request, 400, "url: http:// or https://");
    else if (to.url && pause_named(to.url, false, NULL, &named, &err) != 0)
        response_error(request, 400, "url: %s", err.text);
    else
        send_again(request, id, &to);
    lua_close(L);
}
