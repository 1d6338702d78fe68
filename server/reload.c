#include "reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

enum reload_state {
    RELOAD_IDLE,
    RELOAD_LOADING,
    RELOAD_LOADING_STALE, /* asked again meanwhile: what is being loaded may be old */
    RELOAD_FREED,         /* while loading */
};

struct reload {
    uv_work_t work;
    uv_loop_t *loop;
    enum reload_state state;
    reload_done done;
    void *context;
    struct config *current;
    /* Filled on the pool's thread: */
    int code;
    struct config *config;
    struct ruleset *rules;
    struct error err;
};

int reload_new(uv_loop_t *loop, reload_done done, void *context, struct reload **out)
{
    struct reload *reload = calloc(1, sizeof *reload);
    if (!reload)
        return -ENOMEM;
    reload->loop = loop;
    reload->done = done;
    reload->context = context;
    *out = reload;
    return 0;
}

static void load(uv_work_t *work)
{
    struct reload *reload = (struct reload *)work;
    reload->config = NULL;
    reload->rules = NULL;
    reload->code = config_load(reload->current->path, &reload->config, &reload->err);
    if (reload->code != 0)
        return;
    /* The threads that run are as many as they were at the start. */
    reload->code = ruleset_load(&reload->config->rules, reload->current->rules.workers + 1,
                                &reload->rules, &reload->err);
}

static bool same_addresses(const struct listen_address *a, size_t a_count,
                           const struct listen_address *b, size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (a[i].port != b[i].port || strcmp(a[i].host, b[i].host) != 0)
            return false;
    return true;
}

static bool same_dns(const struct auth_config *a, const struct auth_config *b)
{
    return same_addresses(a->resolvers, a->resolver_count, b->resolvers, b->resolver_count) &&
           a->query_timeout_ms == b->query_timeout_ms && a->cache_size == b->cache_size;
}

static void keep(const char *option)
{
    log_warn("reload", NULL, LOG_TEXT("option", option),
             LOG_TEXT("result", "changed, needs a restart"));
}

static void keep_what_needs_restart(const struct config *current, struct config *next)
{
    if (!same_addresses(current->smtp.listen, current->smtp.listen_count, next->smtp.listen,
                        next->smtp.listen_count))
        keep("listen");
    if (!same_dns(&current->auth, &next->auth))
        keep("auth.resolvers, auth.query_timeout, auth.cache_size");
    if (strcmp(current->spool.directory, next->spool.directory) != 0)
        keep("spool.directory");
    if (current->rules.workers != next->rules.workers) {
        keep("rules.workers");
        next->rules.workers = current->rules.workers;
    }
}

static void log_result(struct reload *reload)
{
    if (reload->code == 0) {
        log_info("reloaded", NULL, LOG_NUMBER("rules", ruleset_count(reload->rules)));
        return;
    }
    for (char *line = strtok(reload->err.text, "\n"); line; line = strtok(NULL, "\n"))
        log_error("not-reloaded", NULL, LOG_TEXT("error", line));
}

static void drop_loaded(struct reload *reload)
{
    config_unref(reload->config);
    ruleset_unref(reload->rules);
}

static void loaded(uv_work_t *work, int status)
{
    (void)status; /* work is never cancelled */
    struct reload *reload = (struct reload *)work;
    struct config *current = reload->current;
    enum reload_state state = reload->state;
    reload->state = RELOAD_IDLE;
    if (state == RELOAD_FREED) {
        drop_loaded(reload);
        free(reload);
    } else if (state == RELOAD_LOADING_STALE) {
        drop_loaded(reload);
        reload_request(reload, current);
    } else {
        log_result(reload);
        if (reload->code == 0) {
            keep_what_needs_restart(current, reload->config);
            reload->done(reload->context, reload->config, reload->rules);
        } else {
            drop_loaded(reload);
        }
    }
    config_unref(current);
}

void reload_request(struct reload *reload, struct config *current)
{
    if (reload->state != RELOAD_IDLE) {
        reload->state = RELOAD_LOADING_STALE;
        return;
    }
    reload->current = config_ref(current);
    reload->state = RELOAD_LOADING;
    if (uv_queue_work(reload->loop, &reload->work, load, loaded) != 0) {
        config_unref(reload->current);
        reload->state = RELOAD_IDLE;
        log_error("not-reloaded", NULL, LOG_TEXT("error", "cannot start a thread"));
    }
}

void reload_free(struct reload *reload)
{
    if (reload && reload->state != RELOAD_IDLE)
        reload->state = RELOAD_FREED;
    else
        free(reload);
}
