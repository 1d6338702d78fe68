/* `mxhook queue origins`: what waits and what has failed, by scheme, host and port, and how these have answered. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/map.h"
#include "../history/ops.h"
#include "../mail/json.h"
#include "../spool/origin.h"
#include "pretty.h"
#include "queue.h"

/* Deliveries that have failed, of one origin. */
struct failed {
    int64_t count;
    bool printed;
    char name[];
};

struct origins {
    struct json *json; /* NULL: lines */
    struct pauses pauses;
    struct map failed; /* by name */
    const struct history_ops *history;
    struct history_store *store; /* NULL: there is no history */
};

/* What is said of one. */
struct facts {
    const struct queue_origin *origin;
    const struct pause *pause;
    int64_t paused_urls, failed;
    struct history_answers answers; /* at_ms is 0: nothing is known */
};

/* ---- Printing ---- */

/* Of its URLs so many are paused, each by itself. */
static int64_t paused_urls(const struct pauses *pauses, uint64_t origin)
{
    int64_t count = 0;
    for (size_t i = 0; i < pauses->count; i++)
        count += pauses->list[i].origin == origin && pauses->list[i].lane != 0;
    return count;
}

static void print_word(const char *name, const char *text)
{
    printf(" %s=", name);
    pretty_text(text);
}

static void print_answers(const struct history_answers *answers)
{
    char at[WHEN_SIZE];
    if (answers->at_ms == 0)
        return;
    printf(" last=%s", when_write(answers->at_ms, at));
    if (answers->status)
        printf(" status=%d", answers->status);
    if (answers->mean_ms >= 0)
        printf(" latency=%" PRId64 "ms", answers->mean_ms);
    if (*answers->error)
        print_word("error", answers->error);
}

static void print_facts(const struct facts *facts)
{
    const struct queue_origin *origin = facts->origin;
    char due[WHEN_SIZE], until[WHEN_SIZE], since[WHEN_SIZE];
    pretty_text(origin->name);
    printf(" waiting=%" PRId64 " due=%s failed=%" PRId64, origin->waiting,
           when_write(origin->next_due_ms, due), facts->failed);
    if (origin->held_until_ms)
        printf(" failures=%u held-until=%s", origin->failures,
               when_write(origin->held_until_ms, until));
    if (origin->held_lanes)
        printf(" held-urls=%" PRId64, origin->held_lanes);
    if (facts->paused_urls)
        printf(" paused-urls=%" PRId64, facts->paused_urls);
    if (facts->pause)
        printf(" paused-since=%s", when_write(facts->pause->since_ms, since));
    if (facts->pause && *facts->pause->reason)
        print_word("reason", facts->pause->reason);
    print_answers(&facts->answers);
    putchar('\n');
}

static void add_number(struct json *json, const char *key, bool known, int64_t number)
{
    json_key(json, key);
    if (known)
        json_number(json, number);
    else
        json_null(json);
}

static void add_facts(struct json *json, const struct facts *facts)
{
    const struct queue_origin *origin = facts->origin;
    const struct pause *pause = facts->pause;
    const struct history_answers *answers = &facts->answers;
    json_begin_object(json);
    json_pair(json, "origin", origin->name);
    json_pair_number(json, "waiting", origin->waiting);
    queue_json_time(json, "due", origin->next_due_ms);
    json_pair_number(json, "failed", facts->failed);
    queue_json_time(json, "held_until", origin->held_until_ms);
    json_pair_number(json, "failures", origin->failures);
    json_pair_number(json, "held_urls", origin->held_lanes);
    queue_json_time(json, "paused_since", pause ? pause->since_ms : 0);
    json_pair(json, "paused_reason", pause && *pause->reason ? pause->reason : NULL);
    json_pair_number(json, "paused_urls", facts->paused_urls);
    queue_json_time(json, "last_at", answers->at_ms);
    add_number(json, "last_status", answers->status != 0, answers->status);
    json_pair(json, "last_error", *answers->error ? answers->error : NULL);
    add_number(json, "latency_ms", answers->at_ms && answers->mean_ms >= 0, answers->mean_ms);
    json_end_object(json);
}

/* ---- Finding ---- */

static struct map_key name_of(const void *value)
{
    const struct failed *failed = value;
    return (struct map_key){failed->name, strlen(failed->name)};
}

static int count_failed(void *context, const struct delivery *delivery)
{
    struct origins *origins = context;
    char name[ORIGIN_SIZE];
    origin_of(delivery_origin(delivery), name);
    struct failed *failed = map_find(&origins->failed, (struct map_key){name, strlen(name)});
    if (!failed) {
        failed = calloc(1, sizeof *failed + strlen(name) + 1);
        if (!failed)
            return -ENOMEM;
        strcpy(failed->name, name);
        if (map_add(&origins->failed, failed) != 0) {
            free(failed);
            return -ENOMEM;
        }
    }
    failed->count++;
    return 0;
}

static int one(void *context, const struct queue_origin *origin)
{
    struct origins *origins = context;
    uint64_t key = origin_key(origin->name);
    struct failed *failed =
        map_find(&origins->failed, (struct map_key){origin->name, strlen(origin->name)});
    struct facts facts = {.origin = origin,
                          .pause = pauses_exact(&origins->pauses, key, 0),
                          .paused_urls = paused_urls(&origins->pauses, key),
                          .failed = failed ? failed->count : 0};
    if (failed)
        failed->printed = true;
    if (origins->store && origins->history->answers(origins->store, key, &facts.answers) != 0)
        facts.answers.at_ms = 0;
    if (origins->json)
        add_facts(origins->json, &facts);
    else
        print_facts(&facts);
    return 0;
}

/* Those for which nothing waits. */
static void print_failed_only(struct origins *origins)
{
    for (size_t i = 0; i < origins->failed.capacity; i++) {
        const struct failed *failed = origins->failed.slots[i].value;
        if (failed && !failed->printed)
            one(origins, &(struct queue_origin){.name = failed->name});
    }
}

static int find_all(struct queue *queue, struct origins *origins, struct error *err)
{
    const struct queue_filter filter = {.failed_only = true};
    int code = queue_pauses(queue, false, &origins->pauses, err);
    if (code == 0)
        code = queue_list(queue, &filter, count_failed, origins, err);
    if (code == 0)
        code = queue_origins(queue, one, origins, err);
    if (code == 0)
        print_failed_only(origins);
    return code;
}

/* Without a history no more is missing than what is known of answers. */
static void open_history(struct origins *origins, const char *config_path)
{
    struct config *config;
    struct error ignored = {""};
    if (config_load(config_path, &config, &ignored) != 0)
        return;
    origins->history = history_ops_of(config);
    if (origins->history->open(&config->spool, false, &origins->store, &ignored) != 0)
        origins->store = NULL;
    config_unref(config);
}

static void free_origins(struct origins *origins)
{
    for (size_t i = 0; i < origins->failed.capacity; i++)
        free(origins->failed.slots[i].value);
    map_free(&origins->failed);
    pauses_free(&origins->pauses);
    if (origins->store)
        origins->history->close(origins->store);
}

int queue_print_origins(struct queue *queue, const struct queue_arguments *arguments,
                        struct error *err)
{
    struct queue_json *out = arguments->json ? queue_json_new() : NULL;
    struct origins origins = {.json = out ? queue_json_writer(out) : NULL,
                              .failed.key_of = name_of};
    if (arguments->json && !out)
        return error_set(err, -ENOMEM, "out of memory");
    if (out)
        json_begin_array(origins.json);
    open_history(&origins, arguments->config);
    int code = find_all(queue, &origins, err);
    free_origins(&origins);
    if (!out)
        return code;
    json_end_array(origins.json);
    int printed = queue_json_print(out);
    return code ? code : printed;
}
