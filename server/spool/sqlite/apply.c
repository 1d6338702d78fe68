/* Commits and ends of attempts: into the database, and what that changes of the leases. Where a
 * transaction fails (disk full), every commit of it is told, and the ends stay in the work. */
#include <string.h>

#include <errno.h>

#include "../../base/clock.h"
#include "../../base/log.h"
#include "../../base/metrics.h"
#include "group.h"
#include "sqlite.h"

/* A full disk is said once, not once a message. */
static void note_trouble(struct sqlite_store *s, int code)
{
    if (code != 0)
        metric_add(METRIC_SPOOL_ERRORS_TOTAL, 1, "commit");
    if (code == 0 && s->in_trouble)
        log_info("spool-recovered", NULL, LOG_TEXT("bodies", db_bodies(s->db)));
    if (code != 0 && !s->in_trouble)
        log_error("spool-failed", NULL, LOG_TEXT("at", "commit"),
                  LOG_TEXT("error", db_error(s->db)), LOG_TEXT("errno", strerror(-code)));
    if (code == -EBADMSG && !s->in_trouble)
        log_error("spool-damaged", NULL,
                  LOG_TEXT("advice",
                           "stop mxhook; `mxhook queue export --to FOLDER` saves all that "
                           "can be read"));
    s->in_trouble = code != 0;
}

static void finish_commits(struct sqlite_store *s, struct store_work *work, int code)
{
    for (struct commit *c = work->commits; c; c = c->next) {
        if (code != 0)
            c->status = code;
        if (c->status != 0 || c->lease)
            continue;
        for (struct delivery *d = c->deliveries; d; d = d->next)
            leases_note_due(&s->leases, d->stored->origin, d->due_ms);
        work->due = true;
    }
}

static void finish(struct store_work *work, struct delivery *d)
{
    d->next = work->done;
    work->done = d;
}

/* Whoever ended an attempt knows when the next one is due, unless storing that took until then; of
 * a notice nobody knows. */
static void finish_ends(struct sqlite_store *s, struct store_work *work)
{
    int64_t now = work->ends ? clock_unix_ms() : 0;
    for (struct delivery *d = work->ends, *next; d; d = next) {
        next = d->next;
        leases_drop(&s->leases, d->stored->row);
        if (d->stored->ending == ENDED_RETRY) {
            leases_note_due(&s->leases, d->stored->origin, d->due_ms);
            work->due |= d->due_ms <= now;
        } else if (d->notice && d->notice->stored->row) {
            leases_note_due(&s->leases, d->notice->stored->origin, d->notice->due_ms);
            work->due = true;
        }
        finish(work, d);
    }
    work->ends = NULL;
}

/* What is only released needs no more than the leases. */
static void take_released(struct sqlite_store *s, struct store_work *work)
{
    struct delivery **link = &work->ends;
    while (*link) {
        struct delivery *d = *link;
        if (d->stored->ending != ENDED_RELEASED) {
            setback_correct(d);
            link = &d->next;
            continue;
        }
        *link = d->next;
        leases_drop(&s->leases, d->stored->row);
        leases_note_due(&s->leases, d->stored->origin, d->due_ms);
        finish(work, d);
    }
}

void sqlite_apply(struct store *store, struct store_work *work)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    struct commit *commits = work->commits;
    take_released(s, work);
    if (commits && !upkeep_has_room(&s->upkeep, s->db, commits)) {
        finish_commits(s, work, -ENOSPC);
        commits = NULL;
    }
    if (!commits && !work->ends)
        return;
    int code = group_store(s->db, &s->leases, commits, work->ends);
    note_trouble(s, code);
    if (commits)
        finish_commits(s, work, code);
    if (code != 0 && commits && work->ends) /* without what they would add, it may work */
        code = group_store(s->db, &s->leases, NULL, work->ends);
    if (code == 0)
        finish_ends(s, work);
}
