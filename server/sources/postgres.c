/* postgres.c - alias.postgres: asks a table, by a thread that owns the connection.
 *
 * What waits while it asks is asked for together. Where strangers guess names, what the table has not is known without
 * asking (postgres_names.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "kinds.h"
#include "postgres_names.h"
#include "postgres_query.h"

#define GATHER_MS 20 /* after a question, while strangers guess names of which nothing is known */

struct database {
    struct source *source;
    uv_thread_t thread;
    struct task_queue queue;
    atomic_bool closing;
    struct reader reader;
    struct table_names *names;
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
    size_t guesses = 0;
    for (size_t i = 0; i < count; i++) {
        guesses += flights[i]->answer && flights[i]->answer->status == LOOKUP_NONE;
        send_back(db, flights[i]);
    }
    table_names_guessed(db->names, guesses);
}

static void ask_table(struct database *db, struct task *tasks)
{
    struct flight *flights[QUERY_MAX];
    size_t count = 0;
    for (struct task *task = tasks, *next; task; task = next) {
        struct flight *flight = (struct flight *)task;
        next = task->next;
        if (table_names_lack(db->names, flight->address)) {
            flight->answer = lookup_answer_new(LOOKUP_NONE, NULL, 0);
            flight->unkept = true;
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
    int64_t wait_ms = db->source->options->wait_ms;
    task_name_thread("mxhook-pg-look");
    for (;;) {
        struct task *tasks = task_queue_take_all(&db->queue);
        if (atomic_load(&db->closing)) {
            for (struct task *next; tasks; tasks = next) {
                next = tasks->next;
                send_back(db, (struct flight *)tasks);
            }
            break;
        }
        ask_table(db, tasks);
        if (table_names_are_missing(db->names))
            uv_sleep(wait_ms < 2 * GATHER_MS ? (unsigned)wait_ms / 2 : GATHER_MS);
    }
    reader_close(&db->reader);
}

/* ---- The source ---- */

static void database_free(struct database *db)
{
    table_names_free(db->names);
    task_queue_destroy(&db->queue);
    free(db);
}

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
    db->names = table_names_new(source->options);
    int code = db->names ? uv_thread_create(&db->thread, run_database, db) : -ENOMEM;
    if (code == 0)
        source->own = db;
    else
        database_free(db);
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
    database_free(db);
}

static bool is_not_in_database(struct source *source, const char *address)
{
    const struct database *db = source->own;
    return table_names_lack(db->names, address);
}

const struct source_kind source_postgres = {"postgres", open_database, ask_database,
                                            is_not_in_database, close_database};
