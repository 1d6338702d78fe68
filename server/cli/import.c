#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "script.h"

static const char help[] =
    "Usage: mxhook import improvmx [OPTION]... FILE\n"
    "Turns aliases and rules that were exported from ImprovMX into rules, and says what needs a "
    "look.\n"
    "FILE is the CSV of a domain's aliases, or JSON as the API gives it (domains/NAME/aliases,\n"
    "domains/NAME/rules). See mxhook-migrate(7).\n\n"
    "      --domain NAME  of the aliases, which FILE may not name\n"
    "      --to DIR       where the file of rules is written (default: rules.d)\n"
    "  -h, --help         this text\n\n"
    "Exit code: 0 where everything could be turned, 1 where something needs a look.\n";

int cli_import(int argc, char **argv)
{
    const char *domain = NULL, *to = "rules.d", *file = NULL;
    const struct cli_option options[] = {
        {.name = "domain", .text = &domain}, {.name = "to", .text = &to}, {0}};
    if (argc > 1 && *argv[1] != '-') {
        if (strcmp(argv[1], "improvmx") != 0) {
            fprintf(stderr, "mxhook import: nothing is known of '%s'; there is: improvmx\n",
                    argv[1]);
            return CLI_USAGE;
        }
        argc--;
        argv++;
    }
    int code = cli_options(argc, argv, help, options, NULL);
    if (code < 0)
        code = cli_operand(argc, argv, "FILE", &file);
    if (code >= 0)
        return code;
    const struct script_argument arguments[] = {
        {"file", file}, {"domain", domain}, {"to", to}, {0}};
    return script_run("import", arguments);
}
