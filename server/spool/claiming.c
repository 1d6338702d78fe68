#include "claiming.h"

#include <errno.h>
#include <stdlib.h>

#include "../base/clock.h"
#include "../base/log.h"

#define READ_RETRY_MS 5000 /* after a delivery could not be read */

struct claiming {
    struct store *store;
    struct leases *leases;
    struct claim *claim;
    int64_t now, next_due; /* next_due: of the origin at hand, what was not picked */
    int64_t *rows;         /* picked of the origin at hand */
    size_t count, room;
};

static bool pick(void *context, int64_t row, int64_t due_ms)
{
    struct claiming *p = context;
    if (leases_has(p->leases, row))
        return true;
    if (due_ms > p->now || p->count == p->room) {
        p->next_due = due_ms;
        return false;
    }
    p->rows[p->count++] = row;
    return true;
}

/* What cannot be read would be claimed again and again. */
static void fail_unreadable(struct claiming *c, int64_t row, const char *reason)
{
    log_error("spool-unreadable", NULL, LOG_NUMBER("row", row), LOG_TEXT("error", reason));
    int code = store_begin(c->store);
    if (code == 0)
        code = store_fail(c->store, row, reason);
    if (code == 0)
        code = store_commit(c->store);
    if (code == 0)
        leases_drop(c->leases, row);
    else
        store_undo(c->store); /* it stays leased: not looked at before the next start */
}

/* Lost for good, or only now, for want of memory or descriptors? */
static bool is_lost(int code)
{
    return code == -EBADMSG || code == -ENOENT || code == -EACCES;
}

static void load(struct claiming *c, int64_t row, struct origin_due *origin)
{
    struct claim *claim = c->claim;
    const char *reason = "out of memory";
    struct delivery *d;
    int code = leases_take(c->leases, row, origin->key);
    if (code == 0)
        code = store_load(c->store, row, claim->deliveries, &d, &reason);
    if (code == 0) {
        uint64_t size = payload_memory(d->payload);
        d->state = DELIVERY_LEASED;
        claim->bytes = claim->bytes > size ? claim->bytes - size : 0;
        claim->limit--;
        d->next = claim->deliveries;
        claim->deliveries = d;
    } else if (is_lost(code)) {
        fail_unreadable(c, row, reason);
    } else {
        log_error("spool-failed", NULL, LOG_TEXT("at", "claim"), LOG_NUMBER("row", row),
                  LOG_TEXT("error", reason));
        leases_drop(c->leases, row);
        leases_note_due(c->leases, origin->key, c->now + READ_RETRY_MS);
    }
}

static void claim_origin(struct claiming *c, struct origin_due *origin)
{
    struct claim *claim = c->claim;
    size_t most =
        origin->most && origin->most < claim->per_origin ? origin->most : claim->per_origin;
    size_t room = most > origin->leased ? most - origin->leased : 0;
    c->room = room < claim->limit ? room : claim->limit;
    c->count = 0;
    c->next_due = NEVER;
    if (c->room == 0 || claim->bytes == 0)
        return;
    if (store_walk_due(c->store, origin->key, pick, c) != 0) {
        log_error("spool-failed", NULL, LOG_TEXT("at", "claim"),
                  LOG_TEXT("error", store_error(c->store)));
        origin->next_due_ms = c->now + READ_RETRY_MS;
        return;
    }
    origin->next_due_ms = c->next_due;
    for (size_t i = 0; i < c->count; i++) {
        if (claim->bytes > 0)
            load(c, c->rows[i], origin);
        else
            leases_note_due(c->leases, origin->key, 0);
    }
}

/* Oldest first within an origin; origins take turns at being the first. */
static void claim_all(struct claiming *c)
{
    struct map *origins = &c->leases->origins;
    size_t capacity = origins->capacity;
    for (size_t i = 0; i < capacity && c->claim->limit > 0; i++) {
        size_t slot = (c->leases->turn + i) & (capacity - 1);
        struct origin_due *origin = origins->slots[slot].value;
        if (origin && leases_due(origin) <= c->now)
            claim_origin(c, origin);
    }
    c->leases->turn += capacity / 2 + 1;
    for (size_t i = 0; i < capacity; i++) {
        struct origin_due *origin = origins->slots[i].value;
        c->claim->more |= origin && leases_due(origin) <= c->now;
    }
}

static struct delivery *reversed(struct delivery *list)
{
    struct delivery *result = NULL;
    for (struct delivery *next; list; list = next) {
        next = list->next;
        list->next = result;
        result = list;
    }
    return result;
}

void claiming_run(struct store *store, struct leases *leases, struct claim *claim)
{
    int64_t *rows = malloc((claim->limit ? claim->limit : 1) * sizeof *rows);
    struct claiming claiming = {store, leases, claim, clock_unix_ms(), 0, rows, 0, 0};
    claim->deliveries = NULL;
    claim->more = !rows;
    if (rows)
        claim_all(&claiming);
    claim->deliveries = reversed(claim->deliveries);
    claim->next_due_ms = leases_next_due(leases, claiming.now);
    free(rows);
}
