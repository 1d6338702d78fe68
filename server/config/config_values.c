#include "config_values.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "config_destination.h"
#include "config_sources.h"
#include "option.h"

/* The table of values is at index 1, the config at index 2 (option.h). */

/* The list has a name, its hash, the next name, and so on. */
static void read_users(lua_State *L, struct smtp_config *smtp)
{
    size_t count;
    lua_getfield(L, 1, "smtp.users");
    bool any = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!any)
        return;
    smtp->users = option_list(L, "smtp.users", sizeof *smtp->users, &count);
    smtp->user_count = count / 2;
    for (size_t i = 0; i < count / 2; i++) {
        smtp->users[i].name = option_copy(L, option_item(L, 2 * i));
        smtp->users[i].hash = option_copy(L, option_item(L, 2 * i + 1));
    }
    lua_pop(L, 1);
}

/* The list has a certificate's path, its key's, the next certificate's, and so on. */
static void read_tls(lua_State *L, struct tls_config *tls)
{
    size_t count;
    lua_getfield(L, 1, "tls.certificates");
    bool any = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!any)
        return;
    tls->certificates = option_list(L, "tls.certificates", sizeof *tls->certificates, &count);
    tls->certificate_count = count / 2;
    for (size_t i = 0; i < count / 2; i++) {
        tls->certificates[i].certificate = option_copy(L, option_item(L, 2 * i));
        tls->certificates[i].key = option_copy(L, option_item(L, 2 * i + 1));
    }
    lua_pop(L, 1);
}

/* A list has a name, its role, its secret, the next name, and so on. */
static size_t login_count(lua_State *L, const char *option)
{
    lua_getfield(L, 1, option);
    size_t count = lua_isnil(L, -1) ? 0 : lua_objlen(L, -1) / 3;
    lua_pop(L, 1);
    return count;
}

static void read_logins(lua_State *L, const char *option, bool token, struct admin_config *admin)
{
    size_t count = login_count(L, option);
    lua_getfield(L, 1, option);
    for (size_t i = 0; i < count; i++) {
        struct admin_login *login = &admin->logins[admin->login_count++];
        *login = (struct admin_login){.token = token};
        login->name = option_copy(L, option_item(L, 3 * i));
        login->role = (enum admin_role)atoi(option_item(L, 3 * i + 1));
        login->secret = option_copy(L, option_item(L, 3 * i + 2));
    }
    lua_pop(L, 1);
}

static void read_admin(lua_State *L, struct admin_config *admin)
{
    lua_getfield(L, 1, "admin.listen");
    bool any = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (any)
        option_addresses(L, "admin.listen", &admin->listen, &admin->listen_count);
    for (size_t i = 0; i < admin->listen_count; i++)
        admin->listen[i].own_group = true;
    size_t logins = login_count(L, "admin.users") + login_count(L, "admin.tokens");
    admin->logins =
        option_memory(L, arena_alloc(option_arena(L), (logins + 1) * sizeof *admin->logins));
    read_logins(L, "admin.users", false, admin);
    read_logins(L, "admin.tokens", true, admin);
    lua_getfield(L, 1, "admin.hosts");
    any = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!any)
        return;
    admin->hosts = option_list(L, "admin.hosts", sizeof *admin->hosts, &admin->host_count);
    for (size_t i = 0; i < admin->host_count; i++)
        admin->hosts[i] = option_copy(L, option_item(L, i));
    lua_pop(L, 1);
}

static void read_smtp(lua_State *L, struct smtp_config *smtp)
{
    option_addresses(L, "listen", &smtp->listen, &smtp->listen_count);
    read_users(L, smtp);
    option_texts(L, "domains", &smtp->domains, &smtp->domain_count);
    smtp->min_rate = (uint64_t)option_number(L, "smtp.min_rate");
    smtp->stress_timeout_ms = option_number(L, "smtp.stress_timeout");
    smtp->append_domain = option_text(L, "smtp.append_domain");
    smtp->max_size = (uint64_t)option_number(L, "smtp.max_size");
    smtp->max_recipients = (size_t)option_number(L, "smtp.max_recipients");
    smtp->max_connections = (size_t)option_number(L, "smtp.max_connections");
    smtp->max_waiting = (size_t)option_number(L, "smtp.max_waiting");
    smtp->max_errors = (size_t)option_number(L, "smtp.max_errors");
    smtp->command_timeout_ms = option_number(L, "smtp.command_timeout");
    smtp->data_timeout_ms = option_number(L, "smtp.data_timeout");
    smtp->message_timeout_ms = option_number(L, "smtp.message_timeout");
}

static void read_access(lua_State *L, struct access_config *access)
{
    option_networks(L, "access.allow", &access->allow, &access->allow_count);
    option_networks(L, "access.deny", &access->deny, &access->deny_count);
    option_networks(L, "access.unlimited", &access->unlimited, &access->unlimited_count);
    option_networks(L, "access.xclient", &access->xclient, &access->xclient_count);
    option_networks(L, "access.proxies", &access->proxies, &access->proxy_count);
    access->proxy_timeout_ms = option_number(L, "access.proxy_timeout");
    access->greeting_pause_ms = option_number(L, "access.greeting_pause");
    access->connections_per_address = (size_t)option_number(L, "access.connections_per_address");
    access->connections_per_site = (size_t)option_number(L, "access.connections_per_site");
    access->connections_per_network = (size_t)option_number(L, "access.connections_per_network");
    access->messages_per_minute = (size_t)option_number(L, "access.messages_per_minute");
    access->recipients_per_session = (size_t)option_number(L, "access.recipients_per_session");
}

/* As rules write it who name what is in it: a relative one has "." and ".." in front, or links. One that is not there yet
 * stays as it is, behind the working directory. */
static void make_absolute(const char *folder, char out[2 * PATH_MAX])
{
    char working[PATH_MAX];
    if (*folder == '/')
        snprintf(out, 2 * PATH_MAX, "%s", folder);
    else if (!realpath(folder, out) && getcwd(working, sizeof working))
        snprintf(out, 2 * PATH_MAX, "%s/%s", working, folder);
}

/* The folder `secrets` beside that of the rules, or the one that is configured; absolute, since the
 * references to what is in it are. */
static char *read_secrets(lua_State *L, const char *rules_directory)
{
    char folder[2 * PATH_MAX] = "", beside[PATH_MAX], path[2 * PATH_MAX + 16];
    char *given = option_text(L, "rules.secrets");
    const char *directory = given ? given : rules_directory;
    size_t size = strlen(directory);
    while (size > 1 && directory[size - 1] == '/')
        size--;
    const char *slash = memrchr(directory, '/', size);
    if (!given)
        size = slash ? (size_t)(slash - directory) : 0;
    if (size >= sizeof beside)
        luaL_error(L, "rules.secrets: the path is too long");
    snprintf(beside, sizeof beside, "%.*s", (int)size, directory);
    if (*beside || !slash) /* else the rules are in "/" */
        make_absolute(*beside ? beside : ".", folder);
    snprintf(path, sizeof path, "%s%s", folder, given ? "" : "/secrets");
    return option_copy(L, path);
}

static void read_rules(lua_State *L, struct rules_config *rules)
{
    rules->directory = option_text(L, "rules.directory");
    rules->secrets = read_secrets(L, rules->directory);
    rules->workers = (size_t)option_number(L, "rules.workers");
    rules->time_limit_ms = option_number(L, "rules.time_limit");
    rules->memory_limit = (size_t)option_number(L, "rules.memory_limit");
    rules->text_limit = (size_t)option_number(L, "rules.text_limit");
    rules->unsafe = option_flag(L, "rules.unsafe");
    option_texts(L, "rules.reserved_headers", &rules->reserved_headers,
                 &rules->reserved_header_count);
}

static void read_retry(lua_State *L, const char *attempts, const char *schedule,
                       struct retry_config *retry)
{
    retry->attempts = (unsigned)option_number(L, attempts);
    retry->schedule_ms = option_durations(L, schedule, &retry->schedule_count);
}

static void read_deliver(lua_State *L, struct deliver_config *deliver)
{
    deliver->max_in_flight = (size_t)option_number(L, "deliver.max_in_flight");
    deliver->max_per_origin = (size_t)option_number(L, "deliver.max_per_origin");
    read_retry(L, "deliver.attempts", "deliver.schedule", &deliver->retry);
    deliver->retry.unreachable_ms =
        option_durations(L, "deliver.unreachable_schedule", &deliver->retry.unreachable_count);
    deliver->max_body = (uint64_t)option_number(L, "deliver.max_body");
    deliver->gone_limit = (unsigned)option_number(L, "deliver.gone_limit");
    deliver->connect_timeout_ms = option_number(L, "deliver.connect_timeout");
    deliver->timeout_ms = option_number(L, "deliver.timeout");
    deliver->first_byte_timeout_ms = option_number(L, "deliver.first_byte_timeout");
    deliver->idle_timeout_ms = option_number(L, "deliver.idle_timeout");
    deliver->on_failure = config_read_destination(L, "deliver.on_failure", option_arena(L));
    deliver->ca_file = option_text(L, "deliver.ca_file");
    deliver->source_address = option_text(L, "deliver.source_address");
    deliver->proxy = option_text(L, "deliver.proxy");
    deliver->connection_age_ms = option_number(L, "deliver.connection_age");
    deliver->deny_private = option_flag(L, "deliver.deny_private");
    deliver->breaker_failures = (unsigned)option_number(L, "deliver.breaker_failures");
    deliver->breaker_pause_ms = option_number(L, "deliver.breaker_pause");
    deliver->breaker_pause_max_ms = option_number(L, "deliver.breaker_pause_max");
}

static void read_dns(lua_State *L, struct dns_config *dns)
{
    option_addresses(L, "dns.resolvers", &dns->resolvers, &dns->resolver_count);
    dns->query_timeout_ms = option_number(L, "dns.query_timeout");
    dns->cache_size = (size_t)option_number(L, "dns.cache_size");
}

/* Bounces must come back here: so a domain of ours, if there is one. */
static const char *default_srs_domain(const struct config *config)
{
    for (size_t i = 0; i < config->smtp.domain_count; i++)
        if (config->smtp.domains[i][0] != '*')
            return config->smtp.domains[i];
    return config->hostname;
}

/* The list has domain, selector and key; or nothing. */
static void read_forward_dkim(lua_State *L, struct forward_config *forward)
{
    size_t count;
    char **texts = option_list(L, "forward.dkim", sizeof *texts, &count);
    if (texts && count == 3) {
        forward->dkim_domain = option_copy(L, option_item(L, 0));
        forward->dkim_selector = option_copy(L, option_item(L, 1));
        forward->dkim_key = option_copy(L, option_item(L, 2));
    }
    lua_pop(L, 1);
}

/* After what its defaults are taken from. */
static void read_forward(lua_State *L, struct config *config)
{
    struct forward_config *forward = &config->forward;
    forward->smarthost = option_text(L, "forward.smarthost");
    forward->user = option_text(L, "forward.user");
    forward->password = option_text(L, "forward.password");
    forward->tls = (enum forward_tls)option_number(L, "forward.tls");
    forward->tls_fallback = option_flag(L, "forward.tls_fallback");
    forward->helo = option_text(L, "forward.helo");
    forward->timeout_ms = option_number(L, "forward.timeout");
    read_retry(L, "forward.attempts", "forward.schedule", &forward->retry);
    forward->mx_port = (int)option_number(L, "forward.mx_port");
    forward->srs = option_flag(L, "forward.srs");
    forward->srs_domain = option_text(L, "forward.srs_domain");
    if (!forward->srs_domain)
        forward->srs_domain = option_copy(L, default_srs_domain(config));
    forward->srs_key = option_text(L, "forward.srs_key");
    forward->srs_valid_ms = option_number(L, "forward.srs_valid");
    read_forward_dkim(L, forward);
}

/* The list has a zone's name, "refuse" or "", the next zone's, and so on. */
static void read_dnsbl(lua_State *L, struct auth_config *auth)
{
    size_t count;
    auth->dnsbl = option_list(L, "auth.dnsbl", sizeof *auth->dnsbl, &count);
    for (size_t i = 0; i < count / 2; i++) {
        auth->dnsbl[i].zone = option_copy(L, option_item(L, 2 * i));
        auth->dnsbl[i].refuse = *option_item(L, 2 * i + 1) != 0;
        auth->dnsbl_count++;
    }
    lua_pop(L, 1);
}

static void read_auth(lua_State *L, struct auth_config *auth)
{
    auth->spf = option_flag(L, "auth.spf");
    auth->dkim = option_flag(L, "auth.dkim");
    auth->dmarc = option_flag(L, "auth.dmarc");
    auth->enforce = option_flag(L, "auth.enforce");
    auth->reverse_name = option_flag(L, "auth.reverse_name");
    read_dnsbl(L, auth);
    auth->timeout_ms = option_number(L, "auth.timeout");
}

static void read_scan(lua_State *L, struct scan_config *scan)
{
    option_texts(L, "scan.rspamd", &scan->urls, &scan->url_count);
    scan->timeout_ms = option_number(L, "scan.timeout");
    lua_getfield(L, 1, "scan.on_failure");
    scan->defer = lua_toboolean(L, -1);
    lua_pop(L, 1);
    scan->refuse = option_flag(L, "scan.refuse");
    scan->headers = option_flag(L, "scan.headers");
    scan->all = option_flag(L, "scan.all");
    scan->max_size = (uint64_t)option_number(L, "scan.max_size");
    scan->password = option_text(L, "scan.password");
    option_texts(L, "scan.virus_symbols", &scan->virus_symbols, &scan->virus_symbol_count);
}

static void read_references(lua_State *L, struct config *config)
{
    lua_getfield(L, 1, "references");
    size_t count = lua_objlen(L, -1);
    config->references =
        option_memory(L, arena_alloc(config->arena, (count + 1) * sizeof *config->references));
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        lua_getfield(L, -1, "line");
        lua_getfield(L, -2, "option");
        lua_getfield(L, -3, "text");
        lua_getfield(L, -4, "meant");
        config->references[i] =
            (struct config_reference){.line = (int)lua_tointeger(L, -4),
                                      .option = option_copy(L, lua_tostring(L, -3)),
                                      .text = option_copy(L, lua_tostring(L, -2)),
                                      .meant = option_copy(L, lua_tostring(L, -1))};
        lua_pop(L, 5);
    }
    config->reference_count = count;
    lua_pop(L, 1);
}

int config_read_values(lua_State *L)
{
    struct config *config = lua_touserdata(L, 2);
    read_references(L, config);
    config->hostname = option_text(L, "hostname");
    config->user = option_text(L, "user");
    config->log_limit = (unsigned)option_number(L, "log_limit");
    config->log_format = (enum log_format)option_number(L, "log_format");
    config->log_level = (enum log_level)option_number(L, "log_level");
    config->shutdown_timeout_ms = option_number(L, "shutdown_timeout");
    read_smtp(L, &config->smtp);
    read_access(L, &config->access);
    read_rules(L, &config->rules);
    config->rules.largest_payload = config->smtp.max_size + config->smtp.max_size / 5 * 2;
    config_read_sources(L, config);
    config->spool.directory = option_text(L, "spool.directory");
    config->spool.postgres = option_text(L, "spool.postgres");
    config->spool.migrate = option_flag(L, "spool.migrate");
    config->spool.old_transaction_ms = option_number(L, "spool.old_transaction");
    config->spool.commit_timeout_ms = option_number(L, "spool.commit_timeout");
    config->spool.keep_failed_ms = option_number(L, "spool.keep_failed");
    config->spool.max_age_ms = option_number(L, "spool.max_age");
    config->spool.max_size = (uint64_t)option_number(L, "spool.max_size");
    config->spool.min_free = (uint64_t)option_number(L, "spool.min_free");
    config->history.keep_ms = option_number(L, "history.keep");
    config->history.max_size = (uint64_t)option_number(L, "history.max_size");
    config->history.bodies = (enum history_bodies)option_number(L, "history.bodies");
    config->history.subjects = option_flag(L, "history.subjects");
    read_admin(L, &config->admin);
    config->metrics_max_origins = (unsigned)option_number(L, "metrics.max_origins");
    read_deliver(L, &config->deliver);
    read_forward(L, config);
    read_dns(L, &config->dns);
    read_auth(L, &config->auth);
    read_tls(L, &config->tls);
    read_scan(L, &config->scan);
    config->confine.enabled = option_flag(L, "confine.enabled");
    option_texts(L, "confine.read", &config->confine.read, &config->confine.read_count);
    option_texts(L, "confine.write", &config->confine.write, &config->confine.write_count);
    return 0;
}
