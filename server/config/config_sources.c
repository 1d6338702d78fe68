#include "config_sources.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "config_destination.h"

/* An entry is on top of the stack in all of these. */

static void *check_memory(lua_State *L, void *memory)
{
    if (!memory)
        luaL_error(L, "out of memory");
    return memory;
}

static char *text(lua_State *L, const char *field, struct arena *arena)
{
    lua_getfield(L, -1, field);
    const char *value = lua_tostring(L, -1);
    char *copy = value ? check_memory(L, arena_strdup(arena, value)) : NULL;
    lua_pop(L, 1);
    return copy;
}

static int64_t number(lua_State *L, const char *field)
{
    lua_getfield(L, -1, field);
    int64_t value = (int64_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

static void read_source(lua_State *L, struct config *config, struct lookup_config *to)
{
    struct arena *arena = config->arena;
    *to = (struct lookup_config){.kind = (enum lookup_kind)number(L, "kind"),
                                 .name = text(L, "name", arena),
                                 .url = text(L, "url", arena),
                                 .secret = text(L, "secret", arena),
                                 .conninfo = text(L, "conninfo", arena),
                                 .query = text(L, "query", arena),
                                 .wait_ms = number(L, "wait"),
                                 .timeout_ms = number(L, "timeout"),
                                 .ttl_ms = number(L, "ttl"),
                                 .negative_ttl_ms = number(L, "negative_ttl"),
                                 .stale_ms = number(L, "stale"),
                                 .max_entries = (size_t)number(L, "max_entries")};
    const char *kind = to->kind == LOOKUP_HTTP ? "http:" : "postgres:";
    char *named = check_memory(L, arena_alloc(arena, strlen(kind) + strlen(to->name) + 1));
    stpcpy(stpcpy(named, kind), to->name);
    config->rules.sources[config->rules.source_count++] = named;
}

static size_t count_of(lua_State *L, const char *option)
{
    lua_getfield(L, 1, option);
    size_t count = lua_objlen(L, -1);
    lua_pop(L, 1);
    return count;
}

static void read_sources(lua_State *L, const char *option, struct config *config)
{
    lua_getfield(L, 1, option);
    for (size_t i = 1; i <= lua_objlen(L, -1); i++) {
        lua_rawgeti(L, -1, (int)i);
        read_source(L, config, &config->lookups[config->lookup_count++]);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void config_read_sources(lua_State *L, struct config *config)
{
    struct rules_config *rules = &config->rules;
    size_t count = count_of(L, "lookups") + count_of(L, "databases");
    size_t profiles = count_of(L, "profiles");
    config->lookups =
        check_memory(L, arena_alloc(config->arena, (count + 1) * sizeof *config->lookups));
    rules->sources = check_memory(L, arena_alloc(config->arena, (count + 1) * sizeof(char *)));
    read_sources(L, "lookups", config);
    read_sources(L, "databases", config);
    rules->profiles =
        check_memory(L, arena_alloc(config->arena, (profiles + 1) * sizeof *rules->profiles));
    lua_getfield(L, 1, "profiles");
    for (; rules->profile_count < profiles; rules->profile_count++) {
        struct profile *profile = &rules->profiles[rules->profile_count];
        lua_rawgeti(L, -1, (int)rules->profile_count + 1);
        profile->name = text(L, "name", config->arena);
        lua_getfield(L, -1, "to");
        config_read_profile(L, config->arena, &profile->to);
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}
