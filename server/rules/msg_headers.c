/*
 * msg_headers.c - msg.headers: read in any case, reshaped by assignment.
 *
 * All of it works on the run's own copy in the verdict, so no other recipient sees a change. What a
 * rule assigns is checked here, so that no value can break a payload.
 */
#include "msg_headers.h"

#include <glib.h>
#include <lauxlib.h>
#include <string.h>
#include <strings.h>

#include "handle.h"
#include "ruleset.h"

#define HEADERS_TYPE "mxhook.headers"

static struct header_list *check_headers(lua_State *L)
{
    return &handle_check(L, HEADERS_TYPE, NULL)->verdict->headers;
}

static void push_value(lua_State *L, const struct header *header)
{
    lua_pushlstring(L, header->value, header->value_size);
}

/* msg.headers:all(name) -> a list of every value, in order */
static int headers_all(lua_State *L)
{
    const struct header_list *headers = check_headers(L);
    const char *name = luaL_checkstring(L, 2);
    int count = 0;
    lua_newtable(L);
    for (size_t i = header_list_find(headers, name, 0); i < headers->count;
         i = header_list_find(headers, name, i + 1)) {
        push_value(L, &headers->items[i]);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static int headers_step(lua_State *L)
{
    lua_settop(L, 0); /* called as a function, with whatever the caller likes */
    lua_pushvalue(L, lua_upvalueindex(1));
    const struct header_list *headers = check_headers(L);
    size_t next = (size_t)lua_tointeger(L, lua_upvalueindex(2));
    if (next >= headers->count)
        return 0;
    lua_pushinteger(L, (lua_Integer)next + 1);
    lua_replace(L, lua_upvalueindex(2));
    lua_pushstring(L, headers->items[next].name);
    push_value(L, &headers->items[next]);
    return 2;
}

/* msg.headers:iter() and pairs(msg.headers): every field in order, as name, value */
static int headers_iter(lua_State *L)
{
    check_headers(L);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, headers_step, 2);
    return 1;
}

static int headers_index(lua_State *L)
{
    const struct header_list *headers = check_headers(L);
    if (lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "the name of a header is a string, not a %s", luaL_typename(L, 2));
    const char *name = lua_tostring(L, 2);
    if (strcmp(name, "all") == 0) {
        lua_pushcfunction(L, headers_all);
    } else if (strcmp(name, "iter") == 0) {
        lua_pushcfunction(L, headers_iter);
    } else {
        size_t i = header_list_find(headers, name, 0);
        if (i == headers->count)
            return 0;
        push_value(L, &headers->items[i]);
    }
    return 1;
}

/* RFC 5322 section 3.6.8: printable ASCII but the colon. */
static void check_name(lua_State *L, const char *name, size_t size)
{
    bool valid = size > 0 && size <= 255;
    for (size_t i = 0; i < size; i++)
        valid = valid && name[i] > ' ' && name[i] < 0x7f && name[i] != ':';
    if (!valid)
        luaL_error(L, "that is not the name of a header: printable ASCII without spaces and "
                      "colons, up to 255 bytes");
}

static const char *check_value(lua_State *L, struct run *run, const char *name, int index,
                               size_t *size)
{
    int type = lua_type(L, index);
    if (type != LUA_TSTRING && type != LUA_TNUMBER)
        luaL_error(L, "header %s: a string, a list of strings or nil was expected, not a %s%s",
                   name, index == 3 ? "" : "list with a ", lua_typename(L, type));
    const char *value = lua_tolstring(L, index, size);
    if (*size > HEADER_MAX_VALUE)
        luaL_error(L, "header %s: a value of %d bytes; the limit is %d", name, (int)*size,
                   HEADER_MAX_VALUE);
    if (memchr(value, '\r', *size) || memchr(value, '\n', *size) || memchr(value, '\0', *size))
        luaL_error(L, "header %s: a value cannot hold CR, LF or NUL", name);
    run->reshaped += *size + sizeof(struct header);
    if (run->reshaped > HEADER_MAX_RESHAPE)
        luaL_error(L, "header %s: a run may set %d bytes of headers in all", name,
                   HEADER_MAX_RESHAPE);
    return value;
}

/* A copy in the verdict's arena, as valid UTF-8. */
static void copy_value(lua_State *L, struct run *run, const char *value, size_t size,
                       struct header *header)
{
    char *valid =
        g_utf8_validate(value, (gssize)size, NULL) ? NULL : g_utf8_make_valid(value, (gssize)size);
    if (valid)
        size = strlen(valid);
    header->value = arena_strndup(run->verdict->arena, valid ? valid : value, size);
    header->value_size = size;
    g_free(valid);
    if (!header->value)
        luaL_error(L, "not enough memory");
}

/* Puts the `count` fields in `added` where the first of that name stood, or at the end. */
static void replace_fields(lua_State *L, struct header_list *headers, const char *name,
                           const struct header *added, size_t count)
{
    size_t at = header_list_find(headers, name, 0);
    header_list_remove(headers, name);
    if (headers->count + count > HEADER_MAX_COUNT)
        luaL_error(L, "header %s: the message would have over %d headers", name, HEADER_MAX_COUNT);
    if (at > headers->count)
        at = headers->count;
    for (size_t i = 0; i < count; i++)
        if (header_list_append(headers, added[i].name, added[i].value, added[i].value_size) != 0)
            luaL_error(L, "not enough memory");
    /* Appended, so that the list's own growth is header.c's; then moved to their place. */
    struct header *items = headers->items;
    if (count > 0) {
        memmove(items + at + count, items + at, (headers->count - count - at) * sizeof *items);
        memcpy(items + at, added, count * sizeof *items);
    }
}

/* The name as it stands in the message, or a copy of the rule's. */
static const char *keep_name(lua_State *L, struct run *run, const char *name, size_t size)
{
    const struct header_list *headers = &run->verdict->headers;
    size_t first = header_list_find(headers, name, 0);
    if (first < headers->count)
        return headers->items[first].name;
    run->reshaped += size;
    const char *copy = arena_strdup(run->verdict->arena, name);
    if (!copy)
        luaL_error(L, "not enough memory");
    return copy;
}

static int headers_newindex(lua_State *L)
{
    struct run *run = handle_check(L, HEADERS_TYPE, NULL);
    struct header_list *headers = &run->verdict->headers;
    size_t name_size, size;
    if (lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "the name of a header is a string, not a %s", luaL_typename(L, 2));
    const char *name = lua_tolstring(L, 2, &name_size);
    check_name(L, name, name_size);
    bool list = lua_istable(L, 3);
    size_t count = lua_isnil(L, 3) ? 0 : list ? lua_objlen(L, 3) : 1;
    if (count > HEADER_MAX_COUNT)
        return luaL_error(L, "header %s: the message would have over %d headers", name,
                          HEADER_MAX_COUNT);
    const char *kept = count ? keep_name(L, run, name, name_size) : name;
    struct header *added = lua_newuserdata(L, (count ? count : 1) * sizeof *added);
    for (size_t i = 0; i < count; i++) {
        if (list)
            lua_rawgeti(L, 3, (int)i + 1);
        int index = list ? lua_gettop(L) : 3;
        const char *value = check_value(L, run, name, index, &size);
        copy_value(L, run, value, size, &added[i]);
        added[i].name = kept;
        lua_settop(L, 4);
    }
    replace_fields(L, headers, name, added, count);
    return 0;
}

void msg_push_headers(lua_State *L)
{
    handle_push(L, HEADERS_TYPE, 0);
}

void msg_headers_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"__index", headers_index},
                                       {"__newindex", headers_newindex},
                                       {"__pairs", headers_iter},
                                       {NULL, NULL}};
    luaL_newmetatable(L, HEADERS_TYPE);
    luaL_register(L, NULL, methods);
    lua_pushliteral(L, "headers");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
