#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "dmarc.h"
#include "dnsbl.h"
#include "iprev.h"
#include "signatures.h"
#include "spf.h"

#define SWEEP_MS 20 /* how often is looked for checks whose time is up */

/* A look-up under way for a check. */
struct pending {
    struct dns_waiter waiter;
    struct auth_check *check;
    size_t index; /* in its look-ups */
    struct pending *next;
};

static void step(struct auth_check *check);

/* --- Checks --- */

void check_unref(struct auth_check *check)
{
    if (atomic_fetch_sub(&check->references, 1) > 1)
        return;
    lookups_free(&check->lookups);
    head_free(&check->head);
    arena_free(check->spf_arena);
    arena_free(check->arena);
    free(check);
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

static void on_answer(struct dns_waiter *waiter, struct dns_answer *answer)
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
        lookup->answer = dns_answer_empty(DNS_FAILED, 0);
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

static void fail_spf(struct auth_check *check)
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
        fail_spf(check);
}

static void step_iprev(struct auth_check *check)
{
    if (check->iprev_done)
        return;
    int code = iprev_check(check->address, check->address_size, &check->lookups, check->arena,
                           &check->iprev);
    if (code == -ENOMEM)
        check->iprev = (struct iprev_result){AUTH_TEMPERROR, NULL, "out of memory"};
    check->iprev_done = code != -EAGAIN;
    if (code == 0)
        atomic_store(&check->client_name, check->iprev.name);
}

static void step_dnsbl(struct auth_check *check, struct dnsbl_query *query)
{
    struct dnsbl_monitor *monitor = check->auth->dnsbl_monitor;
    struct dnsbl_result result = {.zone = query->result.zone};
    if (query->done)
        return;
    int code = 0;
    if (dnsbl_monitor_answers(monitor, result.zone)) {
        code = dnsbl_check(result.zone, check->address, check->address_size, &check->lookups,
                           check->arena, &result);
        if (code == -EAGAIN)
            return;
        if (code == 0)
            dnsbl_monitor_note(monitor, &result);
    } else {
        result.failed = true;
        result.error = "the list does not answer";
    }
    if (code == -ENOMEM)
        result =
            (struct dnsbl_result){.zone = result.zone, .failed = true, .error = "out of memory"};
    result.refuse = query->result.refuse;
    query->result = result;
    query->done = true;
}

/* Reads the header, to know which keys and records will be needed. */
static int step_message(struct auth_check *check)
{
    int code = 0;
    if (check->dkim_on)
        code = signatures_ask(&check->head, &check->lookups);
    if (code != -ENOMEM && check->dmarc_on) {
        int status = dmarc_ask(check->auth->dmarc, &check->author, &check->lookups);
        code = status < 0 ? status : code;
    }
    return code;
}

/* What concerns the client and the sender: known before the message is there. */
static void step_envelope(struct auth_check *check)
{
    step_spf(check);
    step_iprev(check);
    for (size_t i = 0; i < check->dnsbl_count; i++)
        step_dnsbl(check, &check->dnsbl[i]);
}

static bool is_envelope_done(const struct auth_check *check)
{
    for (size_t i = 0; i < check->dnsbl_count; i++)
        if (!check->dnsbl[i].done)
            return false;
    return check->spf_done && check->iprev_done;
}

/* Out of memory: the check ends in an error. */
static void give_up(struct auth_check *check)
{
    fail_spf(check);
    check->iprev_done = true;
    for (size_t i = 0; i < check->dnsbl_count; i++)
        check->dnsbl[i].done = true;
    check->error = -ENOMEM;
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
        step_envelope(check);
        if (check->finishing && check->error == 0 && step_message(check) == -ENOMEM)
            check->error = -ENOMEM;
        news = ask_all(check);
        if (news && check->late && is_out_of_memory(check)) { /* not even a failed answer */
            give_up(check);
            break;
        }
    } while (news && !check->pending);
    if (check->pending) {
        start_waiting(check);
        return;
    }
    bool complete = check->finishing && is_envelope_done(check);
    stop_waiting(check); /* frees it where nobody else has it: never between finish and done */
    if (complete)
        check->done(check->context);
}

/* --- Tasks --- */

void check_run_begin(struct task *task, void *context)
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
        check->error = author_read(&check->head, check->arena, &check->author);
}

void check_run_finish(struct task *task, void *context)
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

void check_drop_all(struct auth *auth)
{
    while (auth->waiting) {
        forget_pending(auth->waiting);
        stop_waiting(auth->waiting);
    }
}
