/* Rows in, rows changed, rows out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../columns.h"
#include "../origin.h"
#include "db_private.h"

#define ATTEMPTS_KEPT 20

static void bind_text(sqlite3_stmt *s, int index, const char *text)
{
    sqlite3_bind_text(s, index, text, -1, SQLITE_STATIC); /* NULL binds NULL */
}

/* ---- Inserting ---- */

/* A spill is a row's bytes, or its file's name and size. Every bind is of memory that outlives the
 * step. */
static int bind_spill(sqlite3_stmt *s, int file_index, const struct spill *spill)
{
    if (spill_fd(spill) < 0)
        sqlite3_bind_blob64(s, file_index + 1, spill_memory(spill), spill_size(spill),
                            SQLITE_STATIC);
    else if (!spill_name(spill))
        return -EINVAL; /* a file without a name would be lost */
    else {
        bind_text(s, file_index, spill_name(spill));
        sqlite3_bind_int64(s, file_index + 1, (int64_t)spill_size(spill));
    }
    return 0;
}

static int insert_tail(struct db *db, int64_t row, int64_t last, const struct spill *tail)
{
    sqlite3_stmt *s = db_statement(db, INSERT_TAIL);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    sqlite3_bind_int64(s, 2, last);
    int code = bind_spill(s, 3, tail);
    if (code == 0)
        code = db_run(db, s);
    sqlite3_clear_bindings(s);
    return code;
}

/* The row of the first payload in the list that ends with this one's tail: that is the tail's row.
 * It is inserted where that is this payload itself, with the last one's row. */
static int tail_row(struct db *db, const struct delivery *deliveries, const struct payload *payload,
                    int64_t *row)
{
    const struct spill *tail = payload->tail;
    const struct delivery *d = deliveries;
    while (d->payload->tail != tail)
        d = d->next;
    *row = d->payload->stored->row;
    if (d->payload != payload)
        return 0;
    int64_t last = *row;
    for (; d; d = d->next)
        if (d->payload->tail == tail)
            last = d->payload->stored->row > last ? d->payload->stored->row : last;
    return insert_tail(db, *row, last, tail);
}

static int insert_payload(struct db *db, const struct delivery *deliveries,
                          const struct payload *payload)
{
    int64_t tail = 0;
    int code = payload->tail ? tail_row(db, deliveries, payload, &tail) : 0;
    sqlite3_stmt *s = db_statement(db, INSERT_PAYLOAD);
    if (code != 0 || !s)
        return code ? code : -EIO;
    sqlite3_bind_int64(s, 1, payload->stored->row);
    sqlite3_bind_int64(s, 2, payload->stored->last);
    if (tail)
        sqlite3_bind_int64(s, 3, tail);
    code = bind_spill(s, 4, payload->head);
    if (code == 0)
        code = db_run(db, s);
    sqlite3_clear_bindings(s);
    return code;
}

static void bind_delivery(sqlite3_stmt *s, const struct delivery *d)
{
    sqlite3_bind_int64(s, 1, d->stored->row);
    sqlite3_bind_int64(s, 2, d->stored->payload_row);
    sqlite3_bind_int64(s, 3, (int64_t)d->stored->origin);
    if (d->state == DELIVERY_FAILED)
        sqlite3_bind_null(s, 4);
    else
        sqlite3_bind_int64(s, 4, d->due_ms);
    sqlite3_bind_int64(s, 5, d->attempts);
    sqlite3_bind_int64(s, 6, d->created_ms);
    bind_text(s, 7, d->id);
    bind_text(s, 8, d->sender);
    bind_text(s, 9, d->recipient);
    sqlite3_bind_int(s, 10, d->last_status);
    bind_text(s, 11, *d->last_error ? d->last_error : NULL);
    bind_text(s, 12, d->mail_from);
    bind_text(s, 13, d->via);
    bind_text(s, 14, d->about);
    sqlite3_bind_int64(s, DELIVERY_DESTINATION + DESTINATION_FIELDS + 1, (int64_t)d->stored->lane);
}

static void bind_column(sqlite3_stmt *s, int index, const struct column *column)
{
    if (column->kind == COLUMN_NUMBER)
        sqlite3_bind_int64(s, index, column->number);
    else if (column->kind == COLUMN_REAL)
        sqlite3_bind_double(s, index, column->real);
    else
        bind_text(s, index, column->text);
}

static int insert_delivery(struct db *db, const struct delivery *d)
{
    struct column columns[DESTINATION_FIELDS] = {{0}};
    sqlite3_stmt *s = db_statement(db, INSERT_DELIVERY);
    int code = s ? 0 : -EIO;
    for (int i = 0; i < DESTINATION_FIELDS && code == 0; i++) {
        code = column_from(&d->destination, &destination_fields[i], &columns[i]);
        bind_column(s, DELIVERY_DESTINATION + i + 1, &columns[i]);
    }
    if (code == 0) {
        bind_delivery(s, d);
        code = db_run(db, s);
    }
    if (s)
        sqlite3_clear_bindings(s);
    for (int i = 0; i < DESTINATION_FIELDS; i++)
        column_release(&columns[i]);
    return code;
}

static int insert_attempt(struct db *db, int64_t row, const struct queue_attempt *attempt)
{
    sqlite3_stmt *s = db_statement(db, INSERT_ATTEMPT);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    sqlite3_bind_int64(s, 2, attempt->at_ms);
    sqlite3_bind_int64(s, 3, attempt->ms);
    sqlite3_bind_int(s, 4, attempt->status);
    bind_text(s, 5, attempt->error);
    sqlite3_bind_blob64(s, 6, attempt->reply, attempt->reply_size, SQLITE_STATIC);
    int code = db_run(db, s);
    sqlite3_clear_bindings(s);
    return code;
}

static int insert_past(struct db *db, const struct delivery *d)
{
    int code = 0;
    for (const struct past_attempt *past = d->stored->past; past && code == 0; past = past->next)
        code = insert_attempt(db, d->stored->row, &past->attempt);
    return code;
}

/* Numbers the deliveries, and notes for each payload its first and last one. */
static void number_rows(struct db *db, struct delivery *deliveries)
{
    db->insertions++;
    for (struct delivery *d = deliveries; d; d = d->next) {
        struct payload *payload = d->payload;
        d->stored->row = db->next_row++;
        d->stored->origin = origin_key(delivery_origin(d));
        d->stored->lane = lane_key(delivery_origin(d));
        d->stored->attempts = d->attempts;
        if (payload->stored->insertion != db->insertions) {
            payload->stored->insertion = db->insertions;
            payload->stored->row = d->stored->row;
        }
        payload->stored->last = d->stored->row;
        d->stored->payload_row = payload->stored->row;
    }
}

int db_insert(struct db *db, struct delivery *deliveries)
{
    int code = 0;
    number_rows(db, deliveries);
    for (struct delivery *d = deliveries; d && code == 0; d = d->next) {
        if (d->payload->stored->row == d->stored->row)
            code = insert_payload(db, deliveries, d->payload);
        if (code == 0)
            code = insert_delivery(db, d);
        if (code == 0)
            code = insert_past(db, d);
    }
    return code;
}

/* ---- Removing ---- */

static int note_removal(struct db *db, const char *name)
{
    struct removal *removal = malloc(sizeof *removal + strlen(name) + 1);
    if (!removal)
        return -ENOMEM;
    strcpy(removal->name, name);
    removal->next = db->removals;
    db->removals = removal;
    return 0;
}

static int run_on_row(struct db *db, enum statement which, int64_t row)
{
    sqlite3_stmt *s = db_statement(db, which);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    return db_run(db, s);
}

/* What stands in a row that others may need too. */
struct use {
    bool exists, needed;
    int64_t tail; /* 0: none */
    int code;
};

/* Reads it with a statement that ends in: file, needed. Notes the file where nobody needs it. */
static struct use read_use(struct db *db, enum statement which, int64_t row)
{
    struct use use = {0};
    sqlite3_stmt *s = db_statement(db, which);
    if (!s)
        return (struct use){.code = -EIO};
    sqlite3_bind_int64(s, 1, row);
    int rc = sqlite3_step(s);
    int file = which == PAYLOAD_USE ? 1 : 0;
    if (rc == SQLITE_ROW) {
        use.exists = true;
        use.tail = which == PAYLOAD_USE ? sqlite3_column_int64(s, 0) : 0;
        use.needed = sqlite3_column_int(s, file + 1);
        const char *name = (const char *)sqlite3_column_text(s, file);
        if (name && !use.needed)
            use.code = note_removal(db, name);
    } else if (rc != SQLITE_DONE) {
        use.code = db_failed(db, rc);
    }
    sqlite3_reset(s);
    return use;
}

static int remove_tail(struct db *db, int64_t row)
{
    struct use use = read_use(db, TAIL_USE, row);
    if (use.code != 0 || !use.exists || use.needed)
        return use.code;
    return run_on_row(db, DELETE_TAIL, row);
}

static int remove_payload(struct db *db, int64_t row)
{
    struct use use = read_use(db, PAYLOAD_USE, row);
    if (use.code != 0 || !use.exists || use.needed)
        return use.code;
    int code = run_on_row(db, DELETE_PAYLOAD, row);
    return code == 0 && use.tail ? remove_tail(db, use.tail) : code;
}

static int remove_delivery(struct db *db, int64_t row, bool attempted)
{
    int code = run_on_row(db, DELETE_DELIVERY, row);
    return code == 0 && attempted ? run_on_row(db, DELETE_ATTEMPTS, row) : code;
}

int db_remove(struct db *db, int64_t row, int64_t payload_row, bool attempted)
{
    int code = remove_delivery(db, row, attempted);
    return code == 0 ? remove_payload(db, payload_row) : code;
}

int db_remove_alone(struct db *db, int64_t row, bool attempted)
{
    int code = remove_delivery(db, row, attempted);
    return code == 0 ? run_on_row(db, DELETE_PAYLOAD, row) : code;
}

/* ---- Changing ---- */

static int trim_attempts(struct db *db, int64_t row)
{
    sqlite3_stmt *s = db_statement(db, TRIM_ATTEMPTS);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    sqlite3_bind_int(s, 2, ATTEMPTS_KEPT - 1);
    return db_run(db, s);
}

/* Those that cost no attempt are counted nowhere. */
static int keep_attempt(struct db *db, const struct delivery *d)
{
    if (d->last_at_ms == 0)
        return 0;
    struct queue_attempt attempt = delivery_last_attempt(d);
    int code = insert_attempt(db, d->stored->row, &attempt);
    bool many = d->attempts > ATTEMPTS_KEPT || d->attempts == d->stored->attempts;
    return code == 0 && many ? trim_attempts(db, d->stored->row) : code;
}

int db_update(struct db *db, const struct delivery *d, bool failed, bool *changed)
{
    sqlite3_stmt *s = db_statement(db, UPDATE_DELIVERY);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, d->stored->row);
    if (failed)
        sqlite3_bind_null(s, 2);
    else
        sqlite3_bind_int64(s, 2, d->due_ms);
    sqlite3_bind_int64(s, 3, d->attempts);
    sqlite3_bind_int(s, 4, d->last_status);
    bind_text(s, 5, d->last_error);
    sqlite3_bind_int64(s, 6, d->stored->attempts);
    int code = db_run(db, s);
    *changed = code == 0 && sqlite3_changes(db->sqlite) > 0;
    sqlite3_clear_bindings(s);
    return code == 0 ? keep_attempt(db, d) : code;
}

int db_fail(struct db *db, int64_t row, const char *reason)
{
    sqlite3_stmt *s = db_statement(db, FAIL_DELIVERY);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    bind_text(s, 2, reason);
    int code = db_run(db, s);
    sqlite3_clear_bindings(s);
    return code;
}

int db_reset(struct db *db, int64_t row, int64_t now_ms)
{
    sqlite3_stmt *s = db_statement(db, RESET_DELIVERY);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    sqlite3_bind_int64(s, 2, now_ms);
    return db_run(db, s);
}

int db_hold(struct db *db, const struct hold *hold)
{
    const struct held *held = &hold->held;
    bool is_held = held->until_ms != 0 || held->most != 0;
    sqlite3_stmt *s = db_statement(db, is_held ? INSERT_HELD : DELETE_HELD);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, (int64_t)hold->origin);
    sqlite3_bind_int64(s, 2, (int64_t)hold->lane);
    if (is_held) {
        bind_text(s, 3, held->origin);
        sqlite3_bind_int64(s, 4, held->until_ms);
        sqlite3_bind_int64(s, 5, held->failures);
    }
    int code = db_run(db, s);
    sqlite3_clear_bindings(s);
    return code;
}

int db_forget_holds(struct db *db)
{
    return db_run(db, db_statement(db, FORGET_HELD));
}

int db_set_back(struct db *db, struct db_setback *setback)
{
    sqlite3_stmt *s = db_statement(db, SET_BACK);
    int rc, count = 0;
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, setback->by_ms);
    sqlite3_bind_int64(s, 2, setback->now_ms);
    sqlite3_bind_int64(s, 3, setback->after_row);
    sqlite3_bind_int(s, 4, setback->size);
    for (; (rc = sqlite3_step(s)) == SQLITE_ROW; count++) {
        int64_t row = sqlite3_column_int64(s, 0);
        setback->after_row = row > setback->after_row ? row : setback->after_row;
    }
    int code = rc == SQLITE_DONE ? count : db_failed(db, rc);
    sqlite3_reset(s);
    return code;
}
