#include <inttypes.h>
#include <stdio.h>

#include "../spool/queue.h"
#include "cli.h"
#include "pretty.h"

static const char help[] =
    "Usage: mxhook nodes [--json] [--config FILE]\n"
    "A line for each node that shares the spool in PostgreSQL: number, machine, version, "
    "deliveries "
    "in hand,\n"
    "and whether it lives. Watches them for two seconds. A dead one's deliveries are taken over by "
    "the others\n"
    "within seconds, and its line goes.\n\n"
    "      --json              a line of JSON for each: id, name, version, in_hand, lives\n"
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

/* A machine's name has no character that JSON would escape; what else there is does not come out. */
static int print_json(void *context, const struct queue_node *node)
{
    (void)context;
    printf("{\"id\":%d,\"name\":\"", node->id);
    for (const char *c = node->name; *c; c++)
        if (*c > ' ' && *c < 127 && *c != '"' && *c != '\\')
            putchar(*c);
    printf("\",\"version\":\"%s\",\"in_hand\":%" PRId64 ",\"lives\":%s}\n", node->version,
           node->in_hand, node->lives ? "true" : "false");
    return 0;
}

static int act(struct queue *queue, void *context, struct error *err)
{
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
