/*
 * spool.h - where deliveries are safe until they are done.
 *
 * delivery     one payload to one destination, with the state of its attempts
 * payload      the bytes to POST: a head and, where it stands apart, a tail. Counted; the deliveries
 *              of one recipient share a payload, the recipients of one message share a tail
 * commit       the deliveries of one message, stored all or none
 * lease        a delivery that the scheduler has in hand is leased: spool_claim() passes it over. A
 *              lease ends with the process: spool_open() puts every leased delivery back
 *
 * One thread works on the spool. All that waits for it goes into one transaction with one sync
 * (group commit), and only then are their callbacks called, on the loop's thread.
 */
#ifndef MXHOOK_SPOOL_H
#define MXHOOK_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../arena.h"
#include "../config.h"
#include "../destination.h"
#include "../error.h"
#include "../id.h"
#include "../spill.h"
#include "../task.h"

struct payload {
    atomic_uint references;
    struct spill *head; /* always in memory or in a file of its own */
    struct spill *tail; /* NULL: the head is the whole payload */
};

/* Takes over both references. NULL: no memory (the references are then still the caller's). */
struct payload *payload_new(struct spill *head, struct spill *tail);
struct payload *payload_ref(struct payload *payload);
void payload_free(struct payload *payload); /* drops a reference; takes NULL; any thread */
uint64_t payload_size(const struct payload *payload);
/* Reads across head and tail; 0 at the end, or a negative errno. */
ssize_t payload_read(const struct payload *payload, uint64_t offset, void *buffer, size_t size);

enum delivery_state { DELIVERY_WAITING, DELIVERY_LEASED, DELIVERY_FAILED };

struct delivery {
    struct delivery *next; /* for whoever has it in hand */
    struct arena *arena;   /* owns the strings, and the delivery itself */
    char id[ID_SIZE];      /* the webhook-id */
    enum delivery_state state;
    struct destination destination;
    const char *sender, *recipient;
    struct payload *payload;
    int64_t created_ms; /* Unix time */
    int64_t due_ms;     /* Unix time of the next attempt */
    unsigned attempts;  /* made so far */
    int last_status;    /* HTTP status of the last attempt; 0: none came */
    const char *last_error; /* of the last attempt; "" */
};

/* A delivery in an arena of its own, all fields empty; NULL: no memory. */
struct delivery *delivery_new(const char *id);
int delivery_set_destination(struct delivery *delivery, const struct destination *destination);
void delivery_free(struct delivery *delivery); /* its payload reference too; takes NULL */

struct spool;

/* Opens, or makes, the spool in config->directory; refused (-EBUSY) while another process has it.
 * Puts leases back, removes what no delivery refers to. Callbacks will run on `loop`'s thread. */
int spool_open(const struct spool_config *config, uv_loop_t *loop, struct spool **out,
               struct error *err);
/* Loop thread. Finishes what was handed in; callbacks still run. Then frees. Takes NULL. */
void spool_close(struct spool *spool);

/* Where a large tail's or head's file belongs: spill_new(spool_body_directory(), name). */
const char *spool_body_directory(const struct spool *spool);

struct commit {
    struct task task; /* the spool's */
    struct delivery *deliveries; /* linked by next; the commit only borrows them */
    bool lease;  /* store them leased: the caller attempts them at once */
    int status;  /* 0, or a negative errno: nothing was stored */
    void (*done)(struct commit *commit); /* on the loop's thread */
    void *context; /* the caller's */
};

/* Stores. Any thread. The commit is the caller's again when done() is called. */
void spool_commit(struct spool *spool, struct commit *commit);

/* Leases up to `limit` deliveries that are due, and hands them over: deliveries linked by next, now
 * the callee's, and when the next waiting one is due (INT64_MAX: none). Loop thread. */
typedef void (*spool_claimed)(void *context, struct delivery *deliveries, int64_t next_due_ms);
void spool_claim(struct spool *spool, size_t limit, spool_claimed done, void *context);

/* The end of an attempt. Each takes the delivery over and frees it. Loop thread. Not synced before
 * the next commit is: after a crash the attempt may be made again (at least once). */
void spool_delivered(struct spool *spool, struct delivery *delivery);
void spool_retry(struct spool *spool, struct delivery *delivery);  /* due_ms, attempts, last_* set */
void spool_failed(struct spool *spool, struct delivery *delivery); /* kept as failed */
void spool_release(struct spool *spool, struct delivery *delivery); /* not attempted; due at once */

/* Called on the loop's thread when another process (mxhook queue) changed the spool. */
void spool_on_change(struct spool *spool, void (*changed)(void *context), void *context);

#endif
