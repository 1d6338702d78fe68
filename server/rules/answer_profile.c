/* answer_profile.c - destinations that name a profile of the configuration: "crm:https://...". */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <strings.h>

#include "../config/config.h"
#include "../config/destination_read.h"
#include "answer.h"
#include "state.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static bool is_url(const char *text)
{
    return strncasecmp(text, "https://", 8) == 0 || strncasecmp(text, "http://", 7) == 0;
}

/* "crm:https://...": it looks like one. */
static size_t name_size(const char *text)
{
    size_t size = strspn(text, NAME_CHARACTERS);
    return text[size] == ':' && is_url(text + size + 1) ? size : 0;
}

int answer_check_named(const struct rules_config *config, const char *text, size_t size,
                       struct error *why)
{
    const char *rest = text;
    size_t name = strlen(text) == size ? name_size(text) : 0;
    if (name == 0)
        return destination_check_target(text, size, why);
    if (config && profile_named(config->profiles, config->profile_count, text, &rest))
        return destination_check_target(rest, size - (size_t)(rest - text), why);
    return error_set(why, -EINVAL, "'%.*s': the configuration has no profile of that name",
                     name > 60 ? 60 : (int)name, text);
}

void answer_add_profile(lua_State *L, struct destination *to, struct verdict *verdict)
{
    const struct rules_config *config = state_of(L)->config;
    const char *rest;
    const struct profile *profile =
        config ? profile_named(config->profiles, config->profile_count, to->url, &rest) : NULL;
    if (!profile)
        return;
    to->url = rest;
    if (verdict && destination_inherit(verdict->arena, to, &profile->to) != 0)
        luaL_error(L, "not enough memory");
}
