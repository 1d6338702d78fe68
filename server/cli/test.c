#include <getopt.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "cli.h"
#include "rules.h"
#include "runner.h"

static const char help[] =
    "Usage: mxhook test [OPTION]... [PATH]...\n"
    "Runs the rules' tests: every *_test.lua in PATH, files or folders (default: the rules' "
    "folder).\n"
    "A test feeds a message to the real rules and checks where it goes:\n\n"
    "    describe(\"sales\", function()\n"
    "      it(\"goes to the CRM\", function()\n"
    "        local result = route { to = \"sales@example.com\", subject = \"Hello\" }\n"
    "        assert.same({ \"https://crm.example/hook\" }, result.destinations)\n"
    "      end)\n"
    "    end)\n\n"
    "      --filter TEXT  only tests whose full name holds TEXT\n"
    "      --tap          TAP on stdout\n"
    "      --junit FILE   also JUnit XML in FILE\n"
    "      --rules DIR    the rules of this folder, with default limits; no configuration\n"
    "  -c, --config FILE  the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help         this text\n\n"
    "Exit code: 0 where all pass, 1 where one fails, 2 where there is none.\n";

struct arguments {
    const char *config, *rules;
    struct runner_options options;
};

static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    const struct cli_option options[] = {{.name = "filter", .text = &arguments->options.filter},
                                         {.name = "tap", .flag = &arguments->options.tap},
                                         {.name = "junit", .text = &arguments->options.junit},
                                         {.name = "rules", .text = &arguments->rules},
                                         CLI_CONFIG_OPTION(&arguments->config),
                                         {0}};
    int code = cli_options(argc, argv, help, options, NULL);
    arguments->options.paths = (const char *const *)argv + optind;
    arguments->options.path_count = (size_t)(argc - optind);
    return code;
}

int cli_test(int argc, char **argv)
{
    struct arguments arguments = {.config = CLI_CONFIG_PATH};
    struct config *config = NULL;
    struct ruleset *rules = NULL;
    struct error err = {""};
    int code = parse_arguments(argc, argv, &arguments);
    if (code >= 0)
        return code;
    message_init();
    log_set_level(LOG_WARN);
    if (cli_load_rules(arguments.rules, arguments.config, &config, &rules, &err) != 0) {
        config_unref(config);
        return cli_fail("test", &err);
    }
    const char *directory = config->rules.directory;
    if (arguments.options.path_count == 0) {
        arguments.options.paths = &directory;
        arguments.options.path_count = 1;
    }
    code = runner_run(config, rules, &arguments.options, &err);
    ruleset_unref(rules);
    config_unref(config);
    return code < 0 ? cli_fail("test", &err) : code;
}
