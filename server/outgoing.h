/*
 * outgoing.h - from verdicts to deliveries: what will be sent, rendered and in files that are
 * synced.
 *
 * JSON         for URLs: a head for each recipient, a tail that all recipients share
 * mail         for e-mail addresses: a head (the trace fields) for each recipient, and the
 *              message's own bytes, which all recipients share
 *
 * Any thread that may block; in a server, workers.
 */
#ifndef MXHOOK_OUTGOING_H
#define MXHOOK_OUTGOING_H

#include "config/config.h"
#include "mail/message.h"
#include "rules/verdict.h"
#include "spool/spool.h"
#include "transaction.h"

/* What is rendered of a message takes no more than OUTGOING_TIMES its size and OUTGOING_MORE for each
 * recipient: bytes that JSON has longer forms for are no way to fill a disk. */
#define OUTGOING_TIMES  4u
#define OUTGOING_MORE   (2u << 20)
#define OUTGOING_MEMORY (16u << 20) /* bytes of a message that are held in memory; then in files */

struct outgoing {
    const struct config *config;
    const struct transaction *transaction;
    const struct message *message;
    struct verdict **verdicts; /* one for each recipient */
    /* payload_headers(); each recipient's in turn, where no rule changed them */
    struct header_list *headers;
    const struct spool *spool; /* who will store it; NULL: nobody, and files are unlinked at once */
    const char *directory;     /* for those files */
    struct delivery *deliveries; /* out: linked by next */
    struct spill *original;   /* outgoing's own: the message as it is forwarded; NULL: to nobody */
    bool kept;                /* outgoing's own: deliveries have it */
    char *signature;          /* the same: DKIM's field of ours; NULL: none */
    uint64_t size, in_memory; /* outgoing's own: of what was rendered so far */
};

/* Makes a reject of each verdict whose mail cannot be forwarded, and prepares the original where
 * any can. 0 or a negative errno: -ENOSPC where spool.min_free would not be left, -EFBIG past the
 * limits above; so does outgoing_make(). */
int outgoing_check(struct outgoing *outgoing);
/* Makes the deliveries of all verdicts to deliver. 0, or a negative errno and no deliveries. */
int outgoing_make(struct outgoing *outgoing);
/* Drops the deliveries and removes their files: they were not stored. */
void outgoing_drop(struct outgoing *outgoing);
/* Frees what is its own; the deliveries and their files are not. */
void outgoing_free(struct outgoing *outgoing);

#endif
