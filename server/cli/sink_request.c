#include "sink_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/clock.h"
#include "../deliver/sign.h"

#define TOLERANCE_S 300 /* of webhook-timestamp, as Standard Webhooks advises */

const char *sink_request_header(const struct sink_request *r, const char *name,
                                char value[SINK_VALUE_SIZE])
{
    size_t name_size = strlen(name);
    const char *end = r->head + r->head_size;
    value[0] = 0;
    for (const char *line = r->head; line < end; line = strstr(line, "\r\n") + 2) {
        if (strncasecmp(line, name, name_size) != 0 || line[name_size] != ':')
            continue;
        const char *text = line + name_size + 1;
        text += strspn(text, " \t");
        snprintf(value, SINK_VALUE_SIZE, "%.*s", (int)strcspn(text, "\r\n"), text);
        break;
    }
    return value;
}

int sink_request_parse(const char *bytes, size_t size, struct sink_request *r)
{
    char value[SINK_VALUE_SIZE], *rest;
    const char *end = strstr(bytes, "\r\n\r\n");
    if (!end)
        return size > SINK_HEAD_MAX ? 431 : 0;
    r->head = bytes;
    r->head_size = (size_t)(end + 4 - bytes);
    r->body = bytes + r->head_size;
    if (*sink_request_header(r, "transfer-encoding", value))
        return 411;
    uint64_t body_size = strtoull(sink_request_header(r, "content-length", value), &rest, 10);
    if (*rest || body_size > SINK_BODY_MAX)
        return 413;
    r->body_size = (size_t)body_size;
    return size - r->head_size >= body_size;
}

/* Is one of these among those? Both are separated by spaces. */
static bool share_a_word(const char *these, const char *those)
{
    for (const char *a = these; *a; a += strspn(a, " ")) {
        size_t size = strcspn(a, " ");
        for (const char *b = those; *b; b += strspn(b, " ")) {
            size_t other = strcspn(b, " ");
            if (size == other && memcmp(a, b, size) == 0)
                return true;
            b += other;
        }
        a += size;
    }
    return false;
}

const char *sink_request_check(const struct sink_request *r, const char *secret)
{
    char id[SINK_VALUE_SIZE], time[SINK_VALUE_SIZE], given[SINK_VALUE_SIZE], expected[SIGN_SIZE];
    sink_request_header(r, "webhook-id", id);
    sink_request_header(r, "webhook-timestamp", time);
    sink_request_header(r, "webhook-signature", given);
    if (!*id || !*time || !*given)
        return "not signed";
    int64_t timestamp = strtoll(time, NULL, 10), age = clock_unix_ms() / 1000 - timestamp;
    if (age > TOLERANCE_S || age < -TOLERANCE_S)
        return "timestamp too far from now";
    struct payload payload = {.head = spill_from_bytes(r->body, r->body_size)};
    if (!payload.head)
        return "out of memory";
    int code = sign_payload(secret, id, timestamp, &payload, expected, NULL);
    spill_free(payload.head);
    if (code != 0)
        return "the secret given to --verify cannot sign";
    return share_a_word(expected, given) ? NULL : "wrong signature";
}
