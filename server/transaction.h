/*
 * transaction.h - a mail transaction (RFC 5321 section 3.3): what travels the straight line.
 *
 * envelope     reverse-path, recipients, and who the client was
 * data         the message as it came: dot-unstuffed, line ends as sent, without the final dot
 * reply        the answer to the client at the end of DATA; LMTP has one for each recipient
 *
 * The session makes a transaction at MAIL and owns it until the end of DATA. Then it is handed from
 * room to room - worker, spool, and back to the loop - and each touches it only while it has it.
 */
#ifndef MXHOOK_TRANSACTION_H
#define MXHOOK_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/id.h"

struct auth_check;
struct auth_result;
struct reservation;
struct ruleset;
struct scan_result;
struct spill;

struct reply {
    int code;          /* 250, 451, ... */
    char enhanced[12]; /* "2.0.0" (RFC 3463), or "" */
    char text[460];    /* ASCII or UTF-8; LF parts the lines of a refusal */
};

#define REPLY_TEXT_SIZE (sizeof(struct reply) + DECIMAL_SIZE)

/* Its code, enhanced code and text in one line, as the log and the history have it. Any thread. */
void reply_text(const struct reply *reply, char text[REPLY_TEXT_SIZE]);

struct envelope {
    char *sender;      /* reverse-path without angle brackets; "" is the null one */
    char **recipients; /* as given, without angle brackets */
    size_t recipient_count;
    char *helo;         /* what EHLO or HELO named, "" where there was none */
    char client_ip[46]; /* text form; IPv4-mapped addresses as IPv4; "": nobody knows */
    /* Who told that address, by a PROXY header or XCLIENT; "": it connected itself */
    char proxy[46];
    bool esmtp, tls, smtputf8, eight_bit;
    bool lmtp;  /* each recipient gets a reply of its own */
    char *user; /* authenticated as; NULL where not */
    /* Who the client really was, as values of Received-SPF and Authentication-Results; NULL: not
     * checked. The result's. */
    const char *received_spf, *authentication_results;
    /* scan/result.h: what a scanner said; NULL: not asked. The job's. */
    const struct scan_result *scan;
    /* Its confirmed reverse name; NULL: none, or not looked up. The result's. */
    const char *client_name;
};

/* A message that was accepted, and of whose reply its client knows nothing, as far as we know
 * (smtp/resends.h). */
struct earlier {
    struct earlier *next;
    uint64_t digest; /* of its data */
    size_t count;
    struct reply replies[];
};

struct transaction {
    char id[ID_SIZE];
    int64_t received_ms; /* Unix time of the end of DATA */
    struct envelope envelope;
    bool bounce; /* to a sender that we have rewritten (deliver/srs.h): its only recipient */
    struct spill *data;
    struct ruleset *rules; /* the generation that the whole transaction keeps to; a reference */
    void (*release_rules)(struct ruleset *rules); /* drops it */
    struct auth_check *check; /* auth/auth.h: under way since MAIL; NULL: not begun */
    void (*release_check)(struct auth_check *check);
    const struct auth_result *auth; /* what it found, while a worker has the transaction; or NULL */
    struct reply reply;             /* set by the room that ends it */
    /* Keys that its rules took (rules/dictionary.h); NULL: none */
    struct reservation *reservations;
    void (*settle)(struct transaction *transaction); /* keeps or releases them, by the replies */
    struct reply *replies;   /* NULL, or instead of it one for each recipient (LMTP); on the heap */
    struct earlier *earlier; /* owned: this one may be a resend of one of them; NULL: of none */
    uint64_t digest;         /* of the data; 0: it was not needed */
};

/* NULL: no memory, and `rules` is still the caller's. `id` is copied; `rules` is a reference that the
 * transaction takes over, and drops by release(). */
struct transaction *transaction_new(const char *id, struct ruleset *rules,
                                    void (*release)(struct ruleset *rules));
/* Frees all that it holds; takes NULL. Any thread. */
void transaction_free(struct transaction *transaction);

/* Both copy; 0 or -ENOMEM. */
int transaction_set_sender(struct transaction *transaction, const char *sender);
int transaction_add_recipient(struct transaction *transaction, const char *address);

/* Its replies stand: what its rules reserved is kept or released. Once; transaction_free() does it
 * otherwise. */
void transaction_settle(struct transaction *transaction);

void reply_set(struct reply *reply, int code, const char *enhanced, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
