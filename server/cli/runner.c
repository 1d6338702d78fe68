#include "runner.h"

#include <errno.h>
#include <ftw.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "../config/destination_read.h"
#include "../rules/core.h"
#include "../rules/dictionary.h"
#include "../rules/state.h"
#include "../trial.h"
#include "runner_facts.h"

#define RUNNER_MEMORY (size_t)1 << 32

struct runner {
    struct config *config;
    struct ruleset *ruleset;
    const struct runner_options *options;
    struct error *err;
    int code;
};

static const char *optional_field(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name); /* stays on the stack, so that the text does */
    return lua_isnil(L, -1) ? NULL : luaL_checkstring(L, -1);
}

static void push_headers(lua_State *L, const struct header_list *headers)
{
    lua_createtable(L, (int)headers->count, 0);
    for (size_t i = 0; i < headers->count; i++) {
        lua_createtable(L, 2, 0);
        lua_pushstring(L, headers->items[i].name);
        lua_rawseti(L, -2, 1);
        lua_pushlstring(L, headers->items[i].value, headers->items[i].value_size);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

static void push_trial(lua_State *L, const struct trial *trial)
{
    const struct verdict *verdict = trial->verdict;
    const struct reply *reply = trial_reply(trial);
    lua_newtable(L);
    lua_pushinteger(L, reply->code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, reply->enhanced);
    lua_setfield(L, -2, "enhanced");
    lua_pushstring(L, reply->text);
    lua_setfield(L, -2, "text");
    lua_pushstring(L, verdict->rule);
    lua_setfield(L, -2, "rule");
    push_headers(L, &verdict->headers);
    lua_setfield(L, -2, "fields");
    lua_newtable(L);
    for (size_t i = 0; verdict->kind == VERDICT_DELIVER && i < verdict->destination_count; i++) {
        destination_push(L, &verdict->destinations[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "tables");
    lua_newtable(L);
    int count = 0;
    for (const struct trial_step *step = trial->steps; step; step = step->next) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, step->rule);
        lua_setfield(L, -2, "rule");
        lua_pushstring(L, step->answer);
        lua_setfield(L, -2, "answer");
        lua_rawseti(L, -2, ++count);
    }
    lua_setfield(L, -2, "steps");
}

/* try(bytes of a message, envelope) -> what came of it */
static int runner_try(lua_State *L)
{
    struct runner *runner = lua_touserdata(L, lua_upvalueindex(1));
    size_t size;
    const char *bytes = luaL_checklstring(L, 1, &size);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct trial_envelope envelope = {.sender = optional_field(L, 2, "sender"),
                                      .recipient = optional_field(L, 2, "recipient"),
                                      .client_ip = optional_field(L, 2, "client_ip"),
                                      .client_name = optional_field(L, 2, "client_name"),
                                      .helo = optional_field(L, 2, "helo"),
                                      .user = optional_field(L, 2, "user")};
    lua_getfield(L, 2, "at");
    ruleset_fix_time(runner->ruleset, (int64_t)lua_tonumber(L, -1) * 1000); /* nil: 0 */
    lua_getfield(L, 2, "tls");
    envelope.tls = lua_toboolean(L, -1);
    lua_getfield(L, 2, "auth");
    if (!lua_isnil(L, -1) && !(envelope.auth = runner_read_auth(L)))
        return luaL_error(L, "not enough memory");
    lua_pop(L, 1);
    lua_getfield(L, 2, "scan");
    if (!lua_isnil(L, -1) && !(envelope.scan = runner_read_scan(L))) {
        auth_result_free(envelope.auth);
        return luaL_error(L, "not enough memory");
    }
    struct trial *trial = NULL;
    struct error err = {""};
    struct spill *data = spill_from_bytes(bytes, size);
    struct questions answers = {0};
    envelope.answers = &answers;
    int code = data ? runner_read_answers(L, 2, &answers) : -ENOMEM;
    if (code == 0)
        code = trial_run(runner->config, runner->ruleset, data, &envelope, &trial, &err);
    if (code == 0)
        push_trial(L, trial);
    trial_free(trial);
    questions_free(&answers);
    spill_free(data);
    auth_result_free(envelope.auth);
    scan_result_free(envelope.scan);
    if (code != 0)
        return luaL_error(L, "%s", code == -ENOMEM ? "not enough memory" : err.text);
    return 1;
}

/* limited(milliseconds, f, handler) -> as xpcall(f, handler): f is stopped when its time is over */
static int runner_limited(lua_State *L)
{
    struct state *state = state_of(L);
    int limit_ms = (int)luaL_checknumber(L, 1);
    state_begin(state, limit_ms);
    lua_settop(L, 3);
    lua_insert(L, 2); /* the handler below the function */
    int status = lua_pcall(L, 0, 0, 2);
    bool untold =
        status == LUA_ERRERR && state_is_over(state); /* the handler was stopped as well */
    state_lift(state);
    if (untold) {
        lua_pop(L, 1);
        lua_pushfstring(L, "went over the time limit of %d ms", limit_ms);
    }
    lua_pushboolean(L, status == 0);
    lua_insert(L, 3);
    return lua_gettop(L) - 2;
}

/* fresh(): what rules remember is forgotten, and their clock runs */
static int runner_fresh(lua_State *L)
{
    struct runner *runner = lua_touserdata(L, lua_upvalueindex(1));
    dictionary_clear();
    ruleset_fix_time(runner->ruleset, 0);
    return 0;
}

/* unreached() -> a line for each rule, and key of an alias, that answered nothing */
static int runner_unreached(lua_State *L)
{
    static char text[65536]; /* one thread, one runner at a time */
    struct runner *runner = lua_touserdata(L, lua_upvalueindex(1));
    ruleset_unreached(runner->ruleset, text, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

static void set_function(lua_State *L, struct runner *runner, const char *name, lua_CFunction f)
{
    lua_pushlightuserdata(L, runner);
    lua_pushcclosure(L, f, 1);
    lua_setfield(L, -2, name);
}

/* nftw() hands no context on: the state that collects the names. One thread, one walk at a time. */
static lua_State *collecting;

static int collect_file(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    static const char end[] = "_test.lua";
    size_t size = strlen(path);
    (void)status;
    if (type == FTW_F && (ftw->level == 0 || (size >= sizeof end - 1 &&
                                              strcmp(path + size - (sizeof end - 1), end) == 0))) {
        lua_pushstring(collecting, path);
        lua_rawseti(collecting, -2, (int)lua_objlen(collecting, -2) + 1);
    }
    return 0;
}

static int run_tests(lua_State *L)
{
    struct runner *runner = lua_touserdata(L, 1);
    const struct runner_options *options = runner->options;
    core_open(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "mxhook.test");
    lua_call(L, 1, 1);
    lua_newtable(L);
    collecting = L;
    for (size_t i = 0; i < options->path_count; i++)
        if (nftw(options->paths[i], collect_file, 16, FTW_PHYS) != 0)
            return luaL_error(L, "%s: %s", options->paths[i], strerror(errno));
    lua_newtable(L);
    lua_pushstring(L, options->filter);
    lua_setfield(L, -2, "filter");
    lua_pushstring(L, options->junit);
    lua_setfield(L, -2, "junit");
    lua_pushboolean(L, options->tap);
    lua_setfield(L, -2, "tap");
    lua_pushnumber(L, (lua_Number)options->timeout_ms);
    lua_setfield(L, -2, "timeout_ms");
    lua_newtable(L);
    set_function(L, runner, "try", runner_try);
    set_function(L, runner, "limited", runner_limited);
    set_function(L, runner, "fresh", runner_fresh);
    set_function(L, runner, "unreached", runner_unreached);
    ruleset_track(runner->ruleset);
    lua_call(L, 3, 1);
    runner->code = (int)lua_tointeger(L, -1);
    return 0;
}

int runner_run(struct config *config, struct ruleset *ruleset, const struct runner_options *options,
               struct error *err)
{
    struct runner runner = {config, ruleset, options, err, 0};
    char text[900];
    struct state *state = state_new(RUNNER_MEMORY);
    if (!state)
        return error_set(err, -ENOMEM, "not enough memory");
    int code = state_call(state, run_tests, &runner, text, sizeof text);
    state_free(state);
    if (code != 0)
        return error_set(err, code, "%s", text);
    return runner.code;
}
