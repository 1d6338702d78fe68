/* Once a second: what became due or was taken over, what is too old, room, and rows that name this
 * node without its knowing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../base/clock.h"
#include "../../base/log.h"
#include "group.h"
#include "blob.h"
#include "upload.h"
#include "values.h"
#include "rows.h"
#include "stubs.h"
#include "tables.h"

#define LOOK_MS    60000
#define ROOM_MS    10000
#define PAGE       200
#define SLACK_MS   120000 /* rows are in the order of acceptance up to that (number.c) */
#define AGAIN_PART 95     /* per cent of max_size: below it there is room again */
#define TOO_OLD    "given up: it has waited longer than spool.max_age"

/* ---- Age ---- */

struct old {
    struct delivery *first;
    const struct give_up_hook *hook;
    int count;
};

static void read_old(void *context, int number, PGresult *result)
{
    struct old *old = context;
    (void)number;
    old->count = PQntuples(result);
    for (int i = 0; i < old->count; i++) {
        struct delivery *d = rows_read(result, i);
        if (!d)
            continue; /* for want of memory: it stays this node's until the next reconciliation */
        d->last_error = TOO_OLD;
        d->stored->ending = ENDED_FAILED;
        d->notice = old->hook ? old->hook->notice(old->hook->context, d) : NULL;
        d->next = old->first;
        old->first = d;
    }
}

static void read_flag(void *context, int number, PGresult *result)
{
    (void)number;
    *(bool *)context = PQntuples(result) == 1 && *PQgetvalue(result, 0, 0) == 't';
}

/* Is the first that waits old enough to look at the rest? */
static int any_old(struct pg_store *s, int64_t max_age, bool *any)
{
    struct values params = {0};
    values_number(&params, PARAM_INT8, max_age - SLACK_MS);
    pg_begin(&s->pg);
    int code = values_send(&params, &s->pg,
                           "SELECT created < " NOW_MS " - $1 FROM delivery "
                           "WHERE due IS NOT NULL ORDER BY row LIMIT 1",
                           false);
    return code == 0 ? pg_end(&s->pg, PG_ANSWER_MS, read_flag, any) : code;
}

static int claim_old(struct pg_store *s, int64_t max_age, struct old *old)
{
    struct values params = {0};
    values_number(&params, PARAM_INT8, max_age);
    values_number(&params, PARAM_INT4, PAGE);
    values_number(&params, PARAM_INT4, node_id(s->node));
    pg_begin(&s->pg);
    int code = values_send(
        &params, &s->pg,
        "WITH c AS (SELECT row FROM delivery WHERE due IS NOT NULL AND owner IS NULL "
        "AND created < " NOW_MS " - $1 AND (attempts > 0 OR last_status <> 0 "
        "OR last_error IS NOT NULL OR due < " NOW_MS " - 60000) "
        "ORDER BY row LIMIT $2 FOR UPDATE SKIP LOCKED) "
        "UPDATE delivery d SET owner = $3 FROM c WHERE d.row = c.row RETURNING " ROW_COLUMNS,
        false);
    return code == 0 ? pg_end(&s->pg, PG_ANSWER_MS, read_old, old) : code;
}

/* True: there may be more. */
static bool fail_aged(struct pg_store *s, bool *due)
{
    struct old old = {.hook = atomic_load(&s->hook)};
    int64_t max_age = atomic_load(&s->max_age_ms);
    bool any = false;
    if (max_age == 0 || any_old(s, max_age, &any) != 0 || !any ||
        claim_old(s, max_age, &old) != 0 || !old.first)
        return false;
    struct store_work work = {.ends = old.first};
    for (struct delivery *d = old.first; d; d = d->next)
        log_error("undelivered", d->id, LOG_TEXT("error", TOO_OLD));
    pg_store_apply(&s->store, &work);
    stubs_free(work.done);
    stubs_free(work.ends); /* still this node's: they are found again */
    *due |= work.due;
    return !work.ends && old.count == PAGE;
}

static bool remove_failed(struct pg_store *s)
{
    struct values params = {0};
    struct delivery *stubs = NULL;
    int count = 0;
    int64_t keep = atomic_load(&s->keep_failed_ms);
    if (keep == 0)
        return false;
    values_number(&params, PARAM_INT8, keep);
    values_number(&params, PARAM_INT4, PAGE);
    int code = stubs_find(s, &params,
                          "WHERE d.due IS NULL AND d.created < " NOW_MS " - $1 "
                          "ORDER BY d.created LIMIT $2",
                          &stubs, &count);
    if (code == 0 && count > 0)
        code = group_send(s, NULL, stubs);
    if (code == 0 && count > 0)
        log_info("spool-expired", NULL, LOG_NUMBER("deliveries", count));
    stubs_free(stubs);
    return code == 0 && count == PAGE;
}

/* ---- What is this node's without its knowing ---- */

struct owned {
    struct pg_store *s;
    struct values rows;
};

static void read_owned(void *context, int number, PGresult *result)
{
    struct owned *owned = context;
    (void)number;
    for (int i = 0; i < PQntuples(result); i++)
        if (!leases_has(&owned->s->leases, pg_number(result, i, 0)))
            values_add_number(&owned->rows, 0, pg_number(result, i, 0));
}

/* A claim or a group whose end was never known. Not while a batch may still come true. */
static void reconcile(struct pg_store *s)
{
    struct owned owned = {.s = s};
    struct values params = {0};
    if (s->stuck.connection || s->doubtful)
        return;
    values_array(&owned.rows, PARAM_INT8);
    values_number(&params, PARAM_INT4, node_id(s->node));
    pg_begin(&s->pg);
    int code = values_send(&params, &s->pg, "SELECT row FROM delivery WHERE owner = $1", false);
    if (code == 0)
        code = pg_end(&s->pg, PG_ANSWER_MS, read_owned, &owned);
    int count = owned.rows.list[0].count;
    if (code == 0 && count > 0) {
        log_info("node-reconciled", NULL, LOG_NUMBER("deliveries", count));
        values_number(&owned.rows, PARAM_INT4, node_id(s->node));
        pg_begin(&s->pg);
        code = values_send(&owned.rows, &s->pg,
                           "UPDATE delivery SET owner = NULL WHERE row = ANY($1) AND owner = $2",
                           false);
        if (code == 0)
            (void)pg_end(&s->pg, PG_ANSWER_MS, NULL, NULL);
    }
    values_free(&owned.rows);
}

/* Chunks of groups that were refused in the end. What goes up meanwhile notices (blob.c). */
static void remove_staged(struct pg_store *s)
{
    struct values used = {0};
    if (s->stuck.connection)
        return;
    upload_add_used(s->upload, &used, values_array(&used, PARAM_INT8));
    (void)blob_sweep(&s->pg, node_id(s->node), &used);
}

/* ---- Room ---- */

static void read_size(void *context, int number, PGresult *result)
{
    (void)number;
    *(int64_t *)context = pg_number(result, 0, 0);
}

/* The server's disk cannot be seen from here; what the tables take can. */
static void measure(struct pg_store *s)
{
    uint64_t max = atomic_load(&s->max_size);
    int64_t size = 0;
    bool full = atomic_load(&s->accepts) == -ENOSPC;
    if (max == 0 && !full)
        return;
    pg_begin(&s->pg);
    pg_add(&s->pg,
           "SELECT sum(pg_total_relation_size(t)) FROM unnest(ARRAY['delivery', 'payload', 'tail', "
           "'chunk', 'attempt']::regclass[]) t",
           0, NULL, NULL, NULL, false);
    if (pg_end(&s->pg, PG_ANSWER_MS, read_size, &size) != 0)
        return;
    if (!full && (uint64_t)size > max) {
        log_error("spool-full", NULL, LOG_NUMBER("size", size),
                  LOG_NUMBER("max_size", (int64_t)max));
        atomic_store(&s->accepts, -ENOSPC);
    } else if (full && (max == 0 || (uint64_t)size < max / 100 * AGAIN_PART)) {
        log_info("spool-recovered", NULL, LOG_NUMBER("size", size));
        atomic_store(&s->accepts, 0);
    }
}

/* ---- The whole ---- */

/* A node that was declared dead has another number now, and nothing in hand any more. */
static void note_death(struct pg_store *s)
{
    int id = node_id(s->node);
    if (id == s->leases_node)
        return;
    const struct pauses *pauses = s->leases.pauses;
    leases_free(&s->leases);
    s->leases = (struct leases){.pauses = pauses};
    s->leases_node = id;
}

static bool any_due(const struct pg_store *s)
{
    int64_t now = clock_monotonic_ms();
    for (size_t i = 0; i < s->lane_count; i++)
        if (s->lanes[i].due_ms <= now &&
            !pauses_find(s->leases.pauses, (uint64_t)s->lanes[i].origin,
                         (uint64_t)s->lanes[i].lane))
            return true;
    return false;
}

static void remove_doubtful(struct pg_store *s)
{
    struct store_work work = {0};
    if (!s->doubtful || s->stuck.connection)
        return;
    pg_store_apply(&s->store, &work);
    stubs_free(work.done);
    s->doubtful = work.ends;
}

/* That it can be read says nothing of whether commits are replicated. */
static int probe(struct pg_store *s)
{
    struct error err = {""};
    if (!s->in_trouble)
        return 0;
    if (atomic_load(&s->fitness) == ENDS_REFUSED)
        return -EINVAL; /* until they are stored */
    if (atomic_load(&s->fitness) == TABLES_UNFIT) {
        int code = tables_check(&s->pg, &err);
        if (code != 0)
            return code;
        atomic_store(&s->fitness, FIT);
    }
    s->doubt = true;
    return group_send(s, NULL, NULL);
}

bool pg_store_tidy(struct store *store)
{
    struct pg_store *s = (struct pg_store *)store;
    int64_t now = clock_monotonic_ms();
    note_death(s);
    leases_prune(&s->leases);
    bool due = node_take_released(s->node);
    if (due)
        s->walk_due_ms = 0;
    if (pg_store_connect(s) != 0) {
        pg_store_note(s, -EAGAIN);
        return false;
    }
    int code = node_is_sure(s->node) ? probe(s) : -EAGAIN;
    if (code == -EAGAIN && !*s->pg.error)
        node_tell_error(s->node, s->pg.error, sizeof s->pg.error);
    if (code != 0) {
        if (code == -EINPROGRESS)
            pg_store_set_aside(s);
        pg_store_note(s, code);
        return false;
    }
    pg_store_note(s, 0);
    remove_doubtful(s);
    if (now >= s->room_due_ms) {
        s->room_due_ms = now + ROOM_MS;
        measure(s);
    }
    if (now >= s->tidy_due_ms) {
        bool more = fail_aged(s, &due);
        more |= remove_failed(s);
        reconcile(s);
        remove_staged(s);
        s->tidy_due_ms = more ? now : now + LOOK_MS;
    }
    code = pg_store_walk(s);
    if (code == -EINPROGRESS)
        pg_store_set_aside(s);
    pg_store_note(s, code);
    return any_due(s) || due || s->nodes_told != (size_t)node_live(s->node);
}
