/* What mxhook history replay is to send, or to ask the rules about. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../history/walk.h"
#include "replay.h"

/* ---- What is to be sent ---- */

static char *copy(const char *text)
{
    return strdup(text ? text : "");
}

int replay_add(struct replay *r, const char *id, const char *target, const char *recipient,
               const char *sender, int64_t body)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 256;
        struct item *items = realloc(r->items, capacity * sizeof *items);
        if (!items)
            return -ENOMEM;
        r->items = items;
        r->capacity = capacity;
    }
    struct item *item = &r->items[r->count];
    snprintf(item->id, sizeof item->id, "%s", id);
    item->target = copy(target);
    item->recipient = copy(recipient);
    item->sender = copy(sender);
    item->body = body;
    r->count++;
    return item->target && item->recipient && item->sender ? 0 : -ENOMEM;
}

bool replay_wanted(const struct filter_terms *terms, const struct history_delivery *d)
{
    const char *recipient = terms->filter->recipient;
    return filter_has_delivery(terms, d) &&
           (!recipient || filter_is_address(d->recipient, recipient));
}

static int collect(void *context, const struct history_message *m)
{
    struct replay *r = context;
    int code = 0;
    for (size_t i = 0; i < m->delivery_count && code == 0; i++) {
        const struct history_delivery *d = &m->deliveries[i];
        if (!replay_wanted(&r->terms, d))
            continue;
        char id[ID_SIZE];
        id_child(id, m->id, d->number);
        if (d->body && d->target && *d->target && strchr(d->target, '/'))
            code = replay_add(r, id, d->target, d->recipient, m->sender, d->body);
        else
            r->without_body++;
    }
    return code;
}

int replay_find(struct replay *r)
{
    return history_walk(r->reader->ops, r->reader->store, r->filter, collect, r);
}

void replay_free(struct replay *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->items[i].target);
        free(r->items[i].recipient);
        free(r->items[i].sender);
    }
    free(r->items);
}
