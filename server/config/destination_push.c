/* A destination as the Lua table that a rule would write. */
#include <lua.h>
#include <string.h>

#include "destination_fields.h"
#include "destination_read.h"

/* ": Value", or "=env:NAME" as {env = "NAME"} (destination.h). */
static void push_header_value(lua_State *L, const char *value)
{
    const char *colon = strchr(value, ':');
    if (*value == ':') {
        lua_pushstring(L, value + 2);
        return;
    }
    lua_newtable(L);
    lua_pushlstring(L, value + 1, (size_t)(colon - value - 1));
    lua_pushstring(L, colon + 1);
    lua_settable(L, -3);
}

static void push_headers(lua_State *L, const struct destination *to)
{
    lua_newtable(L);
    for (size_t i = 0; i < to->header_count; i++) {
        size_t name_size = strcspn(to->headers[i], ":=");
        lua_pushlstring(L, to->headers[i], name_size);
        push_header_value(L, to->headers[i] + name_size);
        lua_settable(L, -3);
    }
}

static void push_schedule(lua_State *L, const struct destination *to)
{
    lua_newtable(L);
    for (size_t i = 0; i < to->schedule_count; i++) {
        lua_pushfstring(L, "%fms", (lua_Number)to->schedule_ms[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

static void push_field(lua_State *L, const struct destination *to,
                       const struct destination_field *field)
{
    switch (field->type) {
    case DESTINATION_URL:
    case DESTINATION_TEXT:
    case DESTINATION_PATH: lua_pushstring(L, *destination_text(to, field)); break;
    case DESTINATION_HEADERS: push_headers(L, to); break;
    case DESTINATION_DURATION:
        lua_pushnumber(L, (lua_Number)destination_number(to, field) / 1000);
        break;
    case DESTINATION_DURATIONS: push_schedule(L, to); break;
    case DESTINATION_NUMBER:
    case DESTINATION_BYTES: lua_pushnumber(L, (lua_Number)destination_number(to, field)); break;
    case DESTINATION_RATE: lua_pushfstring(L, "%f/h", to->rate * 3600); break;
    }
}

void destination_push(lua_State *L, const struct destination *to)
{
    lua_newtable(L);
    for (size_t i = 0; i < DESTINATION_FIELDS; i++)
        if (destination_has(to, &destination_fields[i])) {
            push_field(L, to, &destination_fields[i]);
            lua_setfield(L, -2, destination_fields[i].name);
        }
}
