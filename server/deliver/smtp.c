/*
 * The threads: as many as requests are under way, so that none waits for another. They take from
 * one list; a thread that has waited there in vain for a while ends, and so does its connection.
 */
#include "smtp.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "smtp_transfer.h"

#define IDLE_NS (20ull * 1000 * 1000 * 1000) /* before a thread without work ends */

struct smtp {
    struct loop_queue *answers;
    uv_mutex_t mutex;
    uv_cond_t work, ended;
    struct smtp_request *first, **end; /* those that no thread has taken */
    size_t queued, threads, idle;
    bool closing;
};

/* ---- Answers, on the loop ---- */

static void answer(struct task *task, void *context)
{
    struct smtp_request *request = (struct smtp_request *)task;
    (void)context;
    if (atomic_load(&request->cancelled))
        request->release(request);
    else
        request->done(request);
}

/* ---- Threads ---- */

/* Under the mutex. NULL: it is to end. */
static struct smtp_request *take(struct smtp *smtp)
{
    int waited = 0;
    smtp->idle++;
    while (!smtp->first && !smtp->closing && waited == 0)
        waited = uv_cond_timedwait(&smtp->work, &smtp->mutex, IDLE_NS);
    smtp->idle--;
    struct smtp_request *request = smtp->first;
    if (!request)
        return NULL;
    smtp->first = request->next;
    if (!smtp->first)
        smtp->end = &smtp->first;
    smtp->queued--;
    return request;
}

static void run(struct smtp *smtp)
{
    struct smtp_request *request;
    struct carrier carrier = {.fd = -1};
    while ((request = take(smtp))) {
        uv_mutex_unlock(&smtp->mutex);
        smtp_transfer(&carrier, request);
        loop_queue_push(smtp->answers, &request->task);
        uv_mutex_lock(&smtp->mutex);
    }
    uv_mutex_unlock(&smtp->mutex);
    carrier_close(&carrier);
    uv_mutex_lock(&smtp->mutex);
}

static void *run_thread(void *argument)
{
    struct smtp *smtp = argument;
    uv_mutex_lock(&smtp->mutex);
    run(smtp);
    smtp->threads--;
    uv_cond_signal(&smtp->ended);
    uv_mutex_unlock(&smtp->mutex);
    return NULL;
}

/* Under the mutex. Detached, since nobody waits for one that ends by itself. */
static int start_thread(struct smtp *smtp)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int code = pthread_attr_init(&attributes);
    if (code != 0)
        return -code;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    code = pthread_create(&thread, &attributes, run_thread, smtp);
    pthread_attr_destroy(&attributes);
    smtp->threads += code == 0;
    return -code;
}

void smtp_answer(struct smtp *smtp, struct smtp_request *request)
{
    request->task.run = answer;
    request->result.protocol = PROTOCOL_SMTP;
    atomic_store(&request->cancelled, false);
    loop_queue_push(smtp->answers, &request->task);
}

int smtp_send(struct smtp *smtp, struct smtp_request *request)
{
    int code = 0;
    request->task.run = answer;
    request->next = NULL;
    atomic_store(&request->cancelled, false);
    uv_mutex_lock(&smtp->mutex);
    if (smtp->queued >= smtp->idle)
        code = start_thread(smtp);
    if (code == 0) {
        *smtp->end = request;
        smtp->end = &request->next;
        smtp->queued++;
        uv_cond_signal(&smtp->work);
    }
    uv_mutex_unlock(&smtp->mutex);
    return code;
}

void smtp_cancel(struct smtp *smtp, struct smtp_request *request)
{
    (void)smtp;
    atomic_store(&request->cancelled, true);
}

/* ---- Life ---- */

int smtp_new(uv_loop_t *loop, struct smtp **out)
{
    struct smtp *smtp = calloc(1, sizeof *smtp);
    if (!smtp)
        return -ENOMEM;
    int code = loop_queue_new(loop, NULL, &smtp->answers);
    if (code != 0) {
        free(smtp);
        return code;
    }
    smtp->end = &smtp->first;
    uv_mutex_init(&smtp->mutex);
    uv_cond_init(&smtp->work);
    uv_cond_init(&smtp->ended);
    *out = smtp;
    return 0;
}

void smtp_free(struct smtp *smtp)
{
    if (!smtp)
        return;
    uv_mutex_lock(&smtp->mutex);
    smtp->closing = true;
    uv_cond_broadcast(&smtp->work);
    while (smtp->threads > 0)
        uv_cond_wait(&smtp->ended, &smtp->mutex);
    uv_mutex_unlock(&smtp->mutex);
    loop_queue_close(smtp->answers); /* runs what was pushed: all of it is cancelled */
    uv_cond_destroy(&smtp->work);
    uv_cond_destroy(&smtp->ended);
    uv_mutex_destroy(&smtp->mutex);
    free(smtp);
}
