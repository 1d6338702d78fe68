/* connection_close.c - the end of a connection, as far as it goes without its session. */
#include <stdlib.h>

#include "../base/log.h"
#include "../base/metrics.h"
#include "../base/spill.h"
#include "connection_private.h"

void connection_end(struct connection *c, const char *reason)
{
    if (c->wait >= WAIT_END)
        return;
    c->wait = WAIT_END;
    c->reason = reason;
}

static void leave_list(struct connection *c)
{
    struct connections *owner = c->owner;
    if (!owner)
        return;
    c->owner = NULL;
    if (c->previous)
        c->previous->next = c->next;
    else
        owner->first = c->next;
    if (c->next)
        c->next->previous = c->previous;
    owner->count--;
    metric_add(METRIC_SMTP_CONNECTIONS, -1, c->listener);
    if (c->counted)
        limits_leave(owner->limits, &c->address, (int64_t)uv_now(owner->loop));
    owner->left(owner);
}

void connection_free_if_over(struct connection *c)
{
    if (c->open_handles > 0)
        return;
    if (c->awaited == 0 || c->aborted)
        leave_list(c);
    if (c->awaited > 0)
        return;
    stream_free(&c->stream); /* before the session's config, whose certificates it uses */
    proxy_reader_free(c->proxy);
    session_free(c->session);
    spill_free(c->data);
    free(c);
}

static void on_gone(void *context)
{
    struct connection *c = context;
    c->open_handles--;
    connection_free_if_over(c);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_gone(handle->data);
}

void connection_close(struct connection *c, const char *reason)
{
    if (c->wait == WAIT_CLOSED)
        return;
    connection_lose(c);
    log_limited(LOG_INFO, "disconnect", c->id, LOG_TEXT("reason", reason));
    c->wait = WAIT_CLOSED;
    stream_close(&c->stream, on_gone);
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}
