/* `mxhook queue origins`: what waits, by scheme, host and port. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "../mail/json.h"
#include "pretty.h"
#include "queue.h"

struct origins {
    struct json *json; /* NULL: lines */
    struct pauses pauses;
};

/* Of its URLs so many are paused, each by itself. */
static int64_t paused_urls(const struct pauses *pauses, uint64_t origin)
{
    int64_t count = 0;
    for (size_t i = 0; i < pauses->count; i++)
        count += pauses->list[i].origin == origin && pauses->list[i].lane != 0;
    return count;
}

static void print_origin(const struct queue_origin *origin, const struct pause *pause, int64_t urls)
{
    char due[TIME_SIZE], until[TIME_SIZE], since[TIME_SIZE];
    pretty_text(origin->name);
    printf(" waiting=%" PRId64 " due=%s", origin->waiting, queue_time(origin->next_due_ms, due));
    if (origin->held_until_ms)
        printf(" failures=%u held-until=%s", origin->failures,
               queue_time(origin->held_until_ms, until));
    if (origin->held_lanes)
        printf(" held-urls=%" PRId64, origin->held_lanes);
    if (urls)
        printf(" paused-urls=%" PRId64, urls);
    if (pause)
        printf(" paused-since=%s", queue_time(pause->since_ms, since));
    if (pause && *pause->reason) {
        fputs(" reason=", stdout);
        pretty_text(pause->reason);
    }
    putchar('\n');
}

static void add_origin(struct json *json, const struct queue_origin *origin,
                       const struct pause *pause, int64_t urls)
{
    json_begin_object(json);
    queue_json_word(json, "origin", origin->name);
    queue_json_count(json, "waiting", origin->waiting);
    queue_json_time(json, "due", origin->next_due_ms);
    queue_json_time(json, "held_until", origin->held_until_ms);
    queue_json_count(json, "failures", origin->failures);
    queue_json_count(json, "held_urls", origin->held_lanes);
    queue_json_time(json, "paused_since", pause ? pause->since_ms : 0);
    queue_json_word(json, "paused_reason", pause && *pause->reason ? pause->reason : NULL);
    queue_json_count(json, "paused_urls", urls);
    json_end_object(json);
}

static int one(void *context, const struct queue_origin *origin)
{
    struct origins *origins = context;
    uint64_t key = origin_key(origin->name);
    const struct pause *pause = pauses_exact(&origins->pauses, key, 0);
    int64_t urls = paused_urls(&origins->pauses, key);
    if (origins->json)
        add_origin(origins->json, origin, pause, urls);
    else
        print_origin(origin, pause, urls);
    return 0;
}

int queue_print_origins(struct queue *queue, const struct queue_arguments *arguments,
                        struct error *err)
{
    struct queue_json *out = arguments->json ? queue_json_new() : NULL;
    struct origins origins = {.json = out ? queue_json_writer(out) : NULL};
    if (arguments->json && !out)
        return error_set(err, -ENOMEM, "out of memory");
    if (out)
        json_begin_array(origins.json);
    int code = queue_pauses(queue, false, &origins.pauses, err);
    if (code == 0)
        code = queue_origins(queue, one, &origins, err);
    pauses_free(&origins.pauses);
    if (!out)
        return code;
    json_end_array(origins.json);
    int printed = queue_json_print(out);
    return code ? code : printed;
}
