/*
 * answer.h - what a rule returned, checked and made part of a verdict.
 *
 * answer       any Lua value; which ones mean what stands in mxhook-rules(7). Nothing in it is trusted
 *
 * To add a kind of destination: answer_target.c. To add a field of a destination table: a row
 * in the table of answer_destination.c, and a field in destination.h.
 */
#ifndef MXHOOK_RULES_ANSWER_H
#define MXHOOK_RULES_ANSWER_H

#include <lua.h>
#include <stdbool.h>

#include "../base/error.h"
#include "verdict.h"

#define ANSWER_TYPE "mxhook.answer" /* metatable of what route.also, .discard, ... make */

#define ANSWER_MAX_DESTINATIONS 100  /* for one recipient */
#define ANSWER_MAX_URL          4096 /* bytes */
#define ANSWER_MAX_TEXT         400  /* bytes of a reject's or defer's text */
#define ANSWER_MAX_HEADERS      50   /* of one destination */
#define ANSWER_MAX_FIELD        8192 /* bytes of a destination's header or secret */
#define ANSWER_MAX_TIMEOUT_MS   3600000
#define ANSWER_MAX_ATTEMPTS     100
#define ANSWER_MAX_RATE         1000000 /* requests a second */
#define ANSWER_MAX_IN_FLIGHT    10000
#define ANSWER_MAX_BODY         (1ll << 40)    /* bytes of a payload */
#define ANSWER_MAX_PAUSE_MS     (30 * 86400e3) /* between two attempts */

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

/* answer_reference.c: what a destination may take from outside of the rules. Each 0, or -EINVAL with
 * `why`; `what` names it there. */
int answer_check_env(const char *what, const char *name, struct error *why);
int answer_check_secret_file(lua_State *L, const char *what, const char *path, struct error *why);
/* A text, or "env:NAME" or "file:/path" (deliver/reference.h). */
int answer_check_reference(lua_State *L, const char *what, const char *text, struct error *why);

/* answer_target.c: is this an http or https URL that can be sent to, or an e-mail address? `text` ends
 * with a NUL. */
int answer_check_target(const char *text, size_t size, struct error *why);

/* answer_profile.c: the same, or "NAME:https://..." with the name of a profile. `config` NULL: there are none. */
int answer_check_named(const struct rules_config *config, const char *text, size_t size,
                       struct error *why);

#endif
