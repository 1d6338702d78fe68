#include <stddef.h>

#include "cli.h"
#include "script.h"

static const char help[] =
    "Usage: mxhook init [OPTION]... DIR\n"
    "Writes a configuration, rules and their tests to begin with into this folder.\n"
    "What is there is kept. To see a message arrive, with nothing edited:\n\n"
    "    mxhook init try\n"
    "    mxhook sink &\n"
    "    mxhook send --config try/mxhook.lua hello@example.com\n\n"
    "      --domain NAME  that mail is taken for (default: example.com)\n"
    "      --webhook URL  that gets it (default: http://127.0.0.1:8080/mail, where\n"
    "                     `mxhook sink` listens)\n"
    "  -h, --help         this text\n";

int cli_init(int argc, char **argv)
{
    const char *domain = "example.com", *webhook = "http://127.0.0.1:8080/mail", *directory = NULL;
    const struct cli_option options[] = {
        {.name = "domain", .text = &domain}, {.name = "webhook", .text = &webhook}, {0}};
    int code = cli_options(argc, argv, help, options, NULL);
    if (code < 0)
        code = cli_operand(argc, argv, "DIR", &directory);
    if (code >= 0)
        return code;
    const struct script_argument arguments[] = {
        {"directory", directory}, {"domain", domain}, {"webhook", webhook}, {0}};
    return script_run("init", arguments);
}
