/* connection_receipt.c - has the client read that its message was accepted? (resends.h) */
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../base/spill.h"
#include "connection_private.h"

static bool is_unread(void *context)
{
    const struct connection *c = context;
    return c->wait == WAIT_CLOSED || stream_is_unread(&c->stream);
}

void connection_look_for_resend(struct connection *c, struct transaction *transaction)
{
    c->resend_key = resends_key(transaction);
    c->data = spill_ref(transaction->data);
    memcpy(c->message_id, transaction->id, sizeof c->message_id);
    resends_look_up(c->owner->resends, transaction, c->resend_key, (int64_t)uv_now(c->owner->loop));
}

static void end_oldest(struct connection *c, bool lost)
{
    struct unconfirmed *u = c->unconfirmed;
    c->unconfirmed = u->next;
    c->unconfirmed_count--;
    if (lost) {
        receipt_lose(c->owner->resends, u->receipt, (int64_t)uv_now(c->owner->loop));
        log_limited(LOG_INFO, "reply-lost", u->id, LOG_TEXT("client", session_client(c->session)),
                    LOG_NUMBER("remembered", (int64_t)resends_lost(c->owner->resends)));
    } else {
        receipt_confirm(c->owner->resends, u->receipt);
    }
    free(u);
}

static void add(struct connection *c, struct receipt *receipt)
{
    struct unconfirmed *u = malloc(sizeof *u);
    if (!u) {
        receipt_confirm(c->owner->resends, receipt);
        return;
    }
    *u = (struct unconfirmed){.receipt = receipt};
    u->received = c->wait == WAIT_CLOSED ? UINT64_MAX : stream_received(&c->stream);
    memcpy(u->id, c->message_id, sizeof u->id);
    if (c->unconfirmed)
        c->newest_unconfirmed->next = u;
    else
        c->unconfirmed = u;
    c->newest_unconfirmed = u;
    c->unconfirmed_count++;
}

void connection_note_answer(struct connection *c, const struct reply *replies, size_t count,
                            uint64_t digest)
{
    struct spill *data = c->data;
    struct receipt_terms terms = {c->resend_key, digest, data, replies, count, is_unread, c};
    c->data = NULL;
    if (c->owner && c->unconfirmed_count == CONNECTION_RECEIPTS)
        end_oldest(c, false); /* it reads nothing: what it sends again is there twice */
    struct receipt *receipt =
        c->owner ? receipt_new(c->owner->resends, &terms, (int64_t)uv_now(c->owner->loop)) : NULL;
    spill_free(data);
    if (receipt)
        add(c, receipt);
}

void connection_confirm(struct connection *c)
{
    while (c->unconfirmed && c->stream.received > c->unconfirmed->received)
        end_oldest(c, false);
}

void connection_lose(struct connection *c)
{
    bool lost = c->unconfirmed && is_unread(c);
    while (c->unconfirmed && c->owner)
        end_oldest(c, lost);
}

bool connection_awaits_receipt(const struct connection *c)
{
    return c->unconfirmed && stream_state(&c->stream) != STREAM_BROKEN &&
           stream_is_unread(&c->stream);
}
