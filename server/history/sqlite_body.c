/* Bodies that are kept, as rows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "body.h"
#include "sqlite.h"

/* *row is its row. `bytes` are freed. */
static int insert_body(struct history_store *store, int64_t message, char *bytes, size_t size,
                       int64_t *row)
{
    sqlite3_stmt *s = history_statement(store, INSERT_BODY);
    if (!s) {
        free(bytes);
        return -EIO;
    }
    sqlite3_bind_int64(s, 1, message);
    sqlite3_bind_blob64(s, 2, bytes, size, free);
    int code = history_run(store, s);
    *row = code == 0 ? sqlite3_last_insert_rowid(store->db) : 0;
    return code;
}

static int not_read(struct history_store *store, int code)
{
    snprintf(store->error, sizeof store->error, "a body cannot be read");
    return code;
}

int history_sqlite_payload(struct history_store *store, int64_t message,
                           const struct payload *payload, int64_t *body)
{
    char *bytes;
    size_t size;
    *body = 0;
    if (!payload)
        return 0;
    int code = body_of_payload(payload, &bytes, &size);
    return code == 0 ? insert_body(store, message, bytes, size, body) : not_read(store, code);
}

static int insert_data(struct history_store *store, struct history_message *m, int64_t row)
{
    char *bytes;
    size_t size;
    int code = body_of_spill(m->data, &bytes, &size);
    return code == 0 ? insert_body(store, row, bytes, size, &m->body) : not_read(store, code);
}

static int insert_payload(struct history_store *store, struct history_message *m, size_t index,
                          int64_t row)
{
    struct history_delivery *d = &m->deliveries[index];
    const struct history_delivery *with = body_shared_with(m, index);
    if (!with)
        return history_sqlite_payload(store, row, d->payload, &d->body);
    d->body = with->body;
    return 0;
}

int history_sqlite_bodies(struct history_store *store, struct history_message *m, int64_t row)
{
    int code = 0;
    for (size_t i = 0; i < m->delivery_count && code == 0; i++)
        code = insert_payload(store, m, i, row);
    if (code == 0 && m->data)
        code = insert_data(store, m, row);
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
