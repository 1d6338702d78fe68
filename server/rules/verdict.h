/*
 * verdict.h - what the rules decided for one recipient.
 *
 * What a destination is stands in config/destination.h.
 */
#ifndef MXHOOK_RULES_VERDICT_H
#define MXHOOK_RULES_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/arena.h"
#include "../config/destination.h"
#include "../mail/header.h"

enum verdict_kind {
    VERDICT_NO_MATCH, /* no rule answered */
    VERDICT_DELIVER,  /* to the destinations, at least one */
    VERDICT_DISCARD,  /* accept and drop */
    VERDICT_REJECT,   /* 550 with text */
    VERDICT_DEFER,    /* 451 with text; also a rule that raised or went over its limits */
};

struct verdict {
    struct arena *arena; /* owns every string here */
    enum verdict_kind kind;
    const char *text; /* of REJECT and DEFER; "" for the default */
    const char *
        enhanced; /* where the server itself says no: the enhanced status code, of a REJECT's 554 or a DEFER's
                             451; else NULL */
    const char *rule; /* "10-alias.lua:3", the one that decided; "" */
    struct destination *destinations;
    size_t destination_count;
    struct header_list headers; /* as reshaped, for the payload's head */
    bool reshaped;              /* a rule changed them */
    size_t reshaped_bytes;      /* of all values that rules have set, and of the list */
    size_t asked;               /* rules that have answered: where a run that had to wait goes on */
    bool waits;                 /* a rule has asked what is not answered yet: the run is to go on */
    const char *also;           /* the last of them that answered route.also(); NULL */
};

/* "deliver", "no_match", ...: as the log and the metrics say it. */
const char *verdict_name(enum verdict_kind kind);

/* One that no rule made: to this destination, which is copied. NULL: no memory. */
struct verdict *verdict_to(const char *destination, const char *rule);
void verdict_free(struct verdict *verdict); /* takes NULL */

#endif
