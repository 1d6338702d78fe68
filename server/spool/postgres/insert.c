/* What a group inserts. */
#include "insert.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../base/clock.h"
#include "../columns.h"
#include "sql.h"
#include "values.h"

/* Where the row of an end has failed indeed, and was not set anew meanwhile: the condition that its
 * notice stands under. */
#define IF_FAILED(row, attempts)                                                                   \
    " WHERE EXISTS (SELECT 1 FROM delivery f WHERE f.row = " row " AND f.due IS NULL "             \
    "AND f.attempts = " attempts ")"

#define INSERT_PAYLOAD                                                                             \
    "INSERT INTO payload (row, last, tail, size, bytes) SELECT u.* FROM unnest($1, $2, $3, $4, "   \
    "$5) u(row, last, tail, size, bytes)"
#define INSERT_TAIL                                                                                \
    "INSERT INTO tail (row, last, size, bytes) SELECT u.* FROM unnest($1, $2, $3, $4) "            \
    "u(row, last, size, bytes)"
/* due and created: ms from now */
#define OF_DELIVERY                                                                                \
    "last_status, id, sender, recipient, last_error, mail_from, via, about, " DESTINATION_COLUMNS( \
        "")
#define INSERT_DELIVERY                                                                            \
    "INSERT INTO delivery (row, payload, origin, lane, due, created, owner, "                      \
    "attempts, " OF_DELIVERY                                                                       \
    ") SELECT u.row, payload, origin, lane, n.now + u.due, n.now + created, owner, u.attempts, "   \
    "" OF_DELIVERY " FROM (SELECT " NOW_MS " AS now WHERE " DURABLE                                \
    ") n, unnest($1, $2, $3, $4, $5, $6, $7, $8, "                                                 \
    "$9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, "    \
    "$27, $28) u(row, payload, origin, lane, due, created, owner, attempts, " OF_DELIVERY ")"
/* One that is there already, of a group that is sent again, is locked as if it were new: so that no
 * other node removes what the statements after this one rely on. Its deliveries come first, as they
 * do in what removes (remove.c): then both take locks in the same order. */
#define ONCE " ON CONFLICT (row) DO UPDATE SET last = excluded.last"
/* A row that is another delivery's stops the whole (22012) before anything is taken for stored. */
#define ONCE_THE_SAME                                                                              \
    " ON CONFLICT (row) DO UPDATE SET attempts = delivery.attempts / (delivery.id = "              \
    "excluded.id)::int"

static const enum param_kind payload_columns[] = {PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT8,
                                                  PARAM_BYTES};
static const enum param_kind tail_columns[] = {PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_BYTES};
/* Without the destination's. */
static const enum param_kind delivery_columns[] = {
    PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT4, PARAM_INT4,
    PARAM_INT4, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT};
#define DELIVERY_DESTINATION (int)(sizeof delivery_columns / sizeof *delivery_columns)

/* What goes into the tables in one statement each. */
struct rows {
    struct values payloads, tails, deliveries, staged, past;
    size_t tail_count, staged_count, past_count;
    int64_t now_ms; /* Unix time here */
};

/* ---- Attempts ---- */

void attempts_columns(struct values *params)
{
    static const enum param_kind columns[] = {PARAM_INT8, PARAM_INT8, PARAM_INT8,
                                              PARAM_INT4, PARAM_TEXT, PARAM_BYTES};
    values_columns(params, columns, sizeof columns / sizeof *columns);
}

void attempts_add(struct values *params, int64_t row, const struct queue_attempt *attempt)
{
    values_add_number(params, 0, row);
    values_add_number(params, 1, attempt->at_ms);
    values_add_number(params, 2, attempt->ms);
    values_add_number(params, 3, attempt->status);
    values_add_text(params, 4, attempt->error);
    values_add_bytes(params, 5, attempt->reply, attempt->reply_size);
}

int attempts_send(struct values *params, struct pg *pg)
{
    return values_send(params, pg,
                       "INSERT INTO attempt (delivery, at, ms, status, error, reply) "
                       "SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6) "
                       "u(delivery, at, ms, status, error, reply) WHERE EXISTS (SELECT 1 FROM "
                       "delivery d WHERE d.row = u.delivery) ON CONFLICT DO NOTHING",
                       false);
}

/* ---- Rows ---- */

static void rows_init(struct rows *rows)
{
    *rows = (struct rows){.now_ms = clock_unix_ms()};
    values_columns(&rows->payloads, payload_columns,
                   sizeof payload_columns / sizeof *payload_columns);
    values_columns(&rows->tails, tail_columns, sizeof tail_columns / sizeof *tail_columns);
    values_columns(&rows->deliveries, delivery_columns, DELIVERY_DESTINATION);
    for (size_t i = 0; i < DESTINATION_FIELDS; i++) {
        enum column_kind kind = column_kind(&destination_fields[i]);
        values_array(&rows->deliveries, kind == COLUMN_NUMBER ? PARAM_INT8
                                        : kind == COLUMN_REAL ? PARAM_FLOAT8
                                                              : PARAM_TEXT);
    }
    values_array(&rows->staged, PARAM_INT8);
    attempts_columns(&rows->past);
}

/* Its size and bytes; what stands in a file has gone up before as a blob. */
static void add_spill(struct rows *rows, struct values *params, int column,
                      const struct spill *spill, int64_t blob)
{
    values_add_number(params, column, (int64_t)spill_size(spill));
    if (spill_fd(spill) < 0) {
        values_add_bytes(params, column + 1, spill_memory(spill), spill_size(spill));
        return;
    }
    values_add_null(params, column + 1);
    values_add_number(&rows->staged, 0, blob);
    rows->staged_count++;
}

static void add_tail(struct rows *rows, const struct delivery *deliveries, const struct delivery *d)
{
    int64_t last = d->payload->stored->row;
    for (; deliveries; deliveries = deliveries->next)
        if (deliveries->payload->tail == d->payload->tail &&
            deliveries->payload->stored->row > last)
            last = deliveries->payload->stored->row;
    values_add_number(&rows->tails, 0, d->stored->tail_row);
    values_add_number(&rows->tails, 1, last);
    add_spill(rows, &rows->tails, 2, d->payload->tail, -d->stored->tail_row);
    rows->tail_count++;
}

static void add_payload(struct rows *rows, const struct delivery *deliveries,
                        const struct delivery *d)
{
    const struct payload *payload = d->payload;
    if (payload->tail && d->stored->tail_row == payload->stored->row)
        add_tail(rows, deliveries, d);
    values_add_number(&rows->payloads, 0, payload->stored->row);
    values_add_number(&rows->payloads, 1, payload->stored->last);
    if (payload->tail)
        values_add_number(&rows->payloads, 2, d->stored->tail_row);
    else
        values_add_null(&rows->payloads, 2);
    add_spill(rows, &rows->payloads, 3, payload->head, payload->stored->row);
}

static void add_texts(struct values *p, const struct delivery *d)
{
    values_add_text(p, 9, d->id);
    values_add_text(p, 10, d->sender);
    values_add_text(p, 11, d->recipient);
    values_add_text(p, 12, *d->last_error ? d->last_error : NULL);
    values_add_text(p, 13, d->mail_from);
    values_add_text(p, 14, d->via);
    values_add_text(p, 15, d->about);
}

static void add_destination(struct values *p, const struct destination *to)
{
    for (int i = 0; i < DESTINATION_FIELDS; i++) {
        struct column column;
        int at = DELIVERY_DESTINATION + i;
        p->failed |= column_from(to, &destination_fields[i], &column) != 0;
        if (column.kind == COLUMN_NUMBER)
            values_add_number(p, at, column.number);
        else if (column.kind == COLUMN_REAL)
            values_add_real(p, at, column.real);
        else
            values_add_text(p, at, column.text);
        column_release(&column);
    }
}

/* owner 0: nobody's. */
static void add_delivery(struct rows *rows, const struct delivery *d, int owner)
{
    struct values *p = &rows->deliveries;
    values_add_number(p, 0, d->stored->row);
    values_add_number(p, 1, d->stored->payload_row);
    values_add_number(p, 2, (int64_t)d->stored->origin);
    values_add_number(p, 3, (int64_t)d->stored->lane);
    if (d->state == DELIVERY_FAILED)
        values_add_null(p, 4);
    else
        values_add_number(p, 4, d->due_ms - rows->now_ms);
    values_add_number(p, 5, d->created_ms - rows->now_ms);
    if (owner)
        values_add_number(p, 6, owner);
    else
        values_add_null(p, 6);
    values_add_number(p, 7, d->attempts);
    values_add_number(p, 8, d->last_status);
    add_texts(p, d);
    add_destination(p, &d->destination);
    for (const struct past_attempt *past = d->stored->past; past; past = past->next) {
        attempts_add(&rows->past, d->stored->row, &past->attempt);
        rows->past_count++;
    }
}

static void add_list(struct rows *rows, const struct delivery *deliveries, int owner)
{
    for (const struct delivery *d = deliveries; d; d = d->next) {
        if (d->payload->stored->row == d->stored->row)
            add_payload(rows, deliveries, d);
        add_delivery(rows, d, owner);
    }
}

/* Chunks that were swept, since this node was taken for dead, must go up again (2201F). The locks
 * make a sweep that is under way end first, and one that comes later find nothing. */
static int check_staged(struct pg *pg, const struct rows *rows)
{
    struct values lock = {0}, check = {0};
    values_array(&lock, PARAM_INT8);
    values_array(&check, PARAM_INT8);
    for (size_t i = 0; i < rows->staged_count; i++) {
        int64_t blob = values_item(&rows->staged, 0, (int)i);
        values_add_number(&lock, 0, blob);
        values_add_number(&check, 0, blob);
    }
    int code = values_send(
        &lock, pg, "SELECT blob FROM staged WHERE blob = ANY($1) ORDER BY blob FOR UPDATE", false);
    if (code == 0)
        code = values_send(&check, pg,
                           "SELECT sqrt(-count(*)::float8) FROM unnest($1) u(blob) "
                           "WHERE NOT EXISTS (SELECT 1 FROM staged s WHERE s.blob = u.blob) "
                           "AND NOT EXISTS (SELECT 1 FROM payload p WHERE p.row = u.blob) "
                           "AND NOT EXISTS (SELECT 1 FROM tail t WHERE t.row = -u.blob)",
                           false);
    values_free(&lock);
    values_free(&check);
    return code;
}

static int send_rows(struct pg_store *s, struct rows *rows)
{
    int code = values_send(&rows->deliveries, &s->pg, INSERT_DELIVERY ONCE_THE_SAME, false);
    if (code == 0 && rows->past_count > 0)
        code = attempts_send(&rows->past, &s->pg);
    if (code == 0 && rows->staged_count > 0)
        code = check_staged(&s->pg, rows);
    if (code == 0)
        code = values_send(&rows->payloads, &s->pg, INSERT_PAYLOAD ONCE, false);
    if (code == 0 && rows->tail_count > 0)
        code = values_send(&rows->tails, &s->pg, INSERT_TAIL ONCE, false);
    if (code == 0 && rows->staged_count > 0)
        code = values_send(&rows->staged, &s->pg, "DELETE FROM staged WHERE blob = ANY($1)", false);
    values_free(&rows->payloads);
    values_free(&rows->tails);
    values_free(&rows->deliveries);
    values_free(&rows->staged);
    values_free(&rows->past);
    return code;
}

int insert_commits(struct pg_store *s, struct commit *commits)
{
    struct rows rows;
    if (!commits)
        return 0;
    int node = node_id(s->node);
    rows_init(&rows);
    for (struct commit *c = commits; c; c = c->next) {
        for (struct delivery *d = c->deliveries; d; d = d->next)
            d->stored->node = c->lease ? node : 0;
        add_list(&rows, c->deliveries, c->lease ? node : 0);
    }
    return send_rows(s, &rows);
}

/* Each under its own condition, so a statement each: they are few. */
int insert_notice(struct pg_store *s, const struct delivery *d)
{
    struct rows rows;
    rows_init(&rows);
    add_list(&rows, d->notice, 0);
    values_number(&rows.payloads, PARAM_INT8, d->stored->row);
    values_number(&rows.payloads, PARAM_INT4, d->attempts);
    values_number(&rows.deliveries, PARAM_INT8, d->stored->row);
    values_number(&rows.deliveries, PARAM_INT4, d->attempts);
    int code = values_send(&rows.deliveries, &s->pg,
                           INSERT_DELIVERY IF_FAILED("$29", "$30") ONCE_THE_SAME, false);
    if (code == 0)
        code =
            values_send(&rows.payloads, &s->pg, INSERT_PAYLOAD IF_FAILED("$6", "$7") ONCE, false);
    values_free(&rows.payloads);
    values_free(&rows.tails);
    values_free(&rows.staged);
    values_free(&rows.past);
    return code;
}
