#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../deliver/reference.h"
#include "../spool/queue.h"
#include "cli.h"
#include "pretty.h"

static const char help[] =
    "Usage: mxhook queue list [--failed] [--destination TEXT] [--since WHEN] [--config FILE]\n"
    "       mxhook queue origins [--config FILE]\n"
    "       mxhook queue show ID [--config FILE]\n"
    "       mxhook queue retry ID... | --all-failed | FILTER... [--config FILE]\n"
    "       mxhook queue drop ID... | --all-failed | FILTER... [--config FILE]\n"
    "       mxhook queue export --to FOLDER [--config FILE]\n"
    "Looks after what the spool holds, while the server runs or not.\n\n"
    "  list     a line for each delivery: id, state, attempts, due, recipient, destination, last "
    "answer\n"
    "           (a notice for deliver.on_failure says which delivery it is about)\n"
    "  origins  a line for each scheme://host:port, smarthost, or MX of a domain, that something\n"
    "           waits for: deliveries, next due, and since how many failures it is left alone, "
    "and\n"
    "           until when\n"
    "  show     one delivery with its attempts and the JSON or mail that it carries\n"
    "  retry    attempts it now, with all its attempts before it\n"
    "  drop     removes it for good\n"
    "  export   saves all that can be read of a damaged spool (or a sound one) as a new spool in "
    "FOLDER,\n"
    "           and says what is lost; to go on with it, put it in the old one's place\n\n"
    "      --failed            only those that have used up their attempts\n"
    "      --all-failed        the same, and no ID is needed\n"
    "      --destination TEXT  only those whose URL or e-mail address holds TEXT\n"
    "      --since WHEN        only those accepted since: 2026-11-24, 2026-11-24T10:00:00Z, or "
    "30m,\n"
    "                          6h, 2d ago\n"
    "      --to FOLDER         the new spool; must not be there\n"
    "  -c, --config FILE       the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help              this text\n";

struct arguments {
    const char *config;
    struct queue_filter filter;
    bool has_filter;
    const char *to;
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

static int print_line(void *context, const struct delivery *d)
{
    char due[32];
    (void)context;
    printf("%s %-9s %u %s ", d->id, state_name(d->state), d->attempts, time_text(d->due_ms, due));
    pretty_text(d->recipient);
    putchar(' ');
    pretty_url(d->destination.url);
    if (d->about)
        printf(" (tells that %s has failed)", d->about);
    if (d->last_status)
        printf(" %d", d->last_status);
    if (d->last_error && *d->last_error) {
        putchar(' ');
        pretty_text(d->last_error);
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
    pretty_text(value);
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

static void print_header(const char *header)
{
    const char *reference = reference_of_header(header);
    printf("%-12s %.*s: %s", "header", (int)strcspn(header, ":="), header,
           reference ? "from " : "(not shown)");
    if (reference)
        pretty_text(reference);
    putchar('\n');
}

/* Passwords in URLs and values of headers are secrets as well as the secret is. */
static void print_destination(const struct destination *to)
{
    printf("%-12s ", "destination");
    pretty_url(to->url);
    putchar('\n');
    if (!destination_is_mail(to))
        print_row("signed", to->secret ? "yes" : "no");
    for (size_t i = 0; i < to->header_count; i++)
        print_header(to->headers[i]);
}

static int print_attempt(void *context, const struct queue_attempt *attempt)
{
    char text[32];
    (void)context;
    printf("%-12s %s status=%d ms=%" PRId64 " ", "attempt", time_text(attempt->at_ms, text),
           attempt->status, attempt->ms);
    pretty_text(attempt->error);
    putchar('\n');
    if (attempt->reply_size > 0) {
        char reply[2048];
        snprintf(reply, sizeof reply, "%.*s", (int)attempt->reply_size,
                 (const char *)attempt->reply);
        print_row("  answered", reply);
    }
    return 0;
}

static int show(struct queue *queue, const struct arguments *arguments, struct error *err)
{
    struct delivery *d;
    char text[32];
    int code = queue_show(queue, arguments->operands[0], &d, err);
    if (code != 0)
        return code;
    print_row("id", d->id);
    if (d->about)
        print_row("about", d->about);
    print_row("state", state_name(d->state));
    print_destination(&d->destination);
    if (d->via)
        print_row("via", d->via);
    print_row("sender", d->sender);
    if (d->mail_from)
        print_row("mail-from", *d->mail_from ? d->mail_from : "<>");
    print_row("recipient", d->recipient);
    print_row("created", time_text(d->created_ms, text));
    print_row("due", d->state == DELIVERY_FAILED ? "" : time_text(d->due_ms, text));
    printf("%-12s %u\n", "attempts", d->attempts);
    printf("%-12s %d\n", "last-status", d->last_status);
    print_row("last-error", d->last_error ? d->last_error : "");
    code = queue_attempts(queue, d, print_attempt, NULL, err);
    printf("%-12s %" PRIu64 "\n\n", "size", payload_size(d->payload));
    if (code == 0)
        code = print_payload(d->payload, err);
    delivery_free(d);
    return code;
}

static int print_origin(void *context, const struct queue_origin *origin)
{
    char due[32], until[32];
    (void)context;
    pretty_text(origin->name);
    printf(" waiting=%" PRId64 " due=%s", origin->waiting, time_text(origin->next_due_ms, due));
    if (origin->held_until_ms)
        printf(" failures=%u held-until=%s", origin->failures,
               time_text(origin->held_until_ms, until));
    putchar('\n');
    return 0;
}

static int origins(struct queue *queue, const struct arguments *arguments, struct error *err)
{
    (void)arguments;
    return queue_origins(queue, print_origin, NULL, err);
}

/* Either the ids, or all that a filter finds; never all without one. */
static int change(struct queue *queue, const struct arguments *arguments, struct error *err,
                  int (*one)(struct queue *, const char *, struct error *),
                  int64_t (*all)(struct queue *, const struct queue_filter *, struct error *))
{
    if (arguments->has_filter == (arguments->operand_count > 0))
        return error_set(err, -EINVAL, "either IDs or a filter, such as --all-failed");
    if (arguments->has_filter) {
        int64_t count = all(queue, &arguments->filter, err);
        if (count >= 0)
            printf("%" PRId64 "\n", count);
        return count < 0 ? (int)count : 0;
    }
    int code = 0;
    for (int i = 0; i < arguments->operand_count && code == 0; i++)
        code = one(queue, arguments->operands[i], err);
    return code;
}

static int retry(struct queue *queue, const struct arguments *arguments, struct error *err)
{
    return change(queue, arguments, err, queue_retry, queue_retry_all);
}

static int drop(struct queue *queue, const struct arguments *arguments, struct error *err)
{
    return change(queue, arguments, err, queue_drop, queue_drop_all);
}

struct action {
    const char *name;
    int (*run)(struct queue *, const struct arguments *, struct error *);
    int min_operands, max_operands;
};

static const struct action actions[] = {
    {"list", list, 0, 0},       {"show", show, 1, 1},     {"origins", origins, 0, 0},
    {"retry", retry, 0, 10000}, {"drop", drop, 0, 10000},
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

/* A time, or how long ago. False: neither. */
static bool parse_since(const char *text, int64_t *since_ms)
{
    struct tm tm = {0};
    char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (!end || *end) {
        tm = (struct tm){0};
        end = strptime(text, "%Y-%m-%d", &tm);
    }
    if (end && !*end) {
        *since_ms = (int64_t)timegm(&tm) * 1000;
        return true;
    }
    static const char units[] = "smhd";
    static const int seconds[] = {1, 60, 3600, 86400};
    long long ago = strtoll(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (end == text || !unit || end[1] || ago < 0 || ago > 1000000)
        return false;
    *since_ms = clock_unix_ms() - ago * seconds[unit - units] * 1000;
    return true;
}

static const char *read_since(void *context, const char *value)
{
    struct arguments *arguments = context;
    return parse_since(value, &arguments->filter.since_ms) ? NULL : "a time";
}

static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    struct queue_filter *filter = &arguments->filter;
    const struct cli_option options[] = {{.name = "failed", .flag = &filter->failed_only},
                                         {.name = "all-failed", .flag = &filter->failed_only},
                                         {.name = "destination", .text = &filter->destination},
                                         {.name = "since", .read = read_since},
                                         {.name = "to", .text = &arguments->to},
                                         CLI_CONFIG_OPTION(&arguments->config),
                                         {0}};
    int code = cli_options(argc, argv, help, options, arguments);
    arguments->has_filter = filter->failed_only || filter->destination || filter->since_ms;
    arguments->operands = argv + optind + 1;
    arguments->operand_count = argc - optind - 1;
    return code;
}

int cli_queue(int argc, char **argv)
{
    struct arguments arguments = {.config = CLI_CONFIG_PATH};
    int exit_code = parse_arguments(argc, argv, &arguments);
    if (exit_code >= 0)
        return exit_code;
    if (optind < argc && strcmp(argv[optind], "export") == 0 && arguments.operand_count == 0 &&
        arguments.to && !arguments.has_filter)
        return cli_queue_export(arguments.config, arguments.to);
    const struct action *action =
        optind < argc && !arguments.to ? find_action(&arguments, argv[optind]) : NULL;
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
