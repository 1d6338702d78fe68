/* Commits and ends of attempts: a group, sent again with the same rows until it is known to be
 * stored, or a deadline has come. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../base/clock.h"
#include "../../base/log.h"
#include "../../base/metrics.h"
#include "blob.h"
#include "group.h"
#include "number.h"
#include "upload.h"

/* ---- The connection ---- */

void pg_store_note(struct pg_store *s, int code)
{
    int64_t now = clock_monotonic_ms();
    if (code != 0)
        metric_add(METRIC_SPOOL_ERRORS_TOTAL, 1, "commit");
    if (code == 0)
        s->failing_ms = 0;
    else if (s->failing_ms == 0)
        s->failing_ms = now;
    if (pg_is_passing(code) && now - s->failing_ms < AWAY_NOTE_MS)
        return;
    if (code == -EINVAL && pg_is_unfit(&s->pg) && atomic_load(&s->fitness) == FIT)
        atomic_store(&s->fitness, TABLES_UNFIT);
    if (code == 0 && atomic_load(&s->fitness) != FIT)
        return; /* what works is something else */
    if (code == 0 && s->in_trouble)
        log_info("spool-recovered", NULL, LOG_TEXT("store", "postgres"));
    if (code != 0 && !s->in_trouble)
        log_error("spool-failed", NULL, LOG_TEXT("at", "store"), LOG_TEXT("error", s->pg.error),
                  LOG_TEXT("errno", strerror(-code)));
    s->in_trouble = code != 0;
    if (code == 0 || atomic_load(&s->accepts) != -ENOSPC)
        atomic_store(&s->accepts, code == 0 ? 0 : code == -ENOSPC ? -ENOSPC : -EAGAIN);
}

/* After -EINVAL: nothing is taken, claimed or attempted until it is otherwise. */
static void note_unfit(struct pg_store *s, enum fitness fitness)
{
    if (atomic_load(&s->fitness) != ENDS_REFUSED)
        atomic_store(&s->fitness, fitness);
    pg_store_note(s, -EINVAL);
}

/* A server process whose client goes away while it waits for a standby stays all the same: so one
 * connection of that kind is kept, and while it waits no further one is left behind. */
void pg_store_set_aside(struct pg_store *s)
{
    if (!s->pg.connection || !s->pg.unanswered || s->stuck.connection)
        return;
    s->stuck = s->pg;
    PQsetNoticeReceiver(s->stuck.connection, NULL, NULL);
    s->pg.connection = NULL;
    s->pg.unanswered = false;
}

int pg_store_connect(struct pg_store *s)
{
    if (pg_is_outdated(&s->stuck)) /* its server has no say any more */
        pg_close(&s->stuck);
    if (pg_is_outdated(&s->pg))
        pg_close(&s->pg);
    if (s->stuck.connection && pg_drain(&s->stuck))
        pg_close(&s->stuck);
    if (!pg_drain(&s->pg))
        return -EAGAIN;
    if (s->pg.connection)
        return 0;
    if (clock_monotonic_ms() < s->retry_ms)
        return -EAGAIN;
    int code = pg_open(&s->pg);
    s->retry_ms = clock_monotonic_ms() + PG_AGAIN_MS;
    return code == 0 ? 0 : -EAGAIN;
}

/* ---- One group ---- */

/* What pg_end() says of the whole, numbers and uploads included. */
static int try_group(struct pg_store *s, struct commit *commits, struct delivery *ends)
{
    int code = pg_store_connect(s);
    if (code == 0)
        code = number_group(s, commits, ends);
    if (code == 0)
        code = blob_put_commits(&s->pg, node_id(s->node), commits);
    if (code == 0)
        code = group_send(s, commits, ends);
    if (code == -EINPROGRESS)
        pg_store_set_aside(s);
    return code;
}

static int send_until(struct pg_store *s, struct commit *commits, struct delivery *ends,
                      int64_t until_ms)
{
    int code;
    while (pg_is_passing(code = try_group(s, commits, ends)) && clock_monotonic_ms() < until_ms) {
        if (!s->in_trouble && code != -EDEADLK)
            pg_store_note(s, code);
        usleep(PG_AGAIN_MS * 1000);
    }
    return code == -EINPROGRESS || code == -EDEADLK ? -EAGAIN : code;
}

/* ---- What was refused, but may be stored ---- */

static void remember_doubtful(struct pg_store *s, const struct commit *commit)
{
    for (const struct delivery *d = commit->deliveries; d; d = d->next) {
        struct delivery *copy = d->stored->row ? delivery_new("") : NULL;
        if (!copy)
            continue;
        *copy->stored = *d->stored;
        copy->stored->ending = ENDED_DELIVERED;
        copy->next = s->doubtful;
        s->doubtful = copy;
    }
}

static struct delivery *take_doubtful(struct pg_store *s, struct delivery *before)
{
    struct delivery *all = s->doubtful, **end = &all;
    while (*end)
        end = &(*end)->next;
    *end = before;
    s->doubtful = NULL;
    return all;
}

/* ---- Outcomes ---- */

static void finish_commit(struct pg_store *s, struct store_work *work, struct commit *c, int code)
{
    c->status = code;
    if (code != 0 && code != -EINVAL)
        remember_doubtful(s, c);
    for (struct delivery *d = c->deliveries; d && code == 0 && c->lease; d = d->next)
        (void)leases_take(&s->leases, d->stored->row, d->stored->origin, d->stored->lane);
    for (struct delivery *d = c->deliveries; d && code == 0 && !c->lease; d = d->next)
        pg_store_note_due(s, d->stored->origin, d->stored->lane, d->due_ms - clock_ahead_ms());
    work->due |= code == 0 && !c->lease;
}

static void finish_end(struct pg_store *s, struct store_work *work, struct delivery *d)
{
    int64_t now = clock_monotonic_ms();
    leases_drop(&s->leases, d->stored->row);
    if (d->stored->ending == ENDED_RETRY)
        pg_store_note_due(s, d->stored->origin, d->stored->lane, d->due_ms - d->stored->ahead_ms);
    else if (d->stored->ending == ENDED_RELEASED)
        pg_store_note_due(s, d->stored->origin, d->stored->lane, now);
    for (const struct delivery *n = d->notice; n && d->stored->ending == ENDED_FAILED; n = n->next)
        pg_store_note_due(s, n->stored->origin, n->stored->lane, now);
    work->due |= d->stored->ending == ENDED_FAILED && d->notice;
    d->next = work->done;
    work->done = d;
}

static void finish_ends(struct pg_store *s, struct store_work *work)
{
    for (struct delivery *d = work->ends, *next; d; d = next) {
        next = d->next;
        finish_end(s, work, d);
    }
    work->ends = NULL;
}

/* Each piece by itself: one that the server does not take must not keep the others. */
static void apply_one_by_one(struct pg_store *s, struct store_work *work, struct commit *commits,
                             int64_t until_ms)
{
    for (struct commit *c = commits, *next; c; c = next) {
        next = c->next;
        c->next = NULL;
        int code = send_until(s, c, NULL, until_ms);
        if (code == -EINVAL && c->deliveries)
            log_error("spool-failed", c->deliveries->id, LOG_TEXT("at", "commit"),
                      LOG_TEXT("error", s->pg.error));
        finish_commit(s, work, c, code);
        c->next = next;
    }
    struct delivery *rest = work->ends, *next, *kept = NULL;
    for (struct delivery *d = rest; d; d = next) {
        next = d->next;
        d->next = NULL;
        int code = send_until(s, NULL, d, until_ms);
        if (code == -EINVAL && d->stored->ending == ENDED_DELIVERED)
            note_unfit(s, ENDS_REFUSED);
        if (code == -EAGAIN || code == -ENOSPC || code == -ENOMEM ||
            (code == -EINVAL && d->stored->ending == ENDED_DELIVERED)) {
            d->next = kept;
            kept = d;
            continue;
        }
        if (code != 0)
            log_error("spool-failed", d->id, LOG_TEXT("at", "the end of an attempt"),
                      LOG_TEXT("error", s->pg.error));
        finish_end(s, work, d);
    }
    work->ends = kept;
}

static bool any_delivered(const struct delivery *ends)
{
    while (ends && ends->stored->ending != ENDED_DELIVERED)
        ends = ends->next;
    return ends != NULL;
}

static void refuse(struct commit *commits, int code)
{
    for (struct commit *c = commits; c; c = c->next)
        c->status = code;
}

static void apply(struct pg_store *s, struct store_work *work)
{
    struct commit *commits = work->commits;
    int64_t began = clock_monotonic_ms();
    int64_t patience = s->in_trouble ? AWAY_STILL_MS : atomic_load(&s->commit_timeout_ms);
    int64_t until = began + patience;
    if (atomic_load(&s->accepts) == -ENOSPC) {
        refuse(commits, -ENOSPC);
        commits = NULL;
    }
    work->ends = take_doubtful(s, work->ends);
    if (!commits && !work->ends)
        return;
    int code =
        commits ? send_until(s, commits, work->ends, until) : send_until(s, NULL, work->ends, 0);
    if (code == -EINVAL && pg_is_unfit(&s->pg)) {
        note_unfit(s, any_delivered(work->ends) ? ENDS_REFUSED : TABLES_UNFIT);
        refuse(commits, -EAGAIN);
        return;
    }
    if (code == -EINVAL) { /* it is there, and answers */
        apply_one_by_one(s, work, commits, until);
        return;
    }
    if (code != 0 && s->failing_ms == 0)
        s->failing_ms = began;
    if (code == 0 && work->ends)
        atomic_store(&s->fitness, FIT);
    pg_store_note(s, code);
    for (struct commit *c = commits; c; c = c->next)
        finish_commit(s, work, c, code);
    if (code == 0)
        finish_ends(s, work);
}

void pg_store_apply(struct store *store, struct store_work *work)
{
    struct pg_store *s = (struct pg_store *)store;
    apply(s, work);
    for (const struct commit *c = work->commits; c; c = c->next)
        upload_forget(s->upload, c);
}
