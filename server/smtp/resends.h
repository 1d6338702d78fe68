/*
 * resends.h - a reply that was lost (RFC 1047): the client drops after our commit, has no 250, and
 * sends the message again. It is answered as the first time then, and not taken in twice.
 *
 * receipt      a message that was accepted, of which it is not sure yet that its client has the
 *              reply. Confirmed: the client went on, or its system took the reply. Lost: the
 *              connection broke before, or ended while the reply was on its way
 * resend       a message of the same client network (/24 of IPv4, /64 of IPv6), sender, recipients
 *              and bytes as one whose reply was lost within the hour
 *
 * In memory only, at most RESENDS_MAX lost ones and RESENDS_BYTES_MAX; the oldest goes.
 *
 * Loop thread, but resend_answer(). Time is given, in ms, and never goes back.
 */
#ifndef MXHOOK_SMTP_RESENDS_H
#define MXHOOK_SMTP_RESENDS_H

#include <stdbool.h>

#include "../transaction.h"

#define RESENDS_KEEP_MS   (60 * 60 * 1000)
#define RESENDS_UNREAD_MS 2000 /* an acknowledgement of TCP comes sooner (RFC 1122: 500 ms) */
#define RESENDS_MAX       10000
#define RESENDS_BYTES_MAX (8u << 20)  /* of lost ones, with their replies */
#define RESENDS_DATA_MAX  (16u << 20) /* of messages that receipts keep until they are confirmed */

struct resends;
struct receipt;

struct resends *resends_new(void);          /* NULL: no memory */
void resends_free(struct resends *resends); /* no receipt is left but lost ones; takes NULL */

/* What stands for client network and envelope. */
uint64_t resends_key(const struct transaction *transaction);

/* Before a message is processed: those with the same key go into transaction->earlier that are lost,
 * or whose client has not taken the reply for RESENDS_UNREAD_MS. */
void resends_look_up(struct resends *resends, struct transaction *transaction, uint64_t key,
                     int64_t now_ms);

/* Any thread, of whoever has the transaction: is it a resend? Then its replies are those of the first
 * time. Sets transaction->digest where it had to read the data. */
bool resend_answer(struct transaction *transaction);

/* Of a message that is about to be answered. */
struct receipt_terms {
    uint64_t key, digest; /* the transaction's; 0: it was not needed so far */
    struct spill *data;   /* borrowed; needed where digest is 0 */
    const struct reply *replies;
    size_t count;
    /* Is the reply not yet with the client's system? Asked while it is not confirmed. */
    bool (*is_unread)(void *context);
    void *context;
};

/* NULL: nothing was accepted, or no memory. One that was lost before, and is the same, is forgotten. */
struct receipt *receipt_new(struct resends *resends, const struct receipt_terms *terms,
                            int64_t now_ms);
void receipt_confirm(struct resends *resends, struct receipt *receipt);              /* frees it */
void receipt_lose(struct resends *resends, struct receipt *receipt, int64_t now_ms); /* keeps it */

size_t resends_lost(const struct resends *resends); /* how many are remembered */

#endif
