#include "flight.h"

#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"

static struct lookup_answer unknown = {.references = 1, .status = LOOKUP_UNKNOWN};

static const char *const results[] = {
    [LOOKUP_FOUND] = "found", [LOOKUP_NONE] = "none", [LOOKUP_UNKNOWN] = "unknown"};

/* ---- Who waits ---- */

static void free_asking(uv_handle_t *timer)
{
    free(timer->data);
}

static void end(struct asking *asking)
{
    uv_timer_stop(&asking->timer);
    asking->done(asking->context); /* the questions are not ours any more */
    uv_close((uv_handle_t *)&asking->timer, free_asking);
}

/* Takes a reference of its own. */
static void answer_question(struct asking *asking, size_t index, struct lookup_answer *answer,
                            const char *result)
{
    struct question *q = &asking->questions->items[index];
    metric_add(METRIC_LOOKUPS_TOTAL, 1, q->source, result);
    q->answer = lookup_answer_ref(answer);
    asking->pending--;
}

/* The source has not answered: what it said before, or nothing. */
static void do_without(struct asking *asking, size_t index, struct source *source)
{
    const char *address = asking->questions->items[index].address;
    struct lookup_answer *stale =
        source ? lookup_cache_get(source->cache, address, clock_monotonic_ms(), true) : NULL;
    answer_question(asking, index, stale ? stale : &unknown, stale ? "stale" : "unknown");
    lookup_answer_unref(stale);
}

static void leave_flight(struct waiter *waiter)
{
    struct waiter **at = &waiter->flight->waiters;
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    waiter->flight = NULL;
}

static void on_time_over(uv_timer_t *timer)
{
    struct asking *asking = timer->data;
    for (size_t i = 0; i < asking->questions->count; i++) {
        struct waiter *waiter = &asking->waiters[i];
        if (!waiter->flight)
            continue;
        struct source *source = waiter->flight->source;
        leave_flight(waiter);
        do_without(asking, i, source);
    }
    end(asking);
}

/* An answer has come. Each may take as long as the first might: who is asked may take one question after the other. */
static void go_on_waiting(struct asking *asking)
{
    if (asking->pending == 0)
        end(asking);
    else if (asking->waits)
        uv_timer_start(&asking->timer, on_time_over, (uint64_t)asking->wait_ms, 0);
}

/* ---- Flights ---- */

static struct flight *flight_to(struct source *source, const char *address)
{
    size_t size = strlen(address) + 1;
    struct flight *flight =
        source->flights.count < LOOKUP_MAX_FLIGHTS ? calloc(1, sizeof *flight + size) : NULL;
    if (!flight)
        return NULL;
    flight->source = source;
    memcpy(flight->address, address, size);
    if (map_add(&source->flights, flight) == 0)
        return flight;
    free(flight);
    return NULL;
}

static void keep(struct source *source, const char *address, struct lookup_answer *answer)
{
    const struct lookup_config *options = source->options;
    int64_t fresh_until =
        clock_monotonic_ms() +
        (answer->status == LOOKUP_FOUND ? options->ttl_ms : options->negative_ttl_ms);
    lookup_cache_put(source->cache, address, answer, fresh_until, fresh_until + options->stale_ms);
}

void source_answered(struct flight *flight, struct lookup_answer *answer, const char *why)
{
    struct source *source = flight->source;
    map_take(&source->flights, (struct map_key){flight->address, strlen(flight->address)});
    if (answer && !flight->unkept)
        keep(source, flight->address, answer);
    if (!answer)
        log_limited(LOG_WARN, "lookup", NULL, LOG_TEXT("source", source->options->name),
                    LOG_TEXT("address", flight->address), LOG_TEXT("error", why));
    for (struct waiter *waiter = flight->waiters, *next; waiter; waiter = next) {
        next = waiter->next;
        waiter->flight = NULL;
        if (answer)
            answer_question(waiter->asking, waiter->question, answer, results[answer->status]);
        else
            do_without(waiter->asking, waiter->question, source);
        go_on_waiting(waiter->asking);
    }
    lookup_answer_unref(answer);
    free(flight);
    if (source->closed && source->flights.count == 0)
        source_free(source);
}

/* ---- Asking ---- */

static void ask(struct asking *asking, size_t index, struct source *source)
{
    const char *address = asking->questions->items[index].address;
    struct flight *flight = map_find(&source->flights, (struct map_key){address, strlen(address)});
    bool begins = !flight;
    if (begins)
        flight = flight_to(source, address);
    if (!flight) {
        do_without(asking, index, source);
        return;
    }
    struct waiter *waiter = &asking->waiters[index];
    *waiter = (struct waiter){flight->waiters, flight, asking, index};
    flight->waiters = waiter;
    if (begins)
        source->kind->ask(source, flight);
}

/* The longest that a source of theirs may take; each that waits adds to `pending`. */
static int64_t ask_all(struct asking *asking)
{
    int64_t wait_ms = 0;
    for (size_t i = 0; i < asking->questions->count; i++) {
        const struct question *q = &asking->questions->items[i];
        if (q->answer)
            continue;
        asking->pending++;
        struct source *source = lookup_source(q->kind, q->source);
        struct lookup_answer *fresh =
            source ? lookup_cache_get(source->cache, q->address, clock_monotonic_ms(), false)
                   : NULL;
        if (fresh)
            answer_question(asking, i, fresh, results[fresh->status]);
        else if (source)
            ask(asking, i, source);
        else
            do_without(asking, i, NULL);
        lookup_answer_unref(fresh);
        if (source && source->options->wait_ms > wait_ms)
            wait_ms = source->options->wait_ms;
    }
    return wait_ms;
}

void asking_begin(struct task *task, void *context)
{
    struct asking *asking = (struct asking *)task;
    struct lookup_room *room = context;
    uv_timer_init(&room->loop, &asking->timer);
    asking->timer.data = asking;
    asking->pending = 1; /* while it is asked: what is answered at once must not end it */
    asking->wait_ms = ask_all(asking);
    asking->waits = true;
    asking->pending--;
    go_on_waiting(asking);
}
