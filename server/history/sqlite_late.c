/* Attempts at deliveries of messages that were written before: kept beside the segment, whose terms they change. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "join.h"
#include "sqlite.h"

struct late {
    struct history_store *store;
    struct map by_message; /* the first attempt of each, the others behind it by `later` */
    char first_id[ID_SIZE], last_id[ID_SIZE]; /* of their messages, the least and the greatest */
    struct segment_reader reader;
    size_t wanted;
};

static uint64_t key_of(uint32_t connection, uint32_t id)
{
    return (uint64_t)connection << 32 | id;
}

/* ---- Which are wanted ---- */

static int want(struct late *late, struct history_attempt *a)
{
    unsigned number;
    char id[ID_SIZE];
    struct map_key of = history_message_of(a, &number);
    snprintf(id, sizeof id, "%.*s", (int)of.size, (const char *)of.bytes);
    if (late->wanted == 0 || strcmp(id, late->first_id) < 0)
        memcpy(late->first_id, id, sizeof id);
    if (late->wanted == 0 || strcmp(id, late->last_id) > 0)
        memcpy(late->last_id, id, sizeof id);
    uint64_t key = key_of(term_of_connection(id), term_of_text(id, of.size));
    struct history_attempt *others = map_get(&late->by_message, key);
    a->later = NULL;
    if (!others) {
        late->wanted++;
        return map_put(&late->by_message, key, a);
    }
    while (others->later)
        others = others->later;
    others->later = a;
    return 0;
}

/* ---- Finding them ---- */

/* Has the terms say what has become of the delivery. */
static int change(struct late *late, const struct message_terms *m, const struct history_attempt *a)
{
    unsigned number;
    history_message_of(a, &number);
    for (uint32_t i = 0; i < m->delivery_count; i++) {
        uint32_t destination, origin;
        unsigned char bytes[4];
        struct delivery_term term;
        size_t at = terms_delivery(&late->reader.terms, m, i, &destination, &origin, &term);
        if (term.number != number)
            continue;
        term.state = a->state;
        term.status = a->status;
        term.later = true;
        delivery_term_write(&term, bytes);
        int rc = sqlite3_blob_write(late->reader.terms_blob, bytes, sizeof bytes, (int)at);
        return rc == SQLITE_OK ? 0 : history_sqlite_failed(late->store, rc);
    }
    return 0;
}

static int look_in(struct late *late, int64_t row)
{
    struct message_terms m;
    size_t at = 0;
    int code = segment_read_terms(late->store, &late->reader, row);
    for (; code == 0 && late->wanted > 0 && (code = terms_next(&late->reader.terms, &at, &m)) == 0;
         row++) {
        struct history_attempt *a = map_remove(&late->by_message, key_of(m.connection, m.id));
        late->wanted -= a != NULL;
        for (; a && code == 0; a = a->later) {
            a->row = row;
            code = change(late, &m, a);
        }
    }
    return code == -ENOENT ? 0 : code;
}

/* The newest first: most are of a moment ago. */
static int find(struct late *late)
{
    sqlite3_stmt *s = history_statement(late->store, SEGMENTS_OF_IDS);
    int rc = SQLITE_DONE, code = 0;
    if (!s)
        return -EIO;
    sqlite3_bind_text(s, 1, late->first_id, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, late->last_id, -1, SQLITE_STATIC);
    while (late->wanted > 0 && code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW)
        code = look_in(late, sqlite3_column_int64(s, 0));
    sqlite3_reset(s);
    if (code == 0 && rc != SQLITE_ROW && rc != SQLITE_DONE)
        return history_sqlite_failed(late->store, rc);
    return code;
}

/* ---- Keeping them ---- */

static int insert_attempt(struct history_store *store, const struct history_attempt *a)
{
    unsigned number;
    int64_t body = 0;
    history_message_of(a, &number);
    int code = history_sqlite_payload(store, a->row, a->payload, &body);
    sqlite3_stmt *s = code == 0 ? history_statement(store, INSERT_ATTEMPT) : NULL;
    if (!s)
        return code ? code : -EIO;
    sqlite3_bind_int64(s, 1, a->row);
    sqlite3_bind_int64(s, 2, number);
    sqlite3_bind_int64(s, 3, a->at_ms);
    sqlite3_bind_int64(s, 4, a->number);
    sqlite3_bind_int64(s, 5, a->ms);
    sqlite3_bind_int(s, 6, a->state);
    sqlite3_bind_int(s, 7, a->status);
    history_bind_text(s, 8, a->error);
    history_bind_text(s, 9, a->reply);
    history_bind_text(s, 10, a->target);
    sqlite3_bind_int64(s, 11, body);
    return history_run(store, s);
}

int history_sqlite_late(struct history_store *store, struct history_attempt *attempts)
{
    struct late late = {.store = store, .reader = {.writes = true}};
    int code = 0;
    for (struct history_attempt *a = attempts; a && code == 0; a = a->next)
        if (!a->joined)
            code = want(&late, a);
    if (code == 0 && late.wanted > 0)
        code = find(&late);
    segment_close(&late.reader);
    map_free(&late.by_message);
    for (const struct history_attempt *a = attempts; a && code == 0; a = a->next)
        if (a->row != 0) /* else nobody knows its message: from before the history, or a notice */
            code = insert_attempt(store, a);
    return code;
}

int history_sqlite_each_late(struct history_store *store, int64_t message, unsigned delivery,
                             int (*each)(void *context, const struct history_attempt *attempt,
                                         int64_t body),
                             void *context)
{
    sqlite3_stmt *s = history_statement(store, READ_ATTEMPTS);
    int rc, code = 0;
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, message);
    sqlite3_bind_int64(s, 2, delivery);
    while (code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const struct history_attempt a = {.number = (unsigned)sqlite3_column_int(s, 0),
                                          .at_ms = sqlite3_column_int64(s, 1),
                                          .ms = sqlite3_column_int64(s, 2),
                                          .state = (enum history_state)sqlite3_column_int(s, 3),
                                          .status = sqlite3_column_int(s, 4),
                                          .error = (const char *)sqlite3_column_text(s, 5),
                                          .reply = (const char *)sqlite3_column_text(s, 6),
                                          .target = (const char *)sqlite3_column_text(s, 7)};
        code = each(context, &a, sqlite3_column_int64(s, 8));
    }
    sqlite3_reset(s);
    return code != 0 || rc == SQLITE_DONE ? code : history_sqlite_failed(store, rc);
}
