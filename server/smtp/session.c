#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "../base/spill.h"
#include "session_private.h"

struct session *session_new(struct config *config, const struct session_hooks *hooks, void *context,
                            const char *id, const char *client_ip, const char *temporary_directory)
{
    struct session *session = calloc(1, sizeof *session);
    char *directory = strdup(temporary_directory);
    if (!session || !directory) {
        free(session);
        free(directory);
        return NULL;
    }
    session->config = config_ref(config);
    session->hooks = *hooks;
    session->context = context;
    session->temporary_directory = directory;
    snprintf(session->id, sizeof session->id, "%s", id);
    snprintf(session->client_ip, sizeof session->client_ip, "%s", client_ip);
    session->state = STATE_GREETED;
    session->command = session->argument = "";
    line_init(&session->line);
    return session;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    session_drop_transaction(session);
    config_unref(session->config);
    free(session->temporary_directory);
    free(session->helo);
    free(session->checked);
    free(session->claimed);
    free(session->user);
    free(session->output);
    free(session);
}

void session_set_listener(struct session *session, const struct listen_address *listener)
{
    bool possible = session->hooks.start_tls && session->config->tls.context;
    session->tls_offer = possible ? listener->tls : LISTEN_TLS_OFF;
    session->auth_offer = session->hooks.verify ? listener->auth : LISTEN_AUTH_OFF;
    session->auth_in_clear = listener->auth_without_tls;
    session->lmtp = listener->lmtp;
}

void session_set_client(struct session *session, const char *client_ip)
{
    if (!*session->proxy)
        memcpy(session->proxy, session->client_ip, sizeof session->proxy);
    snprintf(session->client_ip, sizeof session->client_ip, "%s", client_ip);
}

void session_trust(struct session *session)
{
    session->trusted = true;
}

const char *session_client(const struct session *session)
{
    return session->client_ip;
}

void session_tls_started(struct session *session)
{
    session->tls = true;
    if (session->state == STATE_HANDSHAKE)
        session->state = STATE_GREETED;
}

static void forget_transaction(struct session *session)
{
    transaction_free(session->transaction);
    session->transaction = NULL;
    session_forget_replies(session);
}

void session_drop_transaction(struct session *session)
{
    if (session->transaction && session->transaction->data)
        metric_add(METRIC_MESSAGES_TOTAL, 1, "aborted");
    forget_transaction(session);
}

void session_greet(struct session *session)
{
    session_reply(session, 220, "", "%s %s mxhook", session->config->hostname,
                  session->lmtp ? "LMTP" : "ESMTP");
}

void session_start(struct session *session)
{
    session_greet(session);
    session_flush(session);
}

/* A line that is none. What follows one of another protocol is not read as commands. */
static void refuse_line(struct session *session, enum line_result result)
{
    bool in_sasl = session->state == STATE_SASL;
    if (!in_sasl && session_refuse_foreign(session, session->line.bytes))
        return;
    switch (result) {
    case LINE_MORE:
    case LINE_COMPLETE: break;
    case LINE_BARE_CR:
        session_bad_command(session, 500, "5.5.2", "Bare CR: a line ends with CRLF");
        break;
    case LINE_BARE_LF:
        session_bad_command(session, 500, "5.5.2", "Bare LF: a line ends with CRLF");
        break;
    case LINE_NUL: session_bad_command(session, 500, "5.5.2", "NUL in a command"); break;
    case LINE_TOO_LONG: session_bad_command(session, 500, "5.5.2", "Line too long"); break;
    }
    if (in_sasl && session->state == STATE_SASL)
        session->state = STATE_READY;
}

static size_t read_line(struct session *session, const char *bytes, size_t size)
{
    size_t used;
    enum line_result result = line_take(&session->line, bytes, size, &used);
    session->command = "unknown";
    session->progress += result != LINE_MORE;
    if (result == LINE_COMPLETE && session->state == STATE_SASL)
        session_sasl_line(session, session->line.bytes);
    else if (result == LINE_COMPLETE)
        session_command(session, session->line.bytes);
    else if (result != LINE_MORE)
        refuse_line(session, result);
    return used;
}

static enum data_failure keep_data(struct session *session, const char *bytes, size_t size)
{
    struct spill *spill = session->transaction->data;
    if (size > session->config->smtp.max_size - spill_size(spill))
        return DATA_TOO_BIG;
    int code = spill_write(spill, bytes, size);
    if (code == 0)
        return DATA_FINE;
    log_limited(LOG_ERROR, "data-not-kept", session->transaction_id,
                LOG_TEXT("reason", strerror(-code)));
    return code == -ENOMEM ? DATA_NO_MEMORY : DATA_NO_STORAGE;
}

bool session_begin_data(struct session *session)
{
    session->transaction->data = spill_new(session->temporary_directory, NULL);
    if (session->transaction->data)
        spill_keep_free(session->transaction->data, session->config->spool.min_free);
    data_scanner_init(&session->scanner);
    session->data_failure = DATA_FINE;
    return session->transaction->data;
}

void session_fail_data(struct session *session, enum data_failure failure)
{
    session->data_failure = failure;
    spill_free(session->transaction->data);
    session->transaction->data = NULL;
}

/* What will not be used is not kept, so that it cannot fill memory or disk. */
void session_keep_data(struct session *session, const char *bytes, size_t size)
{
    if (session->transaction->data && !session->scanner.smuggling)
        session->data_failure = keep_data(session, bytes, size);
    if (session->data_failure != DATA_FINE || session->scanner.smuggling)
        session_fail_data(session, session->data_failure);
}

/* data_sink */
static void write_data(void *context, const char *bytes, size_t size)
{
    session_keep_data(context, bytes, size);
}

static void submit(struct session *session)
{
    struct transaction *transaction = session->transaction;
    session->transaction = NULL;
    transaction->received_ms = clock_unix_ms();
    log_info("received", transaction->id, LOG_TEXT("client", session->client_ip),
             LOG_TEXT("sender", transaction->envelope.sender),
             LOG_NUMBER("recipients", transaction->envelope.recipient_count),
             LOG_NUMBER("size", spill_size(transaction->data)));
    session->state = STATE_WAITING;
    session->progress++;
    session->hooks.submit(session->context, transaction);
}

static bool is_failed(const struct session *session)
{
    return session->scanner.smuggling || session->data_failure != DATA_FINE;
}

static void refuse_data(struct session *session)
{
    if (session->scanner.smuggling) {
        metric_add(METRIC_MESSAGES_TOTAL, 1, "rejected");
        session_refuse(session, 550, "5.5.2",
                       "SMTP smuggling: a line of a lone dot, but without CRLF around it");
        return;
    }
    switch (session->data_failure) {
    case DATA_FINE: break;
    case DATA_TOO_BIG:
        metric_add(METRIC_MESSAGES_TOTAL, 1, "rejected");
        session_refuse(session, 552, "5.3.4", "Message size exceeds the limit of %llu bytes",
                       (unsigned long long)session->config->smtp.max_size);
        break;
    case DATA_NO_STORAGE:
        metric_add(METRIC_MESSAGES_TOTAL, 1, "deferred");
        session_refuse(session, 452, "4.3.1", "Out of storage, try again later");
        break;
    case DATA_NO_MEMORY:
        metric_add(METRIC_MESSAGES_TOTAL, 1, "deferred");
        session_refuse(session, 451, "4.3.0", "Out of memory, try again later");
        break;
    }
}

/* The message is over: nothing of it is left in the session. */
static void leave_transaction(struct session *session)
{
    forget_transaction(session);
    session->state = STATE_READY;
    if (session->shutting_down)
        session_hang_up(session, "4.3.2", "the server is shutting down");
}

bool session_refuse_data(struct session *session, size_t replies)
{
    if (!is_failed(session))
        return false;
    while (replies-- > 0)
        refuse_data(session);
    leave_transaction(session);
    return true;
}

void session_end_data(struct session *session)
{
    if (!session_refuse_data(session, session_replies(session)))
        submit(session);
}

static size_t read_data(struct session *session, const char *bytes, size_t size)
{
    const struct data_sink sink = {write_data, session};
    size_t used = data_scan(&session->scanner, bytes, size, &sink);
    if (session->scanner.state != DATA_END)
        return used;
    session->command = "DATA";
    session_end_data(session);
    return used;
}

/* Nothing of it may count as said inside TLS (RFC 3207 section 5). */
static size_t throw_away(struct session *session, size_t size)
{
    if (!session->injected)
        log_limited(LOG_WARN, "starttls-injection", session->id,
                    LOG_TEXT("client", session->client_ip), LOG_NUMBER("size", (int64_t)size));
    session->injected = true;
    return size;
}

size_t session_input(struct session *session, const char *bytes, size_t size)
{
    size_t used = 0;
    session->blocked = false;
    while (used < size && session->state < STATE_WAITING && !session->blocked) {
        if (session->state == STATE_HANDSHAKE)
            used += throw_away(session, size - used);
        else if (session->state == STATE_CHUNK)
            used += session_read_chunk(session, bytes + used, size - used);
        else if (session->state == STATE_DATA)
            used += read_data(session, bytes + used, size - used);
        else
            used += read_line(session, bytes + used, size - used);
    }
    if (session->state >= STATE_CLOSING)
        used = size;
    session_flush(session);
    return used;
}

static void answer(struct session *session, const struct reply *reply)
{
    if (reply->code >= 400)
        session_refuse(session, reply->code, reply->enhanced, "%s", reply->text);
    else
        session_reply(session, reply->code, reply->enhanced, "%s", reply->text);
}

void session_answer(struct session *session, const struct reply *replies, size_t count)
{
    session->command = "DATA";
    for (size_t i = 0; i < session_replies(session); i++)
        answer(session, &replies[count > 1 ? session->expected.recipients[i] : 0]);
    leave_transaction(session);
    session_flush(session);
}

void session_go_on(struct session *session)
{
    if (session->state == STATE_DELAYED)
        session->state = session->before_delay;
}

uint64_t session_progress(const struct session *session)
{
    return session->progress;
}

bool session_is_in_message(const struct session *session)
{
    return session->state == STATE_DATA || session->state == STATE_CHUNK;
}

int64_t session_timeout_ms(const struct session *session)
{
    if (session->state >= STATE_WAITING)
        return 0;
    return session_is_in_message(session) ? session->config->smtp.data_timeout_ms
                                          : session->config->smtp.command_timeout_ms;
}

void session_timed_out(struct session *session)
{
    if (session->state >= STATE_WAITING)
        return;
    session->command = session_is_in_message(session) ? "DATA" : "";
    session_hang_up(session, "4.4.2", "timeout");
    session_flush(session);
}

void session_shut_down(struct session *session)
{
    if (session_is_in_message(session) || session->state == STATE_CHUNKS ||
        session->state == STATE_WAITING)
        session->shutting_down = true;
    else if (session->state < STATE_CLOSING) {
        session->command = "";
        session_hang_up(session, "4.3.2", "the server is shutting down");
        session_flush(session);
    }
}
