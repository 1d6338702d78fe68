#include "group.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../base/clock.h"
#include "../columns.h"
#include "blob.h"
#include "values.h"

#define ATTEMPTS_KEPT 20

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
#define INSERT_DELIVERY                                                                            \
    "INSERT INTO delivery (row, payload, origin, lane, due, created, owner, attempts, "            \
    "timeout_ms, "                                                                                 \
    "attempts_max, last_status, id, url, secret, headers, sender, recipient, last_error, "         \
    "schedule, ca_file, client_cert, client_key, mail_from, via, about, rate, max_in_flight, "     \
    "max_body) "                                                                                   \
    "SELECT u.row, payload, origin, lane, n.now + u.due, n.now + created, owner, u.attempts, "     \
    "timeout_ms, attempts_max, last_status, id, url, secret, headers, sender, recipient, "         \
    "last_error, schedule, ca_file, client_cert, client_key, mail_from, via, about, "              \
    "rate::float8, max_in_flight, max_body "                                                       \
    "FROM (SELECT " NOW_MS " AS now) n, unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, "     \
    "$12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, "                       \
    "$26, $27, $28) "                                                                              \
    "u(row, payload, origin, lane, due, created, owner, attempts, timeout_ms, attempts_max, "      \
    "last_status, id, url, secret, headers, sender, recipient, last_error, schedule, ca_file, "    \
    "client_cert, client_key, mail_from, via, about, rate, max_in_flight, max_body)"
#define ONCE " ON CONFLICT (row) DO NOTHING"

static const enum param_kind payload_columns[] = {PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT8,
                                                  PARAM_BYTES};
static const enum param_kind tail_columns[] = {PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_BYTES};
static const enum param_kind delivery_columns[] = {
    PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT4,
    PARAM_INT4, PARAM_INT8, PARAM_INT4, PARAM_INT4, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT,
    PARAM_TEXT, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT,
    PARAM_TEXT, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT, PARAM_INT8, PARAM_INT8};

/* What goes into the tables in one statement each. */
struct rows {
    struct values payloads, tails, deliveries, staged;
    size_t tail_count, staged_count;
    int64_t now_ms; /* Unix time here */
};

static void make_columns(struct values *params, const enum param_kind *kinds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values_array(params, kinds[i]);
}

static void rows_init(struct rows *rows)
{
    *rows = (struct rows){.now_ms = clock_unix_ms()};
    make_columns(&rows->payloads, payload_columns,
                 sizeof payload_columns / sizeof *payload_columns);
    make_columns(&rows->tails, tail_columns, sizeof tail_columns / sizeof *tail_columns);
    make_columns(&rows->deliveries, delivery_columns,
                 sizeof delivery_columns / sizeof *delivery_columns);
    values_array(&rows->staged, PARAM_INT8);
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
    const struct destination *to = &d->destination;
    char *headers = to->header_count ? destination_join_headers(to) : NULL;
    char *schedule = to->schedule_count ? destination_join_schedule(to) : NULL;
    p->failed |= (to->header_count && !headers) || (to->schedule_count && !schedule);
    values_add_text(p, 11, d->id);
    values_add_text(p, 12, to->url);
    values_add_text(p, 13, to->secret);
    values_add_text(p, 14, headers);
    values_add_text(p, 15, d->sender);
    values_add_text(p, 16, d->recipient);
    values_add_text(p, 17, *d->last_error ? d->last_error : NULL);
    values_add_text(p, 18, schedule);
    values_add_text(p, 19, to->ca_file);
    values_add_text(p, 20, to->client_cert);
    values_add_text(p, 21, to->client_key);
    values_add_text(p, 22, d->mail_from);
    values_add_text(p, 23, d->via);
    values_add_text(p, 24, d->about);
    free(headers);
    free(schedule);
}

static void add_limits(struct values *p, const struct destination *to)
{
    char rate[32];
    snprintf(rate, sizeof rate, "%.17g", to->rate);
    values_add_text(p, 25, rate);
    values_add_number(p, 26, (int64_t)to->max_in_flight);
    values_add_number(p, 27, (int64_t)to->max_body);
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
    values_add_number(p, 8, d->destination.timeout_ms);
    values_add_number(p, 9, d->destination.attempts);
    values_add_number(p, 10, d->last_status);
    add_texts(p, d);
    add_limits(p, &d->destination);
}

static void add_list(struct rows *rows, const struct delivery *deliveries, int owner)
{
    for (const struct delivery *d = deliveries; d; d = d->next) {
        if (d->payload->stored->row == d->stored->row)
            add_payload(rows, deliveries, d);
        add_delivery(rows, d, owner);
    }
}

static int send_rows(struct pg_store *s, struct rows *rows)
{
    int code = 0;
    if (rows->tail_count > 0)
        code = values_send(&rows->tails, &s->pg, INSERT_TAIL ONCE, false);
    if (code == 0)
        code = values_send(&rows->payloads, &s->pg, INSERT_PAYLOAD ONCE, false);
    if (code == 0)
        code = values_send(&rows->deliveries, &s->pg, INSERT_DELIVERY ONCE, false);
    if (code == 0 && rows->staged_count > 0)
        code = values_send(&rows->staged, &s->pg, "DELETE FROM staged WHERE blob = ANY($1)", false);
    values_free(&rows->payloads);
    values_free(&rows->tails);
    values_free(&rows->deliveries);
    values_free(&rows->staged);
    return code;
}

static int add_commits(struct pg_store *s, struct commit *commits)
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

/* ---- Ends ---- */

struct ends {
    struct values delivered, attempted, shared, payloads, shared_tails, tails, released;
    struct values updates, attempts, trims;
    size_t counts[8]; /* of the columns, in the order of enum end_list */
};

enum end_list { DELIVERED, ATTEMPTED, SHARED, TAILS, RELEASED, UPDATES, ATTEMPTS, TRIMS };

static void end_delivered(struct ends *e, const struct delivery *d)
{
    const struct stored *stored = d->stored;
    values_add_number(&e->delivered, 0, stored->row);
    values_add_number(&e->payloads, 0, stored->payload_row);
    e->counts[DELIVERED]++;
    if (stored->attempted) {
        values_add_number(&e->attempted, 0, stored->row);
        e->counts[ATTEMPTED]++;
    }
    if (stored->shared) {
        values_add_number(&e->shared, 0, stored->payload_row);
        e->counts[SHARED]++;
    }
    if (stored->tail_row) {
        values_add_number(&e->tails, 0, stored->tail_row);
        values_add_number(&e->shared_tails, 0, stored->tail_row);
        e->counts[TAILS]++;
    }
}

/* How long until it is due, whatever has been done to the wall clock since it was handed in. */
static int64_t pause_of(const struct delivery *d)
{
    return d->due_ms - d->stored->ahead_ms - clock_monotonic_ms();
}

static void end_attempted(struct ends *e, const struct delivery *d)
{
    struct values *p = &e->updates;
    values_add_number(p, 0, d->stored->row);
    values_add_number(p, 1, d->stored->node);
    values_add_number(p, 2, d->stored->attempts);
    values_add_number(p, 3, d->attempts);
    if (d->stored->ending == ENDED_FAILED)
        values_add_null(p, 4);
    else
        values_add_number(p, 4, pause_of(d));
    values_add_number(p, 5, d->last_status);
    values_add_text(p, 6, *d->last_error ? d->last_error : NULL);
    e->counts[UPDATES]++;
    if (d->last_at_ms == 0)
        return;
    p = &e->attempts;
    values_add_number(p, 0, d->stored->row);
    values_add_number(p, 1, d->last_at_ms);
    values_add_number(p, 2, d->last_ms);
    values_add_number(p, 3, d->last_status);
    values_add_text(p, 4, d->last_error);
    values_add_bytes(p, 5, d->last_reply, d->last_reply ? d->last_reply_size : 0);
    e->counts[ATTEMPTS]++;
    if (d->attempts > ATTEMPTS_KEPT || d->attempts == d->stored->attempts) {
        values_add_number(&e->trims, 0, d->stored->row);
        e->counts[TRIMS]++;
    }
}

static void ends_init(struct ends *e)
{
    static const enum param_kind update[] = {PARAM_INT8, PARAM_INT4, PARAM_INT4, PARAM_INT4,
                                             PARAM_INT8, PARAM_INT4, PARAM_TEXT};
    static const enum param_kind attempt[] = {PARAM_INT8, PARAM_INT8, PARAM_INT8,
                                              PARAM_INT4, PARAM_TEXT, PARAM_BYTES};
    struct values *rows[] = {&e->delivered, &e->attempted,    &e->shared, &e->payloads,
                             &e->tails,     &e->shared_tails, &e->trims};
    *e = (struct ends){0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        values_array(rows[i], PARAM_INT8);
    values_array(&e->released, PARAM_INT8);
    values_array(&e->released, PARAM_INT4);
    make_columns(&e->updates, update, sizeof update / sizeof *update);
    make_columns(&e->attempts, attempt, sizeof attempt / sizeof *attempt);
}

/* Two nodes may end the last two deliveries of one payload at once: whoever has its row locked
 * comes second, and sees that nobody needs it. */
static int send_delivered(struct pg_store *s, struct ends *e)
{
    struct pg *pg = &s->pg;
    int code = values_send(&e->delivered, pg, "DELETE FROM delivery WHERE row = ANY($1)", false);
    if (code == 0 && e->counts[ATTEMPTED])
        code =
            values_send(&e->attempted, pg, "DELETE FROM attempt WHERE delivery = ANY($1)", false);
    if (code == 0 && e->counts[SHARED])
        code = values_send(&e->shared, pg,
                           "SELECT row FROM payload WHERE row = ANY($1) ORDER BY row FOR UPDATE",
                           false);
    if (code == 0)
        code = values_send(
            &e->payloads, pg,
            "WITH gone AS (DELETE FROM payload p WHERE p.row = ANY($1) AND NOT EXISTS (SELECT 1 "
            "FROM delivery d WHERE d.row BETWEEN p.row AND p.last AND d.payload = p.row) "
            "RETURNING p.row, p.bytes IS NULL AS large) "
            "DELETE FROM chunk WHERE blob IN (SELECT row FROM gone WHERE large)",
            false);
    if (code == 0 && e->counts[TAILS])
        code =
            values_send(&e->shared_tails, pg,
                        "SELECT row FROM tail WHERE row = ANY($1) ORDER BY row FOR UPDATE", false);
    if (code == 0 && e->counts[TAILS])
        code = values_send(
            &e->tails, pg,
            "WITH gone AS (DELETE FROM tail t WHERE t.row = ANY($1) AND NOT EXISTS (SELECT 1 "
            "FROM payload p WHERE p.row BETWEEN t.row AND t.last AND p.tail = t.row) "
            "RETURNING t.row, t.bytes IS NULL AS large) "
            "DELETE FROM chunk WHERE blob IN (SELECT -row FROM gone WHERE large)",
            false);
    return code;
}

/* What `mxhook queue retry` has set anew meanwhile stays: then attempts are not as they were. */
static int send_attempted(struct pg_store *s, struct ends *e)
{
    struct pg *pg = &s->pg;
    int code =
        values_send(&e->updates, pg,
                    "UPDATE delivery d SET owner = NULL, "
                    "due = CASE WHEN d.attempts = u.was THEN " NOW_MS " + u.pause ELSE d.due END, "
                    "attempts = CASE WHEN d.attempts = u.was THEN u.now ELSE d.attempts END, "
                    "last_status = u.status, last_error = u.error "
                    "FROM (SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7) "
                    "u(row, node, was, now, pause, status, error) ORDER BY row) u "
                    "WHERE d.row = u.row AND d.owner = u.node",
                    false);
    if (code == 0 && e->counts[ATTEMPTS])
        code = values_send(&e->attempts, pg,
                           "INSERT INTO attempt (delivery, at, ms, status, error, reply) "
                           "SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6) "
                           "u(delivery, at, ms, status, error, reply) WHERE EXISTS (SELECT 1 FROM "
                           "delivery d WHERE d.row = u.delivery) ON CONFLICT DO NOTHING",
                           false);
    if (code == 0 && e->counts[TRIMS])
        code = values_send(&e->trims, pg,
                           "DELETE FROM attempt a USING unnest($1) u(row) WHERE a.delivery = u.row "
                           "AND a.at < (SELECT at FROM attempt WHERE delivery = u.row "
                           "ORDER BY at DESC LIMIT 1 OFFSET 19)",
                           false);
    return code;
}

/* Each under its own condition, so a statement each: they are few. */
static int send_notice(struct pg_store *s, const struct delivery *d)
{
    struct rows rows;
    rows_init(&rows);
    add_list(&rows, d->notice, 0);
    values_number(&rows.payloads, PARAM_INT8, d->stored->row);
    values_number(&rows.payloads, PARAM_INT4, d->attempts);
    values_number(&rows.deliveries, PARAM_INT8, d->stored->row);
    values_number(&rows.deliveries, PARAM_INT4, d->attempts);
    int code =
        values_send(&rows.payloads, &s->pg, INSERT_PAYLOAD IF_FAILED("$6", "$7") ONCE, false);
    if (code == 0)
        code = values_send(&rows.deliveries, &s->pg, INSERT_DELIVERY IF_FAILED("$29", "$30") ONCE,
                           false);
    values_free(&rows.deliveries);
    values_free(&rows.tails);
    values_free(&rows.staged);
    return code;
}

static void ends_free(struct ends *e)
{
    struct values *all[] = {&e->delivered,    &e->attempted, &e->shared,  &e->payloads, &e->tails,
                            &e->shared_tails, &e->released,  &e->updates, &e->attempts, &e->trims};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        values_free(all[i]);
}

static void sort_end(struct ends *e, const struct delivery *d)
{
    if (d->stored->ending == ENDED_DELIVERED) {
        end_delivered(e, d);
    } else if (d->stored->ending == ENDED_RELEASED) {
        values_add_number(&e->released, 0, d->stored->row);
        values_add_number(&e->released, 1, d->stored->node);
        e->counts[RELEASED]++;
    } else {
        end_attempted(e, d);
    }
}

static int add_ends(struct pg_store *s, struct delivery *ends)
{
    struct ends e;
    int code = 0;
    ends_init(&e);
    for (struct delivery *d = ends; d; d = d->next)
        sort_end(&e, d);
    if (e.counts[DELIVERED])
        code = send_delivered(s, &e);
    if (code == 0 && e.counts[UPDATES])
        code = send_attempted(s, &e);
    if (code == 0 && e.counts[RELEASED])
        code = values_send(&e.released, &s->pg,
                           "UPDATE delivery d SET owner = NULL FROM unnest($1, $2) u(row, node) "
                           "WHERE d.row = u.row AND d.owner = u.node",
                           false);
    ends_free(&e);
    for (struct delivery *d = ends; d && code == 0; d = d->next)
        if (d->stored->ending == ENDED_FAILED && d->notice)
            code = send_notice(s, d);
    return code;
}

/* ---- The whole ---- */

static int upload_payload(struct pg_store *s, const struct delivery *d)
{
    struct payload *payload = d->payload;
    int code = 0, owner = node_id(s->node);
    if (payload->stored->uploaded == s->connects || payload->stored->row != d->stored->row)
        return 0;
    if (spill_fd(payload->head) >= 0)
        code = blob_put(&s->pg, payload->stored->row, owner, payload->head);
    if (code == 0 && payload->tail && spill_fd(payload->tail) >= 0 &&
        d->stored->tail_row == payload->stored->row)
        code = blob_put(&s->pg, -d->stored->tail_row, owner, payload->tail);
    if (code == 0)
        payload->stored->uploaded = s->connects;
    return code;
}

int group_upload(struct pg_store *s, struct commit *commits)
{
    int code = 0;
    for (struct commit *c = commits; c && code == 0; c = c->next)
        for (struct delivery *d = c->deliveries; d && code == 0; d = d->next)
            code = upload_payload(s, d);
    return code;
}

/* What was sent before and is there already is not replicated for that: something is written, whose
 * commit is waited for. */
static int add_mark(struct pg_store *s)
{
    struct values params = {0};
    values_number(&params, PARAM_INT4, node_id(s->node));
    return values_send(&params, &s->pg,
                       "INSERT INTO mark (node, n) VALUES ($1, 1) "
                       "ON CONFLICT (node) DO UPDATE SET n = mark.n + 1",
                       false);
}

int group_send(struct pg_store *s, struct commit *commits, struct delivery *ends)
{
    pg_begin(&s->pg);
    int code = add_commits(s, commits);
    if (code == 0 && ends)
        code = add_ends(s, ends);
    if (code == 0 && s->doubt)
        code = add_mark(s);
    if (code != 0) { /* for want of memory: the half that was sent must not be committed */
        pg_close(&s->pg);
        return code;
    }
    code = pg_end(&s->pg, PG_ANSWER_MS, NULL, NULL);
    if (code == -EINPROGRESS)
        s->doubt = true;
    else if (code == 0)
        s->doubt = false;
    return code;
}
