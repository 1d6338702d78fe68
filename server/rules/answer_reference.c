/* answer_reference.c - the environment variables and files that a destination may name.
 *
 * A rule may have been written by others, and what it names is sent where it likes: so it reaches
 * no more than a rule does by env(), and the files of one folder.
 */
#include "answer.h"
#include "../config/destination_read.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "state.h"

#define ENV_PREFIX "MXHOOK_"

int answer_check_env(const struct destination_writer *writer, const char *what, const char *name,
                     struct error *why)
{
    (void)writer;
    if (!*name)
        return error_set(why, -EINVAL, "%s: env: it is empty", what);
    if (strncmp(name, ENV_PREFIX, sizeof ENV_PREFIX - 1) != 0)
        return error_set(
            why, -EINVAL,
            "%s: env: rules see only the environment variables that begin with " ENV_PREFIX, what);
    return 0;
}

/* "a/b" without "." or ".." as a segment, and without an empty one */
static bool stays_below(const char *path)
{
    for (;;) {
        size_t size = strcspn(path, "/");
        if (size == 0 || (size <= 2 && strspn(path, ".") == size))
            return false;
        if (!path[size])
            return true;
        path += size + 1;
    }
}

int answer_check_secret_file(const struct destination_writer *writer, const char *what,
                             const char *path, struct error *why)
{
    const char *folder = state_of(writer->L)->secrets;
    size_t size = folder ? strlen(folder) : 0;
    if (*path != '/')
        return error_set(why, -EINVAL, "%s: file: an absolute path was expected", what);
    if (size > 0 && strncmp(path, folder, size) == 0 && path[size] == '/' &&
        stays_below(path + size + 1))
        return 0;
    return error_set(why, -EINVAL,
                     "%s: file: rules may name files below rules.secrets only, which is %.200s",
                     what, folder ? folder : "not set");
}
