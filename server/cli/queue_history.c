/*
 * What `mxhook queue` did, noted in the history: the server sees only that a delivery is gone, or waits again.
 *
 * In groups, as the ids come. What cannot be noted is said on stderr: the change itself is done.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/clock.h"
#include "../history/ops.h"
#include "queue.h"

#define GROUP    500
#define LATE_MS  300  /* what was accepted a moment ago stands in the history a batch later, ... */
#define WAITS    5    /* ... for which it is waited so often, ... */
#define YOUNG_MS 5000 /* ... where it is so young */

struct noting {
    const struct history_ops *ops;
    struct history_store *store; /* NULL: there is none */
    enum history_action action;
    const char *words;
    struct history_attempt *first, **end;
    int count;
    bool failed; /* said once */
};

static void fail(struct noting *n, const char *why)
{
    if (!n->failed)
        fprintf(stderr, "mxhook queue: done, but not noted in the history: %s\n", why);
    n->failed = true;
}

static void free_all(struct noting *n)
{
    for (struct history_attempt *a = n->first, *next; a; a = next) {
        next = a->next;
        history_attempt_free(a);
    }
    n->first = NULL;
    n->end = &n->first;
    n->count = 0;
}

/* Leaves those that it may know soon. */
static void free_known(struct noting *n)
{
    int64_t young = clock_unix_ms() - YOUNG_MS;
    for (struct history_attempt **at = &n->first, *a; (a = *at);) {
        if (a->row == 0 && id_time_ms(a->id) > young) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        history_attempt_free(a);
        n->count--;
    }
}

static int write_group(struct noting *n)
{
    int code = n->store ? n->ops->write(n->store, NULL, n->first) : 0;
    if (code != 0)
        fail(n, n->ops->error(n->store));
    return code;
}

static void write_all(struct noting *n)
{
    for (int i = 0; n->count > 0 && i <= WAITS; i++) {
        if (i > 0)
            nanosleep(&(struct timespec){.tv_nsec = LATE_MS * 1000000l}, NULL);
        if (write_group(n) != 0)
            break;
        free_known(n);
    }
    free_all(n);
}

struct noting *queue_noting_new(const struct config *config, enum history_action action,
                                const char *words)
{
    struct error err = {""};
    struct noting *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    *n = (struct noting){
        .ops = history_ops_of(config), .action = action, .words = words, .end = &n->first};
    if (config->history.keep_ms == 0)
        return n;
    int code = n->ops->open(&config->spool, HISTORY_CHANGE, &n->store, &err);
    if (code != 0)
        n->store = NULL;
    if (code != 0 && code != -ENOENT)
        fail(n, err.text);
    return n;
}

void queue_noting_add(void *noting, const char *id)
{
    struct noting *n = noting;
    struct history_attempt *a = n->store ? history_action_new(id, n->action, n->words) : NULL;
    if (!a) {
        if (n->store)
            fail(n, "out of memory");
        return;
    }
    *n->end = a;
    n->end = &a->next;
    if (++n->count == GROUP)
        write_all(n);
}

void queue_noting_end(struct noting *n)
{
    if (!n)
        return;
    write_all(n);
    if (n->store)
        n->ops->close(n->store);
    free(n);
}
