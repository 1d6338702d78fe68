/*
 * simulator.h - a schedule with a clock, a spool and receivers that are made up: a day in a second.
 *
 * It does what deliver.c does, with the same schedule, classes of results and pauses; only the spool, the
 * network and the time are its own.
 */
#ifndef MXHOOK_TESTS_DELIVER_SIMULATOR_H
#define MXHOOK_TESTS_DELIVER_SIMULATOR_H

#include "deliver/retry.h"
#include "deliver/schedule.h"

#define SECOND 1000ll
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

struct sim_receiver;

/* What a request that ends at `now_ms` is answered: result->status and so on. */
typedef void (*sim_answer)(struct sim_receiver *receiver, int64_t now_ms,
                           struct attempt_result *result);

struct sim_receiver {
    const char *url;
    sim_answer answer;
    int64_t takes_ms; /* until its answer comes */
    double rate;      /* of the operator, for this destination */
    size_t max_in_flight;
    /* For the answers. */
    double per_second, tokens;
    int64_t filled_ms, down_from_ms, down_until_ms, retry_after_ms;
    int status;
    unsigned random;
    /* What came of it. */
    size_t requests, in_flight, most, delivered, failed;
    int64_t last_delivered_ms, longest_ms; /* longest_ms: from acceptance to delivery */
};

void sim_ok(struct sim_receiver *receiver, int64_t now_ms, struct attempt_result *result);
/* A token bucket of per_second; 429 beyond it, with retry_after_ms. */
void sim_limited(struct sim_receiver *receiver, int64_t now_ms, struct attempt_result *result);
/* Not reached while it is down. */
void sim_down(struct sim_receiver *receiver, int64_t now_ms, struct attempt_result *result);
/* `status` while it is down; 0: sent, and not answered. */
void sim_failing(struct sim_receiver *receiver, int64_t now_ms, struct attempt_result *result);

struct sim;

struct sim *sim_new(const struct deliver_config *config, struct sim_receiver *receivers,
                    size_t count);
void sim_free(struct sim *sim);
/* So many mails for a receiver, accepted from `at_ms` on, `every_ms` apart. */
void sim_mail(struct sim *sim, size_t receiver, size_t count, int64_t at_ms, int64_t every_ms);
/* Runs until nothing waits any more, or that time; returns the time. The clock begins at 1. */
int64_t sim_run(struct sim *sim, int64_t until_ms);
size_t sim_waiting(const struct sim *sim);
size_t sim_most_in_flight(const struct sim *sim);

#endif
