/*
 * processing.h - a message's way through the rooms: who sent it, what a scanner said, its parts, its rules, the reply,
 * and what is rendered of it.
 *
 * The one place that knows the order. Workers lead each message along it (worker.h), and `mxhook route`, `test` and
 * `send` a message that nobody has sent (trial.h), so that both say the same. The thread that has the transaction;
 * blocking.
 */
#ifndef MXHOOK_PROCESSING_H
#define MXHOOK_PROCESSING_H

#include "auth/result.h"
#include "config/config.h"
#include "lookup/questions.h"
#include "mail/message.h"
#include "mail/provenance.h"
#include "outgoing.h"
#include "rules/verdict.h"
#include "scan/result.h"
#include "transaction.h"

struct processing {
    struct config *config;           /* the caller's, as is the transaction; both outlive this */
    struct transaction *transaction; /* gets the reply */
    const struct spool *spool;       /* as outgoing.h has them */
    const char *directory;
    /* NULL, or told of every rule that was asked, and in words what it answered. */
    void (*trace)(void *context, const char *rule, const char *answer);
    void *trace_context;
    bool trial; /* nothing comes of it (trial.h) */

    size_t recipient; /* whose rules are asked now: its index; not in order, where some wait */
    size_t reshaped;  /* bytes of headers that rules have set, for all recipients so far */
    bool begun;       /* what stands before the rules is done */
    struct questions questions; /* what the rules have asked, and heard */

    struct auth_result *auth; /* what the transaction's check found; NULL: there was none */
    struct scan_result *scan; /* the caller's: what a scanner said; NULL: not asked */
    struct message *message;  /* parsed on the way, unless it is there already */
    /* Of the recipient whose rules are asked now, before any rule changes them */
    struct header_list headers;
    struct verdict **verdicts; /* one for each recipient; NULL: refused before any rule was asked */
    struct outgoing outgoing;
    const char *at; /* out: the step that failed, for the log */
};

/* Up to the reply, which is set. `state` is this thread's in the transaction's rules. *store: something is to be
 * rendered and stored before the reply is true. 0 or a negative errno. -EAGAIN: rules have asked what is to be answered
 * first (lookup/lookup.h); then it is called again, by any worker. */
int processing_decide(struct processing *processing, size_t state, bool *store);

/* This server, as the fields of its message have it. */
struct receiver processing_receiver(const struct processing *processing);

/* Renders: what is to be stored is in outgoing.deliveries. 0 or a negative errno. */
int processing_render(struct processing *processing);

/* Frees all but what is the caller's, and takes from the transaction what was lent to it. The deliveries are for
 * whoever has taken them. */
void processing_end(struct processing *processing);

#endif
