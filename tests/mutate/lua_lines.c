/* lua_lines.c - writes down which lines of our Lua run, for scripts/mutate.
 *
 * Linked into each program of its coverage build, where it stands between the program and LuaJIT. MXHOOK_LUA_LINES names
 * the file; it is opened at the start, before the server confines itself, and gets a line "mxhook.rule:12" the first time. */
#include <dlfcn.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma weak lua_getinfo /* programs without Lua are linked with this, too */

#define SEEN       262144
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int out = -1;
static _Atomic uint32_t
    seen[SEEN]; /* hashes of what was written: two of one slot are written more than once */
static __thread lua_Hook own; /* the program's: counts instructions */

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("MXHOOK_LUA_LINES");
    if (path)
        out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

static void note(lua_State *L, lua_Debug *at)
{
    if (!lua_getinfo(L, "S", at) || strncmp(at->source, "=mxhook.", 8) != 0)
        return;
    char line[160];
    int size = snprintf(line, sizeof line, "%s:%d\n", at->source + 1, at->currentline);
    uint32_t hash = 2166136261u;
    for (int i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)line[i]) * 16777619u;
    if (atomic_exchange(&seen[hash % SEEN], hash) != hash && write(out, line, (size_t)size) < 0)
        out = -1;
}

static void hook(lua_State *L, lua_Debug *at)
{
    if (at->event != LUA_HOOKLINE) {
        if (own)
            own(L, at);
    } else if (out >= 0 && lua_getinfo(L, "l", at)) {
        note(L, at);
    }
}

int lua_sethook(lua_State *L, lua_Hook function, int mask, int count)
{
    own = function;
    return NEXT(lua_sethook)(L, hook, mask | LUA_MASKLINE, count);
}

lua_State *lua_newstate(lua_Alloc allocate, void *data)
{
    lua_State *L = NEXT(lua_newstate)(allocate, data);
    if (L)
        NEXT(lua_sethook)(L, hook, LUA_MASKLINE, 0);
    return L;
}

lua_State *luaL_newstate(void)
{
    lua_State *L = NEXT(luaL_newstate)();
    if (L)
        NEXT(lua_sethook)(L, hook, LUA_MASKLINE, 0);
    return L;
}
