/*
 * record.h - what is noted of a message and of an attempt: plain data, as it goes to the store and comes
 * from it.
 *
 * Strings are in the record's arena while it is on its way to the store, and the store's while it is read: gone
 * after the call. NULL and "" are the same.
 */
#ifndef MXHOOK_HISTORY_RECORD_H
#define MXHOOK_HISTORY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/arena.h"
#include "../base/id.h"
#include "../spool/spool.h"

#define HISTORY_ASKED_MAX 4096 /* bytes of what the rules answered for one recipient */
#define HISTORY_BODY_MAX  (32u * 1024 * 1024) /* a larger body is not kept */

enum history_result { HISTORY_ACCEPTED, HISTORY_DEFERRED, HISTORY_REJECTED };

/* What became of a delivery; a term has two bits for it (segment.h). */
enum history_state { HISTORY_WAITING, HISTORY_DELIVERED, HISTORY_FAILED, HISTORY_DROPPED };

/* What a struct history_attempt tells: an attempt, or what an operator did to the delivery. */
enum history_action { HISTORY_ATTEMPTED, HISTORY_DROP, HISTORY_RETRY, HISTORY_EDIT };

struct history_recipient {
    const char *address;
    const char *verdict; /* "deliver", "reject", ... */
    const char *rule;    /* the one that decided, "10-alias.lua:3" */
    /* A line for each rule that was asked: where it stands, a tab, what it answered */
    const char *asked;
};

struct history_delivery {
    unsigned number; /* its id is the message's, "-" and this */
    const char *recipient;
    const char *destination; /* a URL as others may see it (redact.h), or an address */
    const char *origin;
    /* How it was sent, secrets included (target.h); only where bodies are kept */
    const char *target;
    struct payload *payload; /* a reference, on the way to the store; NULL: not kept */
    enum history_state state;
    int status; /* of the last attempt; 0: none came */
    unsigned attempts;
    const char *error; /* of the last attempt */
    int64_t ended_ms;  /* Unix time; 0: it has not ended */
    int64_t body;      /* read: for history_ops.body; 0: not kept */
    struct history_attempt
        *made;  /* of the attempts those that are in its record, linked by `later` */
    bool later; /* read: there are more, beside it */
};

struct history_message {
    struct arena *arena;
    struct history_message *next; /* the queue's */
    int64_t row;                  /* its cursor, once it is stored or read; 0: not yet */
    char id[ID_SIZE];
    int64_t at_ms; /* Unix time of the end of its data */
    int64_t ms;    /* from there to the reply */
    enum history_result result;
    const char *reply; /* "250 2.0.0 Ok: queued as ..." */
    const char *sender, *subject, *message_id;
    const char *client_ip, *client_name, *helo, *user;
    bool tls, lmtp;
    uint64_t size;
    const char *spf, *dkim, *dmarc; /* "pass"; NULL: not checked */
    struct history_recipient *recipients;
    size_t recipient_count;
    struct history_delivery *deliveries;
    size_t delivery_count;
    struct spill *data; /* a reference to the message as it came; NULL: not kept */
    int64_t body;       /* read: as a delivery's */
};

/* Or an operator's action: then only id, at_ms, action and error (its words). */
struct history_attempt {
    struct arena *arena;
    struct history_attempt *next; /* the queue's */
    /* The next of the same delivery, or of those with one message; a store's own */
    struct history_attempt *later;
    bool joined;      /* a store's own: it is written with its message */
    char id[ID_SIZE]; /* the delivery's */
    int64_t row;      /* a store's own: its message's; 0: nobody knows it; -1: it changes nothing */
    enum history_action action;
    uint64_t origin; /* origin_key() of where it went; 0: nowhere */
    unsigned number;
    int64_t at_ms, ms; /* when it began, how long it took */
    int status;
    const char *error;
    const char *reply;        /* the first bytes of the answer, made printable */
    enum history_state state; /* what has become of the delivery by it */
    /* Of one that has failed, where bodies of failed ones are kept; else NULL: how it was sent, and what. */
    const char *target;
    struct payload *payload;
};

/* Of a delivery that an operator has sent again, as a message of its own that has this one delivery; its id is the
 * delivery's parent. The reply is the caller's to set. NULL: no memory. */
struct history_message *history_sent_again(const struct delivery *delivery);

void history_message_free(struct history_message *record); /* takes NULL */

/* The attempt is counted in delivery->attempts, and its last_* are set. NULL: no memory. */
struct history_attempt *history_attempt_new(const struct delivery *delivery,
                                            enum history_state state);
/* What an operator did to a delivery, now; `words`: by what, or by whom. NULL: no memory. */
struct history_attempt *history_action_new(const char *id, enum history_action action,
                                           const char *words);
void history_attempt_free(struct history_attempt *attempt); /* takes NULL */

/* Both lists, by `next`, to their ends; takes NULL. */
void history_records_free(struct history_message *messages, struct history_attempt *attempts);

#endif
