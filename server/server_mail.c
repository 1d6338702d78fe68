/* server_mail.c - what the listeners ask of the server, and the way of a transaction to the workers and back. */
#include <stdlib.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "config/config.h"
#include "deliver/deliver.h"
#include "deliver/srs.h"
#include "history/history.h"
#include "history/keep.h"
#include "history/refusals.h"
#include "rules/ruleset.h"
#include "server_parts.h"
#include "spool/spool.h"
#include "worker.h"

static struct config *current_config(void *context)
{
    struct server *server = context;
    return config_ref(server->config);
}

static struct ruleset *current_rules(void *context)
{
    struct server *server = context;
    return ruleset_ref(server->rules);
}

struct waiting_recipient {
    struct server *server;
    void (*done)(void *token, enum recipient_answer answer);
    void *token;
};

static void recipient_asked(void *context, enum ruleset_lookup answer)
{
    static const enum recipient_answer answers[] = {[RULESET_YES] = RECIPIENT_OK,
                                                    [RULESET_NO] = RECIPIENT_UNKNOWN,
                                                    [RULESET_UNKNOWN] = RECIPIENT_LATER};
    struct waiting_recipient *waiting = context;
    struct server *server = waiting->server;
    waiting->done(waiting->token, answers[answer]);
    free(waiting);
    server->questions--;
    server_finish_transactions(server);
}

/* Patterns and databases of a rule's author may take long: a worker asks those. Without memory for
 * that, the end of DATA decides. */
static enum recipient_answer ask_worker(struct server *server, struct ruleset *rules,
                                        const char *recipient,
                                        void (*done)(void *token, enum recipient_answer answer),
                                        void *token)
{
    struct waiting_recipient *waiting = malloc(sizeof *waiting);
    if (!waiting)
        return RECIPIENT_OK;
    *waiting = (struct waiting_recipient){server, done, token};
    if (workers_ask(server->workers, rules, recipient, recipient_asked, waiting) != 0) {
        free(waiting);
        return RECIPIENT_OK;
    }
    server->questions++;
    return RECIPIENT_WAIT;
}

static enum recipient_answer
check_recipient(void *context, struct ruleset *rules, const char *recipient,
                void (*done)(void *token, enum recipient_answer answer), void *token)
{
    static const enum recipient_answer answers[] = {[SRS_VALID] = RECIPIENT_BOUNCE,
                                                    [SRS_FORGED] = RECIPIENT_FORGED,
                                                    [SRS_EXPIRED] = RECIPIENT_EXPIRED};
    struct server *server = context;
    char original[SRS_SIZE];
    enum srs_answer bounce =
        srs_reverse(&server->config->forward, recipient, clock_unix_ms() / 1000, original);
    if (bounce != SRS_NONE)
        return answers[bounce];
    switch (ruleset_look_up(rules, recipient)) {
    case RULESET_YES: return RECIPIENT_OK;
    case RULESET_NO: return RECIPIENT_UNKNOWN;
    case RULESET_UNKNOWN: return RECIPIENT_LATER;
    case RULESET_ASK: break;
    }
    return ask_worker(server, rules, recipient, done, token);
}

bool server_has_room(void *context)
{
    const struct server *server = context;
    size_t waiting = server->transactions - workers_resolving(server->workers);
    return waiting < server->config->smtp.max_waiting && !spool_is_away(server->spool);
}

bool server_has_storage(void *context)
{
    const struct server *server = context;
    return !spool_is_full(server->spool);
}

struct waiting_session {
    struct server *server;
    void (*done)(void *token, const struct reply *replies, size_t count, uint64_t digest);
    void *token;
};

static void transaction_done(void *context, struct transaction *transaction,
                             struct delivery *deliveries)
{
    struct waiting_session *waiting = context;
    struct server *server = waiting->server;
    if (transaction->replies)
        waiting->done(waiting->token, transaction->replies, transaction->envelope.recipient_count,
                      transaction->digest);
    else
        waiting->done(waiting->token, &transaction->reply, 1, transaction->digest);
    transaction_free(transaction);
    free(waiting);
    if (deliveries)
        deliver_take(server->deliver, deliveries);
    server->transactions--;
    metric_set(METRIC_MESSAGES_WAITING, (double)server->transactions);
    server_finish_transactions(server);
}

/* What cannot begin here, for want of memory, has another chance when the message is there. */
static void begin(void *context, struct transaction *transaction)
{
    struct server *server = context;
    transaction->release_check = auth_check_free;
    if (auth_begin(server->auth, server->config, &transaction->envelope, &transaction->check) != 0)
        transaction->check = NULL;
}

void server_submit(void *context, struct transaction *transaction,
                   void (*done)(void *token, const struct reply *replies, size_t count,
                                uint64_t digest),
                   void *token)
{
    struct server *server = context;
    struct waiting_session *waiting = malloc(sizeof *waiting);
    if (!transaction->check)
        begin(context, transaction);
    if (!waiting || !transaction->check) {
        free(waiting);
        struct reply reply;
        reply_set(&reply, 451, "4.3.0", "Out of memory, try again later");
        transaction_free(transaction);
        done(token, &reply, 1, 0);
        return;
    }
    *waiting = (struct waiting_session){server, done, token};
    server->transactions++;
    metric_set(METRIC_MESSAGES_WAITING, (double)server->transactions);
    workers_submit(server->workers, server->config, transaction, deliver_has_room(server->deliver),
                   transaction_done, waiting);
}

static void refused(void *context, const struct session_refused *refused)
{
    (void)context;
    if (!history_is_on() || !refusals_admit(refused->client_ip, clock_monotonic_ms()))
        return;
    const struct refused_mail mail = {.id = refused->id,
                                      .client_ip = refused->client_ip,
                                      .helo = refused->helo,
                                      .user = refused->user,
                                      .tls = refused->tls,
                                      .lmtp = refused->lmtp,
                                      .sender = refused->sender,
                                      .recipient = refused->recipient,
                                      .envelope = refused->envelope,
                                      .reply = refused->reply};
    history_note_message(history_message_refused(&mail));
}

const struct listener_hooks server_listener_hooks = {.config = current_config,
                                                     .rules = current_rules,
                                                     .release_rules = ruleset_unref,
                                                     .check_recipient = check_recipient,
                                                     .begin = begin,
                                                     .refused = refused,
                                                     .submit = server_submit,
                                                     .has_room = server_has_room,
                                                     .has_storage = server_has_storage};
