/* Responses, and what a request asks for. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "request.h"

void response_release(struct response *response)
{
    free(response->json);
    spill_free(response->bytes);
    response->json = NULL;
    response->bytes = NULL;
}

static struct spill *new_bytes(const struct request *request)
{
    return spill_new(request->config->spool.directory, NULL);
}

struct json *response_json(struct request *request)
{
    struct response *response = &request->response;
    response_release(response);
    response->bytes = new_bytes(request);
    response->json = response->bytes ? malloc(sizeof *response->json) : NULL;
    if (!response->json) {
        response->status = 503;
        return NULL;
    }
    response->status = 200;
    response->type = "application/json";
    json_init(response->json, response->bytes);
    return response->json;
}

void response_json_end(struct request *request)
{
    struct response *response = &request->response;
    if (!response->json)
        return;
    if (json_finish(response->json) != 0) {
        response->status = 503;
        spill_free(response->bytes);
        response->bytes = NULL;
    }
    free(response->json);
    response->json = NULL;
}

void response_error(struct request *request, int status, const char *format, ...)
{
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct json *json = response_json(request);
    if (!json)
        return;
    json_begin_object(json);
    json_pair(json, "error", text);
    json_end_object(json);
    request->response.status = status;
}

void response_text(struct request *request, int status, const char *type, const char *text,
                   size_t size)
{
    struct response *response = &request->response;
    response_release(response);
    response->status = status;
    response->type = type;
    response->bytes = new_bytes(request);
    if (!response->bytes || spill_write(response->bytes, text, size) != 0)
        response->status = 503;
}

const char *request_query(struct request *request, const char *name)
{
    const char *value =
        MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
    return value && *value ? value : NULL;
}

bool request_number(struct request *request, const char *name, int64_t min, int64_t max,
                    int64_t *number)
{
    const char *text = request_query(request, name);
    char *end;
    if (!text)
        return true;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*end || errno != 0 || value < min || value > max) {
        response_error(request, 400, "%s: a whole number from %lld to %lld", name, (long long)min,
                       (long long)max);
        return false;
    }
    *number = value;
    return true;
}

struct queue *request_queue(struct request *request)
{
    struct queue *queue = NULL;
    struct error err = {""};
    if (queue_open(&request->config->spool, &queue, &err) != 0)
        response_error(request, 503, "%s", err.text);
    return queue;
}

struct history_store *request_history(struct request *request, const struct history_ops **ops)
{
    struct history_store *store = NULL;
    struct error err = {""};
    *ops = history_ops_of(request->config);
    if (request->config->history.keep_ms == 0)
        response_error(request, 404, "there is no history: history.keep is 0");
    else if ((*ops)->open(&request->config->spool, false, &store, &err) != 0)
        response_error(request, 503, "%s", err.text);
    return store;
}

void request_audit(const struct request *request, const char *action, const char *what,
                   int64_t count)
{
    log_info("admin", NULL, LOG_TEXT("who", request->who),
             LOG_TEXT("from", request->peer->local ? "unix" : request->peer->address),
             LOG_TEXT("action", action), LOG_TEXT("what", what), LOG_NUMBER("count", count));
}
