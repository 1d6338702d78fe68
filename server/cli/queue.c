/* `mxhook queue`: its arguments, and who does what they ask for. */
#include "queue.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../config/destination_read.h"
#include "cli.h"
#include "nearest.h"
#include "when.h"

static const char help[] =
    "Usage: mxhook queue list|failures [FILTER...] [--json] [--config FILE]\n"
    "       mxhook queue origins [--json] [--config FILE]\n"
    "       mxhook queue show ID [--json] [--config FILE]\n"
    "       mxhook queue retry|drop ID... | FILTER... | --all [--dry-run] [--yes]\n"
    "                    [--config FILE]\n"
    "       mxhook queue edit ID... | FILTER... | --all --url URL | --secret TEXT |\n"
    "                    --unsigned [--dry-run] [--yes]\n"
    "       mxhook queue export --to FOLDER [--json] [--config FILE]\n"
    "Looks after what the spool holds, while the server runs or not.\n\n"
    "  list      a line for each delivery: id, state, attempts, due, recipient,\n"
    "            destination, last answer (a notice for deliver.on_failure says which\n"
    "            delivery it is about)\n"
    "  failures  what has failed by destination and reason, most first: how many,\n"
    "            when the first and the last were accepted, and the id of one\n"
    "  origins   a line for each scheme://host:port, smarthost, or MX of a domain,\n"
    "            that something waits for or has failed at: deliveries, next due,\n"
    "            failed, after how many failures it is held, and until when; of the\n"
    "            history when it was last tried, what it answered, and how long its\n"
    "            answers take\n"
    "  show      one delivery with its attempts and the JSON or mail that it carries\n"
    "            (--json: without)\n"
    "  retry     attempts it now, with all its attempts before it; says where that\n"
    "            must wait, for a destination that is held or paused\n"
    "  edit      another URL, as where an endpoint has moved, or another secret; not\n"
    "            of e-mail. What is under way goes where it went; what has failed\n"
    "            goes there when it is retried\n"
    "  drop      removes it for good\n"
    "  export    saves all that can be read of a damaged spool (or a sound one) as a\n"
    "            new spool in FOLDER, and says what is lost; to go on with it, put it\n"
    "            in the old one's place\n\n"
    "Filters, all of which must hold:\n"
    "      --failed            those that have used up their attempts (or\n"
    "                          --all-failed)\n"
    "      --destination URL   exactly this URL or e-mail address\n"
    "      --prefix TEXT       a URL that begins so\n"
    "      --host HOST         a URL's host, or an address's domain\n"
    "      --recipient ADDRESS, --sender ADDRESS\n"
    "      --status CODE       the last answer's; 0: none came\n"
    "      --error TEXT        the last error holds TEXT\n"
    "      --since WHEN, --until WHEN  accepted then or later; before: 2h, 1d12h, 1w\n"
    "                            (ago), yesterday, 10:00, 2026-11-24,\n"
    "                            2026-11-24T10:00:00+01:00; without a zone local\n"
    "      --all               everything\n\n"
    "      --dry-run           shows what would be retried, edited or dropped, and\n"
    "                          changes nothing\n"
    "  -y, --yes               does not ask (it asks for a filter, on a terminal)\n"
    "      --json              JSON instead of lines\n"
    "      --now               retry: a held destination is probed at once, by one\n"
    "                          request\n"
    "      --url URL           edit: where it goes from now on\n"
    "      --secret TEXT       edit: what it is signed with; env:NAME and file:/path\n"
    "                          are read when needed\n"
    "      --unsigned          edit: it is not signed any more\n"
    "      --to FOLDER         the new spool; must not be there\n"
    "  -c, --config FILE       the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help              this text\n";

static const struct action {
    const char *name;
    int (*run)(struct queue *, const struct queue_arguments *,
               struct error *); /* NULL: export, which opens no queue */
    int min_operands, max_operands;
    bool filters, changes;
} actions[] = {
    {"list", queue_print_list, 0, 0, true, false},
    {"failures", queue_print_failures, 0, 0, true, false},
    {"origins", queue_print_origins, 0, 0, false, false},
    {"show", queue_print_show, 1, 1, false, false},
    {"retry", queue_change_retry, 0, 10000, true, true},
    {"drop", queue_change_drop, 0, 10000, true, true},
    {"edit", queue_change_edit, 0, 10000, true, true},
    {"export", NULL, 0, 0, false, false},
};

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(name, actions[i].name) == 0)
            return &actions[i];
    return NULL;
}

/* ---- Arguments ---- */

static const char *read_since(void *context, const char *value)
{
    struct queue_arguments *arguments = context;
    return cli_when(value, &arguments->filter.since_ms) ? NULL : WHEN_EXPECTED;
}

static const char *read_until(void *context, const char *value)
{
    struct queue_arguments *arguments = context;
    return cli_when(value, &arguments->filter.until_ms) ? NULL : WHEN_EXPECTED;
}

static const char *read_status(void *context, const char *value)
{
    struct queue_arguments *arguments = context;
    char *end;
    long status = strtol(value, &end, 10);
    if (end == value || *end || status < 0 || status > 999)
        return "a status from 0 to 999";
    arguments->filter.has_status = true;
    arguments->filter.status = (int)status;
    return NULL;
}

/* An empty value is a variable that was not set, as a rule: it must not stand for all there is. */
static const char *empty_value(const struct queue_filter *filter)
{
    const struct {
        const char *name, *value;
    } texts[] = {
        {"destination", filter->destination}, {"prefix", filter->prefix}, {"host", filter->host},
        {"recipient", filter->recipient},     {"sender", filter->sender}, {"error", filter->error}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].value && cli_is_blank(texts[i].value))
            return texts[i].name;
    return NULL;
}

static bool filters_anything(const struct queue_filter *f)
{
    return f->failed_only || f->destination || f->prefix || f->host || f->recipient || f->sender ||
           f->error || f->has_status || f->since_ms || f->until_ms;
}

static int parse_arguments(int argc, char **argv, struct queue_arguments *arguments)
{
    struct queue_filter *filter = &arguments->filter;
    bool all_failed = false;
    const struct cli_option options[] = {{.name = "failed", .flag = &filter->failed_only},
                                         {.name = "all-failed", .flag = &all_failed},
                                         {.name = "destination", .text = &filter->destination},
                                         {.name = "prefix", .text = &filter->prefix},
                                         {.name = "host", .text = &filter->host},
                                         {.name = "recipient", .text = &filter->recipient},
                                         {.name = "sender", .text = &filter->sender},
                                         {.name = "error", .text = &filter->error},
                                         {.name = "status", .read = read_status},
                                         {.name = "since", .read = read_since},
                                         {.name = "until", .read = read_until},
                                         {.name = "all", .flag = &arguments->all},
                                         {.name = "dry-run", .flag = &arguments->dry_run},
                                         {.name = "yes", .letter = 'y', .flag = &arguments->yes},
                                         {.name = "json", .flag = &arguments->json},
                                         {.name = "to", .text = &arguments->to},
                                         {.name = "now", .flag = &arguments->now},
                                         {.name = "url", .text = &arguments->edit.url},
                                         {.name = "secret", .text = &arguments->edit.secret},
                                         {.name = "unsigned", .flag = &arguments->edit.unsign},
                                         CLI_CONFIG_OPTION(&arguments->config),
                                         {0}};
    int code = cli_options(argc, argv, help, options, arguments);
    filter->failed_only |= all_failed;
    arguments->has_filter = arguments->all || filters_anything(filter);
    arguments->operands = argv + optind + 1;
    arguments->operand_count = argc - optind - 1;
    return code;
}

static int usage(const char *what, const char *why)
{
    fprintf(stderr, "mxhook queue: %s%s\nTry: mxhook queue --help\n", what, why);
    return CLI_USAGE;
}

/* -1: what is to be edited, and into what, is right. */
static int check_edit(const struct action *action, const struct queue_edit *edit)
{
    struct error why = {""};
    bool any = edit->url || edit->secret || edit->unsign;
    if (action->run != queue_change_edit)
        return any ? usage(action->name, " takes no --url, --secret, --unsigned: edit does") : -1;
    if (!any)
        return usage("edit", ": one of --url, --secret, --unsigned");
    if (edit->secret && edit->unsign)
        return usage("edit", ": either --secret or --unsigned");
    if (edit->secret && !*edit->secret)
        return usage("--secret", ": its value is empty; without one is --unsigned");
    if (edit->url && strncasecmp(edit->url, "http://", 7) != 0 &&
        strncasecmp(edit->url, "https://", 8) != 0)
        return usage("--url", ": a URL is expected, http:// or https://");
    if (edit->url && destination_check_target(edit->url, strlen(edit->url), &why) != 0)
        return usage("--url: ", why.text);
    return -1;
}

/* -1: they are what the action takes. */
static int check_arguments(const struct action *action, const struct queue_arguments *arguments)
{
    const char *empty = empty_value(&arguments->filter);
    int operands = arguments->operand_count;
    if (empty)
        return usage(empty, ": its value is empty; everything is --all");
    if (operands < action->min_operands || operands > action->max_operands)
        return usage(action->name, action->max_operands ? ": one ID is expected" : " takes no ID");
    if (arguments->has_filter && !action->filters)
        return usage(action->name, " takes no filter");
    if (arguments->all && filters_anything(&arguments->filter))
        return usage("", "either --all or a filter");
    if (action->changes && arguments->has_filter == (operands > 0))
        return usage(action->name, ": either IDs, or a filter such as --failed, or --all");
    if (!action->changes && (arguments->dry_run || arguments->yes))
        return usage(action->name, " changes nothing: no --dry-run, no --yes");
    if (!action->run && !arguments->to)
        return usage("export", ": --to FOLDER is expected");
    if (action->run && arguments->to)
        return usage("--to", " is for export");
    if (arguments->now && action->run != queue_change_retry)
        return usage("--now", " is for retry");
    return check_edit(action, &arguments->edit);
}

struct asked {
    const struct action *action;
    const struct queue_arguments *arguments;
};

static int act(struct queue *queue, const struct config *config, void *context, struct error *err)
{
    const struct asked *asked = context;
    struct queue_arguments arguments = *asked->arguments;
    arguments.loaded = config;
    return asked->action->run(queue, &arguments, err);
}

static int run(const struct action *action, const struct queue_arguments *arguments)
{
    return cli_with_queue("queue", arguments->config, act, &(struct asked){action, arguments});
}

int cli_queue(int argc, char **argv)
{
    struct queue_arguments arguments = {.config = CLI_CONFIG_PATH};
    int exit_code = parse_arguments(argc, argv, &arguments);
    if (exit_code >= 0)
        return exit_code;
    if (optind == argc) {
        fputs(help, stderr);
        return CLI_USAGE;
    }
    const struct action *action = find_action(argv[optind]);
    if (!action)
        return nearest_unknown("queue", argv[optind],
                               &(struct nearest_names)NEAREST_NAMES(actions));
    exit_code = check_arguments(action, &arguments);
    if (exit_code >= 0)
        return exit_code;
    return action->run ? run(action, &arguments)
                       : cli_queue_export(arguments.config, arguments.to, arguments.json);
}
