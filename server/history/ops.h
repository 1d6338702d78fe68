/*
 * ops.h - a store of the history, as its thread, `mxhook history` and the admin room need it.
 *
 * One thread at a time for a store that is open; each opens its own. To add one: a file with a
 * `const struct history_ops`, and a line in history_ops_of().
 */
#ifndef MXHOOK_HISTORY_OPS_H
#define MXHOOK_HISTORY_OPS_H

#include "../base/error.h"
#include "../config/config.h"
#include "record.h"

struct history_store; /* the implementation's own */

struct history_filter {
    const char *sender, *recipient; /* an address, or "@domain"; NULL: any */
    const char *subject;            /* a part of it, of 3 characters or more */
    const char *id;          /* of a connection, a message or a delivery: all that begins so */
    const char *destination; /* a URL without what redact.h hides, an origin, or an address */
    const char *result;      /* "accepted", "deferred", "rejected" */
    const char *state; /* of one of its deliveries: "waiting", "delivered", "failed", "dropped" */
    int status;        /* the last one of one of its deliveries; 0: any */
    int64_t since_ms, until_ms; /* Unix time; 0: any */
    int64_t before;             /* a cursor: only what is older than that row; 0: the newest */
    unsigned limit;
};

/* How full it is. */
struct history_size {
    int64_t messages;
    int64_t bytes; /* in use, of the file */
    int64_t oldest_ms;
};

/* Of the last attempts at the deliveries of an origin: HISTORY_ANSWERS of them, about. */
#define HISTORY_ANSWERS 200

struct history_answers {
    int64_t at_ms; /* when the last one began */
    int status;    /* and its answer; 0: none came */
    char error[160];
    int64_t mean_ms; /* of those that were answered; -1: none was */
};

/* What somebody opens a history for. */
enum history_use {
    HISTORY_READ,
    HISTORY_CHANGE, /* beside a server or not: to note what was done to deliveries that it knows, no messages */
    HISTORY_SERVE, /* for a server: its own */
};

struct history_ops {
    const char *name;
    /* In the spool's directory, or its database. To serve makes it where there is none, and brings an older version's
     * up to date; a file that is damaged is renamed (".damaged"), and so is one of a version that nobody knows (".old"),
     * and a new one is made. To others: -ENOENT where there is none, -EPROTONOSUPPORT for one of another version. */
    int (*open)(const struct spool_config *spool, enum history_use use, struct history_store **out,
                struct error *err);
    void (*close)(struct history_store *store);
    /* All or nothing; the caller keeps the records, of which it is to use no more than to free them: what attempts have
     * come to is written with the messages that are in the same call. 0 or a negative errno (error() says more); of a store
     * in the spool's directory also -ESTALE: what is open is no longer what open() would find, and nothing was touched;
     * -EBADMSG: it is damaged. After both it is for whoever calls to close it, and to open another. */
    int (*write)(struct history_store *store, struct history_message *messages,
                 struct history_attempt *attempts);
    /* Removes what is older than `keep_ms`, and the oldest where it takes more than `max_size`; a bounded
     * number a call: *more says that there is more to do. */
    int (*tidy)(struct history_store *store, int64_t keep_ms, uint64_t max_size, bool *more);
    int (*size)(struct history_store *store, struct history_size *size);
    const char *(*error)(struct history_store *store);

    /* Calls each() for messages, newest first, with their recipients and deliveries; a return other than 0 ends
     * that, and is returned. */
    int (*list)(struct history_store *store, const struct history_filter *filter,
                int (*each)(void *context, const struct history_message *message), void *context);
    /* Calls each() for the attempts of a delivery, and what operators did to it, in the order in which they were noted. */
    int (*attempts)(struct history_store *store, const struct history_message *message,
                    unsigned delivery,
                    int (*each)(void *context, const struct history_attempt *attempt),
                    void *context);
    /* How an origin (origin_key()) has answered of late; -ENOENT: nothing is known of it. */
    int (*answers)(struct history_store *store, uint64_t origin, struct history_answers *answers);
    /* What was kept of `body`: the caller's to free. -ENOENT. */
    int (*body)(struct history_store *store, int64_t body, struct spill **out);
};

/* The one that this configuration has. */
const struct history_ops *history_ops_of(const struct config *config);

extern const struct history_ops history_sqlite, history_postgres;

#endif
