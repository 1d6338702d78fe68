#include "script.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/embedded.h"
#include "cli.h"

struct script {
    const char *command;
    const struct script_argument *arguments;
    int code;
};

/* make_folder(path): raises where it is not there and cannot be made */
static int make_folder(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat status;
    if (mkdir(path, 0777) == 0)
        return 0;
    int why = errno;
    if (stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            return 0;
        why = ENOTDIR;
    }
    lua_pushfstring(L, "%s: %s", path, strerror(why));
    return lua_error(L);
}

static int run(lua_State *L)
{
    struct script *script = lua_touserdata(L, 1);
    char module[64];
    snprintf(module, sizeof module, "mxhook.cli.%s", script->command);
    luaL_openlibs(L);
    embedded_open(L);
    embedded_require(L, module);
    lua_getfield(L, -1, "run");
    lua_newtable(L);
    for (const struct script_argument *a = script->arguments; a->name; a++) {
        lua_pushstring(L, a->value);
        lua_setfield(L, -2, a->name);
    }
    lua_pushcfunction(L, make_folder);
    lua_call(L, 2, 1);
    script->code = (int)lua_tointeger(L, -1);
    return 0;
}

int script_run(const char *command, const struct script_argument *arguments)
{
    struct script script = {command, arguments, CLI_FAILED};
    struct error err = {""};
    lua_State *L = luaL_newstate();
    if (!L) {
        error_set(&err, -1, "out of memory");
        return cli_fail(command, &err);
    }
    if (lua_cpcall(L, run, &script) != 0) {
        const char *text = lua_tostring(L, -1);
        error_set(&err, -1, "%s", text ? text : "error without a message");
        script.code = cli_fail(command, &err);
    }
    lua_close(L);
    return script.code;
}
