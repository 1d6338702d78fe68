#include "blob.h"

#include <errno.h>
#include <stdlib.h>

#include "sql.h"
#include "values.h"

#define PIECE  65536
#define PIECES 32 /* at once, up or down: 2 MiB */

/* What seal() waits for includes these, so they need not wait themselves. */
static void do_not_wait(struct pg *pg)
{
    pg_add(pg, "SELECT set_config('synchronous_commit', 'off', true)", 0, NULL, NULL, NULL, false);
}

/* None, where it was swept: seal() notices. */
static int put_pieces(struct pg *pg, int64_t blob, int first, const char *bytes, size_t size)
{
    struct values params = {0};
    values_number(&params, PARAM_INT8, blob);
    int n = values_array(&params, PARAM_INT4), piece = values_array(&params, PARAM_BYTES);
    for (size_t at = 0; at < size; at += PIECE) {
        values_add_number(&params, n, first++);
        values_add_bytes(&params, piece, bytes + at, size - at < PIECE ? size - at : PIECE);
    }
    pg_begin(pg);
    do_not_wait(pg);
    int code = values_send(&params, pg,
                           "INSERT INTO chunk (blob, n, bytes) SELECT $1, u.n, u.bytes "
                           "FROM (SELECT 1 FROM staged WHERE blob = $1 FOR KEY SHARE) s, "
                           "unnest($2, $3) u(n, bytes) ON CONFLICT (blob, n) DO NOTHING",
                           false);
    return code == 0 ? pg_end(pg, PG_ANSWER_MS, NULL, NULL) : code;
}

static int note_staged(struct pg *pg, int64_t blob, int owner)
{
    struct values params = {0};
    values_number(&params, PARAM_INT8, blob);
    values_number(&params, PARAM_INT4, owner);
    pg_begin(pg);
    do_not_wait(pg);
    int code = values_send(&params, pg,
                           "INSERT INTO staged (blob, owner) VALUES ($1, $2) "
                           "ON CONFLICT (blob) DO UPDATE SET owner = $2",
                           false);
    return code == 0 ? pg_end(pg, PG_ANSWER_MS, NULL, NULL) : code;
}

/* Waits until all of it is replicated. -EDEADLK: it was swept meanwhile, as this node was taken for dead. */
static int seal(struct pg *pg, int64_t blob, int owner)
{
    struct values params = {0};
    int found = 0;
    values_number(&params, PARAM_INT8, blob);
    values_number(&params, PARAM_INT4, owner);
    pg_begin(pg);
    int code = values_send(&params, pg, "UPDATE staged SET owner = $2 WHERE blob = $1 AND " DURABLE,
                           false);
    if (code == 0)
        code = pg_end(pg, PG_ANSWER_MS, pg_count, &found);
    return code == 0 && found == 0 ? -EDEADLK : code;
}

static int put(struct pg *pg, int64_t blob, int owner, const struct spill *spill)
{
    char *buffer = malloc((size_t)PIECES * PIECE);
    uint64_t offset = 0, size = spill_size(spill);
    int code = buffer ? note_staged(pg, blob, owner) : -ENOMEM;
    while (code == 0 && offset < size) {
        size_t filled = 0;
        ssize_t n = 1;
        while (filled < (size_t)PIECES * PIECE && n > 0) {
            n = spill_read(spill, offset + filled, buffer + filled,
                           (size_t)PIECES * PIECE - filled);
            filled += n > 0 ? (size_t)n : 0;
        }
        code = n < 0         ? (int)n
               : filled == 0 ? -EIO
                             : put_pieces(pg, blob, (int)(offset / PIECE), buffer, filled);
        offset += filled;
    }
    free(buffer);
    return code == 0 ? seal(pg, blob, owner) : code;
}

static int put_payload(struct pg *pg, int owner, const struct delivery *d)
{
    struct payload *payload = d->payload;
    int code = 0;
    if (payload->stored->uploaded || payload->stored->row != d->stored->row)
        return 0;
    if (spill_fd(payload->head) >= 0)
        code = put(pg, payload->stored->row, owner, payload->head);
    if (code == 0 && payload->tail && spill_fd(payload->tail) >= 0 &&
        d->stored->tail_row == payload->stored->row)
        code = put(pg, -d->stored->tail_row, owner, payload->tail);
    if (code == 0)
        payload->stored->uploaded = true;
    return code;
}

int blob_put_commits(struct pg *pg, int node, struct commit *commits)
{
    int code = 0;
    for (struct commit *c = commits; c && code == 0; c = c->next)
        for (struct delivery *d = c->deliveries; d && code == 0; d = d->next)
            code = put_payload(pg, node, d);
    return code;
}

#define MARK(whose)                                                                                \
    "UPDATE staged SET owner = 0 WHERE blob IN (SELECT blob FROM staged WHERE " whose              \
    " ORDER BY blob FOR UPDATE SKIP LOCKED)"
/* But for those that somebody named all the same: of a group that was stored, and had sent them again. */
#define SWEEP                                                                                      \
    "WITH gone AS (DELETE FROM staged WHERE owner = 0 RETURNING blob) "                            \
    "DELETE FROM chunk c WHERE blob IN (SELECT blob FROM gone) "                                   \
    "AND NOT EXISTS (SELECT 1 FROM payload p WHERE p.row = c.blob) "                               \
    "AND NOT EXISTS (SELECT 1 FROM tail t WHERE t.row = -c.blob)"

/* Two statements: the second sees all that was stored before the first had the rows locked. */
int blob_sweep(struct pg *pg, int owner, struct values *used)
{
    int code = 0;
    pg_begin(pg);
    if (owner) {
        values_number(used, PARAM_INT4, owner);
        code = values_send(used, pg, MARK("NOT blob = ANY($1) AND owner = $2"), false);
    } else {
        pg_add(pg, MARK("owner NOT IN (SELECT id FROM node)"), 0, NULL, NULL, NULL, false);
    }
    if (code != 0) /* nothing was added */
        return code;
    pg_add(pg, SWEEP, 0, NULL, NULL, NULL, false);
    return pg_end(pg, PG_ANSWER_MS, NULL, NULL);
}

struct download {
    struct spill *spill;
    int count, code;
};

static void write_pieces(void *context, int number, PGresult *result)
{
    struct download *d = context;
    (void)number;
    d->count = PQntuples(result);
    for (int i = 0; i < d->count && d->code == 0; i++)
        d->code =
            spill_write(d->spill, PQgetvalue(result, i, 0), (size_t)PQgetlength(result, i, 0));
}

int blob_get(struct pg *pg, int64_t blob, uint64_t size, const char *directory, struct spill **out)
{
    struct download d = {.spill = spill_new(directory, NULL)};
    int code = d.spill ? 0 : -ENOMEM;
    for (int first = 0; code == 0 && spill_size(d.spill) < size; first += PIECES) {
        struct values params = {0};
        values_number(&params, PARAM_INT8, blob);
        values_number(&params, PARAM_INT4, first);
        values_number(&params, PARAM_INT4, PIECES);
        pg_begin(pg);
        code = values_send(&params, pg,
                           "SELECT bytes FROM chunk WHERE blob = $1 AND n >= $2 "
                           "ORDER BY n LIMIT $3",
                           true);
        if (code == 0)
            code = pg_end(pg, PG_ANSWER_MS, write_pieces, &d);
        if (code == 0)
            code = d.code ? d.code : d.count == 0 ? -EBADMSG : 0;
    }
    if (code == 0 && spill_size(d.spill) != size)
        code = -EBADMSG;
    if (code == 0)
        *out = d.spill;
    else
        spill_free(d.spill);
    return code;
}
