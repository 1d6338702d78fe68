/*
 * A stream of events (SSE) for all who watch: each message of the history as it is written, and the figures of the
 * moment. The history's file is looked at, so that nobody who delivers mail has anything to do for it; a watcher that
 * does not read is disconnected.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/metrics.h"
#include "../history/json.h"
#include "request.h"

#define WATCHERS_MAX 256
#define BACKLOG_MAX  (256u * 1024) /* bytes that a watcher may be behind */
#define EACH_TIME                                                                                  \
    10 /* messages of one look: 40 a second, more than anybody reads; others are left out */
#define FIGURES_MS 1000
#define COMMENT_MS 15000

/* What all watchers share: the end of the stream. */
struct tail {
    char *bytes;
    uint64_t start, end; /* positions in the stream */
};

struct watcher {
    struct watcher *next, **link;
    struct events *events; /* NULL: they are gone */
    struct MHD_Connection *connection;
    uint64_t position;
    bool suspended;
    bool ended;
};

struct events {
    struct admin *admin;
    struct watcher *watchers;
    size_t count;
    struct tail tail;
    const struct history_ops *ops;
    struct history_store *store;
    int64_t row, figures_ms, comment_ms;
};

struct events *events_new(struct admin *admin)
{
    struct events *events = calloc(1, sizeof *events);
    if (!events)
        return NULL;
    events->admin = admin;
    events->row = -1;
    events->tail.bytes = malloc(BACKLOG_MAX);
    if (!events->tail.bytes) {
        free(events);
        return NULL;
    }
    return events;
}

/* ---- The stream ---- */

/* A ring: what is older than BACKLOG_MAX is overwritten. */
static void put(struct events *events, const char *bytes, size_t size)
{
    struct tail *tail = &events->tail;
    for (size_t i = 0; i < size; i++)
        tail->bytes[(tail->end + i) % BACKLOG_MAX] = bytes[i];
    tail->end += size;
    if (tail->end - tail->start > BACKLOG_MAX)
        tail->start = tail->end - BACKLOG_MAX;
}

static void put_event(struct events *events, const char *name, const char *data, size_t size)
{
    char line[64];
    if (size > BACKLOG_MAX / 4)
        return;
    put(events, line, (size_t)snprintf(line, sizeof line, "event: %s\ndata: ", name));
    put(events, data, size);
    put(events, "\n\n", 2);
}

static ssize_t read_stream(void *context, uint64_t offset, char *buffer, size_t room)
{
    struct watcher *watcher = context;
    struct tail *tail = watcher->events ? &watcher->events->tail : NULL;
    (void)offset;
    if (!tail || watcher->ended || watcher->position < tail->start)
        return MHD_CONTENT_READER_END_OF_STREAM;
    size_t size = (size_t)(tail->end - watcher->position);
    if (size == 0) {
        watcher->suspended = true;
        MHD_suspend_connection(watcher->connection);
        return 0;
    }
    if (size > room)
        size = room;
    for (size_t i = 0; i < size; i++)
        buffer[i] = tail->bytes[(watcher->position + i) % BACKLOG_MAX];
    watcher->position += size;
    return (ssize_t)size;
}

static void leave(void *context)
{
    struct watcher *watcher = context;
    if (watcher->events) {
        *watcher->link = watcher->next;
        if (watcher->next)
            watcher->next->link = watcher->link;
        watcher->events->count--;
    }
    free(watcher);
}

static void wake_all(struct events *events)
{
    for (struct watcher *w = events->watchers; w; w = w->next)
        if (w->suspended) {
            w->suspended = false;
            MHD_resume_connection(w->connection);
        }
}

void events_get(struct request *request)
{
    if (request->admin->events->count >= WATCHERS_MAX) {
        response_error(request, 503, "%d watch already", WATCHERS_MAX);
        return;
    }
    request->response.status = 200;
    request->response.type = "text/event-stream";
    request->response.events = true;
}

struct MHD_Response *events_response(struct request *request)
{
    struct events *events = request->admin->events;
    struct watcher *watcher = calloc(1, sizeof *watcher);
    if (!watcher)
        return NULL;
    *watcher = (struct watcher){events->watchers,
                                &events->watchers,
                                events,
                                request->connection,
                                events->tail.end,
                                false,
                                false};
    put(events, ": hello\n\n", 9); /* so that a head is sent at once */
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_stream, watcher, leave);
    if (!response) {
        free(watcher);
        return NULL;
    }
    if (watcher->next)
        watcher->next->link = &watcher->next;
    events->watchers = watcher;
    events->count++;
    return response;
}

/* ---- What is new ---- */

struct fresh {
    struct events *events;
    int64_t newest;
    struct {
        char *text;
        size_t size;
    } items[EACH_TIME];
    size_t count;
};

static int collect(void *context, const struct history_message *m)
{
    struct fresh *fresh = context;
    struct events *events = fresh->events;
    if (m->row > fresh->newest)
        fresh->newest = m->row;
    if (events->row < 0 || m->row <= events->row)
        return 1;
    struct spill *out = spill_new("/nonexistent", NULL);
    struct json *json = out ? malloc(sizeof *json) : NULL;
    if (json) {
        json_init(json, out);
        history_json_message(json, m);
        if (json_finish(json) == 0 && spill_memory(out)) {
            fresh->items[fresh->count].text = strndup(spill_memory(out), (size_t)spill_size(out));
            fresh->items[fresh->count].size = (size_t)spill_size(out);
            fresh->count += fresh->items[fresh->count].text != NULL;
        }
    }
    free(json);
    spill_free(out);
    return fresh->count == EACH_TIME;
}

static void close_store(struct events *events)
{
    if (events->store)
        events->ops->close(events->store);
    events->store = NULL;
}

static void look_for_messages(struct events *events)
{
    struct fresh fresh = {.events = events};
    struct history_filter filter = {.limit = EACH_TIME};
    struct error err;
    uv_mutex_lock(&events->admin->lock);
    struct config *config = config_ref(events->admin->config);
    uv_mutex_unlock(&events->admin->lock);
    events->ops = history_ops_of(config);
    if (!events->store && config->history.keep_ms > 0)
        events->ops->open(&config->spool, false, &events->store, &err);
    if (events->store && events->ops->list(events->store, &filter, collect, &fresh) < 0)
        close_store(events);
    config_unref(config);
    for (size_t i = fresh.count; i > 0; i--) { /* oldest first */
        put_event(events, "message", fresh.items[i - 1].text, fresh.items[i - 1].size);
        free(fresh.items[i - 1].text);
    }
    if (events->row < 0 || fresh.newest > events->row)
        events->row = fresh.newest;
}

/* Counters as they stand: whoever watches makes rates of them. */
static void put_figures(struct events *events)
{
    char text[512];
    int size = snprintf(
        text, sizeof text,
        "{\"now\":%lld,\"accepted\":%.0f,\"rejected\":%.0f,\"deferred\":%.0f,\"delivered\":%.0f,"
        "\"failed\":%.0f,"
        "\"attempts\":%.0f,\"answers\":%lld,\"answer_seconds\":%.3f,\"connections\":%.0f,"
        "\"waiting\":%.0f,\"in_flight\":%.0f}",
        (long long)clock_unix_ms(), metric_value(METRIC_MESSAGES_TOTAL, "accepted", NULL),
        metric_value(METRIC_MESSAGES_TOTAL, "rejected", NULL),
        metric_value(METRIC_MESSAGES_TOTAL, "deferred", NULL),
        metric_value(METRIC_DELIVERIES_TOTAL, "webhook", "delivered") +
            metric_value(METRIC_DELIVERIES_TOTAL, "mail", "delivered"),
        metric_value(METRIC_DELIVERIES_TOTAL, "webhook", "failed") +
            metric_value(METRIC_DELIVERIES_TOTAL, "mail", "failed"),
        metric_sum(METRIC_ATTEMPTS_TOTAL), (long long)metric_observations(METRIC_ATTEMPT_DURATION),
        metric_sum(METRIC_ATTEMPT_DURATION), metric_sum(METRIC_SMTP_CONNECTIONS),
        metric_value(METRIC_MESSAGES_WAITING, NULL, NULL),
        metric_value(METRIC_DELIVERIES_IN_FLIGHT, NULL, NULL));
    put_event(events, "figures", text, (size_t)size);
}

void events_tick(struct events *events)
{
    int64_t now = clock_monotonic_ms();
    if (!events->watchers) {
        close_store(events);
        events->row = -1;
        return;
    }
    look_for_messages(events);
    if (now - events->figures_ms >= FIGURES_MS) {
        events->figures_ms = now;
        put_figures(events);
    }
    if (now - events->comment_ms >= COMMENT_MS) {
        events->comment_ms = now;
        put(events, ":\n\n", 3);
    }
    wake_all(events);
}

void events_free(struct events *events)
{
    if (!events)
        return;
    for (struct watcher *w = events->watchers; w; w = w->next) {
        w->ended = true;
        w->events = NULL;
        if (w->suspended)
            MHD_resume_connection(w->connection);
        w->suspended = false;
    }
    close_store(events);
    free(events->tail.bytes);
    free(events);
}
