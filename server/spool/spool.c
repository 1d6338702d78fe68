/*
 * The spool's thread: what it takes up together, in which order, and who is told.
 *
 * Where a transaction fails (disk full), every commit of it is told, and the ends, which nobody
 * else will tell again, are kept for later.
 */
#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "claiming.h"
#include "group.h"
#include "inbox.h"
#include "leases.h"
#include "lock.h"
#include "origin.h"
#include "setback.h"
#include "store.h"
#include "upkeep.h"

#define WATCH_NS (1000 * 1000000ull) /* how often other processes' changes are looked for */

struct spool {
    struct store *store;
    int lock;
    uv_thread_t thread;
    struct loop_queue *answers;
    void (*changed)(void *context); /* the loop's */
    void *changed_context;
    struct task change; /* on its way to the loop while change_sent */
    atomic_bool change_sent;

    struct inbox inbox;

    struct leases leases; /* the thread's own, as all below */
    int64_t version;      /* of the store, to see other processes' changes */
    uint64_t watch_due;
    struct upkeep upkeep;
    struct setback setback;
    bool in_trouble; /* the last transaction failed: said once */
};

static void run_batch(struct spool *spool, struct batch *batch);
static void watch(struct spool *spool, bool forced);
static void look_again(struct spool *spool);
static void send_change(struct spool *spool);

static void spool_main(void *argument)
{
    struct spool *spool = argument;
    struct batch batch;
    task_name_thread("mxhook-spool");
    for (;;) {
        inbox_take(&spool->inbox, spool->watch_due, &batch);
        if (batch.end)
            return;
        run_batch(spool, &batch);
        if (uv_hrtime() >= spool->watch_due) {
            watch(spool, false);
            if (setback_run(&spool->setback, spool->store, &spool->leases))
                look_again(spool);
            if (upkeep_run(&spool->upkeep, spool->store, &spool->leases))
                send_change(spool);
        }
    }
}

/* A full disk is said once, not once a message. */
static void note_trouble(struct spool *spool, int code)
{
    if (code != 0)
        metric_add(METRIC_SPOOL_ERRORS_TOTAL, 1, "commit");
    if (code == 0 && spool->in_trouble)
        log_info("spool-recovered", NULL, LOG_TEXT("bodies", store_bodies(spool->store)));
    if (code != 0 && !spool->in_trouble)
        log_error("spool-failed", NULL, LOG_TEXT("at", "commit"),
                  LOG_TEXT("error", store_error(spool->store)), LOG_TEXT("errno", strerror(-code)));
    if (code == -EBADMSG && !spool->in_trouble)
        log_error("spool-damaged", NULL,
                  LOG_TEXT("advice",
                           "stop mxhook; `mxhook queue export --to FOLDER` saves all that "
                           "can be read"));
    spool->in_trouble = code != 0;
}

/* ---- After the transaction ---- */

static void answer_commits(struct task *task, void *context)
{
    (void)context;
    struct commit *next;
    for (struct commit *c = (struct commit *)task; c; c = next) {
        next = c->next;
        c->done(c);
    }
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

static void finish_commits(struct spool *spool, struct commit *commits, int code)
{
    bool waiting = false;
    for (struct commit *c = commits; c; c = c->next) {
        if (code != 0)
            c->status = code;
        if (c->status != 0 || c->lease)
            continue;
        for (struct delivery *d = c->deliveries; d; d = d->next)
            leases_note_due(&spool->leases, d->stored.origin, d->due_ms);
        waiting = true;
    }
    commits->task.run = answer_commits;
    loop_queue_push(spool->answers, &commits->task);
    if (waiting)
        send_change(spool);
}

/* Whoever ended an attempt knows when the next one is due, unless storing that took until then; of
 * a notice nobody knows. */
static void finish_ends(struct spool *spool, struct delivery *ends)
{
    int64_t now = ends ? clock_unix_ms() : 0;
    bool late = false;
    for (struct delivery *d = ends, *next; d; d = next) {
        next = d->next;
        leases_drop(&spool->leases, d->stored.row);
        if (d->stored.ending == ENDED_RETRY) {
            leases_note_due(&spool->leases, d->stored.origin, d->due_ms);
            late |= d->due_ms <= now;
        } else if (d->notice && d->notice->stored.row) {
            leases_note_due(&spool->leases, d->notice->stored.origin, d->notice->due_ms);
            late = true;
        }
        delivery_free(d);
    }
    if (late)
        send_change(spool);
}

/* Puts ends that could not be stored back before the others, for later. At the end of the process
 * they are given up: the attempts will be made again, which at least once allows. */
static void keep_ends(struct spool *spool, struct delivery *ends)
{
    if (ends && !inbox_return_ends(&spool->inbox, ends))
        finish_ends(spool, ends);
}

static struct delivery *without_released(struct spool *spool, struct delivery *ends)
{
    struct delivery *rest = NULL, **tail = &rest;
    for (struct delivery *d = ends, *next; d; d = next) {
        next = d->next;
        if (d->stored.ending != ENDED_RELEASED) {
            setback_correct(d);
            *tail = d;
            tail = &d->next;
            continue;
        }
        leases_drop(&spool->leases, d->stored.row);
        leases_note_due(&spool->leases, d->stored.origin, d->due_ms);
        delivery_free(d);
    }
    *tail = NULL;
    return rest;
}

/* ---- A batch ---- */

static void answer_claim(struct task *task, void *context)
{
    (void)context;
    struct claim *claim = (struct claim *)task;
    claim->done(claim);
}

static void run_claims(struct spool *spool, struct claim *claims)
{
    for (struct claim *claim = claims, *next; claim; claim = next) {
        next = claim->next;
        if (spool->leases.incomplete)
            watch(spool, true);
        claiming_run(spool->store, &spool->leases, claim);
        claim->task.run = answer_claim;
        loop_queue_push(spool->answers, &claim->task);
    }
}

/* Written down only for `mxhook queue` to show: it is no harm where that fails. */
static void run_holds(struct spool *spool, struct hold *holds)
{
    for (struct hold *hold = holds, *next; hold; hold = next) {
        next = hold->next;
        leases_hold(&spool->leases, hold->origin, hold->held.until_ms, hold->held.most);
        int code = store_begin(spool->store);
        if (code == 0)
            code = store_hold(spool->store, hold->origin, &hold->held);
        if (code == 0)
            code = store_commit(spool->store);
        if (code != 0)
            store_undo(spool->store);
        free(hold);
    }
}

static void run_batch(struct spool *spool, struct batch *batch)
{
    struct delivery *ends = without_released(spool, batch->ends);
    if (batch->commits && !upkeep_has_room(&spool->upkeep, spool->store, batch->commits)) {
        finish_commits(spool, batch->commits, -ENOSPC);
        batch->commits = NULL;
    }
    if (batch->commits || ends) {
        int64_t began_us = clock_monotonic_us();
        int code = group_store(spool->store, &spool->leases, batch->commits, ends);
        metric_observe(METRIC_SPOOL_COMMIT_DURATION,
                       (double)(clock_monotonic_us() - began_us) / 1e6);
        note_trouble(spool, code);
        if (batch->commits)
            finish_commits(spool, batch->commits, code);
        if (code != 0 && batch->commits && ends) /* without what they would add, it may work */
            code = group_store(spool->store, &spool->leases, NULL, ends);
        if (code == 0)
            finish_ends(spool, ends);
        else
            keep_ends(spool, ends);
    }
    run_holds(spool, batch->holds);
    run_claims(spool, batch->claims);
}

static void note_origin(void *context, uint64_t origin, int64_t due_ms)
{
    leases_note_due(context, origin, due_ms);
}

/* Has another process written? Then all that is known of what is due may be wrong. */
static void watch(struct spool *spool, bool forced)
{
    int64_t version = spool->version;
    spool->watch_due = uv_hrtime() + WATCH_NS;
    leases_prune(&spool->leases);
    int code = store_version(spool->store, &version);
    if (code == 0 && version == spool->version && !forced)
        return;
    leases_forget_due(&spool->leases);
    if (code == 0)
        code = store_walk_origins(spool->store, note_origin, &spool->leases);
    if (code != 0) {
        spool->leases.incomplete = true;
        return;
    }
    spool->version = version;
    if (!forced)
        send_change(spool);
}

/* ---- What is handed in ---- */

void spool_commit(struct spool *spool, struct commit *commit)
{
    commit->status = 0;
    inbox_put_commit(&spool->inbox, commit);
}

void spool_claim(struct spool *spool, struct claim *claim)
{
    inbox_put_claim(&spool->inbox, claim);
}

static void end(struct spool *spool, struct delivery *delivery, enum ending ending)
{
    delivery->stored.ending = ending;
    delivery->stored.ahead_ms = setback_ahead();
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
    hold->held = *held;
    inbox_put_hold(&spool->inbox, hold);
    return 0;
}

void spool_on_change(struct spool *spool, void (*changed)(void *context), void *context)
{
    spool->changed = changed;
    spool->changed_context = context;
}

void spool_on_give_up(struct spool *spool, const struct give_up_hook *hook)
{
    atomic_store(&spool->upkeep.hook, hook);
}

void spool_configure(struct spool *spool, const struct spool_config *config)
{
    upkeep_configure(&spool->upkeep, config);
}

bool spool_is_full(const struct spool *spool)
{
    return atomic_load(&spool->upkeep.full);
}

const char *spool_body_directory(const struct spool *spool)
{
    return store_bodies(spool->store);
}

/* Other times may be due than before. */
static void look_again(struct spool *spool)
{
    watch(spool, true);
    send_change(spool);
}

/* ---- Opening and closing ---- */

static int remove_orphans(struct store *store, struct error *err)
{
    const char *directory = store_bodies(store);
    DIR *dir = opendir(directory);
    if (!dir)
        return error_set(err, -errno, "%s: %s", directory, strerror(errno));
    int code = 0;
    struct dirent *entry;
    while (code == 0 && (entry = readdir(dir))) {
        bool has = true;
        if (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN)
            continue;
        code = store_has_file(store, entry->d_name, &has);
        if (code == 0 && !has && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
            log_debug("spool-orphan", NULL, LOG_TEXT("file", entry->d_name));
    }
    closedir(dir);
    return code == 0 ? 0 : error_set(err, code, "%s: %s", directory, store_error(store));
}

static int open_store(struct spool *spool, const char *directory, struct error *err)
{
    int code = spool_lock(directory, &spool->lock, err);
    if (code == 0)
        code = store_open(directory, STORE_SERVE, &spool->store, err);
    if (code == 0)
        code = remove_orphans(spool->store, err);
    if (code != 0)
        return code;
    code = store_forget_holds(spool->store);
    if (code == 0)
        code = setback_init(&spool->setback, spool->store);
    if (code == 0)
        code = store_version(spool->store, &spool->version);
    if (code == 0)
        code = store_walk_origins(spool->store, note_origin, &spool->leases);
    if (code != 0)
        return error_set(err, code, "%s: %s", directory, store_error(spool->store));
    return 0;
}

static int start_thread(struct spool *spool, uv_loop_t *loop, struct error *err)
{
    spool->watch_due = uv_hrtime() + WATCH_NS;
    spool->change.run = tell_change;
    int code = loop_queue_new(loop, spool, &spool->answers);
    if (code != 0)
        return error_set(err, code, "spool: %s", uv_strerror(code));
    if ((code = inbox_init(&spool->inbox)) != 0)
        return error_set(err, code, "spool: %s", uv_strerror(code));
    if ((code = uv_thread_create(&spool->thread, spool_main, spool)) == 0)
        return 0;
    inbox_destroy(&spool->inbox);
    return error_set(err, code, "spool: no thread: %s", uv_strerror(code));
}

static void release(struct spool *spool)
{
    store_close(spool->store);
    spool_unlock(spool->lock);
    leases_free(&spool->leases);
    free(spool);
}

int spool_open(const struct spool_config *config, uv_loop_t *loop, struct spool **out,
               struct error *err)
{
    struct spool *spool = calloc(1, sizeof *spool);
    if (!spool)
        return error_set(err, -ENOMEM, "spool: out of memory");
    spool->lock = -1;
    upkeep_configure(&spool->upkeep, config);
    int code = open_store(spool, config->directory, err);
    if (code == 0)
        code = start_thread(spool, loop, err);
    if (code != 0) {
        loop_queue_close(spool->answers);
        release(spool);
        return code;
    }
    *out = spool;
    return 0;
}

void spool_close(struct spool *spool)
{
    if (!spool)
        return;
    inbox_close(&spool->inbox);
    uv_thread_join(&spool->thread);
    spool->changed = NULL;
    loop_queue_close(spool->answers);
    inbox_destroy(&spool->inbox);
    release(spool);
}
