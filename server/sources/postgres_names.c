#include "postgres_names.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "../base/task.h"
#include "postgres_query.h"

#define FRESH_MS         1900 /* a change is seen within two seconds */
#define EARLIER_MS       400  /* so much sooner than needed the next reading begins */
#define LEAST_MS         500  /* between the beginnings of two */
#define PERIOD_MS        2000
#define GUESSES          20 /* in PERIOD_MS */
#define ROWS_FOR_A_GUESS 5000
#define IDLE_MS          60000 /* without a reading: memory and connection are given back */
#define PAUSE_MS         1000 /* after a reading that failed; twice as long after each further one, */
#define PAUSE_MAX_MS     60000 /* up to this */

/* All but the thread's own under the mutex; times are monotonic ms. */
struct table_names {
    const struct lookup_config *options;
    uv_thread_t thread;
    uv_mutex_t mutex;
    uv_cond_t wake;
    atomic_bool closing;
    struct reader reader;       /* the thread's own, */
    struct names_digest digest; /* as this is */
    struct names names;
    size_t rows;           /* when they were last read; 0: not yet */
    int64_t names_ms;      /* when their reading began; 0: there are none */
    int64_t took_ms;       /* so long it took, */
    int64_t whole_ms;      /* and the last one that had to read them all */
    int64_t reading_ms;    /* when the one under way began; 0: none is */
    int64_t not_before_ms; /* the next one */
    int64_t pause_ms;
    int64_t period_ms; /* when this period began */
    size_t guesses, last_guesses;
    bool slow; /* it is said that they are older than FRESH_MS */
};

/* ---- When ---- */

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Half of the time nothing is read, however slow the database is. */
static int64_t age_to_begin(const struct table_names *t)
{
    int64_t in_time = FRESH_MS - t->took_ms - t->whole_ms - EARLIER_MS;
    return max_of(in_time, max_of(2 * t->took_ms, LEAST_MS));
}

static bool are_known(const struct table_names *t, int64_t now)
{
    int64_t limit = max_of(FRESH_MS, 3 * t->took_ms);
    return t->names_ms > 0 && (now - t->names_ms < limit ||
                               (t->reading_ms > 0 && t->reading_ms - t->names_ms < limit));
}

static bool is_guessing(const struct table_names *t, size_t least)
{
    return (t->guesses > t->last_guesses ? t->guesses : t->last_guesses) >= least;
}

static void end_period(struct table_names *t, int64_t now)
{
    if (now - t->period_ms < PERIOD_MS)
        return;
    t->last_guesses = now - t->period_ms < 2 * PERIOD_MS ? t->guesses : 0;
    t->guesses = 0;
    t->period_ms = now;
}

static bool is_wanted(const struct table_names *t, int64_t now)
{
    size_t least = t->rows / ROWS_FOR_A_GUESS;
    return t->reading_ms == 0 && now >= t->not_before_ms &&
           is_guessing(t, least > GUESSES ? least : GUESSES) &&
           (t->names_ms == 0 || now - t->names_ms >= age_to_begin(t));
}

static void count_guesses(struct table_names *t, int64_t now, size_t count)
{
    end_period(t, now);
    t->guesses += count;
    if (is_wanted(t, now))
        uv_cond_signal(&t->wake);
}

/* ---- Any thread ---- */

bool table_names_lack(struct table_names *t, const char *address)
{
    int64_t now = clock_monotonic_ms();
    uv_mutex_lock(&t->mutex);
    bool lacks = are_known(t, now) && !names_have(&t->names, address, strlen(address));
    if (lacks)
        count_guesses(t, now, 1);
    uv_mutex_unlock(&t->mutex);
    return lacks;
}

void table_names_guessed(struct table_names *t, size_t count)
{
    uv_mutex_lock(&t->mutex);
    count_guesses(t, clock_monotonic_ms(), count);
    uv_mutex_unlock(&t->mutex);
}

bool table_names_are_missing(struct table_names *t)
{
    int64_t now = clock_monotonic_ms();
    uv_mutex_lock(&t->mutex);
    end_period(t, now);
    bool missing = is_guessing(t, GUESSES) && !are_known(t, now);
    uv_mutex_unlock(&t->mutex);
    return missing;
}

/* ---- Reading ---- */

static void tell_if_slow(struct table_names *t)
{
    bool slow = 2 * t->took_ms + t->whole_ms > FRESH_MS;
    if (slow && !t->slow)
        log_warn("lookup", NULL, LOG_TEXT("source", t->options->name),
                 LOG_TEXT("result", "reading all addresses is slow: while strangers guess names, "
                                    "changes are seen late"),
                 LOG_NUMBER("ms", t->whole_ms), LOG_NUMBER("rows", (int64_t)t->rows));
    t->slow = slow;
}

/* Under the mutex; takes what `names` has. */
static void note_names(struct table_names *t, enum names_read read, const struct names *names,
                       int64_t now)
{
    t->names_ms = t->reading_ms;
    t->took_ms = now - t->reading_ms;
    t->pause_ms = 0;
    if (read == NAMES_READ) {
        names_free(&t->names);
        t->names = *names;
        t->rows = names->count;
        t->whole_ms = t->took_ms;
    }
    tell_if_slow(t);
}

static void note_failure(struct table_names *t, int64_t now)
{
    t->pause_ms = t->pause_ms == 0 ? PAUSE_MS : 2 * t->pause_ms;
    if (t->pause_ms > PAUSE_MAX_MS)
        t->pause_ms = PAUSE_MAX_MS;
    t->not_before_ms = now + t->pause_ms;
}

/* With the mutex, which is free while it reads. */
static void read_names(struct table_names *t)
{
    struct names names = {0};
    size_t rows = t->rows;
    t->reading_ms = clock_monotonic_ms();
    uv_mutex_unlock(&t->mutex);
    enum names_read read = reader_read_names(&t->reader, &t->digest, rows, &names);
    metric_add(METRIC_LOOKUP_REQUESTS_TOTAL, 1, t->options->name, "all addresses");
    uv_mutex_lock(&t->mutex);
    if (read != NAMES_FAILED) {
        note_names(t, read, &names, clock_monotonic_ms());
    } else {
        note_failure(t, clock_monotonic_ms());
        names_free(&names);
    }
    t->reading_ms = 0;
}

/* With the mutex. */
static void give_back(struct table_names *t)
{
    reader_close(&t->reader);
    names_free(&t->names);
    t->digest = (struct names_digest){""};
    t->names_ms = 0;
}

static void run_names(void *argument)
{
    struct table_names *t = argument;
    task_name_thread("mxhook-pg-names");
    uv_mutex_lock(&t->mutex);
    while (!atomic_load(&t->closing)) {
        if (is_wanted(t, clock_monotonic_ms()))
            read_names(t);
        else if (!t->reader.connection && t->names_ms == 0)
            uv_cond_wait(&t->wake, &t->mutex);
        else if (uv_cond_timedwait(&t->wake, &t->mutex, IDLE_MS * UINT64_C(1000000)) != 0)
            give_back(t);
    }
    give_back(t);
    uv_mutex_unlock(&t->mutex);
}

/* ---- Life ---- */

struct table_names *table_names_new(const struct lookup_config *options)
{
    struct table_names *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->options = options;
    atomic_init(&t->closing, false);
    t->reader = (struct reader){.options = options, .closing = &t->closing};
    if (uv_mutex_init(&t->mutex) != 0)
        goto no_mutex;
    if (uv_cond_init(&t->wake) != 0)
        goto no_cond;
    if (uv_thread_create(&t->thread, run_names, t) == 0)
        return t;
    uv_cond_destroy(&t->wake);
no_cond:
    uv_mutex_destroy(&t->mutex);
no_mutex:
    free(t);
    return NULL;
}

void table_names_free(struct table_names *t)
{
    if (!t)
        return;
    uv_mutex_lock(&t->mutex);
    atomic_store(&t->closing, true);
    uv_cond_signal(&t->wake);
    uv_mutex_unlock(&t->mutex);
    uv_thread_join(&t->thread);
    uv_cond_destroy(&t->wake);
    uv_mutex_destroy(&t->mutex);
    free(t);
}
