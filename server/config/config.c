#include "config.h"

#include <errno.h>
#include <math.h>
#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "config_destination.h"
#include "config_values.h"
#include "../base/domain.h"
#include "../base/duration.h"
#include "../base/embedded.h"
#include "../base/environment.h"

#define FILE_LIMIT (1024 * 1024) /* bytes of a configuration file */

/* The config and its count in one piece: nobody else needs to see the count. */
struct counted_config {
    struct config config;
    atomic_uint references;
};

struct config *config_ref(struct config *config)
{
    atomic_fetch_add(&((struct counted_config *)config)->references, 1);
    return config;
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
}

void config_unref(struct config *config)
{
    if (!config || atomic_fetch_sub(&((struct counted_config *)config)->references, 1) > 1)
        return;
    wipe(config->spool.postgres);
    for (size_t i = 0; i < config->lookup_count; i++) {
        wipe(config->lookups[i].secret);
        wipe(config->lookups[i].conninfo);
    }
    wipe(config->forward.password);
    wipe(config->forward.srs_key);
    wipe(config->forward.srs_secret);
    for (size_t i = 0; i < config->admin.login_count; i++)
        wipe(config->admin.logins[i].secret);
    if (config->tls.context)
        config->tls.free_context(config->tls.context);
    arena_free(config->arena);
    free(config);
}

/* Lua: is_network(text) -> boolean. */
static int is_network(lua_State *L)
{
    struct network network;
    lua_pushboolean(L, network_parse(luaL_checkstring(L, 1), &network) == 0);
    return 1;
}

/* Lua: domain_to_ascii(text) -> text; or nil and why not. */
static int to_ascii(lua_State *L)
{
    char out[DOMAIN_SIZE];
    const char *wrong = domain_to_ascii(luaL_checkstring(L, 1), out);
    lua_pushstring(L, wrong ? NULL : out);
    lua_pushstring(L, wrong);
    return 2;
}

/* Lua: duration_ms(text) -> whole milliseconds, or nil. Blanks may stand around it. */
static int duration_ms(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1), *end;
    double ms = duration_read(text + strspn(text, " "), &end);
    if (ms >= 0 && !end[strspn(end, " ")])
        lua_pushnumber(L, floor(ms));
    else
        lua_pushnil(L);
    return 1;
}

static void push_machine_defaults(lua_State *L)
{
    char hostname[256] = "localhost";
    gethostname(hostname, sizeof hostname - 1);
    lua_newtable(L);
    lua_pushstring(L, hostname);
    lua_setfield(L, -2, "hostname");
    lua_pushinteger(L, (lua_Integer)uv_available_parallelism());
    lua_setfield(L, -2, "rules.workers");
    lua_pushcfunction(L, to_ascii);
    lua_setfield(L, -2, "domain_to_ascii");
    lua_pushcfunction(L, is_network);
    lua_setfield(L, -2, "is_network");
    lua_pushcfunction(L, duration_ms);
    lua_setfield(L, -2, "duration_ms");
    config_push_byte_units(L);
    lua_setfield(L, -2, "byte_units");
    environment_push(L);
    lua_setfield(L, -2, "environment");
    config_push_destination_checks(L);
    lua_setfield(L, -3, "check_destination");
    lua_setfield(L, -2, "destination_fields");
}

/* Pushes this function of lua/mxhook/config.lua. */
static void push_function(lua_State *L, const char *name)
{
    embedded_open(L);
    embedded_require(L, "mxhook.config");
    lua_getfield(L, -1, name);
}

/* Lua: load(path, text) -> values, or nil and a list of errors; here the list becomes an error with
 * a line each. */
static int load_values(lua_State *L)
{
    push_function(L, "load");
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    push_machine_defaults(L);
    lua_call(L, 3, 2);
    if (!lua_isnil(L, -2)) {
        lua_pop(L, 1);
        return 1;
    }
    lua_getglobal(L, "table");
    lua_getfield(L, -1, "concat");
    lua_pushvalue(L, -3);
    lua_pushliteral(L, "\n");
    lua_call(L, 2, 1);
    return lua_error(L);
}

/* Lua: defaults(the rules' folder) -> values */
static int default_values(lua_State *L)
{
    push_function(L, "defaults");
    lua_pushvalue(L, 1);
    push_machine_defaults(L);
    lua_call(L, 2, 1);
    return 1;
}

static int raised(lua_State *L, struct error *err)
{
    const char *message = lua_tostring(L, -1);
    return error_set(err, -EINVAL, "%s", message ? message : "error without a message");
}

static int read_file(const char *path, char **text, size_t *size, struct error *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    char *buffer = malloc(FILE_LIMIT + 1);
    *size = buffer ? fread(buffer, 1, FILE_LIMIT + 1, file) : 0;
    int failed = ferror(file) ? errno : 0;
    fclose(file);
    *text = buffer;
    if (!buffer)
        return error_set(err, -ENOMEM, "%s: out of memory", path);
    if (failed)
        return error_set(err, -failed, "%s: %s", path, strerror(failed));
    if (*size > FILE_LIMIT)
        return error_set(err, -EFBIG, "%s: larger than %d bytes", path, FILE_LIMIT);
    return 0;
}

/* Both push the table of values. */
static int load_file(lua_State *L, const char *path, struct error *err)
{
    char *text = NULL;
    size_t size = 0;
    int code = read_file(path, &text, &size, err);
    if (code == 0) {
        lua_pushcfunction(L, load_values);
        lua_pushstring(L, path);
        lua_pushlstring(L, text, size);
        code = lua_pcall(L, 2, 1, 0) == 0 ? 0 : raised(L, err);
    }
    free(text);
    return code;
}

static int load_defaults(lua_State *L, const char *directory, struct error *err)
{
    lua_pushcfunction(L, default_values);
    lua_pushstring(L, directory);
    return lua_pcall(L, 1, 1, 0) == 0 ? 0 : raised(L, err);
}

static int load_into(lua_State *L, int (*load)(lua_State *, const char *, struct error *),
                     const char *path, struct config *config, struct error *err)
{
    luaL_openlibs(L);
    /* So that the process never needs memory that is both written and run. */
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    int code = load(L, path, err);
    if (code != 0)
        return code;
    lua_pushcfunction(L, config_read_values);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, config);
    return lua_pcall(L, 2, 0, 0) == 0 ? 0 : raised(L, err);
}

static int config_new(int (*load)(lua_State *, const char *, struct error *), const char *path,
                      struct config **out, struct error *err)
{
    struct counted_config *counted = calloc(1, sizeof *counted);
    lua_State *L = luaL_newstate();
    int code = -ENOMEM;
    if (counted && (counted->config.arena = arena_new()))
        counted->config.path = arena_strdup(counted->config.arena, path);
    if (!counted || !L || !counted->config.path)
        error_set(err, code, "%s: out of memory", path);
    else
        code = load_into(L, load, path, &counted->config, err);
    if (L)
        lua_close(L);
    if (!counted)
        return code;
    atomic_init(&counted->references, 1);
    if (code == 0)
        *out = &counted->config;
    else
        config_unref(&counted->config);
    return code;
}

int config_load(const char *path, struct config **out, struct error *err)
{
    return config_new(load_file, path, out, err);
}

int config_defaults(const char *rules_directory, struct config **out, struct error *err)
{
    return config_new(load_defaults, rules_directory, out, err);
}

/* Its one argument is the name of the function whose text is printed. */
static int print_text(lua_State *L)
{
    const char *name = lua_touserdata(L, 1);
    embedded_open(L);
    embedded_require(L, "mxhook.config_text");
    lua_getfield(L, -1, name);
    lua_call(L, 0, 1);
    fputs(lua_tostring(L, -1), stdout);
    return 0;
}

static int print(const char *name)
{
    lua_State *L = luaL_newstate();
    if (!L)
        return -ENOMEM;
    luaL_openlibs(L);
    lua_pushcfunction(L, print_text);
    lua_pushlightuserdata(L, (void *)name);
    int code = lua_pcall(L, 1, 0, 0) == 0 && fflush(stdout) == 0 ? 0 : -EIO;
    lua_close(L);
    return code;
}

int config_print_example(void)
{
    return print("example");
}

int config_print_mdoc(void)
{
    return print("mdoc");
}
