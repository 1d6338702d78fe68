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
#include "../deliver/attempt.h"
#include "../deliver/srs.h"
#include "../rules/ruleset.h"
#include "../sources/sources.h"
#include "cli.h"
#include "replay.h"

#define MAX_IN_FLIGHT 100

/* ---- Sending ---- */

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
            replay_begin(r, &r->items[--r->next]);
    replay_end_if_done(r);
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

static int replay_payloads(struct replay *r)
{
    int code = r->rules ? reroute_find(r) : replay_find(r);
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

static int through_rules(struct replay *r, struct error *err)
{
    struct config *config = r->reader->config;
    int code = ruleset_load(&config->rules, 1, &r->rules, err);
    if (code == 0)
        code = sources_configure(config, err);
    if (code != 0)
        return code;
    code = r->options->dry_run ? replay_compare(r, err) : replay_payloads(r);
    lookup_stop();
    return code;
}

/* ---- The command ---- */

int history_replay(struct history_reader *reader, const struct history_filter *filter,
                   const struct replay_options *options)
{
    struct replay r = {.reader = reader, .filter = filter, .options = options};
    struct error err = {""};
    int code;
    signal(SIGPIPE, SIG_IGN);
    if (options->to && options->through_rules)
        code = error_set(&err, -EINVAL, "either --to or --through-rules");
    else if (options->to && !strstr(options->to, "://"))
        code = error_set(&err, -EINVAL, "--to: expected a URL");
    else if ((code = filter_begin(&r.terms, filter)) != 0)
        error_set(&err, code, "%s", code == -EINVAL ? HISTORY_WORDS : "out of memory");
    else if (options->through_rules)
        code = through_rules(&r, &err);
    else
        code = replay_payloads(&r);
    bool failed = r.failed > 0;
    replay_free(&r);
    filter_free(&r.terms);
    ruleset_unref(r.rules);
    if (code != 0 && !*err.text)
        error_set(&err, code, "the history: %s", reader->ops->error(reader->store));
    return code != 0 ? cli_fail("history", &err) : failed ? CLI_FAILED : CLI_OK;
}
