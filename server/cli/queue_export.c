#include <inttypes.h>
#include <stdio.h>

#include "../spool/sqlite/export.h"
#include "cli.h"
#include "pretty.h"

static void print_lost(void *context, const char *id, const char *recipient, const char *reason)
{
    (void)context;
    if (id) {
        printf("lost: %s ", id);
        pretty_text(recipient);
        printf(": %s\n", reason);
    } else {
        printf("unreadable: a part of the table of deliveries: %s\n", reason);
    }
}

/* True: something is missing. */
static bool print_report(const struct export_report *r, const char *to)
{
    if (*r->database_error)
        printf("the database cannot be read: %s\n", r->database_error);
    printf("%" PRId64 " deliveries saved in %s: %" PRId64 " waiting, %" PRId64 " failed\n",
           r->waiting + r->failed, to, r->waiting, r->failed);
    if (r->lost > 0)
        printf("%" PRId64 " lost: what they carry cannot be read\n", r->lost);
    if (r->payloads > 0)
        printf("%" PRId64 " payloads of deliveries that cannot be read, in %s/found\n", r->payloads,
               to);
    if (r->files > 0)
        printf("%" PRId64 " files that no delivery names, in %s/found\n", r->files, to);
    return *r->database_error || r->lost > 0 || r->gaps > 0;
}

int cli_queue_export(const char *config_path, const char *to)
{
    struct config *config;
    struct error err = {""};
    struct export_report report = {.lose = print_lost};
    int code = config_load(config_path, &config, &err);
    if (code != 0)
        return cli_fail("queue", &err);
    code = spool_export(&config->spool, to, &report, &err);
    config_unref(config);
    if (code != 0)
        return cli_fail("queue", &err);
    return print_report(&report, to) ? CLI_FAILED : CLI_OK;
}
