#include "msg_scan.h"

#include <lauxlib.h>
#include <string.h>

#include "../scan/result.h"
#include "ruleset.h"
#include "view.h"

#define SCAN_TYPE "mxhook.scan"

void msg_scan_open(lua_State *L)
{
    luaL_newmetatable(L, SCAN_TYPE);
    lua_pop(L, 1);
}

static void push_symbol(lua_State *L, const struct scan_symbol *symbol)
{
    static const char *const fields[] = {"score", "options", NULL};
    lua_createtable(L, 0, 2);
    lua_pushnumber(L, symbol->score);
    lua_setfield(L, -2, "score");
    lua_createtable(L, (int)symbol->option_count, 0);
    for (size_t i = 0; i < symbol->option_count; i++) {
        lua_pushstring(L, symbol->options[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    view_push(L, "msg.scan.symbols[name].options", NULL);
    lua_setfield(L, -2, "options");
    view_push(L, "msg.scan.symbols[name]", fields);
}

/* By name; one that rspamd did not find is nil. */
static void push_symbols(lua_State *L, const struct scan_result *scan)
{
    lua_createtable(L, 0, (int)scan->symbol_count);
    for (size_t i = 0; i < scan->symbol_count; i++) {
        push_symbol(L, &scan->symbols[i]);
        lua_setfield(L, -2, scan->symbols[i].name);
    }
    view_push(L, "msg.scan.symbols", view_any_field);
}

/* __index of msg.scan's fields: most rules read the score alone, and a table of all symbols costs as much as asking
 * rspamd. Arguments: the fields, and which is missing. */
static int make_field(lua_State *L)
{
    bool symbols = lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "symbols") == 0;
    if (!symbols)
        return 0;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    push_symbols(L, handle_check(L, SCAN_TYPE, NULL)->input->transaction->envelope.scan);
    lua_pushvalue(L, 3);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
    return 1;
}

/* The fields are on top. */
static void make_symbols_later(lua_State *L)
{
    lua_createtable(L, 0, 1);
    handle_push(L, SCAN_TYPE, 0);
    lua_pushcclosure(L, make_field, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

static void push_answer(lua_State *L, const struct scan_result *scan)
{
    lua_pushnumber(L, scan->score);
    lua_setfield(L, -2, "score");
    lua_pushnumber(L, scan->required);
    lua_setfield(L, -2, "required");
    lua_pushstring(L, scan->action);
    lua_setfield(L, -2, "action");
    lua_pushboolean(L, scan->spam);
    lua_setfield(L, -2, "spam");
    lua_pushstring(L, scan->virus); /* nil for NULL */
    lua_setfield(L, -2, "virus");
    make_symbols_later(L);
}

void msg_push_scan(lua_State *L, struct run *run)
{
    static const char *const fields[] = {"score", "required", "action", "symbols",
                                         "spam",  "virus",    "error",  NULL};
    const struct scan_result *scan = run->input->transaction->envelope.scan;
    if (!scan) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, 0, 7);
    if (scan->error) {
        lua_pushstring(L, scan->error);
        lua_setfield(L, -2, "error");
    } else {
        push_answer(L, scan);
    }
    view_push(L, "msg.scan", fields);
}
