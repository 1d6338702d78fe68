#include <curl/curl.h>
#include <gmime/gmime.h>
#include <luajit.h>
#include <sqlite3.h>
#include <stdio.h>
#include <uv.h>

#include "cli.h"

static const char help[] = "Usage: mxhook version\n"
                           "Prints the versions of mxhook and of the libraries it runs with.\n\n"
                           "  -h, --help  this text\n";

int cli_version(int argc, char **argv)
{
    static const struct cli_option options[] = {{0}};
    int code = cli_options(argc, argv, help, options, NULL);
    if (code < 0)
        code = cli_operand(argc, argv, NULL, NULL);
    if (code >= 0)
        return code;
    printf("mxhook %s\n", MXHOOK_VERSION);
    printf("libuv %s\n%s\nSQLite %s\nGMime %u.%u.%u\n%s\n", uv_version_string(), LUAJIT_VERSION,
           sqlite3_libversion(), gmime_major_version, gmime_minor_version, gmime_micro_version,
           curl_version());
    return CLI_OK;
}
