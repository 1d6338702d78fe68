#include "simulator.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct destination plain;

enum state { WAITING, READY, SENDING, ENDED };

struct mail {
    struct job job; /* first */
    size_t receiver;
    enum state state;
    unsigned attempts;
    int64_t accepted_ms, due_ms, ends_ms;
};

/* What the spool would be told of a lane or an origin. */
struct hold {
    char name[LANE_SIZE];
    int64_t until_ms;
    size_t most;
};

struct sim {
    const struct deliver_config *config;
    struct schedule *schedule;
    struct sim_receiver *receivers;
    struct mail **mails;
    struct hold *holds;
    size_t receiver_count, mail_count, hold_count, waiting, most, first, under_way;
    struct mail **flights;
    int64_t now_ms;
    unsigned random;
    size_t *leased; /* of each receiver */
};

/* ---- Receivers ---- */

void sim_ok(struct sim_receiver *r, int64_t now_ms, struct attempt_result *result)
{
    (void)r;
    (void)now_ms;
    result->status = 200;
}

void sim_limited(struct sim_receiver *r, int64_t now_ms, struct attempt_result *result)
{
    double most = r->per_second < 1 ? 1 : r->per_second;
    r->tokens += (double)(now_ms - r->filled_ms) / 1000 * r->per_second;
    if (r->filled_ms == 0 || r->tokens > most)
        r->tokens = most;
    r->filled_ms = now_ms;
    result->status = r->tokens >= 1 ? 200 : 429;
    if (r->tokens >= 1)
        r->tokens -= 1;
    else
        result->retry_after_ms = r->retry_after_ms;
}

static bool is_down(const struct sim_receiver *r, int64_t now_ms)
{
    return now_ms >= r->down_from_ms && now_ms < r->down_until_ms;
}

void sim_down(struct sim_receiver *r, int64_t now_ms, struct attempt_result *result)
{
    result->status = is_down(r, now_ms) ? 0 : 200;
}

void sim_failing(struct sim_receiver *r, int64_t now_ms, struct attempt_result *result)
{
    result->status = is_down(r, now_ms) ? r->status : 200;
    result->sent = true;
}

/* ---- The spool ---- */

static struct hold *hold_of(struct sim *sim, const char *name)
{
    for (size_t i = 0; i < sim->hold_count; i++)
        if (strcmp(sim->holds[i].name, name) == 0)
            return &sim->holds[i];
    sim->holds = realloc(sim->holds, (sim->hold_count + 1) * sizeof *sim->holds);
    assert(sim->holds);
    struct hold *hold = &sim->holds[sim->hold_count++];
    *hold = (struct hold){.most = 0};
    snprintf(hold->name, sizeof hold->name, "%s", name);
    return hold;
}

/* When the spool would bring something of this receiver. */
static int64_t held_until(struct sim *sim, size_t receiver, size_t *most)
{
    char origin[ORIGIN_SIZE], lane[LANE_SIZE];
    origin_of(sim->receivers[receiver].url, origin);
    lane_of(sim->receivers[receiver].url, lane);
    struct hold way = *hold_of(sim, origin), own = *hold_of(sim, lane);
    *most = SIZE_MAX;
    if (way.most)
        *most = way.most;
    if (own.most && own.most < *most)
        *most = own.most;
    return way.until_ms > own.until_ms ? way.until_ms : own.until_ms;
}

static void take_changes(struct sim *sim)
{
    struct schedule_change change;
    struct job *job;
    while (schedule_change(sim->schedule, &change)) {
        struct hold *hold = hold_of(sim, change.name);
        hold->until_ms = change.until_ms;
        hold->most = change.most;
    }
    while ((job = schedule_returned(sim->schedule))) {
        struct mail *mail = (struct mail *)job;
        mail->state = WAITING;
        sim->leased[mail->receiver]--;
    }
}

static void put(struct sim *sim, struct mail *mail)
{
    const struct sim_receiver *r = &sim->receivers[mail->receiver];
    struct job_terms terms = {r->url, 1000, r->rate, r->max_in_flight};
    if (schedule_put(sim->schedule, &mail->job, &terms, sim->now_ms) != PUT_READY)
        return;
    mail->state = READY;
    sim->leased[mail->receiver]++;
}

/* Brings what is due and not held; returns when to look again. */
static int64_t claim(struct sim *sim)
{
    struct schedule_room room = schedule_room(sim->schedule);
    int64_t next = SCHEDULE_NEVER;
    size_t *most = calloc(sim->receiver_count, sizeof *most);
    int64_t *until = calloc(sim->receiver_count, sizeof *until);
    assert(most && until);
    for (size_t i = 0; i < sim->receiver_count; i++)
        until[i] = held_until(sim, i, &most[i]);
    while (sim->first < sim->mail_count && sim->mails[sim->first]->state == ENDED)
        sim->first++;
    for (size_t i = sim->first; i < sim->mail_count && room.jobs > 0; i++) {
        struct mail *mail = sim->mails[i];
        size_t r = mail->receiver;
        if (mail->state != WAITING)
            continue;
        int64_t at_ms = mail->due_ms > until[r] ? mail->due_ms : until[r];
        if (mail->accepted_ms > sim->now_ms && mail->attempts == 0) {
            next = at_ms < next ? at_ms : next;
            if (mail->accepted_ms > sim->now_ms + HOUR)
                break; /* they stand in the order of acceptance */
        } else if (at_ms > sim->now_ms) {
            next = at_ms < next ? at_ms : next;
        } else if (sim->leased[r] < most[r] && sim->leased[r] < room.per_origin) {
            put(sim, mail);
            room.jobs -= mail->state == READY;
        }
    }
    free(most);
    free(until);
    return next;
}

/* ---- Attempts ---- */

static void begin(struct sim *sim, struct mail *mail)
{
    struct sim_receiver *r = &sim->receivers[mail->receiver];
    mail->state = SENDING;
    mail->ends_ms = sim->now_ms + r->takes_ms;
    r->requests++;
    if (++r->in_flight > r->most)
        r->most = r->in_flight;
    sim->flights[sim->under_way++] = mail;
    if (sim->under_way > sim->most)
        sim->most = sim->under_way;
}

static void settle(struct sim *sim, struct mail *mail, struct attempt_result *result)
{
    struct sim_receiver *r = &sim->receivers[mail->receiver];
    struct job_end end = {.class = result_class_of(result),
                          .asked_ms = result->retry_after_ms,
                          .elapsed_ms = r->takes_ms};
    schedule_ended(sim->schedule, &mail->job, &end, sim->now_ms);
    mail->attempts += result_class_costs(end.class, PROTOCOL_HTTP);
    struct retry_terms terms = {
        &sim->config->retry, &plain,
        end.class,           PROTOCOL_HTTP,
        mail->attempts,      result->retry_after_ms,
        end.outage_ms,       sim->random = sim->random * 1664525u + 1013904223u};
    enum outcome outcome = retry_outcome(&terms);
    if (end.opens_ms)
        terms.asked_ms = end.opens_ms - sim->now_ms;
    mail->due_ms = sim->now_ms + retry_pause_ms(&terms);
    mail->state = outcome == OUTCOME_RETRY ? WAITING : ENDED;
    if (outcome == OUTCOME_RETRY)
        return;
    sim->waiting--;
    r->failed += outcome == OUTCOME_FAILED;
    if (outcome != OUTCOME_DELIVERED)
        return;
    r->delivered++;
    r->last_delivered_ms = sim->now_ms;
    if (sim->now_ms - mail->accepted_ms > r->longest_ms)
        r->longest_ms = sim->now_ms - mail->accepted_ms;
}

static void end_flights(struct sim *sim)
{
    for (size_t i = 0; i < sim->under_way;) {
        struct mail *mail = sim->flights[i];
        if (mail->ends_ms > sim->now_ms) {
            i++;
            continue;
        }
        struct sim_receiver *r = &sim->receivers[mail->receiver];
        struct attempt_result result = {.status = 0};
        sim->flights[i] = sim->flights[--sim->under_way];
        r->in_flight--;
        sim->leased[mail->receiver]--;
        r->answer(r, sim->now_ms, &result);
        settle(sim, mail, &result);
        take_changes(sim);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t sim_run(struct sim *sim, int64_t until_ms)
{
    int64_t tidied_ms = sim->now_ms;
    while (sim->waiting > 0 && sim->now_ms < until_ms) {
        struct job *job;
        end_flights(sim);
        if (sim->waiting == 0)
            break;
        int64_t next = claim(sim);
        take_changes(sim);
        while ((job = schedule_next(sim->schedule, sim->now_ms)))
            begin(sim, (struct mail *)job);
        for (size_t i = 0; i < sim->under_way; i++)
            next = earlier(next, sim->flights[i]->ends_ms);
        next = earlier(next, schedule_wake(sim->schedule));
        if (sim->now_ms - tidied_ms >= MINUTE) {
            schedule_tidy(sim->schedule, sim->now_ms);
            take_changes(sim);
            tidied_ms = sim->now_ms;
        }
        next = earlier(next, sim->now_ms + MINUTE);
        sim->now_ms = next > sim->now_ms ? next : sim->now_ms + 1;
    }
    return sim->now_ms;
}

/* ---- Life ---- */

struct sim *sim_new(const struct deliver_config *config, struct sim_receiver *receivers,
                    size_t count)
{
    struct sim *sim = calloc(1, sizeof *sim);
    assert(sim);
    *sim = (struct sim){.config = config,
                        .receivers = receivers,
                        .receiver_count = count,
                        .schedule = schedule_new(config),
                        .leased = calloc(count, sizeof(size_t)),
                        .flights = calloc(config->max_in_flight, sizeof(struct mail *)),
                        .now_ms = 1,
                        .random = 7};
    assert(sim->schedule && sim->leased && sim->flights);
    return sim;
}

static int by_acceptance(const void *a, const void *b)
{
    const struct mail *x = *(struct mail *const *)a, *y = *(struct mail *const *)b;
    return x->accepted_ms < y->accepted_ms ? -1 : x->accepted_ms > y->accepted_ms;
}

void sim_mail(struct sim *sim, size_t receiver, size_t count, int64_t at_ms, int64_t every_ms)
{
    sim->mails = realloc(sim->mails, (sim->mail_count + count) * sizeof *sim->mails);
    assert(sim->mails);
    for (size_t i = 0; i < count; i++) {
        struct mail *mail = calloc(1, sizeof *mail);
        assert(mail);
        mail->receiver = receiver;
        mail->accepted_ms = mail->due_ms = at_ms + (int64_t)i * every_ms;
        sim->mails[sim->mail_count++] = mail;
    }
    sim->waiting += count;
    qsort(sim->mails, sim->mail_count, sizeof *sim->mails, by_acceptance);
}

size_t sim_waiting(const struct sim *sim)
{
    return sim->waiting;
}

size_t sim_most_in_flight(const struct sim *sim)
{
    return sim->most;
}

void sim_free(struct sim *sim)
{
    for (size_t i = 0; i < sim->under_way; i++)
        schedule_cancel(sim->schedule, &sim->flights[i]->job);
    schedule_give_up(sim->schedule);
    take_changes(sim);
    schedule_free(sim->schedule);
    for (size_t i = 0; i < sim->mail_count; i++)
        free(sim->mails[i]);
    free(sim->mails);
    free(sim->holds);
    free(sim->leased);
    free(sim->flights);
    free(sim);
}
