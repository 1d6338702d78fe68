#include "msg.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "../mail/utf8.h"
#include "../base/embedded.h"
#include "../mail/address.h"

#include "handle.h"
#include "msg_auth.h"
#include "msg_scan.h"
#include "msg_automatic.h"
#include "msg_envelope.h"
#include "msg_headers.h"
#include "msg_parts.h"
#include "ruleset.h"
#include "state.h"
#include "view.h"

#define MSG_TYPE   "mxhook.msg"
#define REPLY_TEXT "mxhook.reply_text" /* in the registry: the function of that module */

static void push_string(lua_State *L, const char *text)
{
    if (text)
        lua_pushstring(L, text);
    else
        lua_pushnil(L);
}

static void push_mailbox(lua_State *L, const struct mailbox *mailbox, const char *what)
{
    static const char *const fields[] = {"name", "email", NULL};
    lua_createtable(L, 0, 2);
    if (mailbox) {
        push_string(L, mailbox->name);
        lua_setfield(L, -2, "name");
        push_string(L, mailbox->email);
        lua_setfield(L, -2, "email");
    }
    view_push(L, what, fields);
}

static void push_mailboxes(lua_State *L, const struct mailbox_list *list, const char *what,
                           const char *item)
{
    lua_createtable(L, (int)list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        push_mailbox(L, &list->items[i], item);
        lua_rawseti(L, -2, (int)i + 1);
    }
    view_push(L, what, NULL);
}

/* Collects a body's first `limit` bytes in the state's scratch. */
struct text {
    struct state *state;
    size_t size, limit;
};

static int add_text(void *context, const char *bytes, size_t size)
{
    struct text *text = context;
    bool whole = size <= text->limit - text->size;
    if (!whole)
        size = text->limit - text->size;
    if (state_is_over(text->state))
        return -ETIME;
    char *scratch = state_scratch(text->state, text->size + size);
    if (!scratch)
        return -ENOMEM;
    memcpy(scratch + text->size, bytes, size);
    text->size += size;
    return whole ? 0 : -ECANCELED;
}

static void push_text(lua_State *L, struct run *run, enum part_role role)
{
    const struct message *message = run->input->message;
    struct text text = {state_of(L), 0, run->text_limit};
    if (!message_has_role(message, role)) {
        lua_pushnil(L);
        return;
    }
    int code = message_read_text(message, role, add_text, &text);
    state_check(L);
    if (code == -ECANCELED)
        text.size = utf8_whole_size(text.state->scratch, text.size);
    else if (code != 0)
        luaL_error(L, "the message cannot be read: %s", strerror(-code));
    state_reserve(L, text.size);
    lua_pushlstring(L, text.size ? text.state->scratch : "", text.size);
}

static void push_subject(lua_State *L, struct run *run)
{
    lua_pushstring(L, run->input->message->subject);
}

static void push_plain_text(lua_State *L, struct run *run)
{
    push_text(L, run, PART_TEXT);
}

static void push_html(lua_State *L, struct run *run)
{
    push_text(L, run, PART_HTML);
}

static void push_from(lua_State *L, struct run *run)
{
    push_mailbox(L, address_first(&run->input->message->from), "msg.from");
}

static void push_to(lua_State *L, struct run *run)
{
    push_mailboxes(L, &run->input->message->to, "msg.to", "msg.to[i]");
}

static void push_cc(lua_State *L, struct run *run)
{
    push_mailboxes(L, &run->input->message->cc, "msg.cc", "msg.cc[i]");
}

static void push_date(lua_State *L, struct run *run)
{
    push_string(L, run->input->message->date);
}

static void push_timestamp(lua_State *L, struct run *run)
{
    lua_pushnumber(L, (lua_Number)run->input->message->timestamp);
}

static void push_message_id(lua_State *L, struct run *run)
{
    push_string(L, run->input->message->message_id);
}

static void push_size(lua_State *L, struct run *run)
{
    lua_pushnumber(L, (lua_Number)spill_size(run->input->message->data));
}

static void push_headers(lua_State *L, struct run *run)
{
    (void)run;
    msg_push_headers(L);
}

static void push_attachments(lua_State *L, struct run *run)
{
    (void)run;
    msg_push_parts(L, PART_ATTACHMENT, "msg.attachments");
}

static void push_inlines(lua_State *L, struct run *run)
{
    (void)run;
    msg_push_parts(L, PART_INLINE, "msg.inlines");
}

static void push_received(lua_State *L, struct run *run)
{
    int64_t ms = run->input->transaction->received_ms;
    if (ms == 0 || state_of(L)->fixed_ms != 0) /* a trial */
        ms = state_now_ms(state_of(L));
    lua_pushnumber(L, (lua_Number)(ms / 1000));
}

static void push_reply_text(lua_State *L, struct run *run)
{
    lua_getfield(L, LUA_REGISTRYINDEX, REPLY_TEXT);
    push_text(L, run, PART_TEXT);
    push_text(L, run, PART_HTML);
    lua_call(L, 2, 1);
}

/* The names of what was put right to read the message. */
static void push_repairs(lua_State *L, struct run *run)
{
    int count = 0;
    lua_newtable(L);
    for (unsigned i = 0; i < REPAIRS; i++) {
        if (!(run->input->message->repairs & 1u << i))
            continue;
        lua_pushstring(L, message_repair_name(i));
        lua_rawseti(L, -2, ++count);
    }
    view_push(L, "msg.repairs", NULL);
}

/* Sorted as mxhook-rules(7) lists them: view_unknown_field() shows the names. */
static const char *const field_names[] = {
    "subject", "text",       "html",       "from",     "to",        "cc",
    "date",    "timestamp",  "message_id", "size",     "headers",   "attachments",
    "inlines", "envelope",   "auth",       "received", "automatic", "automatic_reason",
    "bounce",  "reply_text", "repairs",    "scan",     NULL};
static void (*const field_push[])(lua_State *L, struct run *run) = {push_subject,
                                                                    push_plain_text,
                                                                    push_html,
                                                                    push_from,
                                                                    push_to,
                                                                    push_cc,
                                                                    push_date,
                                                                    push_timestamp,
                                                                    push_message_id,
                                                                    push_size,
                                                                    push_headers,
                                                                    push_attachments,
                                                                    push_inlines,
                                                                    msg_push_envelope,
                                                                    msg_push_auth,
                                                                    push_received,
                                                                    msg_push_automatic,
                                                                    msg_push_automatic_reason,
                                                                    msg_push_bounce,
                                                                    push_reply_text,
                                                                    push_repairs,
                                                                    msg_push_scan};

static int msg_index(lua_State *L)
{
    struct run *run = handle_check(L, MSG_TYPE, NULL);
    lua_getfenv(L, 1); /* what was asked for before */
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    if (!lua_isnil(L, -1))
        return 1;
    lua_pop(L, 1);
    const char *field = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    for (size_t i = 0; field_names[i]; i++) {
        if (strcmp(field_names[i], field) != 0)
            continue;
        field_push[i](L, run);
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -2);
        lua_rawset(L, 3);
        return 1;
    }
    return view_unknown_field(L, "msg", field, field_names);
}

static int msg_newindex(lua_State *L)
{
    handle_check(L, MSG_TYPE, NULL);
    const char *field = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    if (strcmp(field, "headers") == 0)
        return luaL_error(L, "msg.headers cannot be replaced: assign its fields, as in "
                             "msg.headers[\"X-Tag\"] = \"a\"");
    return luaL_error(L, "msg.%s is read-only: rules may change msg.headers only", field);
}

void msg_push(lua_State *L)
{
    handle_push(L, MSG_TYPE, 0);
    lua_newtable(L);
    lua_setfenv(L, -2);
}

void msg_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"__index", msg_index}, {"__newindex", msg_newindex}, {NULL, NULL}};
    luaL_newmetatable(L, MSG_TYPE);
    luaL_register(L, NULL, methods);
    lua_pushliteral(L, "msg");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    view_open(L);
    embedded_require(L, "mxhook.reply_text");
    lua_setfield(L, LUA_REGISTRYINDEX, REPLY_TEXT);
    msg_headers_open(L);
    msg_parts_open(L);
    msg_scan_open(L);
}
