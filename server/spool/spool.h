/*
 * spool.h - where deliveries are safe until they are done.
 *
 * delivery     one payload to one destination, with the state of its attempts
 * payload      the bytes to POST: a head and, where it stands apart, a tail. Counted; the
 * deliveries of one recipient share a payload, the recipients of one message share a tail commit
 * the deliveries of one message, stored all or none lease        a delivery that the scheduler has
 * in hand is leased: spool_claim() passes it over. A lease stands in memory only, so it ends with
 * the process, and nothing is to be put back after a crash: on disk a delivery either waits or has
 * failed origin       scheme, host and port of a destination (origin.h): claims take turns by it
 *
 * One thread works on the spool. All that waits for it goes into one transaction with one sync
 * (group commit), and only then are their callbacks called, on the loop's thread.
 *
 * Where to start: what is stored, schema.c; how, store.h and sqlite*.c; who has what in hand,
 * leases.h; the thread, spool.c.
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

struct payload {
    atomic_uint references;
    struct spill *head; /* always in memory or in a file of its own */
    struct spill *tail; /* NULL: the head is the whole payload */
    struct {
        uint64_t insertion; /* which one set the rest */
        int64_t row, last;  /* rows of the first and the last delivery that have this payload */
    } stored;               /* the spool's */
};

/* Takes over both references. NULL: no memory (the references are then still the caller's). */
struct payload *payload_new(struct spill *head, struct spill *tail);
struct payload *payload_ref(struct payload *payload);
void payload_free(struct payload *payload); /* drops a reference; takes NULL; any thread */
uint64_t payload_size(const struct payload *payload);
uint64_t payload_memory(const struct payload *payload); /* the bytes of it that are in memory */
/* Reads across head and tail; 0 at the end, or a negative errno. */
ssize_t payload_read(const struct payload *payload, uint64_t offset, void *buffer, size_t size);

enum delivery_state { DELIVERY_WAITING, DELIVERY_LEASED /* in memory only */, DELIVERY_FAILED };

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
    struct {
        int64_t row, payload_row;
        uint64_t origin;
        unsigned attempts; /* as the row says */
        int ending;        /* enum ending of group.h */
        int64_t ahead_ms;  /* setback.h: of the clock that due_ms was reckoned by */
    } stored;              /* the spool's */
};

/* A delivery in an arena of its own, all fields empty; NULL: no memory. */
struct delivery *delivery_new(const char *id);
int delivery_set_destination(struct delivery *delivery, const struct destination *destination);
void delivery_free(struct delivery *delivery); /* its payload reference too; takes NULL */

/* What origin_of() and origin_key() are asked for. */
const char *delivery_origin(const struct delivery *delivery);

struct spool;

/* Opens, or makes, the spool in config->directory; refused (-EBUSY) while another process has it,
 * (-EPROTONOSUPPORT) where a newer mxhook made it. Removes files that no delivery refers to.
 * Callbacks will run on `loop`'s thread. */
int spool_open(const struct spool_config *config, uv_loop_t *loop, struct spool **out,
               struct error *err);
/* Loop thread. Finishes what was handed in; its callbacks run within. Then frees; the loop must run
 * once more before it is closed. Takes NULL. */
void spool_close(struct spool *spool);

/* Where a large tail's or head's file belongs: spill_new(spool_body_directory(), name). Whoever
 * commits has called spill_sync() before. The file of a delivery that was stored is the spool's to
 * remove; of one that was not, the caller's. */
const char *spool_body_directory(const struct spool *spool);

/* From now on it keeps to these limits; the directory stays. Any thread. */
void spool_configure(struct spool *spool, const struct spool_config *config);

/* There is no room for new mail (spool.min_free, spool.max_size): a commit would be refused with
 * -ENOSPC. Looked at each second. Any thread. */
bool spool_is_full(const struct spool *spool);

struct commit {
    struct task task;                    /* the spool's */
    struct commit *next;                 /* the spool's */
    struct delivery *deliveries;         /* linked by next; the commit only borrows them */
    bool lease;                          /* store them leased: the caller attempts them at once */
    int status;                          /* 0, or a negative errno: nothing was stored */
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
    uint64_t bytes;     /* of payloads in memory, after which it brings no more */
    struct delivery *deliveries; /* out: linked by next, leased, now the caller's */
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

/* Holds an origin back: its breaker is open. Nothing of it is claimed until then, and after that no
 * more than `most` at once. Both 0: it is as all others again. */
struct held {
    int64_t until_ms; /* Unix time */
    unsigned most;
    unsigned failures; /* in a row, for `mxhook queue` to show */
    char origin[ORIGIN_SIZE];
};

/* `url`: any of the origin. 0 or -ENOMEM. Loop thread. */
int spool_hold(struct spool *spool, const char *url, const struct held *held);

/* Called on the loop's thread when something may be due that nobody has in hand: another process
 * (mxhook queue) changed the spool, or a commit was stored without a lease. */
void spool_on_change(struct spool *spool, void (*changed)(void *context), void *context);

/* Asked for the notice (or NULL) of each delivery that has waited longer than spool.max_age and so
 * has failed; both are stored together. On the spool's thread; the notice is handed over, the
 * delivery comes without its payload. */
struct give_up_hook {
    struct delivery *(*notice)(void *context, const struct delivery *failed);
    void *context;
};

/* The hook is kept, not copied. */
void spool_on_give_up(struct spool *spool, const struct give_up_hook *hook);

#endif
