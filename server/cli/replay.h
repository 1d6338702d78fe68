/* replay.h - what the two ways of `mxhook history replay` share: as it was sent, and through the rules. */
#ifndef MXHOOK_CLI_REPLAY_H
#define MXHOOK_CLI_REPLAY_H

#include <uv.h>

#include "../base/id.h"
#include "../history/filter.h"
#include "history.h"

/* What is to be sent: found first, so that the oldest can go first. Through the rules: what came for one recipient. */
struct item {
    char id[ID_SIZE]; /* the delivery's; the message's */
    char *target, *recipient, *sender;
    int64_t body;
};

struct replay {
    struct history_reader *reader;
    const struct history_filter *filter;
    struct filter_terms terms; /* of it */
    const struct replay_options *options;
    struct ruleset *rules; /* today's; NULL: as it was sent */
    struct item *items;
    size_t count, capacity, without_body;
    size_t next; /* items left: the last one goes first */
    uv_loop_t loop;
    uv_timer_t pace;
    struct senders *senders;
    size_t in_flight, delivered, failed;
    int64_t began_ms,
        begun;        /* when, on the monotonic clock; deliveries since, as its pace counts them */
    size_t elsewhere; /* recipients whose mail the rules give to no URL */
};

/* history_find.c: collects the deliveries that are to be sent, newest first. 0, or a negative errno. */
int replay_find(struct replay *replay);
void replay_free(struct replay *replay); /* the items, not the struct */

/* Adds one to be sent; the texts are copied, NULL as "". 0 or -ENOMEM. */
int replay_add(struct replay *replay, const char *id, const char *target, const char *recipient,
               const char *sender, int64_t body);

/* replay.c: sends it, which becomes the replay's, and counts and prints what comes of it. */
void replay_send(struct replay *replay, struct delivery *delivery);
/* The same of what is to go as it went before. */
void replay_begin(struct replay *replay, const struct item *item);
/* Ends the loop where nothing is left and nothing under way. */
void replay_end_if_done(struct replay *replay);

/* history_rules.c: prints what would go elsewhere. 0, or a negative errno; `err` is set where it is the rules'. */
int replay_compare(struct replay *replay, struct error *err);

/* history_reroute.c: collects what came for whom, as replay_find(). */
int reroute_find(struct replay *replay);
/* Asks the rules about one of these, and sends what they say. */
void reroute(struct replay *replay, const struct item *item);
/* Is what came for this recipient among what the filter asks for? */
bool reroute_wanted(const struct filter_terms *terms, const struct history_message *message,
                    const char *recipient);
/* history_find.c: the same of a delivery. */
bool replay_wanted(const struct filter_terms *terms, const struct history_delivery *delivery);

#endif
