#include "sqlite_query.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../spool/origin.h"

#define PROBE_ROWS 50000 /* a domain with more addresses than that is walked by time */
#define ROW_SLACK  10000 /* rows are in the order of the replies, times are of the data's end */

static int add_number(struct history_query *q, int64_t number)
{
    q->parameters[q->count].number = number;
    return ++q->count;
}

static int add_text(struct history_query *q, char *text)
{
    if (!text)
        q->code = -ENOMEM;
    q->parameters[q->count].text = text;
    return ++q->count;
}

static void add(struct history_query *q, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct history_query *q, const char *format, ...)
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

static void add_address(struct history_query *q, const char *column, const char *address)
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
static bool are_few(struct history_query *q, const char *table, const char *column,
                    const char *address)
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

static int64_t destination_row(struct history_query *q, const char *name)
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
static void add_delivery(struct history_query *q)
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

static void choose(struct history_query *q)
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

/* Of a connection: all that begins so. Of a message: it, and what was refused in its transaction (ID.1), but not the
 * tenth of that connection. */
static char *prefix_end(const char *id)
{
    char *end = NULL;
    return asprintf(&end, "%s%s", id, strchr(id, '-') ? "/" : "~") < 0 ? NULL : end;
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

static void add_others(struct history_query *q)
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
static int64_t row_at(struct history_query *q, int64_t at_ms)
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

static void add_times(struct history_query *q)
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

void history_query_build(struct history_query *q)
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
