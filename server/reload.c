#include "reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/forward_sign.h"
#include "deliver/srs.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "confine.h"
#include "service.h"
#include "smtp/tls.h"

enum reload_state {
    RELOAD_IDLE,
    RELOAD_LOADING,
    RELOAD_LOADING_STALE, /* asked again meanwhile: what is being loaded may be old */
    RELOAD_FREED,         /* while loading */
};

/* One load: from what, and what came of it. The latter is filled on the pool's thread. */
struct load {
    struct config *current;
    struct ruleset *before;
    int code;
    struct config *config;
    struct ruleset *rules;
    struct error err;
};

struct reload {
    uv_work_t work;
    uv_loop_t *loop;
    enum reload_state state;
    reload_done done;
    reload_told told;
    void *context;
    struct load load;
};

int reload_new(uv_loop_t *loop, reload_done done, reload_told told, void *context,
               struct reload **out)
{
    struct reload *reload = calloc(1, sizeof *reload);
    if (!reload)
        return -ENOMEM;
    reload->loop = loop;
    reload->done = done;
    reload->told = told;
    reload->context = context;
    *out = reload;
    return 0;
}

static void load(uv_work_t *work)
{
    struct load *load = &((struct reload *)work)->load;
    load->code = config_load(load->current->path, &load->config, &load->err);
    if (load->code == 0)
        load->code = confine_check(load->config, &load->err);
    if (load->code == 0)
        load->code = tls_load(load->config, &load->err);
    if (load->code == 0)
        load->code = srs_load(load->config, load->current->spool.directory, SRS_MAKE, &load->err);
    if (load->code == 0)
        load->code = forward_sign_check(&load->config->forward, &load->err);
    if (load->code != 0)
        return;
    /* The threads that run are as many as they were at the start. */
    load->code =
        ruleset_load(&load->config->rules, load->current->rules.workers, &load->rules, &load->err);
}

static void load_release(const struct load *load)
{
    config_unref(load->current);
    config_unref(load->config);
    ruleset_unref(load->before);
    ruleset_unref(load->rules);
}

static bool same_addresses(const struct listen_address *a, size_t a_count,
                           const struct listen_address *b, size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (a[i].port != b[i].port || a[i].tls != b[i].tls || a[i].auth != b[i].auth ||
            a[i].min_version != b[i].min_version ||
            a[i].auth_without_tls != b[i].auth_without_tls || a[i].lmtp != b[i].lmtp ||
            a[i].proxy != b[i].proxy || strcmp(a[i].host, b[i].host) != 0)
            return false;
    return true;
}

static bool same_dns(const struct dns_config *a, const struct dns_config *b)
{
    return same_addresses(a->resolvers, a->resolver_count, b->resolvers, b->resolver_count) &&
           a->query_timeout_ms == b->query_timeout_ms && a->cache_size == b->cache_size;
}

static bool same_texts(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
    bool same = a_count == b_count;
    for (size_t i = 0; same && i < a_count; i++)
        same = strcmp(a[i], b[i]) == 0;
    return same;
}

static bool same_confinement(const struct confine_config *a, const struct confine_config *b)
{
    return a->enabled == b->enabled && same_texts(a->read, a->read_count, b->read, b->read_count) &&
           same_texts(a->write, a->write_count, b->write, b->write_count);
}

static void keep(const char *option)
{
    log_warn("reload", NULL, LOG_TEXT("option", option),
             LOG_TEXT("result", "changed, needs a restart"));
}

/* A text that `next` has differently stays as it was, for who reads it later: the admin room opens the spool. Either
 * may be NULL. */
static void keep_text(struct config *next, const char *option, const char *current, char **text)
{
    if (strcmp(current ? current : "", *text ? *text : "") == 0)
        return;
    keep(option);
    char *copy = current ? arena_strdup(next->arena, current) : NULL;
    if (copy || !current)
        *text = copy;
}

static void keep_what_needs_restart(const struct config *current, struct config *next)
{
    if (!same_addresses(current->smtp.listen, current->smtp.listen_count, next->smtp.listen,
                        next->smtp.listen_count))
        keep("listen");
    if (!same_addresses(current->admin.listen, current->admin.listen_count, next->admin.listen,
                        next->admin.listen_count))
        keep("admin.listen");
    keep_text(next, "user", current->user, &next->user);
    if (!same_dns(&current->dns, &next->dns))
        keep("dns.resolvers, dns.query_timeout, dns.cache_size");
    keep_text(next, "spool.directory", current->spool.directory, &next->spool.directory);
    keep_text(next, "spool.postgres", current->spool.postgres, &next->spool.postgres);
    if (!same_confinement(&current->confine, &next->confine))
        keep("confine.enabled, confine.read, confine.write");
    if (current->rules.workers != next->rules.workers) {
        keep("rules.workers");
        next->rules.workers = current->rules.workers;
    }
}

#define WARNINGS_MAX 20 /* lines of the log: a file of aliases may have thousands */

static void log_warning(void *context, const char *text)
{
    size_t *count = context;
    if ((*count)++ < WARNINGS_MAX)
        log_warn("config-warning", NULL, LOG_TEXT("warning", text));
}

void reload_log_warnings(const struct config *config, const struct ruleset *rules)
{
    char text[1024];
    size_t count = 0;
    config_warn(config, log_warning, &count);
    for (const char *line = ruleset_warnings(rules); *line;) {
        size_t size = strcspn(line, "\n");
        snprintf(text, sizeof text, "%.*s", (int)size, line);
        log_warning(&count, text);
        line += size + (line[size] == '\n');
    }
    if (count > WARNINGS_MAX)
        log_warn("config-warning", NULL, LOG_TEXT("warning", "and more: see mxhook check"),
                 LOG_NUMBER("more", (int64_t)count - WARNINGS_MAX));
}

/* What the log says is left in *text. */
static void log_result(struct load *load, char text[sizeof load->err.text])
{
    char changes[sizeof load->err.text];
    metric_set(METRIC_CONFIG_RELOAD_SUCCESSFUL, load->code == 0);
    if (load->code == 0) {
        metric_set(METRIC_CONFIG_RELOAD_TIMESTAMP, (double)clock_unix_ms() / 1000);
        metric_set(METRIC_RULES, (double)ruleset_count(load->rules));
        metric_set(METRIC_ALIASES, (double)ruleset_alias_count(load->rules));
        ruleset_describe(load->rules, load->before, changes, sizeof changes);
        reload_log_warnings(load->config, load->rules);
        log_info("reloaded", NULL, LOG_TEXT("rules", changes));
        strcpy(text, changes);
        return;
    }
    strcpy(text, load->err.text);
    for (char *line = strtok(load->err.text, "\n"); line; line = strtok(NULL, "\n"))
        log_error("not-reloaded", NULL, LOG_TEXT("error", line));
}

static void publish(struct reload *reload, struct load *load, char text[sizeof load->err.text])
{
    if (load->code == 0)
        keep_what_needs_restart(load->current, load->config);
    log_result(load, text); /* the last: who waits for it finds the other lines */
    if (load->code != 0)
        return;
    reload->done(reload->context, config_ref(load->config), ruleset_ref(load->rules));
}

/* One that was asked again meanwhile is published all the same: under a storm of signals the rules
 * still move on. */
static void loaded(uv_work_t *work, int status)
{
    (void)status; /* work is never cancelled */
    struct reload *reload = (struct reload *)work;
    struct load load = reload->load;
    bool fine = load.code == 0;
    char text[sizeof load.err.text] = "";
    enum reload_state state = reload->state;
    reload->state = RELOAD_IDLE;
    if (state == RELOAD_FREED)
        free(reload);
    else
        publish(reload, &load, text);
    if (state == RELOAD_LOADING) {
        service_reloaded(fine);
        reload->told(reload->context, fine, text);
    } else if (state == RELOAD_LOADING_STALE)
        reload_request(reload, fine ? load.config : load.current, fine ? load.rules : load.before);
    load_release(&load);
}

void reload_request(struct reload *reload, struct config *current, struct ruleset *rules)
{
    if (reload->state != RELOAD_IDLE) {
        reload->state = RELOAD_LOADING_STALE;
        return;
    }
    reload->load = (struct load){.current = config_ref(current), .before = ruleset_ref(rules)};
    reload->state = RELOAD_LOADING;
    if (uv_queue_work(reload->loop, &reload->work, load, loaded) != 0) {
        load_release(&reload->load);
        reload->state = RELOAD_IDLE;
        log_error("not-reloaded", NULL, LOG_TEXT("error", "cannot start a thread"));
        service_reloaded(false);
        reload->told(reload->context, false, "cannot start a thread");
    }
}

void reload_free(struct reload *reload)
{
    if (reload && reload->state != RELOAD_IDLE)
        reload->state = RELOAD_FREED;
    else
        free(reload);
}
