/* The words that all of `mxhook queue` uses. */
#include <string.h>
#include <time.h>

#include "queue.h"

const char *queue_state(const struct delivery *d, const struct pauses *pauses)
{
    static const char *const names[] = {"waiting", "in-flight", "failed"};
    if (d->state == DELIVERY_WAITING && pauses_find_url(pauses, delivery_origin(d)))
        return "paused";
    return names[d->state];
}

const char *queue_time(int64_t unix_ms, char text[TIME_SIZE])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    if (unix_ms == 0)
        return strcpy(text, "-");
    strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
    return text;
}
