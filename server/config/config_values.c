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

/* What is missing here is a mistake of ours, and is raised as a Lua error; so is running out of
 * memory. The table of values is at index 1, the config at index 2. */

static void *check_memory(lua_State *L, void *memory)
{
    if (!memory)
        luaL_error(L, "out of memory");
    return memory;
}

static struct arena *arena_of(lua_State *L)
{
    return ((struct config *)lua_touserdata(L, 2))->arena;
}

static char *copy(lua_State *L, const char *text)
{
    return check_memory(L, arena_strdup(arena_of(L), text));
}

static int64_t number(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    if (!lua_isnumber(L, -1))
        luaL_error(L, "%s: not a number", name);
    int64_t value = (int64_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

static char *text_or_null(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    const char *value = lua_tostring(L, -1);
    char *text = value ? copy(L, value) : NULL;
    lua_pop(L, 1);
    return text;
}

static bool boolean(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

/* Pushes the list, and makes room for its items. */
static void *list(lua_State *L, const char *name, size_t item_size, size_t *count)
{
    lua_getfield(L, 1, name);
    *count = lua_objlen(L, -1);
    size_t size = *count * item_size;
    return memset(check_memory(L, arena_alloc(arena_of(L), size)), 0, size);
}

static const char *item(lua_State *L, size_t index)
{
    lua_rawgeti(L, -1, (int)index + 1);
    const char *value = lua_tostring(L, -1);
    lua_pop(L, 1); /* the list keeps it */
    return value;
}

/* A field of the list's item on top; 0 where it is not there. */
static int field(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    int value = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return value;
}

static void read_texts(lua_State *L, const char *name, char ***out, size_t *count)
{
    *out = list(L, name, sizeof **out, count);
    for (size_t i = 0; i < *count; i++)
        (*out)[i] = copy(L, item(L, i));
    lua_pop(L, 1);
}

/* Of tables as readers.lua makes them. */
static void read_addresses(lua_State *L, const char *name, struct listen_address **out,
                           size_t *count)
{
    *out = list(L, name, sizeof **out, count);
    for (size_t i = 0; i < *count; i++) {
        struct listen_address *a = &(*out)[i];
        lua_rawgeti(L, -1, (int)i + 1);
        lua_getfield(L, -1, "host");
        int size = snprintf(a->host, sizeof a->host, "%s", lua_tostring(L, -1));
        lua_pop(L, 1);
        if (size <= 0 || (size_t)size >= sizeof a->host)
            luaL_error(L, "%s: not an address", name);
        a->port = field(L, "port");
        a->tls = (enum listen_tls)field(L, "tls");
        a->auth = (enum listen_auth)field(L, "auth");
        a->lmtp = field(L, "protocol");
        a->proxy = field(L, "proxy");
        a->auth_without_tls = field(L, "auth_without_tls");
        a->min_version = field(L, "min_version");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* The list has a name, its hash, the next name, and so on. */
static void read_users(lua_State *L, struct smtp_config *smtp)
{
    size_t count;
    lua_getfield(L, 1, "smtp.users");
    bool any = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!any)
        return;
    smtp->users = list(L, "smtp.users", sizeof *smtp->users, &count);
    smtp->user_count = count / 2;
    for (size_t i = 0; i < count / 2; i++) {
        smtp->users[i].name = copy(L, item(L, 2 * i));
        smtp->users[i].hash = copy(L, item(L, 2 * i + 1));
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
    tls->certificates = list(L, "tls.certificates", sizeof *tls->certificates, &count);
    tls->certificate_count = count / 2;
    for (size_t i = 0; i < count / 2; i++) {
        tls->certificates[i].certificate = copy(L, item(L, 2 * i));
        tls->certificates[i].key = copy(L, item(L, 2 * i + 1));
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
        login->name = copy(L, item(L, 3 * i));
        login->role = (enum admin_role)atoi(item(L, 3 * i + 1));
        login->secret = copy(L, item(L, 3 * i + 2));
    }
    lua_pop(L, 1);
}

static void read_admin(lua_State *L, struct admin_config *admin)
{
    lua_getfield(L, 1, "admin.listen");
    bool any = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (any)
        read_addresses(L, "admin.listen", &admin->listen, &admin->listen_count);
    for (size_t i = 0; i < admin->listen_count; i++)
        admin->listen[i].own_group = true;
    size_t logins = login_count(L, "admin.users") + login_count(L, "admin.tokens");
    admin->logins = check_memory(L, arena_alloc(arena_of(L), (logins + 1) * sizeof *admin->logins));
    read_logins(L, "admin.users", false, admin);
    read_logins(L, "admin.tokens", true, admin);
    lua_getfield(L, 1, "admin.hosts");
    any = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!any)
        return;
    admin->hosts = list(L, "admin.hosts", sizeof *admin->hosts, &admin->host_count);
    for (size_t i = 0; i < admin->host_count; i++)
        admin->hosts[i] = copy(L, item(L, i));
    lua_pop(L, 1);
}

static void read_smtp(lua_State *L, struct smtp_config *smtp)
{
    read_addresses(L, "listen", &smtp->listen, &smtp->listen_count);
    read_users(L, smtp);
    read_texts(L, "domains", &smtp->domains, &smtp->domain_count);
    smtp->min_rate = (uint64_t)number(L, "smtp.min_rate");
    smtp->stress_timeout_ms = number(L, "smtp.stress_timeout");
    smtp->append_domain = text_or_null(L, "smtp.append_domain");
    smtp->max_size = (uint64_t)number(L, "smtp.max_size");
    smtp->max_recipients = (size_t)number(L, "smtp.max_recipients");
    smtp->max_connections = (size_t)number(L, "smtp.max_connections");
    smtp->max_waiting = (size_t)number(L, "smtp.max_waiting");
    smtp->max_errors = (size_t)number(L, "smtp.max_errors");
    smtp->command_timeout_ms = number(L, "smtp.command_timeout");
    smtp->data_timeout_ms = number(L, "smtp.data_timeout");
    smtp->message_timeout_ms = number(L, "smtp.message_timeout");
}

static void read_networks(lua_State *L, const char *name, struct network **out, size_t *count)
{
    *out = list(L, name, sizeof **out, count);
    for (size_t i = 0; i < *count; i++)
        if (network_parse(item(L, i), &(*out)[i]) != 0)
            luaL_error(L, "%s: not a network", name);
    lua_pop(L, 1);
}

static void read_access(lua_State *L, struct access_config *access)
{
    read_networks(L, "access.allow", &access->allow, &access->allow_count);
    read_networks(L, "access.deny", &access->deny, &access->deny_count);
    read_networks(L, "access.unlimited", &access->unlimited, &access->unlimited_count);
    read_networks(L, "access.xclient", &access->xclient, &access->xclient_count);
    read_networks(L, "access.proxies", &access->proxies, &access->proxy_count);
    access->proxy_timeout_ms = number(L, "access.proxy_timeout");
    access->greeting_pause_ms = number(L, "access.greeting_pause");
    access->connections_per_address = (size_t)number(L, "access.connections_per_address");
    access->connections_per_site = (size_t)number(L, "access.connections_per_site");
    access->connections_per_network = (size_t)number(L, "access.connections_per_network");
    access->messages_per_minute = (size_t)number(L, "access.messages_per_minute");
    access->recipients_per_session = (size_t)number(L, "access.recipients_per_session");
}

/* The folder `secrets` beside that of the rules, or the one that is configured; absolute, since the
 * references to what is in it are. */
static char *read_secrets(lua_State *L, const char *rules_directory)
{
    char working[PATH_MAX] = "", path[2 * PATH_MAX];
    char *given = text_or_null(L, "rules.secrets");
    const char *directory = given ? given : rules_directory;
    size_t size = strlen(directory);
    while (size > 1 && directory[size - 1] == '/')
        size--;
    const char *slash = given ? NULL : memrchr(directory, '/', size);
    size_t parent = given ? size : slash ? (size_t)(slash - directory) : 0;
    if (*directory != '/' && !getcwd(working, sizeof working))
        *working = '\0';
    int length = snprintf(path, sizeof path, "%s%s%.*s%s", working, *working && parent ? "/" : "",
                          (int)parent, directory, given ? "" : "/secrets");
    if (length < 0 || (size_t)length >= sizeof path)
        luaL_error(L, "rules.secrets: the path is too long");
    return copy(L, path);
}

static void read_rules(lua_State *L, struct rules_config *rules)
{
    rules->directory = text_or_null(L, "rules.directory");
    rules->secrets = read_secrets(L, rules->directory);
    rules->workers = (size_t)number(L, "rules.workers");
    rules->time_limit_ms = number(L, "rules.time_limit");
    rules->memory_limit = (size_t)number(L, "rules.memory_limit");
    rules->text_limit = (size_t)number(L, "rules.text_limit");
    rules->unsafe = boolean(L, "rules.unsafe");
    read_texts(L, "rules.reserved_headers", &rules->reserved_headers,
               &rules->reserved_header_count);
}

static int64_t milliseconds(lua_State *L, size_t index)
{
    lua_rawgeti(L, -1, (int)index + 1);
    int64_t value = (int64_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

static int64_t *read_durations(lua_State *L, const char *name, size_t *count)
{
    int64_t *durations = list(L, name, sizeof *durations, count);
    for (size_t i = 0; i < *count; i++)
        durations[i] = milliseconds(L, i);
    lua_pop(L, 1);
    return durations;
}

static void read_retry(lua_State *L, const char *attempts, const char *schedule,
                       struct retry_config *retry)
{
    retry->attempts = (unsigned)number(L, attempts);
    retry->schedule_ms = read_durations(L, schedule, &retry->schedule_count);
}

static void read_deliver(lua_State *L, struct deliver_config *deliver)
{
    deliver->max_in_flight = (size_t)number(L, "deliver.max_in_flight");
    deliver->max_per_origin = (size_t)number(L, "deliver.max_per_origin");
    read_retry(L, "deliver.attempts", "deliver.schedule", &deliver->retry);
    deliver->retry.unreachable_ms =
        read_durations(L, "deliver.unreachable_schedule", &deliver->retry.unreachable_count);
    deliver->gone_limit = (unsigned)number(L, "deliver.gone_limit");
    deliver->connect_timeout_ms = number(L, "deliver.connect_timeout");
    deliver->timeout_ms = number(L, "deliver.timeout");
    deliver->first_byte_timeout_ms = number(L, "deliver.first_byte_timeout");
    deliver->idle_timeout_ms = number(L, "deliver.idle_timeout");
    deliver->on_failure = config_read_destination(L, "deliver.on_failure", arena_of(L));
    deliver->ca_file = text_or_null(L, "deliver.ca_file");
    deliver->source_address = text_or_null(L, "deliver.source_address");
    deliver->proxy = text_or_null(L, "deliver.proxy");
    deliver->connection_age_ms = number(L, "deliver.connection_age");
    deliver->deny_private = boolean(L, "deliver.deny_private");
    deliver->breaker_failures = (unsigned)number(L, "deliver.breaker_failures");
    deliver->breaker_pause_ms = number(L, "deliver.breaker_pause");
    deliver->breaker_pause_max_ms = number(L, "deliver.breaker_pause_max");
}

static void read_dns(lua_State *L, struct dns_config *dns)
{
    read_addresses(L, "dns.resolvers", &dns->resolvers, &dns->resolver_count);
    dns->query_timeout_ms = number(L, "dns.query_timeout");
    dns->cache_size = (size_t)number(L, "dns.cache_size");
}

/* Bounces must come back here: so a domain of ours, if there is one. */
static const char *default_srs_domain(const struct config *config)
{
    for (size_t i = 0; i < config->smtp.domain_count; i++)
        if (config->smtp.domains[i][0] != '*')
            return config->smtp.domains[i];
    return config->hostname;
}

/* After what its defaults are taken from. */
static void read_forward(lua_State *L, struct config *config)
{
    struct forward_config *forward = &config->forward;
    forward->smarthost = text_or_null(L, "forward.smarthost");
    forward->user = text_or_null(L, "forward.user");
    forward->password = text_or_null(L, "forward.password");
    forward->tls = (enum forward_tls)number(L, "forward.tls");
    forward->tls_fallback = boolean(L, "forward.tls_fallback");
    forward->helo = text_or_null(L, "forward.helo");
    forward->timeout_ms = number(L, "forward.timeout");
    read_retry(L, "forward.attempts", "forward.schedule", &forward->retry);
    forward->mx_port = (int)number(L, "forward.mx_port");
    forward->srs = boolean(L, "forward.srs");
    forward->srs_domain = text_or_null(L, "forward.srs_domain");
    if (!forward->srs_domain)
        forward->srs_domain = copy(L, default_srs_domain(config));
    forward->srs_key = text_or_null(L, "forward.srs_key");
    forward->srs_valid_ms = number(L, "forward.srs_valid");
}

/* The list has a zone's name, "refuse" or "", the next zone's, and so on. */
static void read_dnsbl(lua_State *L, struct auth_config *auth)
{
    size_t count;
    auth->dnsbl = list(L, "auth.dnsbl", sizeof *auth->dnsbl, &count);
    for (size_t i = 0; i < count / 2; i++) {
        auth->dnsbl[i].zone = copy(L, item(L, 2 * i));
        auth->dnsbl[i].refuse = *item(L, 2 * i + 1) != 0;
        auth->dnsbl_count++;
    }
    lua_pop(L, 1);
}

static void read_auth(lua_State *L, struct auth_config *auth)
{
    auth->spf = boolean(L, "auth.spf");
    auth->dkim = boolean(L, "auth.dkim");
    auth->dmarc = boolean(L, "auth.dmarc");
    auth->enforce = boolean(L, "auth.enforce");
    auth->reverse_name = boolean(L, "auth.reverse_name");
    read_dnsbl(L, auth);
    auth->timeout_ms = number(L, "auth.timeout");
}

static void read_scan(lua_State *L, struct scan_config *scan)
{
    read_texts(L, "scan.rspamd", &scan->urls, &scan->url_count);
    scan->timeout_ms = number(L, "scan.timeout");
    lua_getfield(L, 1, "scan.on_failure");
    scan->defer = lua_toboolean(L, -1);
    lua_pop(L, 1);
    scan->refuse = boolean(L, "scan.refuse");
    scan->headers = boolean(L, "scan.headers");
    scan->all = boolean(L, "scan.all");
    scan->max_size = (uint64_t)number(L, "scan.max_size");
    scan->password = text_or_null(L, "scan.password");
    read_texts(L, "scan.virus_symbols", &scan->virus_symbols, &scan->virus_symbol_count);
}

int config_read_values(lua_State *L)
{
    struct config *config = lua_touserdata(L, 2);
    config->hostname = text_or_null(L, "hostname");
    config->user = text_or_null(L, "user");
    config->log_limit = (unsigned)number(L, "log_limit");
    config->log_format = (enum log_format)number(L, "log_format");
    config->log_level = (enum log_level)number(L, "log_level");
    config->shutdown_timeout_ms = number(L, "shutdown_timeout");
    read_smtp(L, &config->smtp);
    read_access(L, &config->access);
    read_rules(L, &config->rules);
    config_read_sources(L, config);
    config->spool.directory = text_or_null(L, "spool.directory");
    config->spool.postgres = text_or_null(L, "spool.postgres");
    config->spool.migrate = boolean(L, "spool.migrate");
    config->spool.keep_failed_ms = number(L, "spool.keep_failed");
    config->spool.max_age_ms = number(L, "spool.max_age");
    config->spool.max_size = (uint64_t)number(L, "spool.max_size");
    config->spool.min_free = (uint64_t)number(L, "spool.min_free");
    config->history.keep_ms = number(L, "history.keep");
    config->history.max_size = (uint64_t)number(L, "history.max_size");
    config->history.bodies = (enum history_bodies)number(L, "history.bodies");
    config->history.subjects = boolean(L, "history.subjects");
    read_admin(L, &config->admin);
    read_deliver(L, &config->deliver);
    read_forward(L, config);
    read_dns(L, &config->dns);
    read_auth(L, &config->auth);
    read_tls(L, &config->tls);
    read_scan(L, &config->scan);
    config->confine.enabled = boolean(L, "confine.enabled");
    read_texts(L, "confine.read", &config->confine.read, &config->confine.read_count);
    read_texts(L, "confine.write", &config->confine.write, &config->confine.write_count);
    return 0;
}
