/* history_replay.h - what the two ways of `mxhook history replay` share: as it was sent, and through the rules. */
#ifndef MXHOOK_CLI_HISTORY_REPLAY_H
#define MXHOOK_CLI_HISTORY_REPLAY_H

#include <uv.h>

#include "../base/id.h"
#include "history.h"

/* What is to be sent: found first, so that the oldest can go first. */
struct item {
    char id[ID_SIZE]; /* the delivery's */
    char *target, *recipient, *sender;
    int64_t body;
};

struct replay {
    struct history_reader *reader;
    const struct replay_options *options;
    struct item *items;
    size_t count, capacity, without_body;
    size_t next; /* items left: the last one goes first */
    uv_loop_t loop;
    uv_timer_t pace;
    struct senders *senders;
    size_t in_flight, delivered, failed;
};

/* history_find.c: collects the deliveries that are to be sent, newest first. 0, or a negative errno. */
int replay_find(struct replay *replay, const struct history_filter *filter);
void replay_free(struct replay *replay); /* the items, not the struct */

/* history_rules.c: prints what would go elsewhere. 0, or a negative errno; `err` is set where it is the rules'. */
int replay_through_rules(struct replay *replay, const struct history_filter *filter,
                         struct error *err);

#endif
