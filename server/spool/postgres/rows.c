#include "rows.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/clock.h"
#include "../columns.h"
#include "blob.h"
#include "values.h"

static const char *value(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

/* `otherwise` for NULL; *failed where there is no memory. */
static const char *copy(struct arena *arena, const PGresult *result, int row, int column,
                        const char *otherwise, bool *failed)
{
    const char *text = value(result, row, column);
    if (!text)
        return otherwise;
    char *copied = arena_strdup(arena, text);
    *failed |= !copied;
    return copied;
}

static void read_numbers(struct delivery *d, const PGresult *result, int row)
{
    int64_t now = clock_unix_ms();
    d->stored->row = pg_number(result, row, 0);
    d->stored->payload_row = pg_number(result, row, 1);
    d->stored->origin = (uint64_t)pg_number(result, row, 2);
    d->stored->lane = (uint64_t)pg_number(result, row, 3);
    d->stored->attempted = d->stored->shared = true; /* perhaps */
    d->stored->node = (int)pg_number(result, row, 6);
    d->state = PQgetisnull(result, row, 4) ? DELIVERY_FAILED
               : d->stored->node           ? DELIVERY_LEASED
                                           : DELIVERY_WAITING;
    d->due_ms = d->state == DELIVERY_FAILED ? 0 : now + pg_number(result, row, 4);
    d->created_ms = now + pg_number(result, row, 5);
    d->attempts = d->stored->attempts = (unsigned)pg_number(result, row, 7);
    d->last_status = (int)pg_number(result, row, 8);
}

static int read_destination(struct delivery *d, const PGresult *result, int row)
{
    int code = 0;
    for (int i = 0; i < DESTINATION_FIELDS && code == 0; i++) {
        const struct destination_field *field = &destination_fields[i];
        int at = ROW_DESTINATION + i;
        struct column column = {.kind = column_kind(field)};
        if (column.kind == COLUMN_NUMBER)
            column.number = pg_number(result, row, at);
        else if (column.kind == COLUMN_REAL)
            column.real = strtod(PQgetvalue(result, row, at), NULL);
        else
            column.text = value(result, row, at);
        code = column_to(d->arena, &column, field, &d->destination);
    }
    return code;
}

struct delivery *rows_read(const PGresult *r, int row)
{
    struct delivery *d = delivery_new(PQgetvalue(r, row, 9));
    bool failed = false;
    if (!d)
        return NULL;
    read_numbers(d, r, row);
    d->sender = copy(d->arena, r, row, 10, "", &failed);
    d->recipient = copy(d->arena, r, row, 11, "", &failed);
    d->last_error = copy(d->arena, r, row, 12, "", &failed);
    d->mail_from = copy(d->arena, r, row, 13, NULL, &failed);
    d->via = copy(d->arena, r, row, 14, NULL, &failed);
    d->about = copy(d->arena, r, row, 15, NULL, &failed);
    failed |= read_destination(d, r, row) != 0;
    if (!failed)
        return d;
    delivery_free(d);
    return NULL;
}

/* ---- Payloads ---- */

struct body {
    int64_t row, tail; /* tail 0: none */
    uint64_t size;
    struct spill *spill; /* NULL: it stands in a blob, or is missing */
    bool there;
};

struct bodies {
    struct body *list;
    int count;
    bool failed; /* for want of memory */
};

static int64_t big_number(const PGresult *result, int row, int column)
{
    uint64_t number = 0;
    if (!PQgetisnull(result, row, column) && PQgetlength(result, row, column) == sizeof number)
        memcpy(&number, PQgetvalue(result, row, column), sizeof number);
    return (int64_t)be64toh(number);
}

/* Columns, in binary: row, tail, size, bytes. */
static void read_bodies(void *context, int number, PGresult *result)
{
    struct bodies *b = context;
    (void)number;
    b->count = PQntuples(result);
    b->list = calloc((size_t)b->count + 1, sizeof *b->list);
    b->failed = !b->list;
    for (int i = 0; i < b->count && !b->failed; i++) {
        struct body *body = &b->list[i];
        *body = (struct body){.row = big_number(result, i, 0),
                              .tail = big_number(result, i, 1),
                              .size = (uint64_t)big_number(result, i, 2),
                              .there = true};
        if (PQgetisnull(result, i, 3))
            continue;
        body->spill = spill_from_bytes(PQgetvalue(result, i, 3), (size_t)PQgetlength(result, i, 3));
        b->failed |= !body->spill;
    }
}

static void bodies_free(struct bodies *b)
{
    for (int i = 0; b->list && i < b->count; i++)
        spill_free(b->list[i].spill);
    free(b->list);
    *b = (struct bodies){0};
}

static int by_row(const void *a, const void *b)
{
    const struct body *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

static struct body *find(struct bodies *b, int64_t row)
{
    struct body key = {.row = row};
    return b->count ? bsearch(&key, b->list, (size_t)b->count, sizeof key, by_row) : NULL;
}

/* Of a parameter that holds their rows. */
static int load(struct pg *pg, struct values *params, const char *sql, struct bodies *bodies)
{
    pg_begin(pg);
    int code = values_send(params, pg, sql, true);
    if (code == 0)
        code = pg_end(pg, PG_ANSWER_MS, read_bodies, bodies);
    return code == 0 && bodies->failed ? -ENOMEM : code;
}

static int load_all(struct pg *pg, const struct delivery *deliveries, struct bodies *heads,
                    struct bodies *tails)
{
    struct values params = {0};
    values_array(&params, PARAM_INT8);
    for (const struct delivery *d = deliveries; d; d = d->next)
        values_add_number(&params, 0, d->stored->payload_row);
    int code =
        load(pg, &params,
             "SELECT row, tail, size, bytes FROM payload WHERE row = ANY($1) ORDER BY row", heads);
    if (code != 0)
        return code;
    values_array(&params, PARAM_INT8);
    for (int i = 0; i < heads->count; i++)
        if (heads->list[i].tail)
            values_add_number(&params, 0, heads->list[i].tail);
    if (params.list[0].count == 0) {
        values_free(&params);
        return 0;
    }
    return load(pg, &params,
                "SELECT row, NULL::int8, size, bytes FROM tail WHERE row = ANY($1) ORDER BY row",
                tails);
}

static int fetch_blob(struct pg *pg, struct body *body, int64_t blob, const char *scratch)
{
    return body->spill ? 0 : blob_get(pg, blob, body->size, scratch, &body->spill);
}

/* 0; -EBADMSG: it is not whole; or as pg_end(). */
static int attach(struct pg *pg, struct delivery *d, struct bodies *heads, struct bodies *tails,
                  const char *scratch)
{
    struct body *head = find(heads, d->stored->payload_row);
    struct body *tail = head && head->tail ? find(tails, head->tail) : NULL;
    if (!head || (head->tail && !tail))
        return -EBADMSG;
    int code = fetch_blob(pg, head, head->row, scratch);
    if (code == 0 && tail)
        code = fetch_blob(pg, tail, -tail->row, scratch);
    if (code != 0)
        return code;
    d->stored->tail_row = head->tail;
    d->payload = payload_new(head->spill, tail ? tail->spill : NULL);
    if (!d->payload)
        return -ENOMEM;
    spill_ref(head->spill);
    if (tail)
        spill_ref(tail->spill);
    return 0;
}

int rows_load_payloads(struct pg *pg, struct delivery *deliveries, const char *scratch,
                       const char **reason)
{
    struct bodies heads = {0}, tails = {0};
    const struct delivery *previous = NULL;
    int code = load_all(pg, deliveries, &heads, &tails);
    for (struct delivery *d = deliveries; d && code == 0; d = d->next) {
        if (previous && previous->payload &&
            previous->stored->payload_row == d->stored->payload_row) {
            d->payload = payload_ref(previous->payload);
            d->stored->tail_row = previous->stored->tail_row;
        } else if ((code = attach(pg, d, &heads, &tails, scratch)) == -EBADMSG) {
            *reason = "its payload is missing or not whole";
            code = 0;
        }
        previous = d;
    }
    bodies_free(&heads);
    bodies_free(&tails);
    return code;
}
