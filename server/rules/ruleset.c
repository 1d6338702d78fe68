#include "ruleset.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/environment.h"
#include "../config/config_destination.h"
#include "core.h"
#include "engine.h"

struct load {
    struct ruleset *ruleset;
    struct error *err;
    size_t rules, aliases;
    bool failed, only_aliases;
};

/* [{name=, text=}, ...] */
static void push_sources(lua_State *L, const struct ruleset *ruleset)
{
    lua_createtable(L, (int)ruleset->source_count, 0);
    for (size_t i = 0; i < ruleset->source_count; i++) {
        const struct source_file *source = &ruleset->sources[i];
        lua_createtable(L, 0, 2);
        lua_pushstring(L, source->name);
        lua_setfield(L, -2, "name");
        lua_pushlstring(L, source->text, source->size);
        lua_setfield(L, -2, "text");
        lua_rawseti(L, -2, (int)i + 1);
    }
}

static void push_options(lua_State *L, const struct ruleset *ruleset)
{
    lua_newtable(L);
    lua_pushstring(L, ruleset->config.directory);
    lua_setfield(L, -2, "directory");
    lua_pushboolean(L, ruleset->config.unsafe);
    lua_setfield(L, -2, "unsafe");
    lua_pushnumber(L, (lua_Number)ruleset->config.largest_payload);
    lua_setfield(L, -2, "largest_payload");
    config_push_byte_units(L);
    lua_setfield(L, -2, "byte_units");
    environment_push(L);
    lua_setfield(L, -2, "environment");
}

/* Of the first state that is loaded: every other has the same. Index -1: the list of names. */
static bool keep_names(lua_State *L, struct ruleset *ruleset, size_t count)
{
    if (ruleset->names)
        return true;
    ruleset->names = calloc(count + 1, sizeof *ruleset->names);
    for (size_t i = 0; ruleset->names && i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        ruleset->names[i] = strdup(lua_tostring(L, -1));
        lua_pop(L, 1);
        if (!ruleset->names[i])
            return false;
    }
    return ruleset->names != NULL;
}

/* Of the first state too. Index -1: the list of what each alias names. */
static bool keep_recipients(lua_State *L, struct ruleset *ruleset)
{
    int code = 0;
    size_t count = ruleset->names ? 0 : lua_objlen(L, -1);
    for (size_t i = 1; code == 0 && i <= count; i++) {
        lua_rawgeti(L, -1, (int)i);
        code = recipients_add(&ruleset->recipients, L);
        lua_pop(L, 1);
    }
    return code == 0;
}

/* loader.load(sources, options) -> rules, names, serves, recipients, aliases, warnings; or nil, errors */
static int load_rules(lua_State *L)
{
    struct load *load = lua_touserdata(L, 1);
    core_open(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "mxhook.loader");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "load");
    push_sources(L, load->ruleset);
    push_options(L, load->ruleset);
    lua_call(L, 2, 6);
    if (lua_isnil(L, -6)) {
        load->failed = true;
        error_set(load->err, 0, "%s", lua_tostring(L, -5));
        return 0;
    }
    if (!load->ruleset->warnings)
        load->ruleset->warnings = strdup(lua_tostring(L, -1));
    lua_pop(L, 1);
    load->aliases = (size_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (!keep_recipients(L, load->ruleset))
        return luaL_error(L, "not enough memory");
    lua_pop(L, 1);
    load->rules = lua_objlen(L, -3);
    load->only_aliases = true;
    for (size_t i = 1; i <= load->rules; i++) {
        lua_rawgeti(L, -1, (int)i);
        load->only_aliases = load->only_aliases && lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    lua_setfield(L, LUA_REGISTRYINDEX, ENGINE_SERVES);
    if (!keep_names(L, load->ruleset, load->rules))
        return luaL_error(L, "not enough memory");
    lua_setfield(L, LUA_REGISTRYINDEX, ENGINE_NAMES);
    lua_setfield(L, LUA_REGISTRYINDEX, ENGINE_RULES);
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

int engine_load_state(struct ruleset *ruleset, struct state **out, struct error *err)
{
    struct load load = {.ruleset = ruleset, .err = err, .only_aliases = true};
    char text[900];
    struct state *state = state_new(ruleset->config.memory_limit);
    if (!state)
        return error_set(err, -ENOMEM, "not enough memory for a Lua state");
    state->aliases = &ruleset->aliases;
    state->directory = ruleset->config.directory;
    state->secrets = ruleset->config.secrets;
    state->config = &ruleset->config;
    state_begin(state, RULES_LOAD_TIME_MS);
    int code = state_call(state, load_rules, &load, text, sizeof text);
    state_end(state);
    if (code == 0 && !load.failed) {
        if (ruleset->state_count == 0) { /* a renewed state has the same, and others read them */
            ruleset->rule_count = load.rules;
            ruleset->alias_count = load.aliases;
            ruleset->only_aliases = load.only_aliases;
        }
        *out = state;
        return 0;
    }
    state_free(state);
    if (load.failed)
        return -EINVAL;
    return error_set(err, code, "%s: loading: %s", ruleset->config.directory, text);
}

/* NULL: no memory. */
static char **copy_texts(struct arena *arena, char *const *from, size_t count)
{
    char **to = arena_alloc(arena, (count + 1) * sizeof *to);
    for (size_t i = 0; to && i < count; i++)
        if (!(to[i] = arena_strdup(arena, from[i])))
            return NULL;
    return to;
}

static struct profile *copy_profiles(struct arena *arena, const struct profile *from, size_t count)
{
    struct profile *to = arena_alloc(arena, (count + 1) * sizeof *to);
    for (size_t i = 0; to && i < count; i++) {
        to[i].name = arena_strdup(arena, from[i].name);
        if (!to[i].name || destination_copy(arena, &from[i].to, &to[i].to) != 0)
            return NULL;
    }
    return to;
}

/* The ruleset outlives the configuration that it was loaded for. False: no memory. */
static bool copy_config(struct ruleset *ruleset, const struct rules_config *from)
{
    struct rules_config *to = &ruleset->config;
    struct arena *arena = ruleset->arena = arena_new();
    if (!arena)
        return false;
    *to = *from;
    to->directory = arena_strdup(arena, from->directory);
    to->secrets = from->secrets ? arena_strdup(arena, from->secrets) : NULL;
    to->reserved_headers = copy_texts(arena, from->reserved_headers, from->reserved_header_count);
    to->sources = copy_texts(arena, from->sources, from->source_count);
    to->profiles = copy_profiles(arena, from->profiles, from->profile_count);
    return to->directory && (to->secrets || !from->secrets) && to->reserved_headers &&
           to->sources && to->profiles;
}

int ruleset_load(const struct rules_config *config, size_t states, struct ruleset **out,
                 struct error *err)
{
    struct ruleset *ruleset = calloc(1, sizeof *ruleset);
    int code = -ENOMEM;
    if (!ruleset || alias_tables_init(&ruleset->aliases) != 0) {
        free(ruleset);
        return error_set(err, code, "not enough memory");
    }
    atomic_init(&ruleset->references, 1);
    ruleset->aliases.config = &ruleset->config;
    code = recipients_init(&ruleset->recipients);
    ruleset->states = calloc(states ? states : 1, sizeof(struct state *));
    if (code != 0 || !copy_config(ruleset, config) || !ruleset->states) {
        code = -ENOMEM;
        error_set(err, code, "not enough memory");
        goto fail;
    }
    code = sources_read(ruleset, err);
    for (; code == 0 && ruleset->state_count < states; ruleset->state_count++) {
        code = engine_load_state(ruleset, &ruleset->states[ruleset->state_count], err);
        if (code != 0)
            break;
    }
    if (code != 0)
        goto fail;
    *out = ruleset;
    return 0;
fail:
    ruleset_unref(ruleset);
    return code;
}

struct ruleset *ruleset_ref(struct ruleset *ruleset)
{
    atomic_fetch_add(&ruleset->references, 1);
    return ruleset;
}

void ruleset_unref(struct ruleset *ruleset)
{
    if (!ruleset || atomic_fetch_sub(&ruleset->references, 1) != 1)
        return;
    for (size_t i = 0; i < ruleset->state_count; i++)
        state_free(ruleset->states[i]);
    free(ruleset->states);
    for (size_t i = 0; ruleset->names && ruleset->names[i]; i++)
        free(ruleset->names[i]);
    free(ruleset->names);
    free(ruleset->warnings);
    recipients_free(&ruleset->recipients);
    alias_tables_destroy(&ruleset->aliases);
    sources_free(ruleset);
    arena_free(ruleset->arena);
    free(ruleset);
}

const char *ruleset_warnings(const struct ruleset *ruleset)
{
    return ruleset->warnings ? ruleset->warnings : "";
}

size_t ruleset_count(const struct ruleset *ruleset)
{
    return ruleset->rule_count;
}

size_t ruleset_alias_count(const struct ruleset *ruleset)
{
    return ruleset->alias_count;
}

static bool has_name(const struct ruleset *ruleset, const char *name)
{
    for (size_t i = 0; i < ruleset->rule_count; i++)
        if (strcmp(ruleset->names[i], name) == 0)
            return true;
    return false;
}

/* "; added: 10-a.lua:1, 20-b.lua:3": what is in `a` and not in `b` */
static size_t list_missing(const struct ruleset *a, const struct ruleset *b, const char *what,
                           char *text, size_t size)
{
    size_t used = 0, found = 0;
    for (size_t i = 0; i < a->rule_count && used < size; i++) {
        if (has_name(b, a->names[i]))
            continue;
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s", found++ ? ", " : what, a->names[i]);
    }
    return used < size ? used : size - 1;
}

void ruleset_describe(const struct ruleset *ruleset, const struct ruleset *before, char *text,
                      size_t size)
{
    int length = snprintf(text, size, "%zu rule%s, %zu alias%s", ruleset->rule_count,
                          ruleset->rule_count == 1 ? "" : "s", ruleset->alias_count,
                          ruleset->alias_count == 1 ? "" : "es");
    size_t used = length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
    if (!before)
        return;
    used += list_missing(ruleset, before, "; added: ", text + used, size - used);
    list_missing(before, ruleset, "; removed: ", text + used, size - used);
}

struct receiver ruleset_receiver(const struct ruleset *ruleset, const char *hostname)
{
    return (struct receiver){hostname, ruleset->config.reserved_headers,
                             ruleset->config.reserved_header_count};
}
