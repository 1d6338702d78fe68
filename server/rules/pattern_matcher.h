/* pattern_matcher.h - for pattern.c: does a pattern match here? Looks at the run's limits as it goes. */
#ifndef MXHOOK_RULES_PATTERN_MATCHER_H
#define MXHOOK_RULES_PATTERN_MATCHER_H

#include <stddef.h>

#include "pattern.h"

#define CAPTURE_OPEN     (-1)
#define CAPTURE_POSITION (-2)

struct capture {
    const char *start;
    ptrdiff_t size; /* or CAPTURE_OPEN, CAPTURE_POSITION */
};

struct matcher {
    lua_State *L;
    const char *subject, *end;
    const char *pattern_end;
    struct capture captures[PATTERN_MAX_CAPTURES];
    int count, depth;
    size_t steps; /* since the last look at the clock */
};

/* Where the match of the pattern at `p` against the text at `s` ends; NULL: none. Its captures are in the matcher.
 * Raises a Lua error where the pattern is none, or too complex, or the run's time is over. */
const char *pattern_match_here(struct matcher *m, const char *s, const char *p);

/* One more step: looks at the clock now and then, and raises a Lua error when time is over. */
void pattern_step(struct matcher *m);

#endif
