/* Attempts at deliveries of messages that were written before, by any node. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../late.h"
#include "store.h"

#define PAGE 16 /* segments that are looked at in one go */

struct late_changes { /* of the terms of one segment */
    struct late_changes *next;
    int64_t segment, day, version;
    size_t count, room;
    struct late_change *changes;
    struct packed marks; /* empty: not known */
};

struct finding {
    struct pg_history *store;
    struct late late;
    struct late_changes *changes;
    int64_t before;
    int rows, code;
};

static int note_change(void *context, const struct late_change *change)
{
    struct late_changes *to = context;
    if (to->count == to->room) {
        size_t room = to->room ? 2 * to->room : 16;
        struct late_change *more = realloc(to->changes, room * sizeof *more);
        if (!more)
            return -ENOMEM;
        to->changes = more;
        to->room = room;
    }
    to->changes[to->count++] = *change;
    return 0;
}

/* The terms are changed, and the marks are of what they are then. */
static int look_in(struct finding *f, struct late_changes *to, struct packed *terms)
{
    int code = late_look_in(&f->late, terms, to->segment, note_change, to);
    if (code == 0 && to->count > 0)
        code = history_pg_marks(terms, &to->marks);
    if (code == -EBADMSG)
        to->marks.size = 0;
    return code == -EBADMSG ? 0 : code;
}

/* In a copy, as what libpq has is not ours to change. */
static int look_in_row(struct finding *f, PGresult *result, int row)
{
    struct packed terms = {0};
    size_t size = (size_t)PQgetlength(result, row, 2);
    struct late_changes *to = calloc(1, sizeof *to);
    if (!to)
        return -ENOMEM;
    *to = (struct late_changes){.next = f->changes,
                                .segment = f->before,
                                .day = history_pg_int8(result, row, 1),
                                .version = history_pg_int8(result, row, 3)};
    f->changes = to;
    int code = packed_reserve(&terms, size + 1);
    if (code == 0) {
        memcpy(terms.bytes, PQgetvalue(result, row, 2), size);
        terms.size = size;
        code = look_in(f, to, &terms);
    }
    packed_free(&terms);
    return code;
}

static void read_page(void *context, int number, PGresult *result)
{
    struct finding *f = context;
    (void)number;
    f->rows = PQntuples(result);
    for (int i = 0; i < f->rows && f->code == 0 && f->late.wanted > 0; i++) {
        f->before = history_pg_int8(result, i, 0);
        f->code = look_in_row(f, result, i);
    }
}

int history_pg_find_late(struct pg_history *store, struct history_attempt *attempts,
                         struct late_changes **out)
{
    struct finding f = {.store = store, .before = INT64_MAX, .rows = PAGE};
    int code = late_begin(&f.late, attempts);
    while (code == 0 && f.late.wanted > 0 && f.rows == PAGE) {
        struct values v = {0};
        values_number(&v, PARAM_INT8, f.before);
        values_text(&v, f.late.first_id);
        values_text(&v, f.late.last_id);
        values_number(&v, PARAM_INT8, PAGE);
        pg_begin(&store->pg);
        code = values_send(&v, &store->pg,
                           "SELECT row, day::bigint, terms, xmin::text::bigint FROM " TABLES
                           "segments WHERE row < $1 AND last_id >= $2 AND first_id <= $3"
                           " ORDER BY row DESC LIMIT $4",
                           true);
        if (code == 0)
            code = history_pg_end(store, read_page, &f);
        if (code == 0)
            code = f.code;
    }
    late_end(&f.late);
    *out = f.changes;
    return code;
}

void history_pg_free_late(struct late_changes *late)
{
    for (struct late_changes *next; late; late = next) {
        next = late->next;
        free(late->changes);
        packed_free(&late->marks);
        free(late);
    }
}

/* Not in one: a change of terms takes the marks away (store.h). */
static int add_marks(struct pg_history *store, const struct late_changes *to)
{
    struct values v = {0};
    if (to->marks.size == 0)
        return 0;
    values_number(&v, PARAM_INT8, to->segment);
    values_text(&v, to->marks.bytes);
    return values_send(&v, &store->pg, "UPDATE " TABLES "segments SET marks = $2 WHERE row = $1",
                       false);
}

/* Only where the segment is as it was read, or else the batch fails, by a division by zero: what another node has changed
 * meanwhile would be forgotten, and a delivery that was dropped might wait again. */
static int add_changes(struct pg_history *store, const struct late_changes *to)
{
    struct values v = {0};
    values_number(&v, PARAM_INT8, to->segment);
    values_array(&v, PARAM_INT8);
    values_array(&v, PARAM_BYTES);
    values_number(&v, PARAM_INT8, to->version);
    for (size_t i = 0; i < to->count; i++) {
        values_add_number(&v, 1, (int64_t)to->changes[i].place);
        values_add_bytes(&v, 2, to->changes[i].bytes, sizeof to->changes[i].bytes);
    }
    int code = values_send(&v, &store->pg,
                           "WITH done AS (UPDATE " TABLES "segments SET terms = " TABLES
                           "patch(terms, $2, $3) WHERE row = $1 AND xmin = $4::text::xid"
                           " RETURNING 1) SELECT 1 / count(*) FROM done",
                           false);
    return code == 0 ? add_marks(store, to) : code;
}

/* The day of the segment that a message is in. */
static int64_t day_of(const struct late_changes *changes, const struct history_attempt *a)
{
    for (; changes; changes = changes->next)
        if (a->row >= changes->segment && a->row < changes->segment + SEGMENT_MESSAGES)
            return changes->day;
    return 0;
}

static int add_attempts(struct pg_history *store, const struct history_attempt *attempts,
                        const struct late_changes *changes, const int64_t *bodies)
{
    static const enum param_kind kinds[] = {
        PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT8, PARAM_INT8,
        PARAM_INT8, PARAM_TEXT, PARAM_TEXT, PARAM_TEXT, PARAM_INT8, PARAM_INT8};
    struct values v = {0};
    size_t i = 0;
    values_columns(&v, kinds, sizeof kinds / sizeof *kinds);
    for (const struct history_attempt *a = attempts; a; a = a->next, i++) {
        unsigned delivery;
        if (a->row <= 0) /* nobody knows its message: from before the history, or a notice */
            continue;
        history_message_of(a, &delivery);
        const int64_t numbers[] = {day_of(changes, a), a->row, delivery, a->at_ms,
                                   a->number,          a->ms,  a->state, a->status};
        for (int k = 0; k < 8; k++)
            values_add_number(&v, k, numbers[k]);
        values_add_text(&v, 8, a->error);
        values_add_text(&v, 9, a->reply);
        values_add_text(&v, 10, a->target);
        values_add_number(&v, 11, bodies[i]);
        values_add_number(&v, 12, a->action);
    }
    return values_send(&v, &store->pg,
                       "INSERT INTO " TABLES "attempts (day, message, delivery, at_ms, number, ms,"
                       " state, status, error, reply, target, body, action) SELECT u.* FROM"
                       " unnest($1::integer[], $2, $3::integer[], $4, $5, $6, $7, $8, $9, $10, $11,"
                       " $12, $13) u",
                       false);
}

int history_pg_add_late(struct pg_history *store, const struct history_attempt *attempts,
                        struct late_changes *changes, const int64_t *bodies)
{
    int code = 0;
    for (const struct late_changes *to = changes; to && code == 0; to = to->next)
        if (to->count > 0)
            code = add_changes(store, to);
    return code == 0 && changes ? add_attempts(store, attempts, changes, bodies) : code;
}
