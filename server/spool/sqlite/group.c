#include "group.h"

#include "../../base/log.h"

struct group {
    struct db *db;
    struct leases *leases;
    struct commit *commits;
    struct delivery *ends;
};

static void drop_leases(struct group *group, const struct commit *commit)
{
    for (const struct delivery *d = commit->deliveries; d; d = d->next)
        leases_drop(group->leases, d->stored->row);
}

/* Leases are taken before the commit, since afterwards nothing may fail any more. */
static int insert(struct group *group, struct commit *commit)
{
    int code = db_insert(group->db, commit->deliveries);
    for (struct delivery *d = commit->deliveries; d && code == 0 && commit->lease; d = d->next)
        code = leases_take(group->leases, d->stored->row, d->stored->origin, d->stored->lane);
    if (code != 0)
        drop_leases(group, commit);
    return code;
}

/* Known of what was stored by this process only: what is read from the database says nothing of others. */
static bool has_own_payload(const struct delivery *d)
{
    const struct payload_stored *stored = d->payload ? d->payload->stored : NULL;
    return stored && stored->row == d->stored->row && stored->last == d->stored->row &&
           !d->payload->tail && spill_fd(d->payload->head) < 0;
}

static int end_attempt(struct group *group, struct delivery *d)
{
    if (d->stored->ending == ENDED_DELIVERED && has_own_payload(d))
        return db_remove_alone(group->db, d->stored->row, d->stored->attempted);
    if (d->stored->ending == ENDED_DELIVERED)
        return db_remove(group->db, d->stored->row, d->stored->payload_row, d->stored->attempted);
    bool failed = d->stored->ending == ENDED_FAILED, changed;
    int code = db_update(group->db, d, failed, &changed);
    if (code == 0 && failed && changed && d->notice)
        code = db_insert(group->db, d->notice);
    return code;
}

/* Closes the mark that stands before one piece of work. 0: go on with the next one. */
static int close_mark(struct group *group, int code)
{
    if (db_broken(group->db))
        return code;
    return db_unmark(group->db, code == 0);
}

/* `careful`: each piece fails for itself, unless the transaction goes down with it. Else the first
 * failure is returned. */
static int insert_all(struct group *group, bool careful)
{
    for (struct commit *c = group->commits; c; c = c->next) {
        int code = careful ? db_mark(group->db) : 0;
        if (code == 0)
            code = c->status = insert(group, c);
        if (careful && (code = close_mark(group, code)) == 0)
            continue;
        if (code != 0)
            return code;
    }
    return 0;
}

static int end_all(struct group *group, bool careful)
{
    for (struct delivery *d = group->ends; d; d = d->next) {
        int code = careful ? db_mark(group->db) : 0;
        if (code == 0)
            code = end_attempt(group, d);
        if (careful && code != 0)
            log_error("spool-failed", d->id, LOG_TEXT("at", "the end of an attempt"),
                      LOG_TEXT("error", db_error(group->db)));
        if (careful && (code = close_mark(group, code)) == 0)
            continue;
        if (code != 0)
            return code;
    }
    return 0;
}

/* *piece: it was a piece of the work that failed, not the whole. */
static int try_transaction(struct group *group, bool careful, bool *piece)
{
    *piece = false;
    int code = db_begin(group->db);
    if (code != 0)
        return code;
    code = insert_all(group, careful);
    if (code == 0)
        code = end_all(group, careful);
    *piece = code != 0;
    if (code == 0)
        code = db_commit(group->db);
    if (code != 0) {
        db_undo(group->db);
        for (struct commit *c = group->commits; c; c = c->next)
            drop_leases(group, c);
    }
    return code;
}

int group_store(struct db *db, struct leases *leases, struct commit *commits, struct delivery *ends)
{
    struct group group = {db, leases, commits, ends};
    bool piece;
    int code = try_transaction(&group, false, &piece);
    if (code != 0 && piece)
        code = try_transaction(&group, true, &piece);
    return code;
}
