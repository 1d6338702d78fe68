/*
 * The spool's thread: what it takes up together, in which order, and who is told.
 *
 * Where a transaction fails (disk full), every commit of it is told, and the ends, which nobody
 * else will tell again, are kept for later.
 */
#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <uv.h>

#include "../clock.h"
#include "../log.h"
#include "claiming.h"
#include "group.h"
#include "leases.h"
#include "lock.h"
#include "origin.h"
#include "store.h"

#define GROUP_MAX     256                 /* commits, and as many ends, of one transaction */
#define ENDS_WAIT_NS  (25 * 1000000ull)   /* how long ends wait for a commit to go with */
#define ENDS_RETRY_NS (1000 * 1000000ull) /* after they could not be stored */
#define EXPIRE_NS     (60 * 1000000000ull) /* how often failed ones are looked for that are too old */
#define EXPIRE_PAGE   200                  /* removed in one transaction */
#define WATCH_NS      (1000 * 1000000ull) /* how often other processes' changes are looked for */

struct commit_list {
    struct commit *head, **tail;
};

struct delivery_list {
    struct delivery *head, **tail;
};

/* What spool_hold() hands over. */
struct hold {
    struct hold *next;
    uint64_t origin;
    struct held held;
};

struct spool {
    struct store *store;
    int lock;
    uv_thread_t thread;
    struct loop_queue *answers;
    void (*changed)(void *context); /* the loop's */
    void *changed_context;
    struct task change; /* on its way to the loop while change_sent */
    atomic_bool change_sent;

    uv_mutex_t mutex; /* guards what follows, up to the next comment */
    uv_cond_t wake;
    struct commit_list commits;
    struct delivery_list ends;
    struct claim *claims;
    struct hold *holds, **holds_tail;
    uint64_t ends_due; /* uv_hrtime() by which they go without a commit */
    bool closing;

    struct leases leases; /* the thread's own, as all below */
    int64_t version;      /* of the store, to see other processes' changes */
    uint64_t watch_due, expire_due;
    int64_t keep_failed_ms; /* 0: for ever */
    uint64_t min_free;
    bool low;        /* there is less: new commits are refused */
    bool in_trouble; /* the last transaction failed: said once */
};

/* What the thread has taken up. */
struct batch {
    struct commit *commits;
    struct delivery *ends;
    struct claim *claims;
    struct hold *holds;
    bool end; /* nothing more will come */
};

static void run_batch(struct spool *spool, struct batch *batch);
static void watch(struct spool *spool, bool forced);
static void expire_now_and_then(struct spool *spool);

/* ---- Waiting for something to do ---- */

/* When there is something to do at the latest. */
static uint64_t wake_time(const struct spool *spool)
{
    if (spool->commits.head || spool->claims || spool->holds || spool->closing)
        return 0;
    if (spool->ends.head && spool->ends_due < spool->watch_due)
        return spool->ends_due;
    return spool->watch_due;
}

static struct commit *take_commits(struct spool *spool)
{
    struct commit *first = spool->commits.head;
    struct commit **end = &spool->commits.head;
    for (size_t n = 0; *end && n < GROUP_MAX; n++)
        end = &(*end)->next;
    struct commit *rest = *end;
    *end = NULL;
    spool->commits.head = rest;
    if (!rest)
        spool->commits.tail = &spool->commits.head;
    return first;
}

static struct delivery *take_ends(struct spool *spool)
{
    struct delivery *first = spool->ends.head;
    struct delivery **end = &spool->ends.head;
    for (size_t n = 0; *end && n < GROUP_MAX; n++)
        end = &(*end)->next;
    struct delivery *rest = *end;
    *end = NULL;
    spool->ends.head = rest;
    if (!rest)
        spool->ends.tail = &spool->ends.head;
    return first;
}

static void take_batch(struct spool *spool, struct batch *batch)
{
    uv_mutex_lock(&spool->mutex);
    for (;;) {
        uint64_t until = wake_time(spool), now = uv_hrtime();
        if (until <= now)
            break;
        uv_cond_timedwait(&spool->wake, &spool->mutex, until - now);
    }
    /* A claim counts leases, so what has ended goes first. */
    bool ends_due =
        spool->commits.head || spool->claims || spool->closing || spool->ends_due <= uv_hrtime();
    batch->commits = take_commits(spool);
    batch->ends = ends_due ? take_ends(spool) : NULL;
    batch->claims = spool->claims;
    spool->claims = NULL;
    batch->holds = spool->holds;
    spool->holds = NULL;
    spool->holds_tail = &spool->holds;
    batch->end = spool->closing && !batch->commits && !batch->ends && !batch->claims;
    uv_mutex_unlock(&spool->mutex);
}

static void spool_main(void *argument)
{
    struct spool *spool = argument;
    struct batch batch;
    for (;;) {
        take_batch(spool, &batch);
        if (batch.end)
            return;
        run_batch(spool, &batch);
        if (uv_hrtime() >= spool->watch_due) {
            watch(spool, false);
            expire_now_and_then(spool);
        }
    }
}

/* A full disk is said once, not once a message. */
static void note_trouble(struct spool *spool, int code)
{
    if (code == 0 && spool->in_trouble)
        log_info("spool-recovered", NULL, LOG_TEXT("bodies", store_bodies(spool->store)));
    if (code != 0 && !spool->in_trouble)
        log_error("spool-failed", NULL, LOG_TEXT("at", "commit"),
                  LOG_TEXT("error", store_error(spool->store)), LOG_TEXT("errno", strerror(-code)));
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
    struct delivery **tail = &ends;
    if (!ends)
        return;
    uv_mutex_lock(&spool->mutex);
    if (!spool->closing) {
        while (*tail)
            tail = &(*tail)->next;
        *tail = spool->ends.head;
        if (!spool->ends.head)
            spool->ends.tail = tail;
        spool->ends.head = ends;
        spool->ends_due = uv_hrtime() + ENDS_RETRY_NS;
        ends = NULL;
    }
    uv_mutex_unlock(&spool->mutex);
    finish_ends(spool, ends);
}

static struct delivery *without_released(struct spool *spool, struct delivery *ends)
{
    struct delivery *rest = NULL, **tail = &rest;
    for (struct delivery *d = ends, *next; d; d = next) {
        next = d->next;
        if (d->stored.ending != ENDED_RELEASED) {
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

/* What is accepted must be able to leave: to remove it needs room in SQLite's log, and in the
 * database when the log is worked in. Said once for each time that room runs out. */
static bool has_room(struct spool *spool)
{
    struct statvfs disk;
    if (statvfs(store_bodies(spool->store), &disk) != 0)
        return true; /* writing will tell */
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    bool low = free_bytes < spool->min_free;
    if (low && !spool->low)
        log_error("spool-low", NULL, LOG_NUMBER("free", (int64_t)free_bytes),
                  LOG_NUMBER("min_free", (int64_t)spool->min_free));
    if (!low && spool->low)
        log_info("spool-recovered", NULL, LOG_NUMBER("free", (int64_t)free_bytes));
    spool->low = low;
    return !low;
}

static void run_batch(struct spool *spool, struct batch *batch)
{
    struct delivery *ends = without_released(spool, batch->ends);
    if (batch->commits && !has_room(spool)) {
        finish_commits(spool, batch->commits, -ENOSPC);
        batch->commits = NULL;
    }
    if (batch->commits || ends) {
        int code = group_store(spool->store, &spool->leases, batch->commits, ends);
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

/* Removes what failed too long ago, a page at a time. True: there may be more. */
static bool expire(struct spool *spool)
{
    struct store_row rows[EXPIRE_PAGE];
    int64_t before = clock_unix_ms() - spool->keep_failed_ms;
    int code = store_begin(spool->store);
    int count = code == 0 ? store_page_failed(spool->store, before, rows, EXPIRE_PAGE) : 0;
    if (count < 0)
        code = count;
    for (int i = 0; i < count && code == 0; i++)
        code = store_remove(spool->store, rows[i].row, rows[i].payload_row, true);
    if (code == 0)
        code = store_commit(spool->store);
    if (code != 0)
        store_undo(spool->store);
    else if (count > 0)
        log_info("spool-expired", NULL, LOG_NUMBER("deliveries", count));
    return code == 0 && count == EXPIRE_PAGE;
}

/* A page each second while there is something, else once in a while. */
static void expire_now_and_then(struct spool *spool)
{
    if (spool->keep_failed_ms > 0 && uv_hrtime() >= spool->expire_due && !expire(spool))
        spool->expire_due = uv_hrtime() + EXPIRE_NS;
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
    commit->next = NULL;
    commit->status = 0;
    uv_mutex_lock(&spool->mutex);
    *spool->commits.tail = commit;
    spool->commits.tail = &commit->next;
    uv_cond_signal(&spool->wake);
    uv_mutex_unlock(&spool->mutex);
}

void spool_claim(struct spool *spool, struct claim *claim)
{
    uv_mutex_lock(&spool->mutex);
    claim->next = spool->claims;
    spool->claims = claim;
    uv_cond_signal(&spool->wake);
    uv_mutex_unlock(&spool->mutex);
}

static void end(struct spool *spool, struct delivery *delivery, enum ending ending)
{
    delivery->stored.ending = ending;
    delivery->next = NULL;
    uv_mutex_lock(&spool->mutex);
    if (!spool->ends.head) {
        spool->ends_due = uv_hrtime() + ENDS_WAIT_NS;
        uv_cond_signal(&spool->wake);
    }
    *spool->ends.tail = delivery;
    spool->ends.tail = &delivery->next;
    uv_mutex_unlock(&spool->mutex);
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
    hold->next = NULL;
    hold->origin = origin_key(url);
    hold->held = *held;
    uv_mutex_lock(&spool->mutex);
    *spool->holds_tail = hold;
    spool->holds_tail = &hold->next;
    uv_cond_signal(&spool->wake);
    uv_mutex_unlock(&spool->mutex);
    return 0;
}

void spool_on_change(struct spool *spool, void (*changed)(void *context), void *context)
{
    spool->changed = changed;
    spool->changed_context = context;
}

const char *spool_body_directory(const struct spool *spool)
{
    return store_bodies(spool->store);
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
        code = store_version(spool->store, &spool->version);
    if (code == 0)
        code = store_walk_origins(spool->store, note_origin, &spool->leases);
    if (code != 0)
        return error_set(err, code, "%s: %s", directory, store_error(spool->store));
    return 0;
}

static int start_thread(struct spool *spool, uv_loop_t *loop, struct error *err)
{
    spool->commits.tail = &spool->commits.head;
    spool->ends.tail = &spool->ends.head;
    spool->holds_tail = &spool->holds;
    spool->watch_due = uv_hrtime() + WATCH_NS;
    spool->change.run = tell_change;
    int code = loop_queue_new(loop, spool, &spool->answers);
    if (code != 0)
        return error_set(err, code, "spool: %s", uv_strerror(code));
    if ((code = uv_mutex_init(&spool->mutex)) != 0)
        return error_set(err, code, "spool: %s", uv_strerror(code));
    if ((code = uv_cond_init(&spool->wake)) != 0) {
        uv_mutex_destroy(&spool->mutex);
        return error_set(err, code, "spool: %s", uv_strerror(code));
    }
    if ((code = uv_thread_create(&spool->thread, spool_main, spool)) == 0)
        return 0;
    uv_cond_destroy(&spool->wake);
    uv_mutex_destroy(&spool->mutex);
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
    spool->keep_failed_ms = config->keep_failed_ms;
    spool->min_free = config->min_free;
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
    uv_mutex_lock(&spool->mutex);
    spool->closing = true;
    uv_cond_signal(&spool->wake);
    uv_mutex_unlock(&spool->mutex);
    uv_thread_join(&spool->thread);
    spool->changed = NULL;
    loop_queue_close(spool->answers);
    for (struct delivery *d = spool->ends.head, *next; d; d = next) { /* of claims just answered */
        next = d->next;
        delivery_free(d);
    }
    for (struct hold *hold = spool->holds, *next; hold; hold = next) {
        next = hold->next;
        free(hold);
    }
    uv_cond_destroy(&spool->wake);
    uv_mutex_destroy(&spool->mutex);
    release(spool);
}
