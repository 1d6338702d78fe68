/*
 * The threads that handlers run on which read files: one for the spool, which also does the jobs, one for the history,
 * and one for what runs rules or asks DNS. So a search that takes seconds delays neither /livez nor /metrics.
 *
 * A request that a reader has is suspended: HTTP's thread does not touch it or its connection until it is back.
 */
#include <errno.h>
#include <unistd.h>

#include "request.h"

static void hand_back(struct admin *admin, struct task *task)
{
    uint64_t one = 1;
    task_queue_push(&admin->to_admin, task);
    ssize_t ignored = write(admin->wake, &one, sizeof one);
    (void)ignored;
}

/* On HTTP's thread again. */
static void handled(struct task *task, void *context)
{
    struct request *request = (struct request *)task;
    (void)context;
    request->handled = true;
    request_resume(request);
}

/* On the reader's. */
static void handle(struct task *task, void *context)
{
    struct request *request = (struct request *)task;
    (void)context;
    request->route->handle(request);
    request->task.run = handled;
    hand_back(request->admin, &request->task);
}

static void tick(struct task *task, void *context)
{
    struct admin_reader *reader = context;
    (void)task;
    atomic_store(&reader->ticking, false);
}

static void run_all(struct admin_reader *reader, struct task *first)
{
    for (struct task *task = first, *next; task; task = next) {
        next = task->next;
        task->run(task, reader);
    }
}

static void run_reader(void *argument)
{
    struct admin_reader *reader = argument;
    struct admin *admin = reader->admin;
    bool has_jobs = reader == &admin->readers[THREAD_SPOOL];
    task_name_thread("admin-reader");
    for (struct task *tasks; (tasks = task_queue_take_all(&reader->queue));) {
        run_all(reader, tasks);
        while (has_jobs && !atomic_load(&admin->ended) && jobs_tick(admin->jobs))
            run_all(reader, task_queue_poll_all(&reader->queue));
    }
}

int readers_start(struct admin *admin)
{
    for (int i = THREAD_SPOOL; i < THREAD_COUNT; i++) {
        struct admin_reader *reader = &admin->readers[i];
        reader->admin = admin;
        task_queue_init(&reader->queue);
        int code = uv_thread_create(&reader->thread, run_reader, reader);
        if (code != 0) {
            task_queue_destroy(&reader->queue);
            return code;
        }
        reader->started = true;
    }
    return 0;
}

void readers_stop(struct admin *admin)
{
    for (int i = THREAD_SPOOL; i < THREAD_COUNT; i++) {
        struct admin_reader *reader = &admin->readers[i];
        if (!reader->started)
            continue;
        task_queue_close(&reader->queue);
        uv_thread_join(&reader->thread);
        task_queue_destroy(&reader->queue);
        reader->started = false;
    }
}

void readers_take(struct request *request)
{
    struct admin_reader *reader = &request->admin->readers[request->route->thread];
    if (!reader->started) {
        response_error(request, 503, "the server is stopping");
        return;
    }
    request->task.run = handle;
    request_suspend(request);
    task_queue_push(&reader->queue, &request->task);
}

void readers_tick(struct admin *admin)
{
    struct admin_reader *reader = &admin->readers[THREAD_SPOOL];
    if (!jobs_wait(admin->jobs) || atomic_exchange(&reader->ticking, true))
        return;
    reader->tick.run = tick;
    task_queue_push(&reader->queue, &reader->tick);
}
