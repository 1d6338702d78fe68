/* `mxhook queue failures`: what has failed, by destination and reason. */
#include <errno.h>
#include <stdio.h>

#include "../mail/json.h"
#include "../spool/failures.h"
#include "pretty.h"
#include "queue.h"

static void print(const struct failure *failure)
{
    char first[WHEN_SIZE], last[WHEN_SIZE];
    printf("%zu ", failure->count);
    pretty_text(failure->destination);
    if (failure->status)
        printf(" %d", failure->status);
    putchar(' ');
    pretty_text(*failure->reason ? failure->reason : "(no text)");
    printf(" first=%s last=%s example=%s\n", when_write(failure->first_ms, first),
           when_write(failure->last_ms, last), failure->example);
}

static void add_json(struct json *json, const struct failure *failure)
{
    json_begin_object(json);
    json_pair_number(json, "count", (int64_t)failure->count);
    json_pair(json, "destination", failure->destination);
    json_key(json, "status");
    if (failure->status)
        json_number(json, failure->status);
    else
        json_null(json);
    json_pair(json, "reason", failure->reason);
    queue_json_time(json, "first", failure->first_ms);
    queue_json_time(json, "last", failure->last_ms);
    json_pair(json, "example", failure->example);
    json_end_object(json);
}

static int print_all(const struct failures *failures, bool as_json)
{
    struct queue_json *out = as_json ? queue_json_new() : NULL;
    if (as_json && !out)
        return -ENOMEM;
    if (out)
        json_begin_array(queue_json_writer(out));
    for (size_t i = 0; i < failures->count; i++)
        if (out)
            add_json(queue_json_writer(out), failures->list[i]);
        else
            print(failures->list[i]);
    if (!out)
        return 0;
    json_end_array(queue_json_writer(out));
    return queue_json_print(out);
}

int queue_print_failures(struct queue *queue, const struct queue_arguments *arguments,
                         struct error *err)
{
    struct failures failures = {0};
    int code = failures_read(&failures, queue, &arguments->filter, err);
    if (code == 0)
        code = print_all(&failures, arguments->json);
    failures_free(&failures);
    return code;
}
