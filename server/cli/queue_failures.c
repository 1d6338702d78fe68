/* `mxhook queue failures`: what has failed, by destination and reason. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/map.h"
#include "../base/redact.h"
#include "../mail/json.h"
#include "pretty.h"
#include "queue.h"

#define REASON_SIZE 160

struct failure {
    int64_t count, first_ms, last_ms; /* accepted */
    char example[ID_SIZE];
    int status;
    const char *destination, *reason; /* in key */
    size_t key_size;
    char key[]; /* destination, NUL, status and reason */
};

struct failures {
    struct map map;
    struct failure **list;
    size_t count, room;
};

static struct map_key key_of(const void *value)
{
    const struct failure *failure = value;
    return (struct map_key){failure->key, failure->key_size};
}

/* Numbers of one case are no other reason: a port, bytes, ms. */
static void put_reason(const char *error, char reason[REASON_SIZE])
{
    size_t used = 0;
    bool number = false;
    const char *from =
        strncmp(error, "answered ", 9) == 0 ? error + 9 + strspn(error + 9, "0123456789") : error;
    from += strspn(from, ": ");
    for (; *from && used < REASON_SIZE - 1; from++) {
        bool digit = *from >= '0' && *from <= '9';
        if (!digit || !number)
            reason[used++] = digit ? '#' : *from;
        number = digit;
    }
    reason[used] = 0;
}

static struct failure *failure_new(struct failures *failures, const char *key, size_t size)
{
    if (failures->count == failures->room) {
        size_t room = failures->room ? failures->room * 2 : 64;
        struct failure **grown = realloc(failures->list, room * sizeof(struct failure *));
        if (!grown)
            return NULL;
        failures->list = grown;
        failures->room = room;
    }
    struct failure *failure = calloc(1, sizeof *failure + size);
    if (!failure)
        return NULL;
    memcpy(failure->key, key, size);
    failure->key_size = size;
    failure->destination = failure->key;
    failure->reason = failure->key + strlen(key) + 1 + sizeof(int);
    if (map_add(&failures->map, failure) != 0) {
        free(failure);
        return NULL;
    }
    failures->list[failures->count++] = failure;
    return failure;
}

static int add(void *context, const struct delivery *d)
{
    struct failures *failures = context;
    char key[REDACT_SIZE + sizeof(int) + REASON_SIZE], reason[REASON_SIZE];
    redact_url(d->destination.url, key);
    put_reason(d->last_error ? d->last_error : "", reason);
    size_t used = strlen(key) + 1;
    memcpy(key + used, &d->last_status, sizeof(int));
    used += sizeof(int);
    memcpy(key + used, reason, strlen(reason) + 1);
    used += strlen(reason) + 1;
    struct failure *failure = map_find(&failures->map, (struct map_key){key, used});
    if (!failure && !(failure = failure_new(failures, key, used)))
        return -ENOMEM;
    if (failure->count++ == 0) {
        failure->first_ms = d->created_ms;
        failure->status = d->last_status;
        memcpy(failure->example, d->id, sizeof failure->example);
    }
    failure->last_ms = d->created_ms;
    return 0;
}

static int most_first(const void *a, const void *b)
{
    const struct failure *x = *(struct failure *const *)a, *y = *(struct failure *const *)b;
    return x->count > y->count ? -1 : x->count < y->count;
}

static void print(const struct failure *failure)
{
    char first[WHEN_SIZE], last[WHEN_SIZE];
    printf("%" PRId64 " ", failure->count);
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
    json_pair_number(json, "count", failure->count);
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
    struct failures failures = {.map.key_of = key_of};
    struct queue_filter filter = arguments->filter;
    filter.failed_only = true;
    int code = queue_list(queue, &filter, add, &failures, err);
    if (code == -ENOMEM)
        error_set(err, code, "out of memory");
    if (failures.count > 0)
        qsort(failures.list, failures.count, sizeof *failures.list, most_first);
    if (code == 0)
        code = print_all(&failures, arguments->json);
    for (size_t i = 0; i < failures.count; i++)
        free(failures.list[i]);
    free(failures.list);
    map_free(&failures.map);
    return code;
}
