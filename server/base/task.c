#include "task.h"

#include <pthread.h>
#include <stdlib.h>

struct loop_queue {
    struct task_queue tasks;
    uv_async_t async;
    void *context;
};

void task_name_thread(const char *name)
{
    pthread_setname_np(pthread_self(), name);
}

int task_queue_init(struct task_queue *queue)
{
    int code = uv_mutex_init(&queue->mutex);
    if (code != 0)
        return code;
    code = uv_cond_init(&queue->wake);
    if (code != 0) {
        uv_mutex_destroy(&queue->mutex);
        return code;
    }
    queue->head = NULL;
    queue->tail = &queue->head;
    queue->closed = false;
    return 0;
}

void task_queue_destroy(struct task_queue *queue)
{
    uv_cond_destroy(&queue->wake);
    uv_mutex_destroy(&queue->mutex);
}

static void append(struct task_queue *queue, struct task *task)
{
    task->next = NULL;
    *queue->tail = task;
    queue->tail = &task->next;
}

/* Both pushes wake the taker before they unlock: the task may be the one that ends the queue, which
 * must not be touched once another thread can see it. */
void task_queue_push(struct task_queue *queue, struct task *task)
{
    uv_mutex_lock(&queue->mutex);
    append(queue, task);
    uv_cond_signal(&queue->wake);
    uv_mutex_unlock(&queue->mutex);
}

void task_queue_add(struct task_queue *queue, struct task *task)
{
    uv_mutex_lock(&queue->mutex);
    append(queue, task);
    uv_mutex_unlock(&queue->mutex);
}

/* Without the lock, which whoever wakes wants at once. */
void task_queue_wake(struct task_queue *queue, size_t tasks)
{
    for (; tasks > 0; tasks--)
        uv_cond_signal(&queue->wake);
}

void task_queue_close(struct task_queue *queue)
{
    uv_mutex_lock(&queue->mutex);
    queue->closed = true;
    uv_mutex_unlock(&queue->mutex);
    uv_cond_broadcast(&queue->wake);
}

static struct task *unlink_first(struct task_queue *queue)
{
    struct task *task = queue->head;
    if (task) {
        queue->head = task->next;
        if (!queue->head)
            queue->tail = &queue->head;
        task->next = NULL;
    }
    return task;
}

static struct task *unlink_all(struct task_queue *queue)
{
    struct task *task = queue->head;
    queue->head = NULL;
    queue->tail = &queue->head;
    return task;
}

static struct task *wait_and(struct task_queue *queue, struct task *(*take)(struct task_queue *))
{
    uv_mutex_lock(&queue->mutex);
    while (!queue->head && !queue->closed)
        uv_cond_wait(&queue->wake, &queue->mutex);
    struct task *task = take(queue);
    uv_mutex_unlock(&queue->mutex);
    return task;
}

struct task *task_queue_take(struct task_queue *queue)
{
    return wait_and(queue, unlink_first);
}

struct task *task_queue_take_all(struct task_queue *queue)
{
    return wait_and(queue, unlink_all);
}

struct task *task_queue_poll_all(struct task_queue *queue)
{
    uv_mutex_lock(&queue->mutex);
    struct task *task = unlink_all(queue);
    uv_mutex_unlock(&queue->mutex);
    return task;
}

static void run_tasks(uv_async_t *async)
{
    struct loop_queue *queue = async->data;
    for (struct task *task = task_queue_poll_all(&queue->tasks), *next; task; task = next) {
        next = task->next;
        task->run(task, queue->context);
    }
}

int loop_queue_new(uv_loop_t *loop, void *context, struct loop_queue **out)
{
    struct loop_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return UV_ENOMEM;
    queue->context = context;
    queue->async.data = queue;
    int code = task_queue_init(&queue->tasks);
    if (code == 0 && (code = uv_async_init(loop, &queue->async, run_tasks)) != 0)
        task_queue_destroy(&queue->tasks);
    if (code != 0) {
        free(queue);
        return code;
    }
    *out = queue;
    return 0;
}

void loop_queue_push(struct loop_queue *queue, struct task *task)
{
    uv_mutex_lock(&queue->tasks.mutex);
    append(&queue->tasks, task);
    uv_async_send(&queue->async);
    uv_mutex_unlock(&queue->tasks.mutex);
}

static void free_closed(uv_handle_t *handle)
{
    struct loop_queue *queue = handle->data;
    task_queue_destroy(&queue->tasks);
    free(queue);
}

void loop_queue_close(struct loop_queue *queue)
{
    if (!queue)
        return;
    run_tasks(&queue->async);
    uv_close((uv_handle_t *)&queue->async, free_closed);
}
