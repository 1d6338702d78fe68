/* What is due that no node has in hand: so many of each lane that walk.c knows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/clock.h"
#include "../../base/log.h"
#include "values.h"
#include "probe.h"
#include "rows.h"

#define ASKED_MS  1000 /* so long a lane that was asked for, and had less, is not asked for again */
#define ROWS_MOST 256  /* at once: new mail need not wait for longer than these take */

/* ---- Holds ---- */

/* Wall clock here, since that is what a hold says. */
static int64_t held_until(const struct pg_store *s, const struct due_lane *lane)
{
    const struct lane_due *known = leases_lane(&s->leases, (uint64_t)lane->lane);
    const struct origin_due *origin = map_get(&s->leases.origins, (uint64_t)lane->origin);
    int64_t until = origin ? origin->hold.until_ms : 0;
    return known && known->hold.until_ms > until ? known->hold.until_ms : until;
}

/* ---- Choosing ---- */

struct choice {
    struct pg_store *s;
    struct claim *claim;
    struct values wanted;
    struct node_hold *holds;
    int hold_count;
    struct probe probes[PROBES_MAX];
    int probe_count;
    size_t lanes, rows;   /* wanted */
    struct map wanted_of; /* how many of each origin, as the pointer's number */
    size_t left;          /* lanes that may give something and were not asked yet */
    struct map left_of;   /* those of each origin, the same */
    int64_t now_ms;       /* monotonic */
    struct delivery *first, **end;
};

static size_t room_of(size_t leased, size_t most, size_t probation)
{
    if (probation && (!most || probation < most))
        most = probation;
    return !most ? SIZE_MAX : most > leased ? most - leased : 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t number_of(const struct map *map, int64_t origin)
{
    return (uintptr_t)map_get(map, (uint64_t)origin);
}

static void set_number(struct map *map, int64_t origin, uintptr_t number)
{
    if (number > 0)
        (void)map_put(map, (uint64_t)origin, (void *)number);
    else
        (void)map_remove(map, (uint64_t)origin);
}

/* How much of it one lane gets, where nobody knows yet what each has. */
static size_t share(size_t room, size_t lanes)
{
    return lanes < 2 ? room : room / lanes + (room % lanes > 0);
}

/* So many of a lane as the limits, those of the whole cluster included, leave room for. */
static size_t room_in(const struct choice *c, const struct due_lane *next)
{
    const struct lane_due *lane = leases_lane(&c->s->leases, (uint64_t)next->lane);
    const struct origin_due *origin = map_get(&c->s->leases.origins, (uint64_t)next->origin);
    size_t nodes = (size_t)node_live(c->s->node), per_origin = c->claim->per_origin / nodes;
    size_t leased = (origin ? origin->leased : 0) + number_of(&c->wanted_of, next->origin);
    size_t room = room_of(leased, per_origin ? per_origin : 1, origin ? origin->hold.most : 0);
    room =
        smaller(share(room, number_of(&c->left_of, next->origin)),
                room_of(lane ? lane->leased : 0, c->claim->per_lane, lane ? lane->hold.most : 0));
    return smaller(room, share(c->claim->limit - c->rows, c->left));
}

static void note_due(struct choice *c, int64_t monotonic_ms)
{
    int64_t due = monotonic_ms + clock_ahead_ms();
    if (due < c->claim->next_due_ms)
        c->claim->next_due_ms = due;
}

static void want(struct choice *c, int64_t lane, size_t count)
{
    values_add_number(&c->wanted, 0, lane);
    values_add_number(&c->wanted, 1, (int64_t)count);
    c->rows += count;
    c->lanes++;
}

/* What nodes hold of it: an open breaker (*breaker, or NULL), that of the origin first; and when
 * nothing holds it any more. */
static int64_t held_by_nodes(const struct choice *c, const struct due_lane *lane,
                             const struct node_hold **breaker)
{
    const struct node_hold *holds[] = {
        holds_find(c->holds, c->hold_count, lane->origin, 0),
        holds_find(c->holds, c->hold_count, lane->origin, lane->lane)};
    int64_t until = 0;
    *breaker = NULL;
    for (size_t i = 0; i < 2; i++) {
        if (!holds[i] || (holds[i]->failures == 0 && holds[i]->node == node_id(c->s->node)))
            continue;
        if (holds[i]->failures > 0 && !*breaker)
            *breaker = holds[i];
        if (holds[i]->until_ms > until)
            until = holds[i]->until_ms;
    }
    return until;
}

/* One for each breaker, whatever lanes it holds. */
static void want_probe(struct choice *c, const struct due_lane *lane,
                       const struct node_hold *breaker)
{
    for (int i = 0; i < c->probe_count; i++)
        if (c->probes[i].hold.origin == breaker->origin && c->probes[i].hold.lane == breaker->lane)
            return;
    if (c->probe_count < PROBES_MAX)
        c->probes[c->probe_count++] = (struct probe){.hold = *breaker, .to = lane->lane};
}

/* Whether something of it is due that nothing holds, or that may be a probe of what holds it. */
static bool is_due(struct choice *c, const struct due_lane *lane, const struct node_hold **breaker)
{
    if (pauses_find(c->s->leases.pauses, (uint64_t)lane->origin, (uint64_t)lane->lane))
        return false;
    int64_t until = held_until(c->s, lane) - clock_ahead_ms(), due = lane->due_ms;
    int64_t nodes = held_by_nodes(c, lane, breaker);
    due = until > due ? until : due;
    due = nodes > due ? nodes : due;
    if (due > c->now_ms)
        note_due(c, due);
    return due <= c->now_ms;
}

static void count_lane(struct choice *c, struct due_lane *lane)
{
    const struct node_hold *breaker;
    lane->missing = 0;
    lane->due = is_due(c, lane, &breaker);
    if (!lane->due || breaker)
        return;
    c->left++;
    set_number(&c->left_of, lane->origin, number_of(&c->left_of, lane->origin) + 1);
}

static void choose_lane(struct choice *c, struct due_lane *lane)
{
    const struct node_hold *breaker;
    if (!lane->due)
        return;
    (void)held_by_nodes(c, lane, &breaker);
    size_t room = room_in(c, lane);
    if (!breaker) {
        c->left--;
        set_number(&c->left_of, lane->origin, number_of(&c->left_of, lane->origin) - 1);
    }
    if (room == 0) {
        c->claim->more = true;
        return;
    }
    lane->due_ms = c->now_ms + ASKED_MS; /* until the claim or the next walk knows better */
    if (!holds_has_turn(node_holds(c->s->node), node_id(c->s->node), lane->origin,
                        c->claim->at_once))
        return;
    if (breaker) {
        want_probe(c, lane, breaker);
        return;
    }
    want(c, lane->lane, room);
    lane->missing = room;
    set_number(&c->wanted_of, lane->origin, number_of(&c->wanted_of, lane->origin) + room);
}

/* Lanes take turns at being the first, so that those that have much leave room for others. */
static int choose(struct choice *c)
{
    size_t count = c->s->lane_count, first = count ? c->s->turn % count : 0;
    for (size_t i = 0; i < count; i++)
        count_lane(c, &c->s->lanes[i]);
    for (size_t i = 0; i < count; i++) {
        struct due_lane *next = &c->s->lanes[(first + i) % count];
        choose_lane(c, next);
        if (next->missing > 0)
            c->s->turn = (first + i + 1) % count;
    }
    int code = c->probe_count ? probes_win(c->s, c->probes, c->probe_count) : 0;
    for (int i = 0; i < c->probe_count && code == 0; i++)
        if (c->probes[i].won)
            want(c, c->probes[i].to, 1);
    return code;
}

/* ---- Claiming ---- */

/* A lane that gave all that was wanted has more, perhaps. */
static void note_claimed(struct choice *c, const struct delivery *d)
{
    struct due_lane *lane = pg_store_lane(c->s, (int64_t)d->stored->lane);
    if (!lane || lane->missing == 0 || --lane->missing > 0)
        return;
    lane->due_ms = c->now_ms;
    c->claim->more = true;
}

static void read_claimed(void *context, int number, PGresult *result)
{
    struct choice *c = context;
    for (int i = 0; number == 1 && i < PQntuples(result); i++) {
        struct delivery *d = rows_read(result, i);
        if (!d)
            continue; /* for want of memory: it stays this node's until the next reconciliation */
        d->state = DELIVERY_LEASED;
        probes_note(c->probes, c->probe_count, d);
        note_claimed(c, d);
        *c->end = d;
        c->end = &d->next;
    }
}

/* The server guesses a tenth of a lane where it cannot know the limit: so it would read the whole
 * table for a join (which an array is not), and compile what takes a millisecond. */
static int claim_rows(struct choice *c)
{
    values_number(&c->wanted, PARAM_INT4, node_id(c->s->node));
    pg_begin(&c->s->pg);
    pg_add(&c->s->pg, "SELECT set_config('jit', 'off', true)", 0, NULL, NULL, NULL, false);
    int code = values_send(
        &c->wanted, &c->s->pg,
        "UPDATE delivery d SET owner = $3 WHERE d.row = ANY(ARRAY(SELECT x.row "
        "FROM unnest($1, $2) w(lane, n), LATERAL (SELECT row FROM delivery WHERE lane = w.lane "
        "AND owner IS NULL AND due IS NOT NULL AND due <= " NOW_MS
        " ORDER BY due LIMIT w.n FOR UPDATE SKIP LOCKED) x)) RETURNING " ROW_COLUMNS,
        false);
    return code == 0 ? pg_end(&c->s->pg, PG_ANSWER_MS, read_claimed, c) : code;
}

/* Marks as failed what cannot be read, which would be claimed again and again. */
static void fail_unreadable(struct pg_store *s, const struct delivery *d, const char *reason)
{
    struct values params = {0};
    log_error("spool-unreadable", d->id, LOG_NUMBER("row", d->stored->row),
              LOG_TEXT("error", reason));
    values_number(&params, PARAM_INT8, d->stored->row);
    values_text(&params, reason);
    values_number(&params, PARAM_INT4, node_id(s->node));
    pg_begin(&s->pg);
    if (values_send(&params, &s->pg,
                    "UPDATE delivery SET due = NULL, owner = NULL, last_error = $2 "
                    "WHERE row = $1 AND owner = $3",
                    false) == 0)
        (void)pg_end(&s->pg, PG_ANSWER_MS, NULL, NULL);
}

static void release(struct pg_store *s, struct delivery *deliveries)
{
    struct values params = {0};
    values_array(&params, PARAM_INT8);
    for (struct delivery *d = deliveries; d; d = d->next)
        values_add_number(&params, 0, d->stored->row);
    values_number(&params, PARAM_INT4, node_id(s->node));
    pg_begin(&s->pg);
    if (values_send(&params, &s->pg,
                    "UPDATE delivery SET owner = NULL WHERE row = ANY($1) AND owner = $2",
                    false) == 0)
        (void)pg_end(&s->pg, PG_ANSWER_MS, NULL, NULL);
    for (struct delivery *next; deliveries; deliveries = next) {
        next = deliveries->next;
        delivery_free(deliveries);
    }
}

/* Hands over what was claimed as far as memory goes; the rest is released. */
static void hand_over(struct choice *c, const char *reason)
{
    struct claim *claim = c->claim;
    struct delivery **end = &claim->deliveries, *back = NULL;
    for (struct delivery *d = c->first, *next; d; d = next) {
        next = d->next;
        d->next = NULL;
        const char *fault = d->payload ? delivery_fault(d) : reason;
        if (leases_has(&c->s->leases, d->stored->row)) {
            delivery_free(
                d); /* is under way: its earlier claim went with a primary, and is made good now */
        } else if (fault) {
            fail_unreadable(c->s, d, fault);
            delivery_free(d);
        } else if (claim->bytes == 0 || leases_take(&c->s->leases, d->stored->row,
                                                    d->stored->origin, d->stored->lane) != 0) {
            d->next = back;
            back = d;
        } else {
            uint64_t size = payload_memory(d->payload);
            claim->bytes = claim->bytes > size ? claim->bytes - size : 0;
            claim->limit--;
            *end = d;
            end = &d->next;
        }
    }
    claim->more |= back != NULL;
    if (back)
        release(c->s, back);
}

static int run(struct choice *c)
{
    const char *reason = "";
    int code = pg_store_connect(c->s);
    if (code == 0)
        code = pg_store_walk(c->s);
    if (code != 0)
        return code;
    code = choose(c);
    if (code != 0 || c->lanes == 0)
        return code;
    code = claim_rows(c);
    if (code == 0 && c->first)
        code = rows_load_payloads(&c->s->pg, c->first, c->s->scratch, &reason);
    if (code == 0) {
        hand_over(c, reason);
    } else if (c->first) {
        pg_store_note(c->s, code);
        release(c->s, c->first); /* or at this node's death */
    }
    if (c->probe_count > 0)
        probes_return(c->s, c->probes, c->probe_count);
    return code;
}

void pg_store_claim(struct store *store, struct claim *claim)
{
    struct pg_store *s = (struct pg_store *)store;
    struct choice choice = {.s = s, .claim = claim, .now_ms = clock_monotonic_ms()};
    claim->deliveries = NULL;
    claim->more = false;
    claim->next_due_ms = INT64_MAX;
    claim->nodes = s->nodes_told = (size_t)node_live(s->node);
    atomic_store(&s->at_once, claim->at_once);
    if (claim->limit == 0 || !node_is_sure(s->node) || atomic_load(&s->fitness) != FIT) {
        note_due(&choice, choice.now_ms + ASKED_MS);
        return;
    }
    bool part = claim->limit > ROWS_MOST;
    claim->limit = smaller(claim->limit, ROWS_MOST);
    choice.end = &choice.first;
    values_array(&choice.wanted, PARAM_INT8);
    values_array(&choice.wanted, PARAM_INT4);
    choice.holds = holds_copy(node_holds(s->node), &choice.hold_count);
    int code = run(&choice);
    if (code == -EINPROGRESS)
        pg_store_set_aside(s);
    if (code != 0) {
        pg_store_note(s, code);
        note_due(&choice, choice.now_ms + ASKED_MS);
    } else if (part && claim->more && claim->deliveries) {
        note_due(&choice, choice.now_ms);
    }
    values_free(&choice.wanted);
    map_free(&choice.wanted_of);
    map_free(&choice.left_of);
    free(choice.holds);
}
