#include "zone.h"

#include <fcntl.h>
#include <glib.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state.h"

#define ZONE_TYPE      "mxhook.zone"
#define ZONE_DIRECTORY "/usr/share/zoneinfo"
#define ZONE_MAX_NAME  64
#define TZIF_MAGIC     "TZif" /* RFC 9636 section 3.1 */

/* Words of letters, digits, '_', '+' and '-', joined by '/': so no ".", and no path from the root. */
static bool is_name(const char *name, size_t size)
{
    bool inside = false;
    if (size == 0 || size > ZONE_MAX_NAME || strlen(name) != size)
        return false;
    for (const char *p = name; *p; p++) {
        if (*p == '/' ? !inside : !g_ascii_isalnum(*p) && !strchr("_+-", *p))
            return false;
        inside = *p != '/';
    }
    return inside;
}

/* GLib opens what it is given, whatever that is, and reads it whole. So it is looked at before. */
static bool is_in_database(const char *name)
{
    const char *directory = getenv("TZDIR");
    char path[4096], magic[sizeof TZIF_MAGIC - 1];
    struct stat status;
    int length = snprintf(path, sizeof path, "%s/%s",
                          directory && *directory ? directory : ZONE_DIRECTORY, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    bool found = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                 read(fd, magic, sizeof magic) == (ssize_t)sizeof magic &&
                 memcmp(magic, TZIF_MAGIC, sizeof magic) == 0;
    close(fd);
    return found;
}

int zone_new(lua_State *L)
{
    size_t size;
    const char *name = luaL_checklstring(L, 1, &size);
    state_check(L); /* it reads a file */
    if (!is_name(name, size) || !is_in_database(name))
        return 0;
    GTimeZone **zone = lua_newuserdata(L, sizeof(GTimeZone *));
    *zone = NULL;
    luaL_getmetatable(L, ZONE_TYPE);
    lua_setmetatable(L, -2);
    *zone = g_time_zone_new_identifier(name);
    return *zone ? 1 : 0;
}

int zone_offset(lua_State *L)
{
    GTimeZone **zone = luaL_checkudata(L, 1, ZONE_TYPE);
    luaL_argcheck(L, *zone, 1, "no time zone");
    gint interval =
        g_time_zone_find_interval(*zone, G_TIME_TYPE_UNIVERSAL, (gint64)luaL_checknumber(L, 2));
    lua_pushinteger(L, interval < 0 ? 0 : g_time_zone_get_offset(*zone, interval));
    return 1;
}

static int zone_collect(lua_State *L)
{
    GTimeZone **zone = luaL_checkudata(L, 1, ZONE_TYPE);
    if (*zone)
        g_time_zone_unref(*zone);
    *zone = NULL;
    return 0;
}

void zone_open(lua_State *L)
{
    luaL_newmetatable(L, ZONE_TYPE);
    lua_pushcfunction(L, zone_collect);
    lua_setfield(L, -2, "__gc");
    lua_pushliteral(L, "zone");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
