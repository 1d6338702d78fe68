/* What the schedule says, told to the log and the spool; and when to look again. */
#include <stdlib.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "deliver_private.h"

void deliver_set_timer(struct deliver *d, int64_t wait_ms)
{
    int64_t now = clock_monotonic_ms();
    if (d->state != DELIVER_RUNNING)
        return;
    if (wait_ms < 0)
        wait_ms = 0;
    if (wait_ms > DELIVER_WAKE_MAX_MS)
        wait_ms = DELIVER_WAKE_MAX_MS;
    if (now + wait_ms >= d->wake_ms)
        return;
    d->wake_ms = now + wait_ms;
    uv_timer_start(&d->timer, d->on_timer, (uint64_t)wait_ms, 0);
}

void deliver_ask_in(struct deliver *d, int64_t wait_ms)
{
    int64_t at_ms = clock_monotonic_ms() + (wait_ms > 0 ? wait_ms : 0);
    if (at_ms < d->ask_ms)
        d->ask_ms = at_ms;
    deliver_set_timer(d, wait_ms);
}

/* ---- What the schedule says ---- */

static void log_change(const struct schedule_change *c, const char *error)
{
    bool lane = c->scope == CHANGE_LANE;
    const char *what = lane ? "destination" : "origin";
    if (c->what == CHANGE_OPENED)
        log_warn(lane ? "destination-open" : "origin-open", NULL, LOG_TEXT(what, c->name),
                 LOG_NUMBER("failures", c->failures), LOG_NUMBER("pause_ms", c->pause_ms),
                 LOG_TEXT("error", error));
    else if (c->what == CHANGE_GONE)
        log_warn("destination-gone", NULL, LOG_TEXT(what, c->name),
                 LOG_NUMBER("failures", c->failures), LOG_NUMBER("pause_ms", c->pause_ms));
    else if (c->what == CHANGE_SLOWED)
        log_warn("destination-slowed", NULL, LOG_TEXT(what, c->name),
                 LOG_NUMBER("pause_ms", c->pause_ms),
                 LOG_NUMBER("per_minute", (int64_t)(c->rate * 60 + 0.5)));
    else if (c->what == CHANGE_CLOSED)
        log_info(lane ? "destination-closed" : "origin-closed", NULL, LOG_TEXT(what, c->name));
}

/* Without memory for it, claims bring some of it in vain; no harm is done. */
static void hold(struct deliver *d, const struct schedule_change *change)
{
    bool fails = change->what == CHANGE_OPENED || change->what == CHANGE_GONE;
    struct held held = {.scope = change->scope == CHANGE_LANE ? HELD_LANE : HELD_ORIGIN,
                        .failures = !fails             ? 0
                                    : change->failures ? change->failures
                                                       : 1,
                        .most = (unsigned)change->most};
    if (change->until_ms)
        held.until_ms = clock_unix_ms() + change->until_ms - clock_monotonic_ms();
    origin_of(change->name, held.origin);
    (void)spool_hold(d->spool, change->name, &held);
}

int64_t deliver_take_changes(struct deliver *d, const char *error)
{
    struct schedule_change change;
    struct job *job;
    int64_t gone_ms = 0;
    while (schedule_change(d->schedule, &change)) {
        if (change.what == CHANGE_GONE)
            gone_ms = clock_unix_ms() + change.pause_ms;
        log_change(&change, error);
        hold(d, &change);
        if (change.until_ms)
            deliver_ask_in(d, change.until_ms - clock_monotonic_ms());
        else
            d->more = true;
    }
    while ((job = schedule_returned(d->schedule))) {
        struct delivery_job *flight = (struct delivery_job *)job;
        spool_release(d->spool, flight->delivery);
        free(flight);
    }
    return gone_ms;
}
