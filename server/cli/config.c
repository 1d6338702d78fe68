#include <stdbool.h>
#include <stdio.h>

#include "cli.h"

static const char help[] =
    "Usage: mxhook config [--mdoc]\n"
    "Prints an example configuration that documents every option and its default.\n"
    "To begin with one of your own: mxhook config > mxhook.lua\n\n"
    "      --mdoc  the options as a list in mdoc(7), of which mxhook.lua(5) is made\n"
    "  -h, --help  this text\n";

int cli_config(int argc, char **argv)
{
    bool mdoc = false;
    const struct cli_option options[] = {{.name = "mdoc", .flag = &mdoc}, {0}};
    int code = cli_options(argc, argv, help, options, NULL);
    if (code < 0)
        code = cli_operand(argc, argv, NULL, NULL);
    if (code >= 0)
        return code;
    return (mdoc ? config_print_mdoc() : config_print_example()) == 0 ? CLI_OK : CLI_FAILED;
}
