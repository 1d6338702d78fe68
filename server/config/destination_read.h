/*
 * destination_read.h - the one reader of a destination that somebody wrote in Lua: a rule, or the configuration. And
 * the way back.
 *
 * Nothing in it is trusted: access is raw, so that no metamethod runs. Raises a Lua error for want of memory only. One
 * thread, the Lua state's.
 */
#ifndef MXHOOK_DESTINATION_READ_H
#define MXHOOK_DESTINATION_READ_H

#include <lua.h>

#include "../base/error.h"
#include "destination.h"

/* Who wrote it, and what they may say. */
struct destination_writer {
    bool configuration;  /* fewer fields, and other words for what is wrong */
    bool profile;        /* it has no URL */
    struct arena *arena; /* of what is read; NULL: it is only checked, and texts stay Lua's */
    lua_State *L;
    /* Can it be sent there? Also what names a profile, where there are some. 0, or -EINVAL with `why`. */
    int (*check_url)(const struct destination_writer *writer, const char *text, size_t size,
                     struct error *why);
    /* May the secret, or the header's value, that `what` names be taken from this environment variable, or file? The
     * same. */
    int (*check_env)(const struct destination_writer *writer, const char *what, const char *name,
                     struct error *why);
    int (*check_file)(const struct destination_writer *writer, const char *what, const char *path,
                      struct error *why);
};

/* The table at `index`, a positive number. 0, or -EINVAL with `why`. */
int destination_read(const struct destination_writer *writer, int index, struct destination *to,
                     struct error *why);

/* For destination_read.c: its headers, {name = value}, on top of the stack. destination_headers.c. 0, or -EINVAL with
 * `why`. */
int destination_read_headers(const struct destination_writer *writer, struct destination *to,
                             struct error *why);
/* destination_text.c, for both: a text on top, printable, so that it can stand in a header or a log; Lua's. `what`
 * names it. The same. */
int destination_read_text(lua_State *L, const char *what, const char **text, struct error *why);
/* In the writer's arena, where there is one. */
const char *destination_keep(const struct destination_writer *writer, const char *text);

/* destination_target.c: is this an http or https URL that can be sent to, or an e-mail address? `text` ends
 * with a NUL. 0, or -EINVAL with `why`. */
int destination_check_target(const char *text, size_t size, struct error *why);

/* Pushes a table, as a rule would write it. destination_push.c */
void destination_push(lua_State *L, const struct destination *to);

#endif
