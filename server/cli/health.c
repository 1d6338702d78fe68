#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "client.h"
#include "pretty.h"

static const char help[] =
    "Usage: mxhook health [--live] [--config FILE]\n"
    "Asks the running server whether it takes mail in: exit code 0, or 1 and why not.\n"
    "For a container's health check; needs admin.listen.\n\n"
    "      --live         only whether its event loop turns\n"
    "  -c, --config FILE  the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help         this text\n";

static void print_reasons(const char *text)
{
    static const char *const checks[] = {"loop", "listening", "rules", "spool"};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        char name[64];
        snprintf(name, sizeof name, "checks.%s.why", checks[i]);
        char *why = client_field(text, name);
        if (why) {
            printf("%s: ", checks[i]);
            pretty_text(why);
            putchar('\n');
        }
        free(why);
    }
}

static int ask(const char *path, bool live)
{
    struct config *config;
    struct error err = {""};
    char *text = NULL;
    if (config_load(path, &config, &err) != 0)
        return cli_fail("health", &err);
    int status = client_ask(config, live ? "/livez" : "/readyz", NULL, &text, &err);
    config_unref(config);
    if (status < 0)
        return cli_fail("health", &err);
    puts(status == 200 ? "ok" : "not ready");
    if (status != 200)
        print_reasons(text);
    free(text);
    return status == 200 ? CLI_OK : CLI_FAILED;
}

int cli_health(int argc, char **argv)
{
    const char *path = CLI_CONFIG_PATH;
    bool live = false;
    const struct cli_option options[] = {
        CLI_CONFIG_OPTION(&path), {.name = "live", .flag = &live}, {0}};
    int code = cli_options(argc, argv, help, options, NULL);
    if (code < 0)
        code = cli_operand(argc, argv, NULL, NULL);
    return code >= 0 ? code : ask(path, live);
}
