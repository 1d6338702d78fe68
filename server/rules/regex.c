#define PCRE2_CODE_UNIT_WIDTH 8
#include "regex.h"

#include <lauxlib.h>
#include <pcre2.h>
#include <stdbool.h>
#include <string.h>

#include "../base/log.h"
#include "state.h"

#define REGEX_TYPE           "mxhook.regex"
#define STACK_OWNER          "mxhook.regex.stack"
#define JIT_STACK_MAX        1048576
#define STEPS_BETWEEN_CHECKS 1024
#define BYTES_BETWEEN_CHECKS 4194304 /* one step may go over the whole subject */

struct regex {
    pcre2_code *code;
    pcre2_match_context *context;
    pcre2_match_data *match;
    uint32_t groups;
    size_t accounted; /* bytes of PCRE2's that count against the state's limit */
};

struct budget {
    struct state *state;
    uint64_t steps, limit;
    uint64_t interval; /* steps between two looks at the clock */
    bool over_time;
};

/* The state's own userdata of this type goes with it, and takes the JIT's stack along. */
static int free_stack(lua_State *L)
{
    struct state *state = state_of(L);
    pcre2_jit_stack_free(state->jit_stack);
    state->jit_stack = NULL;
    return 0;
}

static void own_stack(lua_State *L)
{
    lua_newuserdata(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, free_stack);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_setfield(L, LUA_REGISTRYINDEX, STACK_OWNER);
}

static int count_step(pcre2_callout_block *block, void *data)
{
    struct budget *budget = data;
    (void)block;
    if (++budget->steps > budget->limit)
        return PCRE2_ERROR_MATCHLIMIT;
    if (budget->steps % budget->interval == 0 && state_is_over(budget->state)) {
        budget->over_time = true;
        return PCRE2_ERROR_CALLOUT;
    }
    return 0;
}

static uint32_t read_flags(lua_State *L, const char *flags)
{
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_AUTO_CALLOUT |
                       PCRE2_NEVER_BACKSLASH_C;
    for (; *flags; flags++)
        switch (*flags) {
        case 'i': options |= PCRE2_CASELESS; break;
        case 'm': options |= PCRE2_MULTILINE; break;
        case 's': options |= PCRE2_DOTALL; break;
        case 'x': options |= PCRE2_EXTENDED; break;
        case 'U': options |= PCRE2_UNGREEDY; break;
        case 'a': options &= ~(uint32_t)PCRE2_UCP; break; /* \d, \w, \b of ASCII only */
        case 'D': options |= PCRE2_DOLLAR_ENDONLY; break; /* `$` not before a last \n */
        case 'c': options |= PCRE2_ALT_CIRCUMFLEX; break; /* with m: `^` also after a last \n */
        case 'u': break;                                  /* always on */
        default:
            luaL_error(
                L, "unknown flag '%c' of a regular expression: i, m, s, x, U, a, D, c are known",
                *flags);
        }
    return options;
}

static struct regex *to_regex(lua_State *L)
{
    struct regex *regex = luaL_checkudata(L, 1, REGEX_TYPE);
    luaL_argcheck(L, regex->code, 1, "a freed regular expression");
    return regex;
}

/* PCRE2 allocates outside of Lua: without this a rule could compile until the machine is full. */
static void account(lua_State *L, struct regex *regex)
{
    size_t size = 0, jit_size = 0;
    pcre2_pattern_info(regex->code, PCRE2_INFO_SIZE, &size);
    pcre2_pattern_info(regex->code, PCRE2_INFO_JITSIZE, &jit_size);
    size += jit_size;
    state_reserve(L, size);
    state_of(L)->used += size;
    regex->accounted = size;
}

static int regex_compile(lua_State *L)
{
    size_t size;
    const char *pattern = luaL_checklstring(L, 1, &size);
    uint32_t options = read_flags(L, luaL_optstring(L, 2, ""));
    if (size > REGEX_MAX_PATTERN)
        return luaL_error(L, "a regular expression of %d bytes; the limit is %d", (int)size,
                          REGEX_MAX_PATTERN);
    state_check(L); /* a long pattern takes its time */
    struct regex *regex = lua_newuserdata(L, sizeof *regex);
    memset(regex, 0, sizeof *regex);
    luaL_getmetatable(L, REGEX_TYPE);
    lua_setmetatable(L, -2);
    int code;
    PCRE2_SIZE offset;
    regex->code = pcre2_compile((PCRE2_SPTR)pattern, size, options, &code, &offset, NULL);
    if (!regex->code) {
        char text[200];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
        return luaL_error(L, "regular expression, at character %d: %s", (int)offset + 1, text);
    }
    regex->context = pcre2_match_context_create(NULL);
    regex->match = pcre2_match_data_create_from_pattern(regex->code, NULL);
    if (!regex->context || !regex->match)
        return luaL_error(L, "not enough memory");
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); /* where it cannot, it is interpreted */
    pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &regex->groups);
    pcre2_set_heap_limit(regex->context, REGEX_HEAP_KIB);
    account(L, regex);
    return 1;
}

static pcre2_jit_stack *get_jit_stack(struct state *state)
{
    if (!state->jit_stack)
        state->jit_stack = pcre2_jit_stack_create(32768, JIT_STACK_MAX, NULL);
    return state->jit_stack;
}

static void warn_of(struct state *state, int code, size_t size)
{
    char text[200];
    pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
    log_warn("regex-gave-up", state->log_id, LOG_TEXT("reason", text),
             LOG_NUMBER("subject_size", size), LOG_TEXT("answer", "no match"));
}

static int push_groups(lua_State *L, struct regex *regex, const char *subject)
{
    PCRE2_SIZE *at = pcre2_get_ovector_pointer(regex->match);
    luaL_checkstack(L, (int)regex->groups + 2, "too many groups");
    /* \K in a lookahead can make a match end before it starts */
    lua_pushinteger(L, (lua_Integer)at[0] + 1);
    lua_pushinteger(L, (lua_Integer)(at[1] < at[0] ? at[0] : at[1]));
    for (uint32_t i = 1; i <= regex->groups; i++)
        if (at[2 * i] == PCRE2_UNSET)
            lua_pushboolean(L, 0);
        else
            lua_pushlstring(L, subject + at[2 * i], at[2 * i + 1] - at[2 * i]);
    return (int)regex->groups + 2;
}

static int no_match(lua_State *L)
{
    lua_pushnil(L);
    return 1;
}

static uint64_t steps_between_checks(size_t subject_size)
{
    uint64_t steps = BYTES_BETWEEN_CHECKS / (subject_size + 1);
    return steps < 1 ? 1 : steps < STEPS_BETWEEN_CHECKS ? steps : STEPS_BETWEEN_CHECKS;
}

static int regex_exec(lua_State *L)
{
    struct regex *regex = to_regex(L);
    struct state *state = state_of(L);
    size_t size;
    const char *subject = luaL_checklstring(L, 2, &size);
    lua_Integer init = luaL_optinteger(L, 3, 1);
    if (init < 0)
        init = (lua_Integer)size + init + 1;
    if (init < 1)
        init = 1;
    if ((size_t)init > size + 1)
        return no_match(L);
    struct budget budget = {state, 0, REGEX_STEPS + (uint64_t)size * REGEX_STEPS_PER_BYTE,
                            steps_between_checks(size), false};
    if (size > BYTES_BETWEEN_CHECKS / STEPS_BETWEEN_CHECKS)
        state_check(L);
    pcre2_set_callout(regex->context, count_step, &budget);
    pcre2_jit_stack_assign(regex->context, NULL, get_jit_stack(state));
    int code = pcre2_match(regex->code, (PCRE2_SPTR)subject, size, (size_t)init - 1, 0,
                           regex->match, regex->context);
    if (budget.over_time)
        state_check(L);
    if (code > 0)
        return push_groups(L, regex, subject);
    if (code != PCRE2_ERROR_NOMATCH)
        warn_of(state, code, size);
    return no_match(L);
}

static int regex_groups(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)to_regex(L)->groups);
    return 1;
}

/* The table of names is of fixed-size entries: a number in two bytes, then the name (pcre2api). */
static int regex_names(lua_State *L)
{
    struct regex *regex = to_regex(L);
    uint32_t count, entry_size;
    PCRE2_SPTR entry;
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMEENTRYSIZE, &entry_size);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMETABLE, &entry);
    lua_createtable(L, 0, (int)count);
    for (uint32_t i = 0; i < count; i++, entry += entry_size) {
        lua_pushinteger(L, entry[0] << 8 | entry[1]);
        lua_setfield(L, -2, (const char *)entry + 2);
    }
    return 1;
}

static int regex_collect(lua_State *L)
{
    struct regex *regex = luaL_checkudata(L, 1, REGEX_TYPE);
    state_of(L)->used -= regex->accounted;
    pcre2_match_data_free(regex->match);
    pcre2_match_context_free(regex->context);
    pcre2_code_free(regex->code);
    memset(regex, 0, sizeof *regex);
    return 0;
}

int regex_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"exec", regex_exec}, {"groups", regex_groups}, {"names", regex_names}, {NULL, NULL}};
    luaL_newmetatable(L, REGEX_TYPE);
    lua_pushcfunction(L, regex_collect);
    lua_setfield(L, -2, "__gc");
    lua_pushliteral(L, "regex");
    lua_setfield(L, -2, "__metatable");
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    own_stack(L);
    lua_newtable(L);
    lua_pushcfunction(L, regex_compile);
    lua_setfield(L, -2, "compile");
    return 1;
}
