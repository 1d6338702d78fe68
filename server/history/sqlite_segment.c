/* A segment's blobs, as rows. */
#include <errno.h>
#include <stdio.h>

#include "sqlite.h"

/* Reads a row of a table; the handle is opened for the first one, and moved to the others. */
static int read_blob(struct history_store *store, const char *table, sqlite3_blob **blob,
                     bool write, int64_t row, struct packed *out)
{
    out->size = 0;
    int rc = *blob ? sqlite3_blob_reopen(*blob, row)
                   : sqlite3_blob_open(store->db, "main", table, "bytes", row, write, blob);
    if (rc != SQLITE_OK) {
        sqlite3_blob_close(*blob); /* of no use any more */
        *blob = NULL;
        return rc == SQLITE_ERROR ? -ENOENT : history_sqlite_failed(store, rc);
    }
    size_t size = (size_t)sqlite3_blob_bytes(*blob);
    if (packed_reserve(out, size) != 0)
        return -ENOMEM;
    rc = sqlite3_blob_read(*blob, out->bytes, (int)size, 0);
    if (rc != SQLITE_OK)
        return history_sqlite_failed(store, rc);
    out->size = size;
    return 0;
}

int segment_read_terms(struct history_store *store, struct segment_reader *r, int64_t row)
{
    return read_blob(store, "terms", &r->terms_blob, r->writes, row, &r->terms);
}

int segment_read_records(struct history_store *store, struct segment_reader *r, int64_t row)
{
    return read_blob(store, "records", &r->records_blob, false, row, &r->records);
}

int segment_read_subjects(struct history_store *store, struct segment_reader *r, int64_t row)
{
    return read_blob(store, "subjects", &r->subjects_blob, false, row, &r->subjects);
}

void segment_close(struct segment_reader *r)
{
    sqlite3_blob_close(r->terms_blob);
    sqlite3_blob_close(r->records_blob);
    sqlite3_blob_close(r->subjects_blob);
    packed_free(&r->terms);
    packed_free(&r->records);
    packed_free(&r->subjects);
    *r = (struct segment_reader){0};
}

static int insert_blob(struct history_store *store, enum history_statement which, int64_t row,
                       const struct packed *blob)
{
    sqlite3_stmt *s = history_statement(store, which);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    sqlite3_bind_blob64(s, 2, blob->bytes, blob->size, SQLITE_STATIC);
    return history_run(store, s);
}

int segment_insert(struct history_store *store, const struct segment_writer *w, int64_t row)
{
    sqlite3_stmt *s = history_statement(store, INSERT_SEGMENT);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    sqlite3_bind_int64(s, 2, w->count);
    sqlite3_bind_int64(s, 3, w->first_ms);
    sqlite3_bind_int64(s, 4, w->last_ms);
    sqlite3_bind_text(s, 5, w->first_id, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 6, w->last_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 7, (int64_t)w->records.size);
    int code = history_run(store, s);
    if (code == 0)
        code = insert_blob(store, INSERT_TERMS, row, &w->terms);
    if (code == 0)
        code = insert_blob(store, INSERT_RECORDS, row, &w->records);
    if (code == 0 && w->has_subjects)
        code = insert_blob(store, INSERT_SUBJECTS, row, &w->subjects);
    return code;
}
