/* msg_auth.c - msg.auth: what authentication found. */
#include "msg_auth.h"

#include "../auth/result.h"
#include "ruleset.h"
#include "view.h"

static void set_string(lua_State *L, const char *field, const char *text)
{
    if (text && *text)
        lua_pushstring(L, text);
    else
        lua_pushnil(L);
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
    lua_createtable(L, 0, (int)auth->dnsbl_count);
    for (size_t i = 0; i < auth->dnsbl_count; i++) {
        push_list(L, &auth->dnsbl[i]);
        lua_setfield(L, -2, auth->dnsbl[i].zone);
    }
    view_push(L, "msg.auth.dnsbl", view_any_field);
}

/* "none" everywhere where nothing was checked, as in a trial without results: as mail has it whose checks are off. */
void msg_push_auth(lua_State *L, struct run *run)
{
    static const char *const fields[] = {"spf", "dkim", "dmarc", "iprev", "dnsbl", NULL};
    static const struct auth_result none = {.arena = NULL};
    const struct auth_result *auth = run->input->transaction->auth;
    auth = auth ? auth : &none;
    lua_createtable(L, 0, 5);
    push_dnsbl(L, auth);
    lua_setfield(L, -2, "dnsbl");
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
    view_push(L, "msg.auth", fields);
}
