#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../trial.h"
#include "cli.h"
#include "compare.h"
#include "route_print.h"
#include "rules.h"
#include "when.h"

static const char help[] =
    "Usage: mxhook route [OPTION]... FILE.eml\n"
    "       mxhook route [OPTION]... --from PATH --against DIR\n"
    "Shows which rules see this message, what each answers, and where it goes.\n"
    "Nothing is sent. FILE may be '-': standard input. With --against, many messages\n"
    "go through two folders of rules, and what differs is shown: what a reload would\n"
    "change.\n\n"
    "      --rcpt ADDRESS      of RCPT TO, as often as needed (default: the first\n"
    "                          address of To)\n"
    "      --sender ADDRESS    of MAIL FROM (default: the first address of From)\n"
    "      --client-ip IP      of the client (default: 127.0.0.1)\n"
    "      --client-name NAME  that its address has (default: none)\n"
    "      --spf RESULT        that authentication found: none, pass, fail, softfail,\n"
    "                          ...\n"
    "      --dkim RESULT       of one signature of the domain in From\n"
    "      --dmarc RESULT      (default of the three: nothing was checked)\n"
    "      --dnsbl ZONE        of a blocklist that has the client, as often as needed\n"
    "      --scan              asks the configuration's scanner, as the server would\n"
    "      --rules DIR         the rules of this folder, with default limits; no\n"
    "                          configuration\n"
    "      --json              a line of JSON for each recipient\n"
    "      --from PATH         a folder of messages, with what is below it, or an\n"
    "                          mbox; or the word history: what was received and kept\n"
    "                          (history.bodies = \"all\"), for the recipients that it\n"
    "                          had. --sender and one --rcpt pick from it, and\n"
    "      --since WHEN        2026-11-24, 2026-11-24T10:00Z, yesterday, 30m, 6h, 2d,\n"
    "                          1w\n"
    "      --until WHEN        the same\n"
    "      --limit N           so many messages at most, the newest\n"
    "      --against DIR       the other rules\n"
    "  -c, --config FILE       the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help              this text\n\n"
    "Exit code: 0 where every recipient is accepted, 1 where one is not; of\n"
    "--against, 0 where nothing differs, 1 where something does.\n";

#define MAX_RECIPIENTS 100
#define MAX_LISTS      16

struct arguments {
    const char *config, *rules, *file, *from, *against;
    const char *recipients[MAX_RECIPIENTS];
    size_t recipient_count;
    struct trial_envelope envelope;
    struct dkim_result signature;
    struct dnsbl_result lists[MAX_LISTS];
    bool json, scan;
    struct history_filter filter; /* of --from history */
    int limit;
};

/* --spf, --dkim, --dmarc: where one is given, the others are "none". */
static const char *read_auth(struct arguments *arguments, const char *value, enum auth_code *code)
{
    if (!auth_code_parse(value, code))
        return "none, pass, fail, softfail, neutral, policy, temperror or permerror";
    if (!arguments->envelope.auth)
        arguments->envelope.auth = auth_result_new();
    return arguments->envelope.auth ? NULL : "more memory";
}

static const char *read_spf(void *context, const char *value)
{
    struct arguments *arguments = context;
    enum auth_code code;
    const char *expected = read_auth(arguments, value, &code);
    if (!expected)
        arguments->envelope.auth->spf.code = code;
    return expected;
}

static const char *read_dkim(void *context, const char *value)
{
    struct arguments *arguments = context;
    enum auth_code code;
    const char *expected = read_auth(arguments, value, &code);
    if (expected)
        return expected;
    arguments->signature = (struct dkim_result){code, "", "", "", "", NULL};
    arguments->envelope.auth->dkim = &arguments->signature;
    arguments->envelope.auth->dkim_count = code == AUTH_NONE ? 0 : 1;
    return NULL;
}

static const char *read_dmarc(void *context, const char *value)
{
    struct arguments *arguments = context;
    enum auth_code code;
    const char *expected = read_auth(arguments, value, &code);
    if (!expected)
        arguments->envelope.auth->dmarc.code = code;
    return expected;
}

static const char *read_list(void *context, const char *value)
{
    static const char *const codes[] = {"127.0.0.2"};
    struct arguments *arguments = context;
    if (!arguments->envelope.auth && !(arguments->envelope.auth = auth_result_new()))
        return "more memory";
    struct auth_result *auth = arguments->envelope.auth;
    if (auth->dnsbl_count == MAX_LISTS)
        return "no more than 16 of them";
    auth->dnsbl = arguments->lists;
    auth->dnsbl[auth->dnsbl_count++] =
        (struct dnsbl_result){.zone = value, .listed = true, .codes = codes, .code_count = 1};
    return NULL;
}

static const char *read_recipient(void *context, const char *value)
{
    struct arguments *arguments = context;
    if (arguments->recipient_count == MAX_RECIPIENTS)
        return "no more than 100 of them";
    arguments->recipients[arguments->recipient_count++] = value;
    return NULL;
}

static const char *read_since(void *context, const char *value)
{
    return cli_when(value, &((struct arguments *)context)->filter.since_ms) ? NULL : "a time";
}

static const char *read_until(void *context, const char *value)
{
    return cli_when(value, &((struct arguments *)context)->filter.until_ms) ? NULL : "a time";
}

static bool is_from_history(const struct arguments *arguments)
{
    return arguments->from && strcmp(arguments->from, "history") == 0;
}

/* NULL, or what does not go with what. */
static const char *check_arguments(const struct arguments *arguments)
{
    const struct history_filter *f = &arguments->filter;
    if (!arguments->from != !arguments->against)
        return "--from and --against go together";
    if ((f->since_ms || f->until_ms || arguments->limit) && !is_from_history(arguments))
        return "--since, --until and --limit are for --from history";
    if (is_from_history(arguments) && arguments->rules)
        return "--from history takes a configuration, not --rules";
    return NULL;
}

static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    const struct cli_option options[] = {
        {.name = "rcpt", .read = read_recipient},
        {.name = "sender", .text = &arguments->envelope.sender},
        {.name = "client-ip", .text = &arguments->envelope.client_ip},
        {.name = "client-name", .text = &arguments->envelope.client_name},
        {.name = "spf", .read = read_spf},
        {.name = "dkim", .read = read_dkim},
        {.name = "dmarc", .read = read_dmarc},
        {.name = "dnsbl", .read = read_list},
        {.name = "rules", .text = &arguments->rules},
        {.name = "from", .text = &arguments->from},
        {.name = "against", .text = &arguments->against},
        {.name = "since", .read = read_since},
        {.name = "until", .read = read_until},
        {.name = "limit", .number = &arguments->limit, .min = 1, .max = 10000000},
        {.name = "json", .flag = &arguments->json},
        {.name = "scan", .flag = &arguments->scan},
        CLI_CONFIG_OPTION(&arguments->config),
        {0}};
    int code = cli_options(argc, argv, help, options, arguments);
    if (code >= 0)
        return code;
    const char *wrong = check_arguments(arguments);
    if (wrong) {
        fprintf(stderr, "mxhook route: %s\n", wrong);
        return CLI_USAGE;
    }
    return cli_operand(argc, argv, arguments->from ? NULL : "FILE", &arguments->file);
}

static int route_one(struct config *config, struct ruleset *rules, struct spill *data,
                     const struct arguments *arguments, const char *recipient)
{
    struct trial_envelope envelope = arguments->envelope;
    struct trial *trial;
    struct error err = {""};
    envelope.recipient = recipient;
    if (arguments->scan)
        envelope.ask_scan = cli_scan;
    if (trial_run(config, rules, data, &envelope, &trial, &err) != 0)
        return cli_fail("route", &err);
    int code = CLI_OK;
    if (arguments->json)
        code = route_print_json(trial);
    else
        route_print_text(trial);
    if (trial_reply(trial)->code != 250)
        code = CLI_FAILED;
    trial_free(trial);
    return code;
}

static int route_all(const struct arguments *arguments)
{
    struct config *config = NULL;
    struct ruleset *rules = NULL;
    struct spill *data = NULL;
    struct error err = {""};
    int code = CLI_OK;
    if (cli_load_rules(arguments->rules, arguments->config, &config, &rules, &err) != 0 ||
        cli_read_message(arguments->file, &data, &err) != 0)
        code = cli_fail("route", &err);
    else if (arguments->scan && config->scan.url_count == 0) {
        error_set(&err, -EINVAL, "--scan: the configuration has no scan.rspamd");
        code = cli_fail("route", &err);
    }
    bool fine = code == CLI_OK;
    if (fine && arguments->recipient_count == 0)
        code = route_one(config, rules, data, arguments, NULL);
    for (size_t i = 0; fine && i < arguments->recipient_count; i++)
        if (route_one(config, rules, data, arguments, arguments->recipients[i]) != CLI_OK)
            code = CLI_FAILED;
    spill_free(data);
    ruleset_unref(rules);
    config_unref(config);
    return code;
}

static int compare_them(struct compare *compare, const struct arguments *arguments,
                        struct error *err)
{
    struct history_filter filter = arguments->filter;
    if (!is_from_history(arguments))
        return compare_run(compare, arguments->from, err);
    filter.sender = arguments->envelope.sender;
    filter.recipient = arguments->recipient_count > 0 ? arguments->recipients[0] : NULL;
    filter.limit = (unsigned)arguments->limit;
    return compare_history(compare, &filter, err);
}

/* The other rules have the same limits and secrets. */
static int compare_all(const struct arguments *arguments)
{
    struct config *config = NULL;
    struct error err = {""};
    struct compare compare = {.recipients = arguments->recipients,
                              .recipient_count = arguments->recipient_count};
    int code = cli_load_rules(arguments->rules, arguments->config, &config, &compare.rules, &err);
    if (code == 0) {
        struct rules_config other = config->rules;
        other.directory = (char *)arguments->against;
        compare.config = config;
        code = ruleset_load(&other, 1, &compare.others, &err);
    }
    if (code == 0)
        code = compare_them(&compare, arguments, &err);
    if (code == 0)
        printf("%zu messages, %zu outcomes, %zu differ\n", compare.messages, compare.outcomes,
               compare.different);
    if (code == 0 && compare.without_body > 0)
        printf("%zu messages of the history were not kept (history.bodies = \"all\")\n",
               compare.without_body);
    ruleset_unref(compare.rules);
    ruleset_unref(compare.others);
    config_unref(config);
    return code != 0 ? cli_fail("route", &err) : compare.different > 0 ? CLI_FAILED : CLI_OK;
}

int cli_route(int argc, char **argv)
{
    struct arguments arguments = {.config = CLI_CONFIG_PATH};
    int code = parse_arguments(argc, argv, &arguments);
    if (code < 0) {
        message_init();
        log_set_level(LOG_WARN);
        code = arguments.against ? compare_all(&arguments) : route_all(&arguments);
    }
    auth_result_free(arguments.envelope.auth);
    return code;
}
