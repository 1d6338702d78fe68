/*
 * regex.h - PCRE2 for Lua, bounded in time and memory.
 *
 * Patterns see UTF-8 (bytes that are not UTF-8 match nothing), are compiled by PCRE2's JIT, and are
 * stopped after a number of steps that grows with the subject: a catastrophic pattern is then no
 * match, and the log warns of it. PCRE2's own match limit is not enough: it starts anew at every
 * start position, and JIT code hardly counts it (measured: 3.5 s for /[a-z]+\d/ on 20 KB); so an
 * automatic callout before each item counts.
 *
 * To Lua: the functions that `rex` in lua/mxhook/rex.lua is made of.
 */
#ifndef MXHOOK_RULES_REGEX_H
#define MXHOOK_RULES_REGEX_H

#include <lua.h>

#define REGEX_MAX_PATTERN    65536   /* bytes */
#define REGEX_STEPS          1000000 /* of any subject, */
#define REGEX_STEPS_PER_BYTE 20      /* and for each of its bytes */
#define REGEX_HEAP_KIB       20000   /* of a match without JIT */

/* Pushes a table {compile = function(pattern, flags)}, which gives a compiled pattern; that has
 * :exec(subject, init) -> nil, or first, last and then each group's text, false where it matched
 * nothing; :names() -> {name = number}, :groups() -> how many. A pattern that is wrong raises what
 * is wrong and where. Returns 1. */
int regex_open(lua_State *L);

#endif
