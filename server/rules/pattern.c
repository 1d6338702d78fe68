#include "pattern.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "pattern_matcher.h"
#include "state.h"

static void push_capture(struct matcher *m, int index)
{
    const struct capture *capture = &m->captures[index];
    if (capture->size == CAPTURE_POSITION)
        lua_pushinteger(m->L, capture->start - m->subject + 1);
    else if (capture->size == CAPTURE_OPEN)
        luaL_error(m->L, "unfinished capture");
    else
        lua_pushlstring(m->L, capture->start, (size_t)capture->size);
}

static int push_captures(struct matcher *m)
{
    luaL_checkstack(m->L, m->count, "too many captures");
    for (int i = 0; i < m->count; i++)
        push_capture(m, i);
    return m->count;
}

/* One call's arguments: subject, pattern, init */
static const char *read_arguments(lua_State *L, struct matcher *m, const char **pattern)
{
    size_t size, pattern_size;
    m->L = L;
    m->steps = 0;
    m->subject = luaL_checklstring(L, 1, &size);
    m->end = m->subject + size;
    *pattern = luaL_checklstring(L, 2, &pattern_size);
    m->pattern_end = *pattern + pattern_size;
    ptrdiff_t init = luaL_optinteger(L, 3, 1);
    if (init < 0)
        init += (ptrdiff_t)size + 1;
    if (init < 1)
        init = 1;
    if (init > (ptrdiff_t)size + 1) /* as Lua 5.1 has it: an empty pattern still matches there */
        init = (ptrdiff_t)size + 1;
    return m->subject + init - 1;
}

/* The first match at or after *s: where it ends, and *s where it begins. */
static const char *search(struct matcher *m, const char **s, const char *pattern)
{
    bool anchored = pattern < m->pattern_end && *pattern == '^';
    if (anchored)
        pattern++;
    do {
        m->count = m->depth = 0;
        pattern_step(m);
        const char *found = pattern_match_here(m, *s, pattern);
        if (found)
            return found;
    } while (++*s <= m->end && !anchored);
    return NULL;
}

static bool is_plain(const char *pattern, const char *end)
{
    for (; pattern < end; pattern++)
        if (*pattern && strchr("^$*+?.([%-", *pattern))
            return false;
    return true;
}

static int no_match(lua_State *L)
{
    lua_pushnil(L);
    return 1;
}

int pattern_find(lua_State *L)
{
    struct matcher m;
    const char *pattern, *found;
    const char *s = read_arguments(L, &m, &pattern);
    state_check(L); /* even the simplest search of a large text takes its time */
    if (lua_toboolean(L, 4) || is_plain(pattern, m.pattern_end)) {
        size_t size = (size_t)(m.pattern_end - pattern);
        s = memmem(s, (size_t)(m.end - s), pattern, size);
        found = s ? s + size : NULL;
        m.count = 0;
    } else {
        found = search(&m, &s, pattern);
    }
    if (!found)
        return no_match(L);
    lua_pushinteger(L, s - m.subject + 1);
    lua_pushinteger(L, found - m.subject);
    return push_captures(&m) + 2;
}

int pattern_match(lua_State *L)
{
    struct matcher m;
    const char *pattern;
    const char *s = read_arguments(L, &m, &pattern);
    state_check(L);
    const char *found = search(&m, &s, pattern);
    if (!found)
        return no_match(L);
    if (m.count > 0)
        return push_captures(&m);
    lua_pushlstring(L, s, (size_t)(found - s));
    return 1;
}
