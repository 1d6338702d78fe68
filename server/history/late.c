#include "late.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOTHING_CHANGES (-1) /* as a `row` */

static uint64_t key_of(uint32_t connection, uint32_t id)
{
    return (uint64_t)connection << 32 | id;
}

static int want(struct late *late, struct history_attempt *a)
{
    unsigned number;
    char id[ID_SIZE];
    struct map_key of = history_message_of(a, &number);
    snprintf(id, sizeof id, "%.*s", (int)of.size, (const char *)of.bytes);
    if (late->wanted == 0 || strcmp(id, late->first_id) < 0)
        memcpy(late->first_id, id, sizeof id);
    if (late->wanted == 0 || strcmp(id, late->last_id) > 0)
        memcpy(late->last_id, id, sizeof id);
    uint64_t key = key_of(term_of_connection(id), term_of_text(id, of.size));
    struct history_attempt *others = map_get(&late->by_message, key);
    a->later = NULL;
    if (!others) {
        late->wanted++;
        return map_put(&late->by_message, key, a);
    }
    while (others->later)
        others = others->later;
    others->later = a;
    return 0;
}

int late_begin(struct late *late, struct history_attempt *attempts)
{
    int code = 0;
    *late = (struct late){0};
    for (struct history_attempt *a = attempts; a && code == 0; a = a->next)
        if (!a->joined)
            code = want(late, a);
    return code;
}

void late_end(struct late *late)
{
    map_free(&late->by_message);
}

/* What has become of the delivery, as its term says it then: also to the next attempt at it. */
static int tell(struct packed *terms, const struct message_terms *m, struct history_attempt *a,
                int (*change)(void *context, const struct late_change *change), void *context)
{
    unsigned number;
    history_message_of(a, &number);
    for (uint32_t i = 0; i < m->delivery_count; i++) {
        uint32_t destination, origin;
        struct delivery_term term;
        struct late_change to;
        to.place = terms_delivery(terms, m, i, &destination, &origin, &term);
        if (term.number != number)
            continue;
        if (!history_step(term.state, a))
            break;
        term.state = a->state;
        if (a->action == HISTORY_ATTEMPTED)
            term.status = a->status;
        term.later = true;
        delivery_term_write(&term, to.bytes);
        memcpy(terms->bytes + to.place, to.bytes, sizeof to.bytes);
        return change(context, &to);
    }
    a->row = NOTHING_CHANGES;
    return 0;
}

int late_look_in(struct late *late, struct packed *terms, int64_t row,
                 int (*change)(void *context, const struct late_change *change), void *context)
{
    struct message_terms m;
    size_t at = 0;
    int code = 0;
    for (; late->wanted > 0 && code == 0 && terms_next(terms, &at, &m) == 0; row++) {
        struct history_attempt *a = map_remove(&late->by_message, key_of(m.connection, m.id));
        late->wanted -= a != NULL;
        for (; a && code == 0; a = a->later) {
            a->row = row;
            code = tell(terms, &m, a, change, context);
        }
    }
    return code;
}
