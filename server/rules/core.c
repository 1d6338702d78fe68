#include "core.h"

#include <glib.h>
#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/domain.h"
#include "../base/embedded.h"
#include "../base/log.h"
#include "alias_sources.h"
#include "answer.h"
#include "dictionary.h"
#include "handle.h"
#include "msg.h"
#include "pattern.h"
#include "regex.h"
#include "ruleset.h"
#include "state.h"
#include "zone.h"

/* core.log(text): under the id of the message that is under way */
static int core_log(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1);
    const struct state *state = state_of(L);
    if (state->run && state->run->input->trace) { /* in a trial it stands among the answers */
        lua_pushfstring(L, "log: %s", text);
        state->run->input->trace(state->run->input->trace_context, state->run->rule,
                                 lua_tostring(L, -1));
    }
    log_info("rule", state->log_id, LOG_TEXT("rule", state->run ? state->run->rule : "load"),
             LOG_TEXT("text", text));
    return 0;
}

/* core.env(name) -> string or nil */
static int core_env(lua_State *L)
{
    lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
    return 1;
}

/* core.fold_address(address): as aliases are found by it; see domain_fold_address() */
static int core_fold_address(lua_State *L)
{
    char folded[1024];
    const char *address = luaL_checkstring(L, 1);
    lua_pushstring(L, domain_fold_address(address, folded, sizeof folded) ? folded : address);
    return 1;
}

/* core.unfold_address(address): the same with U-labels */
static int core_unfold_address(lua_State *L)
{
    char unfolded[1024];
    const char *address = luaL_checkstring(L, 1);
    lua_pushstring(L,
                   domain_unfold_address(address, unfolded, sizeof unfolded) ? unfolded : address);
    return 1;
}

/* core.check_answer(value) -> nil, or what is wrong with it */
static int core_check_answer(lua_State *L)
{
    struct error why = {""};
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (answer_read(L, 1, NULL, &why) != ANSWER_WRONG)
        return 0;
    lua_pushstring(L, why.text);
    return 1;
}

/* core.format_double(number, precision, "f" or "e"): LuaJIT's own rounds halves up, C's to even */
static int core_format_double(lua_State *L)
{
    char text[400]; /* 1e308 has 309 digits before the point */
    double number = luaL_checknumber(L, 1);
    int precision = luaL_checkint(L, 2);
    luaL_argcheck(L, precision >= 0 && precision <= 60, 2, "0 to 60");
    const char *format = *luaL_checkstring(L, 3) == 'e' ? "%.*e" : "%.*f";
    lua_pushlstring(L, text, (size_t)snprintf(text, sizeof text, format, precision, number));
    return 1;
}

/* core.is_also(value): did route.also() make it? */
static int core_is_also(lua_State *L)
{
    struct error why = {""};
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    lua_pushboolean(L, answer_read(L, 1, NULL, &why) == ANSWER_ALSO);
    return 1;
}

/* core.now() -> Unix time in seconds, whole */
static int core_now(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)(state_now_ms(state_of(L)) / 1000));
    return 1;
}

/* core.encode_base64(text) -> the text in base64, without line ends (RFC 4648 section 4) */
static int core_encode_base64(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    char *out = state_scratch(state_of(L), (size / 3 + 1) * 4 + 4);
    if (!out)
        return luaL_error(L, "not enough memory");
    gint state = 0, save = 0;
    size_t used = g_base64_encode_step((const guchar *)text, size, FALSE, out, &state, &save);
    used += g_base64_encode_close(FALSE, out + used, &state, &save);
    lua_pushlstring(L, out, used);
    return 1;
}

/* core.check(): raises where the run is over its limits */
static int core_check(lua_State *L)
{
    state_check(L);
    return 0;
}

void core_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"log", core_log},
                                         {"env", core_env},
                                         {"fold_address", core_fold_address},
                                         {"unfold_address", core_unfold_address},
                                         {"check_answer", core_check_answer},
                                         {"zone", zone_new},
                                         {"zone_offset", zone_offset},
                                         {"format_double", core_format_double},
                                         {"check", core_check},
                                         {"is_also", core_is_also},
                                         {"now", core_now},
                                         {"encode_base64", core_encode_base64},
                                         {"find", pattern_find},
                                         {"match", pattern_match},
                                         {NULL, NULL}};
    luaL_openlibs(L);
    /* Only now: opening the jit library turns the compiler on. Its traces would call no hook. */
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_getglobal(L, "require"); /* for route.cel; now, while there is a reserve: see state.c */
    lua_pushliteral(L, "ffi");
    lua_call(L, 1, 0);
    state_opened(state_of(L));
    embedded_open(L);
    msg_open(L);
    zone_open(L);
    luaL_register(L, "mxhook.core", functions); /* sets package.loaded too */
    luaL_newmetatable(L, ANSWER_TYPE);
    lua_setfield(L, -2, "answer_type");
    regex_open(L);
    lua_setfield(L, -2, "regex");
    alias_sources_open(L);
    lua_setfield(L, -2, "aliases");
    dictionary_open(L);
    lua_setfield(L, -2, "store");
    lua_pop(L, 1);
}
