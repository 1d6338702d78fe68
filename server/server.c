#include "server.h"

#include <curl/curl.h>
#include <errno.h>
#include <luajit.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "admin/admin.h"
#include "auth/auth.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/metrics.h"
#include "config/config.h"
#include "confine.h"
#include "deliver/deliver.h"
#include "deliver/notice.h"
#include "deliver/observe.h"
#include "deliver/forward_sign.h"
#include "deliver/srs.h"
#include "history/history.h"
#include "sources/sources.h"
#include "mail/message.h"
#include "rules/ruleset.h"
#include "scan/scan.h"
#include "server_parts.h"
#include "service.h"
#include "smtp/listener.h"
#include "smtp/sockets.h"
#include "smtp/tls.h"
#include "spool/spool.h"
#include "reload.h"
#include "worker.h"

static void spool_changed(void *context)
{
    struct server *server = context;
    deliver_wake(server->deliver);
}

/* On the spool's thread. */
static struct delivery *notice_of_given_up(void *context, const struct delivery *failed)
{
    struct server *server = context;
    observe_given_up(failed);
    uv_mutex_lock(&server->config_lock);
    struct config *config = config_ref(server->config);
    uv_mutex_unlock(&server->config_lock);
    struct delivery *notice = notice_new(&config->deliver, failed, 0);
    config_unref(config);
    return notice;
}

static void start_signal(struct server *server, uv_signal_t *handle, uv_signal_cb callback,
                         int number)
{
    handle->data = server;
    uv_signal_init(&server->loop, handle);
    uv_signal_start(handle, callback, number);
}

static void on_end_of_turn(uv_prepare_t *handle)
{
    (void)handle;
    log_flush();
}

/* The handles that server_close_all() closes in any case. */
static void start_handles(struct server *server)
{
    start_signal(server, &server->hangup, server_on_hangup, SIGHUP);
    start_signal(server, &server->terminate, server_on_terminate, SIGTERM);
    start_signal(server, &server->interrupt, server_on_terminate, SIGINT);
    server->stop_timer.data = server;
    uv_timer_init(&server->loop, &server->stop_timer);
    service_watch(&server->loop, &server->watchdog);
    uv_prepare_init(&server->loop, &server->end_of_turn);
    uv_prepare_start(&server->end_of_turn, on_end_of_turn);
    uv_unref((uv_handle_t *)&server->end_of_turn);
}

static void no_work(uv_work_t *work)
{
    (void)work;
}

static void no_work_done(uv_work_t *work, int status)
{
    (void)status;
    free(work);
}

/* libuv starts the threads of its pool when they are first needed, and ends the process where one
 * cannot be had. So that happens now, and not at the first reload, when mail is under way. */
static int start_pool(struct server *server, struct error *err)
{
    uv_work_t *work = malloc(sizeof *work);
    int code = work ? uv_queue_work(&server->loop, work, no_work, no_work_done) : UV_ENOMEM;
    return code == 0 ? 0 : error_set(err, code, "threads: %s", uv_strerror(code));
}

static int start_parts(struct server *server, struct error *err)
{
    struct config *config = server->config;
    int code = auth_start(&config->dns, &server->auth, err);
    if (code == 0)
        code = spool_open(&config->spool, &server->loop, &server->spool, err);
    if (code == 0)
        history_start(config);
    if (code == 0)
        spool_on_give_up(server->spool, &server->give_up);
    if (code == 0)
        code = srs_load(config, config->spool.directory, SRS_MAKE, err);
    if (code == 0)
        code = forward_sign_check(&config->forward, err);
    if (code == 0)
        code = deliver_new(&server->loop, config, server->spool, &server->deliver, err);
    if (code == 0)
        code = sources_configure(config, err);
    if (code == 0)
        code = scan_new(&server->loop, &server->scan);
    if (code == 0)
        code = workers_start(&server->loop, server->worker_count, server->spool, server->scan,
                             &server->workers, err);
    if (code == 0)
        code = server_make_reload(server);
    if (code == 0)
        code =
            listeners_open(&server->loop, config, server->sockets, &server_listener_hooks, server,
                           spool_scratch_directory(server->spool), &server->listeners, err);
    if (code == 0)
        code = admin_start(&server->loop, config, server->sockets + config->smtp.listen_count,
                           &server_admin_hooks, server, &server->admin, err);
    if (code != 0)
        return code;
    spool_on_change(server->spool, spool_changed, server);
    deliver_start(server->deliver);
    return 0;
}

/* A connection may have a socket and a file for its message, a request the same. */
static size_t descriptors_needed(const struct config *config)
{
    enum { OWN = 256 }; /* libraries, listeners, the spool, the resolver's sockets */
    return 2 * config->smtp.max_connections + 2 * config->deliver.max_in_flight + OWN;
}

static int start(struct server *server, const char *config_path, struct error *err)
{
    int code = config_load(config_path, &server->config, err);
    if (code != 0)
        return code;
    log_set_level(server->config->log_level);
    log_set_format(server->config->log_format);
    log_set_limit(server->config->log_limit);
    /* Ports below 1024 need privileges, threads and files must not have them: so in this order.
     * Keys too are read as the user that will read them again at a reload. */
    descriptors_raise(descriptors_needed(server->config));
    code = service_open_sockets(server->config, &server->sockets, err);
    if (code == 0)
        code = service_drop_privileges(server->config, err);
    if (code == 0)
        code = confine_process(server->config, err);
    if (code == 0)
        code = tls_load(server->config, err);
    if (code != 0)
        return code;
    tls_warn(server->config, server_log_certificate, NULL);
    tls_count(server->config);
    metrics_limit_origins(server->config->metrics_max_origins);
    message_init();
    server->worker_count = server->config->rules.workers;
    code = ruleset_load(&server->config->rules, server->worker_count, &server->rules, err);
    if (code != 0)
        return code;
    start_handles(server);
    code = start_pool(server, err);
    if (code == 0)
        code = start_parts(server, err);
    if (code == 0)
        return 0;
    if (!*err->text)
        error_set(err, code, "%s", uv_strerror(code));
    server_close_all(server);
    return code;
}

/* An alert on an increase does not see the first of a series that was not there before it. */
static void begin_counters(void)
{
    static const char *const results[] = {"accepted", "rejected", "deferred", "aborted"};
    static const char *const kinds[] = {"webhook", "mail", "notice"};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        metric_add(METRIC_MESSAGES_TOTAL, 0, results[i]);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        metric_add(METRIC_DELIVERIES_TOTAL, 0, kinds[i], "delivered");
        metric_add(METRIC_DELIVERIES_TOTAL, 0, kinds[i], "failed");
    }
}

static void set_first_metrics(const struct server *server)
{
    char libraries[256];
    snprintf(libraries, sizeof libraries, "libuv/%s %s SQLite/%s %s", uv_version_string(),
             LUAJIT_VERSION, sqlite3_libversion(), curl_version());
    metric_set(METRIC_BUILD_INFO, 1, MXHOOK_VERSION, libraries);
    metric_set(METRIC_LISTENING, 1);
    metric_add(METRIC_MESSAGES_WAITING, 0);
    metric_add(METRIC_WORKERS_BUSY, 0);
    metric_set(METRIC_WORKERS, (double)server->worker_count);
    metric_set(METRIC_RULES, (double)ruleset_count(server->rules));
    metric_set(METRIC_ALIASES, (double)ruleset_alias_count(server->rules));
    begin_counters();
    metric_set(METRIC_CONFIG_RELOAD_SUCCESSFUL, 1);
    metric_set(METRIC_CONFIG_RELOAD_TIMESTAMP, (double)clock_unix_ms() / 1000);
}

/* Errors may stand on a line each; each gets a line of the log. */
static void log_lines(const char *event, char *text)
{
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        log_error(event, NULL, LOG_TEXT("error", line));
}

int server_run(const char *config_path)
{
    struct server *server = calloc(1, sizeof *server);
    struct error err = {""};
    if (!server || uv_loop_init(&server->loop) != 0) {
        log_error("not-started", NULL, LOG_TEXT("error", "out of memory"));
        free(server);
        return EXIT_FAILURE;
    }
    uv_mutex_init(&server->config_lock);
    server->give_up = (struct give_up_hook){notice_of_given_up, server};
    signal(SIGPIPE, SIG_IGN);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* figures under a lock, of which nobody asks */
    umask(077);                                 /* mail is nobody else's business */
    int code = start(server, config_path, &err);
    if (code != 0) {
        log_lines("not-started", err.text);
    } else {
        set_first_metrics(server);
        log_info("started", NULL, LOG_TEXT("version", MXHOOK_VERSION), LOG_NUMBER("pid", getpid()),
                 LOG_NUMBER("rules", ruleset_count(server->rules)),
                 LOG_NUMBER("workers", server->worker_count));
        reload_log_warnings(server->config, server->rules);
        service_ready();
        log_hold();
    }
    uv_run(&server->loop, UV_RUN_DEFAULT);
    log_release();
    uv_loop_close(&server->loop);
    history_stop();
    free(server->sockets);
    config_unref(server->config);
    ruleset_unref(server->rules);
    uv_mutex_destroy(&server->config_lock);
    free(server);
    if (code == 0)
        log_info("stopped", NULL, LOG_TEXT("how", "clean"));
    return code == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
