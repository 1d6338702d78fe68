/* worker_private.h - for worker.c and worker_ask.c: the threads, and what they are handed. */
#ifndef MXHOOK_WORKER_PRIVATE_H
#define MXHOOK_WORKER_PRIVATE_H

#include <stdatomic.h>

#include "base/task.h"
#include "worker.h"

/* What a task of the queue gets as its context. */
struct worker {
    struct workers *workers;
    uv_thread_t thread;
    size_t index; /* its state in each ruleset */
};

struct workers {
    struct spool *spool;
    struct scan *scan;
    struct task_queue queue;
    struct loop_queue *answers;
    atomic_size_t resolving;
    struct worker *threads;
    size_t started;
    /* The loop wakes the threads once in each of its turns, for all that it has handed over in it: they would be
     * woken for each task, only to wait for the queue's lock. */
    uv_thread_t loop;
    uv_prepare_t *end_of_turn; /* active while some are to be woken */
    size_t handed;
};

/* Any thread. */
void workers_hand(struct workers *workers, struct task *task);

#endif
