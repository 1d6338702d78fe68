#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "pretty.h"

static const char help[] =
    "Usage: mxhook status [--watch] [--json] [--config FILE]\n"
    "Shows how the running server is: whether it takes mail in, what waits and since\n"
    "when, which destinations are held, what the last reload came to. Needs\n"
    "admin.listen.\n\n"
    "      --watch        again every 2 seconds\n"
    "      --json         as the API gives it (mxhook-admin(7))\n"
    "  -c, --config FILE  the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help         this text\n\n"
    "Exit code: 0 where mail is taken in, else 1.\n";

#define WATCH_S  2
#define HELD_MAX 20

struct arguments {
    const char *config;
    bool watch, json;
};

static void print_field(const char *json, const char *label, const char *name, bool unless_zero)
{
    char *value = client_field(json, name);
    if (!unless_zero || !value || strcmp(value, "0") != 0) {
        printf("%s", label);
        pretty_text(value ? value : "-");
    }
    free(value);
}

struct status_column {
    const char *label, *field;
    bool unless_zero;
};

/* Of a list in the answer, a line for each: `name` first, then the columns until an empty one. */
static void print_each(const char *json, const char *list, const char *label, const char *name,
                       const struct status_column *columns)
{
    for (int i = 0; i < HELD_MAX; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s[%d].%s", list, i, name);
        char *value = client_field(json, path);
        if (!value)
            return;
        fputs(label, stdout);
        pretty_text(value);
        free(value);
        for (const struct status_column *c = columns; c->label; c++) {
            snprintf(path, sizeof path, "%s[%d].%s", list, i, c->field);
            print_field(json, c->label, path, c->unless_zero);
        }
        putchar('\n');
    }
}

static void print_held(const char *json)
{
    static const struct status_column columns[] = {{" until ", "until"},
                                                   {" after failures: ", "failures"},
                                                   {" waiting: ", "waiting"},
                                                   {" URLs held: ", "urls", true},
                                                   {0}};
    print_each(json, "held", "held         ", "origin", columns);
}

static void print_failing(const char *json)
{
    static const struct status_column columns[] = {{" errors: ", "errors"}, {0}};
    print_each(json, "failing_rules", "rule failing ", "file", columns);
}

static void print_paused(const char *json)
{
    static const struct status_column columns[] = {
        {" since ", "since"}, {" waiting: ", "waiting"}, {" reason: ", "reason"}, {0}};
    print_each(json, "paused", "paused       ", "destination", columns);
}

static void print_ready(const char *json, bool ready)
{
    static const char *const checks[] = {"loop", "listening", "rules", "spool"};
    printf("mail         %s\n", ready ? "is taken in" : "is NOT taken in");
    for (size_t i = 0; !ready && i < sizeof checks / sizeof *checks; i++) {
        char name[64];
        snprintf(name, sizeof name, "checks.%s.why", checks[i]);
        char *why = client_field(json, name);
        if (why) {
            printf("  %-10s ", checks[i]);
            pretty_text(why);
            putchar('\n');
        }
        free(why);
    }
}

static bool print_status(const char *json)
{
    char *ready = client_field(json, "ready"), *fine = client_field(json, "reload.ok");
    bool is_ready = ready && strcmp(ready, "true") == 0;
    print_field(json, "mxhook       ", "version", false);
    print_field(json, " on ", "hostname", false);
    print_field(json, ", since ", "started", false);
    putchar('\n');
    print_ready(json, is_ready);
    print_field(json, "accepted     ", "accepted", false);
    print_field(json, "  deferred ", "deferred", false);
    print_field(json, "  rejected ", "rejected", false);
    print_field(json, "  connections ", "connections", false);
    print_field(json, "\nwaiting      ", "waiting", false);
    print_field(json, "  failed ", "failed", false);
    print_field(json, "  in flight ", "in_flight", false);
    print_field(json, "  oldest since ", "oldest_waiting", false);
    print_field(json, "\nrules        ", "rules", false);
    print_field(json, "  errors ", "rule_errors", false);
    print_field(json, "  workers busy ", "workers_busy", false);
    print_field(json, " of ", "workers", false);
    printf("\nreload       %s", fine && strcmp(fine, "true") == 0 ? "fine" : "FAILED");
    print_field(json, ", what runs is of ", "reload.time", false);
    putchar('\n');
    if (fine && strcmp(fine, "true") != 0)
        print_field(json, "  ", "reload.text", false), putchar('\n');
    print_failing(json);
    print_held(json);
    print_paused(json);
    free(ready);
    free(fine);
    return is_ready;
}

static int ask(const struct config *config, const struct arguments *arguments)
{
    struct error err = {""};
    char *text = NULL;
    int status = client_ask(config, "/api/v1/status", NULL, &text, &err);
    if (status < 0)
        return cli_fail("status", &err);
    int code = CLI_FAILED;
    if (status != 200) {
        error_set(&err, 0, "%s", text);
        cli_fail("status", &err);
    } else if (arguments->json) {
        pretty_program(text, strlen(text));
        code = puts("") >= 0 ? CLI_OK : CLI_FAILED;
    } else {
        code = print_status(text) ? CLI_OK : CLI_FAILED;
    }
    free(text);
    return code;
}

static int run(const struct arguments *arguments)
{
    struct config *config;
    struct error err = {""};
    if (config_load(arguments->config, &config, &err) != 0)
        return cli_fail("status", &err);
    int code = CLI_OK;
    do {
        if (arguments->watch && isatty(STDOUT_FILENO))
            fputs("\033[H\033[2J", stdout);
        code = ask(config, arguments);
        fflush(stdout);
    } while (arguments->watch && sleep(WATCH_S) == 0);
    config_unref(config);
    return code;
}

int cli_status(int argc, char **argv)
{
    struct arguments arguments = {.config = CLI_CONFIG_PATH};
    const struct cli_option options[] = {CLI_CONFIG_OPTION(&arguments.config),
                                         {.name = "watch", .flag = &arguments.watch},
                                         {.name = "json", .flag = &arguments.json},
                                         {0}};
    int code = cli_options(argc, argv, help, options, NULL);
    if (code < 0)
        code = cli_operand(argc, argv, NULL, NULL);
    return code >= 0 ? code : run(&arguments);
}
