/* Where SRS has its key from. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../base/ascii.h"
#include "../base/write_all.h"
#include "reference.h"
#include "srs.h"

#define KEY_BYTES 32
#define KEY_MIN   16 /* characters: a shorter one could be guessed */

static int write_key(const char *path, const char *text, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int code = write_all(fd, text, size);
    if (code == 0 && fsync(fd) != 0)
        code = -errno;
    close(fd);
    return code;
}

/* Under its name it is whole or not there. Two that make it at once: the first counts. */
static int make_key(const char *path)
{
    unsigned char bytes[KEY_BYTES];
    char text[2 * KEY_BYTES + 2], temporary[4100];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return -EIO;
    hex_write(text, bytes, sizeof bytes);
    text[2 * KEY_BYTES] = '\n';
    snprintf(temporary, sizeof temporary, "%s.%d", path, (int)getpid());
    int code = write_key(temporary, text, 2 * KEY_BYTES + 1);
    if (code == 0 && link(temporary, path) != 0 && errno != EEXIST)
        code = -errno;
    unlink(temporary);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(text, sizeof text);
    return code;
}

static int keep(struct config *config, const char *key, struct error *err)
{
    if (strlen(key) < KEY_MIN)
        return error_set(err, -EINVAL, "forward.srs_key: shorter than %d characters", KEY_MIN);
    config->forward.srs_secret = arena_strdup(config->arena, key);
    return config->forward.srs_secret ? 0 : error_set(err, -ENOMEM, "out of memory");
}

static int read_key(struct config *config, const char *reference, struct error *err)
{
    char buffer[REFERENCE_SIZE];
    const char *key;
    struct error why = {""};
    int code = reference_read(reference, buffer, &key, &why);
    code = code == 0 ? keep(config, key, err)
                     : error_set(err, code, "forward.srs_key: %.300s", why.text);
    OPENSSL_cleanse(buffer, sizeof buffer);
    return code;
}

int srs_load(struct config *config, const char *directory, enum srs_mode mode, struct error *err)
{
    char reference[4096];
    const char *path = reference + strlen("file:");
    if (!config->forward.srs)
        return 0;
    if (config->forward.srs_key)
        return read_key(config, config->forward.srs_key, err);
    if ((size_t)snprintf(reference, sizeof reference, "file:%s/srs.key", directory) >=
        sizeof reference)
        return error_set(err, -ENAMETOOLONG, "%s: the name is too long", directory);
    if (access(path, F_OK) != 0) {
        if (mode == SRS_LOOK)
            return 0;
        int code = make_key(path);
        if (code != 0)
            return error_set(err, code, "%s: %s", path, strerror(-code));
    }
    return read_key(config, reference, err);
}
