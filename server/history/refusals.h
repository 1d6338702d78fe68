/*
 * refusals.h - what was refused before there was a message: its MAIL, a recipient, its data half-way. So that the
 * history answers "where is my mail?" for that too.
 *
 * Who floods a server is refused, mostly. So only REFUSALS_MAX an hour are kept, and REFUSALS_OF_NETWORK of them of one
 * network (/24, /48): at the most some 150 MB a week. The others are counted, as lost (mxhook_history_lost_total), and
 * in the log.
 */
#ifndef MXHOOK_HISTORY_REFUSALS_H
#define MXHOOK_HISTORY_REFUSALS_H

#include "record.h"

#define REFUSALS_MAX        2000
#define REFUSALS_OF_NETWORK 200

struct envelope;
struct reply;

/* Is one more kept now? Counts it if not. `client_ip`: "" where nobody knows. The loop's thread. */
bool refusals_admit(const char *client_ip, int64_t now_ms);

struct refused_mail {
    const char *id; /* its own */
    const char *client_ip, *helo, *user;
    bool tls, lmtp;
    const char *sender, *recipient;  /* NULL: not of RCPT */
    const struct envelope *envelope; /* whose message was refused; NULL: it was MAIL or RCPT */
    const struct reply *reply;
};

/* Its record, a message without data; NULL: no memory. Copies. */
struct history_message *history_message_refused(const struct refused_mail *mail);

#endif
