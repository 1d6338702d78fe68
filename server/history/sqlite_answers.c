/* How each origin has answered of late: a row of its own, which a batch changes once. */
#include "answers.h"

#include <errno.h>
#include <stdio.h>

#include "sqlite.h"

static int put(struct history_store *store, const struct batch_answers *of)
{
    sqlite3_stmt *s = history_statement(store, COUNT_ANSWERS);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, (int64_t)of->origin);
    sqlite3_bind_int64(s, 2, of->last->at_ms);
    sqlite3_bind_int(s, 3, of->last->status);
    history_bind_text(s, 4, of->last->error);
    sqlite3_bind_int64(s, 5, of->answered);
    sqlite3_bind_double(s, 6, of->mean_ms);
    sqlite3_bind_int(s, 7, HISTORY_ANSWERS);
    return history_run(store, s);
}

int history_sqlite_count_answers(struct history_store *store,
                                 const struct history_attempt *attempts)
{
    struct batch_answers *all;
    int code = batch_answers_of(attempts, &all);
    for (const struct batch_answers *of = all; of && code == 0; of = of->next)
        code = put(store, of);
    batch_answers_free(all);
    return code;
}

int history_sqlite_answers(struct history_store *store, uint64_t origin,
                           struct history_answers *answers)
{
    sqlite3_stmt *s = history_statement(store, READ_ANSWERS);
    *answers = (struct history_answers){.mean_ms = -1};
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, (int64_t)origin);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        const char *error = (const char *)sqlite3_column_text(s, 2);
        answers->at_ms = sqlite3_column_int64(s, 0);
        answers->status = sqlite3_column_int(s, 1);
        snprintf(answers->error, sizeof answers->error, "%s", error ? error : "");
        if (sqlite3_column_int64(s, 3) > 0)
            answers->mean_ms = (int64_t)(sqlite3_column_double(s, 4) + 0.5);
    }
    sqlite3_reset(s);
    return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : history_sqlite_failed(store, rc);
}
