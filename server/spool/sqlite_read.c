/* Rows as deliveries. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite.h"

/* ---- One row ---- */

static const char *column_text(sqlite3_stmt *s, int column)
{
    return (const char *)sqlite3_column_text(s, column);
}

/* `otherwise` for NULL; *failed where there is no memory. */
static const char *copy_text(struct arena *arena, sqlite3_stmt *s, int column,
                             const char *otherwise, bool *failed)
{
    const char *text = column_text(s, column);
    if (!text)
        return otherwise;
    char *copy = arena_strdup(arena, text);
    *failed |= !copy;
    return copy;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')); text++)
        count++;
    return count;
}

static int split_headers(struct arena *arena, const char *text, struct destination *destination)
{
    destination->header_count = text ? count_lines(text) : 0;
    if (destination->header_count == 0)
        return 0;
    destination->headers =
        arena_alloc(arena, destination->header_count * sizeof *destination->headers);
    for (size_t i = 0; destination->headers && i < destination->header_count; i++) {
        size_t size = strcspn(text, "\n");
        if (!(destination->headers[i] = arena_strndup(arena, text, size)))
            return -ENOMEM;
        text += size + 1;
    }
    return destination->headers ? 0 : -ENOMEM;
}

static int split_schedule(struct arena *arena, const char *text, struct destination *destination)
{
    size_t count = text ? 1 : 0;
    for (const char *p = text; p && (p = strchr(p, ',')); p++)
        count++;
    int64_t *pauses = count ? arena_alloc(arena, count * sizeof *pauses) : NULL;
    if (count && !pauses)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        char *end;
        pauses[i] = strtoll(text, &end, 10);
        text = end + (*end == ',');
    }
    destination->schedule_ms = pauses;
    destination->schedule_count = count;
    return 0;
}

/* Columns as DELIVERY_COLUMNS names them. NULL: no memory. */
static struct delivery *read_delivery(sqlite3_stmt *s)
{
    const char *id = column_text(s, 6);
    struct delivery *d = delivery_new(id ? id : "");
    if (!d)
        return NULL;
    bool failed = false;
    d->stored.row = sqlite3_column_int64(s, 0);
    d->stored.payload_row = sqlite3_column_int64(s, 1);
    d->stored.origin = (uint64_t)sqlite3_column_int64(s, 2);
    d->state = sqlite3_column_type(s, 3) == SQLITE_NULL ? DELIVERY_FAILED : DELIVERY_WAITING;
    d->due_ms = sqlite3_column_int64(s, 3);
    d->attempts = d->stored.attempts = (unsigned)sqlite3_column_int64(s, 4);
    d->created_ms = sqlite3_column_int64(s, 5);
    d->destination.url = copy_text(d->arena, s, 7, "", &failed);
    d->destination.secret = copy_text(d->arena, s, 8, NULL, &failed);
    failed |= split_headers(d->arena, column_text(s, 9), &d->destination) != 0;
    d->destination.timeout_ms = sqlite3_column_int64(s, 10);
    d->destination.attempts = (unsigned)sqlite3_column_int64(s, 11);
    d->sender = copy_text(d->arena, s, 12, "", &failed);
    d->recipient = copy_text(d->arena, s, 13, "", &failed);
    d->last_status = sqlite3_column_int(s, 14);
    d->last_error = copy_text(d->arena, s, 15, "", &failed);
    failed |= split_schedule(d->arena, column_text(s, 16), &d->destination) != 0;
    d->destination.ca_file = copy_text(d->arena, s, 17, NULL, &failed);
    d->destination.client_cert = copy_text(d->arena, s, 18, NULL, &failed);
    d->destination.client_key = copy_text(d->arena, s, 19, NULL, &failed);
    d->mail_from = copy_text(d->arena, s, 20, NULL, &failed);
    d->via = copy_text(d->arena, s, 21, NULL, &failed);
    d->about = copy_text(d->arena, s, 22, NULL, &failed);
    if (!failed)
        return d;
    delivery_free(d);
    return NULL;
}

/* Columns from `column`: file, bytes. */
static int read_spill(struct store *store, sqlite3_stmt *s, int column, struct spill **out,
                      const char **reason)
{
    bool in_file = sqlite3_column_type(s, column) != SQLITE_NULL;
    const char *file = in_file ? column_text(s, column) : NULL;
    const void *bytes = in_file ? NULL : sqlite3_column_blob(s, column + 1);
    size_t size = in_file ? 0 : (size_t)sqlite3_column_bytes(s, column + 1);
    if (in_file ? !file : size > 0 && !bytes)
        return -ENOMEM;
    if (!in_file) {
        *out = spill_from_bytes(bytes ? bytes : "", size);
        return *out ? 0 : -ENOMEM;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", store->bodies, file);
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
static int step_to_row(struct store *store, enum statement which, int64_t row, sqlite3_stmt **s)
{
    *s = store_statement(store, which);
    if (!*s)
        return -EIO;
    sqlite3_bind_int64(*s, 1, row);
    int rc = sqlite3_step(*s);
    if (rc == SQLITE_ROW)
        return 0;
    int code = rc == SQLITE_DONE ? -ENOENT : store_failed(store, rc);
    sqlite3_reset(*s);
    return code;
}

static int load_tail(struct store *store, int64_t row, struct spill **tail, const char **reason)
{
    sqlite3_stmt *s;
    int code = step_to_row(store, LOAD_TAIL, row, &s);
    if (code != 0) {
        *reason = code == -ENOENT ? "its payload's end is missing" : store->error;
        return code == -ENOENT ? -EBADMSG : code;
    }
    code = read_spill(store, s, 0, tail, reason);
    sqlite3_reset(s);
    return code;
}

static int load_payload(struct store *store, int64_t row, struct payload **out, const char **reason)
{
    sqlite3_stmt *s;
    int code = step_to_row(store, LOAD_PAYLOAD, row, &s);
    if (code != 0) {
        *reason = code == -ENOENT ? "its payload is missing" : store->error;
        return code == -ENOENT ? -EBADMSG : code;
    }
    struct spill *head = NULL, *tail = NULL;
    int64_t tail_row = sqlite3_column_int64(s, 0);
    code = read_spill(store, s, 1, &head, reason);
    sqlite3_reset(s);
    if (code == 0 && tail_row)
        code = load_tail(store, tail_row, &tail, reason);
    if (code == 0 && !(*out = payload_new(head, tail)))
        code = -ENOMEM;
    if (code != 0) {
        spill_free(head);
        spill_free(tail);
    }
    return code;
}

int store_load_row(struct store *store, int64_t row, struct delivery **out)
{
    sqlite3_stmt *s;
    int code = step_to_row(store, LOAD_DELIVERY, row, &s);
    if (code != 0)
        return code;
    *out = read_delivery(s);
    sqlite3_reset(s);
    return *out ? 0 : -ENOMEM;
}

int store_load_payload(struct store *store, struct delivery *d, const char **reason)
{
    *reason = "out of memory";
    return load_payload(store, d->stored.payload_row, &d->payload, reason);
}

int store_load(struct store *store, int64_t row, const struct delivery *previous,
               struct delivery **out, const char **reason)
{
    struct delivery *d;
    *reason = "out of memory";
    int code = store_load_row(store, row, &d);
    if (code != 0) {
        *reason = code == -ENOMEM ? *reason : store->error;
        return code;
    }
    if (previous && previous->stored.payload_row == d->stored.payload_row)
        d->payload = payload_ref(previous->payload);
    else
        code = store_load_payload(store, d, reason);
    if (code == 0)
        *out = d;
    else
        delivery_free(d);
    return code;
}

int store_next(struct store *store, enum store_table table, int64_t after, int64_t *row)
{
    sqlite3_stmt *s;
    int code =
        step_to_row(store, table == TABLE_DELIVERY ? NEXT_DELIVERY : NEXT_PAYLOAD, after, &s);
    if (code != 0)
        return code;
    *row = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return 0;
}

int store_find(struct store *store, const char *id, int64_t *row, int64_t *payload_row)
{
    sqlite3_stmt *s = store_statement(store, FIND);
    if (!s)
        return -EIO;
    sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    *row = sqlite3_column_int64(s, 0);
    *payload_row = sqlite3_column_int64(s, 1);
    int code = rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : store_failed(store, rc);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return code;
}

/* ---- Many rows ---- */

int store_walk_due(struct store *store, uint64_t origin,
                   bool (*each)(void *context, int64_t row, int64_t due_ms), void *context)
{
    sqlite3_stmt *s = store_statement(store, DUE);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, (int64_t)origin);
    int rc;
    do
        rc = sqlite3_step(s);
    while (rc == SQLITE_ROW &&
           each(context, sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1)));
    int code = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_failed(store, rc);
    sqlite3_reset(s);
    return code;
}

/* One seek in the index for each origin, however many deliveries it has. */
int store_walk_origins(struct store *store,
                       void (*each)(void *context, uint64_t origin, int64_t due_ms), void *context)
{
    sqlite3_stmt *s = store_statement(store, NEXT_ORIGIN);
    if (!s)
        return -EIO;
    int64_t origin = -1; /* keys are not negative */
    int rc;
    do {
        sqlite3_bind_int64(s, 1, origin);
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW) {
            origin = sqlite3_column_int64(s, 0);
            each(context, (uint64_t)origin, sqlite3_column_int64(s, 1));
        }
        sqlite3_reset(s);
    } while (rc == SQLITE_ROW);
    return rc == SQLITE_DONE ? 0 : store_failed(store, rc);
}

static void bind_filter(sqlite3_stmt *s, const struct queue_filter *filter)
{
    sqlite3_bind_int(s, 1, filter->failed_only);
    sqlite3_bind_text(s, 2, filter->destination, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 3, filter->since_ms);
}

/* The end of a walk: `rc` is that of the last step, `code` what ended it before. */
static int end_walk(struct store *store, sqlite3_stmt *s, int rc, int code)
{
    if (code == 0 && rc != SQLITE_DONE)
        code = store_failed(store, rc);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return code;
}

int store_list(struct store *store, const struct queue_filter *filter,
               int (*each)(void *context, const struct delivery *delivery), void *context)
{
    sqlite3_stmt *s = store_statement(store, LIST);
    int rc = SQLITE_OK, code = 0;
    if (!s)
        return -EIO;
    bind_filter(s, filter);
    while (code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct delivery *d = read_delivery(s);
        code = d ? each(context, d) : -ENOMEM;
        delivery_free(d);
    }
    return end_walk(store, s, rc, code);
}

static int read_page(struct store *store, sqlite3_stmt *s, struct store_row *rows, int size)
{
    int rc, count = 0;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && count < size)
        rows[count++] = (struct store_row){sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1)};
    int code = end_walk(store, s, rc, 0);
    return code == 0 ? count : code;
}

int store_page(struct store *store, const struct queue_filter *filter, int64_t after,
               struct store_row *rows, int size)
{
    sqlite3_stmt *s = store_statement(store, PAGE);
    if (!s)
        return -EIO;
    bind_filter(s, filter);
    sqlite3_bind_int64(s, 4, after);
    sqlite3_bind_int(s, 5, size);
    return read_page(store, s, rows, size);
}

int store_page_failed(struct store *store, int64_t before_ms, struct store_row *rows, int size)
{
    sqlite3_stmt *s = store_statement(store, PAGE_FAILED);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, before_ms);
    sqlite3_bind_int(s, 2, size);
    return read_page(store, s, rows, size);
}

int store_page_aged(struct store *store, const struct store_age *age, struct store_row *rows,
                    int size)
{
    sqlite3_stmt *s = store_statement(store, PAGE_AGED);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, age->after);
    sqlite3_bind_int64(s, 2, age->due_ms);
    int rc = SQLITE_DONE, count = 0;
    while (count < size && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t created = sqlite3_column_int64(s, 3);
        if (created >= age->before_ms && created <= age->now_ms)
            break; /* one from the future, after the clock was set, says nothing of the others */
        if (created >= age->before_ms || !sqlite3_column_int(s, 4))
            continue;
        struct store_row *row = &rows[count++];
        row->row = sqlite3_column_int64(s, 0);
        row->payload_row = sqlite3_column_int64(s, 1);
        const char *id = column_text(s, 2);
        snprintf(row->id, sizeof row->id, "%s", id ? id : "");
    }
    int code = end_walk(store, s, rc == SQLITE_ROW ? SQLITE_DONE : rc, 0);
    return code == 0 ? count : code;
}

/* The only column of the only row. */
static int read_number(struct store *store, enum statement which, int64_t *number)
{
    sqlite3_stmt *s = store_statement(store, which);
    if (!s)
        return -EIO;
    int rc = sqlite3_step(s);
    *number = sqlite3_column_int64(s, 0);
    int code = rc == SQLITE_ROW ? 0 : store_failed(store, rc);
    sqlite3_reset(s);
    return code;
}

int store_newest(struct store *store, int64_t *created_ms)
{
    return read_number(store, NEWEST, created_ms);
}

int store_used(struct store *store, uint64_t *used, uint64_t *unused)
{
    int64_t pages = 0, free_pages = 0;
    int code = read_number(store, PAGE_COUNT, &pages);
    if (code == 0)
        code = read_number(store, FREE_COUNT, &free_pages);
    *used = (uint64_t)(pages - free_pages) * STORE_PAGE_SIZE;
    *unused = (uint64_t)free_pages * STORE_PAGE_SIZE;
    return code;
}

int store_attempts(struct store *store, int64_t row,
                   int (*each)(void *context, const struct queue_attempt *attempt), void *context)
{
    sqlite3_stmt *s = store_statement(store, ATTEMPTS);
    int rc = SQLITE_OK, code = 0;
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    while (code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct queue_attempt attempt = {
            .at_ms = sqlite3_column_int64(s, 0),
            .ms = sqlite3_column_int64(s, 1),
            .status = sqlite3_column_int(s, 2),
            .error = column_text(s, 3),
            .reply = sqlite3_column_blob(s, 4),
            .reply_size = (size_t)sqlite3_column_bytes(s, 4),
        };
        code = each(context, &attempt);
    }
    return end_walk(store, s, rc, code);
}

int store_origins(struct store *store,
                  int (*each)(void *context, const struct queue_origin *origin), void *context)
{
    sqlite3_stmt *s = store_statement(store, ORIGINS);
    int rc = SQLITE_OK, code = 0;
    if (!s)
        return -EIO;
    while (code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        char name[ORIGIN_SIZE];
        origin_of(column_text(s, 2), name);
        struct queue_origin origin = {
            .name = name,
            .waiting = sqlite3_column_int64(s, 0),
            .next_due_ms = sqlite3_column_int64(s, 1),
            .held_until_ms = sqlite3_column_int64(s, 3),
            .failures = (unsigned)sqlite3_column_int64(s, 4),
        };
        code = each(context, &origin);
    }
    return end_walk(store, s, rc, code);
}

int store_has_file(struct store *store, const char *name, bool *has)
{
    sqlite3_stmt *s = store_statement(store, HAS_FILE);
    if (!s)
        return -EIO;
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, name, (int)strcspn(name, "."), SQLITE_STATIC);
    int rc = sqlite3_step(s);
    *has = sqlite3_column_int(s, 0);
    int code = rc == SQLITE_ROW ? 0 : store_failed(store, rc);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return code;
}

int store_version(struct store *store, int64_t *version)
{
    return read_number(store, DATA_VERSION, version);
}
