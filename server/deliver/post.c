#include "post.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/clock.h"
#include "../base/decimal.h"
#include "http.h"
#include "reference.h"
#include "sign.h"
#include "traceparent.h"

#define OWN_HEADERS 6

enum post_state { POST_PREPARING, POST_SENDING, POST_CANCELLED };

struct post {
    struct attempt attempt; /* first */
    struct http_request request;
    enum post_state state;
    uv_work_t work;
    struct http *http;
    struct config *config;
    struct delivery *delivery; /* not to be touched once cancelled */
    attempt_done done;
    void *context;
    char id[ID_SIZE];
    char *secret; /* a copy; NULL: none */
    /* The destination's headers that are references: copies, then the lines that are sent. */
    char **references;
    size_t reference_count;
    char *empties; /* those without a value, as libcurl wants them: each "Name;" and a NUL */
    int64_t timestamp;
    int code;         /* of preparing */
    struct error why; /* it is not 0 */
    char id_header[ID_SIZE + 16], timestamp_header[48];
    char trace_header[TRACEPARENT_SIZE];
    char signature_header[SIGN_SIZE + 24];
    const char *headers[]; /* OWN_HEADERS and the destination's */
};

static void post_free(struct post *a)
{
    payload_free(a->request.payload);
    config_unref(a->config);
    free(a->secret);
    for (size_t i = 0; i < a->reference_count; i++)
        reference_free_header(a->references[i]);
    free(a->references);
    free(a->empties);
    free(a);
}

/* ---- Sending ---- */

static void on_done(struct http_request *request, const struct attempt_result *result)
{
    struct post *a = (struct post *)((char *)request - offsetof(struct post, request));
    a->done(a->context, a->delivery, result);
    post_free(a);
}

static void fail(struct post *a, bool hopeless, const char *why)
{
    struct attempt_result result = {.hopeless = hopeless, .ours = true};
    snprintf(result.error, sizeof result.error, "%.*s", (int)sizeof result.error - 1, why);
    on_done(&a->request, &result);
}

/* libcurl takes "Name:" for an order to leave the header out. */
static bool is_empty(const char *line)
{
    const char *colon = strchr(line, ':');
    return colon && colon[1 + strspn(colon + 1, " ")] == 0;
}

static bool has_header(const struct destination *destination, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < destination->header_count; i++)
        if (strncasecmp(destination->headers[i], name, size) == 0 &&
            strchr(":=", destination->headers[i][size]))
            return true;
    return false;
}

/* The destination's own; `room`: in a->empties. */
static const char *header_line(const char *line, char **room)
{
    if (!is_empty(line))
        return line;
    char *copy = *room;
    *room += sprintf(copy, "%.*s;", (int)strcspn(line, ":"), line) + 1;
    return copy;
}

static void put_headers(struct post *a)
{
    char *room = a->empties;
    const struct destination *destination = &a->delivery->destination;
    size_t n = 0, references = 0;
    stpcpy(stpcpy(a->id_header, "webhook-id: "), a->id);
    decimal_put(stpcpy(a->timestamp_header, "webhook-timestamp: "), a->timestamp);
    a->headers[n++] = "content-type: application/json";
    if (!has_header(destination, "user-agent"))
        a->headers[n++] = "user-agent: mxhook/" MXHOOK_VERSION;
    a->headers[n++] = a->id_header;
    a->headers[n++] = a->timestamp_header;
    if (!has_header(destination, "traceparent")) {
        traceparent_write(a->trace_header, a->id, a->delivery->attempts + 1);
        a->headers[n++] = a->trace_header;
    }
    if (a->secret)
        a->headers[n++] = a->signature_header;
    for (size_t i = 0; i < destination->header_count; i++) {
        const char *line = destination->headers[i];
        if (reference_of_header(line))
            line = a->references[references++];
        a->headers[n++] = header_line(line, &room);
    }
    a->request.headers = a->headers;
    a->request.header_count = n;
}

/* -ENOMEM: nothing was begun. */
static int send_it(struct post *a)
{
    const struct deliver_config *config = &a->config->deliver;
    const struct destination *to = &a->delivery->destination;
    a->state = POST_SENDING;
    put_headers(a);
    a->request.url = to->url;
    a->request.connect_timeout_ms = config->connect_timeout_ms;
    a->request.first_byte_timeout_ms = config->first_byte_timeout_ms;
    a->request.timeout_ms = to->timeout_ms ? to->timeout_ms : config->timeout_ms;
    a->request.timeout_option = to->timeout_ms ? "the destination's timeout" : "deliver.timeout";
    a->request.idle_timeout_ms = config->idle_timeout_ms;
    a->request.route = (struct http_route){
        .ca_file = to->ca_file ? to->ca_file : config->ca_file,
        .client_cert = to->client_cert,
        .client_key = to->client_key,
        .source_address = config->source_address,
        .proxy = config->proxy,
        .deny_private = config->deny_private,
        .connection_age_ms = config->connection_age_ms,
    };
    a->request.done = on_done;
    return http_send(a->http, &a->request);
}

/* ---- Preparing: what must be read or computed first ---- */

static int read_references(struct post *a)
{
    for (size_t i = 0; i < a->reference_count; i++) {
        char *line;
        int code = reference_read_header(a->references[i], &line, &a->why);
        if (code != 0)
            return code;
        reference_free_header(a->references[i]);
        a->references[i] = line;
    }
    return 0;
}

static int sign(struct post *a)
{
    char *value = stpcpy(a->signature_header, "webhook-signature: ");
    struct error why = {""};
    int code = sign_payload(a->secret, a->id, a->timestamp, a->request.payload, value, &why);
    return code == 0 ? 0 : error_set(&a->why, code, "its secret: %.1000s", why.text);
}

static void prepare(struct post *a)
{
    a->code = read_references(a);
    if (a->code == 0 && a->secret)
        a->code = sign(a);
}

static void prepare_in_thread(uv_work_t *work)
{
    struct post *a = work->data;
    if (a->code == 0)
        prepare(a);
}

static void prepared(uv_work_t *work, int status)
{
    struct post *a = work->data;
    if (a->state == POST_CANCELLED)
        post_free(a);
    else if (status != 0)
        fail(a, false, uv_strerror(status));
    else if (a->code != 0)
        fail(a, a->code == -EINVAL, a->why.text);
    else if (send_it(a) != 0)
        fail(a, false, "out of memory");
}

static bool can_prepare_here(const struct post *a)
{
    const struct payload *payload = a->request.payload;
    for (size_t i = 0; i < a->reference_count; i++)
        if (reference_blocks(reference_of_header(a->references[i])))
            return false;
    return !a->secret ||
           (!reference_blocks(a->secret) && payload_memory(payload) == payload_size(payload));
}

static int check_size(struct post *a)
{
    uint64_t size = payload_size(a->request.payload), most = a->delivery->destination.max_body;
    if (most == 0)
        most = a->config->deliver.max_body;
    if (most == 0 || size <= most)
        return 0;
    return error_set(&a->why, -EINVAL,
                     "its payload has %llu bytes, more than max_body (%llu): not sent",
                     (unsigned long long)size, (unsigned long long)most);
}

/* What cannot be prepared is not sent: it goes to the thread too, whose end tells. */
static int begin(uv_loop_t *loop, struct post *a)
{
    a->code = check_size(a);
    if (a->code == 0 && can_prepare_here(a)) {
        prepare(a);
        if (a->code == 0)
            return send_it(a);
    }
    a->state = POST_PREPARING;
    a->work.data = a;
    return uv_queue_work(loop, &a->work, prepare_in_thread, prepared);
}

/* As much as all names together: a value that is referred to may turn out to be empty. */
static int make_room(struct post *a, const struct destination *from)
{
    size_t size = 1;
    for (size_t i = 0; i < from->header_count; i++)
        size += strcspn(from->headers[i], ":=") + 2;
    a->empties = from->header_count ? malloc(size) : NULL;
    return a->empties || !from->header_count ? 0 : -ENOMEM;
}

/* The delivery may go while a thread works with its secret and headers. */
static int copy_secrets(struct post *a, const struct destination *from)
{
    if (from->secret && !(a->secret = strdup(from->secret)))
        return -ENOMEM;
    for (size_t i = 0; i < from->header_count; i++) {
        if (!reference_of_header(from->headers[i]))
            continue;
        if (!a->references && !(a->references = calloc(from->header_count, sizeof(char *))))
            return -ENOMEM;
        if (!(a->references[a->reference_count] = strdup(from->headers[i])))
            return -ENOMEM;
        a->reference_count++;
    }
    return 0;
}

/* ---- Beginning and breaking off ---- */

static void cancel(struct attempt *attempt)
{
    struct post *a = (struct post *)attempt;
    if (a->state == POST_PREPARING) {
        a->state = POST_CANCELLED; /* the thread's end frees it */
        return;
    }
    http_cancel(a->http, &a->request);
    post_free(a);
}

struct attempt *post_start(struct senders *senders, struct config *config,
                           struct delivery *delivery, attempt_done done, void *context)
{
    size_t headers = OWN_HEADERS + delivery->destination.header_count;
    struct post *a = malloc(sizeof *a + headers * sizeof *a->headers);
    if (!a)
        return NULL;
    memset(a, 0, sizeof *a);
    a->attempt.cancel = cancel;
    a->http = senders->http;
    a->config = config_ref(config);
    a->delivery = delivery;
    a->done = done;
    a->context = context;
    a->timestamp = clock_unix_ms() / 1000;
    memcpy(a->id, delivery->id, sizeof a->id);
    a->request.payload = payload_ref(delivery->payload);
    if (make_room(a, &delivery->destination) == 0 && copy_secrets(a, &delivery->destination) == 0 &&
        begin(senders->loop, a) == 0)
        return &a->attempt;
    post_free(a);
    return NULL;
}
