#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../../base/ascii.h"
#include "../../base/write_all.h"
#include "values.h"

#define SECRET_SIZE 1024
#define KEY_BYTES   32

/* Of the file; "" where there is none. */
static void read_file(const char *path, char text[SECRET_SIZE])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, text, SECRET_SIZE - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[size > 0 ? size : 0] = 0;
    text[strcspn(text, "\n")] = 0;
}

static int make(char text[SECRET_SIZE])
{
    unsigned char bytes[KEY_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return -EIO;
    hex_write(text, bytes, sizeof bytes);
    explicit_bzero(bytes, sizeof bytes);
    return 0;
}

static void read_secret(void *context, int number, PGresult *result)
{
    if (number == 1 && PQntuples(result) == 1)
        snprintf(context, SECRET_SIZE, "%s", PQgetvalue(result, 0, 0));
}

/* *text: what this node has; then what the cluster has. */
static int exchange(struct pg *pg, const char *name, char text[SECRET_SIZE])
{
    struct values values = {0};
    values_text(&values, name);
    values_text(&values, text);
    pg_begin(pg);
    int code = values_send(
        &values, pg, "INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        false);
    if (code == 0) {
        values_text(&values, name);
        code = values_send(&values, pg, "SELECT value FROM secret WHERE name = $1", false);
    }
    return code == 0 ? pg_end(pg, PG_ANSWER_MS, read_secret, text) : code;
}

static int write_file(const char *path, const char *text)
{
    char temporary[4200];
    snprintf(temporary, sizeof temporary, "%s.%d", path, (int)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int code = write_all(fd, text, strlen(text));
    if (code == 0)
        code = write_all(fd, "\n", 1);
    if (code == 0 && fsync(fd) != 0)
        code = -errno;
    close(fd);
    if (code == 0 && rename(temporary, path) != 0)
        code = -errno;
    if (code != 0)
        unlink(temporary);
    return code;
}

int secret_share(struct pg *pg, const char *name, const char *directory, struct error *err)
{
    char path[4096], own[SECRET_SIZE], text[SECRET_SIZE];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, name) >= sizeof path)
        return error_set(err, -ENAMETOOLONG, "%s: the name is too long", directory);
    read_file(path, own);
    strcpy(text, own);
    int code = *text ? 0 : make(text);
    if (code == 0)
        code = exchange(pg, name, text);
    if (code != 0)
        error_set(err, code, "spool.postgres: %s", pg->error);
    else if (strcmp(text, own) != 0 && (code = write_file(path, text)) != 0)
        error_set(err, code, "%s: %s", path, strerror(-code));
    explicit_bzero(own, sizeof own);
    explicit_bzero(text, sizeof text);
    return code;
}
