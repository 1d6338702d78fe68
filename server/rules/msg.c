#include "msg.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "../auth/result.h"
#include "../mail/address.h"
#include "view.h"

#define MSG_TYPE "mxhook.msg"

struct handle {
    uint64_t serial;
    size_t index;
};

void msg_push_handle(lua_State *L, const char *type, size_t index)
{
    struct handle *handle = lua_newuserdata(L, sizeof *handle);
    handle->serial = state_of(L)->serial;
    handle->index = index;
    luaL_getmetatable(L, type);
    lua_setmetatable(L, -2);
}

struct run *msg_check_handle(lua_State *L, const char *type, size_t *index)
{
    struct handle *handle = luaL_checkudata(L, 1, type);
    struct state *state = state_of(L);
    if (!state->run || handle->serial != state->serial)
        luaL_error(L, "this message is gone: a rule cannot keep msg, or what is in it, for later");
    if (index)
        *index = handle->index;
    return state->run;
}

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

/* The bytes before a character that the cut at `size` went through. */
static size_t whole_characters(const char *bytes, size_t size)
{
    size_t start = size;
    while (start > 0 && size - start < 4 && ((unsigned char)bytes[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return size;
    unsigned char lead = (unsigned char)bytes[start - 1];
    size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return start - 1 + length > size ? start - 1 : size;
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
        text.size = whole_characters(text.state->scratch, text.size);
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

static void push_envelope(lua_State *L, struct run *run)
{
    static const char *const fields[] = {"sender", "recipient", "client_ip", "client_name", "helo",
                                         "tls",    "user",      "proxy",     NULL};
    const struct envelope *envelope = &run->input->transaction->envelope;
    lua_createtable(L, 0, 8);
    push_string(L, envelope->sender);
    lua_setfield(L, -2, "sender");
    push_string(L, run->input->recipient);
    lua_setfield(L, -2, "recipient");
    push_string(L, envelope->client_ip);
    lua_setfield(L, -2, "client_ip");
    push_string(L, envelope->client_name);
    lua_setfield(L, -2, "client_name");
    push_string(L, envelope->helo);
    lua_setfield(L, -2, "helo");
    lua_pushboolean(L, envelope->tls);
    lua_setfield(L, -2, "tls");
    push_string(L, envelope->user);
    lua_setfield(L, -2, "user");
    push_string(L, *envelope->proxy ? envelope->proxy : NULL);
    lua_setfield(L, -2, "proxy");
    view_push(L, "msg.envelope", fields);
}

static void set_string(lua_State *L, const char *field, const char *text)
{
    push_string(L, text && *text ? text : NULL);
    lua_setfield(L, -2, field);
}

static void push_spf(lua_State *L, const struct spf_result *spf)
{
    static const char *const fields[] = {"result", "domain", "reason", "explanation", NULL};
    lua_createtable(L, 0, 4);
    set_string(L, "result", auth_code_name(spf->code));
    set_string(L, "domain", spf->domain);
    set_string(L, "reason", spf->reason);
    set_string(L, "explanation", spf->explanation);
    view_push(L, "msg.auth.spf", fields);
}

static void push_signature(lua_State *L, const struct dkim_result *dkim)
{
    static const char *const fields[] = {"result",    "domain", "selector",
                                         "algorithm", "reason", NULL};
    lua_createtable(L, 0, 5);
    set_string(L, "result", auth_code_name(dkim->code));
    set_string(L, "domain", dkim->domain);
    set_string(L, "selector", dkim->selector);
    set_string(L, "algorithm", dkim->algorithm);
    set_string(L, "reason", dkim->reason);
    view_push(L, "msg.auth.dkim[i]", fields);
}

static void push_dmarc(lua_State *L, const struct dmarc_result *dmarc)
{
    static const char *const fields[] = {"result", "domain", "policy", "reason", NULL};
    lua_createtable(L, 0, 4);
    set_string(L, "result", auth_code_name(dmarc->code));
    set_string(L, "domain", dmarc->domain);
    set_string(L, "policy", dmarc->policy);
    set_string(L, "reason", dmarc->reason);
    view_push(L, "msg.auth.dmarc", fields);
}

static void push_iprev(lua_State *L, const struct iprev_result *iprev)
{
    static const char *const fields[] = {"result", "reason", NULL};
    lua_createtable(L, 0, 2);
    set_string(L, "result", auth_code_name(iprev->code));
    set_string(L, "reason", iprev->reason);
    view_push(L, "msg.auth.iprev", fields);
}

static void push_list(lua_State *L, const struct dnsbl_result *list)
{
    static const char *const fields[] = {"listed", "codes", "reason", "error", NULL};
    lua_createtable(L, 0, 4);
    lua_pushboolean(L, list->listed);
    lua_setfield(L, -2, "listed");
    lua_createtable(L, (int)list->code_count, 0);
    for (size_t i = 0; i < list->code_count; i++) {
        lua_pushstring(L, list->codes[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    view_push(L, "msg.auth.dnsbl[zone].codes", NULL);
    lua_setfield(L, -2, "codes");
    set_string(L, "reason", list->reason);
    set_string(L, "error", list->error);
    view_push(L, "msg.auth.dnsbl[zone]", fields);
}

/* By zone; one that is not asked is nil. */
static void push_dnsbl(lua_State *L, const struct auth_result *auth)
{
    lua_createtable(L, 0, auth ? (int)auth->dnsbl_count : 0);
    for (size_t i = 0; auth && i < auth->dnsbl_count; i++) {
        push_list(L, &auth->dnsbl[i]);
        lua_setfield(L, -2, auth->dnsbl[i].zone);
    }
    view_push(L, "msg.auth.dnsbl", view_any_field);
}

/* Empty where nothing was checked, as in a trial, but for the blocklists: a rule that asks gets
 * nil, not an error. */
static void push_auth(lua_State *L, struct run *run)
{
    static const char *const fields[] = {"spf", "dkim", "dmarc", "iprev", "dnsbl", NULL};
    const struct auth_result *auth = run->input->transaction->auth;
    lua_createtable(L, 0, 5);
    push_dnsbl(L, auth);
    lua_setfield(L, -2, "dnsbl");
    if (auth) {
        push_spf(L, &auth->spf);
        lua_setfield(L, -2, "spf");
        lua_createtable(L, (int)auth->dkim_count, 0);
        for (size_t i = 0; i < auth->dkim_count; i++) {
            push_signature(L, &auth->dkim[i]);
            lua_rawseti(L, -2, (int)i + 1);
        }
        view_push(L, "msg.auth.dkim", NULL);
        lua_setfield(L, -2, "dkim");
        push_dmarc(L, &auth->dmarc);
        lua_setfield(L, -2, "dmarc");
        push_iprev(L, &auth->iprev);
        lua_setfield(L, -2, "iprev");
    }
    view_push(L, "msg.auth", fields);
}

/* Sorted as DESIGN.md lists them: view_unknown_field() shows the names. */
static const char *const field_names[] = {
    "subject",    "text", "html",    "from",        "to",      "cc",       "date", "timestamp",
    "message_id", "size", "headers", "attachments", "inlines", "envelope", "auth", NULL};
static void (*const field_push[])(lua_State *L, struct run *run) = {
    push_subject, push_plain_text,  push_html,      push_from,       push_to,
    push_cc,      push_date,        push_timestamp, push_message_id, push_size,
    push_headers, push_attachments, push_inlines,   push_envelope,   push_auth};

static int msg_index(lua_State *L)
{
    struct run *run = msg_check_handle(L, MSG_TYPE, NULL);
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
    msg_check_handle(L, MSG_TYPE, NULL);
    const char *field = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    if (strcmp(field, "headers") == 0)
        return luaL_error(L, "msg.headers cannot be replaced: assign its fields, as in "
                             "msg.headers[\"X-Tag\"] = \"a\"");
    return luaL_error(L, "msg.%s is read-only: rules may change msg.headers only", field);
}

void msg_push(lua_State *L)
{
    msg_push_handle(L, MSG_TYPE, 0);
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
    msg_headers_open(L);
    msg_parts_open(L);
}
