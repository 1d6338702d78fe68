/*
 * filter.h - which messages a filter (ops.h) finds: first by their terms (segment.h), which is fast and may find too
 * many, then by what they are. For stores that keep segments.
 */
#ifndef MXHOOK_HISTORY_FILTER_H
#define MXHOOK_HISTORY_FILTER_H

#include "../spool/origin.h"
#include "ops.h"
#include "segment.h"

struct filter_terms {
    const struct history_filter *filter;
    uint32_t connection, sender, recipient, destination; /* the hashes of what it has */
    bool by_connection, by_sender_domain, by_recipient_domain, by_origin;
    char origin[ORIGIN_SIZE];
    int result, state;        /* -1: any */
    char *subject;            /* folded */
    char id_end[ID_SIZE + 2]; /* ids that begin so are below that */
    const char *id;           /* and not below that; "": any */
    char id_text[ID_SIZE];
};

/* 0, -EINVAL (a word that is none) or -ENOMEM; filter_free() either way. The filter stays the caller's, and there. */
int filter_begin(struct filter_terms *terms, const struct history_filter *filter);
void filter_free(struct filter_terms *terms);

/* May it be one of those? By all but the subject. */
bool filter_may_match(const struct filter_terms *filter, const struct packed *terms,
                      const struct message_terms *message);
/* Marks in `found` the messages of a segment whose subjects match, of `count`; returns how many. */
unsigned filter_subjects(const struct filter_terms *filter, const struct packed *subjects,
                         bool *found, unsigned count);
/* Is it one? */
bool filter_matches(const struct filter_terms *filter, const struct history_message *message);
/* Is it this address, or of this "@domain"? */
bool filter_is_address(const char *address, const char *wanted);
/* Of a message that is one: is this delivery what the filter says of deliveries? Its recipient is the message's. */
bool filter_has_delivery(const struct filter_terms *filter,
                         const struct history_delivery *delivery);

#endif
