/*
 * store.h - what the spool's thread and `mxhook queue` want done, and who can do it.
 *
 * store_ops    the functions of one kind of store; each kind has a folder (sqlite/, postgres/)
 * work         commits and ends of attempts that were taken up together: one transaction
 * end          a delivery whose attempt has ended, and how (stored->ending)
 *
 * A function here is one thing that somebody wants done, not a row: over a network each is a round
 * trip. To add a kind of store: a folder with a struct store_ops, and a line in store.c.
 *
 * Blocking; one thread at a time, but for those that say otherwise. Functions return 0 or a
 * negative errno: -ENOSPC full, -EAGAIN away for now, -EBUSY another process writes for too long,
 * -EIO, -EROFS, -ENOMEM, -EBADMSG corrupt.
 */
#ifndef MXHOOK_SPOOL_STORE_H
#define MXHOOK_SPOOL_STORE_H

#include "pauses.h"
#include "queue.h"
#include "spool.h"

enum ending { ENDED_DELIVERED, ENDED_RETRY, ENDED_FAILED, ENDED_RELEASED };

/* An attempt that was made before a delivery came to the store, which keeps it then (`mxhook store move`); in the
 * delivery's arena. */
struct past_attempt {
    struct past_attempt *next;
    struct queue_attempt attempt;
};

/* What a store knows of a delivery. */
struct stored {
    int64_t row, payload_row;
    uint64_t origin, lane;     /* origin_key(), lane_key() of delivery_origin() */
    unsigned attempts;         /* as the row says */
    bool attempted;            /* attempts of it may be stored, also such as cost none of them */
    int64_t tail_row;          /* PostgreSQL: of its payload's tail; 0: none */
    bool shared;               /* PostgreSQL: others may have its payload or tail */
    int node;                  /* PostgreSQL: the node whose lease it is; 0: not leased */
    struct past_attempt *past; /* to be stored with it */
    enum ending ending;
    int64_t probe_ms; /* PostgreSQL: it is a probe of what was held for so long; 0: it is none */
    bool probe_lane;  /* of its lane, not of its origin */
    unsigned probe_failures;
    int64_t ahead_ms; /* clock_ahead_ms() when it was handed in: what due_ms was reckoned by */
};

/* And of a payload. */
struct payload_stored {
    uint64_t insertion; /* which one set the rest */
    int64_t row, last;  /* rows of the first and the last delivery that have this payload */
    bool uploaded;      /* PostgreSQL: its files have gone up, and are replicated */
};

/* What is wrong with one that a store has read, so that it must not be attempted: somebody has changed its row. NULL:
 * nothing. */
const char *delivery_fault(const struct delivery *delivery);

/* The attempt that has ended; its texts are the delivery's. */
struct queue_attempt delivery_last_attempt(const struct delivery *delivery);

/* Puts a copy of what the delivery carries in its place, whole and synced; `code` other than 0: it
 * could not be written. Takes the copy over (NULL: no memory), and removes it where it is of no use.
 * 0 or a negative errno. */
int delivery_replace_payload(struct delivery *delivery, struct spill *copy, int code);

struct store_work {
    struct commit *commits; /* apply() sets the status of each */
    struct delivery *ends;  /* linked by next; left in it: those that could not be stored */
    struct delivery *done;  /* out: the ends that need nothing more; to be freed */
    bool due;               /* out: something that nobody has in hand became due */
};

/* What spool_hold() hands over. */
struct hold {
    struct hold *next;
    uint64_t origin, lane; /* lane 0: the whole origin */
    struct held held;
};

/* What queue_edit() hands over: another URL with its keys, or NULL; another secret, or NULL. */
struct store_edit {
    const char *url, *secret;
    uint64_t origin, lane;
    bool unsign; /* without a secret from now on */
};

/* What `mxhook queue` does with deliveries. */
enum store_change { CHANGE_RETRY, CHANGE_DROP };

struct store; /* a kind's own struct begins with: const struct store_ops *ops */

struct store_ops {
    const char *name;

    /* Opens, or makes, for a server: nobody else may have it so. */
    int (*open)(const struct spool_config *config, struct store **out, struct error *err);
    /* Opens what is there, to be emptied or changed by hand: -EBUSY while a server works on it. Only
     * what visit() allows. */
    int (*open_alone)(const struct spool_config *config, struct store **out, struct error *err);
    /* Makes the tables, or brings them up to date. NULL: open() does. */
    int (*migrate)(const struct spool_config *config, struct error *err);
    /* Opens what is there, for `mxhook queue`, beside a server or not. Of the functions below only
     * those after `tidy`, and `close`, may be called then. */
    int (*visit)(const struct spool_config *config, struct store **out, struct error *err);
    void (*close)(struct store *store);

    /* Any thread: */
    void (*configure)(struct store *store, const struct spool_config *config);
    void (*on_give_up)(struct store *store, const struct give_up_hook *hook);
    int (*accepts)(const struct store *store); /* 0, -ENOSPC or -EAGAIN: for new mail */
    /* NULL: always. */
    bool (*may_attempt)(const struct store *store, const struct delivery *delivery);
    struct spill *(*new_body)(const struct store *store, const char *name);
    const char *(*scratch)(const struct store *store);

    /* For a server; all three NULL: nothing is staged. stage() takes a commit that needs time of its own before it can
     * go with others, and hands it to ready() when that is done, its status set, by a thread of the store's; false: it
     * needs none. Any thread. Before the first of them stage_begin() says who is ready(); stage_end(), after the last,
     * returns when all are handed out. */
    bool (*stage)(struct store *store, struct commit *commit);
    int (*stage_begin)(struct store *store, void (*ready)(void *context, struct commit *commit),
                       void *context);
    void (*stage_end)(struct store *store);
    /* Stores what it can of the work. What goes wrong is logged. */
    void (*apply)(struct store *store, struct store_work *work);
    /* Fills in what the claim asks for. */
    void (*claim)(struct store *store, struct claim *claim);
    /* Without memory for it nothing is held. */
    void (*hold)(struct store *store, const struct hold *hold);
    /* Once a second: what others changed, what is too old, room. A bounded piece of work. True:
     * something may be due that nobody has in hand. */
    bool (*tidy)(struct store *store);

    /* As queue.h says of the functions of these names. */
    int (*list)(struct store *store, const struct queue_filter *filter,
                int (*each)(void *context, const struct delivery *delivery), void *context);
    /* -ENOENT: no such id. *reason: what is wrong with that delivery; NULL: error() says it. */
    int (*show)(struct store *store, const char *id, struct delivery **out, const char **reason);
    int (*attempts)(struct store *store, const struct delivery *delivery,
                    int (*each)(void *context, const struct queue_attempt *attempt), void *context);
    int (*origins)(struct store *store,
                   int (*each)(void *context, const struct queue_origin *origin), void *context);
    int (*totals)(struct store *store, struct queue_totals *totals);
    /* NULL: there is one node only. */
    int (*nodes)(struct store *store, int (*each)(void *context, const struct queue_node *node),
                 void *context);
    /* Of one id; -ENOENT. */
    int (*change)(struct store *store, enum store_change what, const char *id);
    /* Of all that a filter finds; how many. */
    int64_t (*change_all)(struct store *store, enum store_change what,
                          const struct queue_filter *filter);
    /* Of one id, or (NULL) of all that a filter finds, but not of e-mail: how many; -ENOENT. */
    int64_t (*edit)(struct store *store, const struct store_edit *edit, const char *id,
                    const struct queue_filter *filter);

    /* What is held by flow control or a breaker. */
    int (*holds)(struct store *store, int (*each)(void *context, const struct queue_hold *hold),
                 void *context);
    /* Ends such a hold now: the server that has it tries whether it is well. */
    int (*probe)(struct store *store, uint64_t origin, uint64_t lane);
    /* Calls `each` once for each of this server's holds that was ended so. For a server. */
    void (*probes)(struct store *store, void (*each)(void *context, uint64_t origin, uint64_t lane),
                   void *context);

    /* The destinations that are paused (pauses.h). Adds them to a set that is empty; `counted`: with
     * how much waits for each. */
    int (*pauses)(struct store *store, bool counted, struct pauses *pauses);
    int (*pause)(struct store *store, const struct pause *pause); /* or gives it another reason */
    int (*resume)(struct store *store, uint64_t origin, uint64_t lane); /* -ENOENT */
    /* Claims nothing of these from now on; borrowed until the next call. For a server. */
    void (*heed)(struct store *store, const struct pauses *pauses);

    const char *(*error)(const struct store *store); /* what failed last */
};

struct store {
    const struct store_ops *ops;
    /* A visitor's: told, after each transaction, which deliveries change(), change_all() and edit() have changed; NULL:
     * nobody. */
    void (*changed)(void *context, const char *id);
    void *changed_context;
};

/* Tells it. */
static inline void store_tell_changed(const struct store *store, const char *id)
{
    if (store->changed)
        store->changed(store->changed_context, id);
}

extern const struct store_ops sqlite_ops, postgres_ops;

/* The kind that the configuration names. */
const struct store_ops *store_ops_of(const struct spool_config *config);

#endif
