/* answer_headers.c - a destination's headers, as a rule wrote them. */
#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <strings.h>

#include "answer_destination.h"

const char *answer_copy(lua_State *L, struct verdict *verdict, const char *text)
{
    const char *kept = arena_strdup(verdict->arena, text);
    if (!kept)
        luaL_error(L, "not enough memory");
    return kept;
}

int answer_read_text(lua_State *L, const char *what, const char **text, struct error *why)
{
    size_t size;
    if (lua_type(L, -1) != LUA_TSTRING)
        return error_set(why, -EINVAL, "%s: a string was expected, not a %s", what,
                         luaL_typename(L, -1));
    *text = lua_tolstring(L, -1, &size);
    if (size > ANSWER_MAX_FIELD)
        return error_set(why, -EINVAL, "%s: %zu bytes; the limit is %d", what, size,
                         ANSWER_MAX_FIELD);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)(*text)[i] < ' ' || (*text)[i] == 0x7f)
            return error_set(why, -EINVAL, "%s: it holds a control character", what);
    return 0;
}

/* RFC 9110 section 5.6.2: a token. Those that frame the request or sign it are not a rule's. */
static int check_header_name(const char *name, struct error *why)
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
            return error_set(why, -EINVAL, "headers: %s is set by the server", ours[i]);
    return 0;
}

/* A header's value: a text, or where it stands. A text is never taken for a reference, since it may
 * come from a message. */
struct header_value {
    const char *before,
        *text; /* what stands between its name and the text, as destination.h says */
};

/* {env = NAME} or {file = PATH} */
static int read_reference(lua_State *L, const char *name, struct header_value *value,
                          struct error *why)
{
    static const char expected[] =
        "%s: a string, {env = \"NAME\"} or {file = \"/path\"} was expected";
    int table = lua_gettop(L), count = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        bool env = strcmp(key, "env") == 0;
        if (++count > 1 || (!env && strcmp(key, "file") != 0))
            return error_set(why, -EINVAL, expected, name);
        if (answer_read_text(L, name, &value->text, why) != 0)
            return -EINVAL;
        value->before = env ? "=env:" : "=file:";
        if ((env ? answer_check_env(name, value->text, why)
                 : answer_check_secret_file(L, name, value->text, why)) != 0)
            return -EINVAL;
    }
    return count == 1 ? 0 : error_set(why, -EINVAL, expected, name);
}

static int read_header_value(lua_State *L, const char *name, struct header_value *value,
                             struct error *why)
{
    if (lua_istable(L, -1))
        return read_reference(L, name, value, why);
    value->before = ": ";
    return answer_read_text(L, name, &value->text, why);
}

static const char *join_header(lua_State *L, struct verdict *verdict, const char *name,
                               const struct header_value *value)
{
    size_t size = strlen(name) + strlen(value->before) + strlen(value->text) + 1;
    char *line = arena_alloc(verdict->arena, size);
    if (!line)
        luaL_error(L, "not enough memory");
    stpcpy(stpcpy(stpcpy(line, name), value->before), value->text);
    return line;
}

int answer_read_headers(lua_State *L, struct destination *to, struct verdict *verdict,
                        struct error *why)
{
    int table = lua_gettop(L);
    struct header_value value;
    if (!lua_istable(L, table))
        return error_set(why, -EINVAL, "headers: a table {name = value} was expected, not a %s",
                         luaL_typename(L, table));
    if (verdict) {
        to->headers = arena_alloc(verdict->arena, ANSWER_MAX_HEADERS * sizeof *to->headers);
        if (!to->headers)
            luaL_error(L, "not enough memory");
    }
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            return error_set(why, -EINVAL, "headers: a table {name = value} was expected");
        const char *name = lua_tostring(L, -2);
        if (check_header_name(name, why) != 0 || read_header_value(L, name, &value, why) != 0)
            return -EINVAL;
        if (to->header_count == ANSWER_MAX_HEADERS)
            return error_set(why, -EINVAL, "headers: more than %d", ANSWER_MAX_HEADERS);
        if (verdict)
            to->headers[to->header_count] = join_header(L, verdict, name, &value);
        to->header_count++;
    }
    return 0;
}
