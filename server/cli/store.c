#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../spool/move.h"
#include "../mail/json.h"
#include "cli.h"
#include "nearest.h"
#include "queue.h"

static const char help[] =
    "Usage: mxhook store migrate [--config FILE]\n"
    "       mxhook store move --from FOLDER [--json] [--config FILE]\n"
    "       mxhook store move --to FOLDER [--json] [--config FILE]\n"
    "Looks after the spool in PostgreSQL (spool.postgres).\n\n"
    "  migrate  makes its tables, or brings them up to this version; nodes may run\n"
    "           meanwhile\n"
    "  move     takes all deliveries of a spool in FOLDER into PostgreSQL, or out of\n"
    "           it into FOLDER: ids, attempts made and due times stay. No server may\n"
    "           work on what is emptied. Prints how many. What was interrupted is\n"
    "           gone on with by the same command\n\n"
    "      --from FOLDER       the spool.directory of a server without spool.postgres\n"
    "      --to FOLDER         the same; made where there is none\n"
    "      --json              move: JSON in place of lines: moved, left\n"
    "  -c, --config FILE       the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help              this text\n";

struct arguments {
    const char *config, *from, *to;
    bool json;
};

static int print_moved(int64_t moved, int64_t left)
{
    struct queue_json *document = queue_json_new();
    if (!document)
        return -ENOMEM;
    struct json *json = queue_json_writer(document);
    json_begin_object(json);
    json_pair_number(json, "moved", moved);
    json_pair_number(json, "left", left);
    json_end_object(json);
    return queue_json_print(document);
}

static int move(const struct config *config, const struct arguments *arguments, struct error *err)
{
    struct spool_config folder = config->spool;
    int64_t moved, left;
    folder.directory = (char *)(arguments->from ? arguments->from : arguments->to);
    folder.postgres = NULL;
    int code = arguments->from ? spool_move(&folder, &config->spool, &moved, &left, err)
                               : spool_move(&config->spool, &folder, &moved, &left, err);
    if (arguments->json)
        print_moved(moved, left);
    else
        printf("%" PRId64 " moved\n", moved);
    if (left > 0 && !arguments->json)
        printf("%" PRId64 " left: what they carry cannot be read\n", left);
    return code == 0 && left > 0 ? error_set(err, -EBADMSG, "some were left") : code;
}

static int run(const char *action, const struct arguments *arguments, struct error *err)
{
    struct config *config;
    int code = config_load(arguments->config, &config, err);
    if (code != 0)
        return code;
    if (!config->spool.postgres)
        code = error_set(err, -EINVAL, "spool.postgres is not set");
    else if (strcmp(action, "migrate") == 0)
        code = spool_migrate(&config->spool, err);
    else
        code = move(config, arguments, err);
    config_unref(config);
    return code;
}

int cli_store(int argc, char **argv)
{
    struct arguments arguments = {.config = CLI_CONFIG_PATH};
    const struct cli_option options[] = {{.name = "from", .text = &arguments.from},
                                         {.name = "to", .text = &arguments.to},
                                         {.name = "json", .flag = &arguments.json},
                                         CLI_CONFIG_OPTION(&arguments.config),
                                         {0}};
    int exit_code = cli_options(argc, argv, help, options, NULL);
    if (exit_code >= 0)
        return exit_code;
    static const char *const actions[] = {"migrate", "move"};
    static const struct nearest_names names = {actions, 2, sizeof *actions};
    const char *action = optind + 1 == argc ? argv[optind] : "";
    if (*action && strcmp(action, actions[0]) != 0 && strcmp(action, actions[1]) != 0)
        return nearest_unknown("store", action, &names);
    bool is_move = strcmp(action, "move") == 0 && !arguments.from != !arguments.to;
    bool is_migrate =
        strcmp(action, "migrate") == 0 && !arguments.from && !arguments.to && !arguments.json;
    if (!is_move && !is_migrate) {
        fputs(help, stderr);
        return CLI_USAGE;
    }
    struct error err = {""};
    return run(action, &arguments, &err) == 0 ? CLI_OK : cli_fail("store", &err);
}
