/*
 * queue.h - the spool as `mxhook queue` and the admin room see it, while the server runs or not.
 *
 * Blocking calls on a connection of their own; a running server sees a change within a second.
 */
#ifndef MXHOOK_SPOOL_QUEUE_H
#define MXHOOK_SPOOL_QUEUE_H

#include "spool.h"

struct queue;

/* -ENOENT where there is no spool, -EPROTONOSUPPORT where another version's. Reading works where
 * the spool cannot be written. */
int queue_open(const struct spool_config *config, struct queue **out, struct error *err);
void queue_close(struct queue *queue); /* takes NULL */

/* From now on calls `changed` with the id of each delivery that a function below has retried, edited or dropped, once
 * that is committed. */
void queue_on_change(struct queue *queue, void (*changed)(void *context, const char *id),
                     void *context);

/* All that is said must be so; all zero: any. Texts are compared without regard to the case of ASCII
 * letters, but URLs. */
struct queue_filter {
    bool failed_only;
    const char *destination; /* the URL or e-mail address, exactly */
    const char *prefix;      /* what that begins with */
    const char *host;        /* the URL's host, or the address's domain */
    const char *recipient, *sender;
    const char *error; /* part of the last error */
    bool has_status;   /* only those with this status of the last answer; 0: none came */
    int status;
    int64_t since_ms; /* accepted at that Unix time or later; 0: any */
    int64_t until_ms; /* accepted before that; 0: any */
    int64_t after;    /* behind this queue_position(); 0: from the beginning */
};

/* Where a delivery that was listed stands: of those behind it a list can go on, even if it has gone
 * meanwhile. Above 0. */
int64_t queue_position(const struct delivery *delivery);

/* Calls `each` for every delivery, oldest first, without its payload; it is the queue's, and gone
 * after the call. A return other than 0 ends the walk and is returned. */
int queue_list(struct queue *queue, const struct queue_filter *filter,
               int (*each)(void *context, const struct delivery *delivery), void *context,
               struct error *err);
/* One delivery with its payload: the caller's. -ENOENT. */
int queue_show(struct queue *queue, const char *id, struct delivery **out, struct error *err);

/* An attempt that was not the end of it; the latest 20 of a delivery are kept. */
struct queue_attempt {
    int64_t at_ms, ms; /* when it began, and how long it took */
    int status;        /* 0: no answer came */
    const char *error; /* "" */
    const void *reply; /* the first bytes of the answer's body */
    size_t reply_size;
};

/* Calls `each` for the attempts of one that was shown, oldest first; as queue_list() does. */
int queue_attempts(struct queue *queue, const struct delivery *delivery,
                   int (*each)(void *context, const struct queue_attempt *attempt), void *context,
                   struct error *err);

struct queue_origin {
    const char *name;      /* scheme://host:port */
    int64_t waiting;       /* deliveries */
    int64_t next_due_ms;   /* the earliest */
    int64_t oldest_ms;     /* when the oldest was accepted, Unix time */
    int64_t held_until_ms; /* its breaker is open until then; 0: it is not held back */
    unsigned failures;     /* in a row, that opened it */
    int64_t held_lanes;    /* of its lanes so many are held back */
};

/* Calls `each` for every origin that has something waiting; as queue_list() does. */
int queue_origins(struct queue *queue,
                  int (*each)(void *context, const struct queue_origin *origin), void *context,
                  struct error *err);

/* The spool as a whole. */
struct queue_totals {
    int64_t failed; /* deliveries */
    uint64_t bytes; /* as spool.max_size counts them */
};

/* Costs a walk over an index of what has failed. */
int queue_totals(struct queue *queue, struct queue_totals *totals, struct error *err);

/* One of the nodes that share the spool. */
struct queue_node {
    int id;              /* used once: a node that starts again has another */
    const char *name;    /* of its machine */
    const char *version; /* of its mxhook */
    int64_t in_hand;     /* deliveries that it has leased */
    bool lives;          /* it was seen to beat within two seconds */
};

/* Calls `each` for every node; as queue_list() does. -ENOTSUP where a spool is one node's. Takes two
 * seconds, since a node is watched. */
int queue_nodes(struct queue *queue, int (*each)(void *context, const struct queue_node *node),
                void *context, struct error *err);

/* The node that has it in hand, by its number there; 0: none has, or the spool is one node's. */
int queue_node_of(const struct delivery *delivery);

/* Gives what is found another URL (http or https, as rules may answer) or secret, or none; e-mail is
 * left as it is. `id` (or NULL: all that the filter finds). Returns how many, -ENOENT, or another
 * negative errno. What is under way goes to where it went. */
struct queue_edit {
    const char *url, *secret; /* NULL: stays */
    bool unsign;
};
int64_t queue_edit(struct queue *queue, const struct queue_edit *edit, const char *id,
                   const struct queue_filter *filter, struct error *err);

/* An origin (lane 0) or a lane that a server holds back. */
struct queue_hold {
    uint64_t origin, lane;
    int64_t until_ms; /* Unix time */
    unsigned failures;
};

/* Calls `each` for every one; as queue_list() does. */
int queue_holds(struct queue *queue, int (*each)(void *context, const struct queue_hold *hold),
                void *context, struct error *err);
/* Lets one request try at once, within a second, whether it is well again. */
int queue_probe(struct queue *queue, const struct queue_hold *hold, struct error *err);

/* What `text` names (pause_named()) is paused, or resumed: a server that runs heeds it within a second or
 * two. *done (or NULL): what that came to. -E2BIG: PAUSES_MAX are; to resume: -ENOENT, it is not. */
int queue_pause(struct queue *queue, const char *text, bool whole_origin, const char *reason,
                struct pause *done, struct error *err);
int queue_resume(struct queue *queue, const char *text, bool whole_origin, struct pause *done,
                 struct error *err);
/* All that are paused, into a set that is empty; `counted`: with how much waits for each. */
int queue_pauses(struct queue *queue, bool counted, struct pauses *pauses, struct error *err);

/* Makes it due now with all its attempts before it; -ENOENT. One in flight ends its attempt first.
 */
int queue_retry(struct queue *queue, const char *id, struct error *err);
/* Removes it for good; -ENOENT. One in flight may still arrive. */
int queue_drop(struct queue *queue, const char *id, struct error *err);
/* The same with all that a filter finds; returns how many, or a negative errno. In transactions of
 * a bounded size: where it fails half-way, some are done. */
int64_t queue_retry_all(struct queue *queue, const struct queue_filter *filter, struct error *err);
int64_t queue_drop_all(struct queue *queue, const struct queue_filter *filter, struct error *err);

#endif
