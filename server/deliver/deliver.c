/* Joins the spool, the schedule and the attempts: its life, and its timer. */
#include "deliver.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "../base/clock.h"
#include "deliver_private.h"

static void on_timer(uv_timer_t *timer)
{
    struct deliver *d = timer->data;
    int64_t now = clock_monotonic_ms();
    d->wake_ms = INT64_MAX;
    if (d->state == DELIVER_RUNNING) {
        bool a_minute = now - d->tidied_ms >= DELIVER_WAKE_MAX_MS;
        if (a_minute) {
            schedule_tidy(d->schedule, now);
            deliver_take_changes(d, "");
            d->tidied_ms = now;
        }
        if (a_minute || d->more || now >= d->ask_ms) {
            d->ask_ms = INT64_MAX;
            deliver_wake(d);
        }
        deliver_set_timer(d, d->ask_ms == INT64_MAX ? DELIVER_WAKE_MAX_MS : d->ask_ms - now);
        deliver_pump(d);
    } else if (d->state == DELIVER_STOPPING && schedule_in_flight(d->schedule) == 0 && d->idle) {
        void (*idle)(void *context) = d->idle;
        d->idle = NULL;
        idle(d->idle_context);
    }
}

static void on_probe(void *context, uint64_t origin, uint64_t lane)
{
    struct deliver *d = context;
    schedule_end_hold(d->schedule, origin, lane, clock_monotonic_ms());
    deliver_ask_spool(d);
    deliver_pump(d);
}

static void on_pauses(void *context, const struct pauses *pauses)
{
    struct deliver *d = context;
    schedule_pauses(d->schedule, pauses);
    deliver_take_changes(d, "");
}

int deliver_new(uv_loop_t *loop, struct config *config, struct spool *spool, struct deliver **out,
                struct error *err)
{
    struct deliver *d = calloc(1, sizeof *d);
    if (!d || !(d->schedule = schedule_new(&config->deliver))) {
        free(d);
        return error_set(err, -ENOMEM, "deliver: out of memory");
    }
    int code = senders_new(loop, &d->senders);
    if (code != 0) {
        schedule_free(d->schedule);
        free(d);
        return error_set(err, code, "deliver: libcurl cannot be set up");
    }
    d->loop = loop;
    d->config = config_ref(config);
    d->spool = spool;
    d->wake_ms = INT64_MAX;
    d->ask_ms = INT64_MAX;
    d->tidied_ms = clock_monotonic_ms();
    d->timer.data = d;
    d->timer_open = true;
    d->on_timer = on_timer;
    uv_timer_init(loop, &d->timer);
    if (getrandom(&d->random, sizeof d->random, 0) != (ssize_t)sizeof d->random)
        d->random = (uint32_t)clock_monotonic_us();
    senders_keep(d->senders, config->deliver.max_in_flight);
    spool_on_pauses(spool, on_pauses, d);
    spool_on_probes(spool, on_probe, d);
    *out = d;
    return 0;
}

void deliver_configure(struct deliver *d, struct config *config)
{
    schedule_configure(d->schedule, &config->deliver);
    config_ref(config);
    config_unref(d->config);
    d->config = config;
    senders_keep(d->senders, config->deliver.max_in_flight);
    deliver_pump(d); /* a limit may be higher now */
}

void deliver_start(struct deliver *d)
{
    d->state = DELIVER_RUNNING;
    deliver_set_timer(d, DELIVER_WAKE_MAX_MS);
    deliver_ask_spool(d);
}

void deliver_stop(struct deliver *d, void (*idle)(void *context), void *context)
{
    d->state = DELIVER_STOPPING;
    d->idle = idle;
    d->idle_context = context;
    uv_timer_stop(&d->timer);
    schedule_give_up(d->schedule);
    deliver_take_changes(d, "");
    deliver_pump(d);
}

static void timer_closed(uv_handle_t *handle)
{
    struct deliver *d = handle->data;
    d->timer_open = false;
    deliver_dispose_if_over(d);
}

void deliver_free(struct deliver *d)
{
    if (!d)
        return;
    d->state = DELIVER_FREED;
    spool_on_pauses(d->spool, NULL, NULL);
    spool_on_probes(d->spool, NULL, NULL);
    schedule_give_up(d->schedule);
    deliver_take_changes(d, "");
    deliver_break_off(d);
    schedule_free(d->schedule);
    senders_free(d->senders);
    config_unref(d->config);
    uv_close((uv_handle_t *)&d->timer, timer_closed);
}
