/*
 * mxhook send: a message through the rules to its real destinations, at once and by this process.
 * The spool has no part in it: so it works beside a running server as well as without one.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "../base/clock.h"
#include "../deliver/attempt.h"
#include "../deliver/srs.h"
#include "../base/redact.h"
#include "../base/log.h"
#include "../mail/date.h"
#include "../trial.h"
#include "cli.h"
#include "pretty.h"
#include "rules.h"

static const char help[] =
    "Usage: mxhook send [OPTION]... RECIPIENT\n"
    "Sends a sample message for this recipient through the rules to its real\n"
    "destinations, and shows each request, its answer and how long it took. The spool\n"
    "is not used: there is one attempt, while the server runs or not.\n\n"
    "      --eml FILE        this message instead of the sample ('-': standard input)\n"
    "      --sender ADDRESS  of MAIL FROM (default: the first address of From)\n"
    "  -c, --config FILE     the configuration (default " CLI_CONFIG_PATH ")\n"
    "  -h, --help            this text\n\n"
    "Exit code: 0 where every destination answered 2xx.\n";

struct arguments {
    const char *config, *eml, *recipient, *sender;
};

/* One request at a time, so that what is printed stays in order. */
struct sending {
    uv_loop_t loop;
    struct senders *senders;
    struct config *config;
    bool delivered; /* the last one */
};

/* ---- The message ---- */

static int sample_message(const char *recipient, struct spill **out, struct error *err)
{
    char text[4096], date[DATE_SIZE];
    date_write(clock_unix_ms() / 1000, date);
    int size = snprintf(text, sizeof text,
                        "From: mxhook test <test@mxhook.invalid>\r\n"
                        "To: <%s>\r\n"
                        "Subject: A test message from mxhook\r\n"
                        "Date: %s\r\n"
                        "Message-ID: <%lld.%d@mxhook.invalid>\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: multipart/mixed; boundary=sample\r\n\r\n"
                        "--sample\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
                        "If you can read this, your webhook works.\r\n"
                        "--sample\r\nContent-Type: text/plain; name=sample.txt\r\n"
                        "Content-Disposition: attachment; filename=sample.txt\r\n\r\n"
                        "A small attachment.\r\n--sample--\r\n",
                        recipient, date, (long long)clock_unix_ms(), (int)getpid());
    if (size < 0 || (size_t)size >= sizeof text)
        return error_set(err, -EINVAL, "%.60s...: the address is too long", recipient);
    *out = spill_from_bytes(text, (size_t)size);
    return *out ? 0 : error_set(err, -ENOMEM, "out of memory");
}

/* ---- The requests ---- */

/* One that lies in a file is not shown whole: nobody reads that. */
static void print_post(const struct delivery *d)
{
    char url[REDACT_SIZE];
    const char *body = spill_memory(d->payload->head);
    redact_url(d->destination.url, url);
    printf("POST %s%s, %" PRIu64 " bytes\n", url, d->destination.secret ? " (signed)" : "",
           payload_size(d->payload));
    if (body)
        pretty_json(stdout, body, (size_t)payload_size(d->payload), 2);
}

/* With the fields that are added; the message below them is the one that was given. */
static void print_mail(const struct delivery *d)
{
    const char *added = spill_memory(d->payload->head);
    printf("MAIL FROM:<%s> RCPT TO:<%s> by %s, %" PRIu64 " bytes\n", d->mail_from,
           d->destination.url, d->via, payload_size(d->payload));
    for (const char *line = added, *end = added + spill_size(d->payload->head); line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        fputs("  ", stdout);
        pretty_safe(stdout, line, (size_t)(next - line - 1));
        putchar('\n');
        line = next + 1;
    }
}

static void print_request(const struct delivery *d)
{
    if (destination_is_mail(&d->destination))
        print_mail(d);
    else
        print_post(d);
    fflush(stdout);
}

static void print_result(void *context, struct delivery *delivery,
                         const struct attempt_result *result)
{
    struct sending *sending = context;
    (void)delivery;
    sending->delivered = result->status >= 200 && result->status < 300;
    if (result->status)
        printf("=> %d in %" PRId64 " ms\n", result->status, result->elapsed_ms);
    else
        printf("=> no answer after %" PRId64 " ms: %s\n", result->elapsed_ms, result->error);
    if (result->reply_size > 0) {
        fputs("   ", stdout);
        pretty_safe(stdout, result->reply, result->reply_size);
        putchar('\n');
    }
    uv_stop(&sending->loop);
}

static int send_one(struct sending *sending, struct delivery *d)
{
    id_new(d->id);
    print_request(d);
    sending->delivered = false;
    if (!attempt_start(sending->senders, sending->config, d, print_result, sending))
        return -ENOMEM;
    uv_run(&sending->loop, UV_RUN_DEFAULT);
    return 0;
}

/* They are made in the reverse of the order that rules named them in. */
static struct delivery *reverse(struct delivery *deliveries)
{
    struct delivery *reversed = NULL;
    while (deliveries) {
        struct delivery *d = deliveries;
        deliveries = d->next;
        d->next = reversed;
        reversed = d;
    }
    return reversed;
}

static int send_all(struct sending *sending, struct processing *processing, bool *all_delivered)
{
    struct outgoing *outgoing = &processing->outgoing;
    int code = processing_render(processing);
    outgoing->deliveries = reverse(outgoing->deliveries);
    for (struct delivery *d = outgoing->deliveries; d && code == 0; d = d->next) {
        code = send_one(sending, d);
        *all_delivered &= sending->delivered;
    }
    outgoing_drop(outgoing);
    return code;
}

static int start_loop(struct sending *sending)
{
    int code = uv_loop_init(&sending->loop);
    if (code == 0 && (code = senders_new(&sending->loop, &sending->senders)) != 0)
        uv_loop_close(&sending->loop);
    return code;
}

static void end_loop(struct sending *sending)
{
    senders_free(sending->senders);
    uv_run(&sending->loop, UV_RUN_DEFAULT);
    uv_loop_close(&sending->loop);
}

static int no_destination(const struct trial *trial)
{
    const struct reply *reply = trial_reply(trial);
    printf("no destination: %d %s ", reply->code, reply->enhanced);
    pretty_safe(stdout, reply->text, strlen(reply->text));
    putchar('\n');
    return CLI_FAILED;
}

/* An exit code. */
static int deliver(struct config *config, struct trial *trial)
{
    struct sending sending = {.config = config};
    struct error err = {""};
    bool all_delivered = true;
    if (trial->verdict->kind != VERDICT_DELIVER)
        return no_destination(trial);
    int code = start_loop(&sending);
    if (code == 0) {
        code = send_all(&sending, &trial->processing, &all_delivered);
        end_loop(&sending);
    }
    if (code != 0) {
        error_set(&err, code, "%s", strerror(-code));
        return cli_fail("send", &err);
    }
    return all_delivered ? CLI_OK : CLI_FAILED;
}

/* ---- The command ---- */

static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    const struct cli_option options[] = {{.name = "eml", .text = &arguments->eml},
                                         {.name = "sender", .text = &arguments->sender},
                                         CLI_CONFIG_OPTION(&arguments->config),
                                         {0}};
    int code = cli_options(argc, argv, help, options, NULL);
    return code < 0 ? cli_operand(argc, argv, "RECIPIENT", &arguments->recipient) : code;
}

static int load_and_send(const struct arguments *arguments, struct config **config,
                         struct ruleset **rules, struct spill **data)
{
    struct trial_envelope envelope = {.sender = arguments->sender,
                                      .recipient = arguments->recipient};
    struct trial *trial;
    struct error err = {""};
    int code = cli_load_rules(NULL, arguments->config, config, rules, &err);
    if (code == 0)
        code = arguments->eml ? cli_read_message(arguments->eml, data, &err)
                              : sample_message(arguments->recipient, data, &err);
    if (code == 0)
        code = srs_load(*config, (*config)->spool.directory, SRS_LOOK, &err);
    if (code == 0)
        code = trial_run(*config, *rules, *data, &envelope, &trial, &err);
    if (code != 0)
        return cli_fail("send", &err);
    code = deliver(*config, trial);
    trial_free(trial);
    return code;
}

int cli_send(int argc, char **argv)
{
    struct arguments arguments = {.config = CLI_CONFIG_PATH};
    struct config *config = NULL;
    struct ruleset *rules = NULL;
    struct spill *data = NULL;
    int code = parse_arguments(argc, argv, &arguments);
    if (code >= 0)
        return code;
    signal(SIGPIPE, SIG_IGN);
    message_init();
    log_set_level(LOG_WARN);
    code = load_and_send(&arguments, &config, &rules, &data);
    spill_free(data);
    ruleset_unref(rules);
    config_unref(config);
    return code;
}
