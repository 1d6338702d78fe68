/* What `mxhook queue` sees and changes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/clock.h"
#include "../origin.h"
#include "group.h"
#include "values.h"
#include "rows.h"
#include "stubs.h"

#define PAGE 500

/* As host_of() says. */
#define HOST_OF(url)                                                                               \
    "lower(coalesce(substring(" url " from '^[^:/?#]+://(?:[^/?#]*@)?([[][^]]*]|[^:/?#]*)'), "     \
    "substring(" url " from '@([^@]*)$'), ''))"

/* What struct queue_filter says: $1 to $11. */
#define FILTER                                                                                     \
    "(NOT ($1 = 1) OR d.due IS NULL) AND ($2::text IS NULL OR d.url = $2) "                        \
    "AND ($3 = 0 OR d.created >= " NOW_MS " - $3) "                                                \
    "AND ($4::text IS NULL OR left(d.url, length($4)) = $4) "                                      \
    "AND ($5::text IS NULL OR " HOST_OF(                                                           \
        "d.url") " = lower($5)) "                                                                  \
                 "AND ($6 < 0 OR d.last_status = $6) "                                             \
                 "AND ($7::text IS NULL OR strpos(lower(d.last_error), lower($7)) > 0) "           \
                 "AND ($8::text IS NULL OR lower(d.recipient) = lower($8)) "                       \
                 "AND ($9::text IS NULL OR lower(d.sender) = lower($9)) "                          \
                 "AND ($10 = 0 OR d.created < " NOW_MS " - $11)"
#define AFTER "$12" /* the row after which a page begins */
#define SIZE  "$13" /* and how many it has */

static void add_filter(struct values *params, const struct queue_filter *filter)
{
    values_number(params, PARAM_INT4, filter->failed_only);
    values_text(params, filter->destination);
    values_number(params, PARAM_INT8, filter->since_ms ? clock_unix_ms() - filter->since_ms : 0);
    values_text(params, filter->prefix);
    values_text(params, filter->host);
    values_number(params, PARAM_INT4, filter->has_status ? filter->status : -1);
    values_text(params, filter->error);
    values_text(params, filter->recipient);
    values_text(params, filter->sender);
    values_number(params, PARAM_INT4, filter->until_ms != 0);
    values_number(params, PARAM_INT8, filter->until_ms ? clock_unix_ms() - filter->until_ms : 0);
}

/* ---- Lists ---- */

struct page {
    int (*each)(void *context, const struct delivery *delivery);
    void *context;
    int64_t after;
    int count, code;
};

static void read_page(void *context, int number, PGresult *result)
{
    struct page *page = context;
    (void)number;
    page->count = PQntuples(result);
    for (int i = 0; i < page->count && page->code == 0; i++) {
        struct delivery *d = rows_read(result, i);
        page->code = d ? page->each(page->context, d) : -ENOMEM;
        page->after = pg_number(result, i, 0);
        delivery_free(d);
    }
}

int pg_store_list(struct store *store, const struct queue_filter *filter,
                  int (*each)(void *context, const struct delivery *delivery), void *context)
{
    struct pg_store *s = (struct pg_store *)store;
    struct page page = {.each = each, .context = context, .after = filter->after, .count = PAGE};
    int code = 0;
    while (code == 0 && page.code == 0 && page.count == PAGE) {
        struct values params = {0};
        add_filter(&params, filter);
        values_number(&params, PARAM_INT8, page.after);
        values_number(&params, PARAM_INT4, PAGE);
        pg_begin(&s->pg);
        code = values_send(&params, &s->pg,
                           "SELECT " ROW_COLUMNS " FROM delivery d WHERE " FILTER
                           " AND d.row > " AFTER " ORDER BY d.row LIMIT " SIZE,
                           false);
        if (code == 0)
            code = pg_end(&s->pg, PG_ANSWER_MS, read_page, &page);
    }
    return code == 0 ? page.code : code;
}

static void read_one(void *context, int number, PGresult *result)
{
    (void)number;
    if (PQntuples(result) > 0)
        *(struct delivery **)context = rows_read(result, 0);
}

int pg_store_show(struct store *store, const char *id, struct delivery **out, const char **reason)
{
    struct pg_store *s = (struct pg_store *)store;
    struct values params = {0};
    struct delivery *d = NULL;
    values_text(&params, id);
    pg_begin(&s->pg);
    int code = values_send(&params, &s->pg,
                           "SELECT " ROW_COLUMNS " FROM delivery d WHERE d.id = $1", false);
    if (code == 0)
        code = pg_end(&s->pg, PG_ANSWER_MS, read_one, &d);
    if (code == 0 && !d)
        return -ENOENT;
    if (code == 0)
        code = rows_load_payloads(&s->pg, d, s->scratch, reason);
    if (code == 0 && !d->payload)
        code = -EBADMSG;
    if (code == 0)
        *out = d;
    else
        delivery_free(d);
    return code;
}

struct attempts {
    int (*each)(void *context, const struct queue_attempt *attempt);
    void *context;
    int code;
};

static void read_attempts(void *context, int number, PGresult *result)
{
    struct attempts *a = context;
    (void)number;
    for (int i = 0; i < PQntuples(result) && a->code == 0; i++) {
        size_t size = 0;
        unsigned char *reply =
            PQgetisnull(result, i, 4)
                ? NULL
                : PQunescapeBytea((unsigned char *)PQgetvalue(result, i, 4), &size);
        struct queue_attempt attempt = {.at_ms = pg_number(result, i, 0),
                                        .ms = pg_number(result, i, 1),
                                        .status = (int)pg_number(result, i, 2),
                                        .error = PQgetvalue(result, i, 3),
                                        .reply = reply,
                                        .reply_size = size};
        a->code = a->each(a->context, &attempt);
        PQfreemem(reply);
    }
}

int pg_store_attempts(struct store *store, const struct delivery *delivery,
                      int (*each)(void *context, const struct queue_attempt *attempt),
                      void *context)
{
    struct pg_store *s = (struct pg_store *)store;
    struct attempts attempts = {each, context, 0};
    struct values params = {0};
    values_number(&params, PARAM_INT8, delivery->stored->row);
    pg_begin(&s->pg);
    int code = values_send(&params, &s->pg,
                           "SELECT at, ms, status, error, reply FROM attempt WHERE delivery = $1 "
                           "ORDER BY at",
                           false);
    if (code == 0)
        code = pg_end(&s->pg, PG_ANSWER_MS, read_attempts, &attempts);
    return code == 0 ? attempts.code : code;
}

struct origins {
    int (*each)(void *context, const struct queue_origin *origin);
    void *context;
    int code;
};

static void read_origins(void *context, int number, PGresult *result)
{
    struct origins *o = context;
    int64_t now = clock_unix_ms();
    (void)number;
    for (int i = 0; i < PQntuples(result) && o->code == 0; i++) {
        char name[ORIGIN_SIZE];
        origin_of(PQgetvalue(result, i, 2), name);
        struct queue_origin origin = {
            .name = name,
            .waiting = pg_number(result, i, 0),
            .next_due_ms = now + pg_number(result, i, 1),
            .held_until_ms = PQgetisnull(result, i, 3) ? 0 : now + pg_number(result, i, 3),
            .failures = (unsigned)pg_number(result, i, 4),
            .held_lanes = pg_number(result, i, 5),
            .oldest_ms = now + pg_number(result, i, 6),
        };
        o->code = o->each(o->context, &origin);
    }
}

#define DUE_IN   FROM_NOW("w.due")
#define HELD_FOR FROM_NOW("h.until")
#define SINCE    FROM_NOW("created")

int pg_store_origins(struct store *store,
                     int (*each)(void *context, const struct queue_origin *origin), void *context)
{
    struct pg_store *s = (struct pg_store *)store;
    struct origins origins = {each, context, 0};
    pg_begin(&s->pg);
    pg_add(&s->pg,
           "SELECT w.count, " DUE_IN ", coalesce(h.name, (SELECT coalesce(via, url) FROM delivery "
           "WHERE row = w.row), ''), " HELD_FOR ", coalesce(h.failures, 0), "
           "(SELECT count(*) FROM held l WHERE l.origin = w.origin AND l.lane <> 0), "
           "(SELECT " SINCE " FROM delivery WHERE row = w.first) "
           "FROM (SELECT origin, count(*), min(due) AS due, max(row) AS row, min(row) AS first "
           "FROM delivery "
           "WHERE due IS NOT NULL GROUP BY origin) w "
           "LEFT JOIN held h ON h.origin = w.origin AND h.lane = 0 ORDER BY w.count DESC",
           0, NULL, NULL, NULL, false);
    int code = pg_end(&s->pg, PG_ANSWER_MS, read_origins, &origins);
    return code == 0 ? origins.code : code;
}

static void read_totals(void *context, int number, PGresult *result)
{
    struct queue_totals *totals = context;
    (void)number;
    totals->failed = pg_number(result, 0, 0);
    totals->bytes = (uint64_t)pg_number(result, 0, 1);
}

int pg_store_totals(struct store *store, struct queue_totals *totals)
{
    struct pg_store *s = (struct pg_store *)store;
    pg_begin(&s->pg);
    pg_add(&s->pg,
           "SELECT (SELECT count(*) FROM delivery WHERE due IS NULL), (SELECT "
           "sum(pg_total_relation_size(t)) FROM unnest(ARRAY['delivery', 'payload', 'tail', "
           "'chunk', 'attempt']::regclass[]) t)::int8",
           0, NULL, NULL, NULL, false);
    return pg_end(&s->pg, PG_ANSWER_MS, read_totals, totals);
}

/* ---- Changes ---- */

static int retry_one(struct pg_store *s, const char *id)
{
    struct values params = {0};
    int count = 0;
    values_text(&params, id);
    pg_begin(&s->pg);
    int code = values_send(&params, &s->pg,
                           "UPDATE delivery SET due = " NOW_MS ", attempts = 0, last_status = 0, "
                           "last_error = NULL WHERE id = $1",
                           false);
    if (code == 0)
        code = pg_end(&s->pg, PG_ANSWER_MS, pg_count, &count);
    if (code == 0 && count > 0)
        store_tell_changed(&s->store, id);
    return code == 0 && count == 0 ? -ENOENT : code;
}

static int drop_found(struct pg_store *s, struct values *params, const char *where, int *count,
                      int64_t *last)
{
    struct delivery *stubs = NULL;
    int code = stubs_find(s, params, where, &stubs, count);
    if (code == 0 && *count > 0)
        code = group_send(s, NULL, stubs);
    for (const struct delivery *d = stubs; d && code == 0; d = d->next) {
        *last = d->stored->row;
        store_tell_changed(&s->store, d->id);
    }
    stubs_free(stubs);
    return code;
}

int pg_store_change(struct store *store, enum store_change what, const char *id)
{
    struct pg_store *s = (struct pg_store *)store;
    struct values params = {0};
    int count = 0;
    int64_t last;
    if (what == CHANGE_RETRY)
        return retry_one(s, id);
    values_text(&params, id);
    int code = drop_found(s, &params, "WHERE d.id = $1", &count, &last);
    return code == 0 && count == 0 ? -ENOENT : code;
}

struct retried {
    const struct pg_store *store;
    int count;
    int64_t last;
};

static void read_retried(void *context, int number, PGresult *result)
{
    struct retried *retried = context;
    (void)number;
    retried->count = PQntuples(result);
    for (int i = 0; i < retried->count; i++) {
        if (pg_number(result, i, 0) > retried->last)
            retried->last = pg_number(result, i, 0);
        store_tell_changed(&retried->store->store, PQgetvalue(result, i, 1));
    }
}

static int retry_page(struct pg_store *s, struct values *params, int *count, int64_t *last)
{
    struct retried retried = {s, 0, *last};
    pg_begin(&s->pg);
    int code = values_send(params, &s->pg,
                           "UPDATE delivery SET due = " NOW_MS ", attempts = 0, last_status = 0, "
                           "last_error = NULL WHERE row IN "
                           "(SELECT row FROM delivery d WHERE " FILTER " AND d.row > " AFTER
                           " ORDER BY d.row LIMIT " SIZE " FOR UPDATE) RETURNING row, id",
                           false);
    if (code == 0)
        code = pg_end(&s->pg, PG_ANSWER_MS, read_retried, &retried);
    *count = retried.count;
    *last = retried.last;
    return code;
}

int64_t pg_store_change_all(struct store *store, enum store_change what,
                            const struct queue_filter *filter)
{
    struct pg_store *s = (struct pg_store *)store;
    int64_t done = 0, last = 0;
    int count = PAGE;
    while (count == PAGE) {
        struct values params = {0};
        add_filter(&params, filter);
        values_number(&params, PARAM_INT8, last);
        values_number(&params, PARAM_INT4, PAGE);
        int code = what == CHANGE_RETRY ? retry_page(s, &params, &count, &last)
                                        : drop_found(s, &params,
                                                     "WHERE " FILTER " AND d.row > " AFTER
                                                     " ORDER BY d.row LIMIT " SIZE,
                                                     &count, &last);
        if (code != 0)
            return code;
        done += count;
    }
    return done;
}

/* ---- Edits ---- */

/* After a filter's parameters. */
#define EDIT                                                                                       \
    "UPDATE delivery SET url = coalesce($14, url), origin = CASE WHEN $14 IS NULL THEN origin "    \
    "ELSE $15 END, lane = CASE WHEN $14 IS NULL THEN lane ELSE $16 END, "                          \
    "secret = CASE WHEN $17 = 1 THEN $18 ELSE secret END "                                         \
    "WHERE via IS NULL AND url LIKE 'http%://%' AND row IN (SELECT row FROM delivery d "           \
    "WHERE " FILTER " AND d.row > " AFTER

/* Of the CTEs f, found, and e, edited: a row at least. */
#define EDITED                                                                                     \
    "SELECT f.count, f.last, e.id FROM (SELECT count(*), coalesce(max(row), 0) AS last FROM f) f " \
    "LEFT JOIN e ON true"

struct edited {
    const struct pg_store *store;
    int64_t rows[2]; /* how many were found, and the last one; of what was changed */
    int64_t done;
};

static void read_found(void *context, int number, PGresult *result)
{
    struct edited *edited = context;
    (void)number;
    edited->rows[0] = PQntuples(result) ? pg_number(result, 0, 0) : 0;
    edited->rows[1] = PQntuples(result) ? pg_number(result, 0, 1) : 0;
    for (int i = 0; i < PQntuples(result); i++) {
        if (PQgetisnull(result, i, 2))
            continue;
        edited->done++;
        store_tell_changed(&edited->store->store, PQgetvalue(result, i, 2));
    }
}

static int edit_page(struct pg_store *s, const struct store_edit *edit, const char *id,
                     const struct queue_filter *filter, struct edited *edited)
{
    struct values params = {0};
    add_filter(&params, filter);
    values_number(&params, PARAM_INT8, edited->rows[1]);
    values_number(&params, PARAM_INT4, PAGE);
    values_text(&params, edit->url);
    values_number(&params, PARAM_INT8, (int64_t)edit->origin);
    values_number(&params, PARAM_INT8, (int64_t)edit->lane);
    values_number(&params, PARAM_INT4, edit->secret || edit->unsign);
    values_text(&params, edit->secret);
    if (id)
        values_text(&params, id);
    pg_begin(&s->pg);
    int code = values_send(
        &params, &s->pg,
        id ? "WITH f AS (SELECT row FROM delivery d WHERE d.id = $19), e AS (" EDIT
             " AND d.id = $19 ORDER BY d.row LIMIT " SIZE " FOR UPDATE) RETURNING id) " EDITED
           : "WITH f AS (SELECT row FROM delivery d WHERE " FILTER " AND d.row > " AFTER
             " ORDER BY d.row LIMIT " SIZE "), e AS (" EDIT " ORDER BY d.row LIMIT " SIZE
             " FOR UPDATE) RETURNING id) " EDITED,
        false);
    return code == 0 ? pg_end(&s->pg, PG_ANSWER_MS, read_found, edited) : code;
}

int64_t pg_store_edit(struct store *store, const struct store_edit *edit, const char *id,
                      const struct queue_filter *filter)
{
    struct pg_store *s = (struct pg_store *)store;
    struct queue_filter all = {0};
    struct edited edited = {.store = s, .rows = {PAGE, 0}};
    int code = 0;
    while (code == 0 && edited.rows[0] == PAGE)
        code = edit_page(s, edit, id, id ? &all : filter, &edited);
    if (code == 0 && id && edited.rows[0] == 0)
        return -ENOENT;
    return code == 0 ? edited.done : code;
}
