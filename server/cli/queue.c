#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../spool/queue.h"
#include "cli.h"

static const char help[] =
    "Usage: mxhook queue list [--failed] [--destination TEXT] [--config FILE]\n"
    "       mxhook queue show ID [--config FILE]\n"
    "       mxhook queue retry ID... [--config FILE]\n"
    "       mxhook queue drop ID... [--config FILE]\n"
    "Looks after what the spool holds, while the server runs or not.\n\n"
    "  list   a line for each delivery: id, state, attempts, due, recipient, destination, last "
    "answer\n"
    "  show   one delivery with the JSON that it carries\n"
    "  retry  attempts it now, with all its attempts before it\n"
    "  drop   removes it for good\n\n"
    "      --failed            only those that have used up their attempts\n"
    "      --destination TEXT  only those whose URL holds TEXT\n"
    "  -c, --config FILE       the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help              this text\n";

struct arguments {
    const char *config;
    struct queue_filter filter;
    char **operands;
    int operand_count;
};

static const char *state_name(enum delivery_state state)
{
    static const char *const names[] = {"waiting", "in-flight", "failed"};
    return names[state];
}

static const char *time_text(int64_t unix_ms, char text[32])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
    return text;
}

/* What came from outside must not write to the terminal: control bytes become '?'. */
static void print_safe(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static int print_line(void *context, const struct delivery *d)
{
    char due[32];
    (void)context;
    printf("%s %-9s %u %s ", d->id, state_name(d->state), d->attempts, time_text(d->due_ms, due));
    print_safe(d->recipient);
    putchar(' ');
    print_safe(d->destination.url);
    if (d->last_status)
        printf(" %d", d->last_status);
    if (d->last_error && *d->last_error) {
        putchar(' ');
        print_safe(d->last_error);
    }
    putchar('\n');
    return 0;
}

static int list(struct queue *queue, const struct arguments *arguments, struct error *err)
{
    return queue_list(queue, &arguments->filter, print_line, NULL, err);
}

static void print_row(const char *name, const char *value)
{
    printf("%-12s ", name);
    print_safe(value);
    putchar('\n');
}

static int print_payload(const struct payload *payload, struct error *err)
{
    char buffer[16384];
    uint64_t offset = 0;
    ssize_t n;
    while ((n = payload_read(payload, offset, buffer, sizeof buffer)) > 0) {
        fwrite(buffer, 1, (size_t)n, stdout);
        offset += (uint64_t)n;
    }
    putchar('\n');
    return n < 0 ? error_set(err, (int)n, "payload: %s", strerror((int)-n)) : 0;
}

static int show(struct queue *queue, const struct arguments *arguments, struct error *err)
{
    struct delivery *d;
    char text[32];
    int code = queue_show(queue, arguments->operands[0], &d, err);
    if (code != 0)
        return code;
    print_row("id", d->id);
    print_row("state", state_name(d->state));
    print_row("destination", d->destination.url);
    print_row("signed", d->destination.secret ? "yes" : "no");
    print_row("sender", d->sender);
    print_row("recipient", d->recipient);
    print_row("created", time_text(d->created_ms, text));
    print_row("due", time_text(d->due_ms, text));
    printf("%-12s %u\n", "attempts", d->attempts);
    printf("%-12s %d\n", "last-status", d->last_status);
    print_row("last-error", d->last_error ? d->last_error : "");
    printf("%-12s %" PRIu64 "\n\n", "size", payload_size(d->payload));
    code = print_payload(d->payload, err);
    delivery_free(d);
    return code;
}

static int for_each(struct queue *queue, const struct arguments *arguments, struct error *err,
                    int (*change)(struct queue *, const char *, struct error *))
{
    for (int i = 0; i < arguments->operand_count; i++) {
        int code = change(queue, arguments->operands[i], err);
        if (code != 0)
            return code;
    }
    return 0;
}

static int retry(struct queue *queue, const struct arguments *arguments, struct error *err)
{
    return for_each(queue, arguments, err, queue_retry);
}

static int drop(struct queue *queue, const struct arguments *arguments, struct error *err)
{
    return for_each(queue, arguments, err, queue_drop);
}

struct action {
    const char *name;
    int (*run)(struct queue *, const struct arguments *, struct error *);
    int min_operands, max_operands;
};

static const struct action actions[] = {
    {"list", list, 0, 0},
    {"show", show, 1, 1},
    {"retry", retry, 1, 10000},
    {"drop", drop, 1, 10000},
};

static const struct action *find_action(const struct arguments *arguments, const char *name)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(name, actions[i].name) == 0 &&
            arguments->operand_count >= actions[i].min_operands &&
            arguments->operand_count <= actions[i].max_operands)
            return &actions[i];
    return NULL;
}

/* Returns -1 to go on, else the exit code. */
static int parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"failed", no_argument, NULL, 'f'},
                                            {"destination", required_argument, NULL, 'd'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c': arguments->config = optarg; break;
        case 'f': arguments->filter.failed_only = true; break;
        case 'd': arguments->filter.destination = optarg; break;
        case 'h': fputs(help, stdout); return CLI_OK;
        default: fputs("Try: mxhook queue --help\n", stderr); return CLI_USAGE;
        }
    }
    arguments->operands = argv + optind + 1;
    arguments->operand_count = argc - optind - 1;
    return -1;
}

int cli_queue(int argc, char **argv)
{
    struct arguments arguments = {.config = CLI_CONFIG_PATH};
    int exit_code = parse(argc, argv, &arguments);
    if (exit_code >= 0)
        return exit_code;
    const struct action *action = optind < argc ? find_action(&arguments, argv[optind]) : NULL;
    if (!action) {
        fputs(help, stderr);
        return CLI_USAGE;
    }
    struct config *config;
    struct queue *queue = NULL;
    struct error err = {""};
    int code = config_load(arguments.config, &config, &err);
    if (code != 0)
        return cli_fail("queue", &err);
    code = queue_open(&config->spool, &queue, &err);
    if (code == 0)
        code = action->run(queue, &arguments, &err);
    queue_close(queue);
    config_unref(config);
    return code == 0 ? CLI_OK : cli_fail("queue", &err);
}
