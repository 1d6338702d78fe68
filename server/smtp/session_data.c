/* session_data.c - the octets of a message: kept, refused or submitted; and its answer. */
#include <errno.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "../base/spill.h"
#include "session_private.h"

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

static void submit(struct session *session)
{
    struct transaction *transaction = session->transaction;
    session->transaction = NULL;
    transaction->received_ms = clock_unix_ms();
    log_held("received", transaction->id, LOG_TEXT("client", session->client_ip),
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
    session_forget_transaction(session);
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
