#include "config_destination.h"

#include <lauxlib.h>

/* The destination's table is on top of the stack in all of these. */

static void *check_memory(lua_State *L, void *memory)
{
    if (!memory)
        luaL_error(L, "out of memory");
    return memory;
}

static const char *text(lua_State *L, const char *field, struct arena *arena)
{
    lua_getfield(L, -1, field);
    const char *value = lua_tostring(L, -1);
    if (value)
        value = check_memory(L, arena_strdup(arena, value));
    lua_pop(L, 1);
    return value;
}

static int64_t number(lua_State *L, const char *field)
{
    lua_getfield(L, -1, field);
    int64_t value = (int64_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

static void read_headers(lua_State *L, struct destination *to, struct arena *arena)
{
    lua_getfield(L, -1, "headers");
    to->header_count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    to->headers = check_memory(L, arena_alloc(arena, (to->header_count + 1) * sizeof(char *)));
    for (size_t i = 0; i < to->header_count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        to->headers[i] = check_memory(L, arena_strdup(arena, lua_tostring(L, -1)));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_schedule(lua_State *L, struct destination *to, struct arena *arena)
{
    lua_getfield(L, -1, "schedule");
    to->schedule_count = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
    int64_t *pauses =
        check_memory(L, arena_alloc(arena, (to->schedule_count + 1) * sizeof *pauses));
    for (size_t i = 0; i < to->schedule_count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        pauses[i] = (int64_t)lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    to->schedule_ms = pauses;
    lua_pop(L, 1);
}

void config_fill_destination(lua_State *L, struct arena *arena, struct destination *to)
{
    *to = (struct destination){
        .url = text(L, "url", arena),
        .secret = text(L, "secret", arena),
        .timeout_ms = number(L, "timeout"),
        .attempts = (unsigned)number(L, "attempts"),
        .max_body = (uint64_t)number(L, "max_body"),
    };
    read_headers(L, to, arena);
    read_schedule(L, to, arena);
}

const struct destination *config_read_destination(lua_State *L, const char *name,
                                                  struct arena *arena)
{
    lua_getfield(L, 1, name);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return NULL;
    }
    struct destination *to = check_memory(L, arena_alloc(arena, sizeof *to));
    config_fill_destination(L, arena, to);
    lua_pop(L, 1);
    return to;
}
