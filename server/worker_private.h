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
};

#endif
