/*
 * main.c - mxhook's sub-commands. What the server is made of stands in server.c.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/nearest.h"

struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
    {"run", "take mail in and deliver it", cli_run},
    {"check", "check the configuration and the rules, start nothing", cli_check},
    {"config", "print an example configuration that documents every option", cli_config},
    {"init", "write a configuration, rules and tests to begin with", cli_init},
    {"import", "turn another service's aliases and rules into rules", cli_import},
    {"log", "follow the log of a message, a sender or a destination", cli_log},
    {"payload", "print the JSON that a webhook is sent for a message", cli_payload},
    {"health", "say whether the server is ready, for a container or a script", cli_health},
    {"history", "list what was accepted, refused, delivered, failed; send it again", cli_history},
    {"queue", "list, show, retry, drop or save what waits or has failed", cli_queue},
    {"destination", "pause and resume what goes to a URL", cli_destination},
    {"store", "make PostgreSQL's tables, move a spool into it or out of it", cli_store},
    {"nodes", "list the nodes that share a spool in PostgreSQL", cli_nodes},
    {"reload", "load configuration and rules again, and say what came of it", cli_reload},
    {"route", "show which rules see a message, and where it goes", cli_route},
    {"test", "run the rules' tests", cli_test},
    {"send", "send a sample message through the rules to its destinations", cli_send},
    {"sink", "receive webhooks and print them, to try things out", cli_sink},
    {"status", "show on one screen how the server is", cli_status},
    {"version", "print the versions of mxhook and its libraries", cli_version},
};

#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void print_help(FILE *out)
{
    fputs("Usage: mxhook COMMAND [OPTION]...\n"
          "Takes mail in over SMTP, asks Lua rules where it goes, and posts it as JSON.\n\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].summary);
    fputs("\nEach has --help. Exit codes: 0 done, 1 failed or found errors, 2 wrong usage.\n", out);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (*name)
        return nearest_unknown("", name, &(struct nearest_names)NEAREST_NAMES(commands));
    print_help(stderr);
    return CLI_USAGE;
}
