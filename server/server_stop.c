/* server_stop.c - the end: what is under way may end first, in the order of the states of server_parts.h. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/auth.h"
#include "lookup/lookup.h"
#include "base/log.h"
#include "base/metrics.h"
#include "config/config.h"
#include "deliver/deliver.h"
#include "reload.h"
#include "scan/scan.h"
#include "server_parts.h"
#include "service.h"
#include "spool/spool.h"
#include "worker.h"

/* The order is the line's, from its front. */
void server_close_all(struct server *server)
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
    uv_close((uv_handle_t *)&server->end_of_turn, NULL);
}

static void all_sessions_done(void *context)
{
    struct server *server = context;
    if (server->state != SERVER_FINISHING_SESSIONS)
        return;
    server->state = SERVER_FINISHING_TRANSACTIONS;
    server_finish_transactions(server);
}

static void all_deliveries_done(void *context)
{
    server_close_all(context);
}

/* What a transaction owns is in use by the workers until then. */
void server_finish_transactions(struct server *server)
{
    if (server->transactions > 0 || server->questions > 0)
        return;
    if (server->state == SERVER_FINISHING_TRANSACTIONS) {
        server->state = SERVER_FINISHING_DELIVERIES;
        deliver_stop(server->deliver, all_deliveries_done, server);
    } else if (server->state == SERVER_BREAKING_OFF) {
        server_close_all(server);
    }
}

static void on_stop_timer(uv_timer_t *timer)
{
    struct server *server = timer->data;
    log_warn("stopping", NULL, LOG_TEXT("how", "time is up"),
             LOG_NUMBER("transactions", (int64_t)server->transactions));
    server->state = SERVER_BREAKING_OFF;
    server_finish_transactions(server);
}

static void stop(struct server *server)
{
    server->state = SERVER_FINISHING_SESSIONS;
    metric_set(METRIC_LISTENING, 0);
    service_stopping(server->config->shutdown_timeout_ms);
    uv_timer_start(&server->stop_timer, on_stop_timer,
                   (uint64_t)server->config->shutdown_timeout_ms, 0);
    listeners_stop(server->listeners, all_sessions_done, server);
}

void server_on_terminate(uv_signal_t *handle, int number)
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
