#include "recipients.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/domain.h"
#include "alias_sources.h"

#define ADDRESS_MAX 1024 /* more than RCPT takes */

static struct map_key key_of(const void *value)
{
    return (struct map_key){value, strlen(value)};
}

int recipients_init(struct recipients *recipients)
{
    recipients->names.key_of = key_of;
    recipients->arena = arena_new();
    return recipients->arena ? 0 : -ENOMEM;
}

void recipients_free(struct recipients *recipients)
{
    map_free(&recipients->names);
    arena_free(recipients->arena);
    free(recipients->files);
}

static int add_name(struct recipients *recipients, const char *name)
{
    char folded[ADDRESS_MAX];
    if (!domain_fold_address(name, folded, sizeof folded))
        return 0; /* it is nobody's */
    char *copy = arena_strdup(recipients->arena, folded);
    return copy ? map_add(&recipients->names, copy) : -ENOMEM;
}

/* The keys of the table at the top. */
static int add_exact(struct recipients *recipients, lua_State *L)
{
    int code = 0;
    for (lua_pushnil(L); code == 0 && lua_next(L, -2) != 0; lua_pop(L, 1))
        code = add_name(recipients, lua_tostring(L, -2));
    return code;
}

static int add_domains(struct recipients *recipients, lua_State *L)
{
    int code = 0;
    for (size_t i = 1; code == 0 && i <= lua_objlen(L, -1); i++) {
        lua_rawgeti(L, -1, (int)i);
        code = add_name(recipients, lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    return code;
}

static int add_file(struct recipients *recipients, lua_State *L)
{
    const struct alias_table **grown =
        realloc(recipients->files, (recipients->file_count + 1) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    recipients->files = grown;
    grown[recipients->file_count++] = alias_sources_table(L, -1);
    return 0;
}

int recipients_add(struct recipients *recipients, lua_State *L)
{
    static const struct {
        const char *field;
        int (*add)(struct recipients *recipients, lua_State *L);
    } parts[] = {{"exact", add_exact}, {"domains", add_domains}, {"file", add_file}};
    int top = lua_gettop(L), code = 0;
    for (size_t i = 0; code == 0 && i < sizeof parts / sizeof *parts; i++) {
        lua_getfield(L, top, parts[i].field);
        if (!lua_isnil(L, -1))
            code = parts[i].add(recipients, L);
        lua_settop(L, top);
    }
    lua_getfield(L, top, "patterns");
    recipients->patterns |= lua_toboolean(L, -1);
    lua_settop(L, top);
    return code;
}

/* Files hold domains in either form. */
static bool is_in_files(const struct recipients *recipients, const char *name)
{
    char other[ADDRESS_MAX];
    bool found = false,
         differs = domain_unfold_address(name, other, sizeof other) && strcmp(name, other) != 0;
    for (size_t i = 0; i < recipients->file_count && !found; i++)
        found = alias_table_find(recipients->files[i], name, strlen(name)) != NULL ||
                (differs && alias_table_find(recipients->files[i], other, strlen(other)) != NULL);
    return found;
}

static bool has(const struct recipients *recipients, const char *name)
{
    return map_find(&recipients->names, (struct map_key){name, strlen(name)}) != NULL ||
           (recipients->file_count > 0 && is_in_files(recipients, name));
}

/* As lua/mxhook/alias.lua has it: exact, without what follows the first "+", the whole domain. */
bool recipients_has(const struct recipients *recipients, const char *address)
{
    char name[ADDRESS_MAX], other[ADDRESS_MAX];
    if (!domain_fold_address(address, name, sizeof name - 1))
        return false;
    const char *at = strrchr(name, '@'), *plus = strchr(name, '+');
    if (has(recipients, name))
        return true;
    if (!at)
        return false;
    if (plus && plus > name && plus < at) {
        size_t plain = (size_t)(plus - name);
        memcpy(other, name, plain);
        strcpy(other + plain, at);
        if (has(recipients, other))
            return true;
    }
    other[0] = '*';
    strcpy(other + 1, at);
    return has(recipients, other);
}
