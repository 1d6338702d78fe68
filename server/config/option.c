#include "option.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

void *option_memory(lua_State *L, void *memory)
{
    if (!memory)
        luaL_error(L, "out of memory");
    return memory;
}

struct arena *option_arena(lua_State *L)
{
    return ((struct config *)lua_touserdata(L, 2))->arena;
}

char *option_copy(lua_State *L, const char *text)
{
    return option_memory(L, arena_strdup(option_arena(L), text));
}

int64_t option_number(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    if (!lua_isnumber(L, -1))
        luaL_error(L, "%s: not a number", name);
    int64_t value = (int64_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

char *option_text(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    const char *value = lua_tostring(L, -1);
    char *text = value ? option_copy(L, value) : NULL;
    lua_pop(L, 1);
    return text;
}

bool option_flag(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

void *option_list(lua_State *L, const char *name, size_t item_size, size_t *count)
{
    lua_getfield(L, 1, name);
    *count = lua_objlen(L, -1);
    size_t size = *count * item_size;
    return memset(option_memory(L, arena_alloc(option_arena(L), size)), 0, size);
}

const char *option_item(lua_State *L, size_t index)
{
    lua_rawgeti(L, -1, (int)index + 1);
    const char *value = lua_tostring(L, -1);
    lua_pop(L, 1); /* the list keeps it */
    return value;
}

/* A field of the list's item on top; 0 where it is not there. */
static int field(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    int value = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return value;
}

void option_texts(lua_State *L, const char *name, char ***out, size_t *count)
{
    *out = option_list(L, name, sizeof **out, count);
    for (size_t i = 0; i < *count; i++)
        (*out)[i] = option_copy(L, option_item(L, i));
    lua_pop(L, 1);
}

/* Of tables as readers.lua makes them. */
void option_addresses(lua_State *L, const char *name, struct listen_address **out, size_t *count)
{
    *out = option_list(L, name, sizeof **out, count);
    for (size_t i = 0; i < *count; i++) {
        struct listen_address *a = &(*out)[i];
        lua_rawgeti(L, -1, (int)i + 1);
        lua_getfield(L, -1, "host");
        int size = snprintf(a->host, sizeof a->host, "%s", lua_tostring(L, -1));
        lua_pop(L, 1);
        if (size <= 0 || (size_t)size >= sizeof a->host)
            luaL_error(L, "%s: not an address", name);
        a->port = field(L, "port");
        a->tls = (enum listen_tls)field(L, "tls");
        a->auth = (enum listen_auth)field(L, "auth");
        a->lmtp = field(L, "protocol");
        a->proxy = field(L, "proxy");
        a->auth_without_tls = field(L, "auth_without_tls");
        a->min_version = field(L, "min_version");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void option_networks(lua_State *L, const char *name, struct network **out, size_t *count)
{
    *out = option_list(L, name, sizeof **out, count);
    for (size_t i = 0; i < *count; i++)
        if (network_parse(option_item(L, i), &(*out)[i]) != 0)
            luaL_error(L, "%s: not a network", name);
    lua_pop(L, 1);
}

static int64_t milliseconds(lua_State *L, size_t index)
{
    lua_rawgeti(L, -1, (int)index + 1);
    int64_t value = (int64_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

int64_t *option_durations(lua_State *L, const char *name, size_t *count)
{
    int64_t *durations = option_list(L, name, sizeof *durations, count);
    for (size_t i = 0; i < *count; i++)
        durations[i] = milliseconds(L, i);
    lua_pop(L, 1);
    return durations;
}
