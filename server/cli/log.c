/*
 * mxhook log: the lines of a message, a sender or a destination, from the journal or a file, as they come.
 *
 * A message's lines share an id; of a sender or a destination only some lines tell, so the ids that they stand in are
 * remembered, and all lines of those are shown.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/id.h"
#include "cli.h"
#include "pretty.h"

static const char help[] =
    "Usage: mxhook log [-f] [ID] [--sender TEXT] [--destination TEXT] [FILE]\n"
    "Shows the log's lines that tell the story of a connection, a message or a\n"
    "delivery, or of all with a sender or a destination. Reads FILE, or standard\n"
    "input, such as `journalctl -u mxhook -o cat -f | mxhook log --sender bob@`.\n\n"
    "      --id ID             of a connection, a message or a delivery\n"
    "      --sender TEXT       messages whose envelope sender holds TEXT\n"
    "      --destination TEXT  messages that went to a URL or an address that holds\n"
    "                          TEXT\n"
    "  -f, --follow            waits for more at the end of FILE\n"
    "  -h, --help              this text\n";

#define IDS_MAX   1000
#define FOLLOW_US 200000

struct follower {
    const char *id, *sender, *destination;
    bool follow;
    char ids[IDS_MAX][ID_SIZE]; /* of messages that are followed; the oldest are forgotten */
    size_t count;
};

/* The value of " key=": in *size bytes; NULL: the line has none. */
static const char *field(const char *line, const char *key, size_t *size)
{
    char name[32];
    snprintf(name, sizeof name, " %s=", key);
    const char *at = strstr(line, name);
    if (!at)
        return NULL;
    at += strlen(name);
    *size = *at == '"' ? strcspn(at + 1, "\"") + 1 : strcspn(at, " \n");
    return at;
}

static bool holds(const char *line, const char *key, const char *text)
{
    size_t size;
    const char *value = field(line, key, &size);
    return value && memmem(value, size, text, strlen(text));
}

/* The id of the message that a line is of: a delivery's without its number. */
static bool message_of(const char *line, char id[ID_SIZE])
{
    size_t size;
    const char *value = field(line, "id", &size);
    if (!value || size >= ID_SIZE)
        return false;
    snprintf(id, ID_SIZE, "%.*s", (int)size, value);
    char *first = strchr(id, '-'), *second = first ? strchr(first + 1, '-') : NULL;
    if (second)
        *second = 0;
    return first;
}

static bool is_followed(const struct follower *f, const char *id)
{
    for (size_t i = 0; i < (f->count < IDS_MAX ? f->count : IDS_MAX); i++)
        if (strcmp(f->ids[i], id) == 0)
            return true;
    return false;
}

static bool begins_with_id(const char *line, const char *id)
{
    size_t size;
    const char *value = field(line, "id", &size);
    size_t wanted = strlen(id);
    return value && size >= wanted && strncmp(value, id, wanted) == 0 &&
           (size == wanted || value[wanted] == '-');
}

static bool wants(struct follower *f, const char *line)
{
    char id[ID_SIZE];
    if (f->id)
        return begins_with_id(line, f->id);
    if (!f->sender && !f->destination)
        return true;
    bool named = message_of(line, id);
    bool hit =
        (f->sender && (holds(line, "sender", f->sender) || holds(line, "from", f->sender))) ||
        (f->destination &&
         (holds(line, "url", f->destination) || holds(line, "to", f->destination)));
    if (hit && named && !is_followed(f, id))
        snprintf(f->ids[f->count++ % IDS_MAX], ID_SIZE, "%s", id);
    return hit || (named && is_followed(f, id));
}

static int follow(struct follower *f, FILE *in, const char *path)
{
    char *line = NULL;
    size_t room = 0;
    for (;;) {
        ssize_t size = getline(&line, &room, in);
        if (size >= 0 && wants(f, line)) {
            pretty_safe(stdout, line, (size_t)size - (line[size - 1] == '\n'));
            putchar('\n');
            fflush(stdout);
        }
        if (size >= 0)
            continue;
        if (ferror(in) || !f->follow || in == stdin)
            break;
        clearerr(in);
        usleep(FOLLOW_US);
    }
    int why = errno;
    free(line);
    if (!ferror(in))
        return CLI_OK;
    fprintf(stderr, "mxhook log: %s: %s\n", path ? path : "standard input", strerror(why));
    return CLI_FAILED;
}

static bool is_id(const char *text)
{
    return strlen(text) >= 16 &&
           strspn(text, "0123456789abcdefghjkmnpqrstvwxyz-") == strlen(text) &&
           access(text, F_OK) != 0;
}

int cli_log(int argc, char **argv)
{
    static struct follower f;
    const char *path = NULL;
    const struct cli_option options[] = {{.name = "id", .text = &f.id},
                                         {.name = "sender", .text = &f.sender},
                                         {.name = "destination", .text = &f.destination},
                                         {.name = "follow", .letter = 'f', .flag = &f.follow},
                                         {0}};
    int code = cli_options(argc, argv, help, options, NULL);
    if (code >= 0)
        return code;
    for (int i = optind; i < argc; i++) {
        if (!f.id && is_id(argv[i])) {
            f.id = argv[i];
        } else if (!path) {
            path = argv[i];
        } else {
            fprintf(stderr,
                    "mxhook log: one FILE is expected, not '%s' and '%s' (neither is an id)\n"
                    "Try: mxhook log --help\n",
                    path, argv[i]);
            return CLI_USAGE;
        }
    }
    FILE *in = path ? fopen(path, "re") : stdin;
    if (!in) {
        fprintf(stderr, "mxhook log: %s: %s\n", path, strerror(errno));
        return CLI_FAILED;
    }
    code = follow(&f, in, path);
    if (path)
        fclose(in);
    return code;
}
