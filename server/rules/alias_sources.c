#include "alias_sources.h"

#include <lauxlib.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "../base/log.h"
#include "alias_lookups.h"
#include "alias_table.h"
#include "state.h"

#define FILE_TYPE   "mxhook.alias.file"
#define SQLITE_TYPE "mxhook.alias.sqlite"

#define SQLITE_BUSY_MS         50
#define SQLITE_LOAD_BUSY_MS    10000
#define SQLITE_STEPS_PER_CHECK 1000

static const char aliases_query[] = "SELECT destination FROM aliases WHERE address = ?1";

struct database {
    sqlite3 *db;
    sqlite3_stmt *query;
};

static void full_path(lua_State *L, char *path, size_t size)
{
    const struct state *state = state_of(L);
    const char *given = luaL_checkstring(L, 1);
    if (state->run || !state->aliases)
        luaL_error(L, "files of aliases are opened while rules load, not by a message");
    int length = *given == '/' ? snprintf(path, size, "%s", given)
                               : snprintf(path, size, "%s/%s", state->directory, given);
    if (length < 0 || (size_t)length >= size)
        luaL_error(L, "a path that is too long");
}

/* file(path) -> object */
static int open_file(lua_State *L)
{
    char path[4096];
    struct error err = {""};
    full_path(L, path, sizeof path);
    struct alias_table **table = lua_newuserdata(L, sizeof(struct alias_table *));
    luaL_getmetatable(L, FILE_TYPE);
    lua_setmetatable(L, -2);
    if (alias_tables_get(state_of(L)->aliases, path, table, &err) != 0)
        return luaL_error(L, "%s", err.text);
    return 1;
}

const struct alias_table *alias_sources_table(lua_State *L, int index)
{
    struct alias_table **table = luaL_checkudata(L, index, FILE_TYPE);
    return *table;
}

/* object:find(address in lower case) -> destinations or nil */
static int find_in_file(lua_State *L)
{
    struct alias_table **table = luaL_checkudata(L, 1, FILE_TYPE);
    size_t size;
    const char *address = luaL_checklstring(L, 2, &size);
    lua_pushstring(L, alias_table_find(*table, address, size));
    return 1;
}

static int file_count(lua_State *L)
{
    struct alias_table **table = luaL_checkudata(L, 1, FILE_TYPE);
    lua_pushnumber(L, (lua_Number)alias_table_count(*table));
    return 1;
}

/* object:patterns() -> {{key, destinations, line}, ...} */
static int file_patterns(lua_State *L)
{
    struct alias_table **table = luaL_checkudata(L, 1, FILE_TYPE);
    const char *key, *value;
    size_t line;
    lua_newtable(L);
    for (size_t i = 0; (key = alias_table_pattern(*table, i, &value, &line)); i++) {
        lua_createtable(L, 3, 0);
        lua_pushstring(L, key);
        lua_rawseti(L, -2, 1);
        lua_pushstring(L, value);
        lua_rawseti(L, -2, 2);
        lua_pushnumber(L, (lua_Number)line);
        lua_rawseti(L, -2, 3);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static bool add_host(void *context, const char *address)
{
    lua_State *L = context;
    const char *at = strrchr(address, '@');
    if (!at)
        return true;
    lua_pushstring(L, at + 1);
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushstring(L, address);
        lua_rawset(L, -3);
    } else {
        lua_pop(L, 2);
    }
    return true;
}

/* object:hosts() -> {host = an address there, ...} */
static int file_hosts(lua_State *L)
{
    struct alias_table **table = luaL_checkudata(L, 1, FILE_TYPE);
    lua_newtable(L);
    alias_table_each(*table, add_host, L);
    return 1;
}

static int stop_when_over(void *state)
{
    return state_is_over(state);
}

static int wrong_database(lua_State *L, const char *path, sqlite3 *db)
{
    int code = sqlite3_errcode(db) & 0xff;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return luaL_error(L, "%s: %s, for longer than %d s", path, sqlite3_errmsg(db),
                          SQLITE_LOAD_BUSY_MS / 1000);
    return luaL_error(L,
                      "%s: %s: a table was expected as of CREATE TABLE aliases (address TEXT "
                      "PRIMARY KEY COLLATE NOCASE, destination TEXT NOT NULL)",
                      path, sqlite3_errmsg(db));
}

/* While rules load, somebody's long transaction is waited for: a reload that fails for it, or a start,
 * is worse than a late one. */
static int wait_for_lock(void *context, int times)
{
    const char *path = context;
    if (times == 0)
        log_warn("aliases-locked", NULL, LOG_TEXT("path", path),
                 LOG_NUMBER("waiting_at_most_s", SQLITE_LOAD_BUSY_MS / 1000));
    if (times >= SQLITE_LOAD_BUSY_MS / SQLITE_BUSY_MS)
        return 0;
    sqlite3_sleep(SQLITE_BUSY_MS);
    return 1;
}

/* sqlite(path) -> object. Each state has a connection of its own, since one is used by one thread.
 */
static int open_sqlite(lua_State *L)
{
    char path[4096];
    full_path(L, path, sizeof path);
    struct database *database = lua_newuserdata(L, sizeof *database);
    *database = (struct database){NULL, NULL};
    luaL_getmetatable(L, SQLITE_TYPE);
    lua_setmetatable(L, -2);
    if (sqlite3_open_v2(path, &database->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) !=
            SQLITE_OK ||
        sqlite3_busy_handler(database->db, wait_for_lock, path) != SQLITE_OK ||
        sqlite3_prepare_v2(database->db, aliases_query, -1, &database->query, NULL) != SQLITE_OK)
        return wrong_database(L, path, database->db);
    sqlite3_busy_timeout(database->db, SQLITE_BUSY_MS);
    sqlite3_progress_handler(database->db, SQLITE_STEPS_PER_CHECK, stop_when_over, state_of(L));
    return 1;
}

static int find_in_sqlite(lua_State *L)
{
    struct database *database = luaL_checkudata(L, 1, SQLITE_TYPE);
    size_t size;
    const char *address = luaL_checklstring(L, 2, &size);
    sqlite3_bind_text(database->query, 1, address, (int)size, SQLITE_TRANSIENT);
    int code = sqlite3_step(database->query);
    if (code == SQLITE_ROW) {
        /* pushing may raise, and the next call must find the query ready: so a copy, then reset */
        const char *text = (const char *)sqlite3_column_text(database->query, 0);
        size_t length = (size_t)sqlite3_column_bytes(database->query, 0);
        char *copy = state_scratch(state_of(L), length + 1);
        if (text && copy)
            snprintf(copy, length + 1, "%s", text);
        sqlite3_reset(database->query);
        lua_pushstring(L, text ? copy : NULL);
        return 1;
    }
    sqlite3_reset(database->query);
    state_check(L);
    if (code != SQLITE_DONE)
        return luaL_error(L, "aliases: %s", sqlite3_errmsg(database->db));
    return 0;
}

static int close_sqlite(lua_State *L)
{
    struct database *database = luaL_checkudata(L, 1, SQLITE_TYPE);
    sqlite3_finalize(database->query);
    sqlite3_close(database->db);
    *database = (struct database){NULL, NULL};
    return 0;
}

static void make_type(lua_State *L, const char *type, const luaL_Reg *methods)
{
    luaL_newmetatable(L, type);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "aliases");
    lua_setfield(L, -2, "__metatable");
    luaL_register(L, NULL, methods);
    lua_pop(L, 1);
}

int alias_sources_open(lua_State *L)
{
    static const luaL_Reg file_methods[] = {{"find", find_in_file},
                                            {"count", file_count},
                                            {"patterns", file_patterns},
                                            {"hosts", file_hosts},
                                            {NULL, NULL}};
    static const luaL_Reg sqlite_methods[] = {
        {"find", find_in_sqlite}, {"__gc", close_sqlite}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"file", open_file}, {"sqlite", open_sqlite}, {NULL, NULL}};
    make_type(L, FILE_TYPE, file_methods);
    make_type(L, SQLITE_TYPE, sqlite_methods);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    alias_lookups_open(L);
    return 1;
}
