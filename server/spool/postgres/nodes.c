/* The nodes, as `mxhook nodes` shows them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "postgres.h"

#define NODES_MAX 256
#define WATCH_US  2000000 /* two beats */

struct seen {
    int id;
    int64_t beat, in_hand;
    char name[256], version[32];
};

struct look {
    struct seen list[NODES_MAX];
    int count;
};

static void read_nodes(void *context, int number, PGresult *result)
{
    struct look *look = context;
    (void)number;
    look->count = PQntuples(result) < NODES_MAX ? PQntuples(result) : NODES_MAX;
    for (int i = 0; i < look->count; i++) {
        struct seen *seen = &look->list[i];
        seen->id = (int)pg_number(result, i, 0);
        seen->beat = pg_number(result, i, 1);
        seen->in_hand = pg_number(result, i, 2);
        strncat(strcpy(seen->name, ""), PQgetvalue(result, i, 3), sizeof seen->name - 1);
        strncat(strcpy(seen->version, ""), PQgetvalue(result, i, 4), sizeof seen->version - 1);
    }
}

static int look_at(struct pg *pg, struct look *look)
{
    pg_begin(pg);
    pg_add(pg,
           "SELECT n.id, n.beat, (SELECT count(*) FROM delivery d WHERE d.owner = n.id), n.name, "
           "n.version FROM node n ORDER BY n.id",
           0, NULL, NULL, NULL, false);
    return pg_end(pg, PG_ANSWER_MS, read_nodes, look);
}

static bool has_beaten(const struct look *before, const struct seen *now)
{
    for (int i = 0; i < before->count; i++)
        if (before->list[i].id == now->id)
            return before->list[i].beat != now->beat;
    return true; /* it has come meanwhile */
}

int pg_store_nodes(struct store *store, int (*each)(void *context, const struct queue_node *node),
                   void *context)
{
    struct pg_store *s = (struct pg_store *)store;
    struct look *looks = calloc(2, sizeof *looks);
    int code = looks ? look_at(&s->pg, &looks[0]) : -ENOMEM;
    if (code == 0 && looks[0].count > 0)
        usleep(WATCH_US);
    if (code == 0)
        code = look_at(&s->pg, &looks[1]);
    for (int i = 0; code == 0 && i < looks[1].count; i++) {
        const struct seen *seen = &looks[1].list[i];
        struct queue_node node = {.id = seen->id,
                                  .name = seen->name,
                                  .version = seen->version,
                                  .in_hand = seen->in_hand,
                                  .lives = has_beaten(&looks[0], seen)};
        code = each(context, &node);
    }
    free(looks);
    return code;
}
