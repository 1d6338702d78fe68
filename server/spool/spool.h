/*
 * spool.h - where deliveries are safe until they are done.
 *
 * delivery     one payload to one destination, with the state of its attempts
 * payload      the bytes to POST: a head and, where it stands apart, a tail. Counted; the
 *              deliveries of one recipient share a payload, the recipients of one message a tail
 * commit       the deliveries of one message, stored all or none
 * lease        a delivery that is in hand is leased: no claim brings it again. In a folder leases
 *              are in memory only, so nothing has to be put back after a crash; in PostgreSQL they
 *              are rows of a node, which others take over when it is gone
 * origin       scheme, host and port of a destination (origin.h): claims take turns by it
 * lane         an origin and a path: what may be held while the rest of its origin is not
 * hold         says until when nothing of an origin, or of a lane, is claimed
 * store        who keeps it all: SQLite in a folder, or PostgreSQL (store.h)
 *
 * One thread works on the spool. All that waits for it goes into one transaction with one sync
 * (group commit), and only then are their callbacks called, on the loop's thread.
 *
 * Claims and holds by lane, for who schedules: a claim brings, of every origin and within it of
 * every lane in turn, what is due and not held, at most per_origin and per_lane leased at once.
 * spool_hold() with a `scope` of HELD_LANE holds one lane, and a claim passes over it at no cost,
 * however much waits in it; with HELD_ORIGIN all lanes of an origin. After `until_ms` at most
 * `most` are leased at once (1: a probe), until it is released by a hold of zeros.
 *
 * Where to start: what a store must do, store.h; the thread, spool.c; SQLite's tables,
 * sqlite/schema.c, and PostgreSQL's, postgres/schema.c; who has what in hand, leases.h.
 */
#ifndef MXHOOK_SPOOL_H
#define MXHOOK_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/arena.h"
#include "../config/config.h"
#include "../config/destination.h"
#include "../base/error.h"
#include "../base/id.h"
#include "../base/spill.h"
#include "../base/task.h"
#include "origin.h"
#include "pauses.h"

struct payload {
    atomic_uint references;
    struct spill *head;            /* always in memory or in a file of its own */
    struct spill *tail;            /* NULL: the head is the whole payload */
    struct payload_stored *stored; /* the store's */
};

/* Takes over both references. NULL: no memory (the references are then still the caller's). */
struct payload *payload_new(struct spill *head, struct spill *tail);
struct payload *payload_ref(struct payload *payload);
void payload_free(struct payload *payload); /* drops a reference; takes NULL; any thread */
uint64_t payload_size(const struct payload *payload);
uint64_t payload_memory(const struct payload *payload); /* the bytes of it that are in memory */
/* Reads across head and tail; 0 at the end, or a negative errno. */
ssize_t payload_read(const struct payload *payload, uint64_t offset, void *buffer, size_t size);

/* LEASED is what one in hand is to this process; a row says so by its node, if at all. */
enum delivery_state { DELIVERY_WAITING, DELIVERY_LEASED, DELIVERY_FAILED };

struct delivery {
    struct delivery *next; /* for whoever has it in hand */
    struct arena *arena;   /* owns the strings, and the delivery itself */
    char id[ID_SIZE];      /* the webhook-id */
    enum delivery_state state;
    struct destination destination;
    const char *sender, *recipient;
    const char *mail_from; /* e-mail: the envelope sender that it is sent with; else NULL */
    const char *via;       /* e-mail: its origin (origin.h); NULL: that of the URL */
    const char *about; /* id of the one whose failure it tells of (a notice); NULL: it is mail */
    struct delivery *notice; /* owned: stored together with this one's failure; NULL: none */
    struct payload *payload;
    int64_t created_ms;     /* Unix time */
    int64_t due_ms;         /* Unix time of the next attempt */
    unsigned attempts;      /* made so far */
    int last_status;        /* HTTP status of the last attempt; 0: none came */
    const char *last_error; /* of the last attempt; "" */
    int64_t last_at_ms;     /* when that began, Unix time: 0: not in this process */
    int64_t last_ms;        /* how long it took */
    const char *last_reply; /* the first bytes of its answer's body, as they came; NULL */
    size_t last_reply_size;
    struct stored *stored; /* the store's */
};

/* A delivery in an arena of its own, all fields empty; NULL: no memory. */
struct delivery *delivery_new(const char *id);
/* A copy in its arena. 0 or -ENOMEM. */
int delivery_set_destination(struct delivery *delivery, const struct destination *destination);
void delivery_free(struct delivery *delivery); /* its payload reference too; takes NULL */

/* What origin_of() and origin_key() are asked for. */
const char *delivery_origin(const struct delivery *delivery);

struct spool;

/* Opens, or makes, the spool in config->directory, or the one in PostgreSQL; refused (-EBUSY) while
 * another process has the folder, (-EPROTONOSUPPORT) where a newer mxhook made it. Removes files that
 * no delivery refers to. Callbacks will run on `loop`'s thread. */
int spool_open(const struct spool_config *config, uv_loop_t *loop, struct spool **out,
               struct error *err);
/* Loop thread. Finishes what was handed in; its callbacks run within. Then frees; the loop must run
 * once more before it is closed. Takes NULL. */
void spool_close(struct spool *spool);

/* A new spill for a head or a tail that will be committed; whoever commits has called spill_sync()
 * on it before. `name` is that of its file, where it comes to one that is kept, and is not used
 * twice. Of a delivery that was stored it is the spool's to remove; of one that was not, the
 * caller's (spill_unlink). NULL: no memory. Any thread. */
struct spill *spool_new_body(const struct spool *spool, const char *name);

/* A folder for files that are unlinked at once (spill_new() without a name). Any thread. */
const char *spool_scratch_directory(const struct spool *spool);

/* From now on it keeps to these limits; the directory stays. Any thread. */
void spool_configure(struct spool *spool, const struct spool_config *config);

/* There is no room for new mail (spool.min_free, spool.max_size): a commit would be refused with
 * -ENOSPC. Looked at each second. Any thread. */
bool spool_is_full(const struct spool *spool);

/* The store cannot be reached for now: a commit would be refused with -EAGAIN. Any thread. */
bool spool_is_away(const struct spool *spool);

/* May an attempt of this one begin? No: its lease may be another node's by now; it is to be
 * released. Any thread. */
bool spool_may_attempt(const struct spool *spool, const struct delivery *delivery);

/* What is held: an origin, or one lane of it. */
enum held_scope { HELD_ORIGIN, HELD_LANE };

/* Was it claimed to find out whether what is held works again? Then what that is. Any thread. */
struct probed {
    enum held_scope scope;
    int64_t pause_ms;  /* that it was held for */
    unsigned failures; /* in a row */
};

bool spool_is_probe(const struct delivery *delivery, struct probed *probed);

struct commit {
    struct task task;            /* the spool's */
    struct commit *next;         /* the spool's */
    struct delivery *deliveries; /* linked by next; the commit only borrows them */
    bool lease;                  /* store them leased: the caller attempts them at once */
    int status;                  /* 0, or a negative errno: nothing was stored */
    void (*note)(
        struct commit *commit); /* NULL, or called of each of a group before done() of the first */
    void (*done)(struct commit *commit); /* on the loop's thread */
    void *context;                       /* the caller's */
};

/* Stores. Any thread. The commit is the caller's again when done() is called. */
void spool_commit(struct spool *spool, struct commit *commit);

struct claim {
    struct task task;   /* the spool's */
    struct claim *next; /* the spool's */
    size_t limit;       /* deliveries; no claim brings more */
    size_t per_origin;  /* as many of one origin may be leased at once, those of earlier included */
    size_t per_lane;    /* the same of one lane; 0: no limit of its own */
    size_t at_once;     /* requests to one origin, of all nodes; 0: no limit */
    uint64_t bytes;     /* of payloads in memory, after which it brings no more */
    struct delivery *deliveries; /* out: linked by next, leased, now the caller's */
    size_t nodes;                /* out: that share the spool; it stays where there is one */
    bool more;                   /* out: others are due, but a limit was reached */
    int64_t next_due_ms; /* out: when the next one is due that is not yet; INT64_MAX: none */
    void (*done)(struct claim *claim); /* on the loop's thread */
    void *context;                     /* the caller's */
};

/* Leases what is due, and hands it over. Loop thread. The claim is the caller's again when done()
 * is called. What cannot be read is not brought, but marked as failed. */
void spool_claim(struct spool *spool, struct claim *claim);

/* The end of an attempt. Each takes the delivery over and frees it. Loop thread. Not stored before
 * the next commit is, or for some milliseconds: after a crash the attempt may be made again (at
 * least once). */
void spool_delivered(struct spool *spool, struct delivery *delivery);
void spool_retry(struct spool *spool, struct delivery *delivery); /* due_ms, attempts, last_* set */
/* Kept as failed. Its notice goes into the spool with it, and is due at once; unless the delivery
 * was changed by `mxhook queue` meanwhile, and so has not failed. */
void spool_failed(struct spool *spool, struct delivery *delivery);
/* Not attempted after all: it is due as it was before. Costs nothing on disk. */
void spool_release(struct spool *spool, struct delivery *delivery);

/* Holds an origin or a lane back: its breaker is open. Nothing of it is claimed until then, and
 * after that no more than `most` at once. Both 0: it is as all others again. */
struct held {
    enum held_scope scope;
    int64_t until_ms; /* Unix time */
    unsigned most;
    unsigned failures;        /* in a row, for `mxhook queue` to show */
    char origin[ORIGIN_SIZE]; /* its name, for `mxhook queue` to show */
};

/* `url`: any of the origin, or of the lane. 0 or -ENOMEM. Loop thread. */
int spool_hold(struct spool *spool, const char *url, const struct held *held);

/* Called on the loop's thread when something may be due that nobody has in hand: another process
 * (mxhook queue) changed the spool, or a commit was stored without a lease. */
void spool_on_change(struct spool *spool, void (*changed)(void *context), void *context);

/* The destinations that an operator has paused: nothing of them is claimed. Called on the loop's
 * thread, at once and whenever they change; the set is the spool's, until the next call. NULL: no
 * more. */
void spool_on_pauses(struct spool *spool,
                     void (*paused)(void *context, const struct pauses *pauses), void *context);

/* Called on the loop's thread for each hold that an operator has ended (`mxhook queue retry --now`);
 * lane 0: of the whole origin. NULL: no more. */
void spool_on_probes(struct spool *spool,
                     void (*probe)(void *context, uint64_t origin, uint64_t lane), void *context);

/* Asked for the notice (or NULL) of each delivery that has waited longer than spool.max_age and so
 * has failed; both are stored together. On the spool's thread; the notice is handed over, the
 * delivery comes without its payload. */
struct give_up_hook {
    struct delivery *(*notice)(void *context, const struct delivery *failed);
    void *context;
};

/* The hook is kept, not copied. Any thread. */
void spool_on_give_up(struct spool *spool, const struct give_up_hook *hook);

#endif
