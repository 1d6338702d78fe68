/*
 * failures.h - what has failed, by destination, status and reason: the one grouping for `mxhook queue failures` and the
 * console. One thread; blocking, as queue.h.
 *
 * reason   the last error without what differs from one delivery to the next of the same cause: the numbers in it
 */
#ifndef MXHOOK_SPOOL_FAILURES_H
#define MXHOOK_SPOOL_FAILURES_H

#include "../base/map.h"
#include "../base/redact.h"
#include "queue.h"

#define FAILURE_REASON_SIZE 160

struct failure {
    size_t count;
    int64_t first_ms, last_ms; /* accepted */
    char example[ID_SIZE];     /* the id of the first */
    int status;                /* of the last attempt; 0: no answer came */
    char destination[REDACT_SIZE];
    char reason[FAILURE_REASON_SIZE]; /* "": the answer said no more than its status */
    char (*ids)[ID_SIZE];             /* of all, where they are kept */
    size_t capacity;                  /* of ids */
    size_t key_size;
    char key[]; /* what it is found by */
};

/* All zero but the limits; they are set before failures_read(). */
struct failures {
    size_t groups_max; /* 0: any number */
    size_t
        ids_max; /* of all together, that are kept; what comes after is in no group. 0: none are, and all is */
    struct failure **list; /* out: most first */
    size_t count, room;
    size_t total; /* out: deliveries in the list */
    bool cut;     /* out: there were more than fit */
    struct map map;
};

/* Groups the failed deliveries that the filter finds. 0 or a negative errno with `err`; failures_free() either way. */
int failures_read(struct failures *failures, struct queue *queue, const struct queue_filter *filter,
                  struct error *err);
void failures_free(struct failures *failures); /* what it holds; it is all zero then */

#endif
