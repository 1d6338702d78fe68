/* What is found in the tables: a page of segments at a time. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../search.h"
#include "store.h"

#define SLICE_FIRST 4 /* segments that are looked at: most searches end there; then it grows to */
#define SLICE       1024
#define PAGE        64 /* of them are sent at once */

struct blobs { /* of a segment */
    int64_t row;
    struct packed terms, subjects; /* without bytes: it has none */
};

struct pg_source { /* of search.h */
    struct pg_history *store;
    struct blobs page[PAGE];
    int count, code;
    int64_t last;  /* of the slice, the oldest segment; ... */
    int looked_at; /* ... so many has it */
    struct packed records;
};

/* ---- Blobs ---- */

static int take(const PGresult *result, int row, int column, struct packed *out)
{
    size_t size = (size_t)PQgetlength(result, row, column);
    out->size = 0;
    if (PQgetisnull(result, row, column))
        return 0;
    if (packed_reserve(out, size + 1) != 0)
        return -ENOMEM;
    memcpy(out->bytes, PQgetvalue(result, row, column), size);
    out->size = size;
    return 0;
}

static void free_page(struct pg_source *source)
{
    for (int i = 0; i < source->count; i++) {
        packed_free(&source->page[i].terms);
        packed_free(&source->page[i].subjects);
    }
    source->count = 0;
}

static void read_page(void *context, int number, PGresult *result)
{
    struct pg_source *source = context;
    (void)number;
    for (int i = 0; i < PQntuples(result) && source->code == 0; i++) {
        if (PQgetisnull(result, i, 1)) {
            source->last = history_pg_int8(result, i, 0);
            source->looked_at = (int)history_pg_int8(result, i, 3);
            continue;
        }
        if (source->count == PAGE)
            break;
        struct blobs *blobs = &source->page[source->count++];
        *blobs = (struct blobs){.row = history_pg_int8(result, i, 0)};
        source->code = take(result, i, 1, &blobs->terms);
        if (source->code == 0)
            source->code = take(result, i, 2, &blobs->subjects);
    }
}

static int blob_of(struct pg_source *source, int64_t row, bool subjects, const struct packed **out)
{
    for (int i = 0; i < source->count; i++)
        if (source->page[i].row == row) {
            *out = subjects ? &source->page[i].subjects : &source->page[i].terms;
            return (*out)->bytes ? 0 : -ENOENT;
        }
    return -ENOENT;
}

static int read_terms(void *context, int64_t row, const struct packed **out)
{
    return blob_of(context, row, false, out);
}

static int read_subjects(void *context, int64_t row, const struct packed **out)
{
    return blob_of(context, row, true, out);
}

static void take_records(void *context, int number, PGresult *result)
{
    struct pg_source *source = context;
    (void)number;
    source->code = PQntuples(result) > 0 ? take(result, 0, 0, &source->records) : -ENOENT;
}

static int read_records(void *context, int64_t row, const struct packed **out)
{
    struct pg_source *source = context;
    struct values v = {0};
    *out = &source->records;
    values_number(&v, PARAM_INT8, row);
    pg_begin(&source->store->pg);
    int code = values_send(&v, &source->store->pg,
                           "SELECT records FROM " TABLES "segments WHERE row = $1", true);
    if (code == 0)
        code = history_pg_end(source->store, take_records, source);
    return code == 0 ? source->code : code;
}

/* ---- Attempts beside a segment ---- */

static const char *text_of(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

static void keep_result(void *context, int number, PGresult *result)
{
    (void)number;
    *(PGresult **)context = PQcopyResult(result, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
}

static int each_late(void *context, int64_t message, unsigned delivery,
                     int (*each)(void *context, const struct history_attempt *attempt,
                                 int64_t body),
                     void *each_context)
{
    struct pg_history *store = ((struct pg_source *)context)->store;
    struct values v = {0};
    PGresult *found = NULL;
    values_number(&v, PARAM_INT8, message);
    values_number(&v, PARAM_INT4, delivery);
    pg_begin(&store->pg);
    int code = values_send(&v, &store->pg,
                           "SELECT number, at_ms, ms, state, status, error, reply, target, body,"
                           " action FROM " TABLES "attempts WHERE message = $1 AND delivery = $2"
                           " ORDER BY place",
                           false);
    if (code == 0)
        code = history_pg_end(store, keep_result, &found);
    if (code == 0 && !found)
        code = -ENOMEM;
    for (int i = 0; code == 0 && i < PQntuples(found); i++) {
        const struct history_attempt a = {.number = (unsigned)pg_number(found, i, 0),
                                          .at_ms = pg_number(found, i, 1),
                                          .ms = pg_number(found, i, 2),
                                          .state = (enum history_state)pg_number(found, i, 3),
                                          .status = (int)pg_number(found, i, 4),
                                          .error = text_of(found, i, 5),
                                          .reply = text_of(found, i, 6),
                                          .target = text_of(found, i, 7),
                                          .action = (enum history_action)pg_number(found, i, 9)};
        code = each(each_context, &a, pg_number(found, i, 8));
    }
    PQclear(found);
    return code;
}

static struct search_source source_of(struct pg_source *source)
{
    return (struct search_source){source, read_terms, read_subjects, read_records, each_late};
}

static int told(struct pg_history *store, int code)
{
    const char *text = search_error(code);
    if (text)
        snprintf(store->error, sizeof store->error, "%s", text);
    return code;
}

/* ---- Lists ---- */

/* Of a slice of segments those that may have some, and one row of the slice itself. Values that the filter has not
 * are NULL; history_pg_needles() adds $7 and those after it. */
#define MAY_HAVE(needle)                                                                           \
    " AND ($" needle " IS NULL OR keys IS NULL OR position($" needle " IN keys) > 0)"
#define MAY_HAVE_KEYS MAY_HAVE("8") MAY_HAVE("9") MAY_HAVE("10")

static const char page_sql[] =
    "WITH slice AS MATERIALIZED (SELECT row, terms, subjects, keys, marks FROM " TABLES "segments"
    " WHERE row < $1 AND last_ms >= $2 AND first_ms < $3 AND last_id >= $4 AND first_id < $5"
    " ORDER BY row DESC LIMIT $6),"
    " hits AS (SELECT row, terms, CASE WHEN $11 IS NOT NULL THEN subjects END AS subjects"
    " FROM slice WHERE ($7 IS NULL OR marks IS NULL OR marks LIKE $7)" MAY_HAVE_KEYS
    " AND ($11 IS NULL OR position($11 IN subjects) > 0) ORDER BY row DESC LIMIT $12)"
    " SELECT row, terms, subjects, NULL::bigint FROM hits UNION ALL"
    " SELECT min(row), NULL, NULL, count(*) FROM slice ORDER BY 4 NULLS FIRST, 1 DESC";

/* Of the next `size` segments that are older than `before`. */
static int next_page(struct pg_source *source, const struct filter_terms *filter, int64_t before,
                     int size)
{
    const struct history_filter *f = filter->filter;
    struct values v = {0};
    free_page(source);
    source->looked_at = 0;
    values_number(&v, PARAM_INT8, before);
    values_number(&v, PARAM_INT8, f->since_ms);
    values_number(&v, PARAM_INT8, f->until_ms ? f->until_ms : INT64_MAX);
    values_text(&v, filter->id);
    values_text(&v, filter->id_end);
    values_number(&v, PARAM_INT8, size);
    history_pg_needles(&v, filter);
    values_number(&v, PARAM_INT8, PAGE);
    pg_begin(&source->store->pg);
    int code = values_send(&v, &source->store->pg, page_sql, true);
    if (code == 0)
        code = history_pg_end(source->store, read_page, source);
    return code == 0 ? source->code : code;
}

static int search_page(struct pg_source *source, struct segment_search *s)
{
    int code = 0;
    for (int i = 0; code == 0 && i < source->count && s->left > 0; i++)
        code = search_segment(s, source->page[i].row);
    return code;
}

static int search_all(struct pg_source *source, struct segment_search *s)
{
    int64_t before = s->before;
    int size = SLICE_FIRST;
    for (;;) {
        int code = next_page(source, &s->filter, before, size);
        if (code == 0)
            code = search_page(source, s);
        bool is_whole = source->count < PAGE; /* else the slice goes on after the page */
        if (code != 0 || s->left == 0 || (is_whole && source->looked_at < size))
            return code;
        if (search_is_late(s))
            return -ETIME;
        before = is_whole ? source->last : source->page[PAGE - 1].row;
        size = size * 4 < SLICE ? size * 4 : SLICE;
    }
}

int history_pg_list(struct history_store *opened, const struct history_filter *filter,
                    int (*each)(void *context, const struct history_message *message),
                    void *context)
{
    struct pg_history *store = (struct pg_history *)opened;
    struct pg_source source = {.store = store};
    const struct search_source from = source_of(&source);
    int code = history_pg_connect(store);
    struct segment_search *s = code == 0 ? search_new(&from, filter, each, context, &code) : NULL;
    if (s)
        code = search_all(&source, s);
    free_page(&source);
    packed_free(&source.records);
    search_free(s);
    return told(store, code);
}

int history_pg_attempts(struct history_store *opened, const struct history_message *message,
                        unsigned delivery,
                        int (*each)(void *context, const struct history_attempt *attempt),
                        void *context)
{
    struct pg_history *store = (struct pg_history *)opened;
    struct pg_source source = {.store = store};
    const struct search_source from = source_of(&source);
    struct values v = {0};
    int code = history_pg_connect(store);
    if (code != 0)
        return code;
    values_number(&v, PARAM_INT8, message->row);
    pg_begin(&store->pg);
    code = values_send(&v, &store->pg,
                       "SELECT row, terms, NULL::bytea FROM " TABLES "segments WHERE row <= $1"
                       " AND row + count > $1 ORDER BY row DESC LIMIT 1",
                       true);
    if (code == 0)
        code = history_pg_end(store, read_page, &source);
    if (code == 0)
        code = source.code;
    if (code == 0 && source.count > 0)
        code = search_attempts(&from, source.page[0].row, message, delivery, each, context);
    free_page(&source);
    packed_free(&source.records);
    return told(store, code);
}

/* ---- Answers, bodies ---- */

static void read_answers(void *context, int number, PGresult *result)
{
    struct history_answers *answers = context;
    (void)number;
    if (PQntuples(result) == 0)
        return;
    answers->at_ms = pg_number(result, 0, 0);
    answers->status = (int)pg_number(result, 0, 1);
    snprintf(answers->error, sizeof answers->error, "%s", PQgetvalue(result, 0, 2));
    if (pg_number(result, 0, 3) > 0)
        answers->mean_ms = pg_number(result, 0, 4);
}

int history_pg_answers(struct history_store *opened, uint64_t origin,
                       struct history_answers *answers)
{
    struct pg_history *store = (struct pg_history *)opened;
    struct values v = {0};
    int code = history_pg_connect(store);
    *answers = (struct history_answers){.mean_ms = -1};
    if (code != 0)
        return code;
    values_number(&v, PARAM_INT8, (int64_t)origin);
    pg_begin(&store->pg);
    code = values_send(&v, &store->pg,
                       "SELECT at_ms, status, error, answered, round(mean_ms)::bigint FROM " TABLES
                       "origins WHERE origin = $1",
                       false);
    if (code == 0)
        code = history_pg_end(store, read_answers, answers);
    return code != 0 ? code : answers->at_ms ? 0 : -ENOENT;
}

struct body {
    struct spill *spill;
    int code;
};

static void take_body(void *context, int number, PGresult *result)
{
    struct body *body = context;
    (void)number;
    if (PQntuples(result) == 0)
        return;
    body->spill = spill_from_bytes(PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0));
    body->code = body->spill ? 0 : -ENOMEM;
}

int history_pg_body(struct history_store *opened, int64_t row, struct spill **out)
{
    struct pg_history *store = (struct pg_history *)opened;
    struct values v = {0};
    struct body body = {.code = -ENOENT};
    int code = history_pg_connect(store);
    if (code != 0)
        return code;
    values_number(&v, PARAM_INT8, row);
    pg_begin(&store->pg);
    code = values_send(&v, &store->pg, "SELECT bytes FROM " TABLES "bodies WHERE row = $1", true);
    if (code == 0)
        code = history_pg_end(store, take_body, &body);
    *out = body.spill;
    return code == 0 ? body.code : code;
}
