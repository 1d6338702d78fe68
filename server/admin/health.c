/* Is it alive, is it ready, and the figures. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/metrics.h"
#include "request.h"

#define PULSE_LATE_MS 15000 /* half of the unit's watchdog */

static bool is_alive(struct admin *admin)
{
    return clock_monotonic_ms() - atomic_load(&admin->pulse_ms) < PULSE_LATE_MS;
}

static void write_check(struct json *json, const char *name, bool fine, const char *why)
{
    json_key(json, name);
    json_begin_object(json);
    json_pair_boolean(json, "ok", fine);
    json_pair(json, "why", fine ? NULL : why);
    json_end_object(json);
}

struct spool_state {
    bool room, writable;
    char why[160]; /* it has no room */
};

/* The spool looks when it has something to do; a disk can fill, or be mounted anew, while it has not. */
static struct spool_state look_at_folder(struct admin *admin)
{
    struct spool_state state = {.room = !admin->hooks->storage_is_full(admin->context)};
    struct statvfs fs;
    uv_mutex_lock(&admin->lock);
    struct config *config = config_ref(admin->config);
    uv_mutex_unlock(&admin->lock);
    snprintf(state.why, sizeof state.why,
             "no room for new mail: what waits takes as much as spool.max_size allows");
    if (statvfs(config->spool.directory, &fs) == 0 &&
        (uint64_t)fs.f_bavail * fs.f_frsize < config->spool.min_free) {
        state.room = false;
        snprintf(
            state.why, sizeof state.why,
            "no room for new mail: %.0f MB of the disk are free, and spool.min_free is %.0f MB",
            (double)fs.f_bavail * (double)fs.f_frsize / 1e6, (double)config->spool.min_free / 1e6);
    }
    state.writable = access(config->spool.directory, R_OK | W_OK | X_OK) == 0 &&
                     !admin->hooks->storage_is_away(admin->context);
    config_unref(config);
    return state;
}

bool health_is_ready(struct admin *admin, struct json *json)
{
    bool alive = is_alive(admin);
    bool listening = metric_value(METRIC_LISTENING, NULL, NULL) > 0;
    bool rules = metric_value(METRIC_RULES, NULL, NULL) > 0;
    struct spool_state spool = look_at_folder(admin);
    if (json) {
        json_key(json, "checks");
        json_begin_object(json);
        write_check(json, "loop", alive, "the event loop does not turn");
        write_check(json, "listening", listening, "it is starting or stopping");
        write_check(json, "rules", rules, "no rule is loaded: mail would be refused");
        write_check(json, "spool", spool.room && spool.writable,
                    spool.writable ? spool.why : "it cannot be reached, or not be written");
        json_end_object(json);
    }
    return alive && listening && rules && spool.room && spool.writable;
}

void health_live(struct request *request)
{
    if (is_alive(request->admin))
        response_text(request, 200, "text/plain", "ok\n", 3);
    else
        response_error(request, 503, "the event loop does not turn");
}

void health_ready(struct request *request)
{
    struct json *json = response_json(request);
    if (!json)
        return;
    json_begin_object(json);
    bool ready = health_is_ready(request->admin, json);
    json_pair_boolean(json, "ready", ready);
    json_end_object(json);
    request->response.status = ready ? 200 : 503;
}

/* ---- What is looked at for a scrape ---- */

#define LOOK_SHARE 100 /* of the time at most a part in so many is spent on looking at the spool */

struct looking {
    int64_t count;
    int64_t now_ms, due_ms, oldest_ms;
};

/* Those that count as one, "other", add up. */
static int note_origin(void *context, const struct queue_origin *origin)
{
    struct looking *l = context;
    bool held = origin->held_until_ms > l->now_ms;
    l->count += origin->waiting;
    metric_add(METRIC_ORIGIN_WAITING, origin->waiting, origin->name);
    metric_add(METRIC_ORIGIN_HELD, held || origin->held_lanes > 0, origin->name);
    if (origin->oldest_ms > 0) {
        metric_raise(METRIC_ORIGIN_OLDEST, (double)(l->now_ms - origin->oldest_ms) / 1000,
                     origin->name);
        if (origin->oldest_ms < l->oldest_ms)
            l->oldest_ms = origin->oldest_ms;
    }
    if (!held && origin->next_due_ms < l->due_ms)
        l->due_ms = origin->next_due_ms;
    return 0;
}

static void count_deliveries(const struct looking *l, const struct queue_totals *totals)
{
    double in_flight = metric_sum(METRIC_DELIVERIES_IN_FLIGHT), all = (double)l->count;
    metric_set(METRIC_SPOOL_DELIVERIES, all > in_flight ? all - in_flight : 0, "waiting");
    metric_set(METRIC_SPOOL_DELIVERIES, (double)totals->failed, "failed");
    metric_set(METRIC_SPOOL_BYTES, (double)totals->bytes);
    metric_set(METRIC_SPOOL_OLDEST, (double)(l->now_ms - l->oldest_ms) / 1000);
    metric_set(METRIC_SPOOL_OVERDUE, (double)(l->now_ms - l->due_ms) / 1000);
}

static void look_at_queue(struct queue *queue)
{
    int64_t now = clock_unix_ms();
    struct looking looking = {.now_ms = now, .due_ms = now, .oldest_ms = now};
    struct queue_totals totals = {0};
    metric_clear(METRIC_ORIGIN_WAITING);
    metric_clear(METRIC_ORIGIN_HELD);
    metric_clear(METRIC_ORIGIN_OLDEST);
    if (queue_origins(queue, note_origin, &looking, NULL) == 0 &&
        queue_totals(queue, &totals, NULL) == 0)
        count_deliveries(&looking, &totals);
}

/* Costs the more the more waits; then the figures of the look before stand for a while. */
static void look_at_spool(struct request *request)
{
    struct admin *admin = request->admin;
    struct queue *queue = NULL;
    int64_t began_us = clock_monotonic_us();
    metric_set(METRIC_SPOOL_DELIVERIES, metric_sum(METRIC_DELIVERIES_IN_FLIGHT), "in_flight");
    if (began_us < admin->look_due_us)
        return;
    if (queue_open(&request->config->spool, &queue, NULL) == 0)
        look_at_queue(queue);
    queue_close(queue);
    int64_t ended_us = clock_monotonic_us();
    admin->look_due_us = ended_us + LOOK_SHARE * (ended_us - began_us);
}

static void look_at_disk(const struct spool_config *spool)
{
    struct statvfs fs;
    if (statvfs(spool->directory, &fs) == 0)
        metric_set(METRIC_SPOOL_FREE, (double)fs.f_bavail * (double)fs.f_frsize);
    metric_set(METRIC_SPOOL_MAX, (double)spool->max_size);
    metric_set(METRIC_SPOOL_MIN_FREE, (double)spool->min_free);
}

/* ---- The process, by the standard names ---- */

static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%*s %lld", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return count - (dir != NULL); /* that of the folder itself */
}

static char *with_process(char *text, size_t *size, int64_t started_ms)
{
    struct rusage usage;
    struct rlimit limit;
    char *all = NULL;
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &limit);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    int length = asprintf(&all,
                          "%s# HELP process_cpu_seconds_total User and system time\n# TYPE "
                          "process_cpu_seconds_total counter\n"
                          "process_cpu_seconds_total %.2f\n"
                          "# HELP process_resident_memory_bytes Resident memory\n# TYPE "
                          "process_resident_memory_bytes gauge\n"
                          "process_resident_memory_bytes %lld\n"
                          "# HELP process_open_fds Open file descriptors\n# TYPE process_open_fds "
                          "gauge\nprocess_open_fds %d\n"
                          "# HELP process_max_fds Most open file descriptors\n# TYPE "
                          "process_max_fds gauge\nprocess_max_fds %llu\n"
                          "# HELP process_start_time_seconds When it was started\n# TYPE "
                          "process_start_time_seconds gauge\n"
                          "process_start_time_seconds %.3f\n",
                          text, cpu, (long long)resident_bytes(), count_descriptors(),
                          (unsigned long long)limit.rlim_cur, (double)started_ms / 1000);
    *size = length > 0 ? (size_t)length : 0;
    return length > 0 ? all : NULL;
}

void health_metrics(struct request *request)
{
    size_t size;
    look_at_spool(request);
    look_at_disk(&request->config->spool);
    metric_set(METRIC_READY, health_is_ready(request->admin, NULL));
    metric_set(METRIC_LOOP_LAG, (double)atomic_exchange(&request->admin->lag_ms, 0) / 1000);
    char *text = metrics_text(&size);
    char *all = text ? with_process(text, &size, request->admin->started_ms) : NULL;
    if (all)
        response_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", all, size);
    else
        response_error(request, 503, "out of memory");
    free(text);
    free(all);
}
