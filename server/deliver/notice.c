#include "notice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../mail/json.h"
#include "../base/redact.h"

/* RFC 3339 */
static void put_time(struct json *json, const char *key, int64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    char text[40];
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
    snprintf(text + size, sizeof text - size, ".%03dZ", (int)(unix_ms % 1000));
    json_key(json, key);
    json_text(json, text);
}

static void put_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_text(json, text);
}

static void put_number(struct json *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_number(json, number);
}

/* A delivery's id is its message's, "-" and a number (id.h). */
static void put_message_id(struct json *json, const char *id)
{
    const char *end = strrchr(id, '-');
    json_key(json, "message");
    json_string(json, id, end ? (size_t)(end - id) : strlen(id));
}

static void put_failed(struct json *json, const struct delivery *failed, int64_t held_ms)
{
    char destination[REDACT_SIZE];
    redact_url(failed->destination.url, destination);
    json_begin_object(json);
    put_text(json, "id", failed->id);
    put_message_id(json, failed->id);
    put_text(json, "sender", failed->sender);
    put_text(json, "recipient", failed->recipient);
    put_text(json, "destination", destination);
    put_number(json, "attempts", failed->attempts);
    json_key(json, "status");
    if (failed->last_status)
        json_number(json, failed->last_status);
    else
        json_null(json);
    put_text(json, "error", failed->last_error);
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
    put_text(&json, "type", "delivery.failed");
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
