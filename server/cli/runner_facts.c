#include "runner_facts.h"

#include <errno.h>
#include <string.h>

static const char *auth_text(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1);
    return text;
}

static enum auth_code read_code(lua_State *L)
{
    enum auth_code code;
    auth_code_parse(auth_text(L, "result"), &code);
    return code;
}

static struct dkim_result read_signature(lua_State *L)
{
    return (struct dkim_result){.code = read_code(L),
                                .domain = auth_text(L, "domain"),
                                .selector = auth_text(L, "selector"),
                                .algorithm = auth_text(L, "algorithm"),
                                .signature = "",
                                .reason = auth_text(L, "reason")};
}

static struct iprev_result read_iprev(lua_State *L)
{
    return (struct iprev_result){.code = read_code(L), .reason = auth_text(L, "reason")};
}

/* NULL: no memory. */
static const char **read_texts(lua_State *L, const char *name, struct arena *arena, size_t *count)
{
    lua_getfield(L, -1, name);
    *count = lua_objlen(L, -1);
    const char **codes = arena_alloc(arena, *count * sizeof *codes);
    for (size_t i = 0; codes && i < *count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        codes[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return codes;
}

/* A list of tables, on top. False: no memory. */
static bool read_dnsbl(lua_State *L, struct auth_result *auth)
{
    size_t count = lua_objlen(L, -1);
    auth->dnsbl = arena_alloc(auth->arena, count * sizeof *auth->dnsbl);
    for (size_t i = 0; auth->dnsbl && i < count; i++) {
        struct dnsbl_result *list = &auth->dnsbl[i];
        lua_rawgeti(L, -1, (int)i + 1);
        *list = (struct dnsbl_result){.zone = auth_text(L, "zone"),
                                      .reason = auth_text(L, "reason"),
                                      .error = auth_text(L, "error")};
        lua_getfield(L, -1, "listed");
        list->listed = lua_toboolean(L, -1);
        lua_pop(L, 1);
        list->codes = read_texts(L, "codes", auth->arena, &list->code_count);
        lua_pop(L, 1);
        if (!list->codes)
            return false;
        auth->dnsbl_count++;
    }
    return auth->dnsbl;
}

struct auth_result *runner_read_auth(lua_State *L)
{
    struct auth_result *auth = auth_result_new();
    if (!auth)
        return NULL;
    lua_getfield(L, -1, "spf");
    auth->spf = (struct spf_result){.code = read_code(L),
                                    .domain = auth_text(L, "domain"),
                                    .reason = auth_text(L, "reason"),
                                    .explanation = auth_text(L, "explanation")};
    lua_getfield(L, -2, "dmarc");
    auth->dmarc = (struct dmarc_result){.code = read_code(L),
                                        .domain = auth_text(L, "domain"),
                                        .policy = auth_text(L, "policy"),
                                        .reason = auth_text(L, "reason")};
    lua_getfield(L, -3, "dkim");
    size_t count = lua_objlen(L, -1);
    auth->dkim = arena_alloc(auth->arena, count * sizeof *auth->dkim);
    for (size_t i = 0; auth->dkim && i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        auth->dkim[auth->dkim_count++] = read_signature(L);
        lua_pop(L, 1);
    }
    lua_getfield(L, -4, "iprev");
    auth->iprev = read_iprev(L);
    lua_getfield(L, -5, "dnsbl");
    bool complete = auth->dkim && read_dnsbl(L, auth);
    lua_pop(L, 5);
    if (complete)
        return auth;
    auth_result_free(auth);
    return NULL;
}

struct scan_result *runner_read_scan(lua_State *L)
{
    struct scan_result *scan = scan_result_new();
    if (!scan)
        return NULL;
    lua_getfield(L, -1, "symbols");
    size_t count = lua_objlen(L, -1);
    scan->symbols = arena_alloc(scan->arena, (count + 1) * sizeof *scan->symbols);
    for (size_t i = 0; scan->symbols && i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        struct scan_symbol *symbol = &scan->symbols[scan->symbol_count++];
        *symbol = (struct scan_symbol){.name = auth_text(L, "name")};
        lua_getfield(L, -1, "score");
        symbol->score = lua_tonumber(L, -1);
        lua_pop(L, 1);
        symbol->options = read_texts(L, "options", scan->arena, &symbol->option_count);
        if (!symbol->options)
            break;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    lua_getfield(L, -1, "score");
    scan->score = lua_tonumber(L, -1);
    lua_getfield(L, -2, "required");
    scan->required = lua_tonumber(L, -1);
    lua_getfield(L, -3, "spam");
    scan->spam = lua_toboolean(L, -1);
    lua_pop(L, 3);
    scan->action = auth_text(L, "action");
    scan->virus = auth_text(L, "virus");
    scan->error = auth_text(L, "error");
    scan->message = auth_text(L, "message");
    if (scan->symbol_count == count && scan_result_write_fields(scan) == 0)
        return scan;
    scan_result_free(scan);
    return NULL;
}

/* One of the list, on top. */
static int read_answer(lua_State *L, struct questions *answers)
{
    bool http = strcmp(auth_text(L, "kind"), "lookups") == 0;
    const char *status = auth_text(L, "status"), *text = auth_text(L, "text");
    struct lookup_answer *answer = lookup_answer_new(strcmp(status, "found") == 0  ? LOOKUP_FOUND
                                                     : strcmp(status, "none") == 0 ? LOOKUP_NONE
                                                                                   : LOOKUP_UNKNOWN,
                                                     text, text ? strlen(text) : 0);
    int code = -ENOMEM;
    if (answer)
        code = questions_give(answers, http ? LOOKUP_HTTP : LOOKUP_POSTGRES, auth_text(L, "source"),
                              auth_text(L, "address"), answer);
    lookup_answer_unref(answer);
    return code;
}

int runner_read_answers(lua_State *L, int index, struct questions *answers)
{
    int code = 0;
    answers->given = true;
    lua_getfield(L, index, "answers");
    for (size_t i = 1; code == 0 && i <= lua_objlen(L, -1); i++) {
        lua_rawgeti(L, -1, (int)i);
        code = read_answer(L, answers);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return code;
}
