/* msg_parts.c - msg.attachments and msg.inlines. */
#include "msg_parts.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "../base/clock.h"
#include "handle.h"
#include "ruleset.h"
#include "state.h"
#include "view.h"

#define PART_TYPE "mxhook.part"

static const char *const part_fields[] = {"name", "type", "size", "content", "cid", NULL};

struct content {
    struct state *state;
    uint64_t size;
    bool keep; /* in the scratch; else the bytes are just counted */
};

static int add_content(void *context, const char *bytes, size_t size)
{
    struct content *content = context;
    if (content->keep) {
        if (state_is_over(content->state))
            return -ETIME;
        if (content->size + size > content->state->limit)
            return -EFBIG;
        char *scratch = state_scratch(content->state, content->size + size);
        if (!scratch)
            return -ENOMEM;
        memcpy(scratch + content->size, bytes, size);
    }
    content->size += size;
    return 0;
}

static struct content read_content(lua_State *L, struct run *run, const struct part *part,
                                   bool keep)
{
    struct content content = {state_of(L), 0, keep};
    int code = part_read_content(run->input->message, part, add_content, &content);
    if (keep)
        state_check(L);
    if (code == -EFBIG)
        state_reserve(L, content.state->limit + 1); /* raises, naming the limit */
    if (code != 0)
        luaL_error(L, "the attachment cannot be read: %s", strerror(-code));
    return content;
}

/* Counting a large attachment takes longer than a rule may: so it is done once in a run, and the
 * rule's clock is stopped meanwhile. The message's own size bounds it. */
static uint64_t part_size(lua_State *L, struct run *run, size_t index)
{
    const struct message *message = run->input->message;
    struct state *state = state_of(L);
    if (!run->part_sizes) {
        run->part_sizes =
            arena_alloc(run->verdict->arena, message->part_count * sizeof *run->part_sizes);
        if (!run->part_sizes)
            luaL_error(L, "not enough memory");
        memset(run->part_sizes, 0xff, message->part_count * sizeof *run->part_sizes);
    }
    if (run->part_sizes[index] == UINT64_MAX) {
        int64_t start = clock_monotonic_us();
        run->part_sizes[index] = read_content(L, run, &message->parts[index], false).size;
        state->deadline_us += clock_monotonic_us() - start;
    }
    return run->part_sizes[index];
}

static int part_index(lua_State *L)
{
    size_t index;
    struct run *run = handle_check(L, PART_TYPE, &index);
    const struct part *part = &run->input->message->parts[index];
    const char *field = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    if (strcmp(field, "name") == 0) {
        lua_pushstring(L, part->name);
    } else if (strcmp(field, "type") == 0) {
        lua_pushstring(L, part->type);
    } else if (strcmp(field, "cid") == 0) {
        lua_pushstring(L, part->cid);
    } else if (strcmp(field, "size") == 0) {
        lua_pushnumber(L, (lua_Number)part_size(L, run, index));
    } else if (strcmp(field, "content") == 0) {
        struct content content = read_content(L, run, part, true);
        state_reserve(L, content.size);
        lua_pushlstring(L, content.size ? content.state->scratch : "", content.size);
    } else {
        return view_unknown_field(L, "an attachment", field, part_fields);
    }
    return 1;
}

static int part_newindex(lua_State *L)
{
    handle_check(L, PART_TYPE, NULL);
    return luaL_error(L, "attachments are read-only: rules may change msg.headers only");
}

void msg_push_parts(lua_State *L, enum part_role role, const char *what)
{
    const struct message *message = state_of(L)->run->input->message;
    int count = 0;
    lua_newtable(L);
    for (size_t i = 0; i < message->part_count; i++) {
        if (message->parts[i].role != role)
            continue;
        handle_push(L, PART_TYPE, i);
        lua_rawseti(L, -2, ++count);
    }
    view_push(L, what, NULL);
}

void msg_parts_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"__index", part_index}, {"__newindex", part_newindex}, {NULL, NULL}};
    luaL_newmetatable(L, PART_TYPE);
    luaL_register(L, NULL, methods);
    lua_pushliteral(L, "attachment");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
