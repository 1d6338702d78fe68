/* nearest.h - what somebody may have meant who wrote a command or an option that there is not. */
#ifndef MXHOOK_CLI_NEAREST_H
#define MXHOOK_CLI_NEAREST_H

#include <stddef.h>

/* A table's names: the first row's `name`, from which each row's is so many bytes further. */
struct nearest_names {
    const char *const *first;
    size_t count, stride;
};

#define NEAREST_NAMES(table) {&(table)[0].name, sizeof(table) / sizeof *(table), sizeof *(table)}

/* The one of `names` that is near to the first `size` bytes of `name`, by the rule of lua/mxhook/nearest.lua; NULL
 * where none is. */
const char *nearest(const char *name, size_t size, const struct nearest_names *names);

/* Prints that `command` has no `name` ("mxhook queue: no command 'lst'"), what may have been meant, and where to look: two lines on
 * stderr. `command` is "" for mxhook itself. Returns CLI_USAGE. */
int nearest_unknown(const char *command, const char *name, const struct nearest_names *names);

/* The second line alone, of what is already said to be unknown. `dashes`: what stands before the name. */
void nearest_try(const char *command, const char *dashes, const char *meant);

#endif
