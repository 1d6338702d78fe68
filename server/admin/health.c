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

/* The spool looks when it has something to do; a disk can fill while it has not. */
static bool has_room(struct admin *admin)
{
    struct statvfs fs;
    uv_mutex_lock(&admin->lock);
    struct config *config = config_ref(admin->config);
    uv_mutex_unlock(&admin->lock);
    bool room = statvfs(config->spool.directory, &fs) != 0 ||
                (uint64_t)fs.f_bavail * fs.f_frsize >= config->spool.min_free;
    config_unref(config);
    return room && !admin->hooks->storage_is_full(admin->context);
}

bool health_is_ready(struct admin *admin, struct json *json)
{
    bool alive = is_alive(admin);
    bool listening = metric_value(METRIC_READY, NULL, NULL) > 0;
    bool rules = metric_value(METRIC_RULES, NULL, NULL) > 0;
    bool room = has_room(admin);
    if (json) {
        json_key(json, "checks");
        json_begin_object(json);
        write_check(json, "loop", alive, "the event loop does not turn");
        write_check(json, "listening", listening, "it is starting or stopping");
        write_check(json, "rules", rules, "no rule is loaded: mail would be refused");
        write_check(json, "spool", room, "no room for new mail: spool.max_size or spool.min_free");
        json_end_object(json);
    }
    return alive && listening && rules && room;
}

void health_live(struct request *request)
{
    if (is_alive(request->admin))
        answer_text(request, 200, "text/plain", "ok\n", 3);
    else
        answer_error(request, 503, "the event loop does not turn");
}

void health_ready(struct request *request)
{
    struct json *json = answer_json(request);
    if (!json)
        return;
    json_begin_object(json);
    bool ready = health_is_ready(request->admin, json);
    json_pair_boolean(json, "ready", ready);
    json_end_object(json);
    request->answer.status = ready ? 200 : 503;
}

/* ---- What is looked at for a scrape ---- */

struct counted {
    int64_t failed;
};

static int count_failed(void *context, const struct delivery *delivery)
{
    (void)delivery;
    ((struct counted *)context)->failed++;
    return 0;
}

struct waiting {
    int64_t count, held;
    int64_t now_ms, due_ms;
};

static int note_origin(void *context, const struct queue_origin *origin)
{
    struct waiting *waiting = context;
    waiting->count += origin->waiting;
    metric_set(METRIC_ORIGIN_WAITING, (double)origin->waiting, origin->name);
    metric_set(METRIC_ORIGIN_HELD, origin->held_until_ms > waiting->now_ms, origin->name);
    if (origin->held_until_ms > waiting->now_ms)
        waiting->held++;
    else if (origin->next_due_ms < waiting->due_ms)
        waiting->due_ms = origin->next_due_ms;
    return 0;
}

static int oldest_waiting(void *context, const struct delivery *delivery)
{
    if (delivery->state == DELIVERY_FAILED)
        return 0;
    *(int64_t *)context = delivery->created_ms;
    return 1; /* they come oldest first */
}

static void look_at_queue(struct queue *queue)
{
    struct counted counted = {0};
    int64_t now = clock_unix_ms(), oldest = now;
    struct waiting waiting = {.now_ms = now, .due_ms = now};
    struct queue_filter failed = {.failed_only = true}, any = {0};
    metric_clear(METRIC_ORIGIN_WAITING);
    metric_clear(METRIC_ORIGIN_HELD);
    queue_origins(queue, note_origin, &waiting, NULL);
    queue_list(queue, &failed, count_failed, &counted, NULL);
    if (waiting.count > 0)
        queue_list(queue, &any, oldest_waiting, &oldest, NULL);
    metric_set(METRIC_SPOOL_DELIVERIES, (double)waiting.count, "waiting");
    metric_set(METRIC_SPOOL_DELIVERIES, (double)counted.failed, "failed");
    metric_set(METRIC_SPOOL_OLDEST, (double)(now - oldest) / 1000);
    metric_set(METRIC_SPOOL_OVERDUE, (double)(now - waiting.due_ms) / 1000);
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
    struct queue *queue = NULL;
    size_t size;
    if (queue_open(&request->config->spool, &queue, NULL) == 0)
        look_at_queue(queue);
    queue_close(queue);
    look_at_disk(&request->config->spool);
    metric_set(METRIC_LOOP_LAG, (double)atomic_exchange(&request->admin->lag_ms, 0) / 1000);
    char *text = metrics_text(&size);
    char *all = text ? with_process(text, &size, request->admin->started_ms) : NULL;
    if (all)
        answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", all, size);
    else
        answer_error(request, 503, "out of memory");
    free(text);
    free(all);
}
