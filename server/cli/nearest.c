#include "nearest.h"

#include <stdio.h>
#include <string.h>

#include "../base/ascii.h"
#include "cli.h"

#define NAME_MAX_SIZE 31 /* longer ones are near to nothing that there is */

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The distance in insertions, deletions, replacements and swaps of neighbours, in any case. */
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[NAME_MAX_SIZE + 1][NAME_MAX_SIZE + 1];
    for (size_t i = 0; i <= a_size; i++)
        for (size_t j = 0; j <= b_size; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = i + j;
                continue;
            }
            char x = ascii_lower(a[i - 1]), y = ascii_lower(b[j - 1]);
            size_t least = min(rows[i - 1][j], rows[i][j - 1]) + 1;
            least = min(least, rows[i - 1][j - 1] + (x != y));
            if (i > 1 && j > 1 && x == ascii_lower(b[j - 2]) && ascii_lower(a[i - 2]) == y)
                least = min(least, rows[i - 2][j - 2] + 1);
            rows[i][j] = least;
        }
    return rows[a_size][b_size];
}

const char *nearest(const char *name, size_t size, const struct nearest_names *names)
{
    const char *best = NULL;
    size_t least = (size < 6 ? 1 : size / 3) + 1;
    if (size > NAME_MAX_SIZE)
        return NULL;
    for (size_t i = 0; i < names->count; i++) {
        const char *candidate =
            *(const char *const *)((const char *)names->first + i * names->stride);
        size_t candidate_size = strlen(candidate);
        if (candidate_size > NAME_MAX_SIZE)
            continue;
        size_t far = distance(name, size, candidate, candidate_size);
        if (far < least) {
            best = candidate;
            least = far;
        }
    }
    return best;
}

void nearest_try(const char *command, const char *dashes, const char *meant)
{
    if (meant)
        fprintf(stderr, "Did you mean '%s%s'? ", dashes, meant);
    fprintf(stderr, "Try: mxhook %s%s--help\n", command, *command ? " " : "");
}

int nearest_unknown(const char *command, const char *name, const struct nearest_names *names)
{
    fprintf(stderr, "mxhook%s%s: no command '%s'\n", *command ? " " : "", command, name);
    nearest_try(command, "", nearest(name, strlen(name), names));
    return CLI_USAGE;
}
