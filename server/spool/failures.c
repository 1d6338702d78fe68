#include "failures.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"

static struct map_key key_of(const void *value)
{
    const struct failure *failure = value;
    return (struct map_key){failure->key, failure->key_size};
}

/* Numbers of one case are no other reason: a port, bytes, ms. */
static void put_reason(const char *error, char reason[FAILURE_REASON_SIZE])
{
    size_t used = 0;
    bool number = false;
    const char *from =
        strncmp(error, "answered ", 9) == 0 ? error + 9 + strspn(error + 9, DIGITS) : error;
    from += strspn(from, ": ");
    for (; *from && used < FAILURE_REASON_SIZE - 1; from++) {
        bool digit = *from >= '0' && *from <= '9';
        if (!digit || !number)
            reason[used++] = digit ? '#' : *from;
        number = digit;
    }
    reason[used] = 0;
}

static bool has_room(struct failures *f)
{
    if (f->count < f->room)
        return true;
    size_t room = f->room ? f->room * 2 : 64;
    struct failure **grown = realloc(f->list, room * sizeof(struct failure *));
    if (!grown)
        return false;
    f->list = grown;
    f->room = room;
    return true;
}

static struct failure *failure_new(struct failures *f, const struct failure *like,
                                   struct map_key key)
{
    struct failure *failure = has_room(f) ? malloc(sizeof *failure + key.size) : NULL;
    if (!failure)
        return NULL;
    *failure = *like;
    memcpy(failure->key, key.bytes, key.size);
    failure->key_size = key.size;
    if (map_add(&f->map, failure) != 0) {
        free(failure);
        return NULL;
    }
    return f->list[f->count++] = failure;
}

/* The delivery's group, found or made. 0; -ENOSPC: there are too many; -ENOMEM. */
static int group_of(struct failures *f, const struct delivery *d, struct failure **out)
{
    struct failure like = {.status = d->last_status, .first_ms = d->created_ms};
    char key[REDACT_SIZE + FAILURE_REASON_SIZE + 16];
    redact_url(d->destination.url, like.destination);
    put_reason(d->last_error ? d->last_error : "", like.reason);
    int size = snprintf(key, sizeof key, "%d %s %s", like.status, like.destination, like.reason);
    struct map_key found = {key, (size_t)size};
    *out = map_find(&f->map, found);
    if (*out)
        return 0;
    if (f->groups_max > 0 && f->count == f->groups_max)
        return -ENOSPC;
    memcpy(like.example, d->id, sizeof like.example);
    *out = failure_new(f, &like, found);
    return *out ? 0 : -ENOMEM;
}

static int keep_id(struct failure *failure, const char *id)
{
    if (failure->count == failure->capacity) {
        size_t capacity = failure->capacity ? 2 * failure->capacity : 16;
        void *ids = realloc(failure->ids, capacity * sizeof *failure->ids);
        if (!ids)
            return -ENOMEM;
        failure->ids = ids;
        failure->capacity = capacity;
    }
    memcpy(failure->ids[failure->count], id, ID_SIZE);
    return 0;
}

static int add(void *context, const struct delivery *d)
{
    struct failures *f = context;
    struct failure *failure = NULL;
    bool full = f->ids_max > 0 && f->total == f->ids_max;
    int code = full ? -ENOSPC : group_of(f, d, &failure);
    if (code == -ENOSPC) {
        f->cut = true;
        return 0;
    }
    if (code == 0 && f->ids_max > 0)
        code = keep_id(failure, d->id);
    if (code != 0)
        return code;
    failure->count++;
    failure->last_ms = d->created_ms;
    f->total++;
    return 0;
}

static int most_first(const void *a, const void *b)
{
    const struct failure *x = *(struct failure *const *)a, *y = *(struct failure *const *)b;
    return x->count > y->count ? -1 : x->count < y->count;
}

int failures_read(struct failures *f, struct queue *queue, const struct queue_filter *filter,
                  struct error *err)
{
    struct queue_filter failed = *filter;
    failed.failed_only = true;
    f->map.key_of = key_of;
    int code = queue_list(queue, &failed, add, f, err);
    if (code == -ENOMEM)
        error_set(err, code, "out of memory");
    if (f->count > 0)
        qsort(f->list, f->count, sizeof *f->list, most_first);
    return code;
}

void failures_free(struct failures *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->list[i]->ids);
        free(f->list[i]);
    }
    free(f->list);
    map_free(&f->map);
    *f = (struct failures){0};
}
