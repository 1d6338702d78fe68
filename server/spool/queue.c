#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "store.h"

struct queue {
    struct store *store;
};

int queue_open(const struct spool_config *config, struct queue **out, struct error *err)
{
    struct queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return error_set(err, -ENOMEM, "queue: out of memory");
    int code = store_open(config->directory, STORE_VISIT, &queue->store, err);
    if (code != 0) {
        free(queue);
        return code;
    }
    *out = queue;
    return 0;
}

void queue_close(struct queue *queue)
{
    if (!queue)
        return;
    store_close(queue->store);
    free(queue);
}

static int tell(const struct queue *queue, int code, struct error *err)
{
    return error_set(err, code, "the spool: %s", store_error(queue->store));
}

/* -ENOENT tells the id. */
static int find(struct queue *queue, const char *id, int64_t *row, int64_t *payload_row,
                struct error *err)
{
    int code = store_find(queue->store, id, row, payload_row);
    if (code == -ENOENT)
        return error_set(err, code, "%s: no such delivery", id);
    return code == 0 ? 0 : tell(queue, code, err);
}

struct listing {
    union {
        int (*delivery)(void *context, const struct delivery *delivery);
        int (*attempt)(void *context, const struct queue_attempt *attempt);
        int (*origin)(void *context, const struct queue_origin *origin);
    } each;
    void *context;
    bool ended; /* by each() */
};

static int list_one(void *context, const struct delivery *delivery)
{
    struct listing *listing = context;
    int code = listing->each.delivery(listing->context, delivery);
    listing->ended = code != 0;
    return code;
}

static int list_attempt(void *context, const struct queue_attempt *attempt)
{
    struct listing *listing = context;
    int code = listing->each.attempt(listing->context, attempt);
    listing->ended = code != 0;
    return code;
}

static int list_origin(void *context, const struct queue_origin *origin)
{
    struct listing *listing = context;
    int code = listing->each.origin(listing->context, origin);
    listing->ended = code != 0;
    return code;
}

int queue_list(struct queue *queue, const struct queue_filter *filter,
               int (*each)(void *context, const struct delivery *delivery), void *context,
               struct error *err)
{
    struct listing listing = {.each.delivery = each, .context = context};
    int code = store_list(queue->store, filter, list_one, &listing);
    return code == 0 || listing.ended ? code : tell(queue, code, err);
}

int queue_attempts(struct queue *queue, const struct delivery *delivery,
                   int (*each)(void *context, const struct queue_attempt *attempt), void *context,
                   struct error *err)
{
    struct listing listing = {.each.attempt = each, .context = context};
    int code = store_attempts(queue->store, delivery->stored.row, list_attempt, &listing);
    return code == 0 || listing.ended ? code : tell(queue, code, err);
}

int queue_origins(struct queue *queue,
                  int (*each)(void *context, const struct queue_origin *origin), void *context,
                  struct error *err)
{
    struct listing listing = {.each.origin = each, .context = context};
    int code = store_origins(queue->store, list_origin, &listing);
    return code == 0 || listing.ended ? code : tell(queue, code, err);
}

int queue_show(struct queue *queue, const char *id, struct delivery **out, struct error *err)
{
    int64_t row, payload_row;
    const char *reason;
    int code = find(queue, id, &row, &payload_row, err);
    if (code != 0)
        return code;
    code = store_load(queue->store, row, NULL, out, &reason);
    return code == 0 ? 0 : error_set(err, code, "%s: %s", id, reason);
}

/* ---- Changes ---- */

enum change { RETRY, DROP };

static int change_rows(struct queue *queue, enum change what, const struct store_row *rows,
                       int count)
{
    int code = 0;
    for (int i = 0; i < count && code == 0; i++)
        code = what == RETRY ? store_reset(queue->store, rows[i].row, clock_unix_ms())
                             : store_remove(queue->store, rows[i].row, rows[i].payload_row, true);
    return code;
}

/* Ends a transaction. */
static int close_change(struct queue *queue, int code, struct error *err)
{
    if (code == 0)
        code = store_commit(queue->store);
    if (code == 0)
        return 0;
    tell(queue, code, err);
    store_undo(queue->store);
    return code;
}

static int change(struct queue *queue, const char *id, enum change what, struct error *err)
{
    struct store_row row;
    int code = store_begin(queue->store);
    if (code != 0)
        return tell(queue, code, err);
    code = find(queue, id, &row.row, &row.payload_row, err);
    if (code != 0) {
        store_undo(queue->store);
        return code;
    }
    return close_change(queue, change_rows(queue, what, &row, 1), err);
}

/* So many a transaction, so that a server that runs is not kept waiting. */
#define PAGE_SIZE 500

static int64_t change_all(struct queue *queue, const struct queue_filter *filter, enum change what,
                          struct error *err)
{
    struct store_row rows[PAGE_SIZE];
    int64_t done = 0, after = 0;
    int count = PAGE_SIZE;
    while (count == PAGE_SIZE) {
        int code = store_begin(queue->store);
        if (code != 0)
            return tell(queue, code, err);
        count = store_page(queue->store, filter, after, rows, PAGE_SIZE);
        code = close_change(queue, count < 0 ? count : change_rows(queue, what, rows, count), err);
        if (code != 0)
            return code;
        done += count;
        after = count > 0 ? rows[count - 1].row : after;
    }
    return done;
}

int queue_retry(struct queue *queue, const char *id, struct error *err)
{
    return change(queue, id, RETRY, err);
}

int queue_drop(struct queue *queue, const char *id, struct error *err)
{
    return change(queue, id, DROP, err);
}

int64_t queue_retry_all(struct queue *queue, const struct queue_filter *filter, struct error *err)
{
    return change_all(queue, filter, RETRY, err);
}

int64_t queue_drop_all(struct queue *queue, const struct queue_filter *filter, struct error *err)
{
    return change_all(queue, filter, DROP, err);
}
