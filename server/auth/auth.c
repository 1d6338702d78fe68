#include "auth.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../clock.h"
#include "../dns/dns.h"
#include "../log.h"
#include "../task.h"
#include "dmarc.h"
#include "format.h"
#include "head.h"
#include "signatures.h"
#include "spf.h"

#define SWEEP_MS 20 /* how often is looked for checks whose time is up */

struct auth {
    uv_thread_t thread;
    uv_loop_t loop;
    struct loop_queue *queue;
    struct dns *dns;
    struct signatures *signatures;
    struct dmarc *dmarc;
    uv_timer_t sweep;
    struct auth_check *waiting; /* those that wait for DNS */
    struct task stop;
};

/* A look-up under way for a check. */
struct pending {
    struct dns_waiter waiter;
    struct auth_check *check;
    size_t index; /* in its look-ups */
    struct pending *next;
};

struct auth_check {
    struct task begin, finish;
    atomic_uint references; /* who began it, and this room's thread while it works */
    struct auth *auth;
    bool spf_on, dkim_on, dmarc_on;
    int64_t timeout_ms;
    struct arena *arena; /* the strings here */
    const char *hostname, *client_ip, *helo, *sender;

    /* This room's thread's, until done(); then the worker's. */
    struct lookups lookups;
    size_t asked; /* look-ups that were handed to DNS */
    struct pending *pending;
    int64_t deadline_ms;             /* monotonic */
    bool late;                       /* time is up: what is not known has failed */
    struct auth_check *next, **link; /* in auth->waiting */
    struct arena *spf_arena;
    struct spf_result spf;
    bool spf_done;
    bool finishing; /* the message is there */
    const struct spill *data;
    struct head head;
    const char *from, *from_reason;
    int error; /* of reading the message */
    void (*done)(void *context);
    void *context;
};

static void step(struct auth_check *check);

/* --- Checks --- */

static void check_unref(struct auth_check *check)
{
    if (atomic_fetch_sub(&check->references, 1) > 1)
        return;
    lookups_free(&check->lookups);
    head_free(&check->head);
    arena_free(check->spf_arena);
    arena_free(check->arena);
    free(check);
}

void auth_check_free(struct auth_check *check)
{
    if (check)
        check_unref(check);
}

static void forget_pending(struct auth_check *check)
{
    while (check->pending) {
        struct pending *pending = check->pending;
        check->pending = pending->next;
        dns_forget(&pending->waiter);
        free(pending);
    }
}

static void stop_waiting(struct auth_check *check)
{
    if (!check->link)
        return;
    *check->link = check->next;
    if (check->next)
        check->next->link = check->link;
    check->link = NULL;
    if (!check->auth->waiting)
        uv_timer_stop(&check->auth->sweep);
    check_unref(check);
}

static void on_sweep(uv_timer_t *timer)
{
    struct auth *auth = timer->data;
    int64_t now = clock_monotonic_ms();
    for (struct auth_check *check = auth->waiting, *next; check; check = next) {
        next = check->next;
        if (now < check->deadline_ms)
            continue;
        check->late = true;
        forget_pending(check);
        check->asked = 0;
        step(check); /* ends now: nothing is waited for any more */
    }
}

static void start_waiting(struct auth_check *check)
{
    struct auth *auth = check->auth;
    if (check->link)
        return;
    atomic_fetch_add(&check->references, 1);
    check->next = auth->waiting;
    check->link = &auth->waiting;
    if (auth->waiting)
        auth->waiting->link = &check->next;
    auth->waiting = check;
    if (!uv_is_active((uv_handle_t *)&auth->sweep))
        uv_timer_start(&auth->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

/* --- Asking --- */

static void on_answer(struct dns_waiter *waiter, struct answer *answer)
{
    struct pending *pending = (struct pending *)waiter, **link;
    struct auth_check *check = pending->check;
    check->lookups.items[pending->index].answer = answer;
    for (link = &check->pending; *link != pending; link = &(*link)->next)
        ;
    *link = pending->next;
    free(pending);
    if (!check->pending)
        step(check);
}

/* True where the answer is there now. */
static bool ask(struct auth_check *check, size_t index)
{
    struct lookup *lookup = &check->lookups.items[index];
    struct pending *pending = NULL;
    int code = 0;
    if (!check->late && (pending = calloc(1, sizeof *pending))) {
        *pending = (struct pending){{.done = on_answer}, check, index, check->pending};
        lookup->answer =
            dns_ask(check->auth->dns, lookup->name, lookup->type, &pending->waiter, &code);
        if (!lookup->answer && code == 0) {
            check->pending = pending;
            return false;
        }
        free(pending);
    }
    if (!lookup->answer)
        lookup->answer = answer_empty(ANSWER_FAILED, 0);
    return true;
}

/* Hands what was noted to DNS. True where there is an answer that there was not before. */
static bool ask_all(struct auth_check *check)
{
    bool news = false;
    for (; check->asked < check->lookups.count; check->asked++)
        if (!check->lookups.items[check->asked].answer && ask(check, check->asked))
            news = true;
    return news;
}

static void no_memory_for_spf(struct auth_check *check)
{
    check->spf = (struct spf_result){.code = AUTH_TEMPERROR,
                                     .domain = "",
                                     .helo = *check->sender == 0,
                                     .reason = "out of memory"};
    check->spf_done = true;
}

static void step_spf(struct auth_check *check)
{
    if (check->spf_done)
        return;
    struct spf_query query = {check->client_ip, check->helo, check->sender, check->hostname};
    arena_free(check->spf_arena);
    check->spf_arena = arena_new();
    int code = check->spf_arena ? spf_check(&query, &check->lookups, check->spf_arena, &check->spf)
                                : -ENOMEM;
    if (code == 0)
        check->spf_done = true;
    else if (code != -EAGAIN)
        no_memory_for_spf(check);
}

/* Reads the header, to know which keys and records will be needed. */
static int step_message(struct auth_check *check)
{
    int code = 0;
    if (check->dkim_on)
        code = signatures_ask(&check->head, &check->lookups);
    if (code != -ENOMEM && check->dmarc_on && check->from) {
        int status = dmarc_ask(check->auth->dmarc, check->from, &check->lookups);
        code = status < 0 ? status : code;
    }
    return code;
}

static bool is_out_of_memory(const struct auth_check *check)
{
    for (size_t i = 0; i < check->lookups.count; i++)
        if (!check->lookups.items[i].answer)
            return true;
    return false;
}

/* Goes as far as the answers reach: then waits, or hands over. */
static void step(struct auth_check *check)
{
    bool news;
    do {
        step_spf(check);
        if (check->finishing && check->error == 0 && step_message(check) == -ENOMEM)
            check->error = -ENOMEM;
        news = ask_all(check);
        if (news && check->late && is_out_of_memory(check)) { /* not even a failed answer */
            no_memory_for_spf(check);
            check->error = -ENOMEM;
            break;
        }
    } while (news && !check->pending);
    if (check->pending) {
        start_waiting(check);
        return;
    }
    bool complete = check->finishing && check->spf_done;
    stop_waiting(check); /* frees it where nobody else has it: never between finish and done */
    if (complete)
        check->done(check->context);
}

/* --- Tasks for this room's thread --- */

static void run_begin(struct task *task, void *context)
{
    struct auth_check *check = (struct auth_check *)task;
    (void)context;
    check->deadline_ms = clock_monotonic_ms() + check->timeout_ms;
    step(check);
    check_unref(check);
}

static void read_message(struct auth_check *check)
{
    check->error = head_read(check->data, &check->head);
    if (check->error == 0 && check->dmarc_on)
        check->error = dmarc_from(&check->head, check->arena, &check->from, &check->from_reason);
}

static void run_finish(struct task *task, void *context)
{
    struct auth_check *check =
        (struct auth_check *)((char *)task - offsetof(struct auth_check, finish));
    (void)context;
    read_message(check);
    check->finishing = true;
    check->late = false;
    check->deadline_ms = clock_monotonic_ms() + check->timeout_ms;
    step(check);
}

/* --- For the other threads --- */

static bool copy_strings(struct auth_check *check, const struct config *config,
                         const struct envelope *envelope)
{
    check->arena = arena_new();
    if (!check->arena)
        return false;
    check->hostname = arena_strdup(check->arena, config->hostname);
    check->client_ip = arena_strdup(check->arena, envelope->client_ip);
    check->helo = arena_strdup(check->arena, envelope->helo ? envelope->helo : "");
    check->sender = arena_strdup(check->arena, envelope->sender ? envelope->sender : "");
    return check->hostname && check->client_ip && check->helo && check->sender;
}

int auth_begin(struct auth *auth, const struct config *config, const struct envelope *envelope,
               struct auth_check **out)
{
    struct auth_check *check = calloc(1, sizeof *check);
    if (!check)
        return -ENOMEM;
    atomic_init(&check->references, 1);
    check->auth = auth;
    check->spf_on = config->auth.spf;
    check->dkim_on = config->auth.dkim;
    check->dmarc_on = config->auth.dmarc;
    check->timeout_ms = config->auth.timeout_ms;
    if (!copy_strings(check, config, envelope)) {
        check_unref(check);
        return -ENOMEM;
    }
    *out = check;
    if (!check->spf_on) {
        check->spf = (struct spf_result){
            .domain = "", .helo = *check->sender == 0, .reason = "SPF is turned off"};
        check->spf_done = true;
        return 0;
    }
    atomic_fetch_add(&check->references, 1);
    check->begin.run = run_begin;
    loop_queue_push(auth->queue, &check->begin);
    return 0;
}

void auth_finish(struct auth_check *check, const struct spill *data, void (*done)(void *context),
                 void *context)
{
    check->data = data;
    if (!check->spf_on && !check->dkim_on && !check->dmarc_on) {
        done(context);
        return;
    }
    check->done = done;
    check->context = context;
    check->finish.run = run_finish;
    loop_queue_push(check->auth->queue, &check->finish);
}

/* --- Conclusion --- */

static int conclude_dkim(struct auth_check *check, struct auth_result *result)
{
    if (check->dkim_on)
        return signatures_verify(check->auth->signatures, check->data, &check->head,
                                 &check->lookups, result->arena, &result->dkim,
                                 &result->dkim_count);
    result->dkim = arena_alloc(result->arena, sizeof *result->dkim);
    if (!result->dkim)
        return -ENOMEM;
    *result->dkim = (struct dkim_result){.domain = "",
                                         .selector = "",
                                         .algorithm = "",
                                         .signature = "",
                                         .reason = "DKIM is turned off"};
    result->dkim_count = 1;
    return 0;
}

static int conclude_dmarc(struct auth_check *check, struct auth_result *result)
{
    if (!check->dmarc_on || !check->from) {
        result->dmarc = (struct dmarc_result){.code = check->dmarc_on ? AUTH_PERMERROR : AUTH_NONE,
                                              .domain = "",
                                              .reason = check->dmarc_on ? check->from_reason
                                                                        : "DMARC is turned off"};
        return 0;
    }
    struct dmarc_input input = {.domain = check->from,
                                .spf = &result->spf,
                                .dkim = result->dkim,
                                .dkim_count = result->dkim_count,
                                .spf_on = check->spf_on,
                                .dkim_on = check->dkim_on,
                                .percent = arc4random_uniform(100)};
    return dmarc_check(check->auth->dmarc, &input, &check->lookups, &result->dmarc,
                       &result->refuse);
}

/* A string of the check's, for the result's own life. */
static const char *keep(struct arena *arena, const char *text, bool *failed)
{
    const char *copy = text ? arena_strdup(arena, text) : NULL;
    *failed = *failed || (text && !copy);
    return copy;
}

static int keep_strings(struct auth_result *r)
{
    bool failed = false;
    r->spf.domain = keep(r->arena, r->spf.domain, &failed);
    r->spf.reason = keep(r->arena, r->spf.reason, &failed);
    r->spf.explanation = keep(r->arena, r->spf.explanation, &failed);
    r->dmarc.domain = keep(r->arena, r->dmarc.domain, &failed);
    return failed ? -ENOMEM : 0;
}

int auth_conclude(struct auth_check *check, struct auth_result **out)
{
    struct auth_result *result = auth_result_new();
    if (!result)
        return -ENOMEM;
    result->spf = check->spf;
    int code = check->error;
    if (code == 0)
        code = conclude_dkim(check, result);
    if (code == 0)
        code = conclude_dmarc(check, result);
    if (code == 0)
        code = keep_strings(result);
    struct format_input input = {check->hostname, check->client_ip, check->helo};
    if (code == 0)
        code = format_result(result, &input);
    if (code < 0)
        auth_result_free(result);
    else
        *out = result;
    return code;
}

/* --- Life --- */

static void run_loop(void *argument)
{
    struct auth *auth = argument;
    uv_run(&auth->loop, UV_RUN_DEFAULT);
}

static void run_stop(struct task *task, void *context)
{
    struct auth *auth = context;
    (void)task;
    while (auth->waiting) {
        forget_pending(auth->waiting);
        stop_waiting(auth->waiting);
    }
    dns_close(auth->dns);
    uv_close((uv_handle_t *)&auth->sweep, NULL);
    loop_queue_close(auth->queue);
}

static int start(struct auth *auth, const struct dns_config *config, struct error *err)
{
    uv_timer_init(&auth->loop, &auth->sweep);
    auth->sweep.data = auth;
    auth->signatures = signatures_open();
    auth->dmarc = auth->signatures ? dmarc_open() : NULL;
    if (!auth->dmarc)
        return error_set(err, -ENOENT, "auth: %s",
                         auth->signatures ? "the public suffix list cannot be read"
                                          : "libopendkim lacks rsa-sha256 or ed25519-sha256");
    int code = dns_open(&auth->loop, config, &auth->dns, err);
    if (code < 0)
        return code;
    code = loop_queue_new(&auth->loop, auth, &auth->queue);
    if (code == 0)
        code = uv_thread_create(&auth->thread, run_loop, auth);
    return code == 0 ? 0 : error_set(err, code, "auth: %s", uv_strerror(code));
}

static void auth_free(struct auth *auth)
{
    uv_loop_close(&auth->loop);
    dmarc_close(auth->dmarc);
    signatures_close(auth->signatures);
    free(auth);
}

int auth_start(const struct dns_config *config, struct auth **out, struct error *err)
{
    struct auth *auth = calloc(1, sizeof *auth);
    if (!auth || uv_loop_init(&auth->loop) != 0) {
        free(auth);
        return error_set(err, -ENOMEM, "auth: out of memory");
    }
    int code = start(auth, config, err);
    if (code == 0) {
        *out = auth;
        return 0;
    }
    dns_close(auth->dns);
    uv_close((uv_handle_t *)&auth->sweep, NULL);
    if (auth->queue)
        loop_queue_close(auth->queue);
    uv_run(&auth->loop, UV_RUN_DEFAULT);
    auth_free(auth);
    return code;
}

void auth_stop(struct auth *auth)
{
    if (!auth)
        return;
    auth->stop.run = run_stop;
    loop_queue_push(auth->queue, &auth->stop);
    uv_thread_join(&auth->thread);
    auth_free(auth);
}
