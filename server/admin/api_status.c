/* How the server is: figures, rules that failed, what is held, and the last reload. */
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/metrics.h"
#include "../spool/origin.h"
#include "request.h"
#include "rule_files.h"

#define HOLDS_MAX 1000 /* that are looked at for one status */

struct look {
    struct json *json;
    struct queue_hold holds[HOLDS_MAX];
    size_t hold_count;
    int64_t waiting, oldest_ms, now_ms;
    struct pauses pauses;
};

static int note_hold(void *context, const struct queue_hold *hold)
{
    struct look *look = context;
    if (hold->until_ms > look->now_ms)
        look->holds[look->hold_count++] = *hold;
    return look->hold_count == HOLDS_MAX;
}

/* How many URLs of an origin are held, which itself is not: the first of them to be probed, and how often one failed. */
static int64_t held_urls(const struct look *look, const char *origin, int64_t *until_ms,
                         unsigned *failures)
{
    uint64_t key = origin_key(origin);
    int64_t count = 0;
    for (size_t i = 0; i < look->hold_count; i++) {
        const struct queue_hold *hold = &look->holds[i];
        if (hold->origin != key || hold->lane == 0)
            continue;
        if (count++ == 0 || hold->until_ms < *until_ms)
            *until_ms = hold->until_ms;
        if (hold->failures > *failures)
            *failures = hold->failures;
    }
    return count;
}

static int write_held(void *context, const struct queue_origin *o)
{
    struct look *look = context;
    look->waiting += o->waiting;
    if (o->oldest_ms && (!look->oldest_ms || o->oldest_ms < look->oldest_ms))
        look->oldest_ms = o->oldest_ms;
    int64_t until_ms = o->held_until_ms, urls = 0;
    unsigned failures = o->failures;
    if (o->held_until_ms <= look->now_ms &&
        (urls = held_urls(look, o->name, &until_ms, &failures)) == 0)
        return 0;
    json_begin_object(look->json);
    json_pair(look->json, "origin", o->name);
    json_pair(look->json, "scope", urls ? "url" : "origin");
    json_pair_number(look->json, "urls", urls);
    json_pair_number(look->json, "waiting", o->waiting);
    json_pair_number(look->json, "failures", failures);
    json_key(look->json, "until");
    json_time(look->json, until_ms);
    json_end_object(look->json);
    return 0;
}

static void look_at(struct queue *queue, struct look *look, struct queue_totals *totals)
{
    queue_holds(queue, note_hold, look, NULL);
    queue_origins(queue, write_held, look, NULL);
    queue_totals(queue, totals, NULL);
    (void)queue_pauses(queue, true, &look->pauses, NULL);
}

static void write_queue(struct request *request, struct json *json)
{
    struct look *look = calloc(1, sizeof *look);
    struct queue_totals totals = {0};
    struct queue *queue = NULL;
    if (!look) /* and what follows fails likewise */
        return;
    look->json = json;
    look->now_ms = clock_unix_ms();
    json_key(json, "held");
    json_begin_array(json);
    if (queue_open(&request->config->spool, &queue, NULL) == 0)
        look_at(queue, look, &totals);
    queue_close(queue);
    json_end_array(json);
    pauses_write(json, "paused", &look->pauses);
    pauses_free(&look->pauses);
    json_pair_number(json, "waiting", look->waiting);
    json_pair_number(json, "failed", totals.failed);
    json_key(json, "oldest_waiting");
    json_time(json, look->oldest_ms);
    free(look);
}

/* ---- Rules that failed ---- */

#define FAILING_MAX 20 /* files that are named */

struct failing {
    struct json *json;
    const char *files[FAILING_MAX];
    size_t count;
};

/* Called for each kind of error of a file: the first one tells them all. */
static void write_failing(void *context, const char *file, double number)
{
    struct failing *failing = context;
    for (size_t i = 0; i < failing->count; i++)
        if (strcmp(failing->files[i], file) == 0)
            return;
    if (number <= 0 || failing->count == FAILING_MAX)
        return;
    failing->files[failing->count++] = file;
    json_begin_object(failing->json);
    json_pair(failing->json, "file", file);
    json_pair_number(failing->json, "errors", rule_errors(file));
    json_end_object(failing->json);
}

static void write_failing_rules(struct json *json)
{
    struct failing failing = {.json = json};
    json_key(json, "failing_rules");
    json_begin_array(json);
    metric_each(METRIC_RULE_ERRORS_TOTAL, write_failing, &failing);
    json_end_array(json);
}

static void write_figures(struct json *json)
{
    json_pair_number(json, "accepted",
                     (int64_t)metric_value(METRIC_MESSAGES_TOTAL, "accepted", NULL));
    json_pair_number(json, "deferred",
                     (int64_t)metric_value(METRIC_MESSAGES_TOTAL, "deferred", NULL));
    json_pair_number(json, "rejected",
                     (int64_t)metric_value(METRIC_MESSAGES_TOTAL, "rejected", NULL));
    json_pair_number(json, "connections", (int64_t)metric_sum(METRIC_SMTP_CONNECTIONS));
    json_pair_number(json, "attempts", (int64_t)metric_sum(METRIC_ATTEMPTS_TOTAL));
    json_pair_number(json, "in_flight", (int64_t)metric_sum(METRIC_DELIVERIES_IN_FLIGHT));
    json_pair_number(json, "workers", (int64_t)metric_sum(METRIC_WORKERS));
    json_pair_number(json, "workers_busy", (int64_t)metric_sum(METRIC_WORKERS_BUSY));
    json_pair_number(json, "rules", (int64_t)metric_sum(METRIC_RULES));
    json_pair_number(json, "rule_errors", (int64_t)metric_sum(METRIC_RULE_ERRORS_TOTAL));
}

static void write_reload(struct admin *admin, struct json *json)
{
    json_key(json, "reload");
    json_begin_object(json);
    json_pair_boolean(json, "ok", metric_value(METRIC_CONFIG_RELOAD_SUCCESSFUL, NULL, NULL) > 0);
    json_key(json, "time");
    json_time(json, (int64_t)(1000 * metric_value(METRIC_CONFIG_RELOAD_TIMESTAMP, NULL, NULL)));
    uv_mutex_lock(&admin->lock);
    json_pair(json, "text", *admin->reload_text ? admin->reload_text : NULL);
    uv_mutex_unlock(&admin->lock);
    json_end_object(json);
}

void api_status(struct request *request)
{
    struct admin *admin = request->admin;
    struct json *json = response_json(request);
    if (!json)
        return;
    json_begin_object(json);
    json_pair(json, "version", MXHOOK_VERSION);
    json_pair(json, "hostname", request->config->hostname);
    json_key(json, "started");
    json_time(json, admin->started_ms);
    json_key(json, "now");
    json_time(json, clock_unix_ms());
    json_pair_boolean(json, "ready", health_is_ready(admin, json));
    write_figures(json);
    write_failing_rules(json);
    write_reload(admin, json);
    write_queue(request, json);
    json_pair_boolean(json, "history", request->config->history.keep_ms > 0);
    json_end_object(json);
}
