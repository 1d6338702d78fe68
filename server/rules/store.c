#include "store.h"

#include <glib.h>
#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../base/clock.h"
#include "state.h"

struct entry {
    char *key;
    size_t key_size;
    int64_t expires_ms; /* monotonic; 0: never */
    bool is_number;
    double number;
    char *text;
    size_t text_size;
    GList link; /* in the order of use; data is the entry */
};

static struct {
    uv_once_t once;
    uv_mutex_t mutex;
    GHashTable *entries; /* entry -> entry */
    GQueue used;         /* the head was used last */
    size_t bytes;
} store = {.once = UV_ONCE_INIT, .used = G_QUEUE_INIT};

static guint entry_hash(gconstpointer pointer)
{
    const struct entry *entry = pointer;
    guint value = 5381;
    for (size_t i = 0; i < entry->key_size; i++)
        value = value * 33 + (unsigned char)entry->key[i];
    return value;
}

static gboolean entry_equal(gconstpointer a, gconstpointer b)
{
    const struct entry *first = a, *second = b;
    return first->key_size == second->key_size &&
           memcmp(first->key, second->key, first->key_size) == 0;
}

static void store_begin(void)
{
    uv_mutex_init(&store.mutex);
    store.entries = g_hash_table_new(entry_hash, entry_equal);
}

static void lock(void)
{
    uv_once(&store.once, store_begin);
    uv_mutex_lock(&store.mutex);
}

static void unlock(void)
{
    uv_mutex_unlock(&store.mutex);
}

static size_t cost(const struct entry *entry)
{
    return sizeof *entry + entry->key_size + entry->text_size + 64; /* 64: the table's share */
}

static void drop(struct entry *entry)
{
    g_hash_table_remove(store.entries, entry);
    g_queue_unlink(&store.used, &entry->link);
    store.bytes -= cost(entry);
    free(entry->key);
    free(entry->text);
    free(entry);
}

/* The live entry of that key, now the one used last; NULL. */
static struct entry *find(const char *key, size_t size)
{
    struct entry probe = {.key = (char *)key, .key_size = size};
    struct entry *entry = g_hash_table_lookup(store.entries, &probe);
    if (!entry)
        return NULL;
    if (entry->expires_ms && entry->expires_ms <= clock_monotonic_ms()) {
        drop(entry);
        return NULL;
    }
    g_queue_unlink(&store.used, &entry->link);
    g_queue_push_head_link(&store.used, &entry->link);
    return entry;
}

static void *copy(const char *bytes, size_t size)
{
    char *new = malloc(size ? size : 1);
    if (new && size)
        memcpy(new, bytes, size);
    return new;
}

/* Takes a value's place; false: no memory. */
static bool put(const char *key, size_t key_size, const struct entry *value)
{
    struct entry *old = find(key, key_size), *entry = calloc(1, sizeof *entry);
    if (!entry)
        return false;
    *entry = *value;
    entry->key = copy(key, key_size);
    entry->key_size = key_size;
    entry->text = value->is_number ? NULL : copy(value->text, value->text_size);
    if (!entry->key || (!value->is_number && !entry->text)) {
        free(entry->key);
        free(entry->text);
        free(entry);
        return false;
    }
    if (old)
        drop(old);
    entry->link = (GList){entry, NULL, NULL};
    g_hash_table_add(store.entries, entry);
    g_queue_push_head_link(&store.used, &entry->link);
    store.bytes += cost(entry);
    while (store.bytes > STORE_MAX_BYTES)
        drop(g_queue_peek_tail(&store.used));
    return true;
}

static const char *check_key(lua_State *L, size_t *size)
{
    const char *key = luaL_checklstring(L, 1, size);
    luaL_argcheck(L, *size <= STORE_MAX_KEY, 1, "a key of over 1024 bytes");
    return key;
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
static int store_get(lua_State *L)
{
    size_t size;
    const char *key = check_key(L, &size);
    /* copied under the lock, pushed after it: Lua may raise, and must not do so while it is held */
    char *text = state_scratch(state_of(L), STORE_MAX_VALUE);
    size_t text_size = 0;
    double number = 0;
    int type = LUA_TNIL;
    if (!text)
        return luaL_error(L, "not enough memory");
    lock();
    const struct entry *entry = find(key, size);
    if (entry && entry->is_number) {
        type = LUA_TNUMBER;
        number = entry->number;
    } else if (entry) {
        type = LUA_TSTRING;
        text_size = entry->text_size;
        memcpy(text, entry->text, text_size);
    }
    unlock();
    if (type == LUA_TNUMBER)
        lua_pushnumber(L, number);
    else if (type == LUA_TSTRING)
        lua_pushlstring(L, text, text_size);
    else
        lua_pushnil(L);
    return 1;
}

/* store.delete(key) */
static int store_delete(lua_State *L)
{
    size_t size;
    const char *key = check_key(L, &size);
    lock();
    struct entry *entry = find(key, size);
    if (entry)
        drop(entry);
    unlock();
    return 0;
}

/* store.set(key, value [, seconds]): nil deletes */
static int store_set(lua_State *L)
{
    size_t size;
    const char *key = check_key(L, &size);
    struct entry value = {.expires_ms = check_expiry(L, 3)};
    if (lua_isnil(L, 2))
        return store_delete(L);
    value.is_number = lua_type(L, 2) == LUA_TNUMBER;
    if (value.is_number)
        value.number = lua_tonumber(L, 2);
    else if (lua_type(L, 2) == LUA_TSTRING)
        value.text = (char *)lua_tolstring(L, 2, &value.text_size);
    else
        return luaL_argerror(L, 2, "a string, number or nil was expected");
    luaL_argcheck(L, value.text_size <= STORE_MAX_VALUE, 2, "a value of over 65536 bytes");
    lock();
    bool done = put(key, size, &value);
    unlock();
    return done ? 0 : luaL_error(L, "not enough memory");
}

/* store.add(key, amount = 1 [, seconds]) -> the new number. The time counts from the first add: so
 * a counter of a fixed window. */
static int store_add(lua_State *L)
{
    size_t size;
    const char *key = check_key(L, &size);
    double amount = luaL_optnumber(L, 2, 1);
    struct entry value = {.expires_ms = check_expiry(L, 3), .is_number = true, .number = amount};
    bool wrong = false, done = true;
    lock();
    struct entry *entry = find(key, size);
    if (!entry)
        done = put(key, size, &value);
    else if (entry->is_number)
        value.number = entry->number += amount;
    else
        wrong = true;
    unlock();
    if (wrong)
        return luaL_error(L, "store.add: a string stands under this key");
    if (!done)
        return luaL_error(L, "not enough memory");
    lua_pushnumber(L, value.number);
    return 1;
}

void rules_store_clear(void)
{
    lock();
    while (store.used.head)
        drop(g_queue_peek_head(&store.used));
    unlock();
}

size_t rules_store_bytes(void)
{
    lock();
    size_t bytes = store.bytes;
    unlock();
    return bytes;
}

int rules_store_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"get", store_get},
                                         {"set", store_set},
                                         {"add", store_add},
                                         {"delete", store_delete},
                                         {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
