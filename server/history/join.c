#include "join.h"

#include <stdlib.h>
#include <string.h>

struct map_key history_message_of(const struct history_attempt *a, unsigned *number)
{
    size_t parent;
    *number = id_number(a->id, &parent);
    return (struct map_key){a->id, parent};
}

static struct map_key id_of(const void *message)
{
    const char *id = ((const struct history_message *)message)->id;
    return (struct map_key){id, strlen(id)};
}

static void append(struct history_delivery *d, struct history_attempt *a)
{
    struct history_attempt **end = &d->made;
    while (*end)
        end = &(*end)->later;
    *end = a;
    a->later = NULL;
}

bool history_step(enum history_state was, struct history_attempt *a)
{
    switch (a->action) {
    case HISTORY_ATTEMPTED:
        if (was == HISTORY_DROPPED && a->state != HISTORY_DELIVERED)
            a->state = was;
        return true;
    case HISTORY_DROP: return was != HISTORY_DELIVERED && was != HISTORY_DROPPED;
    case HISTORY_RETRY: return was == HISTORY_FAILED;
    case HISTORY_EDIT: a->state = was; return was == HISTORY_WAITING || was == HISTORY_FAILED;
    }
    return false;
}

void history_follow(struct history_delivery *d, const struct history_attempt *a)
{
    if (a->action == HISTORY_ATTEMPTED)
        d->attempts = a->number;
    if (a->action == HISTORY_ATTEMPTED || a->action == HISTORY_DROP)
        d->error = a->error;
    if (a->action != HISTORY_EDIT)
        d->ended_ms = history_ended_ms(a);
}

static void join_attempt(struct history_message *m, struct history_attempt *a, unsigned number)
{
    for (size_t i = 0; i < m->delivery_count; i++) {
        struct history_delivery *d = &m->deliveries[i];
        if (d->number != number)
            continue;
        a->joined = true;
        if (!history_step(d->state, a))
            return;
        append(d, a);
        history_follow(d, a);
        d->state = a->state;
        if (a->action == HISTORY_ATTEMPTED)
            d->status = a->status;
        if (a->payload && !d->payload) { /* bodies of failed ones are kept */
            d->payload = payload_ref(a->payload);
            d->target = a->target;
        }
        return;
    }
}

int history_join(struct history_message *messages, struct history_attempt *attempts)
{
    struct map by_id = {.key_of = id_of};
    int code = 0;
    for (struct history_message *m = messages; m && attempts && code == 0; m = m->next)
        code = map_add(&by_id, m);
    for (struct history_attempt *a = attempts; a && code == 0; a = a->next) {
        unsigned number;
        struct history_message *m = map_find(&by_id, history_message_of(a, &number));
        if (m)
            join_attempt(m, a, number);
    }
    map_free(&by_id);
    return code;
}
