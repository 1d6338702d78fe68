/* The spool: what waits and what has failed, and by destination. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/metrics.h"
#include "../base/redact.h"
#include "../history/json.h"
#include "request.h"

static void write_delivery(struct json *json, const struct delivery *d)
{
    static const char *const states[] = {"waiting", "in-flight", "failed"};
    char url[REDACT_SIZE], origin[ORIGIN_SIZE];
    redact_url(d->destination.url, url);
    origin_of(delivery_origin(d), origin);
    json_pair(json, "id", d->id);
    json_pair(json, "state", states[d->state]);
    json_pair(json, "sender", d->sender);
    json_pair(json, "recipient", d->recipient);
    json_pair(json, "destination", destination_is_mail(&d->destination) ? d->destination.url : url);
    json_pair(json, "origin", origin);
    json_pair(json, "about", d->about);
    json_pair_number(json, "attempts", d->attempts);
    json_pair_number(json, "status", d->last_status);
    json_pair(json, "error", d->last_error && *d->last_error ? d->last_error : NULL);
    json_key(json, "created");
    json_time(json, d->created_ms);
    json_key(json, "due");
    json_time(json, d->state == DELIVERY_FAILED ? 0 : d->due_ms);
}

struct page {
    struct json *json;
    int64_t limit, count;
    bool more;
    int64_t last; /* the cursor: where the last one stands, even if it has gone meanwhile */
};

static int write_one(void *context, const struct delivery *d)
{
    struct page *page = context;
    if (page->count == page->limit) {
        page->more = true;
        return 1;
    }
    page->count++;
    page->last = queue_position(d);
    json_begin_object(page->json);
    write_delivery(page->json, d);
    json_end_object(page->json);
    return 0;
}

static bool read_failed(struct request *request, bool *failed)
{
    const char *state = request_query(request, "state");
    *failed = state && strcmp(state, "failed") == 0;
    if (state && !*failed) {
        response_error(request, 400, "state: failed, or not at all");
        return false;
    }
    return true;
}

/* What `mxhook queue` can be asked for, under the same names. */
static bool read_filter(struct request *request, struct queue_filter *f)
{
    int64_t status = -1;
    *f = (struct queue_filter){.destination = request_query(request, "destination"),
                               .prefix = request_query(request, "prefix"),
                               .host = request_query(request, "host"),
                               .recipient = request_query(request, "recipient"),
                               .sender = request_query(request, "sender"),
                               .error = request_query(request, "error")};
    if (!request_number(request, "status", 0, 999, &status) ||
        !request_number(request, "since", 1, INT64_MAX / 2, &f->since_ms) ||
        !request_number(request, "until", 1, INT64_MAX / 2, &f->until_ms) ||
        !request_number(request, "cursor", 1, INT64_MAX, &f->after))
        return false;
    f->has_status = status >= 0;
    f->status = (int)status;
    return read_failed(request, &f->failed_only);
}

void api_queue(struct request *request)
{
    struct page page = {.limit = 50};
    struct queue_filter filter;
    if (!request_number(request, "limit", 1, ADMIN_QUEUE_PAGE, &page.limit) ||
        !read_filter(request, &filter))
        return;
    struct queue *queue = request_queue(request);
    struct json *json = page.json = queue ? response_json(request) : NULL;
    struct error err = {""};
    if (json) {
        json_begin_object(json);
        json_key(json, "deliveries");
        json_begin_array(json);
        int code = queue_list(queue, &filter, write_one, &page, &err);
        json_end_array(json);
        json_key(json, "next");
        if (page.more)
            json_number(json, page.last);
        else
            json_null(json);
        json_end_object(json);
        if (code < 0)
            response_error(request, 503, "%s", err.text);
    }
    queue_close(queue);
}

/* ---- One ---- */

static int write_attempt(void *context, const struct queue_attempt *a)
{
    struct json *json = context;
    json_begin_object(json);
    json_key(json, "time");
    json_time(json, a->at_ms);
    json_pair_number(json, "ms", a->ms);
    json_pair_number(json, "status", a->status);
    json_pair(json, "error", *a->error ? a->error : NULL);
    json_key(json, "reply");
    json_string(json, a->reply ? a->reply : "", a->reply ? a->reply_size : 0);
    json_end_object(json);
    return 0;
}

/* The delivery that is asked for; NULL: an error is the response. */
static struct delivery *find(struct request *request, struct queue *queue)
{
    struct delivery *d = NULL;
    struct error err = {""};
    const char *id = request_query(request, "id");
    int code = id ? queue_show(queue, id, &d, &err) : -EINVAL;
    if (code != 0)
        response_error(request,
                       code == -ENOENT   ? 404
                       : code == -EINVAL ? 400
                                         : 503,
                       "%s", id ? err.text : "id: of a delivery");
    return code == 0 ? d : NULL;
}

void api_delivery(struct request *request)
{
    struct queue *queue = request_queue(request);
    struct delivery *d = queue ? find(request, queue) : NULL;
    struct json *json = d ? response_json(request) : NULL;
    if (json) {
        json_begin_object(json);
        write_delivery(json, d);
        json_pair_number(json, "size", (int64_t)payload_size(d->payload));
        json_key(json, "made");
        json_begin_array(json);
        queue_attempts(queue, d, write_attempt, json, NULL);
        json_end_array(json);
        json_end_object(json);
    }
    delivery_free(d);
    queue_close(queue);
}

void api_delivery_payload(struct request *request)
{
    struct queue *queue = request_queue(request);
    struct delivery *d = queue ? find(request, queue) : NULL;
    if (d) {
        char buffer[16384];
        uint64_t offset = 0;
        ssize_t n;
        response_text(request, 200, "application/json", "", 0);
        while ((n = payload_read(d->payload, offset, buffer, sizeof buffer)) > 0 &&
               spill_write(request->response.bytes, buffer, (size_t)n) == 0)
            offset += (uint64_t)n;
        request->response.disposition = "attachment; filename=\"payload.json\"";
        request_audit(request, "read", d->id, 1);
    }
    delivery_free(d);
    queue_close(queue);
}

/* ---- By destination ---- */

struct destinations {
    struct json *json;
    struct pauses pauses;
    const struct history_ops *history;
    struct history_store *store; /* NULL: there is no history */
    char **names;                /* of those that are written */
    size_t count;
};

static bool is_written(const struct destinations *d, const char *name)
{
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->names[i], name) == 0)
            return true;
    return false;
}

static void note_written(struct destinations *d, const char *name)
{
    char **names = realloc(d->names, (d->count + 1) * sizeof *names);
    if (!names)
        return;
    d->names = names;
    if ((names[d->count] = strdup(name)))
        d->count++;
}

static void write_attempts(struct json *json, const char *origin)
{
    static const char *const results[] = {"2xx",     "3xx",     "4xx", "429", "5xx",
                                          "timeout", "connect", "tls", "dns", "other"};
    json_pair_number(json, "attempt_ms",
                     (int64_t)(1000 * metric_value(METRIC_ATTEMPT_SECONDS_TOTAL, origin, NULL)));
    json_pair_number(json, "in_flight",
                     (int64_t)metric_value(METRIC_ORIGIN_IN_FLIGHT, origin, NULL));
    json_key(json, "attempts");
    json_begin_object(json);
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        json_pair_number(json, results[i],
                         (int64_t)metric_value(METRIC_ATTEMPTS_TOTAL, origin, results[i]));
    json_end_object(json);
}

/* How it has answered of late, by the history; null: nothing is known. */
static void write_answers(struct destinations *d, const char *origin)
{
    struct history_answers answers = {.mean_ms = -1};
    if (d->store && d->history->answers(d->store, origin_key(origin), &answers) != 0)
        answers = (struct history_answers){.mean_ms = -1};
    json_key(d->json, "last_at");
    json_time(d->json, answers.at_ms);
    json_key(d->json, "last_status");
    if (answers.status)
        json_number(d->json, answers.status);
    else
        json_null(d->json);
    json_pair(d->json, "last_error", *answers.error ? answers.error : NULL);
    json_key(d->json, "latency_ms");
    if (answers.mean_ms >= 0)
        json_number(d->json, answers.mean_ms);
    else
        json_null(d->json);
}

static int write_origin(void *context, const struct queue_origin *o)
{
    struct destinations *d = context;
    struct json *json = d->json;
    json_begin_object(json);
    json_pair(json, "origin", o->name);
    json_pair_boolean(json, "paused", pauses_exact(&d->pauses, origin_key(o->name), 0));
    json_pair_number(json, "waiting", o->waiting);
    json_key(json, "oldest");
    json_time(json, o->oldest_ms);
    json_key(json, "next_due");
    json_time(json, o->next_due_ms);
    json_key(json, "held_until");
    json_time(json, o->held_until_ms > clock_unix_ms() ? o->held_until_ms : 0);
    json_pair_number(json, "held_urls", o->held_lanes);
    json_pair_number(json, "failures", o->failures);
    write_attempts(json, o->name);
    write_answers(d, o->name);
    json_end_object(json);
    note_written(d, o->name);
    return 0;
}

/* One for which nothing waits. */
static void write_attempted(void *context, const char *origin, double seconds)
{
    const struct queue_origin o = {.name = origin};
    (void)seconds;
    if (!is_written(context, origin))
        write_origin(context, &o);
}

void api_destinations(struct request *request)
{
    struct queue *queue = request_queue(request);
    struct json *json = queue ? response_json(request) : NULL;
    struct destinations destinations = {.json = json, .history = history_ops_of(request->config)};
    struct error ignored = {""};
    if (json) {
        if (request->config->history.keep_ms == 0 ||
            destinations.history->open(&request->config->spool, false, &destinations.store,
                                       &ignored) != 0)
            destinations.store = NULL;
        (void)queue_pauses(queue, true, &destinations.pauses, NULL);
        json_begin_object(json);
        json_key(json, "destinations");
        json_begin_array(json);
        queue_origins(queue, write_origin, &destinations, NULL);
        metric_each(METRIC_ATTEMPT_SECONDS_TOTAL, write_attempted, &destinations);
        json_end_array(json);
        pauses_write(json, "paused", &destinations.pauses);
        json_end_object(json);
    }
    for (size_t i = 0; i < destinations.count; i++)
        free(destinations.names[i]);
    free(destinations.names);
    pauses_free(&destinations.pauses);
    if (destinations.store)
        destinations.history->close(destinations.store);
    queue_close(queue);
}
