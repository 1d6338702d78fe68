#include "notice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../mail/json.h"
#include "../base/redact.h"

static void put_time(struct json *json, const char *key, int64_t unix_ms)
{
    json_key(json, key);
    json_time(json, unix_ms);
}

static void put_message_id(struct json *json, const char *id)
{
    size_t parent;
    id_number(id, &parent);
    json_key(json, "message");
    json_string(json, id, parent);
}

static void put_failed(struct json *json, const struct delivery *failed, int64_t held_ms)
{
    char destination[REDACT_SIZE];
    redact_url(failed->destination.url, destination);
    json_begin_object(json);
    json_pair(json, "id", failed->id);
    put_message_id(json, failed->id);
    json_pair(json, "sender", failed->sender);
    json_pair(json, "recipient", failed->recipient);
    json_pair(json, "destination", destination);
    json_pair_number(json, "attempts", failed->attempts);
    json_key(json, "status");
    if (failed->last_status)
        json_number(json, failed->last_status);
    else
        json_null(json);
    json_pair(json, "error", failed->last_error);
    put_time(json, "accepted", failed->created_ms);
    put_time(json, "attempted", failed->last_at_ms);
    if (held_ms)
        put_time(json, "held_until", held_ms);
    json_end_object(json);
}

/* Type, timestamp and data: as Standard Webhooks proposes. */
static int render(const struct delivery *failed, int64_t held_ms, int64_t now_ms, struct spill *out)
{
    struct json json;
    json_init(&json, out);
    json_begin_object(&json);
    json_pair(&json, "type", "delivery.failed");
    put_time(&json, "timestamp", now_ms);
    json_key(&json, "data");
    put_failed(&json, failed, held_ms);
    json_end_object(&json);
    return json_finish(&json);
}

static int set_payload(struct delivery *notice, const struct delivery *failed, int64_t held_ms)
{
    struct spill *body = spill_from_bytes("", 0);
    int code = body ? render(failed, held_ms, notice->created_ms, body) : -ENOMEM;
    if (code == 0 && (notice->payload = payload_new(body, NULL)))
        return 0;
    spill_free(body);
    return code ? code : -ENOMEM;
}

static int fill(struct delivery *notice, const struct destination *to,
                const struct delivery *failed, int64_t held_ms)
{
    notice->created_ms = notice->due_ms = clock_unix_ms();
    notice->about = arena_strdup(notice->arena, failed->id);
    notice->sender = arena_strdup(notice->arena, failed->sender);
    notice->recipient = arena_strdup(notice->arena, failed->recipient);
    if (!notice->about || !notice->sender || !notice->recipient)
        return -ENOMEM;
    int code = delivery_set_destination(notice, to);
    return code == 0 ? set_payload(notice, failed, held_ms) : code;
}

/* One delivery may fail more than once, after `mxhook queue retry`: so its notices are told apart
 * by the time. */
struct delivery *notice_new(const struct deliver_config *config, const struct delivery *failed,
                            int64_t held_ms)
{
    char id[ID_SIZE], url[REDACT_SIZE];
    if (!config->on_failure || failed->about)
        return NULL;
    id_child(id, failed->id, (unsigned)clock_unix_ms());
    struct delivery *notice = delivery_new(id);
    if (!notice || fill(notice, config->on_failure, failed, held_ms) != 0) {
        log_error("not-noticed", failed->id, LOG_TEXT("error", "out of memory"));
        delivery_free(notice);
        return NULL;
    }
    redact_url(config->on_failure->url, url);
    log_info("notice", id, LOG_TEXT("about", failed->id), LOG_TEXT("url", url));
    return notice;
}
