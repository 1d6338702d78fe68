#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "script.h"

static const char help[] =
    "Usage: mxhook import improvmx [OPTION]... FILE...\n"
    "Turns aliases and rules that were exported from ImprovMX into rules, and says\n"
    "what needs a look. A FILE is the CSV of a domain's aliases, or JSON as the API\n"
    "gives it (domains/NAME/aliases, domains/NAME/rules). All together become one\n"
    "file of rules, 50-improvmx.lua. See mxhook-migrate(7).\n\n"
    "      --domain NAME  of the aliases, which a FILE may not name\n"
    "      --to DIR       where the file of rules is written (default: rules.d)\n"
    "  -h, --help         this text\n\n"
    "Exit code: 0 where everything could be turned, 1 where something needs a look.\n";

#define FILES_MAX 100 /* of the API's pages */

/* The operands: the service, and the files as "1", "2" and so on, of which names[] has the text. -1 to
 * go on, else the exit code. */
static int read_operands(int argc, char **argv, struct script_argument *files, char names[][12])
{
    const char *service = optind < argc ? argv[optind] : NULL;
    int count = argc - optind - 1;
    if (!service)
        fprintf(stderr, "mxhook import: what it comes from is expected: improvmx\n");
    else if (strcmp(service, "improvmx") != 0)
        fprintf(stderr, "mxhook import: nothing is known of '%s'; there is: improvmx\n", service);
    else if (count < 1 || count > FILES_MAX)
        fprintf(stderr, "mxhook import improvmx: one FILE is expected, or up to %d\n", FILES_MAX);
    else {
        for (int i = 0; i < count; i++) {
            snprintf(names[i], sizeof names[i], "%d", i + 1);
            files[i] = (struct script_argument){names[i], argv[optind + 1 + i]};
        }
        return -1;
    }
    fputs("Try: mxhook import --help\n", stderr);
    return CLI_USAGE;
}

int cli_import(int argc, char **argv)
{
    const char *domain = NULL, *to = "rules.d";
    char names[FILES_MAX][12];
    struct script_argument arguments[FILES_MAX + 3] = {{0}};
    const struct cli_option options[] = {
        {.name = "domain", .text = &domain}, {.name = "to", .text = &to}, {0}};
    int code = cli_options(argc, argv, help, options, NULL);
    if (code < 0)
        code = read_operands(argc, argv, arguments + 2, names);
    if (code >= 0)
        return code;
    arguments[0] = (struct script_argument){"domain", domain};
    arguments[1] = (struct script_argument){"to", to};
    return script_run("import", arguments);
}
