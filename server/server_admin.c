/* server_admin.c - what the admin room asks of the server. */
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

static bool storage_is_full(void *context)
{
    return !server_has_storage(context);
}

static bool storage_is_away(void *context)
{
    const struct server *server = context;
    return spool_is_away(server->spool);
}

const struct admin_hooks server_admin_hooks = {admin_reload, admin_submit, storage_is_full,
                                               storage_is_away};
