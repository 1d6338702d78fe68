#include "upload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../base/clock.h"
#include "../../base/log.h"
#include "blob.h"
#include "number.h"

struct upload {
    struct pg_store *s;
    void (*ready)(void *context, struct commit *commit);
    void *context;
    uv_thread_t thread;
    bool finished;
    struct task_queue queue;
    struct pg pg; /* the thread's own, as the next two are */
    struct numbers numbers;
    int64_t retry_ms; /* no connection is tried before; monotonic */
    atomic_bool renumber;
    uv_mutex_t mutex; /* guards the rest */
    int64_t *used;    /* blobs */
    size_t used_count, used_capacity;
};

/* ---- What is in use ---- */

static int note_used(struct upload *u, int64_t blob)
{
    int code = 0;
    uv_mutex_lock(&u->mutex);
    if (u->used_count == u->used_capacity) {
        size_t capacity = u->used_capacity ? 2 * u->used_capacity : 16;
        int64_t *used = realloc(u->used, capacity * sizeof *used);
        if (used) {
            u->used = used;
            u->used_capacity = capacity;
        }
        code = used ? 0 : -ENOMEM;
    }
    if (code == 0)
        u->used[u->used_count++] = blob;
    uv_mutex_unlock(&u->mutex);
    return code;
}

static void forget_used(struct upload *u, int64_t blob)
{
    for (size_t i = 0; i < u->used_count; i++)
        if (u->used[i] == blob)
            u->used[i--] = u->used[--u->used_count];
}

void upload_add_used(struct upload *u, struct values *params, int column)
{
    if (!u)
        return;
    uv_mutex_lock(&u->mutex);
    for (size_t i = 0; i < u->used_count; i++)
        values_add_number(params, column, u->used[i]);
    uv_mutex_unlock(&u->mutex);
}

void upload_forget(struct upload *u, const struct commit *commit)
{
    if (!u)
        return;
    uv_mutex_lock(&u->mutex);
    for (const struct delivery *d = commit->deliveries; d && u->used_count > 0; d = d->next) {
        forget_used(u, d->payload->stored->row);
        forget_used(u, -d->stored->tail_row);
    }
    uv_mutex_unlock(&u->mutex);
}

void upload_renumber(struct upload *u)
{
    if (u)
        atomic_store(&u->renumber, true);
}

/* ---- Going up ---- */

/* While a batch of its own is unanswered nothing is sent, and no further connection made. */
static int connect_upload(struct upload *u)
{
    if (pg_is_outdated(&u->pg))
        pg_close(&u->pg);
    if (!pg_drain(&u->pg))
        return -EAGAIN;
    if (u->pg.connection)
        return 0;
    if (clock_monotonic_ms() < u->retry_ms)
        return -EAGAIN;
    int code = pg_open(&u->pg);
    u->retry_ms = clock_monotonic_ms() + PG_AGAIN_MS;
    return code;
}

static int note_all_used(struct upload *u, const struct commit *commit)
{
    int code = 0;
    upload_forget(u, commit);
    for (const struct delivery *d = commit->deliveries; d && code == 0; d = d->next) {
        code = note_used(u, d->payload->stored->row);
        if (code == 0 && d->stored->tail_row)
            code = note_used(u, -d->stored->tail_row);
    }
    return code;
}

static int try_upload(struct upload *u, struct commit *commit)
{
    int node = node_id(u->s->node);
    int code = connect_upload(u);
    if (atomic_exchange(&u->renumber, false))
        u->numbers.rows = (struct row_block){0};
    if (code == 0)
        code = number_deliveries(&u->pg, node, &u->numbers, commit->deliveries);
    if (code == 0)
        code = note_all_used(u, commit);
    return code == 0 ? blob_put_commits(&u->pg, node, commit) : code;
}

static int upload_until(struct upload *u, struct commit *commit)
{
    int accepts = atomic_load(&u->s->accepts);
    int64_t until =
        clock_monotonic_ms() + (accepts ? AWAY_STILL_MS : atomic_load(&u->s->commit_timeout_ms));
    int code = accepts == -ENOSPC ? -ENOSPC : -EAGAIN;
    while (code != -ENOSPC && pg_is_passing(code = try_upload(u, commit)) &&
           clock_monotonic_ms() < until)
        usleep(PG_AGAIN_MS * 1000);
    /* Where the store is away as a whole, that has been said. */
    if (code == -EINVAL || (pg_is_passing(code) && accepts == 0))
        log_limited(LOG_ERROR, "spool-failed", commit->deliveries->id, LOG_TEXT("at", "upload"),
                    LOG_TEXT("error", u->pg.error));
    return pg_is_passing(code) ? -EAGAIN : code;
}

/* What it cannot remove now is swept later, by this node or another. */
static void leave_nothing(struct upload *u, const struct commit *commit)
{
    struct values used = {0};
    upload_forget(u, commit);
    if (!u->pg.connection || u->pg.unanswered)
        return;
    upload_add_used(u, &used, values_array(&used, PARAM_INT8));
    (void)blob_sweep(&u->pg, node_id(u->s->node), &used);
}

static void run_upload(void *argument)
{
    struct upload *u = argument;
    struct task *task;
    task_name_thread("mxhook-upload");
    while ((task = task_queue_take(&u->queue))) {
        struct commit *commit = (struct commit *)task;
        commit->status = upload_until(u, commit);
        if (commit->status != 0)
            leave_nothing(u, commit);
        u->ready(u->context, commit);
    }
    pg_close(&u->pg);
}

/* ---- Handing in ---- */

bool upload_take(struct upload *u, struct commit *commit)
{
    for (const struct delivery *d = commit->deliveries; d; d = d->next) {
        const struct payload *payload = d->payload;
        if (spill_fd(payload->head) < 0 && (!payload->tail || spill_fd(payload->tail) < 0))
            continue;
        task_queue_push(&u->queue, &commit->task);
        return true;
    }
    return false;
}

struct upload *upload_start(struct pg_store *s, void (*ready)(void *context, struct commit *commit),
                            void *context)
{
    struct upload *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->s = s;
    u->ready = ready;
    u->context = context;
    u->pg.conninfo = s->conninfo;
    atomic_init(&u->renumber, false);
    if (uv_mutex_init(&u->mutex) != 0)
        goto no_mutex;
    if (task_queue_init(&u->queue) != 0)
        goto no_queue;
    if (uv_thread_create(&u->thread, run_upload, u) == 0)
        return u;
    task_queue_destroy(&u->queue);
no_queue:
    uv_mutex_destroy(&u->mutex);
no_mutex:
    free(u);
    return NULL;
}

void upload_finish(struct upload *u)
{
    if (!u->finished) {
        task_queue_close(&u->queue);
        uv_thread_join(&u->thread);
    }
    u->finished = true;
}

void upload_free(struct upload *u)
{
    if (!u)
        return;
    upload_finish(u);
    task_queue_destroy(&u->queue);
    uv_mutex_destroy(&u->mutex);
    free(u->used);
    free(u);
}
