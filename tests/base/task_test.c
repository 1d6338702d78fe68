#include "base/task.h"

#include <stdlib.h>

#include "../test.h"

#define THREADS    3
#define PER_THREAD 2000

struct numbered {
    struct task task;
    int number;
};

static void record(struct task *task, void *context)
{
    int **next = context;
    *(*next)++ = ((struct numbered *)task)->number;
}

static void keeps_the_order(void **state)
{
    (void)state;
    struct task_queue queue;
    struct numbered tasks[3] = {{{0, record}, 1}, {{0, record}, 2}, {{0, record}, 3}};
    task_queue_init(&queue);
    for (int i = 0; i < 3; i++)
        task_queue_push(&queue, &tasks[i].task);
    assert_ptr_equal(task_queue_take(&queue), &tasks[0]);
    struct task *rest = task_queue_take_all(&queue);
    assert_ptr_equal(rest, &tasks[1]);
    assert_ptr_equal(rest->next, &tasks[2]);
    assert_null(rest->next->next);
    assert_null(task_queue_poll_all(&queue));
    task_queue_destroy(&queue);
}

static void close_lets_the_rest_out_first(void **state)
{
    (void)state;
    struct task_queue queue;
    struct numbered task = {{0, record}, 1};
    task_queue_init(&queue);
    task_queue_push(&queue, &task.task);
    task_queue_close(&queue);
    assert_ptr_equal(task_queue_take(&queue), &task);
    assert_null(task_queue_take(&queue));
    assert_null(task_queue_take_all(&queue));
    task_queue_destroy(&queue);
}

static void take_one(void *argument)
{
    struct task *task = task_queue_take(argument);
    assert_non_null(task);
    task->run(task, NULL);
}

static _Atomic int taken;

static void note_taken(struct task *task, void *context)
{
    (void)task;
    (void)context;
    taken++;
}

static void one_wake_serves_all_that_were_added(void **state)
{
    (void)state;
    struct task_queue queue;
    struct task tasks[THREADS] = {{0, note_taken}, {0, note_taken}, {0, note_taken}};
    uv_thread_t threads[THREADS];
    task_queue_init(&queue);
    for (int i = 0; i < THREADS; i++)
        uv_thread_create(&threads[i], take_one, &queue);
    for (int i = 0; i < THREADS; i++)
        task_queue_add(&queue, &tasks[i]);
    task_queue_wake(&queue, THREADS);
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&threads[i]);
    assert_int_equal(taken, THREADS);
    assert_null(task_queue_poll_all(&queue));
    task_queue_destroy(&queue);
}

struct counter {
    struct loop_queue *queue;
    uv_thread_t threads[THREADS];
    int seen;
};

static void count(struct task *task, void *context)
{
    struct counter *counter = context;
    free(task);
    if (++counter->seen < THREADS * PER_THREAD)
        return;
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&counter->threads[i]);
    loop_queue_close(counter->queue);
}

static void push_many(void *argument)
{
    for (int i = 0; i < PER_THREAD; i++) {
        struct task *task = calloc(1, sizeof *task);
        task->run = count;
        loop_queue_push(argument, task);
    }
}

static void the_loop_gets_all_from_many_threads(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct counter counter = {0};
    uv_loop_init(&loop);
    assert_int_equal(loop_queue_new(&loop, &counter, &counter.queue), 0);
    for (int i = 0; i < THREADS; i++)
        uv_thread_create(&counter.threads[i], push_many, counter.queue);
    uv_run(&loop, UV_RUN_DEFAULT); /* ends when count() closes the queue */
    assert_int_equal(counter.seen, THREADS * PER_THREAD);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void closing_runs_what_was_pushed(void **state)
{
    (void)state;
    uv_loop_t loop;
    int numbers[2] = {0}, *next = numbers;
    struct numbered task = {{0, record}, 5};
    struct loop_queue *queue;
    uv_loop_init(&loop);
    loop_queue_new(&loop, &next, &queue);
    loop_queue_push(queue, &task.task);
    loop_queue_close(queue);
    assert_int_equal(numbers[0], 5);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    loop_queue_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_order),
        cmocka_unit_test(close_lets_the_rest_out_first),
        cmocka_unit_test(one_wake_serves_all_that_were_added),
        cmocka_unit_test(the_loop_gets_all_from_many_threads),
        cmocka_unit_test(closing_runs_what_was_pushed),
    };
    return RUN_TESTS(tests);
}
