#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "client.h"
#include "pretty.h"

static const char help[] =
    "Usage: mxhook reload [--pid PID] [--config FILE]\n"
    "Has the running server load configuration, rules and certificates again. Where\n"
    "the configuration has admin.listen, it asks there, waits and prints what came of\n"
    "it: what is wrong, with file and line, and exit code 1, while the server runs on\n"
    "with what it had.\n\n"
    "      --pid PID      where nobody answers there, or not without a login: sends\n"
    "                     SIGHUP; the outcome is in the log\n"
    "  -c, --config FILE  the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help         this text\n";

static int by_signal(int pid, const struct error *err)
{
    if (pid == 0) {
        struct error text;
        error_set(&text, 0, "%s; give --pid to send SIGHUP", err->text);
        return cli_fail("reload", &text);
    }
    if (kill(pid, SIGHUP) != 0) {
        fprintf(stderr, "mxhook reload: %d: %s\n", pid, strerror(errno));
        return CLI_FAILED;
    }
    printf("SIGHUP sent to %d; what came of it is in the log\n", pid);
    return CLI_OK;
}

static int tell(int status, const char *text)
{
    char *what = client_field(text, status == 200 ? "reloaded" : "error");
    if (status == 200) {
        printf("reloaded: ");
        pretty_text(what ? what : "");
        putchar('\n');
    } else {
        struct error err;
        error_set(&err, -EINVAL, "%s", what ? what : text);
        cli_fail("reload", &err);
    }
    free(what);
    return status == 200 ? CLI_OK : CLI_FAILED;
}

/* The configuration cannot be read, so neither can the server load it. It is told all the same, or its log, metrics and
 * status would say that all is well. */
static int fail_both(int pid, const struct error *err)
{
    if (pid)
        kill(pid, SIGHUP);
    return cli_fail("reload", err);
}

/* The socket that the server listens on stands in its configuration; a server that was started with another one does
 * not answer there. */
static int ask(const char *path, int pid)
{
    struct config *config;
    struct error err = {""};
    char *text = NULL;
    if (config_load(path, &config, &err) != 0)
        return fail_both(pid, &err);
    int status = client_ask(config, "/api/v1/reload", "{}", &text, &err);
    config_unref(config);
    bool unknown = status == 401 || status == 403; /* over TCP it asks who we are */
    if (unknown && pid)
        free(text);
    if (status == -ENOTSUP || ((status < 0 || unknown) && pid))
        return by_signal(pid, &err);
    if (status < 0)
        return cli_fail("reload", &err);
    int code = tell(status, text);
    free(text);
    return code;
}

int cli_reload(int argc, char **argv)
{
    const char *path = CLI_CONFIG_PATH;
    int pid = 0;
    const struct cli_option options[] = {
        CLI_CONFIG_OPTION(&path), {.name = "pid", .number = &pid, .min = 1, .max = 4194304}, {0}};
    int code = cli_options(argc, argv, help, options, NULL);
    if (code < 0)
        code = cli_operand(argc, argv, NULL, NULL);
    return code >= 0 ? code : ask(path, pid);
}
