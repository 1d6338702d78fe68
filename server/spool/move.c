#include "move.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "store.h"

#define GROUP 100 /* deliveries of one transaction */

struct ids {
    char (*list)[ID_SIZE];
    size_t count, capacity;
};

struct move {
    struct store *from, *to;
    struct ids ids;
    struct commit commits[GROUP];
    size_t in_group;
    int64_t *moved, *left;
    struct error *err;
};

static int note_id(void *context, const struct delivery *delivery)
{
    struct ids *ids = context;
    if (ids->count == ids->capacity) {
        size_t capacity = ids->capacity ? ids->capacity * 2 : 1024;
        void *list = realloc(ids->list, capacity * sizeof *ids->list);
        if (!list)
            return -ENOMEM;
        ids->list = list;
        ids->capacity = capacity;
    }
    memcpy(ids->list[ids->count++], delivery->id, ID_SIZE);
    return 0;
}

static int fail(struct move *m, struct store *store, int code)
{
    return error_set(m->err, code, "%s: %s", store->ops->name, store->ops->error(store));
}

/* As the other store keeps it: a large one in a file of its own. */
static int copy_payload(struct move *m, struct delivery *d)
{
    char name[ID_SIZE + 16], buffer[65536];
    snprintf(name, sizeof name, "%s.payload", d->id);
    struct spill *copy = m->to->ops->new_body(m->to, name);
    int code = copy ? 0 : -ENOMEM;
    ssize_t n = 1;
    for (uint64_t at = 0; code == 0 && n > 0; at += n > 0 ? (uint64_t)n : 0) {
        n = payload_read(d->payload, at, buffer, sizeof buffer);
        code = n > 0 ? spill_write(copy, buffer, (size_t)n) : (int)n;
    }
    return delivery_replace_payload(d, copy, code);
}

struct past {
    struct arena *arena;
    struct past_attempt *first, **end;
};

static int note_attempt(void *context, const struct queue_attempt *attempt)
{
    struct past *past = context;
    struct past_attempt *copy = arena_alloc(past->arena, sizeof *copy);
    char *reply = attempt->reply_size ? arena_alloc(past->arena, attempt->reply_size) : NULL;
    if (!copy || (attempt->reply_size && !reply))
        return -ENOMEM;
    *copy = (struct past_attempt){.attempt = *attempt};
    copy->attempt.error = arena_strdup(past->arena, attempt->error ? attempt->error : "");
    copy->attempt.reply = reply;
    if (!copy->attempt.error)
        return -ENOMEM;
    if (reply)
        memcpy(reply, attempt->reply, attempt->reply_size);
    *past->end = copy;
    past->end = &copy->next;
    return 0;
}

/* Without what the one store knew of it, but for the attempts that it kept. */
static void forget_stored(struct delivery *d, struct past_attempt *past)
{
    *d->stored = (struct stored){.past = past};
    if (d->state == DELIVERY_LEASED)
        d->state = DELIVERY_WAITING;
}

static int remove_moved(struct move *m, const char *id)
{
    int code = m->from->ops->change(m->from, CHANGE_DROP, id);
    if (code != 0 && code != -ENOENT)
        return fail(m, m->from, code);
    *m->moved += 1;
    return 0;
}

static int store_group(struct move *m)
{
    struct store_work work = {.commits = m->in_group ? m->commits : NULL};
    int code = 0;
    for (size_t i = 0; i < m->in_group; i++)
        m->commits[i].next = i + 1 < m->in_group ? &m->commits[i + 1] : NULL;
    if (m->in_group)
        m->to->ops->apply(m->to, &work);
    for (size_t i = 0; i < m->in_group; i++) {
        struct delivery *d = m->commits[i].deliveries;
        if (code == 0 && m->commits[i].status != 0)
            code = fail(m, m->to, m->commits[i].status);
        else if (code == 0)
            code = remove_moved(m, d->id);
        delivery_free(d);
    }
    m->in_group = 0;
    return code;
}

static bool is_there(struct store *store, const char *id)
{
    const char *reason = NULL;
    struct delivery *d = NULL;
    int code = store->ops->show(store, id, &d, &reason);
    if (code == 0)
        delivery_free(d);
    return code == 0;
}

static int move_one(struct move *m, const char *id)
{
    const char *reason = NULL;
    struct delivery *d;
    int code = m->from->ops->show(m->from, id, &d, &reason);
    if (code == -ENOENT)
        return 0;
    if (code != 0 && !reason)
        return fail(m, m->from, code);
    if (code != 0) {
        log_error("spool-unreadable", id, LOG_TEXT("error", reason));
        *m->left += 1;
        return 0;
    }
    if (is_there(m->to, id)) {
        delivery_free(d);
        return remove_moved(m, id);
    }
    struct past past = {.arena = d->arena, .end = &past.first};
    code = m->from->ops->attempts(m->from, d, note_attempt, &past);
    if (code == 0)
        code = copy_payload(m, d);
    if (code != 0) {
        delivery_free(d);
        return error_set(m->err, code, "%s: %s", id, strerror(-code));
    }
    forget_stored(d, past.first);
    m->commits[m->in_group++] = (struct commit){.deliveries = d};
    return m->in_group == GROUP ? store_group(m) : 0;
}

static int move_all(struct move *m)
{
    const struct queue_filter all = {0};
    int code = m->from->ops->list(m->from, &all, note_id, &m->ids);
    if (code != 0)
        return fail(m, m->from, code);
    for (size_t i = 0; i < m->ids.count && code == 0; i++)
        code = move_one(m, m->ids.list[i]);
    int rest = store_group(m);
    return code ? code : rest;
}

/* Those of the one are gone when all has been moved, and so are in force nowhere else. */
static int move_pauses(struct move *m)
{
    struct pauses pauses = {0};
    int code = m->from->ops->pauses(m->from, false, &pauses);
    if (code != 0)
        fail(m, m->from, code);
    for (size_t i = 0; i < pauses.count && code == 0; i++) {
        if ((code = m->to->ops->pause(m->to, &pauses.list[i])) != 0)
            fail(m, m->to, code);
    }
    for (size_t i = 0; i < pauses.count && code == 0; i++) {
        code = m->from->ops->resume(m->from, pauses.list[i].origin, pauses.list[i].lane);
        if (code == -ENOENT)
            code = 0;
        else if (code != 0)
            fail(m, m->from, code);
    }
    pauses_free(&pauses);
    return code;
}

int spool_move(const struct spool_config *from, const struct spool_config *to, int64_t *moved,
               int64_t *left, struct error *err)
{
    struct move *m = calloc(1, sizeof *m);
    if (!m)
        return error_set(err, -ENOMEM, "out of memory");
    m->moved = moved;
    m->left = left;
    m->err = err;
    *moved = *left = 0;
    int code = store_ops_of(from)->open_alone(from, &m->from, err);
    if (code == 0)
        code = store_ops_of(to)->open(to, &m->to, err);
    if (code == 0)
        code = move_pauses(m);
    if (code == 0)
        code = move_all(m);
    if (m->from)
        m->from->ops->close(m->from);
    if (m->to)
        m->to->ops->close(m->to);
    free(m->ids.list);
    free(m);
    return code;
}

int spool_migrate(const struct spool_config *config, struct error *err)
{
    const struct store_ops *ops = store_ops_of(config);
    if (!ops->migrate)
        return error_set(err, -ENOTSUP,
                         "spool.postgres is not set: a spool in a folder is brought "
                         "up to date when the server starts");
    return ops->migrate(config, err);
}
