#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/domain.h"
#include "../deliver/forward_sign.h"
#include "../deliver/reference.h"
#include "../deliver/srs.h"
#include "../mail/message.h"
#include "../rules/ruleset.h"
#include "../smtp/sockets.h"
#include "../smtp/tls.h"
#include "check_sockets.h"
#include "check_unit.h"
#include "cli.h"
#include "pretty.h"

static const char help[] =
    "Usage: mxhook check [--config FILE]\n"
    "Reads the configuration and loads the rules as `run` would, and starts nothing.\n"
    "Every error is printed with file and line; then the exit code is 1. Certificates\n"
    "that have expired, soon will, or do not fit the hostname are only warned of, as\n"
    "are an empty folder of rules, domains of the examples, addresses that\n"
    "mxhook.socket does not hold, a max_body that the largest message would go over,\n"
    "and secrets that are in no environment variable or file here. Root looks with\n"
    "the rights of the service: of `user` in the configuration, or of the user mxhook\n"
    "where the file is " CLI_CONFIG_PATH "; then also at what the units of systemd\n"
    "let the service reach: an error is what it could not start with.\n\n"
    "  -c, --config FILE  the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help         this text\n\n"
    "See also: mxhook config, which prints an example with every option.\n";

static void warn(void *context, const char *text)
{
    fprintf(stderr, "mxhook check: warning: %s: %s\n", (const char *)context, text);
}

/* With the file's name in the text. */
static void warn_whole(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "mxhook check: warning: %s\n", text);
}

/* With the rights of the service. What is not there may be made by whatever starts it. forward.srs_key
 * and forward.dkim are checked by themselves. */
static void check_secret_files(const struct config *config)
{
    for (size_t i = 0; i < config->reference_count; i++) {
        const struct config_reference *reference = &config->references[i];
        char buffer[REFERENCE_SIZE];
        const char *value;
        struct error err = {""};
        if (reference_blocks(reference->text) && strcmp(reference->option, "forward.dkim") != 0 &&
            strcmp(reference->option, "forward.srs_key") != 0 &&
            reference_read(reference->text, buffer, &value, &err) != 0)
            fprintf(stderr, "mxhook check: warning: %s:%d: %s: %s\n", config->path, reference->line,
                    reference->option, err.text);
        OPENSSL_cleanse(buffer, sizeof buffer);
    }
}

/* What works, but hardly as it was meant. */
static void check_logins(const struct config *config)
{
    const struct smtp_config *smtp = &config->smtp;
    bool offered = false;
    for (size_t i = 0; i < smtp->listen_count; i++) {
        const struct listen_address *a = &smtp->listen[i];
        char where[SOCKET_ADDRESS_SIZE], text[SOCKET_ADDRESS_SIZE + 80];
        offered = offered || a->auth != LISTEN_AUTH_OFF;
        socket_format_address(a, a->port, where);
        snprintf(text, sizeof text, "listen: %s takes passwords in the clear (auth_without_tls)",
                 where);
        if (a->auth_without_tls)
            warn(config->path, text);
        snprintf(text, sizeof text, "listen: %s takes TLS older than 1.2 (min_version)", where);
        if (a->min_version < 0x303)
            warn(config->path, text);
    }
    if (smtp->user_count > 0 && !offered)
        warn(config->path, "smtp.users: no listener offers AUTH: add auth = \"offered\" to one");
}

static int check_certificates(struct config *config)
{
    struct error err = {""};
    if (tls_load(config, &err) != 0) {
        fprintf(stderr, "mxhook check: %s: %s\n", config->path, err.text);
        return CLI_FAILED;
    }
    tls_warn(config, warn, config->path);
    return CLI_OK;
}

static void warn_lines(const char *what, const char *lines)
{
    while (*lines) {
        int size = (int)strcspn(lines, "\n");
        fprintf(stderr, "mxhook check: warning: %s/", what);
        pretty_lines(stderr, lines, (size_t)size);
        fputc('\n', stderr);
        lines += size + (lines[size] == '\n');
    }
}

/* A line is of a rule, or of the configuration's domains. */
static void warn_unreachable(const struct config *config, struct ruleset *rules)
{
    char *lines = ruleset_unreachable(rules, config->smtp.domains, config->smtp.domain_count);
    char *rest = lines, *line;
    while (rest && *rest && (line = strsep(&rest, "\n"))) {
        if (strncmp(line, "domains: ", 9) == 0)
            warn(config->path, line);
        else
            warn_lines(config->rules.directory, line);
    }
    free(lines);
}

static void warn_domains(const struct config *config)
{
    static const char *const placeholders[] = {"example.com", "example.org", "example.net"};
    for (size_t i = 0; i < config->smtp.domain_count; i++)
        for (size_t j = 0; j < sizeof placeholders / sizeof *placeholders; j++)
            if (strcmp(config->smtp.domains[i], placeholders[j]) == 0)
                fprintf(stderr,
                        "mxhook check: warning: %s: domains: %s is still the placeholder, which "
                        "nobody has mail for\n",
                        config->path, placeholders[j]);
}

/* What clients may write, and what DNS is asked for. */
static void show_domains(const struct config *config)
{
    for (size_t i = 0; i < config->smtp.domain_count; i++) {
        const char *domain = config->smtp.domains[i];
        size_t wildcard = strncmp(domain, "*.", 2) == 0 ? 2 : 0;
        char unicode[DOMAIN_SIZE];
        domain_to_unicode(domain + wildcard, unicode);
        if (strcmp(unicode, domain + wildcard) != 0)
            printf("%s: domain %s is %.*s%s\n", config->path, domain, (int)wildcard, domain,
                   unicode);
    }
}

static int check_rules(const struct config *config)
{
    struct ruleset *rules;
    struct error err = {""};
    message_init();
    if (ruleset_load(&config->rules, 1, &rules, &err) != 0)
        return cli_fail("check", &err);
    warn_lines(config->rules.directory, ruleset_warnings(rules));
    warn_unreachable(config, rules);
    if (ruleset_count(rules) == 0)
        warn((void *)config->rules.directory,
             "there are no rules and no aliases: all mail is refused");
    char rules_text[1024];
    ruleset_describe(rules, NULL, rules_text, sizeof rules_text);
    printf("%s: ok\n%s: ok, %s\n", config->path, config->rules.directory, rules_text);
    ruleset_unref(rules);
    return CLI_OK;
}

/* The server makes its folder, but none above it. */
static int check_spool(const struct config *config, const struct service_unit *unit)
{
    struct error err = {""};
    char above[PATH_MAX];
    const char *directory = config->spool.directory;
    if (access(directory, R_OK | W_OK | X_OK) == 0)
        return CLI_OK;
    snprintf(above, sizeof above, "%s", directory);
    if (errno == ENOENT &&
        (check_unit_grants(unit, directory) || access(dirname(above), W_OK | X_OK) == 0))
        return CLI_OK;
    error_set(&err, -errno, "%s: spool.directory: %s: %s", config->path, directory,
              strerror(errno));
    return cli_fail("check", &err);
}

/* ---- What the service will find ---- */

/* Root's files would look fine to root. *user is left as it was where no service is known. */
static int become_service(const struct config *config, const struct service_unit *unit,
                          const char **user, struct error *err)
{
    const char *of_unit = *unit->user ? unit->user : "mxhook";
    const char *name = config->user ? config->user : of_unit;
    if (geteuid() != 0 || (!config->user && strcmp(config->path, CLI_CONFIG_PATH) != 0))
        return 0;
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    if (!entry)
        return config->user ? error_set(err, -ENOENT, "user: %s: no such user", name) : 0;
    if (initgroups(name, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 ||
        setuid(entry->pw_uid) != 0)
        return error_set(err, -errno, "user: cannot become %s: %s", name, strerror(errno));
    *user = name;
    return 0;
}

/* What systemd knows of the package's units, where there is a systemd. */
static int check_units(const struct config *config, struct service_unit *unit)
{
    int code = CLI_OK;
    FILE *show = popen("systemctl show --property=Listen mxhook.socket 2>/dev/null", "re");
    if (show) {
        code = check_sockets(config, show);
        pclose(show);
    }
    show = popen("systemctl show --property=" CHECK_UNIT_PROPERTIES " mxhook.service 2>/dev/null",
                 "re");
    if (show) {
        check_unit_read(show, unit);
        pclose(show);
    }
    return code | check_unit(config, unit);
}

static int check_all(struct config *config)
{
    struct error err = {""};
    struct service_unit unit = {.user = ""};
    const char *user = NULL;
    int code = CLI_OK;
    if (strcmp(config->path, CLI_CONFIG_PATH) == 0)
        code = check_units(config, &unit);
    if (become_service(config, &unit, &user, &err) != 0)
        return cli_fail("check", &err);
    if (user && access(config->path, R_OK) != 0) {
        error_set(&err, -errno, "%s: cannot be read by %s: %s", config->path, user,
                  strerror(errno));
        code = cli_fail("check", &err);
    }
    if (check_certificates(config) != CLI_OK || check_spool(config, &unit) != CLI_OK)
        code = CLI_FAILED;
    if (srs_load(config, config->spool.directory, SRS_LOOK, &err) != 0)
        code = cli_fail("check", &err);
    if (forward_sign_check(&config->forward, &err) != 0)
        code = cli_fail("check", &err);
    check_secret_files(config);
    show_domains(config);
    if (check_rules(config) != CLI_OK)
        code = CLI_FAILED;
    if (user)
        printf("checked with the rights of the user %s\n", user);
    return code;
}

int cli_check(int argc, char **argv)
{
    const char *path = CLI_CONFIG_PATH;
    const struct cli_option options[] = {CLI_CONFIG_OPTION(&path), {0}};
    int code = cli_options(argc, argv, help, options, NULL);
    if (code < 0)
        code = cli_operand(argc, argv, NULL, NULL);
    if (code >= 0)
        return code;
    struct config *config;
    struct error err = {""};
    if (config_load(path, &config, &err) != 0)
        return cli_fail("check", &err);
    warn_domains(config);
    check_logins(config);
    config_warn(config, warn_whole, NULL);
    code = check_all(config);
    config_unref(config);
    return code;
}
