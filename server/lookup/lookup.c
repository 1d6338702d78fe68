#include "lookup.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "flight.h"

/* Made by the room's thread under the lock; others look for a cache under it. */
static struct {
    struct lookup_room room;
    uv_thread_t thread;
    bool running; /* whoever starts and stops it */
    struct source **sources;
    size_t count;
    atomic_int reconfigurings; /* that are on their way to the room's thread */
} it;

static struct lookup_answer none = {.references = 1, .status = LOOKUP_NONE};
static uv_rwlock_t lock;
static uv_once_t once = UV_ONCE_INIT;

static void make_lock(void)
{
    uv_rwlock_init(&lock);
}

/* ---- Sources ---- */

static struct map_key key_of_flight(const void *value)
{
    const struct flight *flight = value;
    return (struct map_key){flight->address, strlen(flight->address)};
}

struct source *lookup_source(enum lookup_kind kind, const char *name)
{
    for (size_t i = 0; i < it.count; i++)
        if (it.sources[i]->options->kind == kind && strcmp(it.sources[i]->options->name, name) == 0)
            return it.sources[i];
    return NULL;
}

/* Flights that a thread had in hand are on their way back. */
static void source_close(struct source *source)
{
    source->kind->close(source);
    source->closed = true;
    if (source->flights.count == 0)
        source_free(source);
}

void source_free(struct source *source)
{
    map_free(&source->flights);
    lookup_cache_free(source->cache);
    config_unref(source->config);
    free(source);
}

static struct source *source_new(struct config *config, const struct lookup_config *options,
                                 const struct source_kind *kind)
{
    struct source *source = calloc(1, sizeof *source);
    if (!source)
        return NULL;
    source->room = &it.room;
    source->kind = kind;
    source->config = config_ref(config);
    source->options = options;
    source->flights.key_of = key_of_flight;
    source->cache = lookup_cache_new(options->max_entries);
    if (source->cache && source->kind->open(source) == 0)
        return source;
    source_free(source);
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_as_it_was(const struct source *source, const struct config *config,
                         const struct lookup_config *b)
{
    const struct lookup_config *a = source->options;
    const struct deliver_config *was = &source->config->deliver, *is = &config->deliver;
    return a->wait_ms == b->wait_ms && a->timeout_ms == b->timeout_ms && a->ttl_ms == b->ttl_ms &&
           a->negative_ttl_ms == b->negative_ttl_ms && a->stale_ms == b->stale_ms &&
           a->max_entries == b->max_entries && same_text(a->url, b->url) &&
           same_text(a->secret, b->secret) && same_text(a->conninfo, b->conninfo) &&
           same_text(a->query, b->query) && was->deny_private == is->deny_private &&
           same_text(was->ca_file, is->ca_file) && same_text(was->proxy, is->proxy) &&
           same_text(was->source_address, is->source_address);
}

/* ---- Configuring ---- */

struct configuring {
    struct task task;
    struct config *config; /* a reference */
    const struct source_kind *const *kinds;
};

/* Those that stay, and new ones; on the room's thread. */
static size_t make_sources(const struct configuring *configuring, struct source **sources)
{
    struct config *config = configuring->config;
    size_t count = 0;
    for (size_t i = 0; i < config->lookup_count; i++) {
        const struct lookup_config *options = &config->lookups[i];
        struct source *old = lookup_source(options->kind, options->name);
        struct source *source =
            old && is_as_it_was(old, config, options)
                ? old
                : source_new(config, options, configuring->kinds[options->kind]);
        if (source)
            sources[count++] = source;
        else
            log_error("lookup", NULL, LOG_TEXT("source", options->name),
                      LOG_TEXT("error", "it cannot be begun: out of memory"));
    }
    return count;
}

static bool is_among(struct source *const *sources, size_t count, const struct source *source)
{
    for (size_t i = 0; i < count; i++)
        if (sources[i] == source)
            return true;
    return false;
}

static void replace_sources(struct source **sources, size_t count)
{
    struct source **old = it.sources;
    size_t old_count = it.count;
    uv_rwlock_wrlock(&lock);
    it.sources = sources;
    it.count = count;
    uv_rwlock_wrunlock(&lock);
    for (size_t i = 0; i < old_count; i++)
        if (!is_among(sources, count, old[i]))
            source_close(old[i]);
    free(old);
}

static void configure(struct task *task, void *context)
{
    struct configuring *configuring = (struct configuring *)task;
    struct config *config = configuring->config;
    (void)context;
    struct source **sources = calloc(config->lookup_count + 1, sizeof(struct source *));
    if (sources)
        replace_sources(sources, make_sources(configuring, sources));
    atomic_fetch_sub(&it.reconfigurings, 1);
    config_unref(config);
    free(configuring);
}

/* ---- Life ---- */

static void run_room(void *argument)
{
    struct lookup_room *room = argument;
    task_name_thread("mxhook-lookup");
    uv_run(&room->loop, UV_RUN_DEFAULT);
}

static void stop_room(struct task *task, void *context)
{
    struct lookup_room *room = context;
    replace_sources(NULL, 0);
    loop_queue_close(room->queue);
    free(task);
}

static int start(struct error *err)
{
    struct lookup_room *room = &it.room;
    int code = uv_loop_init(&room->loop);
    if (code != 0)
        return error_set(err, code, "lookups: %s", uv_strerror(code));
    code = loop_queue_new(&room->loop, room, &room->queue);
    if (code == 0 && (code = uv_thread_create(&it.thread, run_room, room)) != 0)
        loop_queue_close(room->queue);
    it.running = code == 0;
    if (code == 0)
        return 0;
    uv_run(&room->loop, UV_RUN_DEFAULT);
    uv_loop_close(&room->loop);
    return error_set(err, code, "lookups: %s", uv_strerror(code));
}

int lookup_configure(const struct config *config, const struct source_kind *const *kinds,
                     struct error *err)
{
    uv_once(&once, make_lock);
    if (!it.running && config->lookup_count == 0)
        return 0;
    struct configuring *configuring = malloc(sizeof *configuring);
    if (!configuring)
        return error_set(err, -ENOMEM, "lookups: out of memory");
    int code = it.running ? 0 : start(err);
    if (code != 0) {
        free(configuring);
        return code;
    }
    *configuring = (struct configuring){
        .task = {.run = configure}, .config = config_ref((struct config *)config), .kinds = kinds};
    atomic_fetch_add(&it.reconfigurings, 1);
    loop_queue_push(it.room.queue, &configuring->task);
    return 0;
}

void lookup_stop(void)
{
    struct task *task = it.running ? malloc(sizeof *task) : NULL;
    if (!task)
        return;
    *task = (struct task){.run = stop_room};
    loop_queue_push(it.room.queue, task);
    uv_thread_join(&it.thread);
    uv_loop_close(&it.room.loop);
    it.running = false;
}

/* ---- For everybody ---- */

struct lookup_answer *lookup_cached(enum lookup_kind kind, const char *source, const char *address)
{
    uv_once(&once, make_lock);
    if (atomic_load(&it.reconfigurings) > 0)
        return NULL; /* a cache may be about to go: who asks is behind that in the room's queue */
    uv_rwlock_rdlock(&lock);
    struct source *found = lookup_source(kind, source);
    struct lookup_answer *answer =
        found ? lookup_cache_get(found->cache, address, clock_monotonic_ms(), false) : NULL;
    if (found && !answer && found->kind->lacks && found->kind->lacks(found, address))
        answer = lookup_answer_ref(&none);
    uv_rwlock_rdunlock(&lock);
    if (answer)
        metric_add(METRIC_LOOKUPS_TOTAL, 1, source, "cached");
    return answer;
}

int lookup_ask(struct questions *questions, void (*done)(void *context), void *context)
{
    struct asking *asking =
        it.running ? calloc(1, sizeof *asking + questions->count * sizeof *asking->waiters) : NULL;
    if (!asking)
        return -ENOMEM;
    asking->task.run = asking_begin;
    asking->questions = questions;
    asking->done = done;
    asking->context = context;
    loop_queue_push(it.room.queue, &asking->task);
    return 0;
}

static void post(void *context)
{
    uv_sem_post(context);
}

int lookup_wait(struct questions *questions)
{
    uv_sem_t answered;
    if (uv_sem_init(&answered, 0) != 0)
        return -ENOMEM;
    int code = lookup_ask(questions, post, &answered);
    if (code == 0)
        uv_sem_wait(&answered);
    uv_sem_destroy(&answered);
    return code;
}
