#include "history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <uv.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "../base/task.h"
#include "keep.h"
#include "ops.h"
#include "pages.h"

#define NOTES_MAX  20000                /* that wait to be written */
#define BYTES_MAX  (64ll * 1024 * 1024) /* of their bodies */
#define BATCH_NS   (250 * 1000000ull)   /* notes are collected for so long */
#define TIDY_MS    60000
#define FREE_TIMES 2 /* of spool.min_free: with less room than that nothing is written */

static struct {
    uv_mutex_t mutex; /* of all down to `ended` */
    uv_cond_t wake;
    struct history_message *messages, **messages_end;
    struct history_attempt *attempts, **attempts_end;
    struct note_pages pages; /* their memory */
    size_t notes;
    int64_t bytes;
    struct history_config limits;
    bool ended;

    uv_thread_t thread;
    const struct history_ops *ops; /* the thread's own, as all below */
    struct history_store *store;   /* NULL: it was lost, and is to be made anew */
    char *directory;
    uint64_t min_free;
    int64_t tidy_due_ms;
    bool in_trouble; /* said once */
} history;

struct note_batch {
    struct history_message *messages;
    struct history_attempt *attempts;
    struct note_pages pages;
    size_t notes;
};

/* ---- Notes ---- */

static int64_t bodies_size(const struct history_message *m)
{
    int64_t sum = m->data ? (int64_t)spill_size(m->data) : 0;
    for (size_t i = 0; i < m->delivery_count; i++)
        if (m->deliveries[i].payload)
            sum += (int64_t)payload_size(m->deliveries[i].payload);
    return sum;
}

/* Under the lock. False: no room. */
static bool admit(int64_t bytes)
{
    if (history.ended || history.notes >= NOTES_MAX || history.bytes + bytes > BYTES_MAX)
        return false;
    history.notes++;
    history.bytes += bytes;
    return true;
}

static void count_lost(size_t notes, const char *reason)
{
    metric_add(METRIC_HISTORY_LOST_TOTAL, (int64_t)notes, reason);
}

/* Of a note that is there, or for which there was no memory. */
static void noted(bool there)
{
    if (!there) {
        history.notes--;
        count_lost(1, "no memory");
    } else if (history.notes == 1) {
        uv_cond_signal(&history.wake);
    }
}

void history_note_message(struct history_message *message)
{
    if (!message)
        return;
    uv_mutex_lock(&history.mutex);
    bool admitted = admit(bodies_size(message));
    if (admitted) {
        struct history_message *m = pages_take_message(&history.pages, message);
        if (m) {
            m->next = NULL;
            *history.messages_end = m;
            history.messages_end = &m->next;
        }
        noted(m);
    }
    uv_mutex_unlock(&history.mutex);
    if (admitted)
        return;
    count_lost(1, "too many at once");
    history_message_free(message);
}

void history_note_attempt(struct history_attempt *attempt)
{
    if (!attempt)
        return;
    uv_mutex_lock(&history.mutex);
    bool admitted = admit(attempt->payload ? (int64_t)payload_size(attempt->payload) : 0);
    if (admitted) {
        struct history_attempt *a = pages_take_attempt(&history.pages, attempt);
        if (a) {
            a->next = NULL;
            *history.attempts_end = a;
            history.attempts_end = &a->next;
        }
        noted(a);
    }
    uv_mutex_unlock(&history.mutex);
    if (admitted)
        return;
    count_lost(1, "too many at once");
    history_attempt_free(attempt);
}

/* ---- The thread ---- */

/* False: it has ended, and nothing is left. */
static bool take(struct note_batch *batch, struct history_config *limits)
{
    uv_mutex_lock(&history.mutex);
    while (history.notes == 0 && !history.ended &&
           uv_cond_timedwait(&history.wake, &history.mutex, TIDY_MS * 1000000ull) == 0)
        ;
    if (history.notes > 0 && !history.ended) /* let some more come */
        uv_cond_timedwait(&history.wake, &history.mutex, BATCH_NS);
    *batch = (struct note_batch){history.messages, history.attempts, history.pages, history.notes};
    batch->pages.spare = NULL;
    history.pages.used = NULL;
    *limits = history.limits;
    history.messages = NULL;
    history.messages_end = &history.messages;
    history.attempts = NULL;
    history.attempts_end = &history.attempts;
    history.notes = 0;
    history.bytes = 0;
    bool more = batch->notes > 0 || !history.ended;
    uv_mutex_unlock(&history.mutex);
    return more;
}

static void batch_free(struct note_batch *batch)
{
    history_records_free(batch->messages, batch->attempts);
    uv_mutex_lock(&history.mutex);
    pages_recycle(&history.pages, &batch->pages);
    uv_mutex_unlock(&history.mutex);
    pages_free(&batch->pages);
}

/* What mail is refused for, the history must not bring about. */
static bool has_room(void)
{
    struct statvfs fs;
    return history.ops != &history_sqlite || statvfs(history.directory, &fs) != 0 ||
           (uint64_t)fs.f_bavail * fs.f_frsize >= history.min_free * FREE_TIMES;
}

static void note_trouble(int code, const char *reason)
{
    if (code != 0 && !history.in_trouble)
        log_error("history-failed", NULL,
                  LOG_TEXT("error", code == -ENOSPC ? "too little room on the disk" : reason),
                  LOG_TEXT("result", "mail goes on; what happens meanwhile is not kept"));
    if (code == 0 && history.in_trouble)
        log_info("history-recovered", NULL, LOG_TEXT("directory", history.directory));
    history.in_trouble = code != 0;
}

/* What is written to a file that nobody can open, or to one that is damaged, is not kept. */
static int begin_anew(struct error *err)
{
    const struct spool_config spool = {.directory = history.directory};
    return history.ops->open(&spool, HISTORY_SERVE, &history.store, err);
}

static void give_up_store(void)
{
    history.ops->close(history.store);
    history.store = NULL;
}

static int write_notes(struct note_batch *batch, struct error *err)
{
    int code = history.ops->write(history.store, batch->messages, batch->attempts);
    if (code != 0)
        error_set(err, code, "%s", history.ops->error(history.store));
    return code;
}

/* The next batch, or this one where nothing was touched, is for a store that is made anew. */
static int write_or_begin_anew(struct note_batch *batch, struct error *err)
{
    int code = history.store ? write_notes(batch, err) : -ESTALE;
    if (history.store && code == -ESTALE)
        log_warn("history-lost", NULL, LOG_TEXT("directory", history.directory),
                 LOG_TEXT("error", err->text));
    if (history.store && (code == -ESTALE || code == -EBADMSG))
        give_up_store();
    if (code == -ESTALE && (code = begin_anew(err)) == 0)
        code = write_notes(batch, err);
    return code;
}

static void write_batch(struct note_batch *batch)
{
    struct error err = {""};
    int code = has_room() ? write_or_begin_anew(batch, &err) : -ENOSPC;
    if (code != 0)
        count_lost(batch->notes, code == -ENOSPC ? "disk full" : "not written");
    note_trouble(code, err.text);
}

static void tidy(const struct history_config *limits)
{
    bool more = false;
    if (clock_monotonic_ms() < history.tidy_due_ms || !history.store)
        return;
    int code = history.ops->tidy(history.store, limits->keep_ms, limits->max_size, &more);
    if (code != 0)
        note_trouble(code, history.ops->error(history.store));
    history.tidy_due_ms = clock_monotonic_ms() + (more && code == 0 ? 0 : TIDY_MS);
    struct history_size size;
    if (history.ops->size(history.store, &size) == 0)
        metric_set(METRIC_HISTORY_BYTES, (double)size.bytes);
}

static void run(void *argument)
{
    struct note_batch batch;
    struct history_config limits;
    (void)argument;
    task_name_thread("mxhook-history");
    while (take(&batch, &limits)) {
        if (batch.notes > 0)
            write_batch(&batch);
        batch_free(&batch);
        tidy(&limits);
    }
}

/* ---- Life ---- */

void history_configure(const struct history_config *config)
{
    if (!history_is_on())
        return;
    uv_mutex_lock(&history.mutex);
    history.limits = *config;
    uv_mutex_unlock(&history.mutex);
    history_keep(config);
}

static int start(const struct config *config, struct error *err)
{
    history.ops = history_ops_of(config);
    history.min_free = config->spool.min_free;
    history.messages_end = &history.messages;
    history.attempts_end = &history.attempts;
    history.ended = false;
    history.directory = strdup(config->spool.directory);
    if (!history.directory)
        return error_set(err, -ENOMEM, "out of memory");
    int code = history.ops->open(&config->spool, HISTORY_SERVE, &history.store, err);
    if (code != 0)
        return code;
    uv_mutex_init(&history.mutex);
    uv_cond_init(&history.wake);
    code = uv_thread_create(&history.thread, run, NULL);
    if (code == 0)
        return 0;
    history.ops->close(history.store);
    return error_set(err, code, "no thread: %s", uv_strerror(code));
}

void history_start(const struct config *config)
{
    struct error err = {""};
    if (config->history.keep_ms == 0)
        return;
    if (start(config, &err) != 0) {
        log_error("history-failed", NULL, LOG_TEXT("error", err.text),
                  LOG_TEXT("result", "mail goes on without a history"));
        free(history.directory);
        history.directory = NULL;
        return;
    }
    history_switch(true);
    history_configure(&config->history);
}

void history_stop(void)
{
    if (!history_is_on())
        return;
    uv_mutex_lock(&history.mutex);
    history.ended = true;
    uv_cond_signal(&history.wake);
    uv_mutex_unlock(&history.mutex);
    uv_thread_join(&history.thread);
    history_switch(false);
    pages_free(&history.pages);
    history.ops->close(history.store);
    free(history.directory);
    history.directory = NULL;
    uv_cond_destroy(&history.wake);
    uv_mutex_destroy(&history.mutex);
}

const struct history_ops *history_ops_of(const struct config *config)
{
    return config->spool.postgres ? &history_postgres : &history_sqlite;
}
