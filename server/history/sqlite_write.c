/* What is noted becomes segments. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "join.h"
#include "sqlite.h"

/* ---- Messages ---- */

static int find_next_row(struct history_store *store)
{
    sqlite3_stmt *s = store->next_row == 0 ? history_statement(store, NEXT_ROW) : NULL;
    if (store->next_row != 0)
        return 0;
    if (!s)
        return -EIO;
    int rc = sqlite3_step(s);
    store->next_row = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 1;
    sqlite3_reset(s);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        return 0;
    store->next_row = 0;
    return history_sqlite_failed(store, rc);
}

static int flush(struct history_store *store)
{
    struct segment_writer *w = &store->writer;
    if (w->count == 0)
        return 0;
    int code = segment_insert(store, w, store->next_row);
    store->next_row += w->count;
    store->written++;
    segment_reset(w);
    return code;
}

static int write_messages(struct history_store *store, struct history_message *messages)
{
    struct segment_writer *w = &store->writer;
    int code = find_next_row(store);
    segment_reset(w);
    for (struct history_message *m = messages; m && code == 0; m = m->next) {
        m->row = store->next_row + w->count;
        code = history_sqlite_bodies(store, m, m->row);
        if (code == 0)
            code = segment_add(w, m);
        if (code == 0 && segment_is_full(w))
            code = flush(store);
    }
    return code == 0 ? flush(store) : code;
}

/* ---- A batch ---- */

static int run(struct history_store *store, enum history_statement which)
{
    sqlite3_stmt *s = history_statement(store, which);
    return s ? history_run(store, s) : -EIO;
}

static int check_place(struct history_store *store)
{
    int moved = 0;
    sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (!moved)
        return 0;
    snprintf(store->error, sizeof store->error, "its file is gone, or another is in its place");
    return -ESTALE;
}

int history_sqlite_write(struct history_store *store, struct history_message *messages,
                         struct history_attempt *attempts)
{
    int code = check_place(store);
    if (code == 0)
        code = history_join(messages, attempts);
    if (code == 0)
        code = run(store, BEGIN_BATCH);
    if (code != 0)
        return code;
    code = write_messages(store, messages);
    if (code == 0)
        code = history_sqlite_late(store, attempts);
    if (code == 0)
        code = history_sqlite_count_answers(store, attempts);
    if (code == 0)
        code = history_sqlite_merge(store);
    if (code == 0)
        code = run(store, COMMIT_BATCH);
    if (code != 0) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        store->next_row = 0;
    }
    return code;
}
