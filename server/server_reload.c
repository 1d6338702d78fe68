/* server_reload.c - another configuration and other rules, while the server runs. */
#include "base/log.h"
#include "base/metrics.h"
#include "sources/sources.h"
#include "config/config.h"
#include "deliver/deliver.h"
#include "history/history.h"
#include "reload.h"
#include "rules/ruleset.h"
#include "server_parts.h"
#include "service.h"
#include "smtp/tls.h"
#include "spool/spool.h"

void server_log_certificate(void *context, const char *text)
{
    (void)context;
    log_warn("certificate", NULL, LOG_TEXT("warning", text));
}

static void reloaded(void *context, struct config *config, struct ruleset *rules)
{
    struct server *server = context;
    struct config *old = server->config;
    struct error err = {""};
    if (sources_configure(config, &err) != 0) /* before the rules that name its sources */
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
    tls_warn(config, server_log_certificate, NULL);
    tls_count(config);
    metrics_limit_origins(config->metrics_max_origins);
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
void server_reload(struct server *server)
{
    service_reloading();
    reload_request(server->reload, server->config, server->rules);
}

void server_on_hangup(uv_signal_t *handle, int number)
{
    (void)number;
    struct server *server = handle->data;
    if (server->state != SERVER_RUNNING)
        return;
    server_reload(server);
}

int server_make_reload(struct server *server)
{
    return reload_new(&server->loop, reloaded, told_of_reload, server, &server->reload);
}
