#include "answer.h"

#include <errno.h>
#include <glib.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "../mail/utf8.h"
#include "../base/ascii.h"
#include "../base/redact.h"

/* What is being read, and what came of it so far. */
struct answer_reader {
    lua_State *L;
    struct verdict *verdict;
    struct error *why;
    size_t destinations, nulls;
};

/* A copy in the arena: valid UTF-8, without control characters, at most `max` bytes. */
static const char *clean_text(lua_State *L, struct arena *arena, const char *text, size_t size,
                              size_t max)
{
    /* An invalid byte grows to three: so this bounds the work, and the cut below the result. */
    gchar *valid = g_utf8_make_valid(text, (gssize)(size > max ? max : size));
    size = strlen(valid);
    if (size > max)
        size = utf8_whole_size(valid, max);
    char *clean = arena_strndup(arena, valid, size);
    g_free(valid);
    if (!clean)
        luaL_error(L, "not enough memory");
    for (char *p = clean; *p; p++)
        if (is_control(*p) && *p != '\n')
            *p = ' ';
    return clean;
}

static int read_one(struct answer_reader *reader, int index)
{
    if (reader->destinations == ANSWER_MAX_DESTINATIONS)
        return error_set(reader->why, -EINVAL, "more than %d destinations",
                         ANSWER_MAX_DESTINATIONS);
    int code = answer_read_destination(reader->L, index, reader->verdict, reader->why);
    if (code < 0)
        return code;
    if (code == 0)
        reader->destinations++;
    else
        reader->nulls++;
    return 0;
}

static int read_string(struct answer_reader *reader, int index)
{
    size_t size;
    const char *text = lua_tolstring(reader->L, index, &size);
    const char *end = text + size;
    for (;;) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma ? comma : end;
        while (text < stop && (*text == ' ' || *text == '\t'))
            text++;
        while (stop > text && (stop[-1] == ' ' || stop[-1] == '\t'))
            stop--;
        lua_pushlstring(reader->L, text, (size_t)(stop - text));
        int code = read_one(reader, lua_gettop(reader->L));
        lua_pop(reader->L, 1);
        if (code != 0 || !comma)
            return code;
        text = comma + 1;
    }
}

static bool has_field(lua_State *L, int index, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, index);
    bool has = !lua_isnil(L, -1);
    lua_pop(L, 1);
    return has;
}

static int read_list(struct answer_reader *reader, int index)
{
    lua_State *L = reader->L;
    size_t count = lua_objlen(L, index);
    if (count == 0)
        return error_set(reader->why, -EINVAL,
                         "a table that is neither a list of destinations nor has a url");
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, index, (int)i);
        int item = lua_gettop(L);
        int code;
        if (lua_type(L, item) == LUA_TSTRING)
            code = read_string(reader, item);
        else if (lua_istable(L, item))
            code = read_one(reader, item);
        else
            code = error_set(reader->why, -EINVAL, "a list with a %s at %zu",
                             luaL_typename(L, item), i);
        lua_pop(L, 1);
        if (code != 0)
            return code;
    }
    return 0;
}

static int read_destinations(struct answer_reader *reader, int index)
{
    lua_State *L = reader->L;
    luaL_checkstack(L, 20, "answer");
    if (lua_type(L, index) == LUA_TSTRING)
        return read_string(reader, index);
    if (!lua_istable(L, index))
        return error_set(reader->why, -EINVAL, "a %s", luaL_typename(L, index));
    if (has_field(L, index, "url"))
        return read_one(reader, index);
    return read_list(reader, index);
}

static enum answer_kind decide(struct verdict *verdict, enum verdict_kind kind, const char *text)
{
    if (verdict) {
        verdict->kind = kind;
        verdict->text = text;
    }
    return ANSWER_FINAL;
}

static enum answer_kind read_plain(struct answer_reader *reader, int index)
{
    if (read_destinations(reader, index) != 0)
        return ANSWER_WRONG;
    return decide(reader->verdict, reader->destinations ? VERDICT_DELIVER : VERDICT_DISCARD, "");
}

/* A table that route.lua made: {action = ..., text = ... or destinations = ...} */
static enum answer_kind read_made(struct answer_reader *reader, int index)
{
    lua_State *L = reader->L;
    lua_pushliteral(L, "action");
    lua_rawget(L, index);
    lua_pushliteral(L, "value");
    lua_rawget(L, index);
    int value = lua_gettop(L);
    const char *action = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(action, "discard") == 0)
        return decide(reader->verdict, VERDICT_DISCARD, "");
    if (strcmp(action, "also") == 0)
        return read_destinations(reader, value) == 0 ? ANSWER_ALSO : ANSWER_WRONG;
    size_t size = 0;
    const char *text = lua_type(L, value) == LUA_TSTRING ? lua_tolstring(L, value, &size) : "";
    if (reader->verdict)
        text = clean_text(L, reader->verdict->arena, text, size, ANSWER_MAX_TEXT);
    if (strcmp(action, "reject") == 0)
        return decide(reader->verdict, VERDICT_REJECT, text);
    if (strcmp(action, "defer") == 0)
        return decide(reader->verdict, VERDICT_DEFER, text);
    error_set(reader->why, -EINVAL, "an answer that route did not make");
    return ANSWER_WRONG;
}

static bool is_made_by_route(lua_State *L, int index)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, ANSWER_TYPE);
    bool made = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return made;
}

enum answer_kind answer_read(lua_State *L, int index, struct verdict *verdict, struct error *why)
{
    struct answer_reader reader = {L, verdict, why, 0, 0};
    int top = lua_gettop(L);
    enum answer_kind kind;
    if (lua_isnil(L, index) || (lua_isboolean(L, index) && !lua_toboolean(L, index)))
        kind = ANSWER_NONE; /* false too: `return subject == "x" and url` should read well */
    else if (is_made_by_route(L, index))
        kind = read_made(&reader, index);
    else
        kind = read_plain(&reader, index);
    lua_settop(L, top);
    return kind;
}

void answer_describe(enum answer_kind kind, const struct verdict *verdict, size_t first, char *text,
                     size_t size)
{
    static const char *const names[] = {[VERDICT_NO_MATCH] = "no match",
                                        [VERDICT_DELIVER] = "",
                                        [VERDICT_DISCARD] = "discard",
                                        [VERDICT_REJECT] = "reject",
                                        [VERDICT_DEFER] = "defer"};
    size_t used = 0;
    text[0] = '\0';
    if (kind == ANSWER_NONE || kind == ANSWER_WRONG) {
        snprintf(text, size, "%s", kind == ANSWER_NONE ? "no match" : "not an answer");
        return;
    }
    if (kind == ANSWER_FINAL && verdict->kind != VERDICT_DELIVER) {
        snprintf(text, size, "%s%s%s", names[verdict->kind], *verdict->text ? ": " : "",
                 verdict->text);
        return;
    }
    for (size_t i = first; i < verdict->destination_count && used < size; i++) {
        const char *url = verdict->destinations[i].url, *rest;
        int before = (int)redact_userinfo(url, &rest);
        used += (size_t)snprintf(text + used, size - used, "%s%.*s%s", i == first ? "" : ", ",
                                 before, url, rest);
    }
}
