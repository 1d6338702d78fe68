#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../mail/payload.h"
#include "cli.h"
#include "rules.h"

static const char help[] =
    "Usage: mxhook payload [OPTION]... FILE.eml\n"
    "Prints the JSON that a webhook is sent for this message, before any rule\n"
    "reshapes its headers. FILE may be '-': standard input.\n\n"
    "      --sender ADDRESS     of MAIL FROM (default: the first address of From)\n"
    "      --recipient ADDRESS  of RCPT TO (default: the first address of To)\n"
    "      --hostname NAME      of the server (default: this machine's)\n"
    "  -h, --help               this text\n";

struct arguments {
    const char *sender, *recipient, *hostname, *file;
};

static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    const struct cli_option options[] = {{.name = "sender", .text = &arguments->sender},
                                         {.name = "recipient", .text = &arguments->recipient},
                                         {.name = "hostname", .text = &arguments->hostname},
                                         {0}};
    int code = cli_options(argc, argv, help, options, NULL);
    return code < 0 ? cli_operand(argc, argv, "FILE", &arguments->file) : code;
}

static const char *first_address(const struct mailbox_list *list)
{
    return list->count > 0 && list->items[0].email ? list->items[0].email : "";
}

static int render(const struct message *message, const struct arguments *arguments,
                  struct spill *out)
{
    char hostname[256] = "";
    struct header_list headers;
    gethostname(hostname, sizeof hostname - 1);
    struct receiver receiver = {.hostname = arguments->hostname ? arguments->hostname : hostname};
    const char *sender = arguments->sender ? arguments->sender : first_address(&message->from);
    const struct envelope envelope = {
        .sender = (char *)sender, .helo = "localhost", .client_ip = "127.0.0.1"};
    int status =
        payload_headers(message, &envelope,
                        arguments->recipient ? arguments->recipient : first_address(&message->to),
                        &receiver, message->arena, &headers);
    if (status < 0)
        return status;
    status = payload_write_head(&headers, out);
    header_list_free(&headers);
    return status < 0 ? status : payload_write_tail(message, &envelope, out);
}

static int render_and_print(struct spill *data, const struct arguments *arguments,
                            struct error *err)
{
    struct message *message;
    int status = message_parse(data, clock_unix_ms() / 1000, &message, err);
    if (status < 0)
        return status;
    if (message->too_large) {
        message_free(message);
        return error_set(err, -EMSGSIZE, MESSAGE_TOO_LARGE, HEADER_MAX_BYTES, HEADER_MAX_FIELDS);
    }
    struct spill *out = spill_new(spill_temporary_directory(), NULL);
    status = out ? render(message, arguments, out) : -ENOMEM;
    if (status == 0)
        status = cli_print_spill(out);
    spill_free(out);
    message_free(message);
    return status < 0 ? error_set(err, status, "writing the payload: %s", strerror(-status)) : 0;
}

int cli_payload(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct error err = {""};
    struct spill *data;
    int code = parse_arguments(argc, argv, &arguments);
    if (code >= 0)
        return code;
    if (cli_read_message(arguments.file, &data, &err) != 0)
        return cli_fail("payload", &err);
    message_init();
    code = render_and_print(data, &arguments, &err);
    spill_free(data);
    return code < 0 ? cli_fail("payload", &err) : CLI_OK;
}
