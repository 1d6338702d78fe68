/*
 * late.h - attempts at deliveries of messages that were written before: which messages those are, and what changes in
 * the terms of their segments. The history's thread.
 */
#ifndef MXHOOK_HISTORY_LATE_H
#define MXHOOK_HISTORY_LATE_H

#include "join.h"
#include "segment.h"

struct late {
    struct map by_message; /* the first attempt of each, the others behind it by `later` */
    char first_id[ID_SIZE], last_id[ID_SIZE]; /* of their messages, the least and the greatest */
    size_t wanted;                            /* messages that are still to be found */
};

struct late_change { /* of a segment's terms */
    size_t place;
    unsigned char bytes[4];
};

/* Of those that history_join() has not joined. late_end() ends it in any case. 0 or -ENOMEM. */
int late_begin(struct late *late, struct history_attempt *attempts);
void late_end(struct late *late);

/* Looks for their messages in a segment, which is to be called for the newest first: sets the `row` of the attempts
 * whose message it finds and which change something, writes what has become of their deliveries into `terms`, and tells
 * change() of it. What is damaged is not found, so that it does not stop what is noted. 0, or what change() returned. */
int late_look_in(struct late *late, struct packed *terms, int64_t row,
                 int (*change)(void *context, const struct late_change *change), void *context);

#endif
