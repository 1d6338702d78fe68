#include <dirent.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/domain.h"
#include "../deliver/srs.h"
#include "../mail/message.h"
#include "../rules/ruleset.h"
#include "../smtp/tls.h"
#include "cli.h"

static const char help[] =
    "Usage: mxhook check [--config FILE]\n"
    "Reads the configuration and loads the rules as `run` would, and starts nothing.\n"
    "Every error is printed with file and line; then the exit code is 1. Certificates that have\n"
    "expired, soon will, or do not fit the hostname are only warned of.\n\n"
    "  -c, --config FILE  the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help         this text\n\n"
    "See also: mxhook config, which prints an example with every option.\n";

static void warn(void *context, const char *text)
{
    fprintf(stderr, "mxhook check: warning: %s: %s\n", (const char *)context, text);
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
        fprintf(stderr, "mxhook check: warning: %s/%.*s\n", what, size, lines);
        lines += size + (lines[size] == '\n');
    }
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

static bool in_group(const struct passwd *user, gid_t group)
{
    gid_t groups[256];
    int count = sizeof groups / sizeof *groups;
    if (getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0)
        return true; /* in more than fit: then nothing is known */
    for (int i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

/* Does the mode let the user read it, and enter it where it is a folder? */
static bool can_read(const struct passwd *user, const struct stat *status)
{
    mode_t wanted = S_ISDIR(status->st_mode) ? 5 : 4;
    int shift = status->st_uid == user->pw_uid ? 6 : in_group(user, status->st_gid) ? 3 : 0;
    return user->pw_uid == 0 || (status->st_mode >> shift & wanted) == wanted;
}

/* `run` reads the rules as the user that it becomes; who runs `check` may be root. */
static void warn_unreadable(const struct config *config)
{
    const char *directory = config->rules.directory;
    const struct passwd *user = config->user ? getpwnam(config->user) : NULL;
    struct dirent **entries;
    struct stat status;
    char path[4096];
    int count = user ? scandir(directory, &entries, NULL, alphasort) : 0;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name, *end = strrchr(name, '.');
        bool rules =
            strcmp(name, ".") == 0 || strcmp(name, "lib") == 0 || (end && strcmp(end, ".lua") == 0);
        snprintf(path, sizeof path, "%s/%s", directory, name);
        if (rules && stat(path, &status) == 0 && !can_read(user, &status))
            fprintf(stderr, "mxhook check: warning: %s: user %s cannot read it\n", path,
                    user->pw_name);
        free(entries[i]);
    }
    if (count > 0)
        free(entries);
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
    if (ruleset_count(rules) == 0)
        warn((void *)config->rules.directory,
             "there are no rules and no aliases: all mail is refused");
    warn_unreadable(config);
    char rules_text[1024];
    ruleset_describe(rules, NULL, rules_text, sizeof rules_text);
    printf("%s: ok\n%s: ok, %s\n", config->path, config->rules.directory, rules_text);
    ruleset_unref(rules);
    return CLI_OK;
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
    code = check_certificates(config);
    if (srs_load(config, config->spool.directory, SRS_LOOK, &err) != 0)
        code = cli_fail("check", &err);
    show_domains(config);
    int rules_code = check_rules(config);
    code = code == CLI_OK ? rules_code : code;
    config_unref(config);
    return code;
}
