#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

int cli_options(int argc, char **argv, const char *help, const char **config)
{
    static const struct option with_config[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
    static const struct option without[] = {{"help", no_argument, NULL, 'h'}, {0}};
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, config ? "c:h" : "h", config ? with_config : without,
                                 NULL)) != -1) {
        if (option == 'c') {
            *config = optarg;
        } else if (option == 'h') {
            fputs(help, stdout);
            return CLI_OK;
        } else {
            fprintf(stderr, "Try: mxhook %s --help\n", argv[0]);
            return CLI_USAGE;
        }
    }
    return -1;
}

int cli_fail(const char *command, const struct error *err)
{
    for (const char *line = err->text; *line;) {
        size_t size = strcspn(line, "\n");
        fprintf(stderr, "mxhook %s: %.*s\n", command, (int)size, line);
        line += size + (line[size] == '\n');
    }
    return CLI_FAILED;
}
