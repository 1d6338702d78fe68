/* postgres.c - alias.postgres: asks a table, by a thread that owns the connection.
 *
 * What waits while it asks is asked for together. Where strangers guess names, the addresses of the whole table are
 * read (names.h), and those that it has not are answered without asking, for NAMES_MS: so a change is seen as soon as
 * ever. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "postgres_query.h"
#include "kinds.h"

#define NAMES_MS         1900 /* after the reading began: what they say of the table holds no longer */
#define NAMES_AGE_MS     1000 /* they are read anew after that, while the guessing goes on */
#define PERIOD_MS        2000
#define GUESSES          20    /* unknown addresses in PERIOD_MS that make it guessing, */
#define ROWS_FOR_A_GUESS 5000  /* and of a table that is larger, one more for each so many rows */
#define TOO_LONG_MS      1500  /* of reading: the table is too large for that */
#define GIVE_UP_MS       60000 /* then it is not tried for this long */

struct database {
    struct source *source;
    uv_thread_t thread;
    struct task_queue queue;
    atomic_bool closing;
    struct reader reader;
    struct names names, next;  /* `next`: being read */
    int64_t names_ms, next_ms; /* monotonic: when their reading began */
    int64_t no_names_before_ms;
    int64_t period_ms;            /* when this period began */
    size_t rows;                  /* when they were last read; 0: not yet */
    size_t guesses, last_guesses; /* unknown addresses, in this period and the one before */
};

static void deliver(struct task *task, void *context)
{
    struct flight *flight = (struct flight *)task;
    (void)context;
    source_answered(flight, flight->answer, "the database does not answer");
}

static void send_back(struct database *db, struct flight *flight)
{
    flight->task.run = deliver;
    loop_queue_push(db->source->room->queue, &flight->task);
}

/* ---- Guesses ---- */

static void count_guess(struct database *db, const struct flight *flight)
{
    int64_t now = clock_monotonic_ms();
    if (now - db->period_ms >= PERIOD_MS) {
        db->last_guesses = now - db->period_ms < 2 * PERIOD_MS ? db->guesses : 0;
        db->guesses = 0;
        db->period_ms = now;
    }
    db->guesses += flight->answer && flight->answer->status == LOOKUP_NONE;
}

static bool is_known_not_to_be(const struct database *db, const struct flight *flight)
{
    return db->names_ms > 0 && clock_monotonic_ms() - db->names_ms < NAMES_MS &&
           !names_have(&db->names, flight->address, strlen(flight->address));
}

static bool wants_names(const struct database *db)
{
    int64_t now = clock_monotonic_ms();
    size_t guesses = db->guesses > db->last_guesses ? db->guesses : db->last_guesses;
    size_t most = db->rows / ROWS_FOR_A_GUESS;
    return !db->reader.in_scan && guesses >= (most > GUESSES ? most : GUESSES) &&
           now >= db->no_names_before_ms &&
           (db->names_ms == 0 || now - db->names_ms >= NAMES_AGE_MS);
}

static void begin_names(struct database *db)
{
    db->next_ms = clock_monotonic_ms();
    if (!reader_scan_begin(&db->reader))
        db->no_names_before_ms = db->next_ms + GIVE_UP_MS;
}

static void end_names(struct database *db, bool fine)
{
    int64_t took_ms = clock_monotonic_ms() - db->next_ms;
    names_free(&db->names);
    db->names = fine ? db->next : (struct names){0};
    db->names_ms = fine ? db->next_ms : 0;
    db->rows = db->names.count;
    if (!fine)
        names_free(&db->next);
    db->next = (struct names){0};
    if (fine && took_ms < TOO_LONG_MS)
        return;
    db->no_names_before_ms = clock_monotonic_ms() + GIVE_UP_MS;
    if (fine)
        log_warn("lookup", NULL, LOG_TEXT("source", db->source->options->name),
                 LOG_TEXT("result",
                          "reading all addresses takes too long: each unknown one is asked for"),
                 LOG_NUMBER("ms", took_ms));
}

static void read_some_names(struct database *db)
{
    bool more = false;
    bool fine = reader_scan_next(&db->reader, &db->next, &more);
    metric_add(METRIC_LOOKUP_REQUESTS_TOTAL, 1, db->source->options->name, "all addresses");
    if (!fine || !more)
        end_names(db, fine);
}

/* ---- Asking ---- */

static void ask_some(struct database *db, struct flight **flights, size_t count)
{
    bool kept = db->reader.connection;
    bool answered = reader_ask(&db->reader, flights, count);
    if (!answered && kept && !db->reader.connection) { /* it had ended while nobody looked */
        db->reader.not_before_ms = 0;
        answered = reader_ask(&db->reader, flights, count);
    }
    metric_add(METRIC_LOOKUP_REQUESTS_TOTAL, 1, db->source->options->name,
               answered ? "answered" : "failed");
    for (size_t i = 0; i < count; i++) {
        count_guess(db, flights[i]);
        send_back(db, flights[i]);
    }
}

static void ask_table(struct database *db, struct task *tasks)
{
    struct flight *flights[QUERY_MAX];
    size_t count = 0;
    for (struct task *task = tasks, *next; task; task = next) {
        struct flight *flight = (struct flight *)task;
        next = task->next;
        if (is_known_not_to_be(db, flight)) {
            flight->answer = lookup_answer_new(LOOKUP_NONE, NULL, 0);
            flight->unkept = true;
            count_guess(db, flight);
            send_back(db, flight);
            continue;
        }
        flights[count++] = flight;
        if (count == QUERY_MAX) {
            ask_some(db, flights, count);
            count = 0;
        }
    }
    if (count > 0)
        ask_some(db, flights, count);
}

static void run_database(void *argument)
{
    struct database *db = argument;
    task_name_thread("mxhook-pg-look");
    for (;;) {
        struct task *tasks =
            db->reader.in_scan ? task_queue_poll_all(&db->queue) : task_queue_take_all(&db->queue);
        if (atomic_load(&db->closing)) {
            for (struct task *next; tasks; tasks = next) {
                next = tasks->next;
                send_back(db, (struct flight *)tasks);
            }
            break;
        }
        ask_table(db, tasks);
        if (wants_names(db))
            begin_names(db);
        if (db->reader.in_scan)
            read_some_names(db);
    }
    names_free(&db->names);
    names_free(&db->next);
    reader_close(&db->reader);
}

/* ---- The source ---- */

static int open_database(struct source *source)
{
    struct database *db = calloc(1, sizeof *db);
    if (!db || task_queue_init(&db->queue) != 0) {
        free(db);
        return -ENOMEM;
    }
    db->source = source;
    atomic_init(&db->closing, false);
    db->reader = (struct reader){.options = source->options, .closing = &db->closing};
    source->own = db;
    int code = uv_thread_create(&db->thread, run_database, db);
    if (code == 0)
        return 0;
    source->own = NULL;
    task_queue_destroy(&db->queue);
    free(db);
    return code;
}

static void ask_database(struct source *source, struct flight *flight)
{
    struct database *db = source->own;
    task_queue_push(&db->queue, &flight->task);
}

/* What the thread had in hand is on its way back then. */
static void close_database(struct source *source)
{
    struct database *db = source->own;
    atomic_store(&db->closing, true);
    task_queue_close(&db->queue);
    uv_thread_join(&db->thread);
    source->own = NULL;
    task_queue_destroy(&db->queue);
    free(db);
}

const struct source_kind source_postgres = {"postgres", open_database, ask_database,
                                            close_database};
