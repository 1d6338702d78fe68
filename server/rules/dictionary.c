#include "dictionary.h"

#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "entries.h"
#include "handle.h"
#include "ruleset.h"
#include "state.h"

/* Keys of reservations are their own: a byte before the key tells them apart. */
#define VALUE_KEY       'v'
#define RESERVATION_KEY 'o'

/* A key that a transaction has reserved. It is what the transaction decides on: the entry itself may
 * have been dropped since. */
struct reservation {
    struct reservation *next;
    char *key;
    size_t key_size;
    int64_t expires_ms;
    size_t recipient_count;
    size_t *recipients; /* which of the transaction */
};

/* ---- Values ---- */

/* The key with its byte before it, in `buffer`. */
static const char *check_key(lua_State *L, char kind, char buffer[DICTIONARY_MAX_KEY + 1],
                             size_t *size)
{
    const char *key = luaL_checklstring(L, 1, size);
    luaL_argcheck(L, *size <= DICTIONARY_MAX_KEY, 1, "a key of over 1024 bytes");
    buffer[0] = kind;
    memcpy(buffer + 1, key, *size);
    ++*size;
    return buffer;
}

/* Seconds from now as a monotonic time; 0 where there are none. */
static int64_t check_expiry(lua_State *L, int index)
{
    if (lua_isnoneornil(L, index))
        return 0;
    double seconds = luaL_checknumber(L, index);
    luaL_argcheck(L, seconds > 0 && seconds <= 1e9, index, "seconds above 0 were expected");
    return clock_monotonic_ms() + (int64_t)ceil(seconds * 1000);
}

/* store.get(key) -> value or nil */
static int dictionary_get(lua_State *L)
{
    char buffer[DICTIONARY_MAX_KEY + 1];
    size_t size;
    const char *key = check_key(L, VALUE_KEY, buffer, &size);
    /* copied under the lock, pushed after it: Lua may raise, and must not do so while it is held */
    char *text = state_scratch(state_of(L), DICTIONARY_MAX_VALUE);
    size_t text_size = 0;
    double number = 0;
    int type = LUA_TNIL;
    if (!text)
        return luaL_error(L, "not enough memory");
    entries_lock();
    const struct entry *entry = entries_find(key, size);
    if (entry && entry->is_number) {
        type = LUA_TNUMBER;
        number = entry->number;
    } else if (entry) {
        type = LUA_TSTRING;
        text_size = entry->text_size;
        memcpy(text, entry->text, text_size);
    }
    entries_unlock();
    if (type == LUA_TNUMBER)
        lua_pushnumber(L, number);
    else if (type == LUA_TSTRING)
        lua_pushlstring(L, text, text_size);
    else
        lua_pushnil(L);
    return 1;
}

/* store.delete(key): the value and the reservation */
static int dictionary_delete(lua_State *L)
{
    char buffer[DICTIONARY_MAX_KEY + 1];
    size_t size;
    const char *key = check_key(L, VALUE_KEY, buffer, &size);
    entries_lock();
    struct entry *entry = entries_find(key, size);
    if (entry)
        entries_drop(entry);
    buffer[0] = RESERVATION_KEY;
    entry = entries_find(buffer, size);
    if (entry)
        entries_drop(entry);
    entries_unlock();
    return 0;
}

/* store.set(key, value [, seconds]): nil deletes */
static int dictionary_set(lua_State *L)
{
    char buffer[DICTIONARY_MAX_KEY + 1];
    size_t size;
    const char *key = check_key(L, VALUE_KEY, buffer, &size);
    struct entry value = {.expires_ms = check_expiry(L, 3)};
    if (lua_isnil(L, 2))
        return dictionary_delete(L);
    value.is_number = lua_type(L, 2) == LUA_TNUMBER;
    if (value.is_number)
        value.number = lua_tonumber(L, 2);
    else if (lua_type(L, 2) == LUA_TSTRING)
        value.text = (char *)lua_tolstring(L, 2, &value.text_size);
    else
        return luaL_argerror(L, 2, "a string, number or nil was expected");
    luaL_argcheck(L, value.text_size <= DICTIONARY_MAX_VALUE, 2, "a value of over 65536 bytes");
    entries_lock();
    bool done = entries_put(key, size, &value);
    entries_unlock();
    return done ? 0 : luaL_error(L, "not enough memory");
}

/* store.add(key, amount = 1 [, seconds]) -> the new number. The time counts from the first add: so
 * a counter of a fixed window. */
static int dictionary_add(lua_State *L)
{
    char buffer[DICTIONARY_MAX_KEY + 1];
    size_t size;
    const char *key = check_key(L, VALUE_KEY, buffer, &size);
    double amount = luaL_optnumber(L, 2, 1);
    struct entry value = {.expires_ms = check_expiry(L, 3), .is_number = true, .number = amount};
    bool wrong = false, done = true;
    entries_lock();
    struct entry *entry = entries_find(key, size);
    if (!entry)
        done = entries_put(key, size, &value);
    else if (entry->is_number)
        value.number = entry->number += amount;
    else
        wrong = true;
    entries_unlock();
    if (wrong)
        return luaL_error(L, "store.add: a string stands under this key");
    if (!done)
        return luaL_error(L, "not enough memory");
    lua_pushnumber(L, value.number);
    return 1;
}

/* ---- Reservations ---- */

static void free_reservation(struct reservation *reservation)
{
    free(reservation->key);
    free(reservation->recipients);
    free(reservation);
}

static bool add_recipient(struct reservation *reservation, size_t recipient)
{
    for (size_t i = 0; i < reservation->recipient_count; i++)
        if (reservation->recipients[i] == recipient)
            return true;
    size_t *grown =
        realloc(reservation->recipients, (reservation->recipient_count + 1) * sizeof *grown);
    if (!grown)
        return false;
    reservation->recipients = grown;
    grown[reservation->recipient_count++] = recipient;
    return true;
}

static size_t recipient_of(const struct rules_input *input)
{
    const struct envelope *envelope = &input->transaction->envelope;
    for (size_t i = 0; i < envelope->recipient_count; i++)
        if (strcmp(envelope->recipients[i], input->recipient) == 0)
            return i;
    return 0;
}

static struct reservation *find_held(const struct transaction *t, const char *key, size_t size)
{
    struct reservation *held = t->reservations;
    while (held && (held->key_size != size || memcmp(held->key, key, size) != 0))
        held = held->next;
    return held;
}

static struct reservation *new_reservation(const char *key, size_t size, int64_t expires_ms)
{
    struct reservation *new = calloc(1, sizeof *new);
    if (!new)
        return NULL;
    new->key = malloc(size);
    new->key_size = size;
    new->expires_ms = expires_ms;
    if (!new->key) {
        free(new);
        return NULL;
    }
    memcpy(new->key, key, size);
    return new;
}

/* One more transaction holds the key, unless it is kept: then false. */
static bool hold(const char *key, size_t size, int64_t expires_ms, bool *no_memory)
{
    struct entry *entry = entries_find(key, size);
    struct entry value = {.is_number = true, .expires_ms = expires_ms, .holders = 1};
    if (entry && entry->holders == 0)
        return false;
    if (entry)
        entry->holders++;
    else
        *no_memory = !entries_put(key, size, &value);
    return !*no_memory;
}

static bool is_taken(const struct transaction *t, const struct reservation *held)
{
    for (size_t i = 0; i < held->recipient_count; i++) {
        const struct reply *reply = t->replies ? &t->replies[held->recipients[i]] : &t->reply;
        if (reply->code / 100 != 2)
            return false;
    }
    return true;
}

/* Under the lock. */
static void settle(const struct reservation *held, bool taken)
{
    struct entry *entry = entries_find(held->key, held->key_size);
    struct entry value = {.is_number = true, .expires_ms = held->expires_ms};
    if (taken && entry)
        entry->holders = 0;
    else if (taken && held->expires_ms > clock_monotonic_ms())
        entries_put(held->key, held->key_size, &value); /* it had to make room meanwhile */
    else if (entry && entry->holders > 0 && --entry->holders == 0)
        entries_drop(entry);
}

/* Keeps or releases what the transaction reserved, by its replies: a key is kept where every
 * recipient that took it was answered 2xx. */
static void settle_all(struct transaction *t)
{
    while (t->reservations) {
        struct reservation *held = t->reservations;
        t->reservations = held->next;
        entries_lock();
        settle(held, is_taken(t, held));
        entries_unlock();
        free_reservation(held);
    }
}

/* store.once(key, seconds) -> true where no message before it was taken with that key */
static int dictionary_once(lua_State *L)
{
    char buffer[DICTIONARY_MAX_KEY + 1];
    size_t size;
    const char *key = check_key(L, RESERVATION_KEY, buffer, &size);
    luaL_checknumber(L, 2);
    int64_t expires_ms = check_expiry(L, 2);
    struct run *run = state_of(L)->run;
    if (!run)
        return luaL_error(L, "store.once: it is for a message, not while rules load");
    struct transaction *t = run->input->transaction;
    struct reservation *held = find_held(t, key, size);
    bool no_memory = false, taken = held != NULL;
    if (!held && (held = new_reservation(key, size, expires_ms))) {
        entries_lock();
        taken = hold(key, size, expires_ms, &no_memory);
        entries_unlock();
        if (!taken) {
            free_reservation(held);
            lua_pushboolean(L, 0);
            return no_memory ? luaL_error(L, "not enough memory") : 1;
        }
        held->next = t->reservations;
        t->reservations = held;
        t->settle = settle_all;
    }
    if (!held || !add_recipient(held, recipient_of(run->input)))
        return luaL_error(L, "not enough memory");
    lua_pushboolean(L, taken);
    return 1;
}

int dictionary_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"get", dictionary_get},   {"set", dictionary_set},
                                         {"add", dictionary_add},   {"delete", dictionary_delete},
                                         {"once", dictionary_once}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
