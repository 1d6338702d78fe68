#include "pretty.h"
#include "rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../mail/utf8.h"
#include "../sources/sources.h"

int cli_load_rules(const char *directory, const char *path, struct config **config,
                   struct ruleset **rules, struct error *err)
{
    int code = directory ? config_defaults(directory, config, err) : config_load(path, config, err);
    if (code == 0)
        code = ruleset_load(&(*config)->rules, 1, rules, err);
    if (code == 0)
        code = sources_configure(*config, err);
    if (code == 0)
        atexit(lookup_stop);
    return code;
}

/* A pipe cannot be read at an offset, so all that comes is kept, as of a client. */
int cli_read_message(const char *file, struct spill **out, struct error *err)
{
    char buffer[65536];
    bool standard_input = strcmp(file, "-") == 0;
    int fd = standard_input ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, -errno, "%s: %s", file, strerror(errno));
    struct spill *spill = spill_new(spill_temporary_directory(), NULL);
    int code = spill ? 0 : -ENOMEM;
    for (ssize_t n = 1; code == 0 && n > 0;) {
        n = read(fd, buffer, sizeof buffer);
        if (n < 0)
            code = -errno;
        else if (n > 0)
            code = spill_write(spill, buffer, (size_t)n);
    }
    if (!standard_input)
        close(fd);
    if (code != 0) {
        spill_free(spill);
        return error_set(err, code, "%s: %s", file, strerror(-code));
    }
    *out = spill;
    return 0;
}

int cli_print_spill(const struct spill *out)
{
    char buffer[65536];
    uint64_t offset = 0;
    ssize_t n;
    while ((n = spill_read(out, offset, buffer, sizeof buffer)) > 0) {
        size_t size = n == sizeof buffer ? utf8_whole_size(buffer, (size_t)n) : (size_t)n;
        pretty_program(buffer, size);
        if (ferror(stdout))
            return -errno;
        offset += size;
    }
    putchar('\n');
    return n < 0 ? (int)n : fflush(stdout) == 0 ? 0 : -errno;
}
