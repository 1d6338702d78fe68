/* Texts of a destination's table. */
#include <errno.h>
#include <lauxlib.h>

#include "../base/ascii.h"

#include "destination_fields.h"
#include "destination_read.h"

const char *destination_keep(const struct destination_writer *writer, const char *text)
{
    const char *kept = writer->arena ? arena_strdup(writer->arena, text) : text;
    if (!kept)
        luaL_error(writer->L, "not enough memory");
    return kept;
}

int destination_read_text(lua_State *L, const char *what, const char **text, struct error *why)
{
    size_t size;
    if (lua_type(L, -1) != LUA_TSTRING)
        return error_set(why, -EINVAL, "%s: a string was expected, not a %s", what,
                         luaL_typename(L, -1));
    *text = lua_tolstring(L, -1, &size);
    if (size > DESTINATION_MAX_TEXT)
        return error_set(why, -EINVAL, "%s: %zu bytes; the limit is %d", what, size,
                         DESTINATION_MAX_TEXT);
    for (size_t i = 0; i < size; i++)
        if (is_control((*text)[i]))
            return error_set(why, -EINVAL, "%s: it holds a control character", what);
    return 0;
}
