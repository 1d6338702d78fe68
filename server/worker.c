#include "worker.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "base/log.h"
#include "base/metrics.h"
#include "history/history.h"
#include "history/keep.h"
#include "history/note.h"
#include "lookup/lookup.h"
#include "outcome.h"
#include "processing.h"
#include "rules/ruleset.h"
#include "scan/scan.h"
#include "smtp/resends.h"
#include "worker_private.h"

/* The rules that were asked for a recipient, and what they answered: a line each. */
struct asked {
    char *text;
    size_t size;
};

/* A transaction on its way through a worker and the spool. */
struct worker_job {
    struct task task; /* the workers', then the loop's */
    struct workers *workers;
    struct processing processing;   /* its config is a reference */
    struct history_message *record; /* for the history; NULL: none */
    struct asked *asked;            /* of each recipient; NULL: nobody wants to know */
    atomic_int awaited; /* what is still to come before a worker can go on: checks, a scanner */
    struct commit commit;
    worker_done done;
    void *context;
};

static void answer_on_loop(struct task *task, void *context);
static void answer_resend(struct task *task, void *context);
static void note_commit(struct commit *commit);
static void committed(struct commit *commit);

static void log_failure(const struct transaction *t, const char *what, int code)
{
    log_limited(LOG_ERROR, "failed", t->id, LOG_TEXT("at", what),
                LOG_TEXT("error", strerror(-code)));
}

/* ---- For the history ---- */

/* What there is no memory for is left out. */
static void note_asked(void *context, const char *rule, const char *answer)
{
    struct worker_job *job = context;
    struct asked *asked = &job->asked[job->processing.recipient];
    size_t where = strlen(rule), what = strlen(answer), more = where + 1 + what + 1;
    if (asked->size + more + 1 > HISTORY_ASKED_MAX)
        return;
    char *text = realloc(asked->text, asked->size + more + 1);
    if (!text)
        return;
    asked->text = text;
    text += asked->size;
    memcpy(text, rule, where);
    text[where] = '\t';
    memcpy(text + where + 1, answer, what);
    memcpy(text + where + 1 + what, "\n", 2);
    asked->size += more;
}

static void begin_record(struct worker_job *job)
{
    struct processing *p = &job->processing;
    if (!history_is_on())
        return;
    job->asked = calloc(p->transaction->envelope.recipient_count, sizeof *job->asked);
    if (!job->asked)
        return;
    p->trace = note_asked;
    p->trace_context = job;
}

/* What is known before the reply. */
static void make_record(struct worker_job *job)
{
    struct processing *p = &job->processing;
    if (!job->asked)
        return;
    job->record =
        history_message_new(p->transaction, p->message, p->verdicts, job->commit.deliveries);
    for (size_t i = 0; i < p->transaction->envelope.recipient_count; i++) {
        history_message_asked(job->record, i, job->asked[i].text);
        free(job->asked[i].text);
    }
    free(job->asked);
}

static void note_record(struct worker_job *job)
{
    if (!job->record)
        return;
    history_message_end(job->record, job->processing.transaction);
    history_note_message(job->record);
}

/* On the thread of the lookup room. */
static void answered(void *context)
{
    struct worker_job *job = context;
    atomic_fetch_sub(&job->workers->resolving, 1);
    task_queue_push(&job->workers->queue, &job->task);
}

/* What its rules have asked is waited for without a worker; then they go on. False: no memory. */
static bool ask_for_answers(struct worker_job *job)
{
    struct workers *workers = job->workers;
    atomic_fetch_add(&workers->resolving, 1); /* before it can be back */
    if (lookup_ask(&job->processing.questions, answered, job) == 0)
        return true;
    atomic_fetch_sub(&workers->resolving, 1);
    return false;
}

/* Runs on a worker. Ends by handing the job to the lookup room, to the spool, or back to the loop. */
static void process(struct task *task, void *context)
{
    struct worker_job *job = (struct worker_job *)task;
    struct worker *worker = context;
    struct processing *p = &job->processing;
    bool store;
    if (!p->begun && resend_answer(p->transaction)) {
        job->task.run = answer_resend;
        loop_queue_push(job->workers->answers, &job->task);
        return;
    }
    if (!p->begun)
        begin_record(job);
    int code = processing_decide(p, worker->index, &store);
    if (code == -EAGAIN && ask_for_answers(job))
        return;
    if (code == -EAGAIN)
        code = -ENOMEM;
    if (code == 0 && store)
        code = processing_render(p);
    job->commit.deliveries = p->outgoing.deliveries;
    make_record(job);
    if (code != 0) {
        log_failure(p->transaction, p->at, code);
        outcome_fail(p->transaction, code);
    } else if (job->commit.deliveries) {
        spool_commit(job->workers->spool, &job->commit);
        return;
    }
    job->task.run = answer_on_loop;
    loop_queue_push(job->workers->answers, &job->task);
}

static void note_outcome(struct worker_job *job)
{
    outcome_log(job->processing.transaction);
    note_record(job);
}

/* On the loop: what was not stored is not acknowledged. */
static void note_commit(struct commit *commit)
{
    struct worker_job *job = commit->context;
    if (commit->status != 0) {
        struct processing *p = &job->processing;
        log_failure(p->transaction, "spool", commit->status);
        outcome_fail_stored(p->transaction, p->verdicts, commit->status);
        job->commit.deliveries = NULL;
        outgoing_drop(&p->outgoing);
    }
    note_outcome(job);
}

/* The log says it before the client hears it. */
static void answer(struct worker_job *job)
{
    log_flush();
    struct transaction *t = job->processing.transaction;
    struct delivery *leased = NULL;
    transaction_settle(t);
    if (job->commit.lease) {
        leased = job->commit.deliveries;
        job->commit.deliveries = NULL;
    }
    while (job->commit.deliveries) { /* stored; the spool will bring them when it is their turn */
        struct delivery *d = job->commit.deliveries;
        job->commit.deliveries = d->next;
        delivery_free(d);
    }
    worker_done done = job->done;
    void *done_context = job->context;
    processing_end(&job->processing);
    scan_result_free(job->processing.scan);
    config_unref(job->processing.config);
    free(job);
    done(done_context, t, leased);
}

static void answer_on_loop(struct task *task, void *context)
{
    (void)context;
    struct worker_job *job = (struct worker_job *)task;
    note_outcome(job);
    answer(job);
}

/* Those of its group are noted, so their lines go out in one write. */
static void committed(struct commit *commit)
{
    answer(commit->context);
}

/* It was accepted before: it is told so, and that is all. */
static void answer_resend(struct task *task, void *context)
{
    (void)context;
    struct worker_job *job = (struct worker_job *)task;
    const struct transaction *t = job->processing.transaction;
    log_info("resent", t->id, LOG_TEXT("reply", t->replies ? t->replies->text : t->reply.text));
    answer(job);
}

/* On the thread of the auth room, mostly, where every answer of DNS is there, or time is up; or on the loop. The last
 * one that was waited for hands over. */
static void checked(void *context)
{
    struct worker_job *job = context;
    if (atomic_fetch_sub(&job->awaited, 1) > 1)
        return;
    atomic_fetch_sub(&job->workers->resolving, 1);
    workers_hand(job->workers, &job->task);
}

/* On the loop. */
static void scanned(void *context, struct scan_result *result)
{
    struct worker_job *job = context;
    job->processing.scan = result;
    checked(job);
}

/* While the checks wait for DNS. */
static void begin_scan(struct worker_job *job)
{
    struct processing *p = &job->processing;
    const struct transaction *t = p->transaction;
    const char *client_name = t->check ? auth_client_name(t->check) : NULL;
    if (!scan_is_wanted(p->config, t))
        return;
    atomic_fetch_add(&job->awaited, 1);
    if (scan_start(job->workers->scan, p->config, t, client_name, scanned, job) != 0)
        scanned(job, scan_result_failed());
}

size_t workers_resolving(const struct workers *workers)
{
    return atomic_load(&workers->resolving);
}

void workers_submit(struct workers *workers, struct config *config, struct transaction *transaction,
                    bool lease, worker_done done, void *context)
{
    struct worker_job *job = calloc(1, sizeof *job);
    if (!job) {
        outcome_fail(transaction, -ENOMEM);
        outcome_log(transaction);
        log_flush();
        done(context, transaction, NULL);
        return;
    }
    job->workers = workers;
    job->processing = (struct processing){
        .config = config_ref(config), .transaction = transaction, .spool = workers->spool};
    job->done = done;
    job->context = context;
    job->commit.lease = lease;
    job->commit.note = note_commit;
    job->commit.done = committed;
    job->commit.context = job;
    job->task.run = process;
    atomic_fetch_add(&workers->resolving, 1);
    atomic_init(&job->awaited, 1);
    begin_scan(job);
    if (transaction->check)
        auth_finish(transaction->check, transaction->data, checked, job);
    else
        checked(job);
}

/* ---- Threads ---- */

static void wake(uv_prepare_t *end_of_turn)
{
    struct workers *workers = end_of_turn->data;
    task_queue_wake(&workers->queue,
                    workers->handed < workers->started ? workers->handed : workers->started);
    workers->handed = 0;
    uv_prepare_stop(end_of_turn);
}

void workers_hand(struct workers *workers, struct task *task)
{
    uv_thread_t self = uv_thread_self();
    if (!uv_thread_equal(&self, &workers->loop)) {
        task_queue_push(&workers->queue, task);
        return;
    }
    task_queue_add(&workers->queue, task);
    if (workers->handed++ == 0)
        uv_prepare_start(workers->end_of_turn, wake);
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

int workers_start(uv_loop_t *loop, size_t count, struct spool *spool, struct scan *scan,
                  struct workers **out, struct error *err)
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
    workers->scan = scan;
    workers->loop = uv_thread_self();
    workers->end_of_turn = malloc(sizeof *workers->end_of_turn);
    workers->threads = calloc(count, sizeof *workers->threads);
    code = workers->threads && workers->end_of_turn ? loop_queue_new(loop, NULL, &workers->answers)
                                                    : -ENOMEM;
    if (workers->end_of_turn) {
        uv_prepare_init(loop, workers->end_of_turn);
        workers->end_of_turn->data = workers;
    }
    if (code == 0)
        code = start_threads(workers, count);
    if (code != 0) {
        workers_stop(workers);
        return error_set(err, code, "workers: %s", uv_strerror(code));
    }
    *out = workers;
    return 0;
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

void workers_stop(struct workers *workers)
{
    if (!workers)
        return;
    if (workers->end_of_turn)
        uv_close((uv_handle_t *)workers->end_of_turn, free_handle);
    task_queue_close(&workers->queue);
    for (size_t i = 0; i < workers->started; i++)
        uv_thread_join(&workers->threads[i].thread);
    task_queue_destroy(&workers->queue);
    loop_queue_close(workers->answers);
    free(workers->threads);
    free(workers);
}
