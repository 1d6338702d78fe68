#include "config_destination.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "../base/byte_unit.h"
#include "destination_fields.h"
#include "destination_read.h"
#include "option.h"

/* What is no URL at all, or one that is wrong? */
static bool looks_like_url(const char *text)
{
    const char *rest = strstr(text, "://");
    size_t scheme = rest ? (size_t)(rest - text) : 0;
    bool http = strlen(text) <= DESTINATION_MAX_URL && (scheme == 4 || scheme == 5) &&
                strncasecmp(text, "https", scheme) == 0;
    for (const char *p = text; *p && http; p++)
        http = *p > ' ' && *p < 0x7f;
    return http && rest[3] && !strchr("/?#", rest[3]);
}

/* A webhook: what is sent to an e-mail address would be a notice about mail, by mail. */
static int check_url(const struct destination_writer *writer, const char *text, size_t size,
                     struct error *why)
{
    struct error fault = {""};
    const struct destination webhook = {.url = text};
    (void)writer;
    int code = destination_check_target(text, size, &fault);
    if (code == 0 && !destination_is_mail(&webhook))
        return 0;
    return code != 0 && looks_like_url(text)
               ? error_set(why, -EINVAL, "url: %s", fault.text)
               : error_set(why, -EINVAL, "%s", destination_field("url")->configured);
}

/* Who writes the configuration may read all that the server may. */
static int check_env(const struct destination_writer *writer, const char *what, const char *name,
                     struct error *why)
{
    (void)writer;
    return *name ? 0 : error_set(why, -EINVAL, "%s: env: it is empty", what);
}

static int check_file(const struct destination_writer *writer, const char *what, const char *path,
                      struct error *why)
{
    (void)writer;
    return *path == '/' ? 0
                        : error_set(why, -EINVAL, "%s: file: an absolute path was expected", what);
}

static int read(lua_State *L, bool profile, struct arena *arena, struct destination *to,
                struct error *why)
{
    const struct destination_writer writer = {.configuration = true,
                                              .profile = profile,
                                              .arena = arena,
                                              .L = L,
                                              .check_url = check_url,
                                              .check_env = check_env,
                                              .check_file = check_file};
    return destination_read(&writer, lua_gettop(L), to, why);
}

/* Lua: destination_fields() -> {"url", ...} */
static int names(lua_State *L)
{
    lua_newtable(L);
    for (size_t i = 0; i < DESTINATION_FIELDS; i++)
        if (destination_fields[i].allowed & DESTINATION_CONFIGURED) {
            lua_pushstring(L, destination_fields[i].name);
            lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
        }
    return 1;
}

/* Lua: check_destination(table, profile) -> nil, or what is wrong */
static int check(lua_State *L)
{
    struct destination to;
    struct error why;
    bool profile = lua_toboolean(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushstring(L, read(L, profile, NULL, &to, &why) == 0 ? NULL : why.text);
    return 1;
}

void config_push_destination_checks(lua_State *L)
{
    lua_pushcfunction(L, names);
    lua_pushcfunction(L, check);
}

/* It was checked. */
static void read_checked(lua_State *L, bool profile, struct arena *arena, struct destination *to)
{
    struct error why;
    if (read(L, profile, arena, to, &why) != 0)
        luaL_error(L, "%s", why.text);
}

const struct destination *config_read_destination(lua_State *L, const char *name,
                                                  struct arena *arena)
{
    struct destination *to = NULL;
    lua_getfield(L, 1, name);
    if (!lua_isnil(L, -1)) {
        to = option_memory(L, arena_alloc(arena, sizeof *to));
        read_checked(L, false, arena, to);
    }
    lua_pop(L, 1);
    return to;
}

void config_read_profile(lua_State *L, struct arena *arena, struct destination *to)
{
    read_checked(L, true, arena, to);
}

void config_push_byte_units(lua_State *L)
{
    lua_newtable(L);
    for (const struct byte_unit *unit = byte_units; unit->name; unit++) {
        lua_pushnumber(L, unit->bytes);
        lua_setfield(L, -2, unit->name);
    }
}
