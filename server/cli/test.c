#include <ctype.h>
#include <ftw.h>
#include <getopt.h>
#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/duration.h"
#include "../base/log.h"
#include "cli.h"
#include "rules.h"
#include "runner.h"

static const char help[] =
    "Usage: mxhook test [OPTION]... [PATH]...\n"
    "Runs the rules' tests: every *_test.lua in PATH, files or folders (default: the\n"
    "rules' folder). A test feeds a message to the real rules and checks where it\n"
    "goes:\n\n"
    "    describe(\"sales\", function()\n"
    "      it(\"goes to the CRM\", function()\n"
    "        local result = route { to = \"sales@example.com\", subject = \"Hello\" }\n"
    "        assert.same({ \"https://crm.example/hook\" }, result.destinations)\n"
    "      end)\n"
    "    end)\n\n"
    "      --filter TEXT  only tests whose full name holds TEXT\n"
    "      --timeout TIME how long a test may take: \"500ms\", \"2m\" (default 10s)\n"
    "      --watch        runs them again whenever a file of the rules or tests\n"
    "                     changes\n"
    "      --tap          TAP on stdout\n"
    "      --junit FILE   also JUnit XML in FILE\n"
    "      --rules DIR    the rules of this folder, with default limits; no\n"
    "                     configuration\n"
    "  -c, --config FILE  the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help         this text\n\n"
    "Exit code: 0 where all pass, 1 where one fails, 2 where there is none.\n";

#define WATCH_PAUSE_US 300000
#define TIMEOUT_MAX_MS 86400000

struct arguments {
    const char *config, *rules;
    bool watch;
    struct runner_options options;
};

/* "5s", or a plain number of seconds. */
static const char *read_timeout(void *context, const char *value)
{
    struct arguments *arguments = context;
    char *rest;
    const char *end;
    double ms = duration_read(value, &end);
    if (ms < 0) {
        bool plain = isdigit((unsigned char)*value) && !value[strspn(value, "0123456789.")];
        ms = plain ? strtod(value, &rest) * 1000 : -1;
        end = plain ? rest : "?";
    }
    if (*end || ms < 1 || ms > TIMEOUT_MAX_MS)
        return "a duration such as \"5s\", from 1ms to 1d,";
    arguments->options.timeout_ms = (int64_t)ceil(ms);
    return NULL;
}

static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    const struct cli_option options[] = {{.name = "filter", .text = &arguments->options.filter},
                                         {.name = "timeout", .read = read_timeout},
                                         {.name = "watch", .flag = &arguments->watch},
                                         {.name = "tap", .flag = &arguments->options.tap},
                                         {.name = "junit", .text = &arguments->options.junit},
                                         {.name = "rules", .text = &arguments->rules},
                                         CLI_CONFIG_OPTION(&arguments->config),
                                         {0}};
    int code = cli_options(argc, argv, help, options, arguments);
    arguments->options.paths = (const char *const *)argv + optind;
    arguments->options.path_count = (size_t)(argc - optind);
    return code;
}

static int run_once(struct arguments *arguments)
{
    struct config *config = NULL;
    struct ruleset *rules = NULL;
    struct error err = {""};
    struct runner_options options = arguments->options;
    if (cli_load_rules(arguments->rules, arguments->config, &config, &rules, &err) != 0) {
        config_unref(config);
        return cli_fail("test", &err);
    }
    const char *directory = config->rules.directory;
    if (options.path_count == 0) {
        options.paths = &directory;
        options.path_count = 1;
    }
    int code = runner_run(config, rules, &options, &err);
    ruleset_unref(rules);
    config_unref(config);
    return code < 0 ? cli_fail("test", &err) : code;
}

/* ---- Watching ---- */

static uint64_t seen; /* nftw() hands no context on */

static int look_at(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)path, (void)type, (void)ftw;
    uint64_t values[] = {(uint64_t)status->st_ino, (uint64_t)status->st_size,
                         (uint64_t)status->st_mtim.tv_sec, (uint64_t)status->st_mtim.tv_nsec};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        seen = (seen ^ values[i]) * 0x100000001b3u;
    return 0;
}

/* Changes with any file below these paths. */
static uint64_t fingerprint(const struct arguments *arguments, const char *rules)
{
    seen = 0xcbf29ce484222325u;
    nftw(rules, look_at, 16, FTW_PHYS);
    for (size_t i = 0; i < arguments->options.path_count; i++)
        nftw(arguments->options.paths[i], look_at, 16, FTW_PHYS);
    return seen;
}

/* Until it is interrupted. */
static int watch(struct arguments *arguments)
{
    struct config *config = NULL;
    struct error err = {""};
    int code = arguments->rules ? config_defaults(arguments->rules, &config, &err)
                                : config_load(arguments->config, &config, &err);
    if (code != 0)
        return cli_fail("test", &err);
    for (;;) {
        uint64_t before = fingerprint(arguments, config->rules.directory);
        run_once(arguments);
        fflush(stdout);
        while (fingerprint(arguments, config->rules.directory) == before)
            usleep(WATCH_PAUSE_US);
        puts("");
    }
}

int cli_test(int argc, char **argv)
{
    struct arguments arguments = {.config = CLI_CONFIG_PATH, .options = {.timeout_ms = 10000}};
    int code = parse_arguments(argc, argv, &arguments);
    if (code >= 0)
        return code;
    message_init();
    log_set_level(LOG_WARN);
    return arguments.watch ? watch(&arguments) : run_once(&arguments);
}
