#include "scan.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/spill.h"
#include "../deliver/multi.h"
#include "rspamd_answer.h"
#include "rspamd_head.h"

/* libcurl's own bound is four times the transfers under way: after a burst it would close all but a few. */
#define IDLE_CONNECTIONS 64
#define RECEIVE_BUFFER   8192l /* bytes, of each connection; an answer seldom has more */

/* A scanner: what is remembered of one URL. */
struct scanner {
    struct scanner *next;
    unsigned failures; /* in a row */
    int64_t until_ms;  /* while it is skipped: when it is tried again, monotonic */
    char url[];
};

struct scan {
    uv_loop_t *loop;
    struct multi *multi;
    struct scanner *scanners;
    struct scan_request *idle; /* handles: making one anew costs more than asking */
    size_t turn;               /* which URL begins */
};

/* A message on its way. */
struct scan_request {
    struct multi_transfer transfer; /* first */
    struct scan_request *next;
    struct scan *scan;
    CURL *easy;
    struct rspamd_head head;
    const struct config *config;
    const struct transaction *transaction;
    void (*done)(void *context, struct scan_result *result);
    void *context;
    struct scanner *scanner;
    size_t first, tried; /* URLs */
    int64_t begun_ms;
    uint64_t offset;
    struct scan_result *result; /* that is being filled */
    struct rspamd_answer *answer;
    bool too_large;
    uv_timer_t soon; /* for an end without any transfer */
    char why[200];
};

static void try_next(struct scan_request *r);

/* ---- Origins ---- */

static struct scanner *scanner_of(struct scan *scan, const char *url)
{
    struct scanner *o = scan->scanners;
    while (o && strcmp(o->url, url) != 0)
        o = o->next;
    if (o)
        return o;
    o = calloc(1, sizeof *o + strlen(url) + 1);
    if (!o)
        return NULL;
    strcpy(o->url, url);
    o->next = scan->scanners;
    return scan->scanners = o;
}

/* One that is tried again counts as silent until it has answered. */
static bool scanner_is_asked(struct scanner *o, int64_t now_ms)
{
    if (o->failures < SCAN_FAILURES)
        return true;
    if (now_ms < o->until_ms)
        return false;
    o->until_ms = now_ms + SCAN_PAUSE_MS;
    return true;
}

static void scanner_note(struct scanner *o, const char *error)
{
    if (!error && o->failures >= SCAN_FAILURES)
        log_info("scanner", NULL, LOG_TEXT("url", o->url), LOG_TEXT("result", "answers again"));
    o->failures = error ? o->failures + 1 : 0;
    if (error && o->failures >= SCAN_FAILURES)
        o->until_ms = clock_monotonic_ms() + SCAN_PAUSE_MS;
    if (error && o->failures == SCAN_FAILURES)
        log_warn("scanner", NULL, LOG_TEXT("url", o->url),
                 LOG_TEXT("result", "is not asked until it answers"), LOG_TEXT("error", error));
}

/* ---- Idle requests ---- */

static size_t on_read(char *buffer, size_t size, size_t count, void *context)
{
    struct scan_request *r = context;
    ssize_t got = spill_read(r->transaction->data, r->offset, buffer, size * count);
    if (got < 0)
        return CURL_READFUNC_ABORT;
    r->offset += (uint64_t)got;
    return (size_t)got;
}

static int on_seek(void *context, curl_off_t offset, int origin)
{
    struct scan_request *r = context;
    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    r->offset = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct scan_request *r = context;
    r->too_large = !rspamd_answer_read(r->answer, bytes, size * count);
    return r->too_large ? 0 : size * count;
}

static void on_end(struct multi_transfer *transfer, CURLcode rc);

static void set_lasting_options(struct scan_request *r)
{
    CURL *easy = r->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &r->transfer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1l);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0l);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
    curl_easy_setopt(easy, CURLOPT_POST, 1l);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, r);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, r);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, r);
}

static void free_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct scan_request *request_take(struct scan *scan)
{
    struct scan_request *r = scan->idle;
    if (r) {
        scan->idle = r->next;
        return r;
    }
    r = calloc(1, sizeof *r);
    if (r && !(r->easy = curl_easy_init())) {
        free(r);
        r = NULL;
    }
    if (!r)
        return NULL;
    r->scan = scan;
    r->transfer.finished = on_end;
    uv_timer_init(scan->loop, &r->soon);
    r->soon.data = r;
    set_lasting_options(r);
    return r;
}

static void request_rest(struct scan_request *r)
{
    rspamd_head_clear(&r->head);
    r->next = r->scan->idle;
    r->scan->idle = r;
}

/* ---- The end ---- */

static void finish(struct scan_request *r, struct scan_result *result)
{
    void (*done)(void *context, struct scan_result *result) = r->done;
    void *context = r->context;
    request_rest(r);
    done(context, result);
}

/* No scanner has answered. */
static void fail(struct scan_request *r)
{
    struct scan_result *result = scan_result_new();
    if (result)
        result->error =
            arena_strdup(result->arena, *r->why ? r->why : "the scanner does not answer");
    if (!result || !result->error) {
        scan_result_free(result);
        result = scan_result_failed();
    }
    finish(r, result);
}

/* NULL: it has answered. */
static const char *judge(struct scan_request *r, CURLcode rc)
{
    long status = 0;
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    if (r->too_large)
        return "the answer is too large";
    if (rc != CURLE_OK)
        return curl_easy_strerror(rc);
    if (status == 401 || status == 403)
        return "the scanner refuses the password";
    if (status != 200)
        return "the scanner answers with an error";
    int code = rspamd_answer_end(r->answer);
    return code == 0 ? NULL : code == -ENOMEM ? "out of memory" : "the answer cannot be read";
}

static bool begin_answer(struct scan_request *r)
{
    r->result = scan_result_new();
    r->answer = r->result ? rspamd_answer_new(&r->config->scan, r->result) : NULL;
    return r->answer;
}

static void drop_answer(struct scan_request *r)
{
    rspamd_answer_free(r->answer);
    scan_result_free(r->result);
    r->answer = NULL;
    r->result = NULL;
}

static void on_end(struct multi_transfer *transfer, CURLcode rc)
{
    struct scan_request *r = (struct scan_request *)transfer;
    multi_remove(r->scan->multi, r->easy);
    const char *error = judge(r, rc);
    scanner_note(r->scanner, error);
    if (error) {
        drop_answer(r);
        snprintf(r->why, sizeof r->why, "%s", error);
        try_next(r);
        return;
    }
    struct scan_result *result = r->result;
    r->result = NULL;
    rspamd_answer_free(r->answer);
    r->answer = NULL;
    finish(r, result);
}

/* ---- Asking ---- */

static void on_soon(uv_timer_t *timer)
{
    fail(timer->data);
}

static int64_t time_left(const struct scan_request *r)
{
    return r->config->scan.timeout_ms - (clock_monotonic_ms() - r->begun_ms);
}

/* One that is slow leaves as much for each of those after it. */
static int64_t share_of_time(const struct scan_request *r)
{
    int64_t share = time_left(r) / (int64_t)(r->config->scan.url_count - r->tried + 1);
    return share > 0 ? share : 1; /* 0 is none to libcurl */
}

/* What lies in memory goes out together with the request's head, in one write; a file is read as it is sent. */
static void set_body(struct scan_request *r)
{
    const struct spill *data = r->transaction->data;
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, spill_memory(data));
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)spill_size(data));
}

static bool ask(struct scan_request *r)
{
    char url[2100];
    r->offset = 0;
    r->too_large = false;
    size_t size = strlen(r->scanner->url);
    snprintf(url, sizeof url, "%s%scheckv2", r->scanner->url,
             size > 0 && r->scanner->url[size - 1] == '/' ? "" : "/");
    curl_easy_setopt(r->easy, CURLOPT_URL, url);
    curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->head.lines);
    set_body(r);
    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)share_of_time(r));
    if (begin_answer(r) && multi_add(r->scan->multi, r->easy) == 0)
        return true;
    drop_answer(r);
    return false;
}

/* The next URL that is asked at all; else it ends, though never before scan_start() has. */
static void try_next(struct scan_request *r)
{
    const struct scan_config *config = &r->config->scan;
    while (r->tried < config->url_count && time_left(r) > 0) {
        size_t index = (r->first + r->tried++) % config->url_count;
        r->scanner = scanner_of(r->scan, config->urls[index]);
        if (r->scanner && scanner_is_asked(r->scanner, clock_monotonic_ms()) && ask(r))
            return;
    }
    uv_timer_start(&r->soon, on_soon, 0, 0);
}

int scan_start(struct scan *scan, const struct config *config,
               const struct transaction *transaction, const char *client_name,
               void (*done)(void *context, struct scan_result *result), void *context)
{
    struct scan_request *r = request_take(scan);
    if (!r)
        return -ENOMEM;
    r->config = config;
    r->transaction = transaction;
    r->done = done;
    r->context = context;
    r->begun_ms = clock_monotonic_ms();
    r->first = scan->turn++;
    r->tried = 0;
    *r->why = 0;
    int code = rspamd_head_write(&r->head, config, transaction, client_name);
    if (code == 0)
        try_next(r);
    else
        request_rest(r);
    return code;
}

bool scan_is_wanted(const struct config *config, const struct transaction *transaction)
{
    const struct envelope *e = &transaction->envelope;
    struct ip_address address;
    if (config->scan.url_count == 0 || spill_size(transaction->data) > config->scan.max_size)
        return false;
    if (config->scan.all)
        return true;
    return !e->user &&
           (ip_address_parse(e->client_ip, &address) != 0 ||
            networks_match(config->access.unlimited, config->access.unlimited_count, &address) < 0);
}

/* ---- Life ---- */

int scan_new(uv_loop_t *loop, struct scan **out)
{
    struct scan *scan = calloc(1, sizeof *scan);
    if (!scan)
        return -ENOMEM;
    scan->loop = loop;
    int code = multi_new(loop, &scan->multi);
    if (code != 0) {
        free(scan);
        return code;
    }
    multi_keep(scan->multi, IDLE_CONNECTIONS);
    *out = scan;
    return 0;
}

void scan_free(struct scan *scan)
{
    if (!scan)
        return;
    while (scan->idle) {
        struct scan_request *r = scan->idle;
        scan->idle = r->next;
        curl_easy_cleanup(r->easy);
        rspamd_head_free(&r->head);
        uv_close((uv_handle_t *)&r->soon, free_closed);
    }
    while (scan->scanners) {
        struct scanner *o = scan->scanners;
        scan->scanners = o->next;
        free(o);
    }
    multi_free(scan->multi);
    free(scan);
}
