/*
 * answer.h - what a rule returned, checked and made part of a verdict.
 *
 * answer       any Lua value; which ones mean what stands in mxhook-rules(7). Nothing in it is trusted
 *
 * To add a kind of destination: config/destination_target.c. To add a field of a destination's table:
 * config/destination_fields.h.
 */
#ifndef MXHOOK_RULES_ANSWER_H
#define MXHOOK_RULES_ANSWER_H

#include <lua.h>
#include <stdbool.h>

#include "../base/error.h"
#include "verdict.h"

#define ANSWER_TYPE "mxhook.answer" /* metatable of what route.also, .discard, ... make */

#define ANSWER_MAX_DESTINATIONS 100 /* for one recipient */
#define ANSWER_MAX_TEXT         400 /* bytes of a reject's or defer's text */

struct destination_writer;
struct rules_config;

enum answer_kind {
    ANSWER_NONE,  /* no match: the next rule */
    ANSWER_FINAL, /* it decides */
    ANSWER_ALSO,  /* its destinations were added, and the next rule is asked */
    ANSWER_WRONG, /* not an answer; `why` says what was expected */
};

/* Reads the value at `index`. Of a FINAL or ALSO answer the destinations are added to the verdict,
 * and FINAL sets its kind and text. `verdict` NULL: the value is checked only. Raw access
 * throughout: no metamethod of the rule runs. Raises where there is no memory. */
enum answer_kind answer_read(lua_State *L, int index, struct verdict *verdict, struct error *why);

/* For people: "https://a.example/, https://b.example/", "discard", "no match". */
void answer_describe(enum answer_kind kind, const struct verdict *verdict, size_t first, char *text,
                     size_t size);

/* For answer.c: one destination, a string without commas or a table, at `index`. Returns 0, -EINVAL
 * with `why`, or 1 where it is "null". */
int answer_read_destination(lua_State *L, int index, struct verdict *verdict, struct error *why);

/* A URL that names a profile becomes the URL, with what the profile says and the destination does not. Raises a Lua
 * error for want of memory. `verdict` NULL: the URL alone. */
void answer_add_profile(lua_State *L, struct destination *to, struct verdict *verdict);

/* answer_reference.c: what a destination may take from outside of the rules; as config/destination_read.h asks. */
int answer_check_env(const struct destination_writer *writer, const char *what, const char *name,
                     struct error *why);
int answer_check_secret_file(const struct destination_writer *writer, const char *what,
                             const char *path, struct error *why);

/* answer_profile.c: is it a destination's URL or address (destination_check_target()), or "NAME:https://..." with the
 * name of a profile? `config` NULL: there are none. 0, or -EINVAL with `why`. */
int answer_check_named(const struct rules_config *config, const char *text, size_t size,
                       struct error *why);

#endif
