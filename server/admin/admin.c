/* The room's life, and what happens on the loop's thread: the pulse, reloads, messages that are handed in. */
#include "admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../smtp/sockets.h"
#include "request.h"

#define PULSE_MS 250

static void wake(struct admin *admin)
{
    uint64_t one = 1;
    ssize_t ignored = write(admin->wake, &one, sizeof one);
    (void)ignored;
}

/* Late by as long as the loop's turn took before it. */
static void on_pulse(uv_timer_t *timer)
{
    struct admin *admin = timer->data;
    int64_t now = clock_monotonic_ms(), late = now - admin->pulse_due_ms;
    atomic_store(&admin->pulse_ms, now);
    int64_t longest = atomic_load(&admin->lag_ms);
    while (late > longest && !atomic_compare_exchange_weak(&admin->lag_ms, &longest, late))
        ;
    admin->pulse_due_ms = now + PULSE_MS;
}

void admin_configure(struct admin *admin, struct config *config)
{
    if (!admin)
        return;
    uv_mutex_lock(&admin->lock);
    struct config *old = admin->config;
    admin->config = config_ref(config);
    uv_mutex_unlock(&admin->lock);
    config_unref(old);
}

void admin_reloaded(struct admin *admin, bool fine, const char *text)
{
    if (!admin)
        return;
    uv_mutex_lock(&admin->lock);
    admin->reload_fine = fine;
    snprintf(admin->reload_text, sizeof admin->reload_text, "%s", text);
    uv_mutex_unlock(&admin->lock);
    atomic_fetch_add(&admin->reload_number, 1);
    wake(admin);
}

/* ---- Life ---- */

static void run(void *argument)
{
    struct admin *admin = argument;
    task_name_thread("mxhook-admin");
    http_run(admin);
}

static void release(struct admin *admin)
{
    for (size_t i = 0; i < admin->listener_count; i++) {
        if (admin->listeners[i] >= 0)
            close(admin->listeners[i]);
        socket_unlink(&admin->config->admin.listen[i]);
    }
    jobs_free(admin->jobs);
    events_free(admin->events);
    sessions_free(admin->sessions);
    task_queue_destroy(&admin->to_admin);
    uv_mutex_destroy(&admin->lock);
    config_unref(admin->config);
    close(admin->wake);
    free(admin);
}

static void log_listeners(const struct admin *admin)
{
    char text[SOCKET_ADDRESS_SIZE];
    for (size_t i = 0; i < admin->listener_count; i++) {
        if (admin->listeners[i] < 0)
            continue;
        socket_format_address(&admin->config->admin.listen[i], socket_port(admin->listeners[i]),
                              text);
        log_info("admin-listening", NULL, LOG_TEXT("address", text));
    }
}

static int make(struct admin *admin, struct error *err)
{
    uv_mutex_init(&admin->lock);
    task_queue_init(&admin->to_admin);
    admin->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    admin->sessions = sessions_new();
    admin->events = events_new(admin);
    admin->jobs = jobs_new(admin);
    if (admin->wake < 0 || !admin->sessions || !admin->events || !admin->jobs)
        return error_set(err, -ENOMEM, "admin: out of memory");
    int code = http_start(admin, err);
    if (code == 0 && (code = readers_start(admin)) != 0)
        error_set(err, code, "admin: no thread: %s", uv_strerror(code));
    return code;
}

static void free_on_close(uv_handle_t *handle)
{
    release(handle->data);
}

int admin_start(uv_loop_t *loop, struct config *config, struct listen_socket *sockets,
                const struct admin_hooks *hooks, void *context, struct admin **out,
                struct error *err)
{
    *out = NULL;
    if (config->admin.listen_count == 0)
        return 0;
    if (config->admin.listen_count > ADMIN_LISTENERS)
        return error_set(err, -EINVAL, "admin.listen: %d addresses at most", ADMIN_LISTENERS);
    struct admin *admin = calloc(1, sizeof *admin);
    if (!admin)
        return error_set(err, -ENOMEM, "admin: out of memory");
    admin->loop = loop;
    admin->hooks = hooks;
    admin->context = context;
    admin->config = config_ref(config);
    admin->started_ms = clock_unix_ms();
    for (size_t i = 0; i < config->admin.listen_count; i++) {
        admin->listeners[admin->listener_count++] = sockets[i].fd;
        sockets[i].fd = -1;
    }
    atomic_store(&admin->pulse_ms, clock_monotonic_ms());
    admin->pulse_due_ms = clock_monotonic_ms();
    int code = make(admin, err);
    if (code == 0 && (code = loop_queue_new(loop, admin, &admin->to_loop)) != 0)
        error_set(err, code, "admin: %s", uv_strerror(code));
    if (code == 0 && (code = uv_thread_create(&admin->thread, run, admin)) != 0)
        error_set(err, code, "admin: no thread: %s", uv_strerror(code));
    if (code != 0) {
        readers_stop(admin);
        loop_queue_close(admin->to_loop);
        release(admin);
        return code;
    }
    uv_timer_init(loop, &admin->pulse);
    admin->pulse.data = admin;
    uv_timer_start(&admin->pulse, on_pulse, 0, PULSE_MS);
    uv_unref((uv_handle_t *)&admin->pulse);
    log_listeners(admin);
    *out = admin;
    return 0;
}

void admin_stop(struct admin *admin)
{
    if (!admin)
        return;
    atomic_store(&admin->ended, true);
    wake(admin);
    uv_thread_join(&admin->thread);
    loop_queue_close(admin->to_loop);
    uv_ref((uv_handle_t *)&admin->pulse);
    uv_close((uv_handle_t *)&admin->pulse, free_on_close);
}
