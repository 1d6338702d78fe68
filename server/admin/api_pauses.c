/* What an operator has paused: shown, paused and resumed. */
#include <errno.h>
#include <lua.h>
#include <string.h>

#include "../history/json.h"
#include "request.h"

static void write_pause(struct json *json, const struct pause *pause)
{
    json_begin_object(json);
    json_pair(json, "destination", pause->name);
    json_pair(json, "scope", pause->lane ? "url" : "origin");
    json_key(json, "since");
    json_time(json, pause->since_ms);
    json_pair(json, "reason", *pause->reason ? pause->reason : NULL);
    json_pair_number(json, "waiting", pause->waiting);
    json_end_object(json);
}

void pauses_write(struct json *json, const char *key, const struct pauses *pauses)
{
    json_key(json, key);
    json_begin_array(json);
    for (size_t i = 0; i < pauses->count; i++)
        write_pause(json, &pauses->list[i]);
    json_end_array(json);
}

/* "url", or "origin": the whole of it. False, and an error is the response: neither. */
static bool read_scope(struct request *request, struct lua_State *L, bool *whole)
{
    const char *scope = body_text(L, "scope");
    *whole = scope && strcmp(scope, "origin") == 0;
    if (!scope || *whole || strcmp(scope, "url") == 0)
        return true;
    response_error(request, 400,
                   "scope: \"url\", or \"origin\" for all of its scheme, host and port");
    return false;
}

static int status_of(int code)
{
    return code == -EINVAL ? 400 : code == -ENOENT ? 404 : code == -E2BIG ? 409 : 503;
}

static void response_pause(struct request *request, struct queue *queue, const struct pause *done)
{
    struct pauses pauses = {0};
    (void)queue_pauses(queue, true, &pauses, NULL);
    const struct pause *now = pauses_exact(&pauses, done->origin, done->lane);
    struct json *json = response_json(request);
    if (json)
        write_pause(json, now ? now : done);
    pauses_free(&pauses);
}

static void change(struct request *request, struct queue *queue, struct lua_State *L, bool pause)
{
    const char *url = body_text(L, "url");
    struct error err = {""};
    struct pause done;
    bool whole;
    if (!url) {
        response_error(request, 400,
                       "url: the destination, or the origin as /api/v1/destinations has it");
        return;
    }
    if (!read_scope(request, L, &whole))
        return;
    int code = pause ? queue_pause(queue, url, whole, body_text(L, "reason"), &done, &err)
                     : queue_resume(queue, url, whole, &done, &err);
    if (code != 0) {
        response_error(request, status_of(code), "%s", err.text);
        return;
    }
    request_audit(request, pause ? "pause" : "resume", done.name, 1);
    response_pause(request, queue, &done);
}

static void take(struct request *request, bool pause)
{
    struct lua_State *L = request_body(request);
    struct queue *queue = L ? request_queue(request) : NULL;
    if (queue)
        change(request, queue, L, pause);
    queue_close(queue);
    if (L)
        lua_close(L);
}

void api_pause(struct request *request)
{
    take(request, true);
}

void api_resume(struct request *request)
{
    take(request, false);
}
