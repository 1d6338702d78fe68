#include "outcome.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/spill.h"

static void set_failure(struct reply *reply, int code)
{
    if (code == -ENOSPC || code == -EDQUOT)
        reply_set(reply, 452, "4.3.1", "Insufficient system storage, try again later");
    else if (code == -EFBIG)
        reply_set(reply, 552, "5.3.4", "Its contents take too many times its size");
    else
        reply_set(reply, 451, "4.3.0", "Temporary failure here, try again later");
}

static const char *text_or(const struct verdict *verdict, const char *otherwise)
{
    return verdict->text && *verdict->text ? verdict->text : otherwise;
}

static void set_reply(struct reply *reply, const struct verdict *v, const char *id)
{
    switch (v->kind) {
    case VERDICT_DELIVER: reply_set(reply, 250, "2.0.0", "Ok: queued as %s", id); break;
    case VERDICT_DISCARD: reply_set(reply, 250, "2.0.0", "Ok: taken as %s", id); break;
    case VERDICT_DEFER:
        reply_set(reply, 451, v->enhanced ? v->enhanced : "4.3.0", "%s",
                  text_or(v, "Temporary failure, try again later"));
        break;
    case VERDICT_REJECT:
        reply_set(reply, v->enhanced ? 554 : 550, v->enhanced ? v->enhanced : "5.7.1", "%s",
                  text_or(v, "Message refused"));
        break;
    case VERDICT_NO_MATCH:
        reply_set(reply, 550, "5.1.1", "No destination for any recipient");
        break;
    }
}

static const struct verdict *first_verdict(const struct transaction *t,
                                           struct verdict *const *verdicts, enum verdict_kind kind)
{
    for (size_t i = 0; i < t->envelope.recipient_count; i++)
        if (verdicts[i]->kind == kind)
            return verdicts[i];
    return NULL;
}

/* The sender gets 250, yet these recipients get nothing: that must be told somewhere. */
static void log_left_out(const struct transaction *t, struct verdict *const *verdicts)
{
    for (size_t i = 0; i < t->envelope.recipient_count; i++) {
        const struct verdict *v = verdicts[i];
        if (v->kind == VERDICT_NO_MATCH || v->kind == VERDICT_REJECT)
            log_warn("left-out", t->id, LOG_TEXT("to", t->envelope.recipients[i]),
                     LOG_TEXT("reason", v->enhanced                 ? v->text
                                        : v->kind == VERDICT_REJECT ? "rejected"
                                                                    : "no rule answered"),
                     LOG_TEXT("rule", v->rule));
    }
}

/* One reply stands for all recipients: one that is deferred defers all, since the sender will send
 * to all of them again; else one that is taken makes it 250. */
static void decide_for_all(struct transaction *t, struct verdict *const *verdicts, bool *store)
{
    static const enum verdict_kind order[] = {VERDICT_DEFER, VERDICT_DELIVER, VERDICT_DISCARD,
                                              VERDICT_REJECT, VERDICT_NO_MATCH};
    const struct verdict *v = NULL;
    for (size_t i = 0; !v; i++)
        v = first_verdict(t, verdicts, order[i]);
    set_reply(&t->reply, v, t->id);
    *store = v->kind == VERDICT_DELIVER;
    if (t->reply.code < 400)
        log_left_out(t, verdicts);
}

static int decide_for_each(struct transaction *t, struct verdict *const *verdicts, bool *store)
{
    size_t count = t->envelope.recipient_count;
    t->replies = calloc(count, sizeof *t->replies);
    if (!t->replies)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        set_reply(&t->replies[i], verdicts[i], t->id);
        if (verdicts[i]->kind == VERDICT_NO_MATCH)
            reply_set(&t->replies[i], 550, "5.1.1", "No destination for this recipient");
    }
    *store = first_verdict(t, verdicts, VERDICT_DELIVER);
    return 0;
}

int outcome_decide(struct transaction *t, struct verdict *const *verdicts, bool *store)
{
    if (t->envelope.lmtp)
        return decide_for_each(t, verdicts, store);
    decide_for_all(t, verdicts, store);
    return 0;
}

void outcome_fail(struct transaction *t, int code)
{
    free(t->replies);
    t->replies = NULL;
    set_failure(&t->reply, code);
}

void outcome_fail_stored(struct transaction *t, struct verdict *const *verdicts, int code)
{
    if (!t->replies) {
        set_failure(&t->reply, code);
        return;
    }
    for (size_t i = 0; i < t->envelope.recipient_count; i++)
        if (verdicts[i]->kind == VERDICT_DELIVER)
            set_failure(&t->replies[i], code);
}

static void log_reply(const struct transaction *t, const struct reply *reply, const char *recipient)
{
    char text[REPLY_TEXT_SIZE];
    const char *event = reply->code < 400 ? "accepted" : "refused";
    int64_t ms = clock_unix_ms() - t->received_ms;
    metric_add(METRIC_MESSAGES_TOTAL, 1,
               reply->code < 400   ? "accepted"
               : reply->code < 500 ? "deferred"
                                   : "rejected");
    reply_text(reply, text);
    if (recipient)
        log_held(event, t->id, LOG_TEXT("to", recipient), LOG_TEXT("reply", text),
                 LOG_NUMBER("ms", ms));
    else
        log_held(event, t->id, LOG_TEXT("reply", text), LOG_NUMBER("ms", ms));
}

void outcome_log(const struct transaction *t)
{
    metric_observe(METRIC_MESSAGE_SIZE, (double)spill_size(t->data));
    metric_observe(METRIC_ACCEPT_DURATION, (double)(clock_unix_ms() - t->received_ms) / 1000);
    if (!t->replies)
        log_reply(t, &t->reply, NULL);
    for (size_t i = 0; t->replies && i < t->envelope.recipient_count; i++)
        log_reply(t, &t->replies[i], t->envelope.recipients[i]);
}
