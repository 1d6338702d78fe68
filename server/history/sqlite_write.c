/* What is noted becomes rows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../spool/origin.h"
#include "sqlite.h"

static void bind_text(sqlite3_stmt *s, int index, const char *text)
{
    if (text && *text)
        sqlite3_bind_text(s, index, text, -1, SQLITE_STATIC);
}

static int bind_address(sqlite3_stmt *s, int index, const char *address)
{
    char *key = history_address_key(address ? address : "");
    if (!key)
        return -ENOMEM;
    sqlite3_bind_text(s, index, key, -1, free);
    return 0;
}

/* What has become of a delivery, in five columns. */
static void bind_end(sqlite3_stmt *s, int index, enum history_state state, int status,
                     unsigned attempts, const char *error, int64_t ended_ms)
{
    sqlite3_bind_int(s, index, state);
    sqlite3_bind_int(s, index + 1, status);
    sqlite3_bind_int64(s, index + 2, attempts);
    bind_text(s, index + 3, error);
    if (ended_ms)
        sqlite3_bind_int64(s, index + 4, ended_ms);
}

/* ---- Bodies ---- */

/* One of `size` bytes that read() gives; *row is its row. */
static int insert_body(struct history_store *store, int64_t message, uint64_t size,
                       ssize_t (*read)(const void *source, uint64_t offset, void *buffer,
                                       size_t size),
                       const void *source, int64_t *row)
{
    sqlite3_stmt *s = history_statement(store, INSERT_BODY);
    char *bytes = s ? malloc((size_t)size + 1) : NULL;
    if (!bytes)
        return -ENOMEM;
    uint64_t have = 0;
    while (have < size) {
        ssize_t n = read(source, have, bytes + have, (size_t)(size - have));
        if (n <= 0) {
            free(bytes);
            snprintf(store->error, sizeof store->error, "a body cannot be read");
            return n < 0 ? (int)n : -EIO;
        }
        have += (uint64_t)n;
    }
    sqlite3_bind_int64(s, 1, message);
    sqlite3_bind_blob64(s, 2, bytes, size, free);
    int code = history_run(store, s);
    *row = code == 0 ? sqlite3_last_insert_rowid(store->db) : 0;
    return code;
}

static ssize_t read_spill(const void *source, uint64_t offset, void *buffer, size_t size)
{
    return spill_read(source, offset, buffer, size);
}

static ssize_t read_payload(const void *source, uint64_t offset, void *buffer, size_t size)
{
    return payload_read(source, offset, buffer, size);
}

/* ---- A message ---- */

static int insert_recipients(struct history_store *store, const struct history_message *m,
                             int64_t row)
{
    int code = 0;
    for (size_t i = 0; i < m->recipient_count && code == 0; i++) {
        const struct history_recipient *r = &m->recipients[i];
        sqlite3_stmt *s = history_statement(store, INSERT_RECIPIENT);
        if (!s)
            return -EIO;
        sqlite3_bind_int64(s, 1, row);
        sqlite3_bind_int64(s, 2, (int64_t)i + 1);
        code = bind_address(s, 3, r->address);
        bind_text(s, 4, r->verdict);
        bind_text(s, 5, r->rule);
        bind_text(s, 6, r->asked);
        if (code == 0)
            code = history_run(store, s);
    }
    return code;
}

static int find_destination(struct history_store *store, const char *name, int64_t *row)
{
    sqlite3_stmt *s = history_statement(store, FIND_DESTINATION);
    *row = 0;
    if (!s)
        return -EIO;
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *row = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : history_sqlite_failed(store, rc);
}

static int insert_destination(struct history_store *store, const char *name, const char *origin,
                              int64_t *row)
{
    sqlite3_stmt *s = history_statement(store, INSERT_DESTINATION);
    if (!s)
        return -EIO;
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, origin, -1, SQLITE_STATIC);
    int code = history_run(store, s);
    *row = sqlite3_last_insert_rowid(store->db);
    return code;
}

/* After a rollback it may not be in the database. */
static void forget_destination(struct history_store *store)
{
    free(store->destination);
    store->destination = NULL;
}

/* Many messages in a row go to the same one. */
static int destination_row(struct history_store *store, const struct history_delivery *d,
                           int64_t *row)
{
    const char *name = d->destination ? d->destination : "";
    *row = store->destination_row;
    if (store->destination && strcmp(store->destination, name) == 0)
        return 0;
    int code = find_destination(store, name, row);
    if (code == 0 && *row == 0)
        code = insert_destination(store, name, d->origin ? d->origin : "", row);
    forget_destination(store);
    store->destination = code == 0 ? strdup(name) : NULL;
    store->destination_row = *row;
    return code;
}

/* Deliveries of one recipient share a payload, and so a row. */
static int payload_row(struct history_store *store, const struct history_message *m, size_t index,
                       int64_t row, int64_t bodies[], int64_t *body)
{
    const struct payload *payload = m->deliveries[index].payload;
    *body = 0;
    if (!payload)
        return 0;
    for (size_t i = 0; i < index; i++)
        if (m->deliveries[i].payload == payload) {
            *body = bodies[i];
            return 0;
        }
    return insert_body(store, row, payload_size(payload), read_payload, payload, body);
}

static int insert_deliveries(struct history_store *store, const struct history_message *m,
                             int64_t row)
{
    int code = 0;
    int64_t *bodies = calloc(m->delivery_count + 1, sizeof *bodies);
    if (!bodies)
        return -ENOMEM;
    for (size_t i = 0; i < m->delivery_count && code == 0; i++) {
        const struct history_delivery *d = &m->deliveries[i];
        int64_t destination = 0;
        code = destination_row(store, d, &destination);
        if (code == 0)
            code = payload_row(store, m, i, row, bodies, &bodies[i]);
        sqlite3_stmt *s = code == 0 ? history_statement(store, INSERT_DELIVERY) : NULL;
        if (!s)
            break;
        sqlite3_bind_int64(s, 1, row);
        sqlite3_bind_int64(s, 2, d->number);
        bind_text(s, 3, d->recipient);
        sqlite3_bind_int64(s, 4, destination);
        sqlite3_bind_int64(s, 5, (int64_t)origin_key(d->origin ? d->origin : ""));
        bind_end(s, 6, d->state, d->status, d->attempts, d->error, d->ended_ms);
        bind_text(s, 11, d->target);
        if (bodies[i])
            sqlite3_bind_int64(s, 12, bodies[i]);
        code = history_run(store, s);
    }
    free(bodies);
    return code;
}

static int insert_row(struct history_store *store, const struct history_message *m)
{
    sqlite3_stmt *s = history_statement(store, INSERT_MESSAGE);
    if (!s)
        return -EIO;
    sqlite3_bind_text(s, 1, m->id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, m->at_ms);
    sqlite3_bind_int64(s, 3, m->ms);
    sqlite3_bind_int(s, 4, m->result);
    bind_text(s, 5, m->reply);
    int code = bind_address(s, 6, m->sender);
    bind_text(s, 7, m->subject);
    bind_text(s, 8, m->message_id);
    bind_text(s, 9, m->client_ip);
    bind_text(s, 10, m->client_name);
    bind_text(s, 11, m->helo);
    bind_text(s, 12, m->user);
    sqlite3_bind_int(s, 13, m->tls);
    sqlite3_bind_int(s, 14, m->lmtp);
    sqlite3_bind_int64(s, 15, (int64_t)m->size);
    bind_text(s, 16, m->spf);
    bind_text(s, 17, m->dkim);
    bind_text(s, 18, m->dmarc);
    return code == 0 ? history_run(store, s) : code;
}

static int insert_subject(struct history_store *store, const struct history_message *m, int64_t row)
{
    if (!m->subject || !*m->subject)
        return 0;
    sqlite3_stmt *s = history_statement(store, INSERT_SUBJECT);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    bind_text(s, 2, m->subject);
    return history_run(store, s);
}

static int insert_data(struct history_store *store, const struct history_message *m, int64_t row)
{
    int64_t body = 0;
    if (!m->data)
        return 0;
    int code = insert_body(store, row, spill_size(m->data), read_spill, m->data, &body);
    char text[96];
    snprintf(text, sizeof text, "UPDATE messages SET body = %lld WHERE row = %lld", (long long)body,
             (long long)row);
    return code == 0 ? history_execute(store, text) : code;
}

static int insert_message(struct history_store *store, struct history_message *m)
{
    int code = insert_row(store, m);
    if (code != 0 || sqlite3_changes(store->db) == 0) /* it is there already */
        return code;
    int64_t row = m->row = sqlite3_last_insert_rowid(store->db);
    code = insert_subject(store, m, row);
    if (code == 0)
        code = insert_recipients(store, m, row);
    if (code == 0)
        code = insert_deliveries(store, m, row);
    return code == 0 ? insert_data(store, m, row) : code;
}

/* ---- An attempt ---- */

/* The message's row; 0: unknown (from before the history, a notice). */
static int find_message(struct history_store *store, struct map_key id, int64_t *row)
{
    sqlite3_stmt *s = history_statement(store, FIND_MESSAGE);
    *row = 0;
    if (!s)
        return -EIO;
    sqlite3_bind_text(s, 1, id.bytes, (int)id.size, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *row = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : history_sqlite_failed(store, rc);
}

static int keep_payload(struct history_store *store, const struct history_attempt *a, int64_t row,
                        unsigned number)
{
    int64_t body = 0;
    if (!a->payload)
        return 0;
    int code = insert_body(store, row, payload_size(a->payload), read_payload, a->payload, &body);
    sqlite3_stmt *s = code == 0 ? history_statement(store, KEEP_PAYLOAD) : NULL;
    if (!s)
        return code ? code : -EIO;
    sqlite3_bind_int64(s, 1, row);
    sqlite3_bind_int64(s, 2, number);
    bind_text(s, 3, a->target);
    sqlite3_bind_int64(s, 4, body);
    return history_run(store, s);
}

static int end_delivery(struct history_store *store, const struct history_attempt *a, int64_t row,
                        unsigned number)
{
    sqlite3_stmt *s = history_statement(store, END_DELIVERY);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    sqlite3_bind_int64(s, 2, number);
    bind_end(s, 3, a->state, a->status, a->number, a->error, history_ended_ms(a));
    return history_run(store, s);
}

static int insert_attempt(struct history_store *store, const struct history_attempt *a)
{
    unsigned number;
    struct map_key id = history_message_of(a, &number);
    int64_t row = a->message ? a->message->row : 0;
    bool joined = row != 0;
    int code = joined ? 0 : find_message(store, id, &row);
    if (code != 0 || row == 0)
        return code;
    sqlite3_stmt *s = history_statement(store, INSERT_ATTEMPT);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    sqlite3_bind_int64(s, 2, number);
    sqlite3_bind_int64(s, 3, a->number);
    sqlite3_bind_int64(s, 4, a->at_ms);
    sqlite3_bind_int64(s, 5, a->ms);
    sqlite3_bind_int(s, 6, a->status);
    bind_text(s, 7, a->error);
    bind_text(s, 8, a->reply);
    code = history_run(store, s);
    if (code == 0 && !joined)
        code = end_delivery(store, a, row, number);
    return code == 0 ? keep_payload(store, a, row, number) : code;
}

/* ---- A batch ---- */

static int run(struct history_store *store, enum history_statement which)
{
    sqlite3_stmt *s = history_statement(store, which);
    return s ? history_run(store, s) : -EIO;
}

int history_sqlite_write(struct history_store *store, struct history_message *messages,
                         struct history_attempt *attempts)
{
    int joined = history_sqlite_join(messages, attempts);
    if (joined != 0)
        return joined;
    int code = run(store, BEGIN_BATCH);
    if (code != 0)
        return code;
    for (struct history_message *m = messages; m && code == 0; m = m->next)
        code = insert_message(store, m);
    for (const struct history_attempt *a = attempts; a && code == 0; a = a->next)
        code = insert_attempt(store, a);
    if (code == 0)
        code = run(store, COMMIT_BATCH);
    if (code != 0) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        forget_destination(store);
    }
    return code;
}
