/*
 * Finding messages, newest first.
 *
 * With a million rows a page must take moments whatever the filter. So one filter leads: the one whose index gives
 * few rows, in the order of their messages; the others are looked up for each row that it gives. A query that
 * takes too long all the same is ended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../spool/origin.h"
#include "sqlite.h"

#define TIME_LIMIT_MS 3000
#define PROGRESS_OPS  10000 /* of SQLite's machine, between two looks at the clock */
#define PROBE_ROWS    50000 /* a domain with more addresses than that is walked by time */
#define ROW_SLACK     10000 /* rows are in the order of the replies, times are of the data's end */
#define PARAMETERS    16
#define LIMIT_MAX     1000

struct query {
    struct history_store *store;
    const struct history_filter *filter;
    char from[256], where[2048];
    const char *order; /* the column that is the message's row */
    struct {
        char *text; /* NULL: the number */
        int64_t number;
    } parameters[PARAMETERS];
    int count;
    const char *sender;             /* the column */
    bool by_recipient, by_delivery; /* which filter leads, or none of them */
    bool nothing;                   /* no row can match */
    int code;
};

static int add_number(struct query *q, int64_t number)
{
    q->parameters[q->count].number = number;
    return ++q->count;
}

static int add_text(struct query *q, char *text)
{
    if (!text)
        q->code = -ENOMEM;
    q->parameters[q->count].text = text;
    return ++q->count;
}

static void add(struct query *q, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct query *q, const char *format, ...)
{
    size_t used = strlen(q->where);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(q->where + used, sizeof q->where - used, format, arguments);
    va_end(arguments);
}

/* ---- Addresses ---- */

static bool is_domain(const char *address)
{
    return address[0] == '@';
}

/* "@example.com": every key from "example.com " on, below "example.com!". */
static char *domain_bound(const char *domain, char end)
{
    char *key = NULL;
    if (asprintf(&key, "%s%c", domain + 1, end) < 0)
        return NULL;
    for (char *p = key; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return key;
}

static void add_address(struct query *q, const char *column, const char *address)
{
    if (!is_domain(address)) {
        int key = add_text(q, history_address_key(address));
        add(q, "%s = ?%d", column, key);
        return;
    }
    int first = add_text(q, domain_bound(address, ' '));
    int end = add_text(q, domain_bound(address, '!'));
    add(q, "%s >= ?%d AND %s < ?%d", column, first, column, end);
}

/* Are the rows of a domain few enough to be sorted? */
static bool are_few(struct query *q, const char *table, const char *column, const char *address)
{
    char sql[256];
    sqlite3_stmt *s = NULL;
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s >= ?1 AND %s < ?2 LIMIT %d)", table,
             column, column, PROBE_ROWS);
    bool few = false;
    if (sqlite3_prepare_v2(q->store->db, sql, -1, &s, NULL) == SQLITE_OK) {
        sqlite3_bind_text(s, 1, domain_bound(address, ' '), -1, free);
        sqlite3_bind_text(s, 2, domain_bound(address, '!'), -1, free);
        few = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int(s, 0) < PROBE_ROWS;
    }
    sqlite3_finalize(s);
    return few;
}

/* ---- Words ---- */

static int word(const char *const words[], int count, const char *text)
{
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    return -1;
}

static const char *const results[] = {"accepted", "deferred", "rejected"};
static const char *const states[] = {"waiting", "delivered", "failed"};

/* ---- Which filter leads ---- */

static bool filters_deliveries(const struct history_filter *f)
{
    return f->destination || f->state || f->status;
}

static bool is_origin(const char *text)
{
    const char *slashes = strstr(text, "://");
    return slashes && !strchr(slashes + 3, '/');
}

static int64_t destination_row(struct query *q, const char *name)
{
    sqlite3_stmt *s = history_statement(q->store, FIND_DESTINATION);
    int64_t row = 0;
    if (!s)
        return 0;
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step(s) == SQLITE_ROW)
        row = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return row;
}

/* The conditions on a delivery d. */
static void add_delivery(struct query *q)
{
    const struct history_filter *f = q->filter;
    if (f->destination && is_origin(f->destination)) {
        char origin[ORIGIN_SIZE];
        origin_of(f->destination, origin);
        add(q, " AND d.origin = ?%d", add_number(q, (int64_t)origin_key(origin)));
    } else if (f->destination) {
        int64_t row = destination_row(q, f->destination);
        q->nothing |= row == 0;
        add(q, " AND d.destination = ?%d", add_number(q, row));
    }
    if (f->state) {
        int state = word(states, 3, f->state);
        q->code = state < 0 ? -EINVAL : q->code;
        /* In these words, so that SQLite sees that the index has them all. */
        add(q, "%s AND d.state = ?%d", state != 1 ? " AND d.state <> 1" : "", add_number(q, state));
    }
    if (f->status)
        add(q, "%s AND d.status = ?%d", f->status != 200 ? " AND d.status NOT IN (0, 200)" : "",
            add_number(q, f->status));
}

/* An index has few of those: not of what most deliveries are. */
static bool delivery_leads(const struct history_filter *f)
{
    return f->destination || (f->state && strcmp(f->state, "delivered") != 0) ||
           (f->status && f->status != 200);
}

static void choose(struct query *q)
{
    const struct history_filter *f = q->filter;
    const char *from = "messages m";
    q->order = "m.row";
    q->sender = "m.sender";
    if (f->id) {
        from = "messages m INDEXED BY sqlite_autoindex_messages_1"; /* that of ids */
    } else if (f->subject) {
        from = "subjects s CROSS JOIN messages m ON m.row = s.rowid";
        q->order = "s.rowid";
    } else if (f->recipient &&
               (!is_domain(f->recipient) || are_few(q, "recipients", "address", f->recipient))) {
        from = "recipients r CROSS JOIN messages m ON m.row = r.message";
        q->order = "r.message";
        q->by_recipient = true;
    } else if (f->sender &&
               (!is_domain(f->sender) || are_few(q, "messages", "sender", f->sender))) {
        /* Only the numbers are sorted, which are in the index. */
        from = "messages s INDEXED BY messages_sender CROSS JOIN messages m ON m.row = s.row";
        q->order = "s.row";
        q->sender = "s.sender";
    } else if (delivery_leads(f)) {
        from = "deliveries d CROSS JOIN messages m ON m.row = d.message";
        q->order = "d.message";
        q->by_delivery = true;
    } else if (!f->result || strcmp(f->result, "accepted") == 0) {
        from = "messages m NOT INDEXED";
    }
    snprintf(q->from, sizeof q->from, "%s", from);
}

/* ---- The conditions ---- */

static char *prefix_end(const char *id)
{
    char *end = NULL;
    return asprintf(&end, "%s~", id) < 0 ? NULL : end;
}

/* As one phrase, in which nothing has a meaning of its own. */
static char *phrase(const char *text)
{
    char *quoted = malloc(2 * strlen(text) + 3), *to = quoted;
    if (!quoted)
        return NULL;
    *to++ = '"';
    for (; *text; text++) {
        if (*text == '"')
            *to++ = '"';
        *to++ = *text;
    }
    *to++ = '"';
    *to = 0;
    return quoted;
}

static void add_others(struct query *q)
{
    const struct history_filter *f = q->filter;
    if (f->recipient) {
        add(q, q->by_recipient
                   ? " AND "
                   : " AND EXISTS(SELECT 1 FROM recipients r WHERE r.message = m.row AND ");
        add_address(q, "r.address", f->recipient);
        add(q, q->by_recipient ? "%s" : "%s)", "");
    }
    if (filters_deliveries(f)) {
        if (!q->by_delivery)
            add(q, " AND EXISTS(SELECT 1 FROM deliveries d WHERE d.message = m.row");
        add_delivery(q);
        if (!q->by_delivery)
            add(q, ")");
    }
    if (f->sender) {
        add(q, " AND ");
        add_address(q, q->sender, f->sender);
    }
    if (f->result) {
        int result = word(results, 3, f->result);
        q->code = result < 0 ? -EINVAL : q->code;
        add(q, "%s AND m.result = ?%d", result > 0 ? " AND m.result > 0" : "",
            add_number(q, result));
    }
}

/* The first row of a time, give or take; 0: there is none. */
static int64_t row_at(struct query *q, int64_t at_ms)
{
    sqlite3_stmt *s = NULL;
    int64_t row = 0;
    if (sqlite3_prepare_v2(q->store->db,
                           "SELECT row FROM messages WHERE at_ms >= ?1 ORDER BY at_ms LIMIT 1", -1,
                           &s, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(s, 1, at_ms);
        if (sqlite3_step(s) == SQLITE_ROW)
            row = sqlite3_column_int64(s, 0);
    }
    sqlite3_finalize(s);
    return row;
}

static void add_times(struct query *q)
{
    const struct history_filter *f = q->filter;
    int64_t before = f->before > 0 ? f->before : INT64_MAX;
    if (f->since_ms) {
        int64_t row = row_at(q, f->since_ms);
        q->nothing |= row == 0;
        add(q, " AND m.at_ms >= ?%d", add_number(q, f->since_ms));
        add(q, " AND %s > ?%d", q->order, add_number(q, row - ROW_SLACK));
    }
    if (f->until_ms) {
        int64_t row = row_at(q, f->until_ms);
        if (row > 0 && row < INT64_MAX - ROW_SLACK && row + ROW_SLACK < before)
            before = row + ROW_SLACK;
        add(q, " AND m.at_ms < ?%d", add_number(q, f->until_ms));
    }
    add(q, " AND %s < ?%d", q->order, add_number(q, before));
}

static void build(struct query *q)
{
    const struct history_filter *f = q->filter;
    choose(q);
    add(q, "1");
    if (f->subject && !f->id)
        add(q, " AND subjects MATCH ?%d", add_text(q, phrase(f->subject)));
    else if (f->subject)
        add(q, " AND instr(lower(m.subject), lower(?%d)) > 0", add_text(q, strdup(f->subject)));
    if (f->id) {
        int first = add_text(q, strdup(f->id)), end = add_text(q, prefix_end(f->id));
        add(q, " AND m.id >= ?%d AND m.id < ?%d", first, end);
    }
    add_others(q);
    add_times(q);
}

/* ---- Rows ---- */

static const char *text_of(sqlite3_stmt *s, int column)
{
    return (const char *)sqlite3_column_text(s, column);
}

/* From its key; in `arena`. */
static const char *address_of(struct arena *arena, const char *key)
{
    const char *space = key ? strchr(key, ' ') : NULL;
    if (!space)
        return "";
    size_t local = strlen(space + 1), domain = (size_t)(space - key);
    char *text = arena_alloc(arena, local + domain + 2);
    if (!text)
        return "";
    memcpy(text, space + 1, local);
    if (domain > 0) {
        text[local++] = '@';
        memcpy(text + local, key, domain);
    }
    text[local + domain] = 0;
    return text;
}

static const char *keep(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

#define GROWS_BY 8

/* Room for one more; NULL: no memory. */
static void *grow(struct arena *arena, void *items, size_t count, size_t size)
{
    if (count % GROWS_BY != 0)
        return items;
    char *more = arena_alloc(arena, (count + GROWS_BY) * size);
    if (more && count > 0)
        memcpy(more, items, count * size);
    return more;
}

static int read_recipients(struct history_store *store, struct history_message *m)
{
    sqlite3_stmt *s = history_statement(store, READ_RECIPIENTS);
    int rc;
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, m->row);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        m->recipients = grow(m->arena, m->recipients, m->recipient_count, sizeof *m->recipients);
        if (!m->recipients)
            break;
        m->recipients[m->recipient_count++] =
            (struct history_recipient){.address = address_of(m->arena, text_of(s, 0)),
                                       .verdict = keep(m->arena, text_of(s, 1)),
                                       .rule = keep(m->arena, text_of(s, 2)),
                                       .asked = keep(m->arena, text_of(s, 3))};
    }
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? 0 : rc == SQLITE_ROW ? -ENOMEM : history_sqlite_failed(store, rc);
}

static int read_deliveries(struct history_store *store, struct history_message *m)
{
    sqlite3_stmt *s = history_statement(store, READ_DELIVERIES);
    int rc;
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, m->row);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        m->deliveries = grow(m->arena, m->deliveries, m->delivery_count, sizeof *m->deliveries);
        if (!m->deliveries)
            break;
        m->deliveries[m->delivery_count++] =
            (struct history_delivery){.number = (unsigned)sqlite3_column_int(s, 0),
                                      .recipient = keep(m->arena, text_of(s, 1)),
                                      .destination = keep(m->arena, text_of(s, 2)),
                                      .origin = keep(m->arena, text_of(s, 3)),
                                      .state = (enum history_state)sqlite3_column_int(s, 4),
                                      .status = sqlite3_column_int(s, 5),
                                      .attempts = (unsigned)sqlite3_column_int(s, 6),
                                      .error = keep(m->arena, text_of(s, 7)),
                                      .ended_ms = sqlite3_column_int64(s, 8),
                                      .target = keep(m->arena, text_of(s, 9)),
                                      .body = sqlite3_column_int64(s, 10)};
    }
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? 0 : rc == SQLITE_ROW ? -ENOMEM : history_sqlite_failed(store, rc);
}

#define MESSAGE_COLUMNS                                                                            \
    "m.row, m.id, m.at_ms, m.ms, m.result, m.reply, m.sender, m.subject, m.message_id, "           \
    "m.client_ip,"                                                                                 \
    " m.client_name, m.helo, m.user, m.tls, m.lmtp, m.size, m.spf, m.dkim, m.dmarc, m.body"

static void read_message(sqlite3_stmt *s, struct history_message *m)
{
    m->row = sqlite3_column_int64(s, 0);
    snprintf(m->id, sizeof m->id, "%s", text_of(s, 1));
    m->at_ms = sqlite3_column_int64(s, 2);
    m->ms = sqlite3_column_int64(s, 3);
    m->result = (enum history_result)sqlite3_column_int(s, 4);
    m->reply = text_of(s, 5);
    m->sender = address_of(m->arena, text_of(s, 6));
    m->subject = text_of(s, 7);
    m->message_id = text_of(s, 8);
    m->client_ip = text_of(s, 9);
    m->client_name = text_of(s, 10);
    m->helo = text_of(s, 11);
    m->user = text_of(s, 12);
    m->tls = sqlite3_column_int(s, 13) != 0;
    m->lmtp = sqlite3_column_int(s, 14) != 0;
    m->size = (uint64_t)sqlite3_column_int64(s, 15);
    m->spf = text_of(s, 16);
    m->dkim = text_of(s, 17);
    m->dmarc = text_of(s, 18);
    m->body = sqlite3_column_int64(s, 19);
}

static int give(struct history_store *store, sqlite3_stmt *s,
                int (*each)(void *context, const struct history_message *message), void *context)
{
    struct history_message m = {.arena = arena_new()};
    if (!m.arena)
        return -ENOMEM;
    read_message(s, &m);
    int code = read_recipients(store, &m);
    if (code == 0)
        code = read_deliveries(store, &m);
    if (code == 0)
        code = each(context, &m);
    arena_free(m.arena);
    return code;
}

/* ---- Running it ---- */

static int is_over(void *deadline)
{
    return clock_monotonic_ms() > *(const int64_t *)deadline;
}

static sqlite3_stmt *prepare(struct query *q)
{
    sqlite3_stmt *s = NULL;
    char *sql = sqlite3_mprintf("SELECT " MESSAGE_COLUMNS " FROM %s WHERE %s ORDER BY %s DESC",
                                q->from, q->where, q->order);
    int rc = sql ? sqlite3_prepare_v2(q->store->db, sql, -1, &s, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    if (rc != SQLITE_OK) {
        q->code = history_sqlite_failed(q->store, rc);
        return NULL;
    }
    for (int i = 0; i < q->count; i++) {
        if (q->parameters[i].text)
            sqlite3_bind_text(s, i + 1, q->parameters[i].text, -1, SQLITE_STATIC);
        else
            sqlite3_bind_int64(s, i + 1, q->parameters[i].number);
    }
    return s;
}

static int step_all(struct query *q, sqlite3_stmt *s,
                    int (*each)(void *context, const struct history_message *message),
                    void *context)
{
    unsigned limit = q->filter->limit > 0 ? q->filter->limit : LIMIT_MAX;
    int64_t last = 0;
    int rc, code = 0;
    while (limit > 0 && code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (sqlite3_column_int64(s, 0) == last) /* it matches by two of its recipients */
            continue;
        last = sqlite3_column_int64(s, 0);
        code = give(q->store, s, each, context);
        limit--;
    }
    if (code != 0 || limit == 0 || rc == SQLITE_DONE)
        return code;
    if (rc == SQLITE_INTERRUPT) {
        snprintf(q->store->error, sizeof q->store->error,
                 "the search took too long; more of a filter would help");
        return -ETIME;
    }
    return history_sqlite_failed(q->store, rc);
}

int history_sqlite_list(struct history_store *store, const struct history_filter *filter,
                        int (*each)(void *context, const struct history_message *message),
                        void *context)
{
    struct query q = {.store = store, .filter = filter};
    int64_t deadline = clock_monotonic_ms() + TIME_LIMIT_MS;
    sqlite3_progress_handler(store->db, PROGRESS_OPS, is_over, &deadline);
    build(&q);
    sqlite3_stmt *s = q.code == 0 && !q.nothing ? prepare(&q) : NULL;
    if (s)
        q.code = step_all(&q, s, each, context);
    sqlite3_finalize(s);
    sqlite3_progress_handler(store->db, 0, NULL, NULL);
    for (int i = 0; i < q.count; i++)
        free(q.parameters[i].text);
    return q.code;
}

int history_sqlite_attempts(struct history_store *store, const struct history_message *message,
                            unsigned delivery,
                            int (*each)(void *context, const struct history_attempt *attempt),
                            void *context)
{
    sqlite3_stmt *s = history_statement(store, READ_ATTEMPTS);
    int rc, code = 0;
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, message->row);
    sqlite3_bind_int64(s, 2, delivery);
    while (code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct history_attempt a = {.number = (unsigned)sqlite3_column_int(s, 0),
                                    .at_ms = sqlite3_column_int64(s, 1),
                                    .ms = sqlite3_column_int64(s, 2),
                                    .status = sqlite3_column_int(s, 3),
                                    .error = text_of(s, 4),
                                    .reply = text_of(s, 5)};
        id_child(a.id, message->id, delivery);
        code = each(context, &a);
    }
    sqlite3_reset(s);
    return code != 0 || rc == SQLITE_DONE ? code : history_sqlite_failed(store, rc);
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
