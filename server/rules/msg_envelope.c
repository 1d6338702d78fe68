/* msg_envelope.c - msg.envelope: who the client was, and the recipient that the rules are asked for. */
#include "msg_envelope.h"

#include <glib.h>
#include <lauxlib.h>
#include <string.h>

#include "ruleset.h"
#include "view.h"

static void push_string(lua_State *L, const char *text)
{
    if (text)
        lua_pushstring(L, text);
    else
        lua_pushnil(L);
}

/* Frees the text first: Lua raises where a rule is over its memory, and it would never be freed. An address is short. */
static void push_freed(lua_State *L, gchar *text)
{
    size_t size = strlen(text);
    char copy[size + 1];
    memcpy(copy, text, size + 1);
    g_free(text);
    lua_pushlstring(L, copy, size);
}

/* Lower case, of UTF-8 too; bytes that are none stay. */
static void push_lower(lua_State *L, const char *text, size_t size)
{
    gchar *lower = g_utf8_validate(text, (gssize)size, NULL) ? g_utf8_strdown(text, (gssize)size)
                                                             : g_ascii_strdown(text, (gssize)size);
    push_freed(L, lower);
}

/* "b\u00FCcher.example" is "xn--bcher-kva.example"; what is no name stays, in lower case. */
static void push_domain(lua_State *L, const char *domain)
{
    gchar *ascii = g_hostname_to_ascii(domain);
    if (ascii)
        push_freed(L, ascii);
    else
        push_lower(L, domain, strlen(domain));
}

/* Where the tag of a local part begins, its '+'; a quoted one (RFC 5321 section 4.1.2) has none, nor
 * has one that begins with '+'. */
static const char *find_plus(const char *local, size_t size)
{
    const char *plus = *local == '"' ? NULL : memchr(local, '+', size);
    return plus != local ? plus : NULL;
}

/* Into the table on top: the recipient as keys of a table would have it. */
static void set_recipient(lua_State *L, const char *recipient)
{
    const char *at = strrchr(recipient, '@');
    size_t size = at ? (size_t)(at - recipient) : strlen(recipient);
    const char *plus = find_plus(recipient, size);
    push_lower(L, recipient, plus ? (size_t)(plus - recipient) : size);
    lua_setfield(L, -2, "localpart");
    if (plus) {
        push_lower(L, plus + 1, size - (size_t)(plus + 1 - recipient));
        lua_setfield(L, -2, "tag");
    }
    push_domain(L, at ? at + 1 : "");
    lua_setfield(L, -2, "domain");
    push_lower(L, recipient, size);
    lua_pushstring(L, at ? "@" : "");
    lua_getfield(L, -3, "domain");
    lua_concat(L, 3);
    lua_setfield(L, -2, "address");
}

void msg_push_envelope(lua_State *L, struct run *run)
{
    static const char *const fields[] = {"sender", "recipient", "address",     "localpart", "tag",
                                         "domain", "client_ip", "client_name", "helo",      "tls",
                                         "user",   "proxy",     NULL};
    const struct envelope *envelope = &run->input->transaction->envelope;
    lua_createtable(L, 0, 12);
    push_string(L, envelope->sender);
    lua_setfield(L, -2, "sender");
    push_string(L, run->input->recipient);
    lua_setfield(L, -2, "recipient");
    set_recipient(L, run->input->recipient);
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
