/*
 * The spool's thread: what it takes up together, in which order, and who is told.
 *
 * Ends of attempts that could not be stored, which nobody else will tell again, are kept for later.
 */
#include "spool.h"

#include <errno.h>
#include <stdlib.h>
#include <uv.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "inbox.h"
#include "origin.h"
#include "store.h"

#define TIDY_NS (1000 * 1000000ull)

struct spool {
    struct store *store;
    const struct store_ops *ops;
    uv_thread_t thread;
    struct loop_queue *answers;
    void (*changed)(void *context); /* the loop's */
    void *changed_context;
    struct task change; /* on its way to the loop while change_sent */
    atomic_bool change_sent;
    struct inbox inbox;
    struct pauses heeded; /* by the store: the thread's */
    struct pauses told;   /* the loop's */
    void (*paused)(void *context, const struct pauses *pauses);
    void *paused_context;
    void (*probe)(void *context, uint64_t origin, uint64_t lane);
    void *probe_context;
};

/* A hold that was ended, on its way to the loop. */
struct probe_task {
    struct task task; /* first */
    uint64_t origin, lane;
};

/* A set on its way to the loop. */
struct pauses_task {
    struct task task; /* first */
    struct pauses pauses;
};

/* ---- The thread ---- */

static void answer_commits(struct task *task, void *context)
{
    (void)context;
    struct commit *first = (struct commit *)task, *next;
    for (struct commit *c = first; c; c = c->next)
        if (c->note)
            c->note(c);
    for (struct commit *c = first; c; c = next) {
        next = c->next;
        c->done(c);
    }
}

/* What the store has staged goes with others now, or is refused. */
static void take_staged(void *context, struct commit *commit)
{
    struct spool *spool = context;
    if (commit->status == 0) {
        inbox_put_commit(&spool->inbox, commit);
        return;
    }
    commit->next = NULL;
    commit->task.run = answer_commits;
    loop_queue_push(spool->answers, &commit->task);
}

static void answer_claim(struct task *task, void *context)
{
    (void)context;
    struct claim *claim = (struct claim *)task;
    claim->done(claim);
}

static void send_change(struct spool *spool)
{
    if (!atomic_exchange(&spool->change_sent, true))
        loop_queue_push(spool->answers, &spool->change);
}

static void tell_change(struct task *task, void *context)
{
    (void)task;
    struct spool *spool = context;
    atomic_store(&spool->change_sent, false);
    if (spool->changed)
        spool->changed(spool->changed_context);
}

static void free_deliveries(struct delivery *deliveries)
{
    for (struct delivery *next; deliveries; deliveries = next) {
        next = deliveries->next;
        delivery_free(deliveries);
    }
}

/* ---- Pauses ---- */

static void tell_pauses(struct task *task, void *context)
{
    struct pauses_task *sent = (struct pauses_task *)task;
    struct spool *spool = context;
    struct pauses old = spool->told;
    spool->told = sent->pauses;
    if (spool->paused)
        spool->paused(spool->paused_context, &spool->told);
    pauses_free(&old);
    free(sent);
}

/* The store heeds the new set before anything else is claimed, and the loop hears of it before what
 * is. Where it cannot be read, or sent on for want of memory, it is looked at again a second later. */
static void look_for_pauses(struct spool *spool)
{
    struct pauses pauses = {0};
    if (spool->ops->pauses(spool->store, false, &pauses) != 0 ||
        pauses_equal(&pauses, &spool->heeded)) {
        pauses_free(&pauses);
        return;
    }
    struct pauses_task *sent = malloc(sizeof *sent);
    if (!sent || pauses_copy(&sent->pauses, &pauses) != 0) {
        free(sent);
        pauses_free(&pauses);
        return;
    }
    pauses_log(&spool->heeded, &pauses);
    pauses_free(&spool->heeded);
    spool->heeded = pauses;
    spool->ops->heed(spool->store, &spool->heeded);
    sent->task.run = tell_pauses;
    loop_queue_push(spool->answers, &sent->task);
    send_change(spool);
}

/* ---- Probes ---- */

static void tell_probe(struct task *task, void *context)
{
    struct probe_task *sent = (struct probe_task *)task;
    struct spool *spool = context;
    if (spool->probe)
        spool->probe(spool->probe_context, sent->origin, sent->lane);
    free(sent);
}

/* Without memory for it, it is as if nobody had asked. */
static void send_probe(void *context, uint64_t origin, uint64_t lane)
{
    struct spool *spool = context;
    struct probe_task *sent = malloc(sizeof *sent);
    if (!sent)
        return;
    *sent = (struct probe_task){.task.run = tell_probe, .origin = origin, .lane = lane};
    loop_queue_push(spool->answers, &sent->task);
}

/* ---- Batches ---- */

/* At the end of the process ends that could not be stored are dropped: the attempts will be made
 * again, which at least once allows. */
static void keep_ends(struct spool *spool, struct delivery *ends)
{
    if (ends && !inbox_return_ends(&spool->inbox, ends))
        free_deliveries(ends);
}

static void apply(struct spool *spool, struct batch *batch)
{
    struct store_work work = {.commits = batch->commits, .ends = batch->ends};
    int64_t began_us = clock_monotonic_us();
    spool->ops->apply(spool->store, &work);
    metric_observe(METRIC_SPOOL_COMMIT_DURATION, (double)(clock_monotonic_us() - began_us) / 1e6);
    if (batch->commits) {
        batch->commits->task.run = answer_commits;
        loop_queue_push(spool->answers, &batch->commits->task);
    }
    free_deliveries(work.done);
    keep_ends(spool, work.ends);
    if (work.due)
        send_change(spool);
}

static void run_batch(struct spool *spool, struct batch *batch)
{
    if (batch->commits || batch->ends)
        apply(spool, batch);
    for (struct hold *hold = batch->holds, *next; hold; hold = next) {
        next = hold->next;
        spool->ops->hold(spool->store, hold);
        free(hold);
    }
    for (struct claim *claim = batch->claims, *next; claim; claim = next) {
        next = claim->next;
        spool->ops->claim(spool->store, claim);
        claim->task.run = answer_claim;
        loop_queue_push(spool->answers, &claim->task);
    }
}

static void spool_main(void *argument)
{
    struct spool *spool = argument;
    struct batch batch;
    uint64_t tidy_due = uv_hrtime() + TIDY_NS;
    task_name_thread("mxhook-spool");
    for (;;) {
        inbox_take(&spool->inbox, tidy_due, &batch);
        if (batch.end)
            return;
        run_batch(spool, &batch);
        if (uv_hrtime() < tidy_due)
            continue;
        tidy_due = uv_hrtime() + TIDY_NS;
        if (spool->ops->tidy(spool->store))
            send_change(spool);
        look_for_pauses(spool);
        spool->ops->probes(spool->store, send_probe, spool);
    }
}

/* ---- What is handed in ---- */

void spool_commit(struct spool *spool, struct commit *commit)
{
    commit->status = 0;
    if (!spool->ops->stage || !spool->ops->stage(spool->store, commit))
        inbox_put_commit(&spool->inbox, commit);
}

void spool_claim(struct spool *spool, struct claim *claim)
{
    inbox_put_claim(&spool->inbox, claim);
}

static void end(struct spool *spool, struct delivery *delivery, enum ending ending)
{
    delivery->stored->ending = ending;
    delivery->stored->ahead_ms = clock_ahead_ms();
    inbox_put_end(&spool->inbox, delivery);
}

void spool_delivered(struct spool *spool, struct delivery *delivery)
{
    end(spool, delivery, ENDED_DELIVERED);
}

void spool_retry(struct spool *spool, struct delivery *delivery)
{
    end(spool, delivery, ENDED_RETRY);
}

void spool_failed(struct spool *spool, struct delivery *delivery)
{
    end(spool, delivery, ENDED_FAILED);
}

void spool_release(struct spool *spool, struct delivery *delivery)
{
    end(spool, delivery, ENDED_RELEASED);
}

int spool_hold(struct spool *spool, const char *url, const struct held *held)
{
    struct hold *hold = malloc(sizeof *hold);
    if (!hold)
        return -ENOMEM;
    hold->origin = origin_key(url);
    hold->lane = held->scope == HELD_LANE ? lane_key(url) : 0;
    hold->held = *held;
    inbox_put_hold(&spool->inbox, hold);
    return 0;
}

void spool_on_change(struct spool *spool, void (*changed)(void *context), void *context)
{
    spool->changed = changed;
    spool->changed_context = context;
}

void spool_on_pauses(struct spool *spool,
                     void (*paused)(void *context, const struct pauses *pauses), void *context)
{
    spool->paused = paused;
    spool->paused_context = context;
    if (paused)
        paused(context, &spool->told);
}

void spool_on_probes(struct spool *spool,
                     void (*probe)(void *context, uint64_t origin, uint64_t lane), void *context)
{
    spool->probe = probe;
    spool->probe_context = context;
}

void spool_on_give_up(struct spool *spool, const struct give_up_hook *hook)
{
    spool->ops->on_give_up(spool->store, hook);
}

void spool_configure(struct spool *spool, const struct spool_config *config)
{
    spool->ops->configure(spool->store, config);
}

bool spool_is_full(const struct spool *spool)
{
    return spool->ops->accepts(spool->store) == -ENOSPC;
}

bool spool_is_away(const struct spool *spool)
{
    return spool->ops->accepts(spool->store) == -EAGAIN;
}

bool spool_may_attempt(const struct spool *spool, const struct delivery *delivery)
{
    return !spool->ops->may_attempt || spool->ops->may_attempt(spool->store, delivery);
}

bool spool_is_probe(const struct delivery *delivery, struct probed *probed)
{
    const struct stored *stored = delivery->stored;
    *probed = (struct probed){.scope = stored->probe_lane ? HELD_LANE : HELD_ORIGIN,
                              .pause_ms = stored->probe_ms,
                              .failures = stored->probe_failures};
    return stored->probe_ms > 0;
}

struct spill *spool_new_body(const struct spool *spool, const char *name)
{
    return spool->ops->new_body(spool->store, name);
}

const char *spool_scratch_directory(const struct spool *spool)
{
    return spool->ops->scratch(spool->store);
}

/* ---- Opening and closing ---- */

/* What was paused before is so from the first claim on. */
static int begin_with_pauses(struct spool *spool, struct error *err)
{
    int code = spool->ops->pauses(spool->store, false, &spool->heeded);
    if (code == 0)
        code = pauses_copy(&spool->told, &spool->heeded);
    if (code != 0)
        return error_set(err, code, "spool: what is paused cannot be read: %s",
                         spool->ops->error(spool->store));
    pauses_log(&(struct pauses){0}, &spool->heeded);
    spool->ops->heed(spool->store, &spool->heeded);
    return 0;
}

static int start_thread(struct spool *spool, uv_loop_t *loop, struct error *err)
{
    spool->change.run = tell_change;
    int code = loop_queue_new(loop, spool, &spool->answers);
    if (code != 0)
        return error_set(err, code, "spool: %s", uv_strerror(code));
    if ((code = inbox_init(&spool->inbox)) != 0)
        return error_set(err, code, "spool: %s", uv_strerror(code));
    if (spool->ops->stage_begin &&
        (code = spool->ops->stage_begin(spool->store, take_staged, spool)) != 0) {
        inbox_destroy(&spool->inbox);
        return error_set(err, code, "spool: %s", uv_strerror(code));
    }
    if ((code = uv_thread_create(&spool->thread, spool_main, spool)) == 0)
        return 0;
    inbox_destroy(&spool->inbox);
    return error_set(err, code, "spool: no thread: %s", uv_strerror(code));
}

int spool_open(const struct spool_config *config, uv_loop_t *loop, struct spool **out,
               struct error *err)
{
    struct spool *spool = calloc(1, sizeof *spool);
    if (!spool)
        return error_set(err, -ENOMEM, "spool: out of memory");
    spool->ops = store_ops_of(config);
    int code = spool->ops->open(config, &spool->store, err);
    if (code == 0 && ((code = begin_with_pauses(spool, err)) != 0 ||
                      (code = start_thread(spool, loop, err)) != 0)) {
        loop_queue_close(spool->answers);
        spool->ops->close(spool->store);
    }
    if (code != 0) {
        pauses_free(&spool->heeded);
        pauses_free(&spool->told);
        free(spool);
        return code;
    }
    *out = spool;
    return 0;
}

void spool_close(struct spool *spool)
{
    if (!spool)
        return;
    if (spool->ops->stage_end)
        spool->ops->stage_end(spool->store);
    inbox_close(&spool->inbox);
    uv_thread_join(&spool->thread);
    spool->changed = NULL;
    spool->paused = NULL;
    spool->probe = NULL;
    loop_queue_close(spool->answers);
    inbox_destroy(&spool->inbox);
    spool->ops->close(spool->store);
    pauses_free(&spool->heeded);
    pauses_free(&spool->told);
    free(spool);
}
