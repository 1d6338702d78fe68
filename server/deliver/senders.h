/* senders.h - for attempt.c and the protocols: what an attempt is to them, and what it sends with.
 */
#ifndef MXHOOK_DELIVER_SENDERS_H
#define MXHOOK_DELIVER_SENDERS_H

#include "attempt.h"

struct senders {
    uv_loop_t *loop;
    struct multi *multi;
    struct http *http;
    struct smtp *smtp;
    struct dns *dns; /* once the first MX is looked up */
};

/* Embedded first in each protocol's own struct. */
struct attempt {
    void (*cancel)(struct attempt *attempt); /* breaks it off and frees it */
};

#endif
