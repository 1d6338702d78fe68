#include "inbox.h"

#include <stdlib.h>

#define GROUP_MAX     256                 /* commits, and as many ends, of one transaction */
#define ENDS_WAIT_NS  (25 * 1000000ull)   /* how long ends wait for a commit to go with */
#define ENDS_RETRY_NS (1000 * 1000000ull) /* after they could not be stored */

int inbox_init(struct inbox *inbox)
{
    *inbox = (struct inbox){0};
    inbox->commits.tail = &inbox->commits.head;
    inbox->ends.tail = &inbox->ends.head;
    inbox->holds_tail = &inbox->holds;
    int code = uv_mutex_init(&inbox->mutex);
    if (code != 0)
        return code;
    if ((code = uv_cond_init(&inbox->wake)) != 0)
        uv_mutex_destroy(&inbox->mutex);
    return code;
}

void inbox_destroy(struct inbox *inbox)
{
    for (struct delivery *d = inbox->ends.head, *next; d; d = next) { /* of claims just answered */
        next = d->next;
        delivery_free(d);
    }
    for (struct hold *hold = inbox->holds, *next; hold; hold = next) {
        next = hold->next;
        free(hold);
    }
    uv_cond_destroy(&inbox->wake);
    uv_mutex_destroy(&inbox->mutex);
}

/* ---- In ---- */

void inbox_put_commit(struct inbox *inbox, struct commit *commit)
{
    commit->next = NULL;
    uv_mutex_lock(&inbox->mutex);
    *inbox->commits.tail = commit;
    inbox->commits.tail = &commit->next;
    uv_cond_signal(&inbox->wake);
    uv_mutex_unlock(&inbox->mutex);
}

void inbox_put_claim(struct inbox *inbox, struct claim *claim)
{
    uv_mutex_lock(&inbox->mutex);
    claim->next = inbox->claims;
    inbox->claims = claim;
    uv_cond_signal(&inbox->wake);
    uv_mutex_unlock(&inbox->mutex);
}

void inbox_put_end(struct inbox *inbox, struct delivery *delivery)
{
    delivery->next = NULL;
    uv_mutex_lock(&inbox->mutex);
    if (!inbox->ends.head) {
        inbox->ends_due = uv_hrtime() + ENDS_WAIT_NS;
        uv_cond_signal(&inbox->wake);
    }
    *inbox->ends.tail = delivery;
    inbox->ends.tail = &delivery->next;
    uv_mutex_unlock(&inbox->mutex);
}

void inbox_put_hold(struct inbox *inbox, struct hold *hold)
{
    hold->next = NULL;
    uv_mutex_lock(&inbox->mutex);
    *inbox->holds_tail = hold;
    inbox->holds_tail = &hold->next;
    uv_cond_signal(&inbox->wake);
    uv_mutex_unlock(&inbox->mutex);
}

bool inbox_return_ends(struct inbox *inbox, struct delivery *ends)
{
    struct delivery **tail = &ends;
    while (*tail)
        tail = &(*tail)->next;
    uv_mutex_lock(&inbox->mutex);
    bool open = !inbox->closing;
    if (open && ends) {
        *tail = inbox->ends.head;
        if (!inbox->ends.head)
            inbox->ends.tail = tail;
        inbox->ends.head = ends;
        inbox->ends_due = uv_hrtime() + ENDS_RETRY_NS;
    }
    uv_mutex_unlock(&inbox->mutex);
    return open;
}

void inbox_close(struct inbox *inbox)
{
    uv_mutex_lock(&inbox->mutex);
    inbox->closing = true;
    uv_cond_signal(&inbox->wake);
    uv_mutex_unlock(&inbox->mutex);
}

/* ---- Out ---- */

/* When there is something to do at the latest. */
static uint64_t wake_time(const struct inbox *inbox, uint64_t until)
{
    if (inbox->commits.head || inbox->claims || inbox->holds || inbox->closing)
        return 0;
    return inbox->ends.head && inbox->ends_due < until ? inbox->ends_due : until;
}

static struct commit *take_commits(struct inbox *inbox)
{
    struct commit *first = inbox->commits.head;
    struct commit **end = &inbox->commits.head;
    for (size_t n = 0; *end && n < GROUP_MAX; n++)
        end = &(*end)->next;
    struct commit *rest = *end;
    *end = NULL;
    inbox->commits.head = rest;
    if (!rest)
        inbox->commits.tail = &inbox->commits.head;
    return first;
}

static struct delivery *take_ends(struct inbox *inbox)
{
    struct delivery *first = inbox->ends.head;
    struct delivery **end = &inbox->ends.head;
    for (size_t n = 0; *end && n < GROUP_MAX; n++)
        end = &(*end)->next;
    struct delivery *rest = *end;
    *end = NULL;
    inbox->ends.head = rest;
    if (!rest)
        inbox->ends.tail = &inbox->ends.head;
    return first;
}

void inbox_take(struct inbox *inbox, uint64_t until, struct batch *batch)
{
    uv_mutex_lock(&inbox->mutex);
    for (;;) {
        uint64_t wake = wake_time(inbox, until), now = uv_hrtime();
        if (wake <= now)
            break;
        uv_cond_timedwait(&inbox->wake, &inbox->mutex, wake - now);
    }
    /* A claim counts leases, so what has ended goes first. */
    bool ends_due =
        inbox->commits.head || inbox->claims || inbox->closing || inbox->ends_due <= uv_hrtime();
    batch->commits = take_commits(inbox);
    batch->ends = ends_due ? take_ends(inbox) : NULL;
    batch->claims = inbox->claims;
    inbox->claims = NULL;
    batch->holds = inbox->holds;
    inbox->holds = NULL;
    inbox->holds_tail = &inbox->holds;
    batch->end = inbox->closing && !batch->commits && !batch->ends && !batch->claims;
    uv_mutex_unlock(&inbox->mutex);
}
