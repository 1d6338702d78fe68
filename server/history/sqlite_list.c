/* Finding messages, newest first: the query is run, and its rows are read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "sqlite_query.h"

#define TIME_LIMIT_MS 3000
#define PROGRESS_OPS  10000 /* of SQLite's machine, between two looks at the clock */
#define LIMIT_MAX     1000

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

static sqlite3_stmt *prepare(struct history_query *q)
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

static int step_all(struct history_query *q, sqlite3_stmt *s,
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
    struct history_query q = {.store = store, .filter = filter};
    int64_t deadline = clock_monotonic_ms() + TIME_LIMIT_MS;
    sqlite3_progress_handler(store->db, PROGRESS_OPS, is_over, &deadline);
    history_query_build(&q);
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

int history_sqlite_answers(struct history_store *store, uint64_t origin,
                           struct history_answers *answers)
{
    sqlite3_stmt *s = history_statement(store, READ_ANSWERS);
    int64_t sum_ms = 0, answered = 0;
    int rc;
    *answers = (struct history_answers){.mean_ms = -1};
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, (int64_t)origin);
    sqlite3_bind_int(s, 2, HISTORY_ANSWERS);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (sqlite3_column_int(s, 2) != 0) {
            sum_ms += sqlite3_column_int64(s, 1);
            answered++;
        }
        if (sqlite3_column_int64(s, 0) <= answers->at_ms)
            continue;
        answers->at_ms = sqlite3_column_int64(s, 0);
        answers->status = sqlite3_column_int(s, 2);
        snprintf(answers->error, sizeof answers->error, "%s", text_of(s, 3) ? text_of(s, 3) : "");
    }
    if (answered > 0)
        answers->mean_ms = sum_ms / answered;
    sqlite3_reset(s);
    if (rc != SQLITE_DONE)
        return history_sqlite_failed(store, rc);
    return answers->at_ms ? 0 : -ENOENT;
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
