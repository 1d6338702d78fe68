/* The words that all of `mxhook queue` uses. */
#include <string.h>

#include "queue.h"

const char *queue_state(const struct delivery *d, const struct pauses *pauses)
{
    static const char *const names[] = {"waiting", "in-flight", "failed"};
    if (d->state == DELIVERY_WAITING && pauses_find_url(pauses, delivery_origin(d)))
        return "paused";
    return names[d->state];
}
