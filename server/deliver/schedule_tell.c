/* What the schedule has to tell: the log, and the spool, which is to bring no more of what is held. */
#include <stdio.h>
#include <stdlib.h>

#include "schedule_private.h"

static void push_change(struct schedule *s, const struct schedule_change *change)
{
    struct change_node *node = malloc(sizeof *node);
    if (!node)
        return; /* the spool brings some of it in vain: no harm */
    node->next = NULL;
    node->change = *change;
    *s->changes_end = node;
    s->changes_end = &node->next;
}

void schedule_tell_origin(struct schedule *s, const struct origin *origin, enum change_what what)
{
    struct schedule_change change = {.scope = CHANGE_ORIGIN,
                                     .what = what,
                                     .pause_ms = origin->breaker.pause_ms,
                                     .failures = origin->breaker.failures};
    if (what == CHANGE_OPENED) {
        change.until_ms = origin->breaker.until_ms;
        change.most = 1;
    }
    snprintf(change.name, sizeof change.name, "%s", origin->name);
    push_change(s, &change);
}

void schedule_tell_lane(struct schedule *s, struct lane *lane, enum change_what what,
                        int64_t now_ms)
{
    struct schedule_change change = {.scope = CHANGE_LANE, .what = what};
    lane->most = schedule_hand_limit(s, lane);
    change.most = lane->most;
    change.failures = lane->breaker.failures;
    change.rate = pace_rate(&lane->pace);
    if (what == CHANGE_OPENED || what == CHANGE_GONE)
        change.until_ms = lane->breaker.until_ms;
    else if (lane->pace.until_ms > now_ms)
        change.until_ms = lane->pace.until_ms;
    if (change.until_ms)
        change.pause_ms = change.until_ms - now_ms;
    snprintf(change.name, sizeof change.name, "%s", lane->name);
    lane->told = change.most > 0 || change.until_ms > 0;
    push_change(s, &change);
}

bool schedule_change(struct schedule *s, struct schedule_change *change)
{
    struct change_node *node = s->changes;
    if (!node)
        return false;
    *change = node->change;
    s->changes = node->next;
    if (!s->changes)
        s->changes_end = &s->changes;
    free(node);
    return true;
}

/* What it may have in hand has changed much since the spool was told. */
void schedule_note_rate(struct schedule *s, struct lane *lane, int64_t now_ms)
{
    size_t most = schedule_hand_limit(s, lane), told = lane->most;
    if (lane->pace.until_ms > now_ms || lane->breaker.state != BREAKER_CLOSED || most == told)
        return;
    if (most == 0)
        schedule_tell_lane(s, lane, CHANGE_FREE, now_ms);
    else if (told == 0 || most > told * 2 || most < told / 2)
        schedule_tell_lane(s, lane, CHANGE_PACED, now_ms);
}
