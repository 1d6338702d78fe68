/* fill N FOLDER|CONNINFO: makes a history of N messages there, or in a PostgreSQL, and prints what a page of 50 takes by each filter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "records.h"

#define BATCH 5000

static const struct history_ops *ops;
static int64_t page_count;

static int count(void *context, const struct history_message *m)
{
    (void)context;
    (void)m;
    page_count++;
    return 0;
}

/* Of this thread: that is the same however busy the machine is. */
static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

static void measure(struct history_store *store, const char *name, struct history_filter filter)
{
    int64_t best = INT64_MAX, first = 0, least_cpu = INT64_MAX;
    filter.limit = 50;
    for (int i = 0; i < 5; i++) {
        int64_t began = clock_monotonic_us(), cpu_began = cpu_us();
        page_count = 0;
        if (ops->list(store, &filter, count, NULL) != 0)
            printf("%s: %s\n", name, ops->error(store));
        int64_t took = clock_monotonic_us() - began;
        int64_t cpu = cpu_us() - cpu_began;
        least_cpu = cpu < least_cpu ? cpu : least_cpu;
        first = i == 0 ? took : first;
        best = took < best ? took : best;
    }
    printf("%-44s %3lld rows  first %7.2f ms  best %7.2f ms  CPU %7.2f ms\n", name,
           (long long)page_count, (double)first / 1000, (double)best / 1000,
           (double)least_cpu / 1000);
}

static void fill(struct history_store *store, int64_t n, int64_t from_ms)
{
    for (int64_t done = 0; done < n;) {
        struct history_message *messages = NULL, **end = &messages;
        struct history_attempt *attempts = NULL, **attempts_end = &attempts;
        for (int i = 0; i < BATCH && done < n; i++) {
            struct history_message *m = record_message(done + 1, from_ms + done * 100);
            done++;
            *end = m;
            end = &m->next;
            for (size_t k = 0; k < m->delivery_count; k++) {
                bool failed = done % 1000 == 1;
                *attempts_end = record_attempt(done, (unsigned)k + 1, 1, failed ? 500 : 200,
                                               failed ? HISTORY_FAILED : HISTORY_DELIVERED);
                attempts_end = &(*attempts_end)->next;
            }
        }
        if (ops->write(store, messages, attempts) != 0)
            printf("write: %s\n", ops->error(store));
        history_records_free(messages, attempts);
    }
}

static void measure_all(struct history_store *store, int64_t n, int64_t from_ms)
{
    char id[ID_SIZE];
    snprintf(id, sizeof id, "01k%013lld", (long long)n / 3);
    int64_t middle = from_ms + n / 2 * 100;
    measure(store, "no filter", (struct history_filter){0});
    measure(store, "cursor in the middle", (struct history_filter){.before = n / 2});
    measure(store, "sender, one address", (struct history_filter){.sender = "user5@many.example"});
    measure(store, "sender, none such", (struct history_filter){.sender = "no@such.example"});
    measure(store, "sender, common domain", (struct history_filter){.sender = "@many.example"});
    measure(store, "sender, rarer domain", (struct history_filter){.sender = "@seven.example"});
    measure(store, "recipient, in every message",
            (struct history_filter){.recipient = "hook@example.com"});
    measure(store, "recipient, one of a hundred",
            (struct history_filter){.recipient = "team42@example.org"});
    measure(store, "recipient, domain", (struct history_filter){.recipient = "@example.org"});
    measure(store, "subject, a part of one", (struct history_filter){.subject = "umber 77777"});
    measure(store, "subject, a part of 200,000", (struct history_filter){.subject = "nvoice"});
    measure(store, "subject, a part of all", (struct history_filter){.subject = "mlä"});
    measure(store, "subject, in none", (struct history_filter){.subject = "no such thing"});
    measure(store, "id", (struct history_filter){.id = id});
    measure(store, "destination",
            (struct history_filter){.destination = "https://hook7.example/in"});
    measure(store, "origin", (struct history_filter){.destination = "https://hook99.example:443"});
    measure(store, "result rejected", (struct history_filter){.result = "rejected"});
    measure(store, "result accepted", (struct history_filter){.result = "accepted"});
    measure(store, "state failed", (struct history_filter){.state = "failed"});
    measure(store, "state delivered", (struct history_filter){.state = "delivered"});
    measure(store, "state waiting (none)", (struct history_filter){.state = "waiting"});
    measure(store, "status 500", (struct history_filter){.status = 500});
    measure(store, "status 200", (struct history_filter){.status = 200});
    measure(store, "an hour in the middle",
            (struct history_filter){.since_ms = middle, .until_ms = middle + 3600000});
    measure(store, "failed, of one destination",
            (struct history_filter){.state = "failed", .destination = "https://hook1.example/in"});
    measure(store, "subject and sender",
            (struct history_filter){.subject = "nvoice", .sender = "user5@many.example"});
}

int main(int argc, char **argv)
{
    struct history_store *store;
    struct error err = {""};
    int64_t n = argc > 1 ? atoll(argv[1]) : 0;
    if (argc != 3 || n < 1) {
        fprintf(stderr, "Usage: fill N FOLDER|CONNINFO\n");
        return 2;
    }
    const bool database = strchr(argv[2], '=') != NULL; /* a conninfo */
    const struct spool_config spool = {.directory = argv[2], .postgres = database ? argv[2] : NULL};
    ops = database ? &history_postgres : &history_sqlite;
    if (ops->open(&spool, HISTORY_SERVE, &store, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int64_t from_ms = clock_unix_ms() - n * 100, began = clock_monotonic_ms();
    struct history_size size = {0};
    ops->size(store, &size);
    if (size.messages == 0) {
        fill(store, n, from_ms);
        printf("%lld messages written in %lld ms\n", (long long)n,
               (long long)(clock_monotonic_ms() - began));
    }
    ops->size(store, &size);
    printf("%lld messages, %lld bytes: %lld each\n", (long long)size.messages,
           (long long)size.bytes, (long long)(size.bytes / size.messages));
    measure_all(store, n, from_ms);
    ops->close(store);
    return 0;
}
