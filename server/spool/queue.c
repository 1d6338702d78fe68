#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../clock.h"
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
    int (*each)(void *context, const struct delivery *delivery);
    void *context;
    bool ended; /* by each() */
};

static int list_one(void *context, const struct delivery *delivery)
{
    struct listing *listing = context;
    int code = listing->each(listing->context, delivery);
    listing->ended = code != 0;
    return code;
}

int queue_list(struct queue *queue, const struct queue_filter *filter,
               int (*each)(void *context, const struct delivery *delivery), void *context,
               struct error *err)
{
    struct listing listing = {each, context, false};
    int code =
        store_list(queue->store, filter->failed_only, filter->destination, list_one, &listing);
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

enum change { RETRY, DROP };

static int change(struct queue *queue, const char *id, enum change what, struct error *err)
{
    int64_t row, payload_row;
    int code = store_begin(queue->store);
    if (code != 0)
        return tell(queue, code, err);
    code = find(queue, id, &row, &payload_row, err);
    if (code != 0) {
        store_undo(queue->store);
        return code;
    }
    code = what == RETRY ? store_reset(queue->store, row, clock_unix_ms())
                         : store_remove(queue->store, row, payload_row);
    if (code == 0)
        code = store_commit(queue->store);
    if (code == 0)
        return 0;
    store_undo(queue->store);
    return tell(queue, code, err);
}

int queue_retry(struct queue *queue, const char *id, struct error *err)
{
    return change(queue, id, RETRY, err);
}

int queue_drop(struct queue *queue, const char *id, struct error *err)
{
    return change(queue, id, DROP, err);
}
