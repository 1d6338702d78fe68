/* One row as a delivery, and what it carries. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../columns.h"
#include "db_private.h"

const char *db_column_text(sqlite3_stmt *s, int column)
{
    return (const char *)sqlite3_column_text(s, column);
}

/* `otherwise` for NULL; *failed where there is no memory. */
static const char *copy_text(struct arena *arena, sqlite3_stmt *s, int column,
                             const char *otherwise, bool *failed)
{
    const char *text = db_column_text(s, column);
    if (!text)
        return otherwise;
    char *copy = arena_strdup(arena, text);
    *failed |= !copy;
    return copy;
}

static int read_destination(sqlite3_stmt *s, struct delivery *d)
{
    int code = 0;
    for (int i = 0; i < DESTINATION_FIELDS && code == 0; i++) {
        const struct destination_field *field = &destination_fields[i];
        int index = DELIVERY_DESTINATION + i;
        struct column column = {.kind = column_kind(field)};
        if (column.kind == COLUMN_NUMBER)
            column.number = sqlite3_column_int64(s, index);
        else if (column.kind == COLUMN_REAL)
            column.real = sqlite3_column_double(s, index);
        else
            column.text = db_column_text(s, index);
        code = column_to(d->arena, &column, field, &d->destination);
    }
    return code;
}

struct delivery *db_read_delivery(sqlite3_stmt *s)
{
    const char *id = db_column_text(s, 6);
    struct delivery *d = delivery_new(id ? id : "");
    if (!d)
        return NULL;
    bool failed = false;
    d->stored->row = sqlite3_column_int64(s, 0);
    d->stored->payload_row = sqlite3_column_int64(s, 1);
    d->stored->origin = (uint64_t)sqlite3_column_int64(s, 2);
    d->state = sqlite3_column_type(s, 3) == SQLITE_NULL ? DELIVERY_FAILED : DELIVERY_WAITING;
    d->due_ms = sqlite3_column_int64(s, 3);
    d->attempts = d->stored->attempts = (unsigned)sqlite3_column_int64(s, 4);
    d->created_ms = sqlite3_column_int64(s, 5);
    d->sender = copy_text(d->arena, s, 7, "", &failed);
    d->recipient = copy_text(d->arena, s, 8, "", &failed);
    d->last_status = sqlite3_column_int(s, 9);
    d->last_error = copy_text(d->arena, s, 10, "", &failed);
    d->stored->attempted = d->attempts > 0 || d->last_status != 0 || *d->last_error;
    d->mail_from = copy_text(d->arena, s, 11, NULL, &failed);
    d->via = copy_text(d->arena, s, 12, NULL, &failed);
    d->about = copy_text(d->arena, s, 13, NULL, &failed);
    failed |= read_destination(s, d) != 0;
    if (!failed)
        return d;
    delivery_free(d);
    return NULL;
}

/* Columns from `column`: file, bytes. */
static int read_spill(struct db *db, sqlite3_stmt *s, int column, struct spill **out,
                      const char **reason)
{
    bool in_file = sqlite3_column_type(s, column) != SQLITE_NULL;
    const char *file = in_file ? db_column_text(s, column) : NULL;
    const void *bytes = in_file ? NULL : sqlite3_column_blob(s, column + 1);
    size_t size = in_file ? 0 : (size_t)sqlite3_column_bytes(s, column + 1);
    if (in_file ? !file : size > 0 && !bytes)
        return -ENOMEM;
    if (!in_file) {
        *out = spill_from_bytes(bytes ? bytes : "", size);
        return *out ? 0 : -ENOMEM;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", db->bodies, file);
    int code = spill_open(out, path);
    if (code != 0) {
        *reason = "a payload's file cannot be opened";
    } else if (spill_size(*out) != (uint64_t)sqlite3_column_int64(s, column + 1)) {
        *reason = "a payload's file is not as long as it was";
        spill_free(*out);
        *out = NULL;
        code = -EBADMSG;
    }
    return code;
}

/* Steps to the only row. */
static int step_to_row(struct db *db, enum statement which, int64_t row, sqlite3_stmt **s)
{
    *s = db_statement(db, which);
    if (!*s)
        return -EIO;
    sqlite3_bind_int64(*s, 1, row);
    int rc = sqlite3_step(*s);
    if (rc == SQLITE_ROW)
        return 0;
    int code = rc == SQLITE_DONE ? -ENOENT : db_failed(db, rc);
    sqlite3_reset(*s);
    return code;
}

static int load_tail(struct db *db, int64_t row, struct spill **tail, const char **reason)
{
    sqlite3_stmt *s;
    int code = step_to_row(db, LOAD_TAIL, row, &s);
    if (code != 0) {
        *reason = code == -ENOENT ? "its payload's end is missing" : db->error;
        return code == -ENOENT ? -EBADMSG : code;
    }
    code = read_spill(db, s, 0, tail, reason);
    sqlite3_reset(s);
    return code;
}

static int load_payload(struct db *db, int64_t row, struct payload **out, const char **reason)
{
    sqlite3_stmt *s;
    int code = step_to_row(db, LOAD_PAYLOAD, row, &s);
    if (code != 0) {
        *reason = code == -ENOENT ? "its payload is missing" : db->error;
        return code == -ENOENT ? -EBADMSG : code;
    }
    struct spill *head = NULL, *tail = NULL;
    int64_t tail_row = sqlite3_column_int64(s, 0);
    code = read_spill(db, s, 1, &head, reason);
    sqlite3_reset(s);
    if (code == 0 && tail_row)
        code = load_tail(db, tail_row, &tail, reason);
    if (code == 0 && !(*out = payload_new(head, tail)))
        code = -ENOMEM;
    if (code != 0) {
        spill_free(head);
        spill_free(tail);
    }
    return code;
}

int db_load_row(struct db *db, int64_t row, struct delivery **out)
{
    sqlite3_stmt *s;
    int code = step_to_row(db, LOAD_DELIVERY, row, &s);
    if (code != 0)
        return code;
    *out = db_read_delivery(s);
    sqlite3_reset(s);
    return *out ? 0 : -ENOMEM;
}

int db_load_payload(struct db *db, struct delivery *d, const char **reason)
{
    *reason = "out of memory";
    return load_payload(db, d->stored->payload_row, &d->payload, reason);
}

int db_load(struct db *db, int64_t row, const struct delivery *previous, struct delivery **out,
            const char **reason)
{
    struct delivery *d;
    *reason = "out of memory";
    int code = db_load_row(db, row, &d);
    if (code != 0) {
        *reason = code == -ENOMEM ? *reason : db->error;
        return code;
    }
    if (previous && previous->stored->payload_row == d->stored->payload_row)
        d->payload = payload_ref(previous->payload);
    else
        code = db_load_payload(db, d, reason);
    if (code == 0)
        *out = d;
    else
        delivery_free(d);
    return code;
}

int db_next(struct db *db, enum db_table table, int64_t after, int64_t *row)
{
    sqlite3_stmt *s;
    int code = step_to_row(db, table == TABLE_DELIVERY ? NEXT_DELIVERY : NEXT_PAYLOAD, after, &s);
    if (code != 0)
        return code;
    *row = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return 0;
}

int db_find(struct db *db, const char *id, int64_t *row, int64_t *payload_row)
{
    sqlite3_stmt *s = db_statement(db, FIND);
    if (!s)
        return -EIO;
    sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    *row = sqlite3_column_int64(s, 0);
    *payload_row = sqlite3_column_int64(s, 1);
    int code = rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : db_failed(db, rc);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return code;
}
