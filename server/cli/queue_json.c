/* What `mxhook queue --json` says: documented in mxhook(8), so names stay. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/redact.h"
#include "../base/spill.h"
#include "../mail/json.h"
#include "queue.h"
#include "rules.h"

struct queue_json {
    struct json json; /* first */
    struct spill *out;
};

struct queue_json *queue_json_new(void)
{
    struct queue_json *json = calloc(1, sizeof *json);
    if (json && !(json->out = spill_from_bytes("", 0))) {
        free(json);
        return NULL;
    }
    if (json)
        json_init(&json->json, json->out);
    return json;
}

struct json *queue_json_writer(struct queue_json *json)
{
    return &json->json;
}

void queue_json_time(struct json *json, const char *key, int64_t unix_ms)
{
    char text[WHEN_SIZE];
    json_pair(json, key, unix_ms ? when_write(unix_ms, text) : NULL);
}

static char *without_userinfo(const char *url)
{
    const char *rest;
    size_t size = redact_userinfo(url, &rest);
    char *text = malloc(size + strlen(rest) + 1);
    if (text)
        strcpy((char *)memcpy(text, url, size) + size, rest);
    return text;
}

void queue_json_delivery(struct json *json, const struct delivery *d, const struct pauses *pauses)
{
    bool failed = d->state == DELIVERY_FAILED;
    char *url = without_userinfo(d->destination.url);
    json_pair(json, "id", d->id);
    json_pair(json, "state", queue_state(d, NULL));
    json_pair_boolean(json, "paused", !failed && pauses_find_url(pauses, delivery_origin(d)));
    json_pair_number(json, "attempts", d->attempts);
    queue_json_time(json, "accepted", d->created_ms);
    queue_json_time(json, "due", failed ? 0 : d->due_ms);
    json_pair(json, "sender", d->sender);
    json_pair(json, "recipient", d->recipient);
    json_pair(json, "destination", url);
    json_key(json, "status");
    if (d->last_status)
        json_number(json, d->last_status);
    else
        json_null(json);
    json_pair(json, "error", d->last_error && *d->last_error ? d->last_error : NULL);
    json_pair(json, "about", d->about);
    json_key(json, "node");
    if (queue_node_of(d))
        json_number(json, queue_node_of(d));
    else
        json_null(json);
    free(url);
}

void queue_json_free(struct queue_json *json)
{
    if (!json)
        return;
    spill_free(json->out);
    free(json);
}

int queue_json_print(struct queue_json *json)
{
    int code = json_finish(&json->json);
    if (code == 0)
        code = cli_print_spill(json->out);
    queue_json_free(json);
    return code;
}
