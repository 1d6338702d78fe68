/* How each origin has answered of late: a row of its own, which a batch changes once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../base/map.h"
#include "sqlite.h"

struct batch_answers { /* of one origin, in a batch */
    uint64_t origin;
    const struct history_attempt *last;
    int64_t answered, sum_ms;
    struct batch_answers *next;
};

/* The origin's; NULL: no memory. */
static struct batch_answers *answers_of(struct map *by_origin, uint64_t origin,
                                        struct batch_answers **all)
{
    struct batch_answers *of = *all && (*all)->origin == origin ? *all : map_get(by_origin, origin);
    if (of)
        return of;
    of = calloc(1, sizeof *of);
    if (!of || map_put(by_origin, origin, of) != 0) {
        free(of);
        return NULL;
    }
    of->origin = origin;
    of->next = *all;
    *all = of;
    return of;
}

static void count_one(struct batch_answers *of, const struct history_attempt *a)
{
    if (!of->last || a->at_ms >= of->last->at_ms)
        of->last = a;
    if (a->status == 0)
        return;
    of->answered++;
    of->sum_ms += a->ms;
}

static int put(struct history_store *store, const struct batch_answers *of)
{
    sqlite3_stmt *s = history_statement(store, COUNT_ANSWERS);
    if (!s)
        return -EIO;
    int64_t answered = of->answered < HISTORY_ANSWERS ? of->answered : HISTORY_ANSWERS;
    sqlite3_bind_int64(s, 1, (int64_t)of->origin);
    sqlite3_bind_int64(s, 2, of->last->at_ms);
    sqlite3_bind_int(s, 3, of->last->status);
    history_bind_text(s, 4, of->last->error);
    sqlite3_bind_int64(s, 5, answered);
    sqlite3_bind_double(s, 6, of->answered > 0 ? (double)of->sum_ms / (double)of->answered : 0);
    sqlite3_bind_int(s, 7, HISTORY_ANSWERS);
    return history_run(store, s);
}

int history_sqlite_count_answers(struct history_store *store,
                                 const struct history_attempt *attempts)
{
    struct map by_origin = {0};
    struct batch_answers *all = NULL;
    int code = 0;
    for (const struct history_attempt *a = attempts; a && code == 0; a = a->next) {
        struct batch_answers *of = a->origin != 0 ? answers_of(&by_origin, a->origin, &all) : NULL;
        if (of)
            count_one(of, a);
        else if (a->origin != 0)
            code = -ENOMEM;
    }
    for (struct batch_answers *of = all, *next; of; of = next) {
        next = of->next;
        if (code == 0)
            code = put(store, of);
        free(of);
    }
    map_free(&by_origin);
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
