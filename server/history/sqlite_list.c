/* Finding messages, newest first: segment by segment, by their terms first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "filter.h"
#include "join.h"
#include "sqlite.h"

#define TIME_LIMIT_MS 3000
#define LIMIT_MAX     1000

struct candidate {
    struct message_terms terms;
    int64_t row;
};

struct search {
    struct history_store *store;
    struct filter_terms filter;
    struct segment_reader reader;
    int64_t before, deadline_ms;
    unsigned left;
    bool in_subjects[SEGMENT_MESSAGES];
    struct candidate candidates[SEGMENT_MESSAGES];
    size_t candidate_count;
    int (*each)(void *context, const struct history_message *message);
    void *context;
};

/* ---- A message ---- */

struct later { /* of a delivery: what is kept beside its segment */
    struct arena *arena;
    struct history_delivery *delivery;
};

static const char *keep(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

static int apply(void *context, const struct history_attempt *a, int64_t body)
{
    struct later *later = context;
    struct history_delivery *d = later->delivery;
    d->attempts = a->number;
    d->error = keep(later->arena, a->error);
    d->ended_ms = history_ended_ms(a);
    if (body) {
        d->body = body;
        d->target = keep(later->arena, a->target);
    }
    return 0;
}

static int read_message(struct history_store *store, const struct segment_reader *r,
                        const struct message_terms *terms, struct history_message *m)
{
    int code = segment_read(&r->terms, terms, &r->records, m);
    for (size_t i = 0; i < m->delivery_count && code == 0; i++) {
        struct later later = {m->arena, &m->deliveries[i]};
        if (m->deliveries[i].later)
            code = history_sqlite_each_late(store, m->row, m->deliveries[i].number, apply, &later);
    }
    return code;
}

static int give(struct search *s, const struct candidate *c)
{
    struct history_message m = {.arena = arena_new(), .row = c->row};
    if (!m.arena)
        return -ENOMEM;
    int code = read_message(s->store, &s->reader, &c->terms, &m);
    if (code == 0 && filter_matches(&s->filter, &m)) {
        code = s->each(s->context, &m);
        s->left--;
    }
    arena_free(m.arena);
    return code;
}

/* ---- A segment ---- */

/* Those whose terms match. */
static int find_candidates(struct search *s, int64_t row)
{
    struct message_terms terms;
    size_t at = 0;
    int code = 0;
    s->candidate_count = 0;
    for (unsigned i = 0; row + i < s->before; i++) {
        code = terms_next(&s->reader.terms, &at, &terms);
        if (code != 0)
            break;
        if (i >= SEGMENT_MESSAGES)
            return -EBADMSG;
        if ((!s->filter.subject || s->in_subjects[i]) &&
            filter_may_match(&s->filter, &s->reader.terms, &terms))
            s->candidates[s->candidate_count++] = (struct candidate){terms, row + i};
    }
    return code == -ENOENT ? 0 : code;
}

static int search_segment(struct search *s, int64_t row)
{
    int code = 0;
    if (s->filter.subject) {
        code = segment_read_subjects(s->store, &s->reader, row);
        if (code == -ENOENT)
            return 0;
        if (code != 0 ||
            filter_subjects(&s->filter, &s->reader.subjects, s->in_subjects, SEGMENT_MESSAGES) == 0)
            return code;
    }
    code = segment_read_terms(s->store, &s->reader, row);
    if (code == 0)
        code = find_candidates(s, row);
    if (code == 0 && s->candidate_count > 0)
        code = segment_read_records(s->store, &s->reader, row);
    for (size_t i = s->candidate_count; i-- > 0 && code == 0 && s->left > 0;)
        code = give(s, &s->candidates[i]);
    return code == -ENOENT ? -EBADMSG : code;
}

/* ---- All of them ---- */

/* The segments that may have some, by what is known of each. */
static sqlite3_stmt *prepare(struct search *s)
{
    static const char sql[] =
        "SELECT row FROM segments WHERE row < ?1 AND last_ms >= ?2 AND first_ms < ?3"
        " AND last_id >= ?4 AND first_id < ?5 ORDER BY row DESC";
    const struct history_filter *f = s->filter.filter;
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(s->store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK) {
        history_sqlite_failed(s->store, rc);
        return NULL;
    }
    sqlite3_bind_int64(statement, 1, s->before);
    sqlite3_bind_int64(statement, 2, f->since_ms);
    sqlite3_bind_int64(statement, 3, f->until_ms ? f->until_ms : INT64_MAX);
    sqlite3_bind_text(statement, 4, f->id ? f->id : "", -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 5, f->id ? s->filter.id_end : "\x7f", -1, SQLITE_STATIC);
    return statement;
}

static int search_all(struct search *s)
{
    sqlite3_stmt *statement = prepare(s);
    int rc = SQLITE_DONE, code = 0;
    if (!statement)
        return -EIO;
    while (code == 0 && s->left > 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        code = search_segment(s, sqlite3_column_int64(statement, 0));
        if (code == 0 && s->left > 0 && clock_monotonic_ms() > s->deadline_ms) {
            snprintf(s->store->error, sizeof s->store->error,
                     "the search took too long; more of a filter would help");
            code = -ETIME;
        }
    }
    if (code == -EBADMSG)
        snprintf(s->store->error, sizeof s->store->error, "a part of the history is damaged");
    if (code == 0 && rc != SQLITE_ROW && rc != SQLITE_DONE)
        code = history_sqlite_failed(s->store, rc);
    sqlite3_finalize(statement);
    return code;
}

int history_sqlite_list(struct history_store *store, const struct history_filter *filter,
                        int (*each)(void *context, const struct history_message *message),
                        void *context)
{
    struct search *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->store = store;
    s->each = each;
    s->context = context;
    s->before = filter->before > 0 ? filter->before : INT64_MAX;
    s->left = filter->limit > 0 ? filter->limit : LIMIT_MAX;
    s->deadline_ms = clock_monotonic_ms() + TIME_LIMIT_MS;
    int code = filter_begin(&s->filter, filter);
    if (code == 0)
        code = search_all(s);
    segment_close(&s->reader);
    filter_free(&s->filter);
    free(s);
    return code;
}

/* ---- The attempts of a delivery ---- */

struct giving {
    const struct history_message *message;
    unsigned delivery;
    int (*each)(void *context, const struct history_attempt *attempt);
    void *context;
};

static int give_attempt(void *context, const struct history_attempt *attempt, int64_t body)
{
    const struct giving *giving = context;
    struct history_attempt a = *attempt;
    (void)body;
    id_child(a.id, giving->message->id, giving->delivery);
    return giving->each(giving->context, &a);
}

/* Those that are in its record. */
static int give_made(const struct history_message *m, struct giving *giving)
{
    int code = 0;
    for (size_t i = 0; i < m->delivery_count; i++)
        if (m->deliveries[i].number == giving->delivery)
            for (const struct history_attempt *a = m->deliveries[i].made; a && code == 0;
                 a = a->later)
                code = give_attempt(giving, a, 0);
    return code;
}

/* Reads the message of a row, and has its attempts given. */
static int give_recorded(struct history_store *store, struct segment_reader *r, int64_t segment,
                         struct giving *giving)
{
    struct message_terms terms;
    size_t at = 0;
    int code = segment_read_terms(store, r, segment);
    for (int64_t row = segment; code == 0 && row <= giving->message->row; row++)
        code = terms_next(&r->terms, &at, &terms);
    if (code == 0)
        code = segment_read_records(store, r, segment);
    struct history_message m = {.arena = code == 0 ? arena_new() : NULL};
    if (code == 0 && !m.arena)
        code = -ENOMEM;
    if (code == 0)
        code = segment_read(&r->terms, &terms, &r->records, &m);
    if (code == 0)
        code = give_made(&m, giving);
    arena_free(m.arena);
    return code;
}

int history_sqlite_attempts(struct history_store *store, const struct history_message *message,
                            unsigned delivery,
                            int (*each)(void *context, const struct history_attempt *attempt),
                            void *context)
{
    struct giving giving = {message, delivery, each, context};
    struct segment_reader reader = {0};
    sqlite3_stmt *s = history_statement(store, SEGMENT_OF_ROW);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, message->row);
    int rc = sqlite3_step(s);
    int64_t segment = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? 0 : history_sqlite_failed(store, rc); /* it has been removed */
    int code = give_recorded(store, &reader, segment, &giving);
    segment_close(&reader);
    if (code == 0)
        code = history_sqlite_each_late(store, message->row, delivery, give_attempt, &giving);
    return code;
}

int history_sqlite_body(struct history_store *store, int64_t body, struct spill **out)
{
    sqlite3_stmt *s = history_statement(store, READ_BODY);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, body);
    int rc = sqlite3_step(s), code = -ENOENT;
    if (rc == SQLITE_ROW) {
        *out = spill_from_bytes(sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
        code = *out ? 0 : -ENOMEM;
    } else if (rc != SQLITE_DONE) {
        code = history_sqlite_failed(store, rc);
    }
    sqlite3_reset(s);
    return code;
}
