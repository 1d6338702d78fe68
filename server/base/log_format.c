#include "log_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "printable.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

struct out {
    char *bytes;
    size_t room, size;
};

static void out_put(struct out *out, const char *text, size_t size)
{
    size_t left = out->room - out->size;
    if (size > left)
        size = left;
    memcpy(out->bytes + out->size, text, size);
    out->size += size;
}

static void put_text(struct out *out, const char *text)
{
    out_put(out, text, strlen(text));
}

/* ---- JSON ---- */

/* What is no UTF-8 becomes \u00xx, byte by byte, as what should not be shown: the line is valid in any case. */
static void put_escaped(struct out *out, const char *text)
{
    const char *end = text + strlen(text);
    for (size_t size; text < end; text += size) {
        char escaped[8];
        size = printable(text, (size_t)(end - text));
        if (*text == '"' || *text == '\\')
            out_put(out, "\\", 1);
        if (size > 0) {
            out_put(out, text, size);
            continue;
        }
        size = 1;
        out_put(out, escaped,
                (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned char)*text));
    }
}

static void put_pair(struct out *out, const char *key, const char *text)
{
    put_text(out, out->size > 1 ? ",\"" : "\"");
    put_escaped(out, key);
    put_text(out, "\":\"");
    put_escaped(out, text);
    put_text(out, "\"");
}

static void put_number(struct out *out, const char *key, int64_t number)
{
    char text[64];
    put_text(out, ",\"");
    put_escaped(out, key);
    out_put(out, text, (size_t)snprintf(text, sizeof text, "\":%lld", (long long)number));
}

static void put_field(struct out *out, const struct log_field *field)
{
    if (field->text)
        put_pair(out, field->key, field->text);
    else
        put_number(out, field->key, field->number);
}

size_t log_format_json(char *bytes, size_t room, const char *time, enum log_level level,
                       const char *event, const char *id, const struct log_field *fields)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    static const char end[] = ",\"cut\":true}\n";
    struct out out = {bytes, room - sizeof end, 0};
    put_text(&out, "{");
    put_pair(&out, "time", time);
    put_pair(&out, "level", names[level]);
    put_pair(&out, "event", event);
    if (id)
        put_pair(&out, "id", id);
    size_t whole = out.size;
    for (; fields->key; fields++) {
        put_field(&out, fields);
        if (out.size == out.room) { /* the rest has no room: without this one it is whole */
            out.size = whole;
            out.room = room;
            put_text(&out, end);
            return out.size;
        }
        whole = out.size;
    }
    out.room = room;
    put_text(&out, "}\n");
    return out.size;
}

/* ---- The journal ---- */

/* Values with a newline have another form; ours have none. */
static void put_entry(struct out *out, const char *key, const char *value)
{
    put_text(out, key);
    put_text(out, "=");
    out_put(out, value, strcspn(value, "\n"));
    put_text(out, "\n");
}

static void put_message_id(struct out *out, const char *id)
{
    const char *first = strchr(id, '-');
    if (!first)
        return;
    size_t number = strspn(first + 1, "0123456789");
    put_text(out, "MXHOOK_MESSAGE=");
    out_put(out, id, (size_t)(first - id) + 1 + number);
    put_text(out, "\n");
}

static void put_origin(struct out *out, const struct log_field *fields)
{
    for (; fields->key; fields++) {
        if (!fields->text)
            continue;
        if (strcmp(fields->key, "origin") == 0) {
            put_entry(out, "MXHOOK_ORIGIN", fields->text);
            return;
        }
        const char *slashes = strcmp(fields->key, "url") == 0 ? strstr(fields->text, "://") : NULL;
        if (slashes) {
            put_text(out, "MXHOOK_ORIGIN=");
            out_put(out, fields->text,
                    (size_t)(slashes - fields->text) + 3 + strcspn(slashes + 3, "/?#\n"));
            put_text(out, "\n");
            return;
        }
    }
}

size_t log_format_journal(char *bytes, size_t room, const char *text, enum log_level level,
                          const char *event, const char *id, const struct log_field *fields)
{
    static const char *const priorities[] = {"7", "6", "4", "3"}; /* syslog(3) */
    struct out out = {bytes, room, 0};
    put_entry(&out, "PRIORITY", priorities[level]);
    put_entry(&out, "SYSLOG_IDENTIFIER", "mxhook");
    put_entry(&out, "MXHOOK_EVENT", event);
    if (id) {
        put_entry(&out, "MXHOOK_ID", id);
        put_message_id(&out, id);
    }
    put_origin(&out, fields);
    if (out.room - out.size > sizeof "MESSAGE=\n") {
        put_text(&out, "MESSAGE=");
        out_put(&out, text, strnlen(text, out.room - out.size - 1));
        put_text(&out, "\n");
    }
    return out.size;
}

bool log_stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

bool log_send_journal(const char *bytes, size_t size)
{
    static _Thread_local int fd = -1; /* each thread has one, so that nobody waits for another */
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
    if (fd < 0)
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && sendto(fd, bytes, size, MSG_NOSIGNAL, (struct sockaddr *)&address,
                             sizeof address) == (ssize_t)size;
}
