/*
 * task.h - how threads hand each other work.
 *
 * task         something to run, embedded in the struct that it is about; whoever pushes it hands
 *              that struct over, and does not touch it until it comes back
 * task_queue   where a thread waits for tasks; any thread pushes
 * loop_queue   the same for the loop: its tasks run on the loop's thread
 */
#ifndef MXHOOK_TASK_H
#define MXHOOK_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct task {
    struct task *next;
    void (*run)(struct task *task, void *context); /* context: the running thread's own */
};

struct task_queue {
    uv_mutex_t mutex;
    uv_cond_t wake;
    struct task *head, **tail;
    bool closed;
};

int task_queue_init(struct task_queue *queue);     /* 0 or a negative errno */
void task_queue_destroy(struct task_queue *queue); /* must be empty, nobody waiting */
/* Any thread, as all of the following. */
void task_queue_push(struct task_queue *queue, struct task *task);
/* For many at once: puts it there and wakes nobody. task_queue_wake() must follow, by a thread that knows the queue to
 * be there still: it wakes as many as `tasks`. */
void task_queue_add(struct task_queue *queue, struct task *task);
void task_queue_wake(struct task_queue *queue, size_t tasks);
/* Wakes all who wait; takes go on until the queue is empty, then return NULL. */
void task_queue_close(struct task_queue *queue);
/* Waits for a task, and takes one; NULL once the queue is closed and empty. */
struct task *task_queue_take(struct task_queue *queue);
/* The same, but takes all that wait, linked by `next` in the order they were pushed. */
struct task *task_queue_take_all(struct task_queue *queue);
/* The same without waiting: NULL where none waits. */
struct task *task_queue_poll_all(struct task_queue *queue);

/* Names the calling thread, in 15 bytes, for `top -H` and debuggers. */
void task_name_thread(const char *name);

struct loop_queue;

/* `context` is handed to each task's run(). 0 or a negative errno. */
int loop_queue_new(uv_loop_t *loop, void *context, struct loop_queue **out);
void loop_queue_push(struct loop_queue *queue, struct task *task); /* any thread */
/* Loop thread; nobody pushes any more. Runs what was pushed; frees itself when the loop next runs. Takes
 * NULL. */
void loop_queue_close(struct loop_queue *queue);

#endif
