#include "log_writes.h"

#include <stdlib.h>
#include <string.h>

/* Bytes, some seven pages. SQLite's own writing takes a size for no more than these 17 bits. */
#define HELD_MAX 0x1ffff

/* SQLite's own methods of the file, with six of ours in their place. */
struct joined {
    sqlite3_io_methods methods; /* first: a file points to it */
    const sqlite3_io_methods *own;
    sqlite3_int64 offset; /* where what is held belongs */
    int size;
    int failure; /* SQLite's code, of what could not be written; SQLITE_OK: nothing is missing */
    sqlite3_int64 lost; /* where that begins: it is missing until it is written anew */
    unsigned char held[HELD_MAX];
};

static struct joined *joined_of(sqlite3_file *file)
{
    return (struct joined *)file->pMethods;
}

/* What can't be written is dropped, and SQLite is told: it takes back the transaction. Where it is told only as it reads, that
 * might go on: so no sync succeeds, which a transaction ends with, until the place is written anew. */
static int flush(sqlite3_file *file)
{
    struct joined *joined = joined_of(file);
    int size = joined->size;
    joined->size = 0;
    int rc = size > 0 ? joined->own->xWrite(file, joined->held, size, joined->offset) : SQLITE_OK;
    if (rc != SQLITE_OK && joined->failure == SQLITE_OK) {
        joined->failure = rc;
        joined->lost = joined->offset;
    }
    return rc;
}

static int write_later(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
    struct joined *joined = joined_of(file);
    if (offset != joined->offset + joined->size || size > HELD_MAX - joined->size) {
        int rc = flush(file);
        if (rc != SQLITE_OK)
            return rc;
        joined->offset = offset;
    }
    if (offset <= joined->lost)
        joined->failure = SQLITE_OK;
    memcpy(joined->held + joined->size, bytes, (size_t)size);
    joined->size += size;
    return SQLITE_OK;
}

static int read_after(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
    int rc = flush(file);
    return rc == SQLITE_OK ? joined_of(file)->own->xRead(file, bytes, size, offset) : rc;
}

static int truncate_after(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = flush(file);
    return rc == SQLITE_OK ? joined_of(file)->own->xTruncate(file, size) : rc;
}

static int sync_after(sqlite3_file *file, int flags)
{
    int rc = flush(file);
    if (rc == SQLITE_OK)
        rc = joined_of(file)->failure;
    return rc == SQLITE_OK ? joined_of(file)->own->xSync(file, flags) : rc;
}

static int size_after(sqlite3_file *file, sqlite3_int64 *size)
{
    int rc = flush(file);
    return rc == SQLITE_OK ? joined_of(file)->own->xFileSize(file, size) : rc;
}

/* What was not synced is of no transaction that anybody was told of. */
static int close_joined(sqlite3_file *file)
{
    struct joined *joined = joined_of(file);
    file->pMethods = joined->own;
    free(joined);
    return file->pMethods->xClose(file);
}

void log_writes_join(sqlite3 *db)
{
    sqlite3_file *file = NULL;
    struct joined *joined;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) != SQLITE_OK ||
        !file || !file->pMethods || !(joined = malloc(sizeof *joined)))
        return;
    joined->own = file->pMethods;
    joined->methods = *file->pMethods;
    joined->methods.xWrite = write_later;
    joined->methods.xRead = read_after;
    joined->methods.xTruncate = truncate_after;
    joined->methods.xSync = sync_after;
    joined->methods.xFileSize = size_after;
    joined->methods.xClose = close_joined;
    joined->offset = joined->size = joined->failure = 0;
    joined->lost = -1;
    file->pMethods = &joined->methods;
}
