/* Whatever a rule returns: the reader takes it or says what is wrong with it, without running any of it; and what it
 * takes can be sent. The input says how the value is made. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "config/destination_fields.h"
#include "config/destination_read.h"
#include "rules/answer.h"
#include "rules/state.h"

#define DEPTH 4

struct input {
    const uint8_t *bytes;
    size_t size;
};

static struct state state = {.secrets = "/etc/mxhook/secrets"};

static unsigned take(struct input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->bytes++;
}

static void push_string(lua_State *L, struct input *in)
{
    static const char *const known[] = {"url",
                                        "secret",
                                        "headers",
                                        "timeout",
                                        "attempts",
                                        "schedule",
                                        "rate",
                                        "max_in_flight",
                                        "max_body",
                                        "ca_file",
                                        "client_cert",
                                        "client_key",
                                        "env",
                                        "file",
                                        "action",
                                        "value",
                                        "also",
                                        "reject",
                                        "discard",
                                        "https://a.example/x",
                                        "boss@b.example",
                                        "null",
                                        "https://a.example, b@c.example",
                                        "env:MXHOOK_A",
                                        "file:/etc/mxhook/secrets/a",
                                        "5s",
                                        "10/s",
                                        "5 MB",
                                        "X-A",
                                        "/dev/null"};
    unsigned which = take(in);
    if (which < sizeof known / sizeof *known) {
        lua_pushstring(L, known[which]);
        return;
    }
    size_t size = take(in);
    if (size > in->size)
        size = in->size;
    lua_pushlstring(L, (const char *)in->bytes, size);
    in->bytes += size;
    in->size -= size;
    for (unsigned more = which == 255 ? 12 : 0; more > 0; more--) { /* past the limits of size */
        lua_pushvalue(L, -1);
        lua_concat(L, 2);
    }
}

static void push_number(lua_State *L, struct input *in)
{
    static const double known[] = {0,     -1,     0.5,     1,        100,    1e9,
                                   1e300, -1e300, 1.0 / 0, -1.0 / 0, 0.0 / 0};
    unsigned which = take(in);
    lua_pushnumber(L, which < sizeof known / sizeof *known ? known[which] : which * 1.25);
}

/* No metamethod of a rule may run. */
static int on_called(lua_State *L)
{
    (void)L;
    EXPECT(!"the reader called what a rule returned");
    return 0;
}

static void give_metatable(lua_State *L, bool answer)
{
    static const char *const names[] = {"__index", "__newindex", "__len",    "__tostring",
                                        "__eq",    "__call",     "__concat", "__lt"};
    if (answer) {
        luaL_newmetatable(L, ANSWER_TYPE);
    } else {
        lua_newtable(L);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            lua_pushcfunction(L, on_called);
            lua_setfield(L, -2, names[i]);
        }
    }
    lua_setmetatable(L, -2);
}

static void push_value(lua_State *L, struct input *in, unsigned depth);

static void push_table(lua_State *L, struct input *in, unsigned depth)
{
    unsigned kind = take(in), count = take(in) % 16;
    lua_newtable(L);
    for (unsigned i = 1; i <= count && in->size > 0; i++) {
        if (kind & 1)
            lua_pushinteger(L, (lua_Integer)i);
        else if (kind & 2)
            push_string(L, in);
        else
            push_value(L, in, 0);
        push_value(L, in, depth - 1);
        double key = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
        if (lua_isnil(L, -2) || key != key)
            lua_pop(L, 2); /* no table has such a key */
        else
            lua_rawset(L, -3);
    }
    if (kind & 4)
        for (int i = 1; i <= 2 * ANSWER_MAX_DESTINATIONS; i++) {
            lua_pushliteral(L, "https://a.example/");
            lua_rawseti(L, -2, i);
        }
    if (kind & 24)
        give_metatable(L, kind & 8);
}

static void push_value(lua_State *L, struct input *in, unsigned depth)
{
    switch (take(in) % 10) {
    case 0: lua_pushnil(L); break;
    case 1: lua_pushboolean(L, take(in) & 1); break;
    case 2: push_number(L, in); break;
    case 3: lua_pushcfunction(L, on_called); break;
    case 4: lua_pushlightuserdata(L, &state); break;
    case 5: lua_newthread(L); break;
    case 6:
        lua_newuserdata(L, 8);
        give_metatable(L, take(in) & 1);
        break;
    case 7: push_string(L, in); break;
    default:
        if (depth > 0)
            push_table(L, in, depth);
        else
            push_string(L, in);
    }
}

static void expect_no_line_end(const char *text)
{
    EXPECT(!strpbrk(text, "\r\n"));
}

static void expect_sendable(const struct destination *to)
{
    struct error why;
    EXPECT(destination_check_target(to->url, strlen(to->url), &why) == 0);
    EXPECT(to->timeout_ms >= 0 && to->timeout_ms <= DESTINATION_MAX_MS);
    EXPECT(to->attempts <= DESTINATION_MAX_ATTEMPTS && to->rate >= 0 &&
           to->rate <= DESTINATION_MAX_RATE);
    EXPECT(to->max_in_flight <= DESTINATION_MAX_IN_FLIGHT && to->max_body <= DESTINATION_MAX_BODY);
    EXPECT(to->header_count <= DESTINATION_MAX_HEADERS &&
           to->schedule_count < DESTINATION_MAX_ATTEMPTS);
    for (size_t i = 0; i < to->header_count; i++) {
        expect_no_line_end(to->headers[i]);
        EXPECT(strpbrk(to->headers[i], ":=") && *to->headers[i] != ':' && *to->headers[i] != '=');
    }
    for (size_t i = 0; i < to->schedule_count; i++)
        EXPECT(to->schedule_ms[i] >= 0 && to->schedule_ms[i] <= (int64_t)DESTINATION_MAX_PAUSE_MS);
    if (to->secret)
        expect_no_line_end(to->secret);
}

static void expect_sound(enum answer_kind kind, const struct verdict *verdict, const char *why)
{
    char text[100];
    EXPECT((kind == ANSWER_WRONG) == (*why != 0));
    if (kind == ANSWER_WRONG)
        return;
    EXPECT(verdict->destination_count <= ANSWER_MAX_DESTINATIONS);
    EXPECT(kind != ANSWER_NONE || verdict->destination_count == 0);
    EXPECT(verdict->kind != VERDICT_DELIVER || verdict->destination_count > 0);
    for (size_t i = 0; i < verdict->destination_count; i++)
        expect_sendable(&verdict->destinations[i]);
    EXPECT(strlen(verdict->text) <= ANSWER_MAX_TEXT && !strchr(verdict->text, '\r'));
    answer_describe(kind, verdict, 0, text, sizeof text);
}

static int read_it(lua_State *L)
{
    struct input *in = lua_touserdata(L, 1);
    struct error why = {""}, alone = {""};
    struct verdict verdict = {.text = "", .arena = arena_new()};
    EXPECT(verdict.arena);
    push_value(L, in, DEPTH);
    int top = lua_gettop(L);
    enum answer_kind kind = answer_read(L, top, &verdict, &why);
    EXPECT(lua_gettop(L) == top);
    expect_sound(kind, &verdict, why.text);
    EXPECT(answer_read(L, top, NULL, &alone) == kind);
    EXPECT(strcmp(alone.text, why.text) == 0);
    arena_free(verdict.arena);
    return 0;
}

static void *allocate(void *context, void *block, size_t old_size, size_t size)
{
    (void)context, (void)old_size;
    if (size > 0)
        return realloc(block, size);
    free(block);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = {bytes, size};
    lua_State *L = lua_newstate(allocate, &state);
    EXPECT(L && lua_cpcall(L, read_it, &in) == 0);
    lua_close(L);
    return 0;
}
