/*
 * Which row is whose: the timeline and, below it, what the sequence gives. What a sequence has given
 * may be given again by a standby that is promoted, and by a primary after a crash: so a block is
 * used only when its number is known to be replicated, and another timeline has other rows.
 */
#include <errno.h>
#include <stdlib.h>

#include "../../base/clock.h"
#include "../origin.h"
#include "number.h"
#include "sql.h"
#include "values.h"

#define BLOCK_SIZE    1000
#define TIMELINE_BITS 44 /* below it: at 8,000 a second enough for 69 years of one timeline */
#define BLOCK_MS      60000 /* an older one is dropped, so that rows stay near the order of acceptance */

static void read_block(void *context, int number, PGresult *result)
{
    struct row_block *block = context;
    if (number != 0 || PQntuples(result) != 1)
        return;
    int64_t timeline = (int64_t)strtoul(PQgetvalue(result, 0, 1), NULL, 16);
    block->next = (timeline << TIMELINE_BITS) + pg_number(result, 0, 0);
    block->end = block->next + BLOCK_SIZE;
    block->since_ms = clock_monotonic_ms();
}

/* What was sent before and is there already is not replicated for that: something is written, whose
 * commit is waited for. */
int number_add_mark(struct pg *pg, int node)
{
    struct values params = {0};
    values_number(&params, PARAM_INT4, node);
    return values_send(&params, pg,
                       "INSERT INTO mark (node, n) SELECT $1, 1 WHERE " DURABLE
                       " ON CONFLICT (node) DO UPDATE SET n = mark.n + 1",
                       false);
}

/* The timeline is asked for here, since a pooler may have gone to another server meanwhile. */
static int take_block(struct pg *pg, int node, struct row_block *rows)
{
    struct row_block block = {0};
    pg_begin(pg);
    pg_add(pg, "SELECT nextval('row_block'), left(pg_walfile_name(pg_current_wal_lsn()), 8)", 0,
           NULL, NULL, NULL, false);
    int code = number_add_mark(pg, node);
    if (code == 0)
        code = pg_end(pg, PG_ANSWER_MS, read_block, &block);
    else
        pg_close(pg);
    if (code == 0)
        *rows = block;
    return code;
}

static int take_row(struct pg *pg, int node, struct row_block *block, int64_t *row)
{
    if (block->next == block->end || clock_monotonic_ms() - block->since_ms > BLOCK_MS) {
        int code = take_block(pg, node, block);
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

int number_deliveries(struct pg *pg, int node, struct numbers *numbers, struct delivery *deliveries)
{
    int code = 0;
    if (!deliveries || deliveries->stored->row)
        return 0;
    numbers->insertions++;
    for (struct delivery *d = deliveries; d && code == 0; d = d->next) {
        struct payload_stored *payload = d->payload->stored;
        if ((code = take_row(pg, node, &numbers->rows, &d->stored->row)) != 0)
            break;
        d->stored->origin = origin_key(delivery_origin(d));
        d->stored->lane = lane_key(delivery_origin(d));
        d->stored->attempts = d->attempts;
        if (payload->insertion != numbers->insertions) {
            payload->insertion = numbers->insertions;
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

int number_group(struct pg_store *s, struct commit *commits, struct delivery *ends)
{
    int code = 0, node = node_id(s->node);
    for (struct commit *c = commits; c && code == 0; c = c->next)
        code = number_deliveries(&s->pg, node, &s->numbers, c->deliveries);
    for (struct delivery *d = ends; d && code == 0; d = d->next)
        if (d->stored->ending == ENDED_FAILED && d->notice)
            code = number_deliveries(&s->pg, node, &s->numbers, d->notice);
    return code;
}
