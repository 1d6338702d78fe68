/*
 * state.h - a Lua state that cannot run away.
 *
 * run          what happens between state_begin() and state_end(): limited in time, and in memory
 * limit        time and memory; a run that goes over one is stopped by a Lua error that no pcall of
 *              the rule can outlast
 * grace        memory past the limit in which the error can still be raised with a traceback
 *
 * How it stops a run: a count hook looks at the clock every STATE_HOOK_COUNT instructions (the JIT
 * compiler is off, since its traces call no hook). The allocator looks too, because one instruction
 * may build a string of megabytes. One instruction may also read megabytes (compare two strings,
 * take one for a number, look for the next key of an emptied table): so the larger the largest
 * block that the state holds, the fewer instructions between two looks. Our C functions that can
 * take long ask state_check(). Once over, the hook fires at every instruction: so whatever catches
 * the error is itself stopped.
 *
 * A state is used by one thread at a time. Every entry into Lua from here is protected.
 */
#ifndef MXHOOK_RULES_STATE_H
#define MXHOOK_RULES_STATE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"

#define STATE_HOOK_COUNT    200      /* instructions between two looks at the clock */
#define STATE_LARGE_MIN     262144   /* bytes of a block for which the hook comes more often */
#define STATE_LARGE_WORK    33554432 /* bytes of large blocks between two looks, about */
#define STATE_LARGE_CLASSES 46
#define STATE_CHECK_BYTES   262144  /* bytes allocated between two looks at the clock */
#define STATE_GRACE_BYTES   1048576 /* see grace */

struct alias_tables;
struct questions;
struct rules_config;
struct run;

enum state_stop {
    STATE_RUNNING,
    STATE_STOP_TIME,
    STATE_STOP_MEMORY,
    STATE_STOP_ASKS,    /* it has noted a question, and is to be run again once that is answered */
    STATE_STOP_UNKNOWN, /* it cannot be known now where mail for the recipient goes */
};

struct state {
    lua_State *L;
    size_t used, limit;     /* bytes */
    size_t unchecked;       /* bytes allocated since the last look at the clock */
    size_t after_stop;      /* bytes allocated since the run was stopped */
    int64_t deadline_us;    /* monotonic; 0: not in a run */
    int hook_count;         /* instructions between two looks at the clock, now */
    int64_t time_limit_ms;  /* for the message */
    int64_t stays_until_us; /* monotonic: it is not made anew before, however full */
    enum state_stop stop;
    char *reserve; /* memory for opening the state; NULL: not needed any more */
    size_t reserve_used;
    bool opened;
    int64_t fixed_ms; /* Unix time of a test's clock; 0: the machine's */
    struct run *run;  /* what `msg` reads; NULL outside a run */
    uint64_t serial;  /* of the run: a msg of an earlier one is refused */
    char *scratch;    /* for decoded contents; see state_scratch() */
    size_t scratch_size;
    const char *log_id;           /* of the run's transaction; NULL */
    void *jit_stack;              /* of regular expressions, which free it */
    struct alias_tables *aliases; /* of the ruleset, and the folder of its rules; NULL: none */
    const char *directory;
    const struct rules_config *config; /* the ruleset's: what rules may name; NULL: nothing */
    struct questions *questions;       /* of the run's message; NULL outside of a run */
    const char *secrets; /* the folder of files that destinations may name; NULL: none */
    uint32_t
        large_blocks[STATE_LARGE_CLASSES]; /* live; of STATE_LARGE_MIN bytes and their double... */
};

/* An empty state with our allocator; no library is open. NULL: no memory. */
struct state *state_new(size_t memory_limit);
/* To be called once the libraries are open: from now on a Lua error tells that there is no memory.
 */
void state_opened(struct state *state);
void state_free(struct state *state); /* takes NULL */

/* The state that a lua_State, or any of its coroutines, belongs to. */
struct state *state_of(lua_State *L);

/* Begins a run of so many ms at most. */
void state_begin(struct state *state, int64_t time_limit_ms);
/* Ends the run. After one that was stopped everything is collected, so that the next finds the
 * memory that there can be. */
void state_end(struct state *state);

/* For a C function that Lua has called: ends the run for that reason, by an error that no pcall can outlast. Does not
 * return. */
int state_interrupt(lua_State *L, enum state_stop why);

/* Lifts the limits that state_begin() set, from within Lua: the runner of tests gives each its own. */
void state_lift(struct state *state);

/* For C functions that Lua calls: raises where the run is over its limits. */
void state_check(lua_State *L);
/* The same without raising: true where the run is over its time. */
bool state_is_over(struct state *state);
/* Unix time as rules see it. */
int64_t state_now_ms(const struct state *state);

/* Collects garbage where `size` more bytes would not fit otherwise; raises where they do not. */
void state_reserve(lua_State *L, size_t size);

/* At least `size` bytes that stay until the run ends; what was in it is kept. NULL: no memory. */
char *state_scratch(struct state *state, size_t size);

/* Calls function(L) with `data` as lightuserdata at index 1, protected, with a traceback. Returns
 * 0, or -ENOMEM or -EINVAL with the error and its traceback in `text`. */
int state_call(struct state *state, lua_CFunction function, void *data, char *text, size_t size);

#endif
