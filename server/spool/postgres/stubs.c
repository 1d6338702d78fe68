#include "stubs.h"

#include <errno.h>
#include <stdio.h>

struct found {
    struct delivery *first, **end;
    int count;
    bool failed;
};

static void read_stubs(void *context, int number, PGresult *result)
{
    struct found *found = context;
    (void)number;
    found->count = PQntuples(result);
    for (int i = 0; i < found->count && !found->failed; i++) {
        struct delivery *d = delivery_new("");
        if (!d) {
            found->failed = true;
            return;
        }
        snprintf(d->id, sizeof d->id, "%s", PQgetvalue(result, i, 3));
        *d->stored = (struct stored){.row = pg_number(result, i, 0),
                                     .payload_row = pg_number(result, i, 1),
                                     .tail_row = pg_number(result, i, 2),
                                     .attempted = true,
                                     .shared = true,
                                     .ending = ENDED_DELIVERED};
        *found->end = d;
        found->end = &d->next;
    }
}

int stubs_find(struct pg_store *s, struct values *params, const char *where, struct delivery **out,
               int *count)
{
    char sql[1200];
    struct found found = {.end = &found.first};
    int size = snprintf(sql, sizeof sql,
                        "SELECT d.row, d.payload, p.tail, d.id FROM delivery d "
                        "LEFT JOIN payload p ON p.row = d.payload %s",
                        where);
    if ((size_t)size >= sizeof sql)
        return -EINVAL; /* half a condition would find more */
    pg_begin(&s->pg);
    int code = values_send(params, &s->pg, sql, false);
    if (code == 0)
        code = pg_end(&s->pg, PG_ANSWER_MS, read_stubs, &found);
    if (code == 0 && found.failed)
        code = -ENOMEM;
    *out = found.first;
    *count = found.count;
    return code;
}

void stubs_free(struct delivery *stubs)
{
    for (struct delivery *next; stubs; stubs = next) {
        next = stubs->next;
        delivery_free(stubs);
    }
}
