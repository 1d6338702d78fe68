/*
 * What is done to many deliveries at once: retried, or dropped.
 *
 * snapshot   the failed deliveries as they were shown, grouped by destination and cause, with their ids: what is asked
 *            for is done to those, however many have failed since
 * job        one such action, done in the background, a few deliveries at a time. A drop begins after a pause, in
 *            which it can be cancelled: what is dropped is gone
 */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../history/history.h"
#include "../history/keep.h"
#include "../spool/failures.h"
#include "request.h"

#define SNAPSHOTS     4
#define IDS_MAX       200000 /* of all failed deliveries of a snapshot */
#define GROUPS_MAX    500
#define JOBS          16
#define AT_A_TIME     25
#define DROP_PAUSE_MS 15000

struct snapshot {
    uint64_t number; /* 0: none */
    struct failures failures;
};

struct admin_job {
    uint64_t number; /* 0: none */
    bool drop, cancelled;
    char who[ADMIN_NAME_SIZE], what[REDACT_SIZE];
    int64_t begins_ms; /* monotonic */
    char (*ids)[ID_SIZE];
    size_t count, done, failed;
};

struct jobs {
    struct admin *admin;
    atomic_bool wait; /* some have not ended */
    struct snapshot snapshots[SNAPSHOTS];
    struct admin_job items[JOBS];
    uint64_t next;
};

struct jobs *jobs_new(struct admin *admin)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs)
        jobs->admin = admin;
    return jobs;
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    for (size_t i = 0; i < SNAPSHOTS; i++)
        failures_free(&jobs->snapshots[i].failures);
    for (size_t i = 0; i < JOBS; i++)
        free(jobs->items[i].ids);
    free(jobs);
}

/* ---- A snapshot ---- */

static struct snapshot *new_snapshot(struct jobs *jobs)
{
    struct snapshot *oldest = &jobs->snapshots[0];
    for (size_t i = 1; i < SNAPSHOTS; i++)
        if (jobs->snapshots[i].number < oldest->number)
            oldest = &jobs->snapshots[i];
    failures_free(&oldest->failures);
    oldest->failures.groups_max = GROUPS_MAX;
    oldest->failures.ids_max = IDS_MAX;
    oldest->number = ++jobs->next;
    return oldest;
}

/* What was the reason, in words in any case. */
static const char *reason_of(const struct failure *g, char text[32])
{
    snprintf(text, 32, "answered %d", g->status);
    return *g->reason || g->status == 0 ? g->reason : text;
}

static void write_group(struct json *json, const struct failure *g, size_t number)
{
    char text[32];
    json_begin_object(json);
    json_pair_number(json, "group", (int64_t)number);
    json_pair(json, "destination", g->destination);
    json_pair_number(json, "status", g->status);
    json_pair(json, "reason", reason_of(g, text));
    json_pair_number(json, "count", (int64_t)g->count);
    json_key(json, "first");
    json_time(json, g->first_ms);
    json_key(json, "last");
    json_time(json, g->last_ms);
    json_pair(json, "example", g->example);
    json_end_object(json);
}

void jobs_failures(struct request *request)
{
    const struct queue_filter all = {0};
    struct queue *queue = request_queue(request);
    struct error err = {""};
    if (!queue)
        return;
    struct snapshot *s = new_snapshot(request->admin->jobs);
    const struct failures *f = &s->failures;
    int code = failures_read(&s->failures, queue, &all, &err);
    queue_close(queue);
    struct json *json = code == 0 ? response_json(request) : NULL;
    if (code != 0)
        response_error(request, 503, "%s", err.text);
    if (!json)
        return;
    json_begin_object(json);
    json_pair_number(json, "snapshot", (int64_t)s->number);
    json_pair_number(json, "count", (int64_t)f->total);
    json_pair_boolean(json, "cut", f->cut);
    json_key(json, "groups");
    json_begin_array(json);
    for (size_t i = 0; i < f->count; i++)
        write_group(json, f->list[i], i);
    json_end_array(json);
    json_end_object(json);
}

/* ---- Jobs ---- */

static void write_job(struct json *json, const struct admin_job *job)
{
    int64_t pause = job->begins_ms - clock_monotonic_ms();
    json_begin_object(json);
    json_pair_number(json, "job", (int64_t)job->number);
    json_pair(json, "action", job->drop ? "drop" : "retry");
    json_pair(json, "what", job->what);
    json_pair(json, "who", job->who);
    json_pair_number(json, "count", (int64_t)job->count);
    json_pair_number(json, "done", (int64_t)job->done);
    json_pair_number(json, "gone", (int64_t)job->failed);
    json_pair_number(json, "begins_in_ms", pause > 0 ? pause : 0);
    json_pair_boolean(json, "cancelled", job->cancelled);
    json_pair_boolean(json, "ended", job->cancelled || job->done == job->count);
    json_end_object(json);
}

static void response_job(struct request *request, const struct admin_job *job)
{
    struct json *json = response_json(request);
    if (json)
        write_job(json, job);
}

static bool has_ended(const struct admin_job *job)
{
    return job->number == 0 || job->cancelled || job->done == job->count;
}

/* The place of the oldest that has ended; NULL: all are under way. */
static struct admin_job *new_job(struct jobs *jobs)
{
    struct admin_job *place = NULL;
    for (size_t i = 0; i < JOBS; i++)
        if (has_ended(&jobs->items[i]) && (!place || jobs->items[i].number < place->number))
            place = &jobs->items[i];
    if (!place)
        return NULL;
    free(place->ids);
    *place = (struct admin_job){.number = ++jobs->next};
    return place;
}

static const struct failure *find_group(struct jobs *jobs, struct lua_State *L)
{
    int64_t number = 0, group = -1;
    if (!body_number(L, "snapshot", 1, INT64_MAX, &number) ||
        !body_number(L, "group", 0, GROUPS_MAX - 1, &group) || number == 0 || group < 0)
        return NULL;
    for (size_t i = 0; i < SNAPSHOTS; i++)
        if (jobs->snapshots[i].number == (uint64_t)number &&
            (size_t)group < jobs->snapshots[i].failures.count)
            return jobs->snapshots[i].failures.list[group];
    return NULL;
}

/* The ids that the body names: of a group of a snapshot, or "ids" themselves. */
static bool take_ids(struct jobs *jobs, struct lua_State *L, struct admin_job *job)
{
    char reason[32];
    const struct failure *group = find_group(jobs, L);
    lua_getfield(L, 1, "ids");
    size_t count = group ? group->count : lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    job->ids = count > 0 && count <= IDS_MAX ? calloc(count, sizeof *job->ids) : NULL;
    if (!job->ids)
        return false;
    job->count = count;
    if (group) {
        memcpy(job->ids, group->ids, count * sizeof *job->ids);
        snprintf(job->what, sizeof job->what, "%.300s: %.150s", group->destination,
                 reason_of(group, reason));
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        snprintf(job->ids[i], ID_SIZE, "%s", lua_isstring(L, -1) ? lua_tostring(L, -1) : "");
        lua_pop(L, 1);
    }
    snprintf(job->what, sizeof job->what, "%s%s", job->ids[0], count > 1 ? " and others" : "");
    return true;
}

static void begin(struct request *request, bool drop)
{
    struct jobs *jobs = request->admin->jobs;
    struct lua_State *L = request_body(request);
    if (!L)
        return;
    struct admin_job *job = new_job(jobs);
    if (!job) {
        response_error(request, 503, "%d jobs are under way: wait for one", JOBS);
    } else if (!take_ids(jobs, L, job)) {
        job->number = 0;
        response_error(request, 409, "no such snapshot any more, or nothing in it: look again");
    } else {
        job->drop = drop;
        job->begins_ms = clock_monotonic_ms() + (drop ? DROP_PAUSE_MS : 0);
        snprintf(job->who, sizeof job->who, "%s", request->who);
        request_audit(request, drop ? "drop" : "retry", job->what, (int64_t)job->count);
        response_job(request, job);
    }
    lua_close(L);
}

void jobs_retry(struct request *request)
{
    begin(request, false);
}

void jobs_drop(struct request *request)
{
    begin(request, true);
}

void jobs_list(struct request *request)
{
    struct jobs *jobs = request->admin->jobs;
    struct json *json = response_json(request);
    if (!json)
        return;
    json_begin_object(json);
    json_key(json, "jobs");
    json_begin_array(json);
    for (size_t i = 0; i < JOBS; i++)
        if (jobs->items[i].number)
            write_job(json, &jobs->items[i]);
    json_end_array(json);
    json_end_object(json);
}

void jobs_cancel(struct request *request)
{
    struct jobs *jobs = request->admin->jobs;
    struct lua_State *L = request_body(request);
    if (!L)
        return;
    int64_t number = 0;
    struct admin_job *job = NULL;
    if (!body_number(L, "job", 1, INT64_MAX, &number))
        number = 0;
    for (size_t i = 0; number > 0 && i < JOBS; i++)
        if (jobs->items[i].number == (uint64_t)number)
            job = &jobs->items[i];
    if (!job || has_ended(job)) {
        response_error(request, 409, "there is no such job, or it has ended");
    } else {
        job->cancelled = true;
        request_audit(request, "cancel", job->what, (int64_t)(job->count - job->done));
        response_job(request, job);
    }
    lua_close(L);
}

/* ---- Doing it ---- */

struct noting { /* of a job */
    enum history_action action;
    char words[ADMIN_NAME_SIZE + 16];
};

static void note(void *context, const char *id)
{
    const struct noting *noting = context;
    history_note_attempt(history_action_new(id, noting->action, noting->words));
}

static void work(struct admin_job *job, struct queue *queue)
{
    struct noting noting = {.action = job->drop ? HISTORY_DROP : HISTORY_RETRY};
    snprintf(noting.words, sizeof noting.words, "%s (admin)", job->who);
    if (history_is_on())
        queue_on_change(queue, note, &noting);
    for (int i = 0; i < AT_A_TIME && job->done < job->count; i++) {
        const char *id = job->ids[job->done++];
        int code = job->drop ? queue_drop(queue, id, NULL) : queue_retry(queue, id, NULL);
        job->failed += code != 0; /* it has gone its way meanwhile */
    }
}

bool jobs_wait(const struct jobs *jobs)
{
    return atomic_load(&jobs->wait);
}

static struct admin_job *next_due(struct jobs *jobs)
{
    int64_t now = clock_monotonic_ms();
    struct admin_job *due = NULL;
    bool wait = false;
    for (size_t i = 0; i < JOBS; i++) {
        if (has_ended(&jobs->items[i]))
            continue;
        wait = true;
        if (!due && jobs->items[i].begins_ms <= now)
            due = &jobs->items[i];
    }
    atomic_store(&jobs->wait, wait);
    return due;
}

bool jobs_tick(struct jobs *jobs)
{
    struct admin_job *due = next_due(jobs);
    if (!due)
        return false;
    uv_mutex_lock(&jobs->admin->lock);
    struct config *config = config_ref(jobs->admin->config);
    uv_mutex_unlock(&jobs->admin->lock);
    struct queue *queue = NULL;
    if (queue_open(&config->spool, &queue, NULL) == 0)
        work(due, queue);
    queue_close(queue);
    config_unref(config);
    return !has_ended(due);
}
