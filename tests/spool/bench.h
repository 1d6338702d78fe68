/*
 * bench.h - what tests of the spool stand on: a folder of their own under /tmp, a loop, a spool,
 * and calls that wait for what the spool answers.
 */
#ifndef MXHOOK_TESTS_SPOOL_BENCH_H
#define MXHOOK_TESTS_SPOOL_BENCH_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "spool/queue.h"
#include "spool/spool.h"

struct bench {
    char directory[64];
    struct spool_config config;
    uv_loop_t loop;
    struct spool *spool; /* NULL while closed */
    int changes;         /* how often spool_on_change() called */
    size_t open_before;  /* descriptors; 0: they are not counted at the end */
};

/* cmocka fixtures: *state is a struct bench with an open spool. */
int bench_set_up(void **state);
int bench_tear_down(void **state);

void bench_open(struct bench *bench);
void bench_close(struct bench *bench);
/* Runs the loop until *flag, five seconds at most; fails the test then. */
void bench_wait(struct bench *bench, const int *flag);

/* A delivery to `url` with a payload of its own; or with one that is shared (takes a reference). */
struct delivery *bench_delivery(const char *id, const char *url, const char *body);
struct delivery *bench_delivery_of(const char *id, const char *url, struct payload *payload);
/* Commits, waits, and returns the status. The deliveries stay the caller's. */
int bench_commit(struct bench *bench, struct delivery *deliveries, bool lease);
void bench_free_all(struct delivery *list);
/* Commits one without a lease, and frees it. */
void bench_store(struct bench *bench, const char *id, const char *url, const char *body);
/* Claims, waits; the answer is in *claim. */
void bench_claim(struct bench *bench, struct claim *claim, size_t limit, size_t per_origin);
/* The same with all limits as the caller has set them. */
void bench_run_claim(struct bench *bench, struct claim *claim);
/* For queue_origins(): copies the last one to the struct queue_origin that is the context. */
int bench_copy_origin(void *context, const struct queue_origin *origin);
/* Claims one delivery that must be there, and that one only. */
struct delivery *bench_claim_one(struct bench *bench);

/* What an SQL query of one number gives, on a connection of its own. */
long long bench_query(const struct bench *bench, const char *sql);
void bench_run_sql(const struct bench *bench, const char *sql);
/* Waits until the query gives that number, five seconds at most; fails the test then. */
void bench_wait_query(const struct bench *bench, const char *sql, long long expected);
/* The whole payload, for the caller to free. */
char *bench_body(const struct payload *payload);
size_t bench_files(const struct bench *bench); /* in bodies/ */

#endif
