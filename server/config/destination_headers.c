/* A destination's headers, {name = value}: a value is a text, {env = "NAME"} or {file = "/path"}. */
#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "destination_fields.h"
#include "destination_read.h"

/* RFC 9110 section 5.6.2: a token. Those that frame the request or sign it are the server's. */
static int check_name(const struct destination_writer *writer, const char *name, struct error *why)
{
    static const char *const ours[] = {"content-length",
                                       "transfer-encoding",
                                       "connection",
                                       "content-type",
                                       "webhook-id",
                                       "webhook-timestamp",
                                       "webhook-signature",
                                       "expect",
                                       NULL};
    bool token = *name && strlen(name) <= 255;
    for (const char *p = name; *p; p++)
        token = token && (isalnum((unsigned char)*p) || strchr("!#$%&'*+-.^_`|~", *p));
    if (!token)
        return error_set(why, -EINVAL, "headers: '%.80s' is not the name of an HTTP header", name);
    for (size_t i = 0; ours[i]; i++)
        if (strcasecmp(name, ours[i]) == 0)
            return error_set(why, -EINVAL, "headers: %s is set by the server",
                             writer->configuration ? name : ours[i]);
    return 0;
}

/* A header's value: a text, or where it stands. A text is never taken for a reference, since it may
 * come from a message. */
struct header_value {
    const char *before; /* what stands between its name and the text, as destination.h says */
    const char *text;
};

/* The table on top: {env = NAME} or {file = PATH} */
static int read_reference(const struct destination_writer *writer, const char *name,
                          struct header_value *value, struct error *why)
{
    static const char wanted[] =
        "%s: a string, {env = \"NAME\"} or {file = \"/path\"} was expected";
    lua_State *L = writer->L;
    int table = lua_gettop(L), count = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        bool env = strcmp(key, "env") == 0;
        if (++count > 1 || (!env && strcmp(key, "file") != 0))
            return error_set(why, -EINVAL, wanted, name);
        if (destination_read_text(L, name, &value->text, why) != 0)
            return -EINVAL;
        value->before = env ? "=env:" : "=file:";
        if ((env ? writer->check_env : writer->check_file)(writer, name, value->text, why) != 0)
            return -EINVAL;
    }
    return count == 1 ? 0 : error_set(why, -EINVAL, wanted, name);
}

/* The configuration has no header that is empty: there it is a mistake, where a rule may have found nothing. */
static int read_value(const struct destination_writer *writer, const char *name,
                      struct header_value *value, struct error *why)
{
    int code;
    if (lua_istable(writer->L, -1)) {
        code = read_reference(writer, name, value, why);
    } else {
        value->before = ": ";
        code = destination_read_text(writer->L, name, &value->text, why);
    }
    if (writer->configuration && (code != 0 || !*value->text))
        return error_set(
            why, -EINVAL,
            "headers: %s: expected a string, { env = \"NAME\" } or { file = \"/path\" }", name);
    return code;
}

static const char *join(const struct destination_writer *writer, const char *name,
                        const struct header_value *value)
{
    size_t size = strlen(name) + strlen(value->before) + strlen(value->text) + 1;
    char *line = arena_alloc(writer->arena, size);
    if (!line)
        luaL_error(writer->L, "not enough memory");
    stpcpy(stpcpy(stpcpy(line, name), value->before), value->text);
    return line;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The key below the top is a number, or what else can be one. */
static int no_name(const struct destination_writer *writer, struct error *why)
{
    lua_State *L = writer->L;
    if (!writer->configuration)
        return error_set(why, -EINVAL, "headers: a table {name = value} was expected");
    lua_pushvalue(L, -2);
    return error_set(why, -EINVAL, "headers: '%.80s' is not the name of an HTTP header",
                     lua_isnumber(L, -1) ? lua_tostring(L, -1) : luaL_typename(L, -1));
}

static int read_headers(const struct destination_writer *writer, struct destination *to,
                        struct error *why)
{
    lua_State *L = writer->L;
    int table = lua_gettop(L);
    struct header_value value;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            return no_name(writer, why);
        const char *name = lua_tostring(L, -2);
        if (check_name(writer, name, why) != 0 || read_value(writer, name, &value, why) != 0)
            return -EINVAL;
        if (to->header_count == DESTINATION_MAX_HEADERS)
            return error_set(why, -EINVAL, "headers: more than %d", DESTINATION_MAX_HEADERS);
        if (writer->arena)
            to->headers[to->header_count] = join(writer, name, &value);
        to->header_count++;
    }
    return 0;
}

int destination_read_headers(const struct destination_writer *writer, struct destination *to,
                             struct error *why)
{
    lua_State *L = writer->L;
    if (!lua_istable(L, -1))
        return writer->configuration
                   ? error_set(why, -EINVAL, "headers: expected a table { name = value }")
                   : error_set(why, -EINVAL,
                               "headers: a table {name = value} was expected, not a %s",
                               luaL_typename(L, -1));
    if (writer->arena) {
        to->headers = arena_alloc(writer->arena, DESTINATION_MAX_HEADERS * sizeof *to->headers);
        if (!to->headers)
            luaL_error(L, "not enough memory");
    }
    if (read_headers(writer, to, why) != 0)
        return -EINVAL;
    /* A table has no order; so that the same destination is always the same request. */
    if (writer->arena && to->header_count > 1)
        qsort(to->headers, to->header_count, sizeof *to->headers, compare);
    return 0;
}
