#include "history.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../history/json.h"
#include "../mail/message.h"
#include "cli.h"
#include "nearest.h"
#include "rules.h"

#define LIST_DEFAULT  50
#define LIST_MAX      10000
#define RATE_DEFAULT  50
#define RATE_MAX      10000
#define SUBJECT_LEAST 3 /* characters: the index has all parts of that size */

static const char help[] =
    "Usage: mxhook history list [FILTER]... [--limit N] [--cursor N] [--json]\n"
    "                      [--config FILE]\n"
    "       mxhook history show ID [--json] [--config FILE]\n"
    "       mxhook history story ID [--json] [--config FILE]\n"
    "       mxhook history message ID | payload ID [--config FILE]\n"
    "       mxhook history replay FILTER... [--to URL] [--rate N] [--new-id]\n"
    "                      [--through-rules] [--dry-run]\n"
    "What was accepted, refused, delivered and failed, as long as history.keep says.\n"
    "Works while the server runs or not.\n\n"
    "  list     a line for each message, the newest first\n"
    "  show     one message (ID of it, or of one of its deliveries)\n"
    "  story    all messages of a connection, or one: who sent it, each rule that was\n"
    "           asked and its answer, the reply, each attempt\n"
    "  message  the message as it came, where history.bodies = \"all\" kept it\n"
    "  payload  what was sent by a delivery, where history.bodies kept it\n"
    "  replay   sends again what the filter finds and bodies were kept of, the oldest\n"
    "           first, from this process: one attempt each, the spool has no part in\n"
    "           it\n\n"
    "Filters:\n"
    "      --sender ADDRESS     of MAIL FROM; @example.com: all of that domain\n"
    "      --recipient ADDRESS  the same for RCPT TO\n"
    "      --subject TEXT       a part of the subject, 3 characters or more\n"
    "                           (history.subjects)\n"
    "      --id ID              of a connection, a message or a delivery\n"
    "      --destination URL    without its query, or only scheme://host:port; or an\n"
    "                           e-mail address\n"
    "      --result RESULT      accepted, deferred or rejected\n"
    "      --state STATE        of a delivery: waiting, delivered, failed or dropped\n"
    "      --status N           of a delivery's last answer\n"
    "      --since WHEN         2026-11-24, 2026-11-24T10:00Z, yesterday, 30m, 6h,\n"
    "                           2d, 1w\n"
    "      --until WHEN         the same\n\n"
    "      --limit N            messages at most (list: 50)\n"
    "      --cursor N           goes on where a list ended (its last line, or \"next\")\n"
    "      --to URL             another destination, unsigned\n"
    "      --rate N             deliveries a second (default 50)\n"
    "      --new-id             a webhook-id of their own: receivers that know the\n"
    "                           old one take it again\n"
    "      --through-rules      to where today's rules say, made anew from the\n"
    "                           message (needs history.bodies = \"all\"); not e-mail\n"
    "      --dry-run            sends nothing; with --through-rules: says what would\n"
    "                           go elsewhere\n"
    "      --json               JSON for programs: mxhook-admin(7) describes it;\n"
    "                           replay: a line for each\n"
    "  -c, --config FILE        the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help               this text\n\n"
    "Exit code: 0 done, 1 failed (replay: one was not answered 2xx), 2 wrong usage.\n";

struct arguments {
    const char *config, *action;
    struct history_filter filter;
    struct replay_options replay;
    int limit, cursor;
    bool json;
    char **operands;
    int operand_count;
};

/* ---- Printing ---- */

struct printing {
    struct history_reader *reader;
    struct json *json; /* NULL: text */
    int64_t last;
    unsigned count;
    bool story;
};

static int print_one(void *context, const struct history_message *m)
{
    struct printing *printing = context;
    printing->last = m->row;
    printing->count++;
    if (printing->json && printing->story)
        return history_json_story(printing->json, printing->reader->ops, printing->reader->store,
                                  m);
    if (printing->json)
        history_json_message(printing->json, m);
    else if (printing->story)
        return history_print_story(printing->reader, m);
    else
        history_print_line(m);
    return 0;
}

static int store_failed(struct history_reader *reader, int code, struct error *err)
{
    if (code == -EINVAL)
        return error_set(err, code, "%s", HISTORY_WORDS);
    return error_set(err, code, "the history: %s", reader->ops->error(reader->store));
}

/* {"messages": [...], "next": cursor or null} */
static int print_all(struct history_reader *reader, const struct arguments *arguments, bool story,
                     unsigned *count, struct error *err)
{
    struct printing printing = {.reader = reader, .story = story};
    struct json *json = NULL;
    struct spill *out = NULL;
    if (arguments->json) {
        json = malloc(sizeof *json);
        out = spill_new(spill_temporary_directory(), NULL);
        if (!json || !out) {
            free(json);
            spill_free(out);
            return error_set(err, -ENOMEM, "out of memory");
        }
        json_init(json, out);
        json_begin_object(json);
        json_key(json, "messages");
        json_begin_array(json);
        printing.json = json;
    }
    int code = reader->ops->list(reader->store, &arguments->filter, print_one, &printing);
    bool more = printing.count == arguments->filter.limit;
    if (json) {
        json_end_array(json);
        json_key(json, "next");
        if (more)
            json_number(json, printing.last);
        else
            json_null(json);
        json_end_object(json);
        if (code == 0 && (code = json_finish(json)) == 0)
            code = cli_print_spill(out);
    } else if (more &&
               arguments->operand_count == 0) { /* of one that was asked for there is no more */
        printf("(more: --cursor %lld)\n", (long long)printing.last);
    }
    free(json);
    spill_free(out);
    *count = printing.count;
    return code == 0 ? 0 : store_failed(reader, code, err);
}

static int list(struct history_reader *reader, struct arguments *arguments, struct error *err)
{
    unsigned count;
    if (arguments->filter.limit == 0)
        arguments->filter.limit = LIST_DEFAULT;
    return print_all(reader, arguments, false, &count, err);
}

/* A delivery's id is its message's, and a number. */
static void message_id(char id[ID_SIZE], const char *operand)
{
    snprintf(id, ID_SIZE, "%s", operand);
    char *first = strchr(id, '-'), *second = first ? strchr(first + 1, '-') : NULL;
    if (second)
        *second = 0;
}

static int print_operand(struct history_reader *reader, struct arguments *arguments, bool story,
                         struct error *err)
{
    char id[ID_SIZE];
    unsigned count = 0;
    message_id(id, arguments->operands[0]);
    arguments->filter = (struct history_filter){.id = id, .limit = story ? 100 : 1};
    int code = print_all(reader, arguments, story, &count, err);
    if (code == 0 && count == 0)
        return error_set(err, -ENOENT, "%s: not in the history", arguments->operands[0]);
    return code;
}

static int show(struct history_reader *reader, struct arguments *arguments, struct error *err)
{
    return print_operand(reader, arguments, false, err);
}

static int story(struct history_reader *reader, struct arguments *arguments, struct error *err)
{
    return print_operand(reader, arguments, true, err);
}

/* ---- Bodies ---- */

struct finding {
    const char *id;
    int64_t body;
    bool found;
};

static int find_body(void *context, const struct history_message *m)
{
    struct finding *finding = context;
    size_t size = strlen(m->id);
    finding->found |= strcmp(finding->id, m->id) == 0;
    if (strcmp(finding->id, m->id) == 0)
        finding->body = m->body;
    if (strncmp(finding->id, m->id, size) != 0 || finding->id[size] != '-')
        return 0;
    unsigned number = (unsigned)strtoul(finding->id + size + 1, NULL, 10);
    for (size_t i = 0; i < m->delivery_count; i++)
        if (m->deliveries[i].number == number) {
            finding->found = true;
            finding->body = m->deliveries[i].body;
        }
    return 0;
}

static int print_body(struct history_reader *reader, struct arguments *arguments, struct error *err)
{
    char id[ID_SIZE];
    struct finding finding = {.id = arguments->operands[0]};
    struct spill *bytes = NULL;
    message_id(id, arguments->operands[0]);
    struct history_filter filter = {.id = id, .limit = 1};
    int code = reader->ops->list(reader->store, &filter, find_body, &finding);
    if (code != 0)
        return store_failed(reader, code, err);
    if (!finding.found)
        return error_set(err, -ENOENT, "%s: not in the history", arguments->operands[0]);
    if (finding.body == 0 || reader->ops->body(reader->store, finding.body, &bytes) != 0)
        return error_set(err, -ENOENT, "%s: its bytes were not kept (history.bodies)",
                         arguments->operands[0]);
    code = cli_print_spill(bytes);
    spill_free(bytes);
    return code == 0 ? 0 : error_set(err, code, "%s", strerror(-code));
}

/* ---- The command ---- */

static bool has_filter(const struct history_filter *f)
{
    return f->sender || f->recipient || f->subject || f->id || f->destination || f->result ||
           f->state || f->status || f->since_ms || f->until_ms;
}

static const char *read_since(void *context, const char *value)
{
    return cli_when(value, &((struct arguments *)context)->filter.since_ms) ? NULL : "a time";
}

static const char *read_until(void *context, const char *value)
{
    return cli_when(value, &((struct arguments *)context)->filter.until_ms) ? NULL : "a time";
}

static const char *read_subject(void *context, const char *value)
{
    ((struct arguments *)context)->filter.subject = value;
    return strlen(value) >= SUBJECT_LEAST ? NULL : "3 characters or more";
}

/* A script whose variable is empty means something else than "any". */
static const char *empty_value(const struct history_filter *f)
{
    const char *const values[] = {f->sender,      f->recipient, f->id,
                                  f->destination, f->result,    f->state};
    static const char *const names[] = {"sender",      "recipient", "id",
                                        "destination", "result",    "state"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (values[i] && cli_is_blank(values[i]))
            return names[i];
    return NULL;
}

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    struct history_filter *f = &a->filter;
    int status = 0;
    const struct cli_option options[] = {
        {.name = "sender", .text = &f->sender},
        {.name = "recipient", .text = &f->recipient},
        {.name = "subject", .read = read_subject},
        {.name = "id", .text = &f->id},
        {.name = "destination", .text = &f->destination},
        {.name = "result", .text = &f->result},
        {.name = "state", .text = &f->state},
        {.name = "status", .number = &status, .min = 1, .max = 999},
        {.name = "since", .read = read_since},
        {.name = "until", .read = read_until},
        {.name = "limit", .number = &a->limit, .min = 1, .max = LIST_MAX},
        {.name = "cursor", .number = &a->cursor, .min = 1, .max = INT32_MAX},
        {.name = "to", .text = &a->replay.to},
        {.name = "rate", .number = &a->replay.rate, .min = 1, .max = RATE_MAX},
        {.name = "new-id", .flag = &a->replay.new_id},
        {.name = "through-rules", .flag = &a->replay.through_rules},
        {.name = "dry-run", .flag = &a->replay.dry_run},
        {.name = "json", .flag = &a->json},
        CLI_CONFIG_OPTION(&a->config),
        {0}};
    int code = cli_options(argc, argv, help, options, a);
    f->status = status;
    f->limit = (unsigned)a->limit;
    f->before = a->cursor;
    a->action = optind < argc ? argv[optind] : "";
    a->operands = argv + optind + 1;
    a->operand_count = argc - optind - 1;
    const char *empty = empty_value(f);
    bool bytes = strcmp(a->action, "message") == 0 || strcmp(a->action, "payload") == 0;
    if (code < 0 && bytes && a->json) {
        fprintf(stderr, "mxhook history: %s prints bytes: no --json\n", a->action);
        return CLI_USAGE;
    }
    if (code < 0 && empty) {
        fprintf(stderr, "mxhook history: --%s: empty\n", empty);
        return CLI_USAGE;
    }
    return code;
}

struct action {
    const char *name;
    int (*run)(struct history_reader *, struct arguments *, struct error *); /* NULL: replay */
    int operands;
};

static const struct action actions[] = {{"list", list, 0},          {"show", show, 1},
                                        {"story", story, 1},        {"message", print_body, 1},
                                        {"payload", print_body, 1}, {"replay", NULL, 0}};

static int run(const struct action *action, struct arguments *arguments)
{
    struct history_reader reader = {0};
    struct error err = {""};
    int code = config_load(arguments->config, &reader.config, &err);
    if (code != 0)
        return cli_fail("history", &err);
    reader.ops = history_ops_of(reader.config);
    code = reader.ops->open(&reader.config->spool, HISTORY_READ, &reader.store, &err);
    int exit_code = CLI_OK;
    if (code == 0 && !action->run)
        exit_code = history_replay(&reader, &arguments->filter, &arguments->replay);
    else if (code == 0)
        code = action->run(&reader, arguments, &err);
    reader.ops->close(reader.store);
    config_unref(reader.config);
    return code == 0 ? exit_code : cli_fail("history", &err);
}

int cli_history(int argc, char **argv)
{
    struct arguments arguments = {.config = CLI_CONFIG_PATH, .replay.rate = RATE_DEFAULT};
    int code = parse_arguments(argc, argv, &arguments);
    if (code >= 0)
        return code;
    log_set_level(LOG_WARN);
    message_init();
    arguments.replay.json = arguments.json;
    if (!*arguments.action) {
        fputs(help, stderr);
        return CLI_USAGE;
    }
    const struct action *action = NULL;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(arguments.action, actions[i].name) == 0)
            action = &actions[i];
    if (!action)
        return nearest_unknown("history", arguments.action,
                               &(struct nearest_names)NEAREST_NAMES(actions));
    const char *wrong = arguments.operand_count != action->operands
                            ? action->operands ? ": one ID is expected" : " takes no ID"
                        : !action->run && !has_filter(&arguments.filter)
                            ? " needs a filter, such as --since yesterday"
                            : NULL;
    if (!wrong)
        return run(action, &arguments);
    fprintf(stderr, "mxhook history: %s%s\nTry: mxhook history --help\n", action->name, wrong);
    return CLI_USAGE;
}
