#include <getopt.h>
#include <stdio.h>

#include "cli.h"

static const char help[] =
    "Usage: mxhook config\n"
    "Prints an example configuration that documents every option and its default.\n"
    "To begin with one of your own: mxhook config > mxhook.lua\n\n"
    "  -h, --help  this text\n";

int cli_config(int argc, char **argv)
{
    int code = cli_options(argc, argv, help, NULL);
    if (code >= 0)
        return code;
    if (optind < argc) {
        fprintf(stderr, "mxhook config: '%s' is not expected\n", argv[optind]);
        return CLI_USAGE;
    }
    return config_print_example() == 0 ? CLI_OK : CLI_FAILED;
}
