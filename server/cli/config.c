#include <stdio.h>

#include "cli.h"

static const char help[] =
    "Usage: mxhook config\n"
    "Prints an example configuration that documents every option and its default.\n"
    "To begin with one of your own: mxhook config > mxhook.lua\n\n"
    "  -h, --help  this text\n";

int cli_config(int argc, char **argv)
{
    static const struct cli_option options[] = {{0}};
    int code = cli_options(argc, argv, help, options, NULL);
    if (code < 0)
        code = cli_operand(argc, argv, NULL, NULL);
    if (code >= 0)
        return code;
    return config_print_example() == 0 ? CLI_OK : CLI_FAILED;
}
