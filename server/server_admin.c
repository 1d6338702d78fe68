/* server_admin.c - what the admin room asks of the server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/spill.h"
#include "rules/ruleset.h"
#include "server_parts.h"

static void admin_reload(void *context)
{
    struct server *server = context;
    if (server->state == SERVER_RUNNING)
        server_reload(server);
    else
        admin_reloaded(server->admin, false, "the server is stopping");
}

struct handed_in {
    void (*done)(void *token, const char *id, const char *reply);
    void *token;
    char id[ID_SIZE];
};

static void admin_answered(void *token, const struct reply *replies, size_t count, uint64_t digest)
{
    struct handed_in *handed_in = token;
    char text[sizeof *replies + 16];
    (void)count;
    (void)digest;
    snprintf(text, sizeof text, "%d %s %s", replies->code, replies->enhanced, replies->text);
    handed_in->done(handed_in->token, handed_in->id, text);
    free(handed_in);
}

/* NULL: no memory. Takes `data` in any case. */
static struct transaction *make_transaction(struct server *server, const char *recipient,
                                            struct spill *data)
{
    char id[ID_SIZE];
    id_new(id);
    id_child(id, id, 1);
    struct ruleset *rules = ruleset_ref(server->rules);
    struct transaction *t = transaction_new(id, rules, ruleset_unref);
    if (!t) {
        ruleset_unref(rules);
        spill_free(data);
        return NULL;
    }
    t->data = data;
    t->received_ms = clock_unix_ms();
    snprintf(t->envelope.client_ip, sizeof t->envelope.client_ip, "127.0.0.1");
    t->envelope.helo = strdup("localhost");
    if (t->envelope.helo && transaction_set_sender(t, "") == 0 &&
        transaction_add_recipient(t, recipient) == 0)
        return t;
    transaction_free(t);
    return NULL;
}

static void admin_submit(void *context, const char *recipient, struct spill *data,
                         void (*done)(void *token, const char *id, const char *reply), void *token)
{
    struct server *server = context;
    if (server->state != SERVER_RUNNING || !server_has_room(server) ||
        !server_has_storage(server)) {
        spill_free(data);
        done(token, "", "451 4.3.2 no room for mail now, or the server is stopping");
        return;
    }
    struct handed_in *handed_in = malloc(sizeof *handed_in);
    struct transaction *t = make_transaction(server, recipient, data);
    if (!t || !handed_in) {
        free(handed_in);
        transaction_free(t);
        done(token, "", "451 4.3.0 Out of memory, try again later");
        return;
    }
    *handed_in = (struct handed_in){.done = done, .token = token};
    snprintf(handed_in->id, sizeof handed_in->id, "%s", t->id);
    server_submit(server, t, admin_answered, handed_in);
}

/* Who waits for it may give up: whoever is last frees it. */
struct sending {
    struct commit commit;
    uv_mutex_t lock;
    uv_cond_t ended;
    bool done, given_up;
    int status;
};

static void sending_free(struct sending *sending)
{
    uv_cond_destroy(&sending->ended);
    uv_mutex_destroy(&sending->lock);
    delivery_free(sending->commit.deliveries);
    free(sending);
}

static void sending_done(struct commit *commit)
{
    struct sending *sending = commit->context;
    uv_mutex_lock(&sending->lock);
    sending->status = commit->status;
    if (commit->status != 0)
        spill_unlink(commit->deliveries->payload->head);
    sending->done = true;
    bool alone = sending->given_up;
    uv_cond_signal(&sending->ended);
    uv_mutex_unlock(&sending->lock);
    if (alone)
        sending_free(sending);
}

#define SEND_WAIT_NS 5000000000ull /* the loop may be stopping, and wait for whoever waits here */

static int await(struct sending *sending)
{
    uv_mutex_lock(&sending->lock);
    while (!sending->done && uv_cond_timedwait(&sending->ended, &sending->lock, SEND_WAIT_NS) == 0)
        ;
    bool done = sending->done;
    sending->given_up = !done;
    int status = done ? sending->status : -ETIMEDOUT;
    uv_mutex_unlock(&sending->lock);
    if (done)
        sending_free(sending);
    return status;
}

/* In the spool's own keeping, and synced, as a commit wants it; NULL: it cannot be read or written. */
static struct payload *copy_payload(struct server *server, const struct delivery *from)
{
    struct spill *body = spool_new_body(server->spool, from->id);
    char buffer[16384];
    uint64_t offset = 0;
    ssize_t n = -ENOMEM;
    while (body && (n = payload_read(from->payload, offset, buffer, sizeof buffer)) > 0) {
        if (spill_write(body, buffer, (size_t)n) != 0)
            break;
        offset += (uint64_t)n;
    }
    struct payload *payload = n == 0 && spill_sync(body) == 0 ? payload_new(body, NULL) : NULL;
    if (!payload && body) {
        spill_unlink(body);
        spill_free(body);
    }
    return payload;
}

/* The caller keeps what it has: the spool gets a copy, which stays until it is stored. */
static struct delivery *copy_delivery(struct server *server, const struct delivery *from)
{
    struct delivery *d = delivery_new(from->id);
    if (!d)
        return NULL;
    d->sender = arena_strdup(d->arena, from->sender);
    d->recipient = arena_strdup(d->arena, from->recipient);
    d->payload = copy_payload(server, from);
    d->created_ms = from->created_ms;
    d->due_ms = from->due_ms;
    if (d->sender && d->recipient && d->payload &&
        delivery_set_destination(d, &from->destination) == 0)
        return d;
    delivery_free(d);
    return NULL;
}

static int admin_send(void *context, struct delivery *delivery)
{
    struct server *server = context;
    struct sending *sending = calloc(1, sizeof *sending);
    if (!sending)
        return -ENOMEM;
    uv_mutex_init(&sending->lock);
    uv_cond_init(&sending->ended);
    sending->commit = (struct commit){.done = sending_done, .context = sending};
    sending->commit.deliveries = copy_delivery(server, delivery);
    if (!sending->commit.deliveries) {
        sending_free(sending);
        return -ENOMEM;
    }
    spool_commit(server->spool, &sending->commit);
    return await(sending);
}

static bool storage_is_full(void *context)
{
    return !server_has_storage(context);
}

static bool storage_is_away(void *context)
{
    const struct server *server = context;
    return spool_is_away(server->spool);
}

const struct admin_hooks server_admin_hooks = {admin_reload, admin_submit, admin_send,
                                               storage_is_full, storage_is_away};
