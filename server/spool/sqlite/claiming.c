#include "claiming.h"

#include <errno.h>
#include <stdlib.h>

#include "../../base/clock.h"
#include "../../base/log.h"

#define READ_RETRY_MS 5000 /* after a delivery could not be read */
#define LANES_MAX     1000 /* of one origin that one claim looks at; the next one goes on there */

struct pick {
    int64_t row;
    uint64_t lane;
};

struct claiming {
    struct db *db;
    struct leases *leases;
    struct claim *claim;
    int64_t now, next_due; /* next_due: of the origin at hand, what was not picked */
    struct pick *picks;    /* of the origin at hand */
    size_t count, room;    /* room: picks that there may be, of the lane at hand and those before */
    uint64_t lane;         /* at hand */
};

static void note_next(struct claiming *c, int64_t due_ms)
{
    if (due_ms < c->next_due)
        c->next_due = due_ms;
}

static bool pick(void *context, int64_t row, int64_t due_ms)
{
    struct claiming *p = context;
    if (leases_has(p->leases, row))
        return true;
    if (due_ms > p->now || p->count == p->room) {
        note_next(p, due_ms);
        return false;
    }
    p->picks[p->count++] = (struct pick){row, p->lane};
    return true;
}

/* What cannot be read would be claimed again and again. */
static void fail_unreadable(struct claiming *c, int64_t row, const char *reason)
{
    log_error("spool-unreadable", NULL, LOG_NUMBER("row", row), LOG_TEXT("error", reason));
    int code = db_begin(c->db);
    if (code == 0)
        code = db_fail(c->db, row, reason);
    if (code == 0)
        code = db_commit(c->db);
    if (code == 0)
        leases_drop(c->leases, row);
    else
        db_undo(c->db); /* it stays leased: not looked at before the next start */
}

/* Lost for good, or only now, for want of memory or descriptors? */
static bool is_lost(int code)
{
    return code == -EBADMSG || code == -ENOENT || code == -EACCES;
}

static void load(struct claiming *c, const struct pick *picked, struct origin_due *origin)
{
    struct claim *claim = c->claim;
    int64_t row = picked->row;
    const char *reason = "out of memory";
    struct delivery *d;
    int code = leases_take(c->leases, row, origin->key, picked->lane);
    if (code == 0)
        code = db_load(c->db, row, claim->deliveries, &d, &reason);
    const char *fault = code == 0 ? delivery_fault(d) : NULL;
    if (fault) {
        delivery_free(d);
        reason = fault;
        code = -EBADMSG;
    }
    if (code == 0) {
        uint64_t size = payload_memory(d->payload);
        d->state = DELIVERY_LEASED;
        claim->bytes = claim->bytes > size ? claim->bytes - size : 0;
        claim->limit--;
        d->next = claim->deliveries;
        claim->deliveries = d;
    } else if (is_lost(code)) {
        fail_unreadable(c, row, reason);
    } else {
        log_error("spool-failed", NULL, LOG_TEXT("at", "claim"), LOG_NUMBER("row", row),
                  LOG_TEXT("error", reason));
        leases_drop(c->leases, row);
        leases_note_due(c->leases, origin->key, c->now + READ_RETRY_MS);
    }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* `most` of what is leased at once, where a hold or the claim limits it; 0: neither. */
static size_t room_for(size_t leased, size_t most, size_t on_probation)
{
    if (on_probation && (!most || on_probation < most))
        most = on_probation;
    return !most ? SIZE_MAX : most > leased ? most - leased : 0;
}

/* Picks of one lane, up to `room` picks in all. */
static int claim_lane(struct claiming *c, const struct origin_due *origin, int64_t due_ms,
                      size_t room)
{
    const struct lane_due *lane = leases_lane(c->leases, c->lane);
    int64_t held_until = lane ? lane->hold.until_ms : 0;
    if (pauses_exact(c->leases->pauses, origin->key, c->lane))
        return 0;
    if (due_ms > c->now || held_until > c->now) {
        note_next(c, due_ms > held_until ? due_ms : held_until);
        return 0;
    }
    size_t most = room_for(lane ? lane->leased : 0, c->claim->per_lane, lane ? lane->hold.most : 0);
    c->room = c->count + smaller(most, room - c->count);
    return db_walk_due(c->db, origin->key, c->lane, pick, c);
}

/* Goes through the origin's lanes from where the last claim ended, once round. */
static int pick_of_lanes(struct claiming *c, struct origin_due *origin, size_t room)
{
    int64_t start = origin->turn, after = start, lane, due_ms;
    bool round = start < 0;
    for (int looks = 0; looks < LANES_MAX; looks++) {
        int code = db_next_lane(c->db, origin->key, after, &lane, &due_ms);
        if (code != 0 && code != -ENOENT)
            return code;
        if (code == -ENOENT && !round) {
            round = true;
            after = -1;
            continue;
        }
        if (code == -ENOENT || (start >= 0 && round && lane > start))
            return 0;
        if (c->count == room)
            break;
        c->lane = (uint64_t)lane;
        if ((code = claim_lane(c, origin, due_ms, room)) != 0)
            return code;
        origin->turn = after = lane;
    }
    note_next(c, 0); /* of lanes that were not looked at */
    return 0;
}

static void claim_origin(struct claiming *c, struct origin_due *origin)
{
    struct claim *claim = c->claim;
    size_t room =
        smaller(claim->limit, room_for(origin->leased, claim->per_origin, origin->hold.most));
    c->count = 0;
    c->next_due = NEVER;
    if (room == 0 || claim->bytes == 0)
        return;
    if (pick_of_lanes(c, origin, room) != 0) {
        log_error("spool-failed", NULL, LOG_TEXT("at", "claim"),
                  LOG_TEXT("error", db_error(c->db)));
        origin->next_due_ms = c->now + READ_RETRY_MS;
        return;
    }
    origin->next_due_ms = c->next_due;
    for (size_t i = 0; i < c->count; i++) {
        if (claim->bytes > 0)
            load(c, &c->picks[i], origin);
        else
            leases_note_due(c->leases, origin->key, 0);
    }
}

/* Oldest first within a lane; lanes take turns, and origins at being the first. */
static void claim_all(struct claiming *c)
{
    struct map *origins = &c->leases->origins;
    size_t capacity = origins->capacity;
    for (size_t i = 0; i < capacity && c->claim->limit > 0; i++) {
        size_t slot = (c->leases->turn + i) & (capacity - 1);
        struct origin_due *origin = origins->slots[slot].value;
        if (origin && leases_due(c->leases, origin) <= c->now)
            claim_origin(c, origin);
    }
    c->leases->turn += capacity / 2 + 1;
    for (size_t i = 0; i < capacity; i++) {
        struct origin_due *origin = origins->slots[i].value;
        c->claim->more |= origin && leases_due(c->leases, origin) <= c->now;
    }
}

static struct delivery *reversed(struct delivery *list)
{
    struct delivery *result = NULL;
    for (struct delivery *next; list; list = next) {
        next = list->next;
        list->next = result;
        result = list;
    }
    return result;
}

void claiming_run(struct db *db, struct leases *leases, struct claim *claim)
{
    struct pick *picks = malloc((claim->limit ? claim->limit : 1) * sizeof *picks);
    struct claiming claiming = {
        .db = db, .leases = leases, .claim = claim, .now = clock_unix_ms(), .picks = picks};
    claim->deliveries = NULL;
    claim->more = !picks;
    if (picks)
        claim_all(&claiming);
    claim->deliveries = reversed(claim->deliveries);
    claim->next_due_ms = leases_next_due(leases, claiming.now);
    free(picks);
}
