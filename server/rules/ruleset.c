#include "ruleset.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "engine.h"

struct load {
    struct ruleset *ruleset;
    struct error *err;
    size_t rules;
    bool failed, only_aliases;
};

/* [{name=, text=}, ...] */
static void push_sources(lua_State *L, const struct ruleset *ruleset)
{
    lua_createtable(L, (int)ruleset->source_count, 0);
    for (size_t i = 0; i < ruleset->source_count; i++) {
        const struct source *source = &ruleset->sources[i];
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
}

/* loader.load(sources, options) -> rules, names, serves; or nil, errors */
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
    lua_call(L, 2, 3);
    if (lua_isnil(L, -3)) {
        load->failed = true;
        error_set(load->err, 0, "%s", lua_tostring(L, -2));
        return 0;
    }
    load->rules = lua_objlen(L, -3);
    load->only_aliases = true;
    for (size_t i = 1; i <= load->rules; i++) {
        lua_rawgeti(L, -1, (int)i);
        load->only_aliases = load->only_aliases && lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    lua_setfield(L, LUA_REGISTRYINDEX, ENGINE_SERVES);
    lua_setfield(L, LUA_REGISTRYINDEX, ENGINE_NAMES);
    lua_setfield(L, LUA_REGISTRYINDEX, ENGINE_RULES);
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

int engine_load_state(struct ruleset *ruleset, struct state **out, struct error *err)
{
    struct load load = {ruleset, err, 0, false, true};
    char text[900];
    struct state *state = state_new(ruleset->config.memory_limit);
    if (!state)
        return error_set(err, -ENOMEM, "not enough memory for a Lua state");
    state->aliases = &ruleset->aliases;
    state->directory = ruleset->config.directory;
    state_begin(state, RULES_LOAD_TIME_MS);
    int code = state_call(state, load_rules, &load, text, sizeof text);
    state_end(state);
    if (code == 0 && !load.failed) {
        ruleset->rule_count = load.rules;
        ruleset->only_aliases = load.only_aliases;
        *out = state;
        return 0;
    }
    state_free(state);
    if (load.failed)
        return -EINVAL;
    return error_set(err, code, "%s: loading: %s", ruleset->config.directory, text);
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
    ruleset->config = *config;
    ruleset->config.directory = strdup(config->directory);
    ruleset->states = calloc(states ? states : 1, sizeof(struct state *));
    if (!ruleset->config.directory || !ruleset->states) {
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
    alias_tables_destroy(&ruleset->aliases);
    sources_free(ruleset);
    free(ruleset->config.directory);
    free(ruleset);
}

size_t ruleset_count(const struct ruleset *ruleset)
{
    return ruleset->rule_count;
}
