/* What a group removes and changes: the ends of attempts. */
#include "remove.h"

#include "../../base/clock.h"
#include "insert.h"
#include "probe.h"
#include "values.h"

#define ATTEMPTS_KEPT 20

/* A group that is sent again may have sent its chunks again, too: they are its own then. */
#define UNLESS_STAGED " AND blob NOT IN (SELECT blob FROM staged)"

struct ends {
    struct values delivered, attempted, shared, payloads, shared_tails, tails, released;
    struct values updates, attempts, trims, probes;
    size_t counts[9]; /* of the columns, in the order of enum end_list */
};

enum end_list { DELIVERED, ATTEMPTED, SHARED, TAILS, RELEASED, UPDATES, ATTEMPTS, TRIMS, PROBES };

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
    struct queue_attempt last = delivery_last_attempt(d);
    attempts_add(&e->attempts, d->stored->row, &last);
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
    struct values *rows[] = {&e->delivered, &e->attempted,    &e->shared, &e->payloads,
                             &e->tails,     &e->shared_tails, &e->trims};
    *e = (struct ends){0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        values_array(rows[i], PARAM_INT8);
    values_array(&e->released, PARAM_INT8);
    values_array(&e->released, PARAM_INT4);
    values_array(&e->probes, PARAM_INT8);
    values_array(&e->probes, PARAM_INT8);
    values_columns(&e->updates, update, sizeof update / sizeof *update);
    attempts_columns(&e->attempts);
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
            "DELETE FROM chunk WHERE blob IN (SELECT row FROM gone WHERE large)" UNLESS_STAGED,
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
            "DELETE FROM chunk WHERE blob IN (SELECT -row FROM gone WHERE large)" UNLESS_STAGED,
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
        code = attempts_send(&e->attempts, pg);
    if (code == 0 && e->counts[TRIMS])
        code = values_send(&e->trims, pg,
                           "DELETE FROM attempt a USING unnest($1) u(row) WHERE a.delivery = u.row "
                           "AND a.at < (SELECT at FROM attempt WHERE delivery = u.row "
                           "ORDER BY at DESC LIMIT 1 OFFSET 19)",
                           false);
    return code;
}

static void ends_free(struct ends *e)
{
    struct values *all[] = {&e->delivered, &e->attempted,    &e->shared,   &e->payloads,
                            &e->tails,     &e->shared_tails, &e->released, &e->updates,
                            &e->attempts,  &e->trims,        &e->probes};
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
        if (d->stored->probe_ms) {
            values_add_number(&e->probes, 0, (int64_t)d->stored->origin);
            values_add_number(&e->probes, 1, d->stored->probe_lane ? (int64_t)d->stored->lane : 0);
            e->counts[PROBES]++;
        }
    } else {
        end_attempted(e, d);
    }
}

int remove_ends(struct pg_store *s, struct delivery *ends)
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
    if (code == 0 && e.counts[PROBES]) {
        values_number(&e.probes, PARAM_INT4, node_id(s->node));
        code = values_send(&e.probes, &s->pg, RETURN_PROBES, false);
    }
    ends_free(&e);
    for (struct delivery *d = ends; d && code == 0; d = d->next)
        if (d->stored->ending == ENDED_FAILED && d->notice)
            code = insert_notice(s, d);
    return code;
}
