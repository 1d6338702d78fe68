/* Which row is whose. */
#include <errno.h>

#include "../../base/clock.h"
#include "../origin.h"
#include "group.h"

#define BLOCK_SIZE 1000
#define BLOCK_MS   60000 /* an older one is dropped, so that rows stay near the order of acceptance */

static void read_block(void *context, int number, PGresult *result)
{
    struct row_block *block = context;
    (void)number;
    if (PQntuples(result) == 1)
        *block = (struct row_block){pg_number(result, 0, 0), pg_number(result, 0, 0) + BLOCK_SIZE,
                                    clock_monotonic_ms()};
}

static int take_row(struct pg_store *s, int64_t *row)
{
    struct row_block *block = &s->rows;
    if (block->next == block->end || clock_monotonic_ms() - block->since_ms > BLOCK_MS) {
        pg_begin(&s->pg);
        pg_add(&s->pg, "SELECT nextval('row_block')", 0, NULL, NULL, NULL, false);
        int code = pg_end(&s->pg, PG_ANSWER_MS, read_block, block);
        if (code != 0)
            return code;
    }
    *row = block->next++;
    return 0;
}

/* The row of the first payload in the list that ends with the same tail. */
static int64_t tail_of(const struct delivery *deliveries, const struct payload *payload)
{
    while (deliveries->payload->tail != payload->tail)
        deliveries = deliveries->next;
    return deliveries->payload->stored->row;
}

static int number_all(struct pg_store *s, struct delivery *deliveries)
{
    int code = 0;
    if (!deliveries || deliveries->stored->row)
        return 0;
    s->insertions++;
    for (struct delivery *d = deliveries; d && code == 0; d = d->next) {
        struct payload_stored *payload = d->payload->stored;
        if ((code = take_row(s, &d->stored->row)) != 0)
            break;
        d->stored->origin = origin_key(delivery_origin(d));
        d->stored->lane = lane_key(delivery_origin(d));
        d->stored->attempts = d->attempts;
        if (payload->insertion != s->insertions) {
            payload->insertion = s->insertions;
            payload->row = d->stored->row;
        }
        payload->last = d->stored->row;
        d->stored->payload_row = payload->row;
    }
    for (struct delivery *d = deliveries; d && code == 0; d = d->next) {
        d->stored->tail_row = d->payload->tail ? tail_of(deliveries, d->payload) : 0;
        d->stored->shared = deliveries->next != NULL;
    }
    for (struct delivery *d = deliveries; d && code != 0; d = d->next)
        d->stored->row = 0; /* all or none */
    return code;
}

int group_number(struct pg_store *s, struct commit *commits, struct delivery *ends)
{
    int code = 0;
    for (struct commit *c = commits; c && code == 0; c = c->next)
        code = number_all(s, c->deliveries);
    for (struct delivery *d = ends; d && code == 0; d = d->next)
        if (d->stored->ending == ENDED_FAILED && d->notice)
            code = number_all(s, d->notice);
    return code;
}
