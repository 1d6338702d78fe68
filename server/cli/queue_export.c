#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "../mail/json.h"
#include "../spool/sqlite/export.h"
#include "cli.h"
#include "pretty.h"
#include "queue.h"

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

/* Into the array of those. */
static void note_lost(void *context, const char *id, const char *recipient, const char *reason)
{
    struct json *json = context;
    json_begin_object(json);
    json_pair(json, "id", id);
    json_pair(json, "recipient", recipient);
    json_pair(json, "reason", reason);
    json_end_object(json);
}

static int print_json(struct queue_json *out, const struct export_report *r, const char *to)
{
    struct json *json = queue_json_writer(out);
    json_end_array(json);
    json_pair(json, "action", "export");
    json_pair_number(json, "count", r->waiting + r->failed);
    json_pair_number(json, "waiting", r->waiting);
    json_pair_number(json, "failed", r->failed);
    json_pair(json, "to", to);
    json_pair_number(json, "found_payloads", r->payloads);
    json_pair_number(json, "found_files", r->files);
    json_pair(json, "error", *r->database_error ? r->database_error : NULL);
    json_end_object(json);
    return queue_json_print(out);
}

static void print_text(const struct export_report *r, const char *to)
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
}

static bool is_something_missing(const struct export_report *r)
{
    return *r->database_error || r->lost > 0 || r->gaps > 0;
}

/* `out`: NULL for text. It is freed. */
static int save(const struct spool_config *spool, const char *to, struct queue_json *out)
{
    struct error err = {""};
    struct export_report report = {.lose = print_lost};
    if (out) {
        report = (struct export_report){.lose = note_lost, .context = queue_json_writer(out)};
        json_begin_object(report.context);
        json_key(report.context, "lost");
        json_begin_array(report.context);
    }
    if (spool_export(spool, to, &report, &err) != 0) {
        queue_json_free(out);
        return cli_fail("queue", &err);
    }
    if (!out)
        print_text(&report, to);
    else if (print_json(out, &report, to) != 0)
        return CLI_FAILED;
    return is_something_missing(&report) ? CLI_FAILED : CLI_OK;
}

int cli_queue_export(const char *config_path, const char *to, bool as_json)
{
    struct config *config;
    struct error err = {""};
    if (config_load(config_path, &config, &err) != 0)
        return cli_fail("queue", &err);
    struct queue_json *out = as_json ? queue_json_new() : NULL;
    int exit_code = CLI_FAILED;
    if (as_json && !out) {
        error_set(&err, -ENOMEM, "out of memory");
        cli_fail("queue", &err);
    } else {
        exit_code = save(&config->spool, to, out);
    }
    config_unref(config);
    return exit_code;
}
