#include "server.h"

#include <errno.h>
#include <signal.h>
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
#include "deliver/srs.h"
#include "history/history.h"
#include "lookup/lookup.h"
#include "mail/message.h"
#include "reload.h"
#include "rules/ruleset.h"
#include "scan/scan.h"
#include "service.h"
#include "smtp/listener.h"
#include "smtp/sockets.h"
#include "smtp/tls.h"
#include "spool/spool.h"
#include "worker.h"

/* Each goes to a later one only. */
enum server_state {
    SERVER_RUNNING,
    SERVER_FINISHING_SESSIONS,     /* no new connections; those there may end their message */
    SERVER_FINISHING_TRANSACTIONS, /* no connection left; the workers may end what they have */
    SERVER_FINISHING_DELIVERIES,   /* no new attempts; those under way may end */
    SERVER_BREAKING_OFF,           /* time is up; only the workers may end what they have */
    SERVER_CLOSING,
};

struct server {
    uv_loop_t loop;
    enum server_state state;
    struct config *config; /* other threads read it, and a reload sets it, under the lock */
    uv_mutex_t config_lock;
    struct give_up_hook give_up;
    struct ruleset *rules;
    size_t worker_count;
    struct spool *spool;
    struct deliver *deliver;
    struct auth *auth;
    struct scan *scan;
    struct workers *workers;
    struct listeners *listeners;
    struct reload *reload;
    struct admin *admin; /* NULL: there is none */
    uv_signal_t hangup, terminate, interrupt;
    uv_timer_t stop_timer, watchdog;
    struct listen_socket
        *sockets;        /* one for each address to listen on; the listeners take them over */
    size_t transactions; /* handed to the workers and not yet back */
    size_t questions;    /* about recipients; the same */
};

static void stop(struct server *server);
static void finish_transactions(struct server *server);
static void close_all(struct server *server);

/* ---- What the listeners ask of the server ---- */

static struct config *current_config(void *context)
{
    struct server *server = context;
    return config_ref(server->config);
}

static struct ruleset *current_rules(void *context)
{
    struct server *server = context;
    return ruleset_ref(server->rules);
}

struct waiting_recipient {
    struct server *server;
    void (*done)(void *token, enum recipient_answer answer);
    void *token;
};

static void recipient_asked(void *context, enum ruleset_lookup answer)
{
    static const enum recipient_answer answers[] = {[RULESET_YES] = RECIPIENT_OK,
                                                    [RULESET_NO] = RECIPIENT_UNKNOWN,
                                                    [RULESET_UNKNOWN] = RECIPIENT_LATER};
    struct waiting_recipient *waiting = context;
    struct server *server = waiting->server;
    waiting->done(waiting->token, answers[answer]);
    free(waiting);
    server->questions--;
    finish_transactions(server);
}

/* Patterns and databases of a rule's author may take long: a worker asks those. Without memory for
 * that, the end of DATA decides. */
static enum recipient_answer ask_worker(struct server *server, struct ruleset *rules,
                                        const char *recipient,
                                        void (*done)(void *token, enum recipient_answer answer),
                                        void *token)
{
    struct waiting_recipient *waiting = malloc(sizeof *waiting);
    if (!waiting)
        return RECIPIENT_OK;
    *waiting = (struct waiting_recipient){server, done, token};
    if (workers_ask(server->workers, rules, recipient, recipient_asked, waiting) != 0) {
        free(waiting);
        return RECIPIENT_OK;
    }
    server->questions++;
    return RECIPIENT_WAIT;
}

static enum recipient_answer
check_recipient(void *context, struct ruleset *rules, const char *recipient,
                void (*done)(void *token, enum recipient_answer answer), void *token)
{
    static const enum recipient_answer answers[] = {[SRS_VALID] = RECIPIENT_BOUNCE,
                                                    [SRS_FORGED] = RECIPIENT_FORGED,
                                                    [SRS_EXPIRED] = RECIPIENT_EXPIRED};
    struct server *server = context;
    char original[SRS_SIZE];
    enum srs_answer bounce =
        srs_reverse(&server->config->forward, recipient, clock_unix_ms() / 1000, original);
    if (bounce != SRS_NONE)
        return answers[bounce];
    switch (ruleset_look_up(rules, recipient)) {
    case RULESET_YES: return RECIPIENT_OK;
    case RULESET_NO: return RECIPIENT_UNKNOWN;
    case RULESET_UNKNOWN: return RECIPIENT_LATER;
    case RULESET_ASK: break;
    }
    return ask_worker(server, rules, recipient, done, token);
}

static bool has_room(void *context)
{
    const struct server *server = context;
    size_t waiting = server->transactions - workers_resolving(server->workers);
    return waiting < server->config->smtp.max_waiting && !spool_is_away(server->spool);
}

static bool has_storage(void *context)
{
    const struct server *server = context;
    return !spool_is_full(server->spool);
}

struct waiting_session {
    struct server *server;
    void (*done)(void *token, const struct reply *replies, size_t count);
    void *token;
};

static void transaction_done(void *context, struct transaction *transaction,
                             struct delivery *deliveries)
{
    struct waiting_session *waiting = context;
    struct server *server = waiting->server;
    if (transaction->replies)
        waiting->done(waiting->token, transaction->replies, transaction->envelope.recipient_count);
    else
        waiting->done(waiting->token, &transaction->reply, 1);
    transaction_free(transaction);
    free(waiting);
    if (deliveries)
        deliver_take(server->deliver, deliveries);
    server->transactions--;
    metric_set(METRIC_MESSAGES_WAITING, (double)server->transactions);
    finish_transactions(server);
}

/* What cannot begin here, for want of memory, has another chance when the message is there. */
static void begin(void *context, struct transaction *transaction)
{
    struct server *server = context;
    transaction->release_check = auth_check_free;
    if (auth_begin(server->auth, server->config, &transaction->envelope, &transaction->check) != 0)
        transaction->check = NULL;
}

static void submit(void *context, struct transaction *transaction,
                   void (*done)(void *token, const struct reply *replies, size_t count),
                   void *token)
{
    struct server *server = context;
    struct waiting_session *waiting = malloc(sizeof *waiting);
    if (!transaction->check)
        begin(context, transaction);
    if (!waiting || !transaction->check) {
        free(waiting);
        struct reply reply;
        reply_set(&reply, 451, "4.3.0", "Out of memory, try again later");
        transaction_free(transaction);
        done(token, &reply, 1);
        return;
    }
    *waiting = (struct waiting_session){server, done, token};
    server->transactions++;
    metric_set(METRIC_MESSAGES_WAITING, (double)server->transactions);
    workers_submit(server->workers, server->config, transaction, deliver_has_room(server->deliver),
                   transaction_done, waiting);
}

/* ---- Reload ---- */

static void log_certificate(void *context, const char *text)
{
    (void)context;
    log_warn("certificate", NULL, LOG_TEXT("warning", text));
}

static void reloaded(void *context, struct config *config, struct ruleset *rules)
{
    struct server *server = context;
    struct config *old = server->config;
    struct error err = {""};
    if (lookup_configure(config, &err) != 0) /* before the rules that name its sources */
        log_error("lookup", NULL, LOG_TEXT("error", err.text));
    uv_mutex_lock(&server->config_lock);
    server->config = config;
    uv_mutex_unlock(&server->config_lock);
    config_unref(old);
    ruleset_unref(server->rules);
    server->rules = rules;
    log_set_level(config->log_level);
    log_set_format(config->log_format);
    log_set_limit(config->log_limit);
    tls_warn(config, log_certificate, NULL);
    spool_configure(server->spool, &config->spool);
    history_configure(&config->history);
    deliver_configure(server->deliver, config);
    admin_configure(server->admin, config);
}

static void told_of_reload(void *context, bool fine, const char *text)
{
    struct server *server = context;
    admin_reloaded(server->admin, fine, text);
}

/* Asked for by SIGHUP or in the admin room. */
static void reload(struct server *server)
{
    service_reloading();
    reload_request(server->reload, server->config, server->rules);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    (void)number;
    struct server *server = handle->data;
    if (server->state != SERVER_RUNNING)
        return;
    reload(server);
}

/* ---- The admin room ---- */

static void admin_reload(void *context)
{
    struct server *server = context;
    if (server->state == SERVER_RUNNING)
        reload(server);
    else
        admin_reloaded(server->admin, false, "the server is stopping");
}

struct handed_in {
    void (*done)(void *token, const char *id, const char *reply);
    void *token;
    char id[ID_SIZE];
};

static void admin_answered(void *token, const struct reply *replies, size_t count)
{
    struct handed_in *handed_in = token;
    char text[sizeof *replies + 16];
    (void)count;
    snprintf(text, sizeof text, "%d %s %s", replies->code, replies->enhanced, replies->text);
    handed_in->done(handed_in->token, handed_in->id, text);
    free(handed_in);
}

/* NULL: no memory. Takes `data` in any case. */
static struct transaction *make_transaction(struct server *server, const char *recipient,
                                            struct spill *data)
{
    char id[ID_SIZE];
    id_new(id);
    id_child(id, id, 1);
    struct ruleset *rules = ruleset_ref(server->rules);
    struct transaction *t = transaction_new(id, rules, ruleset_unref);
    if (!t) {
        ruleset_unref(rules);
        spill_free(data);
        return NULL;
    }
    t->data = data;
    t->received_ms = clock_unix_ms();
    snprintf(t->envelope.client_ip, sizeof t->envelope.client_ip, "127.0.0.1");
    t->envelope.helo = strdup("localhost");
    if (t->envelope.helo && transaction_set_sender(t, "") == 0 &&
        transaction_add_recipient(t, recipient) == 0)
        return t;
    transaction_free(t);
    return NULL;
}

static void admin_submit(void *context, const char *recipient, struct spill *data,
                         void (*done)(void *token, const char *id, const char *reply), void *token)
{
    struct server *server = context;
    if (server->state != SERVER_RUNNING || !has_room(server) || !has_storage(server)) {
        spill_free(data);
        done(token, "", "451 4.3.2 no room for mail now, or the server is stopping");
        return;
    }
    struct handed_in *handed_in = malloc(sizeof *handed_in);
    struct transaction *t = make_transaction(server, recipient, data);
    if (!t || !handed_in) {
        free(handed_in);
        transaction_free(t);
        done(token, "", "451 4.3.0 Out of memory, try again later");
        return;
    }
    *handed_in = (struct handed_in){.done = done, .token = token};
    snprintf(handed_in->id, sizeof handed_in->id, "%s", t->id);
    submit(server, t, admin_answered, handed_in);
}

static bool storage_is_full(void *context)
{
    return !has_storage(context);
}

static const struct admin_hooks admin_hooks = {admin_reload, admin_submit, storage_is_full};

/* ---- Stop ---- */

static void on_terminate(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    if (server->state != SERVER_RUNNING) {
        log_warn("stopped", NULL, LOG_TEXT("how", "at once, by a second signal"));
        _exit(EXIT_FAILURE);
    }
    log_info("stopping", NULL, LOG_TEXT("signal", number == SIGINT ? "SIGINT" : "SIGTERM"),
             LOG_NUMBER("transactions", server->transactions));
    stop(server);
}

static void all_sessions_done(void *context)
{
    struct server *server = context;
    if (server->state != SERVER_FINISHING_SESSIONS)
        return;
    server->state = SERVER_FINISHING_TRANSACTIONS;
    finish_transactions(server);
}

static void all_deliveries_done(void *context)
{
    close_all(context);
}

/* Goes on once the workers have nothing of ours: what a transaction owns is in use there until
 * then. */
static void finish_transactions(struct server *server)
{
    if (server->transactions > 0 || server->questions > 0)
        return;
    if (server->state == SERVER_FINISHING_TRANSACTIONS) {
        server->state = SERVER_FINISHING_DELIVERIES;
        deliver_stop(server->deliver, all_deliveries_done, server);
    } else if (server->state == SERVER_BREAKING_OFF) {
        close_all(server);
    }
}

static void on_stop_timer(uv_timer_t *timer)
{
    struct server *server = timer->data;
    log_warn("stopping", NULL, LOG_TEXT("how", "time is up"),
             LOG_NUMBER("transactions", (int64_t)server->transactions));
    server->state = SERVER_BREAKING_OFF;
    finish_transactions(server);
}

static void stop(struct server *server)
{
    server->state = SERVER_FINISHING_SESSIONS;
    metric_set(METRIC_READY, 0);
    service_stopping(server->config->shutdown_timeout_ms);
    uv_timer_start(&server->stop_timer, on_stop_timer,
                   (uint64_t)server->config->shutdown_timeout_ms, 0);
    listeners_stop(server->listeners, all_sessions_done, server);
}

/* Closes every handle; the loop then ends by itself. The order is the line's, from its front. */
static void close_all(struct server *server)
{
    if (server->state == SERVER_CLOSING)
        return;
    server->state = SERVER_CLOSING;
    admin_stop(server->admin);
    listeners_free(server->listeners);
    auth_stop(server->auth); /* its thread hands over to the workers' */
    workers_stop(server->workers);
    lookup_stop();
    scan_free(server->scan);
    deliver_free(server->deliver);
    spool_close(server->spool);
    reload_free(server->reload);
    uv_close((uv_handle_t *)&server->hangup, NULL);
    uv_close((uv_handle_t *)&server->terminate, NULL);
    uv_close((uv_handle_t *)&server->interrupt, NULL);
    uv_close((uv_handle_t *)&server->stop_timer, NULL);
    uv_close((uv_handle_t *)&server->watchdog, NULL);
}

/* ---- Start ---- */

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

/* The handles that close_all() closes in any case. */
static void start_handles(struct server *server)
{
    start_signal(server, &server->hangup, on_hangup, SIGHUP);
    start_signal(server, &server->terminate, on_terminate, SIGTERM);
    start_signal(server, &server->interrupt, on_terminate, SIGINT);
    server->stop_timer.data = server;
    uv_timer_init(&server->loop, &server->stop_timer);
    service_watch(&server->loop, &server->watchdog);
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
    static const struct listener_hooks hooks = {current_config,  current_rules, ruleset_unref,
                                                check_recipient, begin,         submit,
                                                has_room,        has_storage};
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
        code = deliver_new(&server->loop, config, server->spool, &server->deliver, err);
    if (code == 0)
        code = lookup_configure(config, err);
    if (code == 0)
        code = scan_new(&server->loop, &server->scan);
    if (code == 0)
        code = workers_start(&server->loop, server->worker_count, server->spool, server->scan,
                             &server->workers, err);
    if (code == 0)
        code = reload_new(&server->loop, reloaded, told_of_reload, server, &server->reload);
    if (code == 0)
        code = listeners_open(&server->loop, config, server->sockets, &hooks, server,
                              spool_scratch_directory(server->spool), &server->listeners, err);
    if (code == 0)
        code = admin_start(&server->loop, config, server->sockets + config->smtp.listen_count,
                           &admin_hooks, server, &server->admin, err);
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
    tls_warn(server->config, log_certificate, NULL);
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
    close_all(server);
    return code;
}

static void set_first_metrics(const struct server *server)
{
    metric_set(METRIC_BUILD_INFO, 1, MXHOOK_VERSION);
    metric_set(METRIC_READY, 1);
    metric_set(METRIC_WORKERS, (double)server->worker_count);
    metric_set(METRIC_RULES, (double)ruleset_count(server->rules));
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
    umask(077); /* mail is nobody else's business */
    int code = start(server, config_path, &err);
    if (code != 0) {
        log_lines("not-started", err.text);
    } else {
        log_info("started", NULL, LOG_TEXT("version", MXHOOK_VERSION), LOG_NUMBER("pid", getpid()),
                 LOG_NUMBER("rules", ruleset_count(server->rules)),
                 LOG_NUMBER("workers", server->worker_count));
        set_first_metrics(server);
        service_ready();
    }
    uv_run(&server->loop, UV_RUN_DEFAULT);
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
