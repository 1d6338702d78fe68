/* A batch: bodies, segments, later attempts, and how origins have answered, in one transaction. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/clock.h"
#include "../answers.h"
#include "../body.h"
#include "../join.h"
#include "../segment.h"
#include "store.h"

#define TRIES 10 /* of a batch */

struct pg_batch {
    struct pg_history *store;
    int64_t day;
    int64_t *body_rows; /* drawn before it is sent, in the order in which they are used */
    size_t body_count, bodies_used;
    struct segment_writer writer;
    struct packed keys, marks; /* of a segment */
    struct values segments;    /* of those that are full, a column each */
    bool has_segments;
};

/* ---- Bodies ---- */

static size_t count_bodies(const struct history_message *messages,
                           const struct history_attempt *attempts)
{
    size_t count = 0;
    for (const struct history_message *m = messages; m; m = m->next) {
        count += m->data != NULL;
        for (size_t i = 0; i < m->delivery_count; i++)
            count += m->deliveries[i].payload && !body_shared_with(m, i);
    }
    for (const struct history_attempt *a = attempts; a; a = a->next)
        count += !a->joined && a->payload;
    return count;
}

static void read_rows(void *context, int number, PGresult *result)
{
    struct pg_batch *b = context;
    for (int i = 0; number == 1 && i < PQntuples(result) && (size_t)i < b->body_count; i++)
        b->body_rows[i] = pg_number(result, i, 0);
}

static int draw_body_rows(struct pg_batch *b)
{
    struct values values = {0};
    if (b->body_count == 0)
        return 0;
    b->body_rows = calloc(b->body_count, sizeof *b->body_rows);
    if (!b->body_rows)
        return -ENOMEM;
    values_number(&values, PARAM_INT8, (int64_t)b->body_count);
    pg_begin(&b->store->pg);
    pg_add(&b->store->pg, "SELECT " NO_WAIT, 0, NULL, NULL, NULL, false);
    int code =
        values_send(&values, &b->store->pg,
                    "SELECT nextval('" TABLES "body_row') FROM generate_series(1, $1)", false);
    return code == 0 ? history_pg_end(b->store, read_rows, b) : code;
}

/* Adds it to the batch; *row is its row. `bytes` are freed. */
static int add_body(struct pg_batch *b, char *bytes, size_t size, int64_t *row)
{
    struct values values = {0};
    *row = b->body_rows[b->bodies_used++];
    values_number(&values, PARAM_INT4, b->day);
    values_number(&values, PARAM_INT8, *row);
    values_array(&values, PARAM_BYTES);
    values_add_bytes(&values, 2, bytes, size);
    free(bytes);
    return values_send(&values, &b->store->pg,
                       "INSERT INTO " TABLES "bodies SELECT $1, $2, u FROM unnest($3) u", false);
}

static int add_payload(struct pg_batch *b, const struct payload *payload, int64_t *row)
{
    char *bytes;
    size_t size;
    int code = payload ? body_of_payload(payload, &bytes, &size) : 0;
    return payload && code == 0 ? add_body(b, bytes, size, row) : code;
}

static int add_data(struct pg_batch *b, struct history_message *m)
{
    char *bytes;
    size_t size;
    int code = body_of_spill(m->data, &bytes, &size);
    return code == 0 ? add_body(b, bytes, size, &m->body) : code;
}

static int add_bodies(struct pg_batch *b, struct history_message *m)
{
    int code = 0;
    for (size_t i = 0; i < m->delivery_count && code == 0; i++) {
        struct history_delivery *d = &m->deliveries[i];
        const struct history_delivery *with = body_shared_with(m, i);
        if (with)
            d->body = with->body;
        else
            code = add_payload(b, d->payload, &d->body);
    }
    return code == 0 && m->data ? add_data(b, m) : code;
}

/* ---- Segments ---- */

static void begin_segments(struct values *values)
{
    static const enum param_kind kinds[] = {PARAM_INT8,  PARAM_INT8,  PARAM_TEXT,  PARAM_TEXT,
                                            PARAM_INT8,  PARAM_BYTES, PARAM_BYTES, PARAM_BYTES,
                                            PARAM_BYTES, PARAM_TEXT};
    values_columns(values, kinds, sizeof kinds / sizeof *kinds);
}

static int end_segment(struct pg_batch *b)
{
    struct segment_writer *w = &b->writer;
    struct values *v = &b->segments;
    if (w->count == 0)
        return 0;
    int code = history_pg_keys(&w->terms, &b->keys);
    if (code == 0)
        code = history_pg_marks(&w->terms, &b->marks);
    if (code != 0)
        return code;
    values_add_number(v, 0, w->first_ms);
    values_add_number(v, 1, w->last_ms);
    values_add_text(v, 2, w->first_id);
    values_add_text(v, 3, w->last_id);
    values_add_number(v, 4, w->count);
    values_add_bytes(v, 5, w->terms.bytes, w->terms.size);
    values_add_bytes(v, 6, w->records.bytes, w->records.size);
    if (w->has_subjects)
        values_add_bytes(v, 7, w->subjects.bytes, w->subjects.size);
    else
        values_add_null(v, 7);
    values_add_bytes(v, 8, b->keys.bytes, b->keys.size);
    values_add_text(v, 9, b->marks.bytes);
    b->has_segments = true;
    segment_reset(w);
    return 0;
}

static int add_segments(struct pg_batch *b, struct history_message *messages)
{
    int code = 0;
    begin_segments(&b->segments);
    for (struct history_message *m = messages; m && code == 0; m = m->next) {
        code = add_bodies(b, m);
        if (code == 0)
            code = segment_add(&b->writer, m);
        if (code == 0 && segment_is_full(&b->writer))
            code = end_segment(b);
    }
    if (code == 0)
        code = end_segment(b);
    if (code != 0 || !b->has_segments)
        return code;
    values_number(&b->segments, PARAM_INT4, b->day);
    return values_send(&b->segments, &b->store->pg,
                       "INSERT INTO " TABLES "segments (day, row, first_ms, last_ms, first_id,"
                       " last_id, count, terms, records, subjects, keys, marks)"
                       " SELECT $11, nextval('" TABLES "row'), s.*"
                       " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) s",
                       false);
}

/* ---- Answers ---- */

static int add_answers(struct pg_batch *b, const struct history_attempt *attempts)
{
    static const enum param_kind kinds[] = {PARAM_INT8, PARAM_INT8, PARAM_INT8,
                                            PARAM_TEXT, PARAM_INT8, PARAM_FLOAT8};
    struct batch_answers *all;
    struct values v = {0};
    int code = batch_answers_of(attempts, &all);
    values_columns(&v, kinds, sizeof kinds / sizeof *kinds);
    for (const struct batch_answers *of = all; of; of = of->next) {
        values_add_number(&v, 0, (int64_t)of->origin);
        values_add_number(&v, 1, of->last->at_ms);
        values_add_number(&v, 2, of->last->status);
        values_add_text(&v, 3, of->last->error);
        values_add_number(&v, 4, of->answered);
        values_add_real(&v, 5, of->mean_ms);
    }
    values_number(&v, PARAM_INT8, HISTORY_ANSWERS);
    bool any = all != NULL;
    batch_answers_free(all);
    if (code != 0 || !any) {
        values_free(&v);
        return code;
    }
    /* In one order, so that two nodes do not wait for each other; the mean is of the last $7, about. */
    return values_send(
        &v, &b->store->pg,
        "INSERT INTO " TABLES "origins AS o SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6) u(a, b,"
        " c, d, e, f) ORDER BY a ON CONFLICT (origin) DO UPDATE SET"
        " status = CASE WHEN excluded.at_ms >= o.at_ms THEN excluded.status ELSE o.status END,"
        " error = CASE WHEN excluded.at_ms >= o.at_ms THEN excluded.error ELSE o.error END,"
        " at_ms = greatest(o.at_ms, excluded.at_ms),"
        " mean_ms = (o.mean_ms * least(o.answered, $7 - excluded.answered) + excluded.mean_ms *"
        " excluded.answered) / greatest(least(o.answered, $7 - excluded.answered) +"
        " excluded.answered, 1), answered = least(o.answered + excluded.answered, $7)",
        false);
}

/* ---- A batch ---- */

/* The bodies of late attempts: a row for each attempt, 0 for none; NULL: no memory. */
static int64_t *add_late_bodies(struct pg_batch *b, const struct history_attempt *attempts,
                                int *code)
{
    size_t count = 0, i = 0;
    for (const struct history_attempt *a = attempts; a; a = a->next)
        count++;
    int64_t *rows = calloc(count + 1, sizeof *rows);
    *code = rows ? 0 : -ENOMEM;
    for (const struct history_attempt *a = attempts; a && *code == 0; a = a->next, i++)
        if (a->row > 0)
            *code = add_payload(b, a->payload, &rows[i]);
    return rows;
}

static int add_all(struct pg_batch *b, struct history_message *messages,
                   struct history_attempt *attempts, struct late_changes *late)
{
    int64_t *rows = NULL;
    pg_add(&b->store->pg, "SELECT " NO_WAIT, 0, NULL, NULL, NULL, false);
    int code = add_segments(b, messages);
    if (code == 0)
        rows = add_late_bodies(b, attempts, &code);
    if (code == 0)
        code = history_pg_add_late(b->store, attempts, late, rows);
    free(rows);
    return code == 0 ? add_answers(b, attempts) : code;
}

static int try_all(struct pg_batch *b, struct history_message *messages,
                   struct history_attempt *attempts)
{
    struct pg_history *store = b->store;
    struct late_changes *late = NULL;
    int code = history_pg_find_late(store, attempts, &late);
    b->bodies_used = 0;
    if (code == 0) {
        pg_begin(&store->pg);
        code = add_all(b, messages, attempts, late);
        if (code == 0)
            code = history_pg_end(store, NULL, NULL);
        else
            pg_close(&store->pg); /* half a batch must not be sent */
    }
    history_pg_free_late(late);
    return code;
}

/* Again where another node has changed the same segment meanwhile. */
static int write_all(struct pg_batch *b, struct history_message *messages,
                     struct history_attempt *attempts)
{
    int code, tries = 0;
    do
        code = try_all(b, messages, attempts);
    while (code != 0 && strcmp(b->store->pg.state, "22012") == 0 && ++tries < TRIES);
    return code;
}

int history_pg_write(struct history_store *opened, struct history_message *messages,
                     struct history_attempt *attempts)
{
    struct pg_history *store = (struct pg_history *)opened;
    struct pg_batch b = {.store = store, .day = clock_unix_ms() / DAY_MS};
    int code = history_join(messages, attempts);
    if (code == 0)
        code = history_pg_connect(store);
    if (code == 0)
        code = history_pg_make_day(store, b.day);
    b.body_count = count_bodies(messages, attempts);
    if (code == 0)
        code = draw_body_rows(&b);
    if (code == 0)
        code = write_all(&b, messages, attempts);
    values_free(&b.segments);
    segment_free(&b.writer);
    packed_free(&b.keys);
    packed_free(&b.marks);
    free(b.body_rows);
    return code;
}
