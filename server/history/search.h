/*
 * search.h - finding messages in segments (segment.h), newest first, whatever store they are in.
 *
 * The store hands its segments over one by one, those that may have some by their times and ids; here their terms are
 * looked at, and the records of those that match are read.
 */
#ifndef MXHOOK_HISTORY_SEARCH_H
#define MXHOOK_HISTORY_SEARCH_H

#include "filter.h"

/* Where a segment's blobs are read, by its row. They stay until the next call of the same function. 0 or a negative
 * errno; -ENOENT: it has no such blob. */
struct search_source {
    void *store;
    int (*terms)(void *store, int64_t row, const struct packed **out);
    int (*subjects)(void *store, int64_t row, const struct packed **out);
    int (*records)(void *store, int64_t row, const struct packed **out);
    /* The attempts beside the segment, in the order in which they were noted; *body is that kept with it, 0 for none. */
    int (*each_late)(void *store, int64_t message, unsigned delivery,
                     int (*each)(void *context, const struct history_attempt *attempt,
                                 int64_t body),
                     void *context);
};

struct search_match {
    struct message_terms terms;
    int64_t row;
};

struct segment_search {
    struct search_source source;
    struct filter_terms filter;
    int64_t before, deadline_ms;
    unsigned left; /* messages that are still wanted */
    bool in_subjects[SEGMENT_MESSAGES];
    struct search_match matches[SEGMENT_MESSAGES];
    size_t match_count;
    int (*each)(void *context, const struct history_message *message);
    void *context;
};

/* As history_ops.list; search_free() ends it. NULL and *code: -EINVAL or -ENOMEM. */
struct segment_search *search_new(const struct search_source *source,
                                  const struct history_filter *filter,
                                  int (*each)(void *context, const struct history_message *message),
                                  void *context, int *code);
void search_free(struct segment_search *search); /* takes NULL */

/* The next older segment. 0, what each() returned, -EBADMSG (damaged), -ETIME (it takes too long) or a negative errno.
 * Where `left` is 0, no more is wanted. */
int search_segment(struct segment_search *search, int64_t row);

/* It takes too long: for a store that looks at segments itself. */
bool search_is_late(const struct segment_search *search);

/* As history_ops.attempts, of a message in this segment. */
int search_attempts(const struct search_source *source, int64_t segment,
                    const struct history_message *message, unsigned delivery,
                    int (*each)(void *context, const struct history_attempt *attempt),
                    void *context);

/* What is said of an error that is the search's own; NULL: it is not. */
const char *search_error(int code);

#endif
