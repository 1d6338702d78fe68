/*
 * mxhook history replay: sends again what was kept, at a pace that the receiver can take.
 *
 * By this process, as `mxhook send` does: the spool has no part in it, so nothing of it stays behind where it is
 * broken off. The same webhook-id as before, unless a new one is asked for.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../base/clock.h"
#include "../base/redact.h"
#include "../deliver/attempt.h"
#include "../deliver/srs.h"
#include "../history/target.h"
#include "../rules/ruleset.h"
#include "../sources/sources.h"
#include "cli.h"
#include "history_replay.h"
#include "pretty.h"

#define MAX_IN_FLIGHT 100

/* ---- Sending ---- */

static void report(const struct delivery *d, const struct attempt_result *result)
{
    char url[REDACT_SIZE];
    redact_url(d->destination.url, url);
    printf("%s %s ", d->id, url);
    if (result->status)
        printf("%d in %" PRId64 " ms", result->status, result->elapsed_ms);
    else
        printf("no answer after %" PRId64 " ms: ", result->elapsed_ms);
    if (!result->status)
        pretty_text(result->error);
    putchar('\n');
}

static void finish_if_done(struct replay *r)
{
    if (r->next > 0 || r->in_flight > 0)
        return;
    uv_timer_stop(&r->pace);
    uv_stop(&r->loop);
}

static void sent(void *context, struct delivery *d, const struct attempt_result *result)
{
    struct replay *r = context;
    bool fine = result->status >= 200 && result->status < 300;
    r->in_flight--;
    r->delivered += fine;
    r->failed += !fine;
    report(d, result);
    delivery_free(d);
    finish_if_done(r);
}

static int make_delivery(struct replay *r, const struct item *item, struct delivery **out)
{
    char id[ID_SIZE];
    struct destination to;
    struct spill *bytes = NULL;
    snprintf(id, sizeof id, "%s", item->id);
    if (r->options->new_id)
        id_new(id);
    struct delivery *d = delivery_new(id);
    int code = d ? history_target_read(d->arena, item->target, &to) : -ENOMEM;
    if (code == 0 && r->options->to)
        to = (struct destination){.url = r->options->to};
    if (code == 0)
        code = delivery_set_destination(d, &to);
    if (code == 0)
        code = r->reader->ops->body(r->reader->store, item->body, &bytes);
    if (code == 0) {
        d->payload = payload_new(bytes, NULL);
        d->sender = arena_strdup(d->arena, item->sender);
        d->recipient = arena_strdup(d->arena, item->recipient);
        if (!d->payload)
            spill_free(bytes);
        code = d->payload && d->sender && d->recipient ? 0 : -ENOMEM;
    }
    if (code != 0)
        delivery_free(d);
    else
        *out = d;
    return code;
}

static void not_begun(struct replay *r, const char *id, int code)
{
    r->failed++;
    printf("%s not sent: %s\n", id, strerror(-code));
}

void replay_send(struct replay *r, struct delivery *d)
{
    r->in_flight++;
    if (attempt_start(r->senders, r->reader->config, d, sent, r))
        return;
    r->in_flight--;
    not_begun(r, d->id, -ENOMEM);
    delivery_free(d);
}

static void begin(struct replay *r, const struct item *item)
{
    struct delivery *d = NULL;
    int code = make_delivery(r, item, &d);
    if (code != 0) {
        not_begun(r, item->id, code);
        return;
    }
    r->begun++;
    replay_send(r, d);
}

/* As many as are due by now, however late the timer comes; but what a slow receiver has kept waiting is no debt to be
 * paid at once. */
static void send_next(uv_timer_t *timer)
{
    struct replay *r = timer->data;
    int64_t rate = r->options->rate, most = rate / 4 + 1;
    int64_t due = (clock_monotonic_ms() - r->began_ms) * rate / 1000 + 1;
    if (r->begun < due - most)
        r->begun = due - most;
    while (r->begun < due && r->next > 0 && r->in_flight < MAX_IN_FLIGHT)
        if (r->rules)
            reroute(r, &r->items[--r->next]);
        else
            begin(r, &r->items[--r->next]);
    finish_if_done(r);
}

static int send_all(struct replay *r)
{
    int code = uv_loop_init(&r->loop);
    if (code != 0)
        return code;
    code = senders_new(&r->loop, &r->senders);
    if (code == 0) {
        uint64_t period_ms = r->options->rate > 100 ? 10 : 1000 / (uint64_t)r->options->rate;
        r->began_ms = clock_monotonic_ms();
        senders_keep(r->senders, MAX_IN_FLIGHT);
        uv_timer_init(&r->loop, &r->pace);
        r->pace.data = r;
        r->next = r->count;
        uv_timer_start(&r->pace, send_next, 0, period_ms);
        uv_run(&r->loop, UV_RUN_DEFAULT);
        uv_close((uv_handle_t *)&r->pace, NULL);
        senders_free(r->senders);
    }
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_loop_close(&r->loop);
    return code;
}

static int replay_payloads(struct replay *r, const struct history_filter *filter)
{
    int code = r->rules ? reroute_find(r, filter) : replay_find(r, filter);
    if (code == 0 && r->options->dry_run)
        for (size_t i = r->count; i > 0; i--)
            printf("%s would be sent\n", r->items[i - 1].id);
    else if (code == 0 && r->count > 0)
        code = send_all(r);
    if (r->without_body > 0)
        fprintf(stderr, "mxhook history: %zu %s left out: their bytes were not kept%s\n",
                r->without_body, r->rules ? "messages were" : "deliveries were",
                r->rules ? "" : ", or it was e-mail");
    if (code == 0)
        fprintf(stderr, "mxhook history: %zu found, %zu delivered, %zu not\n", r->count,
                r->delivered, r->failed + r->elsewhere);
    return code;
}

static int through_rules(struct replay *r, const struct history_filter *filter, struct error *err)
{
    struct config *config = r->reader->config;
    int code = ruleset_load(&config->rules, 1, &r->rules, err);
    if (code == 0)
        code = sources_configure(config, err);
    if (code != 0)
        return code;
    code = r->options->dry_run ? replay_compare(r, filter, err) : replay_payloads(r, filter);
    lookup_stop();
    return code;
}

/* ---- The command ---- */

int history_replay(struct history_reader *reader, const struct history_filter *filter,
                   const struct replay_options *options)
{
    struct replay r = {.reader = reader, .options = options};
    struct error err = {""};
    int code;
    signal(SIGPIPE, SIG_IGN);
    if (options->to && options->through_rules)
        code = error_set(&err, -EINVAL, "either --to or --through-rules");
    else if (options->to && !strstr(options->to, "://"))
        code = error_set(&err, -EINVAL, "--to: expected a URL");
    else if (options->through_rules)
        code = through_rules(&r, filter, &err);
    else
        code = replay_payloads(&r, filter);
    bool failed = r.failed > 0;
    replay_free(&r);
    ruleset_unref(r.rules);
    if (code != 0 && !*err.text)
        error_set(&err, code, "the history: %s", reader->ops->error(reader->store));
    return code != 0 ? cli_fail("history", &err) : failed ? CLI_FAILED : CLI_OK;
}
