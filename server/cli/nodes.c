#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "../mail/json.h"
#include "cli.h"
#include "pretty.h"
#include "queue.h"

static const char help[] =
    "Usage: mxhook nodes [--json] [--config FILE]\n"
    "A line for each node that shares the spool in PostgreSQL: number, machine,\n"
    "version, deliveries in hand, and whether it lives. Watches them for two seconds.\n"
    "A dead one's deliveries are taken over by the others within seconds, and its\n"
    "line goes.\n\n"
    "      --json              a line of JSON for each: id, name, version, in_hand,\n"
    "                          lives\n"
    "  -c, --config FILE       the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help              this text\n";

static int print_node(void *context, const struct queue_node *node)
{
    (void)context;
    printf("%d ", node->id);
    pretty_text(node->name);
    printf(" %s in-hand=%" PRId64 " %s\n", node->version, node->in_hand,
           node->lives ? "lives" : "dead");
    return 0;
}

static int print_json(void *context, const struct queue_node *node)
{
    (void)context;
    struct queue_json *document = queue_json_new();
    if (!document)
        return -ENOMEM;
    struct json *json = queue_json_writer(document);
    json_begin_object(json);
    json_pair_number(json, "id", node->id);
    json_pair(json, "name", node->name);
    json_pair(json, "version", node->version);
    json_pair_number(json, "in_hand", node->in_hand);
    json_pair_boolean(json, "lives", node->lives);
    json_end_object(json);
    return queue_json_print(document);
}

static int act(struct queue *queue, const struct config *config, void *context, struct error *err)
{
    (void)config;
    const bool *json = context;
    return queue_nodes(queue, *json ? print_json : print_node, NULL, err);
}

int cli_nodes(int argc, char **argv)
{
    const char *config_path = CLI_CONFIG_PATH;
    bool json = false;
    const struct cli_option options[] = {
        {.name = "json", .flag = &json}, CLI_CONFIG_OPTION(&config_path), {0}};
    int exit_code = cli_options(argc, argv, help, options, NULL);
    if (exit_code < 0)
        exit_code = cli_operand(argc, argv, NULL, NULL);
    if (exit_code >= 0)
        return exit_code;
    return cli_with_queue("nodes", config_path, act, &json);
}
