#include <stdio.h>

#include "../confine.h"
#include "../server.h"
#include "cli.h"

static const char help[] =
    "Usage: mxhook run [--config FILE]\n"
    "Takes mail in and delivers it, in the foreground. Logs to stderr, one line an\n"
    "event; an id there tells a message's whole story: grep it.\n\n"
    "  -c, --config FILE  the configuration (default " CLI_CONFIG_PATH ");\n"
    "                     `mxhook config` prints an example with every option\n"
    "  -h, --help         this text\n\n"
    "Signals: HUP loads configuration and rules again (all or nothing), TERM and INT\n"
    "stop after what is under way (at once when given twice).\n";

int cli_run(int argc, char **argv)
{
    const char *path = CLI_CONFIG_PATH;
    const struct cli_option options[] = {CLI_CONFIG_OPTION(&path), {0}};
    int code = cli_options(argc, argv, help, options, NULL);
    if (code < 0)
        code = cli_operand(argc, argv, NULL, NULL);
    if (code >= 0)
        return code;
    confine_io_uring();
    return server_run(path);
}
