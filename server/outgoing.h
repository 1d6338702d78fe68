/*
 * outgoing.h - from verdicts to deliveries: what will be sent, rendered and in files that are
 * synced.
 *
 * JSON         for URLs: a head for each recipient, a tail that all recipients share
 * mail         for e-mail addresses: a head (the trace fields) for each recipient, and the
 * message's own bytes, which all recipients share
 *
 * Workers only.
 */
#ifndef MXHOOK_OUTGOING_H
#define MXHOOK_OUTGOING_H

#include "config/config.h"
#include "mail/message.h"
#include "rules/verdict.h"
#include "spool/spool.h"
#include "transaction.h"

struct outgoing {
    const struct config *config;
    const struct transaction *transaction;
    const struct message *message;
    struct verdict **verdicts; /* one for each recipient */
    const struct spool *spool; /* who will store it; NULL: nobody, and files are unlinked at once */
    const char *directory;     /* for those files */
    struct delivery *deliveries; /* out: linked by next */
    struct spill *original; /* outgoing's own: the message as it is forwarded; NULL: to nobody */
    bool kept;              /* outgoing's own: deliveries have it */
};

/* Makes a reject of each verdict whose mail cannot be forwarded, and prepares the original where
 * any can. 0 or a negative errno. */
int outgoing_check(struct outgoing *outgoing);
/* Makes the deliveries of all verdicts to deliver. 0, or a negative errno and no deliveries. */
int outgoing_make(struct outgoing *outgoing);
/* Drops the deliveries and removes their files: they were not stored. */
void outgoing_drop(struct outgoing *outgoing);
/* Frees what is its own; the deliveries and their files are not. */
void outgoing_free(struct outgoing *outgoing);

#endif
