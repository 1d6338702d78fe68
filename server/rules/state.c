#include "state.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"

#define SCRATCH_KEPT 65536  /* bytes of scratch that a state keeps between runs */
#define RESERVE_SIZE 262144 /* bytes; a state with its libraries takes half of that */

static void stop_hook(lua_State *L, lua_Debug *ar);

/* lua_sethook may be called from anywhere, even from an allocator or a signal handler. */
static void state_stop(struct state *state, enum state_stop why)
{
    if (state->stop == STATE_RUNNING)
        state->stop = why;
    lua_sethook(state->L, stop_hook, LUA_MASKCOUNT, 1);
}

bool state_is_over(struct state *state)
{
    if (state->deadline_us == 0)
        return false;
    if (state->stop == STATE_RUNNING && clock_monotonic_us() >= state->deadline_us)
        state_stop(state, STATE_STOP_TIME);
    return state->stop != STATE_RUNNING;
}

/* "went over the time limit of 100 ms", or NULL where the run was not stopped. */
static const char *stop_text(const struct state *state, char *buffer, size_t size)
{
    switch (state->stop) {
    case STATE_STOP_TIME:
        snprintf(buffer, size, "went over the time limit of %lld ms",
                 (long long)state->time_limit_ms);
        return buffer;
    case STATE_STOP_MEMORY:
        snprintf(buffer, size, "went over the memory limit of %zu bytes", state->limit);
        return buffer;
    case STATE_STOP_ASKS: return "asks";
    case STATE_STOP_UNKNOWN: return "cannot be known now";
    case STATE_RUNNING: break;
    }
    return NULL;
}

int state_interrupt(lua_State *L, enum state_stop why)
{
    char text[80];
    struct state *state = state_of(L);
    state_stop(state, why);
    return luaL_error(L, "%s", stop_text(state, text, sizeof text));
}

static void stop_hook(lua_State *L, lua_Debug *ar)
{
    struct state *state = state_of(L);
    char text[80];
    if (!state_is_over(state))
        return;
    lua_getinfo(L, "Sl", ar);
    stop_text(state, text, sizeof text);
    luaL_error(L, "%s:%d: %s", ar->short_src, ar->currentline, text);
}

/* ---- Large blocks ---- */

static unsigned class_of(size_t size)
{
    unsigned class = 63u - (unsigned)__builtin_clzll(size / STATE_LARGE_MIN);
    return class < STATE_LARGE_CLASSES ? class : STATE_LARGE_CLASSES - 1;
}

/* Instructions between two looks at the clock, as the largest block has it. */
static int hook_count(const struct state *state)
{
    for (int class = STATE_LARGE_CLASSES - 1; class >= 0; class --)
        if (state->large_blocks[class] > 0) {
            size_t count = STATE_LARGE_WORK / ((size_t)STATE_LARGE_MIN << class);
            return count < 1 ? 1 : count < STATE_HOOK_COUNT ? (int)count : STATE_HOOK_COUNT;
        }
    return STATE_HOOK_COUNT;
}

static void count_blocks(struct state *state, size_t old_size, size_t size)
{
    if (old_size >= STATE_LARGE_MIN)
        state->large_blocks[class_of(old_size)]--;
    if (size < STATE_LARGE_MIN)
        return;
    state->large_blocks[class_of(size)]++;
    int count = hook_count(state);
    if (state->deadline_us == 0 || state->stop != STATE_RUNNING || count >= state->hook_count)
        return;
    state->hook_count = count;
    lua_sethook(state->L, stop_hook, LUA_MASKCOUNT, count);
}

/* May the state grow by this much? Decides without touching Lua but for the hook. */
static bool may_grow(struct state *state, size_t more)
{
    if (state->deadline_us == 0) /* loading is bounded in memory only */
        return state->used + more <= state->limit;
    if (state->stop != STATE_RUNNING) {
        state->after_stop += more;
        return state->after_stop <= STATE_GRACE_BYTES;
    }
    if (state->used + more > state->limit) {
        state_stop(state, STATE_STOP_MEMORY);
        state->after_stop = more;
        return more <= STATE_GRACE_BYTES;
    }
    state->unchecked += more;
    if (state->unchecked >= STATE_CHECK_BYTES) {
        state->unchecked = 0;
        state->after_stop = 0;
        state_is_over(state);
    }
    return true;
}

/* LuaJIT crashes where it gets no memory while a state is made and its libraries are opened. So
 * what malloc() does not give then comes from here. */
static bool is_reserved(const struct state *state, const void *memory)
{
    const char *bytes = memory;
    return state->reserve && bytes >= state->reserve && bytes < state->reserve + RESERVE_SIZE;
}

static void *allocate_reserved(struct state *state, const void *old, size_t old_size, size_t size)
{
    if (!state->reserve || state->opened || size > RESERVE_SIZE - state->reserve_used)
        return NULL;
    void *new = state->reserve + state->reserve_used;
    state->reserve_used += (size + 15) & ~(size_t)15;
    return old ? memcpy(new, old, old_size < size ? old_size : size) : new;
}

static void *reallocate(struct state *state, void *old, size_t old_size, size_t size)
{
    if (!is_reserved(state, old)) {
        void *new = realloc(old, size);
        if (!new && (new = allocate_reserved(state, old, old_size, size)))
            free(old);
        return new;
    }
    void *new = malloc(size);
    return new ? memcpy(new, old, old_size < size ? old_size : size)
               : allocate_reserved(state, old, old_size, size);
}

static void *state_allocate(void *data, void *old, size_t old_size, size_t size)
{
    struct state *state = data;
    if (size == 0) {
        if (!is_reserved(state, old))
            free(old);
        state->used -= old_size;
        count_blocks(state, old_size, 0);
        return NULL;
    }
    if (size > old_size && !may_grow(state, size - old_size))
        return NULL;
    void *new = reallocate(state, old, old_size, size);
    if (!new)
        return NULL;
    state->used += size - old_size;
    if (old_size >= STATE_LARGE_MIN || size >= STATE_LARGE_MIN)
        count_blocks(state, old_size, size);
    return new;
}

struct state *state_new(size_t memory_limit)
{
    struct state *state = calloc(1, sizeof *state);
    if (!state)
        return NULL;
    state->limit = memory_limit;
    state->reserve = malloc(RESERVE_SIZE);
    state->L = state->reserve ? lua_newstate(state_allocate, state) : NULL;
    if (!state->L) {
        free(state->reserve);
        free(state);
        return NULL;
    }
    /* A collection is done whole: in steps it lags behind a rule that makes few, large strings, and
     * the limit would be met with garbage. */
    lua_gc(state->L, LUA_GCSETSTEPMUL, 0);
    return state;
}

void state_opened(struct state *state)
{
    state->opened = true;
    if (state->reserve_used > 0)
        return;
    free(state->reserve);
    state->reserve = NULL;
}

void state_free(struct state *state)
{
    if (!state)
        return;
    state->limit = SIZE_MAX;
    lua_sethook(state->L, NULL, 0, 0);
    lua_close(state->L);
    free(state->reserve);
    free(state->scratch);
    free(state);
}

struct state *state_of(lua_State *L)
{
    void *state;
    lua_getallocf(L, &state);
    return state;
}

void state_begin(struct state *state, int64_t time_limit_ms)
{
    state->time_limit_ms = time_limit_ms;
    state->stop = STATE_RUNNING;
    state->unchecked = state->after_stop = 0;
    state->serial++;
    state->deadline_us = clock_monotonic_us() + time_limit_ms * 1000;
    state->hook_count = hook_count(state);
    lua_sethook(state->L, stop_hook, LUA_MASKCOUNT, state->hook_count);
}

static int collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

void state_lift(struct state *state)
{
    lua_sethook(state->L, NULL, 0, 0);
    state->deadline_us = 0;
    state->stop = STATE_RUNNING;
}

void state_end(struct state *state)
{
    lua_sethook(state->L, NULL, 0, 0);
    state->deadline_us = 0;
    state->run = NULL;
    state->questions = NULL;
    lua_settop(state->L, 0);
    if (state->stop != STATE_RUNNING)
        lua_cpcall(state->L, collect, NULL);
    state->stop = STATE_RUNNING;
    if (state->scratch_size > SCRATCH_KEPT) {
        free(state->scratch);
        state->scratch = NULL;
        state->scratch_size = 0;
    }
}

void state_check(lua_State *L)
{
    struct state *state = state_of(L);
    char text[80];
    if (state_is_over(state))
        luaL_error(L, "%s", stop_text(state, text, sizeof text));
}

void state_reserve(lua_State *L, size_t size)
{
    struct state *state = state_of(L);
    if (state->used + size > state->limit) {
        lua_gc(L, LUA_GCCOLLECT, 0);
        state_check(L); /* of a full state that takes its time */
    }
    if (state->used + size <= state->limit)
        return;
    state_stop(state, STATE_STOP_MEMORY);
    state_check(L);
}

int64_t state_now_ms(const struct state *state)
{
    return state->fixed_ms ? state->fixed_ms : clock_unix_ms();
}

char *state_scratch(struct state *state, size_t size)
{
    if (size <= state->scratch_size)
        return state->scratch;
    size_t grown = state->scratch_size ? state->scratch_size : 4096;
    while (grown < size)
        grown *= 2;
    char *new = realloc(state->scratch, grown);
    if (!new)
        return NULL;
    state->scratch = new;
    state->scratch_size = grown;
    return new;
}

static int add_traceback(lua_State *L)
{
    if (!lua_isstring(L, 1)) {
        const char *type = luaL_typename(L, 1);
        lua_pushfstring(L, "(error of type %s)", type);
        lua_replace(L, 1);
    }
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

/* lua_pcall with the traceback handler; what it leaves on the stack is a string. */
static int call_traced(lua_State *L, int arguments, int results)
{
    int handler = lua_gettop(L) - arguments;
    lua_pushcfunction(L, add_traceback);
    lua_insert(L, handler);
    int status = lua_pcall(L, arguments, results, handler);
    lua_remove(L, handler);
    return status;
}

struct call {
    lua_CFunction function;
    void *data;
    char *text;
    size_t size;
    int status;
};

static int call_protected(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_pushcfunction(L, call->function);
    lua_pushlightuserdata(L, call->data);
    call->status = call_traced(L, 1, 0);
    if (call->status != 0)
        snprintf(call->text, call->size, "%s", lua_tostring(L, -1));
    return 0;
}

int state_call(struct state *state, lua_CFunction function, void *data, char *text, size_t size)
{
    struct call call = {function, data, text, size, 0};
    char reason[80];
    int status = lua_cpcall(state->L, call_protected, &call);
    if (status != 0) /* no memory even for the call itself */
        snprintf(text, size, "%s", "not enough memory");
    else if (call.status == 0)
        return 0;
    /* Without memory Lua has only a fixed text, so the limit that was met is named here. Lua
     * refuses what is absurdly large without even asking the allocator. */
    bool no_memory = status == LUA_ERRMEM || call.status == LUA_ERRMEM;
    if (no_memory && state->stop == STATE_RUNNING)
        state->stop = STATE_STOP_MEMORY;
    if ((no_memory || call.status == LUA_ERRERR) && stop_text(state, reason, sizeof reason))
        snprintf(text, size, "%s", reason);
    lua_settop(state->L, 0);
    return no_memory ? -ENOMEM : -EINVAL;
}
