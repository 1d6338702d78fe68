#include "reference.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/ascii.h"

static const char *skip(const char *text, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

bool reference_blocks(const char *text)
{
    return skip(text, "file:");
}

/* What is no file with an end (a pipe, a terminal) is not waited for. */
static int read_file(const char *path, char buffer[REFERENCE_SIZE], size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    ssize_t n = 0;
    for (*size = 0; *size < REFERENCE_SIZE; *size += (size_t)n)
        if ((n = read(fd, buffer + *size, REFERENCE_SIZE - *size)) <= 0)
            break;
    int code = n < 0 ? -errno : *size == REFERENCE_SIZE ? -EFBIG : 0;
    close(fd);
    return code;
}

static int check(const char *reference, char *value, size_t size, struct error *err)
{
    if (memchr(value, 0, size))
        return error_set(err, -EBADMSG, "%s holds a NUL", reference);
    while (size > 0 && (value[size - 1] == '\n' || value[size - 1] == '\r'))
        size--;
    value[size] = 0;
    return size > 0 ? 0 : error_set(err, -ENODATA, "%s is empty", reference);
}

int reference_read(const char *text, char buffer[REFERENCE_SIZE], const char **value,
                   struct error *err)
{
    const char *name = skip(text, "env:"), *path = skip(text, "file:");
    size_t size = 0;
    int code = 0;
    *value = name || path ? buffer : text;
    if (path) {
        code = read_file(path, buffer, &size);
    } else if (name) {
        const char *variable = getenv(name);
        if (!variable)
            return error_set(err, -ENOENT, "%s is not set", text);
        size = strlen(variable);
        code = size < REFERENCE_SIZE ? 0 : -EFBIG;
        memcpy(buffer, variable, code == 0 ? size : 0);
    } else {
        return 0;
    }
    return code == 0 ? check(text, buffer, size, err)
                     : error_set(err, code, "%s: %s", text, strerror(-code));
}

/* ---- Headers ---- */

const char *reference_of_header(const char *header)
{
    const char *separator = header + strcspn(header, ":="); /* a name holds neither */
    return *separator == '=' ? separator + 1 : NULL;
}

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (is_control(*text) && *text != '\t')
            return false;
    return true;
}

static int join(const char *header, const char *value, char **line)
{
    int name_size = (int)strcspn(header, "=");
    return asprintf(line, "%.*s: %s", name_size, header, value) < 0 ? -ENOMEM : 0;
}

int reference_read_header(const char *header, char **line, struct error *err)
{
    char buffer[REFERENCE_SIZE];
    const char *reference = reference_of_header(header), *value;
    int code = reference_read(reference, buffer, &value, err);
    if (code == 0 && !is_printable(value))
        code = error_set(err, -EBADMSG, "%s holds a control character", reference);
    if (code == 0 && (code = join(header, value, line)) != 0)
        error_set(err, code, "%s: out of memory", reference);
    OPENSSL_cleanse(buffer, sizeof buffer);
    return code;
}

void reference_free_header(char *line)
{
    if (line)
        OPENSSL_cleanse(line, strlen(line));
    free(line);
}
