/* `mxhook destination`: what an operator has paused. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../mail/json.h"
#include "cli.h"
#include "nearest.h"
#include "pretty.h"
#include "queue.h"

static const char help[] =
    "Usage: mxhook destination pause URL [--origin] [--reason TEXT] [--json]\n"
    "                          [--config FILE]\n"
    "       mxhook destination resume URL [--origin] [--json] [--config FILE]\n"
    "       mxhook destination list [--json] [--config FILE]\n"
    "Holds what goes to a destination, until it is resumed, over restarts and for all\n"
    "nodes. A server that runs heeds it within two seconds; what is under way ends.\n\n"
    "  pause   new mail is accepted and waits, no attempt is made and none is\n"
    "          counted; spool.max_age runs on. URL is meant without its query. For\n"
    "          e-mail: mx:example.net, or the smarthost, as mxhook queue origins\n"
    "          shows it. Once more: another reason\n"
    "  resume  what waits is due\n"
    "  list    what is paused, since when, why, and how much waits for it\n\n"
    "      --origin            all of the URL's scheme, host and port\n"
    "      --reason TEXT       for whoever looks at it later\n"
    "      --json              JSON instead of lines\n"
    "  -c, --config FILE       the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help              this text\n";

struct arguments {
    const char *config, *reason;
    bool origin, json;
    const char *url;
};

static void add_pause(struct json *json, const struct pause *pause)
{
    json_begin_object(json);
    json_pair(json, "destination", pause->name);
    json_pair(json, "scope", pause->lane ? "url" : "origin");
    queue_json_time(json, "since", pause->since_ms);
    json_pair(json, "reason", *pause->reason ? pause->reason : NULL);
    json_pair_number(json, "waiting", pause->waiting);
    json_end_object(json);
}

static void print_pause(const struct pause *pause)
{
    char since[WHEN_SIZE];
    pretty_text(pause->name);
    printf("%s since=%s waiting=%" PRId64, pause->lane ? "" : " (all of it)",
           when_write(pause->since_ms, since), pause->waiting);
    if (*pause->reason) {
        fputs(" reason=", stdout);
        pretty_text(pause->reason);
    }
    putchar('\n');
}

static int print_all(const struct pauses *pauses, bool as_json)
{
    struct queue_json *out = as_json ? queue_json_new() : NULL;
    if (as_json && !out)
        return -ENOMEM;
    if (out)
        json_begin_array(queue_json_writer(out));
    for (size_t i = 0; i < pauses->count; i++)
        if (out)
            add_pause(queue_json_writer(out), &pauses->list[i]);
        else
            print_pause(&pauses->list[i]);
    if (!out)
        return 0;
    json_end_array(queue_json_writer(out));
    return queue_json_print(out);
}

static int list(struct queue *queue, const struct arguments *arguments, struct error *err)
{
    struct pauses pauses = {0};
    int code = queue_pauses(queue, true, &pauses, err);
    if (code == 0)
        code = print_all(&pauses, arguments->json);
    pauses_free(&pauses);
    return code;
}

/* As the store has it now: how much waits, and since when. */
static int tell(struct queue *queue, const struct arguments *arguments, const struct pause *done,
                const char *word, struct error *err)
{
    struct pauses pauses = {0};
    int code = queue_pauses(queue, true, &pauses, err);
    const struct pause *now = pauses_exact(&pauses, done->origin, done->lane);
    struct pauses one = {.list = (struct pause *)(now ? now : done), .count = 1};
    if (code == 0 && !arguments->json)
        printf("%s ", word);
    if (code == 0 && !arguments->json && !now) {
        pretty_text(done->name);
        putchar('\n');
    } else if (code == 0) {
        code = print_all(&one, arguments->json);
    }
    pauses_free(&pauses);
    return code;
}

static int pause_it(struct queue *queue, const struct arguments *arguments, struct error *err)
{
    struct pause done;
    int code = queue_pause(queue, arguments->url, arguments->origin, arguments->reason, &done, err);
    return code == 0 ? tell(queue, arguments, &done, "paused", err) : code;
}

static int resume(struct queue *queue, const struct arguments *arguments, struct error *err)
{
    struct pause done;
    int code = queue_resume(queue, arguments->url, arguments->origin, &done, err);
    return code == 0 ? tell(queue, arguments, &done, "resumed", err) : code;
}

static const struct action {
    const char *name;
    int (*run)(struct queue *, const struct arguments *, struct error *);
    bool url, reason;
} actions[] = {
    {"pause", pause_it, true, true}, {"resume", resume, true, false}, {"list", list, false, false}};

struct asked {
    const struct action *action;
    const struct arguments *arguments;
};

static int act(struct queue *queue, const struct config *config, void *context, struct error *err)
{
    (void)config;
    const struct asked *asked = context;
    return asked->action->run(queue, asked->arguments, err);
}

static int run(const struct action *action, const struct arguments *arguments)
{
    return cli_with_queue("destination", arguments->config, act,
                          &(struct asked){action, arguments});
}

int cli_destination(int argc, char **argv)
{
    struct arguments arguments = {.config = CLI_CONFIG_PATH};
    const struct cli_option options[] = {{.name = "origin", .flag = &arguments.origin},
                                         {.name = "reason", .text = &arguments.reason},
                                         {.name = "json", .flag = &arguments.json},
                                         CLI_CONFIG_OPTION(&arguments.config),
                                         {0}};
    int exit_code = cli_options(argc, argv, help, options, NULL);
    if (exit_code >= 0)
        return exit_code;
    if (optind == argc) {
        fputs(help, stderr);
        return CLI_USAGE;
    }
    const struct action *action = NULL;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(argv[optind], actions[i].name) == 0)
            action = &actions[i];
    if (!action)
        return nearest_unknown("destination", argv[optind],
                               &(struct nearest_names)NEAREST_NAMES(actions));
    arguments.url = action->url && optind + 1 < argc ? argv[optind + 1] : NULL;
    const char *wrong = argc - optind - 1 != action->url      ? ": one URL is expected"
                        : arguments.reason && !action->reason ? " takes no --reason"
                        : arguments.origin && !action->url    ? " takes no --origin"
                        : arguments.url && !*arguments.url    ? ": the URL is empty"
                                                              : NULL;
    if (wrong && !action->url && argc - optind > 1)
        wrong = " takes no URL";
    if (wrong) {
        fprintf(stderr, "mxhook destination: %s%s\nTry: mxhook destination --help\n", action->name,
                wrong);
        return CLI_USAGE;
    }
    return run(action, &arguments);
}
