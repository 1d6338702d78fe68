#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../clock.h"
#include "../mail/payload.h"
#include "cli.h"

static const char help[] =
    "Usage: mxhook payload [OPTION]... FILE.eml\n"
    "Prints the JSON that a webhook is sent for this message, before any rule reshapes its "
    "headers.\n"
    "FILE may be '-': standard input.\n\n"
    "      --sender ADDRESS     of MAIL FROM (default: the first address of From)\n"
    "      --recipient ADDRESS  of RCPT TO (default: the first address of To)\n"
    "      --hostname NAME      of the server (default: this machine's)\n"
    "  -h, --help               this text\n";

struct arguments {
    const char *sender, *recipient, *hostname, *file;
};

static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {{"sender", required_argument, NULL, 's'},
                                            {"recipient", required_argument, NULL, 'r'},
                                            {"hostname", required_argument, NULL, 'n'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 's': arguments->sender = optarg; break;
        case 'r': arguments->recipient = optarg; break;
        case 'n': arguments->hostname = optarg; break;
        case 'h': fputs(help, stdout); return CLI_OK;
        default: fputs("Try: mxhook payload --help\n", stderr); return CLI_USAGE;
        }
    }
    if (optind + 1 != argc) {
        fputs("mxhook payload: one FILE is expected\nTry: mxhook payload --help\n", stderr);
        return CLI_USAGE;
    }
    arguments->file = argv[optind];
    return -1;
}

static const char *temporary_directory(void)
{
    const char *directory = getenv("TMPDIR");
    return directory && *directory ? directory : "/tmp";
}

/* A pipe cannot be read at an offset, so all that comes is kept, as of a client. */
static int read_file(const char *file, struct spill **out, struct error *err)
{
    char buffer[65536];
    bool standard_input = strcmp(file, "-") == 0;
    int fd = standard_input ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, -errno, "%s: %s", file, strerror(errno));
    struct spill *spill = spill_new(temporary_directory(), NULL);
    int status = spill ? 0 : -ENOMEM;
    for (ssize_t n = 1; status == 0 && n > 0;) {
        n = read(fd, buffer, sizeof buffer);
        if (n < 0)
            status = -errno;
        else if (n > 0)
            status = spill_write(spill, buffer, (size_t)n);
    }
    if (!standard_input)
        close(fd);
    if (status < 0) {
        spill_free(spill);
        return error_set(err, status, "%s: %s", file, strerror(-status));
    }
    *out = spill;
    return 0;
}

static const char *first_address(const struct mailbox_list *list)
{
    return list->count > 0 ? list->items[0].email : "";
}

static int render(const struct message *message, const struct arguments *arguments,
                  struct spill *out)
{
    char hostname[256] = "";
    struct header_list headers;
    gethostname(hostname, sizeof hostname - 1);
    const char *sender = arguments->sender ? arguments->sender : first_address(&message->from);
    const struct envelope envelope = {
        .sender = (char *)sender, .helo = "localhost", .client_ip = "127.0.0.1"};
    int status = payload_headers(
        message, &envelope,
        arguments->recipient ? arguments->recipient : first_address(&message->to),
        arguments->hostname ? arguments->hostname : hostname, message->arena, &headers);
    if (status < 0)
        return status;
    status = payload_write_head(&headers, out);
    header_list_free(&headers);
    return status < 0 ? status : payload_write_tail(message, &envelope, out);
}

static int print(const struct spill *out)
{
    char buffer[65536];
    uint64_t offset = 0;
    ssize_t n;
    while ((n = spill_read(out, offset, buffer, sizeof buffer)) > 0) {
        if (fwrite(buffer, 1, (size_t)n, stdout) != (size_t)n)
            return -errno;
        offset += (uint64_t)n;
    }
    putchar('\n');
    return n < 0 ? (int)n : fflush(stdout) == 0 ? 0 : -errno;
}

static int render_and_print(struct spill *data, const struct arguments *arguments,
                            struct error *err)
{
    struct message *message;
    int status = message_parse(data, clock_unix_ms() / 1000, &message, err);
    if (status < 0)
        return status;
    struct spill *out = spill_new(temporary_directory(), NULL);
    status = out ? render(message, arguments, out) : -ENOMEM;
    if (status == 0)
        status = print(out);
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
    if (read_file(arguments.file, &data, &err) != 0)
        return cli_fail("payload", &err);
    message_init();
    code = render_and_print(data, &arguments, &err);
    spill_free(data);
    return code < 0 ? cli_fail("payload", &err) : CLI_OK;
}
