#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "auth/policy.h"
#include "base/clock.h"
#include "deliver/srs.h"
#include "base/log.h"
#include "base/metrics.h"
#include "history/history.h"
#include "mail/message.h"
#include "mail/payload.h"
#include "outcome.h"
#include "outgoing.h"
#include "rules/ruleset.h"
#include "base/task.h"

struct worker {
    struct workers *workers;
    uv_thread_t thread;
    size_t index; /* its state in each ruleset */
};

struct workers {
    struct spool *spool;
    struct task_queue queue;
    struct loop_queue *answers;
    struct worker *threads;
    size_t started;
};

/* A transaction on its way through a worker and the spool. */
struct job {
    struct task task; /* the workers', then the loop's */
    struct workers *workers;
    struct config *config;
    struct transaction *transaction;
    struct auth_result *auth;
    struct message *message;
    struct verdict **verdicts; /* one for each recipient */
    char **asked; /* of each recipient: the rules that were asked; NULL: nobody wants to know */
    struct history_message *record; /* for the history; NULL: none */
    struct outgoing outgoing;
    struct commit commit;
    worker_done done;
    void *context;
};

static int run_rules(struct job *job, size_t state);
static void begin_outgoing(struct job *job);
static void make_record(struct job *job);
static void answer_on_loop(struct task *task, void *context);
static void committed(struct commit *commit);

static void log_failure(const struct transaction *t, const char *what, int code)
{
    log_limited(LOG_ERROR, "failed", t->id, LOG_TEXT("at", what),
                LOG_TEXT("error", strerror(-code)));
}

static void count_auth(const struct auth_result *auth)
{
    metric_add(METRIC_AUTH_RESULTS_TOTAL, 1, "spf", auth_code_name(auth->spf.code));
    for (size_t i = 0; i < auth->dkim_count; i++)
        metric_add(METRIC_AUTH_RESULTS_TOTAL, 1, "dkim", auth_code_name(auth->dkim[i].code));
    metric_add(METRIC_AUTH_RESULTS_TOTAL, 1, "dmarc", auth_code_name(auth->dmarc.code));
}

static int authenticate(struct job *job)
{
    struct transaction *t = job->transaction;
    if (!t->check)
        return 0;
    int code = auth_conclude(t->check, &job->auth);
    if (code != 0)
        return code;
    count_auth(job->auth);
    t->auth = job->auth;
    t->envelope.received_spf = job->auth->received_spf;
    t->envelope.authentication_results = job->auth->authentication_results;
    t->envelope.client_name = job->auth->iprev.name;
    policy_log(t->id, &job->config->auth, job->auth);
    return 0;
}

static bool is_refused(const struct job *job)
{
    struct transaction *t = job->transaction;
    return job->auth && policy_refuses(&job->config->auth, &t->envelope, job->auth, &t->reply);
}

/* The way through the rooms. *at says which one failed, where 0 is not returned. */
static int lead(struct job *job, size_t state, const char **at)
{
    struct transaction *t = job->transaction;
    struct error err = {""};
    *at = "auth";
    int code = authenticate(job);
    if (code != 0 || is_refused(job))
        return code;
    *at = "parse";
    code = message_parse(t->data, t->received_ms / 1000, &job->message, &err);
    if (code != 0)
        return code;
    *at = "rules";
    code = run_rules(job, state);
    if (code != 0)
        return code;
    *at = "render";
    begin_outgoing(job);
    bool store = false;
    code = outgoing_check(&job->outgoing);
    if (code == 0)
        code = outcome_decide(t, job->verdicts, &store);
    if (code != 0 || !store)
        return code;
    code = outgoing_make(&job->outgoing);
    job->commit.deliveries = job->outgoing.deliveries;
    return code;
}

/* Runs on a worker. Ends by handing the job to the spool, or back to the loop. */
static void process(struct task *task, void *context)
{
    struct job *job = (struct job *)task;
    struct worker *worker = context;
    const char *at;
    int code = lead(job, worker->index, &at);
    make_record(job);
    if (code != 0) {
        log_failure(job->transaction, at, code);
        outcome_fail(job->transaction, code);
    } else if (job->commit.deliveries) {
        spool_commit(job->workers->spool, &job->commit);
        return;
    }
    job->task.run = answer_on_loop;
    loop_queue_push(job->workers->answers, &job->task);
}

/* ---- For the history ---- */

struct asked {
    char *text; /* a line for each rule */
    size_t size;
};

/* What there is no memory for is left out. */
static void note_asked(void *context, const char *rule, const char *answer)
{
    struct asked *asked = context;
    size_t more = strlen(rule) + strlen(answer) + 3;
    if (asked->size + more > HISTORY_ASKED_MAX)
        return;
    char *text = realloc(asked->text, asked->size + more);
    if (!text)
        return;
    asked->text = text;
    asked->size += (size_t)snprintf(text + asked->size, more, "%s\t%s\n", rule, answer);
}

static void make_record(struct job *job)
{
    if (history_is_on())
        job->record = history_message_new(job->transaction, job->message, job->verdicts,
                                          (const char *const *)job->asked, job->commit.deliveries);
}

static void note_record(struct job *job)
{
    if (!job->record)
        return;
    history_message_end(job->record, job->transaction);
    history_note_message(job->record);
}

static int run_rules_for(struct job *job, size_t state, size_t index)
{
    struct transaction *t = job->transaction;
    struct header_list headers = {0};
    struct asked asked = {NULL, 0};
    struct rules_input input = {
        job->message, t, t->envelope.recipients[index], &headers, job->asked ? note_asked : NULL,
        &asked};
    struct receiver receiver = ruleset_receiver(t->rules, job->config->hostname);
    int code = payload_headers(job->message, &t->envelope, input.recipient, &receiver,
                               job->message->arena, &headers);
    if (code == 0)
        code = ruleset_run(t->rules, state, &input, &job->verdicts[index]);
    header_list_free(&headers);
    if (job->asked)
        job->asked[index] = asked.text;
    return code;
}

/* A bounce to a sender that we have rewritten passes no rules: *verdict is then set. */
static int reverse_bounce(struct job *job, const char *recipient, struct verdict **verdict)
{
    char original[SRS_SIZE];
    const struct transaction *t = job->transaction;
    if (!t->bounce ||
        srs_reverse(&job->config->forward, recipient, t->received_ms / 1000, original) != SRS_VALID)
        return 0;
    *verdict = verdict_to(original, "srs");
    log_info("ruled", t->id, LOG_TEXT("recipient", recipient), LOG_TEXT("verdict", "deliver"),
             LOG_TEXT("rule", "srs"), LOG_TEXT("to", original));
    return *verdict ? 0 : -ENOMEM;
}

static void count_verdict(const struct verdict *verdict)
{
    metric_add(METRIC_RECIPIENTS_TOTAL, 1, verdict_name(verdict->kind));
}

static int run_rules(struct job *job, size_t state)
{
    size_t count = job->transaction->envelope.recipient_count;
    job->verdicts = calloc(count, sizeof *job->verdicts);
    if (!job->verdicts)
        return -ENOMEM;
    if (history_is_on())
        job->asked = calloc(count, sizeof *job->asked);
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        code = reverse_bounce(job, job->transaction->envelope.recipients[i], &job->verdicts[i]);
        if (code == 0 && !job->verdicts[i])
            code = run_rules_for(job, state, i);
        if (code == 0)
            count_verdict(job->verdicts[i]);
    }
    return code;
}

static void begin_outgoing(struct job *job)
{
    job->outgoing = (struct outgoing){
        .config = job->config,
        .transaction = job->transaction,
        .message = job->message,
        .verdicts = job->verdicts,
        .spool = job->workers->spool,
    };
}

/* On the loop: what was not stored is not acknowledged. */
static void committed(struct commit *commit)
{
    struct job *job = commit->context;
    if (commit->status != 0) {
        log_failure(job->transaction, "spool", commit->status);
        outcome_fail_stored(job->transaction, job->verdicts, commit->status);
        job->commit.deliveries = NULL;
        outgoing_drop(&job->outgoing);
    }
    answer_on_loop(&job->task, NULL);
}

static void job_free(struct job *job)
{
    for (size_t i = 0; job->verdicts && i < job->transaction->envelope.recipient_count; i++)
        verdict_free(job->verdicts[i]);
    for (size_t i = 0; job->asked && i < job->transaction->envelope.recipient_count; i++)
        free(job->asked[i]);
    free(job->asked);
    free(job->verdicts);
    outgoing_free(&job->outgoing);
    message_free(job->message);
    auth_result_free(job->auth);
    config_unref(job->config);
    free(job);
}

static void answer_on_loop(struct task *task, void *context)
{
    (void)context;
    struct job *job = (struct job *)task;
    struct transaction *t = job->transaction;
    struct delivery *leased = NULL;
    outcome_log(t);
    note_record(job);
    if (job->commit.lease) {
        leased = job->commit.deliveries;
        job->commit.deliveries = NULL;
    }
    while (job->commit.deliveries) { /* stored; the spool will bring them when it is their turn */
        struct delivery *d = job->commit.deliveries;
        job->commit.deliveries = d->next;
        delivery_free(d);
    }
    t->auth = NULL;
    t->envelope.received_spf = t->envelope.authentication_results = NULL;
    t->envelope.client_name = NULL;
    worker_done done = job->done;
    void *done_context = job->context;
    job_free(job);
    done(done_context, t, leased);
}

/* On the thread of the auth room, mostly: every answer of DNS is there, or time is up. */
static void checked(void *context)
{
    struct job *job = context;
    task_queue_push(&job->workers->queue, &job->task);
}

void workers_submit(struct workers *workers, struct config *config, struct transaction *transaction,
                    bool lease, worker_done done, void *context)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job) {
        outcome_fail(transaction, -ENOMEM);
        outcome_log(transaction);
        done(context, transaction, NULL);
        return;
    }
    job->workers = workers;
    job->config = config_ref(config);
    job->transaction = transaction;
    job->done = done;
    job->context = context;
    job->commit.lease = lease;
    job->commit.done = committed;
    job->commit.context = job;
    job->task.run = process;
    if (transaction->check)
        auth_finish(transaction->check, transaction->data, checked, job);
    else
        checked(job);
}

static void run_worker(void *argument)
{
    struct worker *worker = argument;
    struct task *task;
    task_name_thread("mxhook-worker");
    while ((task = task_queue_take(&worker->workers->queue))) {
        metric_add(METRIC_WORKERS_BUSY, 1);
        task->run(task, worker);
        metric_add(METRIC_WORKERS_BUSY, -1);
    }
}

static int start_threads(struct workers *workers, size_t count)
{
    int code = 0;
    while (workers->started < count && code == 0) {
        struct worker *w = &workers->threads[workers->started];
        w->workers = workers;
        w->index = workers->started;
        code = uv_thread_create(&w->thread, run_worker, w);
        workers->started += code == 0;
    }
    return code;
}

int workers_start(uv_loop_t *loop, size_t count, struct spool *spool, struct workers **out,
                  struct error *err)
{
    struct workers *workers = calloc(1, sizeof *workers);
    if (!workers)
        return error_set(err, -ENOMEM, "workers: out of memory");
    int code = task_queue_init(&workers->queue);
    if (code != 0) {
        free(workers);
        return error_set(err, code, "workers: %s", uv_strerror(code));
    }
    workers->spool = spool;
    workers->threads = calloc(count, sizeof *workers->threads);
    code = workers->threads ? loop_queue_new(loop, NULL, &workers->answers) : -ENOMEM;
    if (code == 0)
        code = start_threads(workers, count);
    if (code != 0) {
        workers_stop(workers);
        return error_set(err, code, "workers: %s", uv_strerror(code));
    }
    *out = workers;
    return 0;
}

void workers_stop(struct workers *workers)
{
    if (!workers)
        return;
    task_queue_close(&workers->queue);
    for (size_t i = 0; i < workers->started; i++)
        uv_thread_join(&workers->threads[i].thread);
    task_queue_destroy(&workers->queue);
    loop_queue_close(workers->answers);
    free(workers->threads);
    free(workers);
}
