#include "queue.h"

#include <errno.h>
#include <stdlib.h>

#include "store.h"

struct queue {
    struct store *store;
    const struct store_ops *ops;
};

int queue_open(const struct spool_config *config, struct queue **out, struct error *err)
{
    struct queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return error_set(err, -ENOMEM, "queue: out of memory");
    queue->ops = store_ops_of(config);
    int code = queue->ops->visit(config, &queue->store, err);
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
    queue->ops->close(queue->store);
    free(queue);
}

void queue_on_change(struct queue *queue, void (*changed)(void *context, const char *id),
                     void *context)
{
    queue->store->changed = changed;
    queue->store->changed_context = context;
}

static int tell(const struct queue *queue, int code, struct error *err)
{
    return error_set(err, code, "the spool: %s", queue->ops->error(queue->store));
}

/* What went wrong with one delivery; -ENOENT tells the id. */
static int tell_of(const struct queue *queue, int code, const char *id, struct error *err)
{
    if (code == -ENOENT)
        return error_set(err, code, "%s: no such delivery", id);
    return code == 0 ? 0 : tell(queue, code, err);
}

struct listing {
    union {
        int (*delivery)(void *context, const struct delivery *delivery);
        int (*attempt)(void *context, const struct queue_attempt *attempt);
        int (*origin)(void *context, const struct queue_origin *origin);
        int (*node)(void *context, const struct queue_node *node);
        int (*hold)(void *context, const struct queue_hold *hold);
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

static int list_node(void *context, const struct queue_node *node)
{
    struct listing *listing = context;
    int code = listing->each.node(listing->context, node);
    listing->ended = code != 0;
    return code;
}

int queue_list(struct queue *queue, const struct queue_filter *filter,
               int (*each)(void *context, const struct delivery *delivery), void *context,
               struct error *err)
{
    struct listing listing = {.each.delivery = each, .context = context};
    int code = queue->ops->list(queue->store, filter, list_one, &listing);
    return code == 0 || listing.ended ? code : tell(queue, code, err);
}

int64_t queue_position(const struct delivery *delivery)
{
    return delivery->stored->row;
}

int queue_attempts(struct queue *queue, const struct delivery *delivery,
                   int (*each)(void *context, const struct queue_attempt *attempt), void *context,
                   struct error *err)
{
    struct listing listing = {.each.attempt = each, .context = context};
    int code = queue->ops->attempts(queue->store, delivery, list_attempt, &listing);
    return code == 0 || listing.ended ? code : tell(queue, code, err);
}

int queue_origins(struct queue *queue,
                  int (*each)(void *context, const struct queue_origin *origin), void *context,
                  struct error *err)
{
    struct listing listing = {.each.origin = each, .context = context};
    int code = queue->ops->origins(queue->store, list_origin, &listing);
    return code == 0 || listing.ended ? code : tell(queue, code, err);
}

int queue_totals(struct queue *queue, struct queue_totals *totals, struct error *err)
{
    int code = queue->ops->totals(queue->store, totals);
    return code == 0 ? 0 : tell(queue, code, err);
}

int queue_node_of(const struct delivery *delivery)
{
    return delivery->stored->node;
}

int queue_nodes(struct queue *queue, int (*each)(void *context, const struct queue_node *node),
                void *context, struct error *err)
{
    struct listing listing = {.each.node = each, .context = context};
    if (!queue->ops->nodes)
        return error_set(err, -ENOTSUP,
                         "the spool is this machine's alone: spool.postgres is not set");
    int code = queue->ops->nodes(queue->store, list_node, &listing);
    return code == 0 || listing.ended ? code : tell(queue, code, err);
}

int queue_show(struct queue *queue, const char *id, struct delivery **out, struct error *err)
{
    const char *reason = NULL;
    int code = queue->ops->show(queue->store, id, out, &reason);
    return reason ? error_set(err, code, "%s: %s", id, reason) : tell_of(queue, code, id, err);
}

int queue_pauses(struct queue *queue, bool counted, struct pauses *pauses, struct error *err)
{
    int code = queue->ops->pauses(queue->store, counted, pauses);
    return code == 0 ? 0 : tell(queue, code, err);
}

int queue_pause(struct queue *queue, const char *text, bool whole_origin, const char *reason,
                struct pause *done, struct error *err)
{
    struct pause pause;
    struct pauses pauses = {0};
    int code = pause_named(text, whole_origin, reason, &pause, err);
    if (code == 0 && (code = queue_pauses(queue, false, &pauses, err)) == 0 &&
        pauses.count == PAUSES_MAX && !pauses_exact(&pauses, pause.origin, pause.lane))
        code = error_set(err, -E2BIG, "%d destinations are paused: no more can be", PAUSES_MAX);
    pauses_free(&pauses);
    if (code == 0 && (code = queue->ops->pause(queue->store, &pause)) != 0)
        tell(queue, code, err);
    if (code == 0 && done)
        *done = pause;
    return code;
}

int queue_resume(struct queue *queue, const char *text, bool whole_origin, struct pause *done,
                 struct error *err)
{
    struct pause pause;
    int code = pause_named(text, whole_origin, NULL, &pause, err);
    if (code != 0)
        return code;
    code = queue->ops->resume(queue->store, pause.origin, pause.lane);
    if (code == -ENOENT)
        return error_set(err, code, "%s: is not paused", pause.name);
    if (code == 0 && done)
        *done = pause;
    return code == 0 ? 0 : tell(queue, code, err);
}

int64_t queue_edit(struct queue *queue, const struct queue_edit *edit, const char *id,
                   const struct queue_filter *filter, struct error *err)
{
    struct store_edit what = {.url = edit->url, .secret = edit->secret, .unsign = edit->unsign};
    if (edit->url) {
        what.origin = origin_key(edit->url);
        what.lane = lane_key(edit->url);
    }
    int64_t count = queue->ops->edit(queue->store, &what, id, filter);
    return count < 0 ? tell_of(queue, (int)count, id ? id : "", err) : count;
}

static int list_hold(void *context, const struct queue_hold *hold)
{
    struct listing *listing = context;
    int code = listing->each.hold(listing->context, hold);
    listing->ended = code != 0;
    return code;
}

int queue_holds(struct queue *queue, int (*each)(void *context, const struct queue_hold *hold),
                void *context, struct error *err)
{
    struct listing listing = {.each.hold = each, .context = context};
    int code = queue->ops->holds(queue->store, list_hold, &listing);
    return code == 0 || listing.ended ? code : tell(queue, code, err);
}

int queue_probe(struct queue *queue, const struct queue_hold *hold, struct error *err)
{
    int code = queue->ops->probe(queue->store, hold->origin, hold->lane);
    return code == 0 ? 0 : tell(queue, code, err);
}

int queue_retry(struct queue *queue, const char *id, struct error *err)
{
    return tell_of(queue, queue->ops->change(queue->store, CHANGE_RETRY, id), id, err);
}

int queue_drop(struct queue *queue, const char *id, struct error *err)
{
    return tell_of(queue, queue->ops->change(queue->store, CHANGE_DROP, id), id, err);
}

static int64_t change_all(struct queue *queue, const struct queue_filter *filter,
                          enum store_change what, struct error *err)
{
    int64_t count = queue->ops->change_all(queue->store, what, filter);
    return count < 0 ? tell(queue, (int)count, err) : count;
}

int64_t queue_retry_all(struct queue *queue, const struct queue_filter *filter, struct error *err)
{
    return change_all(queue, filter, CHANGE_RETRY, err);
}

int64_t queue_drop_all(struct queue *queue, const struct queue_filter *filter, struct error *err)
{
    return change_all(queue, filter, CHANGE_DROP, err);
}
